"""Bytes in; PDUs and what their bodies say, out. No files, no clock: packet numbers and times come in with the data."""
