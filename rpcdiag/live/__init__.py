"""A capture that is still being recorded in; what turns, what is found and what is kept of it, out, as it happens."""
