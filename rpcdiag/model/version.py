"""The program's version, where both the program and the build find it."""

__version__ = "0.1.0"
