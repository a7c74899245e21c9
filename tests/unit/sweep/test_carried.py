"""Messages out of streams: however they are cut, in whatever order they come, with gaps; bulk is left out."""

from collections.abc import Iterator
from functools import cache
from itertools import chain, cycle, pairwise, repeat
from pathlib import Path
from struct import pack
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.flows.flow import PIPE
from rpcdiag.sweep import carried, slots
from rpcdiag.sweep.columns import (
    CARRIER,
    FLOW_WIDTH,
    FREE_LARGE,
    FREE_SMALL,
    LARGE_AT,
    LARGE_TOP,
    MAYBE,
    SERIAL_NUMBER,
    SMALL_AT,
    SMALL_TOP,
    YES,
)
from rpcdiag.sweep.engine import MAX_FLOWS
from rpcdiag.sweep.machine import Machine
from rpcdiag.track.facts import Fate
from tests.build import pdus, smb, smb1, smb2
from tests.build.carrying import (
    ANSWER,
    BIND,
    BIND_KINDS,
    BOUND,
    CALL,
    CALL_KINDS,
    Pipe,
    Reading,
    analyzed,
    called,
    connection,
    pipes_of,
    read,
    said,
)  # fmt: skip
from tests.build.containers import pcap
from tests.build.conversation import MSS, Recording, Tcp, spoken
from tests.build.messages import CLIENT, SERVER, Message
from tests.build.smb import framed
from tests.properties.two_forms import Chosen, Outcome, compare, outcome

WHOLE = Pipe("svcctl", YES, [*BIND_KINDS, *CALL_KINDS])
MIB = 1 << 20


# --- segments


@cache
def _told() -> tuple[Message, ...]:
    """A session of all sorts: pipes and files, parts, compounds, what cannot be read."""
    session = smb2.logged_on(multi=True)
    tree = session.tree()
    called(session, tree=tree)
    file = session.create(session.tree(r"\\SRV\data"), "file.bin")
    session.read(file, bytes(range(256)) * 20, length=5120)
    session.write(file, bytes(5000))
    pipe = session.create_and_write(tree, "srvsvc", BIND)
    session.read(pipe, BOUND, pending=True)
    session.write(pipe, CALL)
    session.read_pieces(pipe, pdus.response(bytes(900)), (300, 300))
    session.create(tree, "lsarpc", status=smb.STATUS_ACCESS_DENIED)
    session.encrypted(60, 300)
    return tuple(session.messages)


@cache
def _told1() -> tuple[Message, ...]:
    session = smb1.Session()
    session.negotiate()
    session.setup((b"one", b"two"), (b"three", b""))
    session.tree()
    pipe = session.create(r"\svcctl")
    session.write_and_read(pipe, BIND, BOUND)
    session.write(pipe, CALL, mode=smb1.MESSAGE_START | smb1.RAW_PIPE)
    session.read_pieces(pipe, pdus.response(bytes(900)), (300, 300))
    session.transact_parts(pipe, CALL, pdus.response(bytes(900)), (300, 300))
    session.close(pipe)
    return tuple(session.messages)


def _same(seen: Reading) -> object:
    """What must not depend on the segments: everything but packet numbers and times."""
    one = seen.session
    return (
        [pipe._replace(pdus=[]) for pipe in seen.pipes],
        seen.bodies,
        one.dialect,
        [(logon.tokens, logon.status) for logon in one.setups],
        [(tree.name, tree.share, tree.status) for tree in one.trees],
        [(pipe.name, pipe.serial, pipe.status) for pipe in one.pipes],
        [(error.serial, error.status) for error in one.errors],
        [packet is None for packet in one.sealed],
    )


@cache
def _whole(version: int) -> object:
    return _same(said(_told() if version == 2 else _told1()))


def _cut(messages: tuple[Message, ...], sizes: list[int]) -> Iterator[int]:
    """The first message decides what the connection is: it comes in one segment."""
    return chain((len(messages[0][1]),), cycle(sizes))


@pytest.mark.parametrize("version", [1, 2])
@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_the_cut_of_the_segments_changes_nothing(version: int, sizes: list[int]) -> None:
    messages = _told() if version == 2 else _told1()
    assert _same(said(messages, sizes=_cut(messages, sizes))) == _whole(version)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 35, 64, 127, 128, 129, 60_000])
def test_segments_of_one_size_change_nothing(version: int, size: int) -> None:
    messages = _told() if version == 2 else _told1()
    if size < 10:  # so many packets only of what matters
        messages = messages[:14]
        whole = _same(said(messages))
    else:
        whole = _whole(version)
    first = len(messages[0][1])
    assert _same(said(messages, sizes=chain((first,), repeat(size)))) == whole


@settings(max_examples=40)
@given(data=st.data())
def test_what_comes_late_or_twice_changes_nothing(data: st.DataObject) -> None:
    frames = connection(_told(), 445, (len(_told()[0][1]), *[90] * 40))
    times = [frame.time_ns for frame in frames]
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(12, len(frames) - 12))
        by = data.draw(st.integers(1, 8))
        if data.draw(st.booleans()):  # within what one side said: answers before their requests are another matter
            if len({frame.data[34:36] for frame in frames[at : at + by + 1]}) == 1:
                frames.insert(at, frames.pop(at + by))
        else:
            frames.insert(at, frames[at - by])
            times.append(times[-1] + 1000)
    seen = read(pcap([frame._replace(time_ns=ns) for frame, ns in zip(frames, times, strict=True)]))
    assert _same(seen) == _whole(2)


# --- gaps


def _without(session: smb2.Session, data: bytes, size: int = 200) -> bytes:
    """The session in segments, without the one that holds these bytes."""
    frames = connection(session.messages, 445, (size,))
    held = [at for at, frame in enumerate(frames) if data in frame.data]
    assert len(held) == 1
    del frames[held[0]]
    return pcap(frames)


def _marked(mark: bytes = b"HERE") -> smb2.Session:
    session = smb2.logged_on()
    tree = session.tree()
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    session.transceive(pipe, CALL, pdus.response(bytes(600) + mark + bytes(600)))
    for call in range(3, 6):
        session.transceive(pipe, pdus.request(1, bytes(20), call_id=call), pdus.response(bytes(20), call_id=call))
    return session


def test_after_a_gap_in_a_message_the_framing_is_found_again(tmp_path: Path) -> None:
    capture = _without(_marked(), b"HERE")
    (pipe,) = read(capture).pipes
    assert sorted(pipe.pdus) == sorted([*BIND_KINDS, (0, 0), *3 * CALL_KINDS])
    (flow,) = pipes_of(analyzed(tmp_path, capture))
    assert flow.rpc is not None
    assert flow.rpc.fates[Fate.CUT] == 1
    assert flow.rpc.fates[Fate.RESPONSE] == 3


def test_a_gap_in_a_request_of_a_pipe_is_one_too(tmp_path: Path) -> None:
    session = smb2.logged_on()
    pipe = session.create(session.tree(), "svcctl")
    session.transceive(pipe, BIND, BOUND)
    session.write(pipe, pdus.request(1, bytes(600) + b"HERE" + bytes(600)))
    session.read(pipe, ANSWER)
    session.transceive(pipe, pdus.request(2, bytes(8), call_id=3), pdus.response(bytes(8), call_id=3))
    (flow,) = pipes_of(analyzed(tmp_path, _without(session, b"HERE")))
    assert flow.rpc is not None
    assert (flow.rpc.fates[Fate.RESPONSE], flow.rpc.orphan_answers) == (1, 1)


def test_a_gap_in_a_file_costs_nothing() -> None:
    session = smb2.logged_on()
    tree = session.tree()
    file = session.create(session.tree(r"\\SRV\data"), "file.bin")
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    session.read(file, bytes(3000) + b"HERE" + bytes(3000), length=6004)
    session.transceive(pipe, CALL, ANSWER)
    with patch.object(carried, "carried_lost", side_effect=AssertionError):
        seen = read(_without(session, b"HERE"))
    assert [sorted(pipe.pdus) for pipe in seen.pipes] == [sorted(WHOLE.pdus)]


@pytest.mark.parametrize("keep", [54, 58, 120, 150, 250])
def test_a_capture_that_keeps_only_the_beginning_of_packets(keep: int) -> None:
    frames = connection(_marked().messages, 445, (MSS,))
    seen = read(pcap([frame._replace(data=frame.data[:keep], length=len(frame.data)) for frame in frames]))
    assert all(pipe.name == "svcctl" for pipe in seen.pipes)
    if keep == 250:
        assert (0, 0) in seen.pipes[0].pdus


# --- bulk


def _bulk(count: int = 4) -> smb2.Session:
    session = smb2.logged_on(smb2.SMB_3_0_2)
    tree = session.tree()
    file = session.create(session.tree(r"\\SRV\data"), "file.bin", size=count * MIB)
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    data = bytes(range(251)) * (MIB // 251 + 1)
    for number in range(count):
        session.read(file, data[:MIB], number * MIB, length=MIB)
        session.write(file, data[:MIB], number * MIB)
    session.transceive(pipe, CALL, ANSWER)
    return session


@pytest.mark.parametrize("size", [MSS, 60_000, 777])
def test_bulk_is_counted_off_and_never_put_together(size: int) -> None:
    copied: list[int] = []

    def keep(*given: int) -> bool:
        copied.append(given[4])
        return slots.keep_tail(*given)  # type: ignore[arg-type]  # as they come

    def add(*given: int) -> bool:
        copied.append(given[4])
        return slots.add_tail(*given)  # type: ignore[arg-type]  # as above

    with patch.object(carried, "keep_tail", keep), patch.object(carried, "add_tail", add):
        seen = said(_bulk().messages, sizes=(size,))
    assert seen.pipes == [WHOLE]
    assert sum(copied) < 8000  # of 8 MiB
    assert seen.reader.sweep.state.counters[LARGE_TOP] == LARGE_AT  # no large slot was ever taken


def test_most_segments_of_bulk_are_not_even_looked_at() -> None:
    fed: list[int] = []
    real = carried.carried

    def count(*given: int) -> None:
        fed.append(given[5])
        real(*given)  # type: ignore[arg-type]  # as they come

    with patch("rpcdiag.sweep.streams.carried", count):
        assert said(_bulk().messages).pipes == [WHOLE]
    assert sum(fed) < 200_000  # of 8 MiB


def test_slots_are_given_back() -> None:
    seen = said(_told() + _told()[-2:], sizes=(200,))
    counters, store = seen.reader.sweep.state.counters, seen.reader.sweep.state.store
    for head, first, top, width in ((FREE_SMALL, SMALL_AT, SMALL_TOP, 8192), (FREE_LARGE, LARGE_AT, LARGE_TOP, 65600)):
        free, slot = 0, counters[head]
        while slot >= 0:
            free += 1
            slot = slots.next_slot(store, slot)
        assert free * width == counters[top] - first


# --- floods


def _records(seen: Reading) -> int:
    flows = seen.reader.sweep.state.flows
    return sum(
        flows[o + SERIAL_NUMBER] >= 0 and flows[o + CARRIER] > 0 for o in range(0, seen.reader.sweep.end, FLOW_WIDTH)
    )


def test_ten_thousand_pipes_of_one_session_keep_their_names() -> None:
    session = smb2.logged_on()
    tree = session.tree()
    for number in range(10_000):
        pipe = session.create(tree, "svcctl" if number % 2 else "lsarpc")
        if number % 100 == 0:
            session.transceive(pipe, CALL, ANSWER)
    session.transceive(pipe, CALL, ANSWER)
    seen = said(session.messages)
    assert len(seen.pipes) == _records(seen) == 10_000
    assert {pipe.name for pipe in seen.pipes} == {"svcctl", "lsarpc"}
    assert sum(len(pipe.pdus) for pipe in seen.pipes) == 101 * 2
    assert seen.no_room == 0


def test_a_thousand_trees_and_the_last_is_known() -> None:
    session = smb2.logged_on()
    for _ in range(1000):
        session.tree(r"\\SRV\data")
    called(session)
    seen = said(session.messages)
    assert seen.pipes == [WHOLE]
    assert len(seen.session.trees) <= 256


def test_a_thousand_requests_without_an_answer() -> None:
    session = smb2.logged_on()
    tree = session.tree()
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    for number in range(1000):
        session.ask(smb2.READ, smb2.read_request(pipe.file_id, 1024, number), tree_id=tree)
    session.transceive(pipe, CALL, ANSWER)
    assert said(session.messages).pipes == [WHOLE]


def _through_both(folder: Path, data: bytes, machine: Machine, *, max_flows: int = MAX_FLOWS) -> Outcome:
    path = folder / "capture.pcap"
    path.write_bytes(data)
    interpreted = outcome(str(path), Chosen(None, max_flows=max_flows))
    compare(interpreted, outcome(str(path), Chosen(machine, max_flows=max_flows)))
    assert interpreted.diagnosis.case.accounting.sums_hold
    return interpreted


@pytest.mark.parametrize("room", [1, 2, 3, 5, 17, 40])
def test_few_flows_and_many_pipes(room: int, machine: Machine, tmp_path: Path) -> None:
    """The session goes, and its pipes with it; or a pipe goes, and the session stays. Then plain connections come."""
    recording = Recording(0)
    session = smb2.logged_on()
    tree = session.tree()
    opened = [session.create(tree, "svcctl") for _ in range(30)]
    for pipe in opened:
        session.transceive(pipe, CALL, ANSWER)
    many = Tcp(recording, "10.0.0.5", 49_700, "10.0.0.9", 445)
    many.open()
    many.say(session.messages, (1 << 15,))
    for number in range(50):
        other = Tcp(recording, "10.0.0.5", 50_000 + number, "10.0.0.9", 445 if number % 5 == 0 else 135)
        other.open()
        if number % 5 == 0:
            one = smb2.logged_on()
            called(one)
            other.say(one.messages)
    session.messages.clear()
    for pipe in opened:
        session.transceive(pipe, CALL, ANSWER)
    many.say(session.messages)
    found = _through_both(tmp_path, recording.pcap(), machine, max_flows=room)
    assert found.left[0].totals[0] > 0  # some were given up
    for flow in found.diagnosis.case.flows:
        if flow.flow.transport == PIPE:
            assert flow.flow.server.port == 445


@pytest.mark.parametrize("room", [1, 2, 20])
def test_pipes_that_take_all_the_room_leave_some_for_connections(room: int, machine: Machine, tmp_path: Path) -> None:
    """A thousand openings in one segment; the next packets open connections."""
    session = smb2.logged_on()
    tree = session.tree()
    for _ in range(1000):
        session.ask(smb2.CREATE, smb2.create_request("svcctl"), tree_id=tree)
    recording = Recording(0)
    tcp = Tcp(recording, "10.0.0.5", 49_700, "10.0.0.9", 445)
    tcp.open()
    tcp.say(session.messages, (1 << 15,))
    for number in range(40):
        Tcp(recording, "10.0.0.5", 50_000 + number, "10.0.0.9", 135).open()
    found = _through_both(tmp_path, recording.pcap(), machine, max_flows=room)
    assert found.diagnosis.case.accounting.packets == recording.number


def test_what_waits_at_the_end_of_the_capture_is_still_taken(tmp_path: Path, machine: Machine) -> None:
    """A segment is missing in a file; everything behind it waits, the opening of a pipe too."""
    session = smb2.logged_on()
    tree = session.tree()
    old = session.create(tree, "lsarpc")
    session.transceive(old, BIND, BOUND)
    start = len(session.messages)
    pipe = session.create(tree, "svcctl")
    session.transceive(pipe, BIND, BOUND)
    session.transceive(pipe, CALL, ANSWER[:20] + bytes(4) + ANSWER[20:])
    session.write(old, CALL[:30])
    recording = Recording(0)
    tcp = Tcp(recording, "10.0.0.5", 49_700, "10.0.0.9", 445)
    tcp.open()
    tcp.say(session.messages[:start])
    tcp.next = [tcp.next[0] + 100, tcp.next[1] + 100]
    tcp.say(session.messages[start:])
    found = _through_both(tmp_path, recording.pcap(), machine)
    carried_flows = {flow.flow.pipe: flow for flow in pipes_of(found.diagnosis)}
    assert set(carried_flows) == {r"\pipe\lsarpc", r"\pipe\svcctl"}
    for flow in carried_flows.values():
        assert flow.rpc is not None
        assert flow.rpc.stream_bytes > 0


# --- what no host sends


def _bent() -> Iterator[tuple[str, bytes]]:
    session = smb2.logged_on()
    tree = session.tree()
    file = session.create(tree, "svcctl").file_id
    write = smb2.header(smb2.WRITE, 99, tree_id=tree) + smb2.write_request(file, CALL)
    for following in (1, 8, 63, 64, 65, 66, len(write) - 1, len(write), len(write) + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"next {following}", framed(write[:20] + pack("<I", following) + write[24:])
    for offset, count in ((0, 64), (63, 64), (64, 0xFFFFFFFF), (0xFFFF, 64), (len(write), 1), (112, 0xFFFFFFFF)):
        yield f"data {offset} {count}", framed(write[:66] + pack("<HI", offset, count) + write[72:])
    create = smb2.header(smb2.CREATE, 98, tree_id=tree) + smb2.create_request("svcctl")
    for offset, count in ((0, 2), (0xFFFF, 2), (120, 0xFFFF), (119, 3), (0xFFFF, 0xFFFF)):
        yield f"name {offset} {count}", framed(create[:108] + pack("<HH", offset, count) + create[112:])
    for length in (0, 1, 3, 34, 35, 64, 65, 66, 0xFFFFFF):
        yield f"frame {length}", pack(">I", length) + write
    for size in range(0, len(write), 7):
        yield f"cut {size}", framed(write[:size])
    yield "session service", b"\x85\x00\x00\x00" * 3 + b"\x82\x00\x02\x00" + bytes(512)
    yield "not of it", b"\x81\x00\xff\xff" + bytes(40)
    for setup in (smb2.SESSION_SETUP, smb2.TREE_CONNECT, smb2.NEGOTIATE, smb2.READ, smb2.IOCTL, smb2.CLOSE, 0xFFFF):
        for flags in (0, 1, 3):
            message = smb2.header(setup, 97, tree_id=tree, flags=flags) + b"\xff" * 100
            yield f"command {setup} {flags}", framed(message)


@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_messages_that_no_host_sends(side: int, machine: Machine, tmp_path: Path) -> None:
    """Nothing is raised, both forms say the same, and what follows in a segment of its own is read."""
    recording = Recording(0)
    count = 0
    for name, data in _bent():
        session = smb2.logged_on()
        tree = session.tree()
        pipe = session.create(tree, "svcctl")
        session.transceive(pipe, BIND, BOUND)
        tcp = Tcp(recording, "10.0.0.5", 40_000 + count, "10.0.0.9", 445)
        tcp.open()
        tcp.say([*session.messages, (side, data)])
        session.messages.clear()
        session.transceive(pipe, CALL, ANSWER)
        session.transceive(pipe, CALL, ANSWER)
        if not name.startswith("frame"):
            tcp.say(session.messages)
        count += 1
    found = _through_both(tmp_path, recording.pcap(), machine)
    flows = [flow for flow in pipes_of(found.diagnosis) if flow.flow.pipe == r"\pipe\svcctl" and flow.rpc]
    assert len({flow.flow.client.port for flow in flows}) == count
    fine = [flow for flow in flows if flow.rpc and flow.rpc.pdus >= 4]
    assert len(fine) >= count - 20


@settings(max_examples=100)
@given(
    data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4), port=st.sampled_from([88, 445, 139])
)
def test_any_bytes_behind_a_header(data: bytes, cuts: list[int], port: int) -> None:
    start = b"\x00\x00\x00\x80\xfeSMB" + bytes(8) if port != 88 else b"\x00\x00\x01\x00\x6a" + bytes(11)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [(CLIENT, start), *((CLIENT, data[one:other]) for one, other in pairwise(places))]
    seen = said(pieces, port, sizes=(64,))
    assert seen.no_room == 0


def test_a_refused_pipe_whose_interface_is_known_is_listed(tmp_path: Path) -> None:
    session = smb2.logged_on()
    tree = session.tree()
    session.create(tree, "svcctl", status=smb.STATUS_ACCESS_DENIED)
    session.create(tree, "someones", status=smb.STATUS_ACCESS_DENIED)
    diagnosis = analyzed(tmp_path, spoken(session.messages, 445))
    (flow,) = pipes_of(diagnosis)
    assert flow.flow.pipe == r"\pipe\svcctl"
    assert flow.rpc is not None
    assert flow.rpc.pdus == 0
    (one,) = diagnosis.case.sessions
    assert [(pipe.name, pipe.status) for pipe in one.said.pipes] == [
        ("svcctl", smb.STATUS_ACCESS_DENIED), ("someones", smb.STATUS_ACCESS_DENIED),
    ]  # fmt: skip
    assert list(one.pipes.values()) == [flow.id]
    assert read(spoken(session.messages, 445).pcap()).pipes[0].matters == MAYBE
