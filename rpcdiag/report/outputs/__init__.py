"""One file is one output."""
