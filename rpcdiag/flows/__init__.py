"""Packet rows in; conversations, how each TCP connection went, and the segments of those that matter, out."""
