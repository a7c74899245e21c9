"""A diagnosis in; text, JSON and other outputs out."""
