"""The terminal: choose, call, show."""
