"""Captures that no host sends: those of `pcaps/` and of `carriers`, spoilt by a seed; and what must hold of every one of them."""

import ctypes
import mmap
import random
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from struct import Struct, pack, pack_into, unpack_from
from typing import Any, NamedTuple
from unittest.mock import patch

from rpcdiag.capture import blocks
from rpcdiag.sweep.columns import ARENA_AT, EVENTS_AT, LARGE_AT, SMALL_AT, STREAMS_AT
from rpcdiag.sweep.engine import MAX_FLOWS
from rpcdiag.sweep.machine import Machine
from tests.build import containers, frames, pdus
from tests.build.containers import Frame, Interface
from tests.fuzz.carriers import MADE, made
from tests.properties.two_forms import Chosen, Heard, compare, compare_ends, outcome, said_by

CAPTURES = sorted((Path(__file__).resolve().parents[2] / "pcaps").glob("*/capture.pcapng"))
SECOND = 1_000_000_000
IP, TCP = 14, 34  # in an Ethernet frame with IPv4 without options
LINKS = (0, 1, 12, 14, 101, 108, 113, 147, 228, 229, 276)
EXTREMES = (
    0,
    1,
    7,
    15,
    16,
    23,
    24,
    27,
    28,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)

Frames = list[Frame]
Change = Callable[[random.Random, Frames], None]


class Mutant(NamedTuple):
    """A capture, and how it is read."""

    data: bytes
    max_flows: int
    block: int
    adopt_at: int  # -1: one form reads all of it


def _some(rng: random.Random) -> tuple[Frame, ...]:
    """A capture of `pcaps/` or one that is made for this."""
    if rng.random() < 0.4:
        return original(rng.randrange(len(CAPTURES)))
    return made(rng.randrange(len(MADE)))


def mutant(seed: int, some: Callable[[random.Random], tuple[Frame, ...]] = _some) -> Mutant:
    """The same for the same seed; `some` gives the captures that are spoilt."""
    rng = random.Random(seed)
    packets = list(some(rng))
    if rng.random() < 0.2:
        packets += some(rng)
    for _ in range(rng.choice((0, 1, 2, 3, 5, 9, 20))):
        if packets:
            rng.choice(CHANGES)(rng, packets)
    data = written(rng, packets)
    if rng.random() < 0.25:
        data = spoilt(rng, data)
    few = rng.random() < 0.3
    return Mutant(
        data=bytes(data),
        max_flows=rng.choice((1, 2, 3, 5, 9)) if few else MAX_FLOWS,
        block=rng.choice((300, 900, 5000)) if rng.random() < 0.3 else 1 << 19,
        adopt_at=rng.randrange(len(data) + 1) if rng.random() < 0.3 else -1,
    )


def check(seed: int, machine: Machine, folder: Path) -> None:
    """Both forms say the same of it, nothing is raised, the sums hold."""
    made = mutant(seed)
    path = folder / f"{seed}.capture"
    path.write_bytes(made.data)
    with patch.object(blocks, "BLOCK", made.block):
        interpreted = outcome(str(path), Chosen(None, max_flows=made.max_flows, kind=Guarded))
        compiled = outcome(str(path), Chosen(machine, max_flows=made.max_flows, kind=Guarded))
        compare(interpreted, compiled)
        if made.adopt_at >= 0:
            engine = Chosen(machine, max_flows=made.max_flows, kind=Guarded, adopt_at=made.adopt_at)
            compare_ends(outcome(str(path), engine), compiled)
    for one in (interpreted, compiled):
        assert one.diagnosis.case.accounting.sums_hold
    said_by(interpreted.diagnosis)
    path.unlink()


class Guarded(Heard):
    """A pass that gets what it may read and not a byte more, in arrays that others have left dirty."""

    def __init__(self, max_flows: int = MAX_FLOWS, machine: Machine | None = None) -> None:
        super().__init__(max_flows, machine)
        numbers, store = self.state.numbers, self.state.store
        for at in (0, EVENTS_AT, STREAMS_AT):
            size = min(4096, len(numbers) - at)
            numbers[at : at + size] = memoryview(DIRT).cast("q")[:size]
        for at in (0, ARENA_AT, SMALL_AT, LARGE_AT):
            store[at : at + 32768] = DIRT[:32768]

    def walk(self, b: Any, at: int, count: int) -> int:
        if not self.compiled:
            return super().walk(bytes(b[:count]), at, count)
        return super().walk(fence().hold(b, count) if count > 0 else b, at, count)


DIRT = bytes(range(0x41, 0x41 + 64)) * 512


class Fence:
    """Memory that ends where reading on is a segmentation fault."""

    SIZE = 1 << 22

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self.SIZE + mmap.PAGESIZE)
        try:
            address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
            protect = ctypes.CDLL(None, use_errno=True).mprotect
            protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
            self.closed = protect(address + self.SIZE, mmap.PAGESIZE, 0) == 0
        except (OSError, AttributeError, TypeError):
            self.closed = False  # no such call here: the compiled code still checks its bounds

    def hold(self, b: Any, count: int) -> Any:
        """A copy of `b[:count]` at the end."""
        room = memoryview(self._memory)[self.SIZE - count : self.SIZE]
        room[:] = memoryview(b)[:count]
        return room


@cache
def fence() -> Fence:
    return Fence()


# --- captures to packets, and packets to captures


@cache
def original(number: int) -> tuple[Frame, ...]:
    """The packets of one of our captures: enhanced packet blocks in little endian, with times in ns."""
    data = CAPTURES[number].read_bytes()
    at, found = 0, []
    while at < len(data):
        kind, length = unpack_from("<II", data, at)
        if kind == 6:
            interface, high, low, captured, wire = unpack_from("<IIIII", data, at + 8)
            found.append(Frame(high << 32 | low, interface, data[at + 28 : at + 28 + captured], wire))
        at += length
    assert found, CAPTURES[number]
    return tuple(found)


def written(rng: random.Random, packets: Frames) -> bytearray:
    """A file in some container."""
    order = rng.choice("<<>")
    link = rng.choice(LINKS) if rng.random() < 0.3 else containers.ETHERNET
    if rng.random() < 0.9:
        packets = [one._replace(data=_relinked(rng, one.data, link)) for one in packets]
    if rng.random() < 0.3:
        return bytearray(containers.pcap(packets, link=link, order=order, nanoseconds=rng.random() < 0.5))
    points = max((one.interface for one in packets), default=0) + 1
    resolution = rng.choice((0, 3, 6, 9, 9, 9, 12, 0x80 | 10, 0x80 | 20, 0x80 | 31))
    described = [Interface(f"if{number}", link, resolution) for number in range(points)]
    out = bytearray(containers.pcapng([], described, order=order))
    share = rng.choice((0, 0, 0, 0.1, 1))
    for one in packets:
        if rng.random() >= share:
            block = _enhanced(order, one, resolution)
        elif rng.random() < 0.5:
            block = _block(order, 3, pack(order + "I", _wire(one)) + _padded(one.data))
        else:
            stamp = one.time_ns // 1000
            fields = (one.interface, 0, stamp >> 32, stamp & 0xFFFFFFFF, len(one.data), _wire(one))
            block = _block(order, 2, pack(order + "HHIIII", *fields) + _padded(one.data))
        out += block
        if rng.random() < 0.01:
            out += _block(order, rng.choice((5, 10, 0xBAD)), bytes(rng.randrange(0, 40, 4)))
    if rng.random() < 0.05:
        order = rng.choice("<>")
        out += containers.pcapng([], described, order=order)
        out += b"".join(_enhanced(order, one, resolution) for one in packets[:5])
    return out


def spoilt(rng: random.Random, data: bytearray) -> bytearray:
    """Bytes of the file itself: headers of records and blocks too."""
    for _ in range(rng.choice((0, 1, 2, 8))):
        at = rng.randrange(len(data))
        data[at] = rng.randrange(256)
    if rng.random() < 0.3:
        at = rng.randrange(0, max(1, len(data) - 4), 4)
        data[at : at + 4] = pack(rng.choice("<>") + "I", rng.choice(EXTREMES))
    if rng.random() < 0.4:
        del data[rng.randrange(1, len(data)) :]
    return data


def _enhanced(order: str, one: Frame, resolution: int) -> bytes:
    per_second = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    ticks = one.time_ns * per_second // SECOND & 0xFFFFFFFFFFFFFFFF
    head = pack(order + "IIIII", one.interface, ticks >> 32, ticks & 0xFFFFFFFF, len(one.data), _wire(one))
    return _block(order, 6, head + _padded(one.data))


def _wire(one: Frame) -> int:
    return len(one.data) if one.length is None else one.length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(order: str, kind: int, body: bytes) -> bytes:
    return pack(order + "II", kind, 12 + len(body)) + body + pack(order + "I", 12 + len(body))


def _relinked(rng: random.Random, frame: bytes, link: int) -> bytes:
    datagram = frame[IP:]
    if link == containers.ETHERNET or not datagram:
        return frame
    if link == containers.SLL:
        return frames.cooked(datagram)
    if link == containers.SLL2:
        return frames.cooked2(datagram, rng.choice((1, 1, 2, 0xFFFFFFFF)))
    if link in (0, 108):
        return frames.loopback(datagram, order=rng.choice("<>"))
    return datagram


# --- changes


def _flip(rng: random.Random, packets: Frames) -> None:
    at = rng.randrange(len(packets))
    data = bytearray(packets[at].data)
    for _ in range(rng.randint(1, 6)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    packets[at] = packets[at]._replace(data=bytes(data))


def _drop(rng: random.Random, packets: Frames) -> None:
    del packets[rng.randrange(len(packets))]


def _twice(rng: random.Random, packets: Frames) -> None:
    at = rng.randrange(len(packets))
    again = packets[at]._replace(time_ns=packets[at].time_ns + rng.choice((0, 1000, 6_000_000, 2 * SECOND)))
    packets.insert(min(len(packets), at + rng.randint(0, 5)), again)


def _swap(rng: random.Random, packets: Frames) -> None:
    one, other = rng.randrange(len(packets)), rng.randrange(len(packets))
    packets[one], packets[other] = packets[other], packets[one]


def _shuffle(rng: random.Random, packets: Frames) -> None:
    at = rng.randrange(len(packets))
    part = packets[at : at + 8]
    rng.shuffle(part)
    packets[at : at + 8] = part


def _later(rng: random.Random, packets: Frames) -> None:
    by = rng.choice((-4 * SECOND, 4 * SECOND, 100 * SECOND, 1 << 40))
    for at in range(rng.randrange(len(packets)), len(packets)):
        packets[at] = packets[at]._replace(time_ns=max(0, packets[at].time_ns + by))


def _elsewhere(rng: random.Random, packets: Frames) -> None:
    for at in range(len(packets)):
        if rng.random() < 0.5:
            packets[at] = packets[at]._replace(interface=rng.randrange(3))


def _snap(rng: random.Random, packets: Frames) -> None:
    """What the capture kept of the packets; of one, or of all."""
    most = rng.choice((10, 20, 33, 34, 40, 53, 54, 55, 60, 69, 70, 78, 94, 100, 128))
    for at in range(len(packets)) if rng.random() < 0.5 else (rng.randrange(len(packets)),):
        packets[at] = packets[at]._replace(data=packets[at].data[:most], length=_wire(packets[at]))


def _split(rng: random.Random, packets: Frames) -> None:
    """A segment in two, in three or byte by byte."""
    at = _with_payload(rng, packets)
    if at < 0:
        return
    one = packets[at]
    payload = one.data[TCP + 20 :]
    cuts = sorted({0, len(payload), *(rng.randrange(len(payload)) for _ in range(rng.choice((1, 2, 40))))})
    pieces = []
    for start, end in pairwise(cuts):
        data = bytearray(one.data[: TCP + 20] + payload[start:end])
        pack_into(">H", data, IP + 2, len(data) - IP)
        _add(data, TCP + 4, start)
        pieces.append(one._replace(data=bytes(data), length=None))
    if rng.random() < 0.4:
        rng.shuffle(pieces)
    if rng.random() < 0.2:
        del pieces[rng.randrange(len(pieces))]
    packets[at : at + 1] = pieces


def _join(rng: random.Random, packets: Frames) -> None:
    """A segment with the beginning of its own repetition, or with random bytes behind it."""
    at = _with_payload(rng, packets)
    if at < 0:
        return
    one = packets[at]
    tail = one.data[TCP + 20 :][: rng.randrange(200)] if rng.random() < 0.7 else rng.randbytes(rng.randrange(2000))
    data = bytearray(one.data + tail)
    pack_into(">H", data, IP + 2, (len(data) - IP) & 0xFFFF)
    packets[at] = one._replace(data=bytes(data), length=None)


def _sequence(rng: random.Random, packets: Frames) -> None:
    at = rng.randrange(len(packets))
    data = bytearray(packets[at].data)
    if len(data) >= TCP + 12:
        _add(data, TCP + rng.choice((4, 8)), rng.choice((-1, 1, -20, 20, 1500, 70000, 1 << 20, 1 << 31, -(1 << 31))))
        packets[at] = packets[at]._replace(data=bytes(data))


def _wrap(rng: random.Random, packets: Frames) -> None:
    """All sequence numbers by the same: they pass through zero."""
    by = rng.getrandbits(32)
    for at, one in enumerate(packets):
        data = bytearray(one.data)
        if len(data) >= TCP + 12:
            _add(data, TCP + 4, by)
            _add(data, TCP + 8, by)
            packets[at] = one._replace(data=bytes(data))


HEADER_FIELDS = (
    (12, "H", (0x0800, 0x86DD, 0x8100, 0x8864, 0x0806, 0x8847)), (IP, "B", (0x44, 0x45, 0x46, 0x4F, 0x65)),
    (IP + 2, "H", EXTREMES[:15]), (IP + 6, "H", (0x2000, 1, 0x1FFF, 0x4000)), (IP + 8, "B", (0, 1, 255)),
    (IP + 9, "B", (1, 6, 17, 58, 41)), (TCP, "H", (135, 593, 1, 0xFFFF)), (TCP + 2, "H", (135, 593, 49152, 0)),
    (TCP + 12, "B", (0x40, 0x50, 0x60, 0xF0)), (TCP + 13, "B", (0, 1, 2, 3, 4, 16, 18, 20, 0xFF)),
)  # fmt: skip
PDU_FIELDS = (
    (0, "B", (4, 5, 6)), (2, "B", (0, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)), (3, "B", (0, 1, 2, 3, 0x83, 0x43)),
    (4, "B", (0, 0x10, 0x11)), (8, "H", EXTREMES[:15]), (10, "H", EXTREMES[:15]), (12, "I", (0, 1, 2, 3)),
    (20, "H", (0, 1, 2, 0xFFFF)), (22, "H", (0, 3, 4, 5)), (24, "B", (0, 1, 3, 64, 65, 255)), (30, "B", (0, 1, 16, 17)),
)  # fmt: skip


def _header(rng: random.Random, packets: Frames) -> None:
    _put(rng, packets, rng.randrange(len(packets)), 0, HEADER_FIELDS, ">")


def _pdu(rng: random.Random, packets: Frames) -> None:
    at = _with_payload(rng, packets)
    if at >= 0:
        _put(rng, packets, at, TCP + 20, PDU_FIELDS, rng.choice("<<<>"))


def _put(
    rng: random.Random, packets: Frames, at: int, start: int, fields: tuple[tuple[int, str, tuple[int, ...]], ...],
    order: str,
) -> None:  # fmt: skip
    place, form, values = rng.choice(fields)
    field = Struct(order + form)
    data = bytearray(packets[at].data)
    if start + place + field.size <= len(data):
        field.pack_into(data, start + place, rng.choice(values))
        packets[at] = packets[at]._replace(data=bytes(data))


SMB_FIELDS = (
    (0, "I", EXTREMES), (4, "B", (0xFC, 0xFD, 0xFE, 0xFF)), (12, "I", (0, 0x103, 0x80000005, 0xC0000022, 0x00EA0001)),
    (16, "H", (0, 1, 3, 5, 6, 8, 9, 11, 13)), (20, "I", (0, 1, 2, 3, 4, 8)), (24, "I", EXTREMES), (28, "Q", (0, 1, 2, 3)),
    (40, "I", (0, 1, 5, 9)), (68, "I", (0x11C017, 0x110018)), (70, "B", EXTREMES[:12]), (72, "I", EXTREMES),
    (76, "Q", (0, 0xFFFFFFFFFFFFFFFF)), (84, "Q", (0, 0xFFFFFFFFFFFFFFFF)), (92, "I", EXTREMES), (96, "I", EXTREMES),
    (8, "B", (4, 0x0A, 0x0B, 0x25, 0x2D, 0x2E, 0x2F, 0x73, 0x75, 0xA2)), (13, "B", (0x18, 0x98)), (28, "H", (1, 0x801)),
    (34, "H", (64, 128, 192)), (36, "B", (0, 2, 10, 12, 14, 16, 24, 255)), (37, "B", (0x2E, 0x2F, 0xA2, 0xFF)),
    (39, "H", EXTREMES[:15]), (41, "H", (0x4001, 0x4002)), (57, "H", EXTREMES[:15]), (59, "H", EXTREMES[:15]),
)  # fmt: skip


def _message(rng: random.Random, packets: Frames) -> None:
    """A field of SMB, 2 or 1, where a message begins with the segment."""
    at = _with_payload(rng, packets)
    if at >= 0:
        _put(rng, packets, at, TCP + 20, SMB_FIELDS, rng.choice("<<<>"))


def _fragment(rng: random.Random, packets: Frames) -> None:
    at = _with_payload(rng, packets)
    if at < 0:
        return
    one = packets[at]
    size = rng.choice((8, 16, 24, 64))
    body, pieces = one.data[TCP:], []
    for start in range(0, len(body), size):
        data = bytearray(one.data[:TCP] + body[start : start + size])
        pack_into(">H", data, IP + 2, len(data) - IP)
        pack_into(">H", data, IP + 6, start >> 3 | (0x2000 if start + size < len(body) else 0))
        pieces.append(one._replace(data=bytes(data), length=None))
    if rng.random() < 0.3:
        rng.shuffle(pieces)
    packets[at : at + 1] = pieces


def _icmp(rng: random.Random, packets: Frames) -> None:
    """A router complains about a packet."""
    at = rng.randrange(len(packets))
    one = packets[at]
    quoted = one.data[IP : IP + rng.choice((20, 27, 28, 40, 60))]
    kind, code = rng.choice(((3, 1), (3, 3), (3, 13), (11, 0), (4, 0), (5, 1), (0, 0)))
    message = pack(">BBHI", kind, code, 0, 0) + quoted
    frame = frames.ethernet(frames.ip("192.0.2.254", "192.0.2.7", 1, message))
    packets.insert(at + 1, one._replace(data=frame, length=None))


def _six(rng: random.Random, packets: Frames) -> None:
    """All of it over IPv6, some with extension headers."""
    for at, one in enumerate(packets):
        if len(one.data) < TCP or one.data[IP] != 0x45 or one.data[12:14] != b"\x08\x00":
            continue
        source, destination = (f"2001:db8::{one.data[IP + n : IP + n + 4].hex()[4:]}" for n in (12, 16))
        kind = one.data[IP + 9]
        options = rng.random() < 0.1
        datagram = frames.ip(
            source, destination, kind, one.data[TCP:], ttl=one.data[IP + 8], first=0 if options else None,
            extensions=bytes([kind, 0, 1, 4, 0, 0, 0, 0]) if options else b"",
        )  # fmt: skip
        packets[at] = one._replace(data=frames.ethernet(datagram), length=None)


def _tag(rng: random.Random, packets: Frames) -> None:
    tags = pack(">HH", rng.choice((0x8100, 0x88A8, 0x9100)), 5) * rng.choice((1, 2, 8, 9))
    at = rng.randrange(len(packets))
    packets[at] = packets[at]._replace(data=packets[at].data[:12] + tags + packets[at].data[12:], length=None)


def _scan(rng: random.Random, packets: Frames) -> None:
    """Some more flows: with a table of few, the oldest go."""
    at, port = rng.randrange(len(packets)), rng.randrange(1, 60000)
    flags = rng.choice((2, 4, 16, 18))
    packets[at:at] = [
        packets[at]._replace(data=frames.ethernet(frames.tcp("192.0.2.9", port, "192.0.2.8", 1 + n, flags=flags)), length=None)
        for n in range(rng.choice((1, 3, 12)))
    ]  # fmt: skip


def _talk(rng: random.Random, packets: Frames) -> None:
    """PDUs on a connection of their own, in any order, with ids and contexts that meet by chance."""
    packets += conversation(rng, packets[-1].time_ns)


def conversation(rng: random.Random, now: int) -> Frames:
    sequence = {0: rng.getrandbits(32), 1: rng.getrandbits(32)}
    big = rng.random() < 0.3
    out = []
    for _ in range(rng.randint(1, 40)):
        side = rng.randrange(2)
        data = b"".join(_some_pdu(rng, big) for _ in range(rng.choice((1, 1, 1, 2, 5))))
        ends = ("192.0.2.20", 50000, "192.0.2.21", 135) if side == 0 else ("192.0.2.21", 135, "192.0.2.20", 50000)
        segment = frames.tcp(*ends, seq=sequence[side], ack=sequence[1 - side], data=data)
        out.append(Frame(now, 0, frames.ethernet(segment)))
        sequence[side] = (sequence[side] + len(data)) & 0xFFFFFFFF
        now += rng.choice((1000, 1000, SECOND))
    return out


def _some_pdu(rng: random.Random, big: bool) -> bytes:
    call, context = rng.randrange(4), rng.randrange(3)
    auth = (
        (rng.choice((9, 10, 16)), rng.choice((2, 5, 6)), bytes(rng.choice((0, 8, 16)))) if rng.random() < 0.4 else None
    )
    stub = rng.randbytes(rng.choice((0, 4, 20, 300, 9000)))
    if rng.random() < 0.3:
        stub += pack(">I" if big else "<I", rng.choice((0x800706BA, 0x80070005, 0x80040202, 0)))
    flags = rng.choice((3, 3, 3, 1, 0, 2, 0x43))
    kind = rng.randrange(6)
    if kind == 0:
        interface = rng.choice((pdus.EPM, pdus.SCM, pdus.OXID_RESOLVER, pdus.REM_UNKNOWN2))
        return pdus.bind([(interface, "3.0", [pdus.NDR32])], first_context=context, call_id=call, auth=auth, big=big)
    if kind == 1:
        return pdus.request(
            rng.randrange(6), stub, call_id=call, context=context, flags=flags, auth=auth, big=big,
            instance=pdus.IPID if rng.random() < 0.5 else None,
        )  # fmt: skip
    if kind == 2:
        return pdus.fault(rng.choice((5, 0x1C010003)), call_id=call, context=context, flags=flags)
    if kind == 3:
        return pdus.auth3(b"token" * rng.randrange(3), call_id=call)
    return pdus.response(stub, call_id=call, context=context, flags=flags, auth=auth, big=big)


def _with_payload(rng: random.Random, packets: Frames) -> int:
    """A packet with TCP payload over Ethernet and IPv4 without options, -1 where there is none."""
    found = [
        at
        for at, one in enumerate(packets)
        if len(one.data) > TCP + 20
        and one.data[12:15] == b"\x08\x00\x45"
        and one.data[IP + 9] == 6
        and one.data[TCP + 12] == 0x50
        and unpack_from(">H", one.data, IP + 2)[0] > 40
    ]
    return rng.choice(found) if found else -1


def _add(data: bytearray, at: int, by: int) -> None:
    pack_into(">I", data, at, (unpack_from(">I", data, at)[0] + by) & 0xFFFFFFFF)


CHANGES: tuple[Change, ...] = (
    _flip, _flip, _drop, _twice, _swap, _shuffle, _later, _elsewhere, _snap, _split, _split, _join, _sequence, _wrap,
    _header, _header, _pdu, _pdu, _pdu, _message, _message, _message, _fragment, _icmp, _six, _tag, _scan, _talk,
)  # fmt: skip
