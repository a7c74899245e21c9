"""One recording made two: as the places before and behind a device on the path see the same packets."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address
from struct import pack_into, unpack_from
from typing import NamedTuple

from tests.build.containers import Frame, pcap
from tests.build.conversation import Recording

_IP, _TCP = 14, 34
End = tuple[str, int]


class Path(NamedTuple):
    """What is between: the client is at A. Numbers are those of the packets of the whole recording."""

    lost_to_b: Collection[int] = ()
    lost_to_a: Collection[int] = ()
    offset_ns: int = 0  # of B's clock
    drift_ppm: float = 0.0
    delay_ns: int = 50_000
    hops: int = 1
    ends: Mapping[End, End] = {}  # at A -> at B
    anew: int = 0  # added to the client's sequence numbers at B
    mss: int | None = None  # at B
    ids: bool = True  # IP ids stay as they are


class Both(NamedTuple):
    a: bytes
    b: bytes


def sides(recording: Recording, client: str, path: Path | None = None) -> Both:
    """Both captures."""
    path = path or Path()
    there: tuple[list[Frame], list[Frame]] = ([], [])
    start = recording.frames[0].time_ns
    packed = IPv4Address(client).packed
    for number, frame in enumerate(recording.frames, start=1):
        from_client = frame.data[_IP + 12 : _IP + 16] == packed
        if number not in path.lost_to_a:
            there[0].append(_hopped(frame, 0 if from_client else path.hops, 0))
        if number not in path.lost_to_b:
            late = path.delay_ns if from_client else -path.delay_ns
            late += path.offset_ns + round((frame.time_ns - start) * path.drift_ppm / 1e6)
            far = _hopped(frame, path.hops if from_client else 0, late)
            there[1].append(far._replace(data=_rewritten(far.data, path, number, from_client=from_client)))
    return Both(*(pcap(sorted(frames, key=lambda one: one.time_ns), nanoseconds=True) for frames in there))


def _hopped(frame: Frame, hops: int, late_ns: int) -> Frame:
    data = bytearray(frame.data)
    data[_IP + 8] -= hops
    return frame._replace(data=bytes(data), time_ns=frame.time_ns + late_ns)


def _rewritten(frame: bytes, path: Path, number: int, *, from_client: bool) -> bytes:
    data = bytearray(frame)
    for address, port in ((_IP + 12, _TCP), (_IP + 16, _TCP + 2)):
        end = str(IPv4Address(bytes(data[address : address + 4]))), unpack_from(">H", data, port)[0]
        other = path.ends.get(end)
        if other is not None:
            data[address : address + 4] = IPv4Address(other[0]).packed
            pack_into(">H", data, port, other[1])
    if not path.ids:
        pack_into(">H", data, _IP + 4, (0x7000 + 7 * number) & 0xFFFF)
    if data[_IP + 9] != 6:
        return bytes(data)
    if path.anew:
        at = _TCP + (4 if from_client else 8)
        value = unpack_from(">I", data, at)[0]
        if from_client or data[_TCP + 13] & 16:
            pack_into(">I", data, at, (value + path.anew) & 0xFFFFFFFF)
    if path.mss is not None and data[_TCP + 13] & 2:
        pack_into(">H", data, _TCP + 22, path.mss)
    return bytes(data)
