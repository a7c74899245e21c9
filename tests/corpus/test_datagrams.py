"""Connectionless RPC of the captures at hand: what another dissector reads in it is the same."""

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from rpcdiag.capture.reader import CaptureReader, Events
from rpcdiag.dissect import connectionless
from rpcdiag.errors import DecodeError
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.sweep.columns import EV_DATAGRAM, EVENT_WIDTH
from rpcdiag.sweep.packets import CONNECTIONLESS
from rpcdiag.track.datagram_calls import DatagramFlow
from rpcdiag.track.datagrams import Datagrams
from rpcdiag.track.facts import Fate
from tests.corpus.at_hand import CORPUS

pytestmark = pytest.mark.corpus

if not CORPUS.exists():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)

PROFINET = CORPUS / "others" / "dcerpc.pcap"  # every packet was recorded twice
SPAM = CORPUS / "others" / "evilprogram.pcap"
BROADCAST = CORPUS / "suricata-verify" / "dcerpc-udp-scapy.pcap"
WORM = (479, 503)  # packets to port 1434 that begin like a PDU and go on with ones
ALL = pytest.mark.parametrize("path", [PROFINET, SPAM, BROADCAST], ids=lambda path: path.name)

FIELDS = (
    "frame.number", "dcerpc.pkt_type", "dcerpc.dg_flags1", "dcerpc.dg_flags2", "dcerpc.obj_id", "dcerpc.dg_if_id",
    "dcerpc.dg_if_ver", "dcerpc.dg_act_id", "dcerpc.dg_seqnum", "dcerpc.opnum", "dcerpc.dg_ihint", "dcerpc.dg_ahint",
    "dcerpc.dg_frag_len", "dcerpc.dg_frag_num", "dcerpc.dg_auth_proto", "dcerpc.dg_serial_hi", "dcerpc.dg_serial_lo",
)  # fmt: skip


def events(path: Path) -> Iterator[Events]:
    reader = CaptureReader(str(path))
    yield from chain(reader.events(), reader.finish())


@cache
def payloads(path: Path) -> dict[int, tuple[bytes, int]]:
    """Bytes and length of every candidate, by packet."""
    found = {}
    for rows, arena in events(path):
        for e in range(0, len(rows), EVENT_WIDTH):
            if rows[e] == EV_DATAGRAM and rows[e + 1] == CONNECTIONLESS:
                at = rows[e + 6] + 2 * rows[e + 5] + 4
                found[rows[e + 2]] = bytes(arena[at : at + rows[e + 7]]), rows[e + 8]
    return found


@cache
def conversations(path: Path) -> tuple[DatagramFlow, ...]:
    datagrams = Datagrams()
    for rows, arena in events(path):
        datagrams.feed(rows, arena)
    assert (datagrams.undecoded, datagrams.evicted) == (0, 0)
    return datagrams.conversations()


@cache
def theirs(path: Path) -> dict[int, dict[str, str]]:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed")
    command = [tshark, "-n", "-r", str(path), "-Y", "dcerpc.dg_act_id", "-T", "fields"]
    command += [argument for field in FIELDS for argument in ("-e", field)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines]
    return {int(row["frame.number"]): row for row in rows}


@ALL
def test_tshark_reads_the_same_headers(path: Path) -> None:
    ours, rows = payloads(path), theirs(path)
    assert set(rows) - set(ours) == (set(WORM) if path == SPAM else set())
    assert set(ours) <= set(rows)
    for number, (data, length) in ours.items():
        header = connectionless.decode(data, length).header
        row = rows[number]
        numbers = [int(row[name], 0) for name in FIELDS if row[name] and not name.endswith(("_id", "number"))]
        major, minor = (int(part) for part in header.interface.version.split("."))
        assert numbers == [
            header.type, header.flags, header.flags2, major | minor << 16, header.sequence, header.opnum,
            header.interface_hint, header.activity_hint, header.length, header.fragment, header.auth_proto,
            header.serial >> 8, header.serial & 0xFF,
        ]  # fmt: skip
        assert [header.interface.uuid, header.activity] == [row["dcerpc.dg_if_id"], row["dcerpc.dg_act_id"]]
        assert (header.object or connectionless.NO_OBJECT) == row["dcerpc.obj_id"]


@ALL
def test_every_datagram_is_in_one_conversation(path: Path) -> None:
    found = conversations(path)
    assert sum(one.flow.packets for one in found) == len(payloads(path))
    for one in found:
        rpc = one.rpc
        assert sum(rpc.fates.values()) == rpc.requests
        assert rpc.damage == ()
        assert rpc.bytes_in_pdus == rpc.stream_bytes == one.flow.client_bytes + one.flow.server_bytes


def test_two_devices_that_answer_from_other_ports() -> None:
    """Both are asked at 34964, both ask; each is the client where it asks."""
    one, two = conversations(PROFINET)
    assert [str(end) for end in (one.flow.client, one.flow.server)] == ["192.168.1.11:49155", "192.168.1.20:34964"]
    assert [str(end) for end in (two.flow.client, two.flow.server)] == ["192.168.1.20:49162", "192.168.1.11:34964"]
    assert [[end.port for end in flow.answered_from] for flow in (one, two)] == [[49161], [49154]]
    assert (one.rpc.requests, one.rpc.fates[Fate.RESPONSE], one.repeats, one.repeated_answers) == (3, 3, 3, 3)
    assert (two.rpc.requests, two.rpc.fates[Fate.RESPONSE], two.repeats, two.repeated_answers) == (1, 1, 1, 1)
    assert [(use.interface.uuid[:8], use.accepted) for use in one.rpc.interfaces] == [("dea00001", True)]


def test_messages_that_nobody_wanted() -> None:
    found = conversations(SPAM)
    assert len(found) == 13
    assert {one.flow.outcome for one in found} == {TcpOutcome.REFUSED}
    assert {(error.kind, error.code) for one in found for error in one.flow.icmp} == {(3, 3)}
    assert {str(one.flow.server.address) for one in found} == {"24.6.125.19"}
    assert {one.flow.server.port for one in found} <= set(range(1026, 1030))
    assert {use.interface.uuid for one in found for use in one.rpc.interfaces} == {
        "5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc"
    }


def test_responses_that_come_from_the_client_answer_nothing() -> None:
    (one,) = conversations(BROADCAST)
    assert (one.rpc.requests, one.rpc.orphan_answers, one.first_answer) == (5, 5, None)
    assert sum(one.rpc.fates[fate] for fate in (Fate.CUT, Fate.UNANSWERED)) == 5


def test_mutated_datagrams_decode_or_raise_decode_error() -> None:
    rng = random.Random(12_05)
    known = [one for path in (PROFINET, SPAM, BROADCAST) for one in payloads(path).values()]
    seen: Counter[str] = Counter()
    for _ in range(5000):
        data = bytearray(rng.choice(known)[0])
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(80)] = rng.choice((0, 1, 4, 0x10, 0x80, 0xFF, rng.randrange(256)))
        data[1] = rng.choice((data[1], rng.randrange(12)))
        kept = rng.choice((len(data), rng.randrange(len(data) + 1)))
        try:
            seen[connectionless.decode(bytes(data[:kept]), len(data)).header.type.name] += 1
        except DecodeError as error:
            seen[error.field] += 1
    assert min(seen[kind.name] for kind in connectionless.PduType) > 20
    assert seen["header"] > 50
