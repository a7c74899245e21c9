"""A finding in; what to change, on which side, at what price, out."""
