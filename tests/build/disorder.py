"""Conversations with a mapper as networks and capture points spoil them; the same every time for a seed."""

from random import Random

from tests.build import pdus
from tests.build.conversation import MSS, Recording, Tcp
from tests.build.exchanges import DRSUAPI
from tests.build.story import START

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
WAYS = {
    "whole": "nothing is wrong",
    "cut": "segments of any size",
    "swapped": "and six pairs of neighbouring packets in the wrong order",
    "repeated": "or six packets recorded a second time",
    "lost": "or four packets missing",
    "snapped": "or only the first 200 bytes of each packet kept",
}


def made(seed: int, way: str) -> bytes:
    """Six connections: binds, mappings whole and in fragments, faults; a fifth of the binds big-endian."""
    chance = Random(seed)
    recording = Recording(START)
    for port in range(50000, 50006):
        _talk(Tcp(recording, CLIENT, port, SERVER, 135), chance, way)
    _spoil(recording, chance, way)
    return recording.pcapng()


def _talk(tcp: Tcp, chance: Random, way: str) -> None:
    tcp.open()
    big = chance.random() < 0.2
    _say(tcp, 0, pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])], big=big), chance, way)
    _say(tcp, 1, pdus.bind_ack(pdus.ACCEPTED_32, "135", big=big), chance, way)
    for call_id in range(2, 2 + chance.randint(1, 4)):
        wanted = pdus.map_request(pdus.tower(*DRSUAPI, 135, SERVER))
        _say(tcp, 0, pdus.request(3, wanted, call_id=call_id), chance, way)
        ports = [chance.randint(1024, 65535) for _ in range(chance.randint(0, 30))]
        stub = pdus.map_response([pdus.tower(*DRSUAPI, port, SERVER) for port in ports])
        whole = [pdus.response(stub, call_id=call_id)]
        pieces = pdus.fragments(stub, chance.randint(200, 3000), call_id=call_id) if chance.random() < 0.5 else whole
        _say(tcp, 1, b"".join(pieces), chance, way)
    if chance.random() < 0.3:
        _say(tcp, 0, pdus.request(2, bytes(76), call_id=99), chance, way)
        _say(tcp, 1, pdus.fault(5, call_id=99), chance, way)
    tcp.close()


def _say(tcp: Tcp, side: int, data: bytes, chance: Random, way: str) -> None:
    say = tcp.reply if side else tcp.send
    at = 0
    while at < len(data):
        size = MSS if way == "whole" else chance.randint(1, MSS)
        say(data[at : at + size], acknowledge=at + size >= len(data))
        at += size


def _spoil(recording: Recording, chance: Random, way: str) -> None:
    frames = recording.frames
    if way == "swapped":
        for _ in range(6):
            at = chance.randrange(4, len(frames) - 1)
            one, other = frames[at], frames[at + 1]
            frames[at] = other._replace(time_ns=one.time_ns)
            frames[at + 1] = one._replace(time_ns=other.time_ns)
    elif way == "repeated":
        for _ in range(6):
            at = chance.randrange(4, len(frames) - 1)
            frames.insert(at + chance.randint(1, 4), frames[at])
    elif way == "lost":
        for _ in range(4):
            del frames[chance.randrange(4, len(frames) - 1)]
    elif way == "snapped":
        frames[:] = [frame._replace(data=frame.data[:200], length=len(frame.data)) for frame in frames]
