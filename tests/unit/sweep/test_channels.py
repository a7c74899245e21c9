"""RPC over HTTP: a greeting on 593, or two connections that are joined by a cookie."""

import tempfile
from itertools import chain
from pathlib import Path

import pytest

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.sweep import rts
from rpcdiag.sweep.columns import EV_HTTP, EVENT_WIDTH
from rpcdiag.track.facts import Fate
from tests.build import exchanges, pdus, rpc_http
from tests.build.carrying import ANSWER, BIND, BIND_KINDS, BOUND, CALL, CALL_KINDS, Reading, analyzed, read
from tests.build.conversation import Recording, Tcp
from tests.build.messages import CLIENT, SERVER

LEGS = b"NTLMSSP\x00\x01" + bytes(31), b"NTLMSSP\x00\x02" + bytes(47)
IN, OUT = 49_701, 49_702
OTHER = "0ddba110-4c1d-4be2-9a40-7f1e2d3c4b5a"


def _channels(recording: Recording, *, out_first: bool, logon: bool = False, base: int = IN) -> tuple[Tcp, Tcp]:
    """Both channels open, with nothing said but who they are."""
    into, out = Tcp(recording, "10.0.0.5", base, "10.0.0.9", 80), Tcp(recording, "10.0.0.5", base + 1, "10.0.0.9", 80)
    both = {
        into: rpc_http.in_channel([], logon_first=rpc_http.logon("RPC_IN_DATA", LEGS) if logon else ()),
        out: rpc_http.out_channel([], logon_first=rpc_http.logon("RPC_OUT_DATA", LEGS) if logon else ()),
    }
    for tcp in (out, into) if out_first else (into, out):
        tcp.open()
        tcp.say(both[tcp])
    return into, out


def _talked(into: Tcp, out: Tcp) -> None:
    for asked, answered in ((BIND, BOUND), (CALL, ANSWER)):
        into.say([(CLIENT, asked)])
        out.say([(SERVER, answered)])


def _by_port(seen: Reading) -> dict[int, list[tuple[int, int]]]:
    return {
        flow.client.port: [one for one in seen.said(seen.table.serial(flow)) if one[1] != rpc_http.RTS]
        for flow in seen.listed()
    }


def test_a_greeting_and_pdus(tmp_path: Path) -> None:
    recording = Recording(0)
    tcp = Tcp(recording, "10.0.0.5", IN, "10.0.0.9", 593)
    tcp.open()
    tcp.say(rpc_http.greeted([(CLIENT, BIND), (SERVER, BOUND), (CLIENT, CALL), (SERVER, ANSWER)]))
    assert _by_port(read(recording.pcap())) == {IN: [*BIND_KINDS, *CALL_KINDS]}
    (flow,) = analyzed(tmp_path, recording).case.flows
    assert flow.rpc is not None
    assert flow.rpc.fates[Fate.RESPONSE] == 1
    assert flow.rpc.bytes_skipped == len(rpc_http.GREETING)


@pytest.mark.parametrize("logon", [False, True])
@pytest.mark.parametrize("out_first", [False, True])
def test_answers_on_one_channel_are_those_to_requests_on_the_other(
    out_first: bool, logon: bool, tmp_path: Path
) -> None:
    recording = Recording(0)
    _talked(*_channels(recording, out_first=out_first, logon=logon))
    assert _by_port(read(recording.pcap())) == {IN: [*BIND_KINDS, *CALL_KINDS], OUT: []}
    flows = {flow.flow.client.port: flow for flow in analyzed(tmp_path, recording).case.flows}
    into, out = flows[IN].rpc, flows[OUT].rpc
    assert into is not None
    assert out is not None
    assert (into.requests, into.fates[Fate.RESPONSE], into.orphan_answers) == (1, 1, 0)
    assert (out.requests, out.orphan_answers) == (0, 0)
    assert [use.interface.uuid for use in into.interfaces] == [exchanges.SVCCTL[0]]
    assert out.bytes_in_pdus >= len(BOUND) + len(ANSWER)


def test_channels_of_other_conversations_are_not_joined() -> None:
    recording = Recording(0)
    into, _ = _channels(recording, out_first=False)
    strange = Tcp(recording, "10.0.0.5", 49_900, "10.0.0.9", 80)
    strange.open()
    said = rpc_http.out_channel([])
    strange.say([(side, data.replace(pdus.uuid(rpc_http.CONNECTION), pdus.uuid(OTHER))) for side, data in said])
    into.say([(CLIENT, BIND)])
    strange.say([(SERVER, ANSWER)])
    assert _by_port(read(recording.pcap())) == {IN: [(0, 11)], OUT: [], 49_900: [(1, 2)]}


def test_a_channel_that_says_twice_who_it_is_is_joined_once(tmp_path: Path) -> None:
    """With another cookie the second time: two others claim it, and it is given up."""
    recording = Recording(0)
    out = Tcp(recording, "10.0.0.5", OUT, "10.0.0.9", 80)
    out.open()
    first = rpc_http.conn_a1()
    second = first.replace(pdus.uuid(rpc_http.CONNECTION), pdus.uuid(OTHER))
    out.say([*rpc_http.out_channel([])[:1], (CLIENT, first), (CLIENT, second)])
    for number, cookie in enumerate((rpc_http.CONNECTION, OTHER)):
        into = Tcp(recording, "10.0.0.5", 50_000 + number, "10.0.0.9", 80)
        into.open()
        said = rpc_http.in_channel([BIND, CALL])
        into.say([(side, data.replace(pdus.uuid(rpc_http.CONNECTION), pdus.uuid(cookie))) for side, data in said])
    out.say([(SERVER, ANSWER)])
    assert _by_port(read(recording.pcap())) == {OUT: [], 50_000: [(0, 11), (0, 0), (1, 2)], 50_001: [(0, 11), (0, 0)]}
    analyzed(tmp_path, recording)


def test_more_channels_without_their_other_half_than_are_remembered() -> None:
    recording = Recording(0)
    for number in range(rts.MAX_CHANNELS + 20):
        tcp = Tcp(recording, "10.0.0.5", 50_000 + number, "10.0.0.9", 80)
        tcp.open()
        cookie = pdus.uuid(f"{number:08x}-4c1d-4be2-9a40-7f1e2d3c4b5a")
        tcp.say([(side, data.replace(pdus.uuid(rpc_http.CONNECTION), cookie))
                 for side, data in rpc_http.in_channel([BIND])])  # fmt: skip
    _talked(*_channels(recording, out_first=False))
    seen = _by_port(read(recording.pcap()))
    assert seen[IN] == [(0, 11), (0, 0)]  # there was no room to remember it
    assert seen[OUT] == [(1, 12), (1, 2)]
    assert seen[50_000] == [(0, 11)]


@pytest.mark.parametrize("method", ["RPC_IN_DATA", "RPC_OUT_DATA"])
def test_a_proxy_that_does_not_reach_the_server(method: str, tmp_path: Path) -> None:
    recording = Recording(0)
    tcp = Tcp(recording, "10.0.0.5", IN, "10.0.0.9", 80)
    tcp.open()
    tcp.say(rpc_http.failed(method))
    (flow,) = analyzed(tmp_path, recording).case.flows
    assert flow.rpc is not None
    assert flow.rpc.requests == 0


def test_the_heads_of_http_are_told() -> None:
    recording = Recording(0)
    _channels(recording, out_first=False, logon=True)
    assert _heads(recording.pcap()) == [
        *[b"RPC_IN_DATA /rpc/rpcproxy.dll?srv:593", b"HTTP/1.1 401"] * 2, b"RPC_IN_DATA /rpc/rpcproxy.dll?srv:593",
        *[b"RPC_OUT_DATA /rpc/rpcproxy.dll?srv:593", b"HTTP/1.1 401"] * 2, b"RPC_OUT_DATA /rpc/rpcproxy.dll?srv:593",
        b"HTTP/1.1 200",
    ]  # fmt: skip


def _heads(data: bytes) -> list[bytes]:
    """The first two words of every message of HTTP that is told."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(data)
        reader = CaptureReader(str(path))
        for rows, arena in chain(reader.events(), reader.finish()):
            for e in range(0, len(rows), EVENT_WIDTH):
                if rows[e] == EV_HTTP:
                    at = rows[e + 5]
                    found.append(b" ".join(bytes(arena[at : at + rows[e + 6]]).split()[:2]))
    return found
