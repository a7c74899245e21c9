"""Log files in; normalised entries, and their matches with the connection attempts of a capture, out."""
