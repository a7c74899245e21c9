"""Replicas of the captures that ship with the program: other addresses, everything else as it was, and what must be found.

An address is replaced by one of the same length wherever it stands: in headers, in towers, and as text.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from bench.conversation import Frames
from bench.files import interfaces, read_packets
from bench.frames import word_sum
from bench.truth import FlowKey, Truth

FOLDER = Path(__file__).resolve().parents[1] / "pcaps"
ETHERNET = 14
ICMP, TCP, UDP = 1, 6, 17
_PDU_NAMES = {0: "request", 2: "response", 3: "fault", 11: "bind", 12: "bind_ack", 13: "bind_nak", 14: "alter",
              15: "alter_ack", 16: "auth3"}  # fmt: skip


class Story(NamedTuple):
    """One capture of one interface, and what the program's reference report says of it."""

    name: str
    frames: tuple[tuple[int, bytes], ...]  # microseconds since the first
    hosts: tuple[str, ...]
    flows: tuple[FlowKey, ...]
    referrals: Counter[str]
    calls: Counter[str]
    pdus: Counter[str]

    @property
    def lasts_us(self) -> int:
        return self.frames[-1][0]


def load(folder: Path = FOLDER) -> list[Story]:
    """Every story with a single capture point, by name."""
    captures = sorted(folder.glob("*/capture.pcapng"))
    return [_story(capture) for capture in captures if interfaces(capture) == 1]


def _story(capture: Path) -> Story:
    document = json.loads((capture.parent / "expected.json").read_text())
    packets = list(read_packets(capture))
    first = packets[0].time_us
    hosts = {str(IPv4Address(p.data[at : at + 4])) for p in packets for at in (26, 30)}
    fates = document["accounting"]["request_fates"]
    return Story(
        name=capture.parent.name,
        frames=tuple((packet.time_us - first, packet.data) for packet in packets),
        hosts=tuple(sorted(hosts)),
        flows=tuple(_key(flow) for flow in document["flows"]),
        referrals=Counter(referral["kind"] for referral in document["referrals"]),
        calls=Counter(
            requests=document["accounting"]["requests"], responses=fates["response"], faults=fates["fault"],
            unanswered=fates["unanswered"],
        ),
        pdus=_pdus([packet.data for packet in packets]),
    )  # fmt: skip


def _key(flow: Mapping[str, Any]) -> FlowKey:
    return FlowKey(
        flow["client"]["address"], flow["server"]["address"], flow["server"]["port"],
        tuple(one["uuid"] for one in flow["interfaces"]), flow["origin"]["kind"], flow["outcome"],
        flow["strict_rpc"]["verdict"],
    )  # fmt: skip


def _pdus(frames: list[bytes]) -> Counter[str]:
    """PDUs by kind: the streams of a story have no gaps."""
    streams: dict[bytes, dict[int, bytes]] = {}
    for frame in frames:
        start = ETHERNET + (frame[ETHERNET] & 15) * 4
        if frame[ETHERNET + 9] == TCP:
            whole = ETHERNET + int.from_bytes(frame[ETHERNET + 2 : ETHERNET + 4], "big")
            data = frame[start + (frame[start + 12] >> 4) * 4 : whole]
            ends = frame[26:34] + frame[start : start + 4]
            if data:
                streams.setdefault(ends, {})[int.from_bytes(frame[start + 4 : start + 8], "big")] = data
    found: Counter[str] = Counter()
    for pieces in streams.values():
        stream = b"".join(data for _, data in sorted(pieces.items()))
        at = 0
        while at + 16 <= len(stream) and stream[at] == 5:
            found[_PDU_NAMES.get(stream[at + 2], "other")] += 1
            at += int.from_bytes(stream[at + 8 : at + 10], "little")
    return found


class Replicas:
    """Hands out stories with addresses that no other replica has."""

    def __init__(self, truth: Truth, seed: int, *, longest_us: int | None = None) -> None:
        self.stories = [story for story in load() if longest_us is None or story.lasts_us <= longest_us]
        self._truth = truth
        self._taken = {host for story in self.stories for host in story.hosts}
        self._random = Random(f"replicas {seed}")

    def _fresh(self, like: str) -> str:
        """An address in 10.0.0.0/8 whose text is as long, octet by octet."""
        while True:
            octets = ["10", *(self._octet(octet) for octet in like.split(".")[1:])]
            address = ".".join(octets)
            if address not in self._taken and octets[3] != "0":
                self._taken.add(address)
                return address

    def _octet(self, like: str) -> str:
        lowest, highest = {1: (0, 9), 2: (10, 99), 3: (210, 254)}[len(like)]
        return str(self._random.randint(lowest, highest))

    def replica(self, story: Story, at: int) -> Frames:
        """The story again, from `at` on."""
        new = {host: self._fresh(host) for host in story.hosts}
        truth = self._truth
        truth.flows.update(
            key._replace(client=new[key.client], server=new[key.server]) for key in story.flows
        )  # fmt: skip
        truth.tcp_flows += len(story.flows)
        truth.referrals.update(story.referrals)
        truth.calls.update(story.calls)
        truth.pdus.update(story.pdus)
        replace = _replacer(new)
        return [(at + after, _summed(frame[:ETHERNET] + replace(frame[ETHERNET:]))) for after, frame in story.frames]


def _replacer(new: Mapping[str, str]) -> Callable[[bytes], bytes]:
    table: dict[bytes, bytes] = {}
    for old, fresh in new.items():
        table[IPv4Address(old).packed] = IPv4Address(fresh).packed
        table[old.encode()] = fresh.encode()
        table[old.encode("utf-16-le")] = fresh.encode("utf-16-le")
    longest_first = sorted(table, key=len, reverse=True)
    pattern = re.compile(b"|".join(re.escape(one) for one in longest_first), re.DOTALL)
    return lambda data: pattern.sub(lambda match: table[match[0]], data)


def _summed(frame: bytes) -> bytes:
    """The frame with correct checksums of IPv4 and of what it carries."""
    packet = bytearray(frame)
    start = ETHERNET + (packet[ETHERNET] & 15) * 4
    end = ETHERNET + int.from_bytes(packet[ETHERNET + 2 : ETHERNET + 4], "big")
    protocol = packet[ETHERNET + 9]
    if protocol == ICMP:
        quoted = start + 8
        _sum(packet, quoted, quoted + (packet[quoted] & 15) * 4, quoted + 10)
        _sum(packet, start, end, start + 2)
    elif protocol in (TCP, UDP):
        pseudo = word_sum(bytes(packet[26:34])) + protocol + end - start
        _sum(packet, start, end, start + (16 if protocol == TCP else 6), pseudo)
    _sum(packet, ETHERNET, start, ETHERNET + 10)
    return bytes(packet)


def _sum(packet: bytearray, start: int, end: int, at: int, pseudo: int = 0) -> None:
    packet[at : at + 2] = bytes(2)
    total = (word_sum(bytes(packet[start:end])) + pseudo) % 0xFFFF
    packet[at : at + 2] = (~total & 0xFFFF).to_bytes(2, "big")
