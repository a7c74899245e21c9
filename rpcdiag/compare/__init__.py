"""Two captures in; where they differ out: of one thing that works and one that does not, or of two places of one path."""
