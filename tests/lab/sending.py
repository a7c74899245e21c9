"""Mixed traffic on an interface, at a steady rate: sending.py INTERFACE CAPTURE PACKETS_PER_S SECONDS

The packets of a capture over and over; each time its clients have other addresses, so that no conversation comes twice
within 250 rounds. Prints how many packets were sent; what the system dropped before anybody could see it was not.
"""

import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.files import read_packets

_BURST = 20  # packets between two looks at the clock
_ROUNDS = 250
_LONGEST = 1514  # what a veth of the usual size takes


class Frame(NamedTuple):
    """`octet`: where the second byte of the client's IPv4 address is, zero where there is none."""

    data: bytes
    octet: int


def frames(capture: Path) -> list[Frame]:
    """The packets, with the place by which the client is another one."""
    clients: dict[bytes, bytes] = {}
    found = []
    for packet in read_packets(capture):
        data = packet.data
        if len(data) > _LONGEST:
            continue
        if data[12:14] != b"\x08\x00" or data[23] not in (6, 17) or data[14] != 0x45:
            found.append(Frame(data, 0))
            continue
        source, target = data[26:30], data[30:34]
        ends = data[34:36], data[36:38]
        key = b"".join(sorted((source + ends[0], target + ends[1])))
        client = clients.setdefault(key, source)
        found.append(Frame(data, 27 if client == source else 31))
    return found


def send(name: str, some: list[Frame], rate: int, seconds: float) -> int:
    """How many were sent; what the interface has no room for is sent again."""
    sent = place = 0
    number = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((name, 0))
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            due = int(now * rate) - sent
            if due < _BURST:
                time.sleep((_BURST - due) / rate)
                continue
            for _ in range(min(due, 4 * _BURST)):
                data, octet = some[place]
                if octet:
                    data = b"%b%c%b" % (data[:octet], data[octet] ^ number, data[octet + 1 :])
                try:
                    sender.send(data)
                except OSError:
                    continue
                sent += 1
                place += 1
                if place == len(some):
                    place, number = 0, (number + 1) % _ROUNDS
    return sent


def dropped(name: str) -> int:
    """Packets that the interface could not hand on to its other end: a machine that is busy beyond its means."""
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    columns = next(line.partition(":")[2].split() for line in lines if line.strip().startswith(f"{name}:"))
    return int(columns[11])


def main() -> None:
    name, capture, rate, seconds = sys.argv[1:]
    some = frames(Path(capture))
    print("ready", flush=True)
    sys.stdin.readline()
    before = dropped(name)
    sent = send(name, some, int(rate), float(seconds))
    print(sent - (dropped(name) - before), flush=True)


if __name__ == "__main__":
    main()
