"""The compiled pass, for the tests of this folder."""

from tests.unit.sweep import compiled

machine = compiled.machine
