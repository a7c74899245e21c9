"""A case and a firewall policy in; what that policy does to every flow, by which rule and why, out."""
