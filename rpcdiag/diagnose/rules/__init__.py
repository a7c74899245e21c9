"""One file is one way to fail: prose, a generator, its name."""
