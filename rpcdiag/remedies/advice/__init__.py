"""One file is one kind of change."""
