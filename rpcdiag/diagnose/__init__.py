"""A case in; findings, each with its evidence, out."""
