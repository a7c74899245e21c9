"""The compiled pass, for the tests of this folder."""

import pytest

from tests.unit.sweep import compiled

pytest.register_assert_rewrite("tests.properties.two_forms")
machine = compiled.machine
