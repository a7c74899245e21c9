"""One recording made two: as the places before and behind a device on the path see the same packets."""

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from struct import pack, pack_into, unpack_from
from typing import NamedTuple

from tests.build.containers import Frame, pcap
from tests.build.conversation import Recording

_IP, _TCP = 14, 34
_INTERNET = (b"\x08\x00", b"\x86\xdd")
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
    tag: bool = False  # B sees frames with a VLAN tag
    twice: bool = False  # and both with the tag and without
    snaplen: int | None = None  # of B


class Both(NamedTuple):
    a: bytes
    b: bytes


def sides(recording: Recording, client: str, path: Path | None = None) -> Both:
    """Both captures."""
    path = path or Path()
    there: tuple[list[Frame], list[Frame]] = ([], [])
    start = recording.frames[0].time_ns
    packed = ip_address(client).packed
    for number, frame in enumerate(recording.frames, start=1):
        at = _IP + (12 if len(packed) == 4 else 8)
        from_client = frame.data[at : at + len(packed)] == packed
        if number not in path.lost_to_a:
            there[0].append(_hopped(frame, 0 if from_client else path.hops, 0))
        if number not in path.lost_to_b:
            late = path.delay_ns if from_client else -path.delay_ns
            late += path.offset_ns + round((frame.time_ns - start) * path.drift_ppm / 1e6)
            far = _hopped(frame, path.hops if from_client else 0, late)
            data = _rewritten(far.data, path, from_client=from_client)
            if path.twice:
                there[1].append(_cut(far._replace(data=data), path.snaplen))
                far = far._replace(time_ns=far.time_ns + 7_000)
            if path.tag or path.twice:
                data = data[:12] + pack(">HH", 0x8100, 20) + data[12:]
            there[1].append(_cut(far._replace(data=data), path.snaplen))
    return Both(*(pcap(sorted(frames, key=lambda one: one.time_ns), nanoseconds=True) for frames in there))


def _cut(frame: Frame, snaplen: int | None) -> Frame:
    return frame._replace(data=frame.data[:snaplen], length=len(frame.data))


def _hopped(frame: Frame, hops: int, late_ns: int) -> Frame:
    data = bytearray(frame.data)
    if data[12:14] not in _INTERNET:
        return frame._replace(time_ns=frame.time_ns + late_ns)
    data[_IP + (8 if data[_IP] >> 4 == 4 else 7)] -= hops
    return frame._replace(data=bytes(data), time_ns=frame.time_ns + late_ns)


def _rewritten(frame: bytes, path: Path, *, from_client: bool) -> bytes:
    data = bytearray(frame)
    if data[12:14] not in _INTERNET:
        return frame
    if data[_IP] >> 4 == 6:
        return _version_6(data, path)
    for address, port in ((_IP + 12, _TCP), (_IP + 16, _TCP + 2)):
        end = str(ip_address(bytes(data[address : address + 4]))), unpack_from(">H", data, port)[0]
        if unpack_from(">H", data, _IP + 6)[0] & 0x1FFF:  # has no ports
            other = next((there for here, there in path.ends.items() if here[0] == end[0]), None)
        else:
            other = path.ends.get(end)
            if other is not None:
                pack_into(">H", data, port, other[1])
        if other is not None:
            data[address : address + 4] = ip_address(other[0]).packed
    if not path.ids:
        pack_into(">H", data, _IP + 4, (0x7000 + 7 * unpack_from(">H", data, _IP + 4)[0]) & 0xFFFF)
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


def _version_6(data: bytearray, path: Path) -> bytes:
    """Only addresses are translated, prefix by prefix. [RFC6296]"""
    for address in (_IP + 8, _IP + 24):
        end = str(ip_address(bytes(data[address : address + 16])))
        other = next((there for here, there in path.ends.items() if here[0] == end), None)
        if other is not None:
            data[address : address + 16] = ip_address(other[0]).packed
    return bytes(data)
