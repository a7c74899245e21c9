"""The lab: made once a session, opened again for every test, and taken down whatever happens."""

import json
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.lab import samba
from tests.lab.dcom_object import PORT
from tests.lab.firewall import Firewall
from tests.lab.network import DCOM, ROOT, LabError, Network, missing, python, rpcdiag
from tests.lab.watching import Watch

REQUIRED = os.environ.get("RPCDIAG_LAB") == "require"


def without(why: str) -> NoReturn:
    """There is no lab, or a part of it is missing: a failure where it is required."""
    if REQUIRED:
        pytest.fail(why)
    pytest.skip(why)


class Lab:
    """What a test uses; everything it starts ends with the test."""

    def __init__(self, network: Network, firewall: Firewall) -> None:
        self.network, self.firewall = network, firewall
        self._running: list[Any] = []

    def watch(self, where: str, *arguments: str, prefix: tuple[str, ...] = ()) -> Watch:
        """Begin `rpcdiag live`; returns when it watches."""
        one = Watch(self.network, where, *arguments, prefix=prefix)
        self._running.append(one)
        return one

    def client(self, *arguments: str) -> "subprocess.Popen[str]":
        """Begin a client."""
        one = self.network.start(
            "client", *python("client.py", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._running.append(one)
        return one

    def does(self, *arguments: str) -> str:
        """Run a client to its end; what it says."""
        return self.network.run("client", *python("client.py", *arguments), check=False, timeout=60).stdout

    def analyze(self, *arguments: str | Path) -> dict[str, Any]:
        """What `analyze` says, outside of the namespaces."""
        done = subprocess.run(
            rpcdiag("analyze", "-T", "json", *map(str, arguments)), capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        if not done.stdout:
            raise LabError(f"analyze: {done.returncode}: {done.stderr}")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def settle(self) -> None:
        """End what a test began, open the firewall, empty its log."""
        for one in self._running:
            if isinstance(one, Watch):
                one.close()
            else:
                self.network.end(one)
        self._running.clear()
        self.firewall.read_rpc_no_more()
        self.firewall.load()
        self.firewall.forget()


def made(folder: Path) -> Generator[Lab, None, None]:
    """A lab with its data in `folder`; closing it takes everything down."""
    network = Network()
    try:
        samba.provision(network, folder / "dc")
        samba.start(network, folder / "dc")
        (folder / "firewall").mkdir()
        firewall = Firewall(network, folder / "firewall")
        dcom = network.start(
            "server", *python("dcom_server.py", DCOM, str(PORT)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        if dcom.stdout is None or dcom.stdout.readline() != "ready\n":
            raise LabError("the DCOM server did not start")
        yield Lab(network, firewall)
    finally:
        network.close()


@pytest.fixture(scope="session")
def whole_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    why = missing()
    if why is not None:
        without(why)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([before] if before else [])])
    making = made(tmp_path_factory.mktemp("lab"))
    try:
        try:
            lab = next(making)
        except (LabError, subprocess.TimeoutExpired) as error:
            without(f"no lab can be made here: {error}")
        yield lab
    finally:
        making.close()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@pytest.fixture
def lab(whole_lab: Lab) -> Iterator[Lab]:
    whole_lab.settle()
    yield whole_lab
    whole_lab.settle()


@pytest.fixture
def finding() -> Callable[[dict[str, Any], str], dict[str, Any]]:
    """The one finding of a document by a rule."""

    def of(document: dict[str, Any], rule: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = [one for one in document["findings"] if one["rule"] == rule]
        assert len(found) == 1, [one["rule"] for one in document["findings"]]
        return found[0]

    return of
