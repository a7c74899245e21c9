"""A host in; what its endpoint mapper names, and which of those ports can be reached from here, out. Sends packets."""
