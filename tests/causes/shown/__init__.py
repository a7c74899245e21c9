"""One file = captures that show the causes of one kind, each with what has to be said of it."""
