"""Captures that two readers are to be compared on."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory

import pytest

from rpcdiag.track.spoken import Spoken
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Wire
from rpcdiag.verify import ours
from rpcdiag.verify.compare import Comparison, Difference
from rpcdiag.verify.peer import Peer
from tests.build import pdus
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI
from tests.build.story import START

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed: the peer's side")


@contextmanager
def saved(data: bytes) -> Iterator[str]:
    """The path of a file with this capture."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(data)
        yield str(path)


def spoken(data: bytes) -> list[Spoken]:
    """All that the transcript says of a capture."""
    with saved(data) as path:
        return list(Transcript(Wire(path).rows()))


def compared(data: bytes) -> tuple[Comparison, list[Difference]]:
    """Our reading against tshark's."""
    with saved(data) as path:
        comparison = Comparison(ours.readings(Wire(path)), Peer(path).readings())
        return comparison, list(comparison)


def mapper(recording: Recording, port: int = 50000) -> Tcp:
    """A connection to the mapper that is bound."""
    tcp = Tcp(recording, CLIENT, port, SERVER, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135"))
    return tcp


def map_request(call_id: int = 2) -> bytes:
    return pdus.request(3, pdus.map_request(pdus.tower(*DRSUAPI, 135, SERVER)), call_id=call_id)


def map_response(port: int = 49670, call_id: int = 2) -> bytes:
    return pdus.response(pdus.map_response([pdus.tower(*DRSUAPI, port, SERVER)]), call_id=call_id)


def local_tower(name: str) -> bytes:
    """A tower of ncalrpc: floor 3 is 0x0c, floor 4 names the port of the local machine."""
    floors = (
        (b"\x0d" + pdus.uuid(DRSUAPI[0]) + pack("<H", 4), pack("<H", 0)),
        (b"\x0d" + pdus.uuid(pdus.NDR32[0]) + pack("<H", 2), pack("<H", 0)),
        (b"\x0c", pack("<H", 0)),
        (b"\x10", name.encode() + b"\x00"),
    )
    out = pack("<H", len(floors))
    for left, right in floors:
        out += pack("<H", len(left)) + left + pack("<H", len(right)) + right
    return out


def recording() -> Recording:
    return Recording(START)
