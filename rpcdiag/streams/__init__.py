"""Segments in; the bytes of each direction in order, with their packets, and the gaps, out."""
