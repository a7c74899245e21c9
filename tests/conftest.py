"""What all tests share."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# nothing is timed: machines that run tests are busy
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the golden files of the stories again")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))


@pytest.fixture(autouse=True)
def _nothing_is_compiled_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large capture would start the compiler for the next run: tests that want it say so."""
    monkeypatch.setattr("rpcdiag.sweep.cache.build_aside", lambda: False)


@pytest.fixture(autouse=True)
def _garbage_is_collected_again() -> Iterator[None]:
    """The command line switches the collector off for good: what thousands of tests leave would pile up."""
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def _nobody_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under sudo the program becomes whoever called it: here that would be the process of all tests."""
    monkeypatch.delenv("SUDO_UID", raising=False)
