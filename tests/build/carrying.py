"""Captures of connections that carry others, through the pass and through the whole program."""

import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture.choice import PYTHON, Engine
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.case import CaseFlow
from rpcdiag.flows.flow import PIPE, Flow
from rpcdiag.flows.table import CaptureFlows, FlowTable
from rpcdiag.sweep.columns import CARRIER, FLOW_WIDTH, MATTERS, NO_ROOM, SERIAL_NUMBER, TELL_ALL
from rpcdiag.sweep.engine import MAX_FLOWS, Sweep
from rpcdiag.sweep.machine import Machine
from rpcdiag.track.sessions import PipeOpen, Sessions, SmbSession
from tests.build import exchanges, frames, pdus
from tests.build.containers import Frame as Recorded
from tests.build.containers import pcap
from tests.build.conversation import Recording
from tests.build.messages import Message, segments
from tests.build.smb2 import Session
from tests.build.story import START
from tests.build.sweeping import Frame, told

BIND = pdus.bind([(*exchanges.SVCCTL, [pdus.NDR32])])
BOUND = pdus.bind_ack(pdus.ACCEPTED_32, r"\PIPE\ntsvcs")
CALL, ANSWER = pdus.request(15, bytes(40)), pdus.response(bytes(24))
BIND_KINDS, CALL_KINDS = [(0, 11), (1, 12)], [(0, 0), (1, 2)]


class Pipe(NamedTuple):
    """A pipe as the pass tells it: its name, whether it is RPC (as MATTERS says), and its PDUs: side and type."""

    name: str | None
    matters: int
    pdus: list[tuple[int, int]]


class Reading(NamedTuple):
    """All that the pass says of one capture."""

    reader: CaptureReader
    table: FlowTable
    pdus: list[Frame]
    sessions: Sessions

    @property
    def pipes(self) -> list[Pipe]:
        """In the order of their opening."""
        flows = self.reader.sweep.state.flows
        records = [o for o in range(0, self.reader.sweep.end, FLOW_WIDTH) if flows[o + SERIAL_NUMBER] >= 0]
        found = []
        for o in sorted(records, key=lambda record: flows[record + SERIAL_NUMBER]):
            if flows[o + CARRIER]:
                serial = flows[o + SERIAL_NUMBER]
                opened: PipeOpen | None = self.sessions.pipe(serial)
                found.append(Pipe(opened.name if opened else None, flows[o + MATTERS], self.said(serial)))
        return found

    @property
    def session(self) -> SmbSession:
        (one,) = self.sessions.sessions()
        return one

    @property
    def no_room(self) -> int:
        return self.reader.sweep.state.counters[NO_ROOM]

    def said(self, serial: int) -> list[tuple[int, int]]:
        return [(frame.side, frame.data[2]) for frame in self.pdus if frame.flow == serial]

    @property
    def bodies(self) -> list[tuple[int, int, bytes, int]]:
        """Every PDU but for its packet numbers and time."""
        return sorted((frame.flow, frame.side, frame.data, frame.length) for frame in self.pdus)

    def listed(self) -> Sequence[Flow]:
        return self.table.flows()


def read(data: bytes, *, machine: Machine | None = None, max_flows: int = MAX_FLOWS) -> Reading:
    """A capture, every PDU told."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(data)
        reader = CaptureReader(str(path), Sweep(max_flows, machine))
        flows, sessions = CaptureFlows(reader.sweep), Sessions()
        reader.sweep.state.counters[TELL_ALL] = 1
        found: list[Frame] = []
        for events in chain(reader.events(), reader.finish()):
            flows.feed(*events)
            sessions.feed(*events)
            found += told(*events)
    return Reading(reader, FlowTable([flows]), found, sessions)


def said(messages: Iterable[Message], port: int = 445, sizes: Iterable[int] = (1460,)) -> Reading:
    """One connection in which this is said."""
    return read(pcap(connection(messages, port, sizes)))


CLIENT_END, SERVER_ADDRESS = ("10.0.0.5", 49_700), "10.0.0.9"


def connection(messages: Iterable[Message], port: int, sizes: Iterable[int]) -> list[Recorded]:
    """Handshake and data by struct, for what is long."""
    ends = CLIENT_END, (SERVER_ADDRESS, port)
    following = [1001, 5001]
    shaken = ((0, frames.SYN, 1000, 0), (1, frames.SYN | frames.ACK, 5000, 1001), (0, frames.ACK, 1001, 5001))
    out = [
        frames.tcp(*ends[side], *ends[1 - side], flags=flags, seq=seq, ack=ack, ttl=128)
        for side, flags, seq, ack in shaken
    ]
    for side, piece, _, _ in segments(messages, sizes):
        out.append(
            frames.tcp(*ends[side], *ends[1 - side], seq=following[side], ack=following[1 - side], data=piece, ttl=128)
        )
        following[side] = following[side] + len(piece) & 0xFFFFFFFF
    return [Recorded(START + 100_000 * number, 0, frames.ethernet(one)) for number, one in enumerate(out)]


def analyzed(folder: Path, *captures: Recording | bytes, logs: Sequence[str] = ()) -> Diagnosis:
    """The whole program over captures; its sums hold."""
    paths = []
    for number, capture in enumerate(captures):
        path = folder / f"capture{number}.pcap"
        path.write_bytes(capture if isinstance(capture, bytes) else capture.pcap())
        paths.append(str(path))
    rows = []
    for number, log in enumerate(logs):
        path = folder / f"log{number}.log"
        path.write_text(log, encoding="utf-8")
        rows.append(str(path))
    diagnosis = analyze(paths, rows, engine=Engine(PYTHON))
    assert not diagnosis.troubles
    assert diagnosis.case.accounting.sums_hold
    return diagnosis


def pipes_of(diagnosis: Diagnosis) -> list[CaseFlow]:
    return [one for one in diagnosis.case.flows if one.flow.transport == PIPE]


def called(session: Session, name: str = "svcctl", *, tree: int | None = None) -> None:
    """A pipe through which one call goes."""
    pipe = session.create(session.tree() if tree is None else tree, name)
    session.write(pipe, BIND)
    session.read(pipe, BOUND)
    session.transceive(pipe, CALL, ANSWER)
    session.close(pipe)
