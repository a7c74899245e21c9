"""One file is one firewall log format."""
