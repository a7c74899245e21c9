"""Real traffic on a network that the tests make: namespaces, a firewall, a Samba server, real clients."""
