"""Records the stories of pcaps/ that come from the lab, once: python -m tests.lab.record

What is recorded differs each time in ports, times and random numbers: the numbers in the stories' make.py belong to the
files beside it, and have to be looked up again after a recording.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.lab.conftest import Lab, made
from tests.lab.dcom_object import PORT
from tests.lab.network import DCOM, ROOT, SAMBA, missing, python

PCAPS = ROOT / "pcaps"
LONG_ENOUGH_S = 16  # SYNs go out after 1, 3, 7 and 15 seconds


def _record(lab: Lab, story: str, interfaces: tuple[str, ...], doing: Callable[[], None]) -> None:
    folder = PCAPS / story
    folder.mkdir(exist_ok=True)
    kept = folder / "capture.pcapng"
    given = [word for name in interfaces for word in ("-i", name)]
    watch = lab.watch("firewall", *given, "-f", "tcp or icmp", "-w", str(kept))
    doing()
    time.sleep(1)
    watch.stop()
    shutil.copyfile(lab.firewall.text, folder / "firewall.log")
    lab.settle()
    kept.chmod(0o644)


def _client(lab: Lab, *arguments: str) -> None:
    """A client whose machine has a name that tells nothing; watched until it gives up, or for so long."""
    process = lab.network.start(
        "client", "unshare", "--uts", "sh", "-c", 'hostname client1; exec "$@"', "sh", *python("client.py", *arguments)
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(LONG_ENOUGH_S)
    lab.network.end(process)


def _dynamic_port(lab: Lab) -> None:
    lab.firewall.load(dynamic="drop")
    _client(lab, "map", SAMBA, "netlogon")


def _object(lab: Lab) -> None:
    lab.firewall.load(dynamic="drop", dynamic_ports=str(PORT))
    _client(lab, "dcom", DCOM)


def main() -> int:
    why = missing()
    if why is not None:
        print(why)
        return 4
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as name:
        making = made(Path(name))
        lab = next(making)
        try:
            _record(lab, "lab-dynamic-port-dropped", ("c0", "s0"), lambda: _dynamic_port(lab))
            _record(lab, "lab-dcom-oxid-blocked", ("c0",), lambda: _object(lab))
        finally:
            making.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
