"""Capture files in; blocks of packet rows out, one row of integers a packet, next to the bytes they point into."""
