"""Small cases for remedies: somebody cannot reach a port."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.diagnose.finding import Finding
from rpcdiag.policy.model import Policy
from rpcdiag.remedies.advise import Remedies
from rpcdiag.remedies.remedy import Remedy
from tests.build import exchanges
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

CLIENT, SERVER = "10.20.3.7", "10.30.1.5"
EVENTLOG = ("f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "1.0")
MSDTC = ("906b0ce0-c70b-1067-b317-00dd010662da", "1.0")
DFSR = ("897e2e5f-93f3-4376-9c9c-fd2277495c27", "1.0")
PORT = 49664


class Told(NamedTuple):
    """A finding, and what is advised for it."""

    diagnosis: Diagnosis
    finding: Finding
    remedies: tuple[Remedy, ...]

    def remedy(self, id: str) -> Remedy:
        return next(one for one in self.remedies if one.id == id)

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.remedies]

    def text(self, id: str) -> str:
        return "\n".join(command.text for command in self.remedy(id).commands)


def silent(
    interface: tuple[str, str] = EVENTLOG, port: int = PORT, clients: tuple[str, ...] = (CLIENT,), server: str = SERVER
) -> Callable[[Recording], None]:
    """Each client asks the mapper, is told the port, and gets no answer there."""

    def build(recording: Recording) -> None:
        for number, client in enumerate(clients):
            exchanges.lookup(recording, client, 50500 + number, server, interface, port)
            Tcp(recording, client, 50600 + number, server, port).syns()

    return build


def told(
    folder: Path,
    build: Callable[[Recording], None],
    rule: str = "dynamic-port-blocked",
    policy: Policy | None = None,
    change: Callable[[Finding], Finding] | None = None,
) -> Told:
    """The remedies for the first finding of the rule; `change` makes another one of it."""
    recording = Recording(START)
    build(recording)
    capture = folder / "capture.pcapng"
    capture.write_bytes(recording.pcapng())
    diagnosis = analyze([str(capture)], policy=policy)
    found = next(one for one in diagnosis.findings if one.rule == rule)
    if change is not None:
        found = change(found)
        return Told(diagnosis, found, Remedies(diagnosis.case, [found], diagnosis.applied)[found.id])
    return Told(diagnosis, found, diagnosis.remedies[found.id])


def from_log(format: str, log_rule: str | None = None) -> Callable[[Finding], Finding]:
    """As if a log of that format showed the drop."""
    return lambda one: one._replace(subject=one.subject._replace(log_format=format, log_rule=log_rule))
