"""A firewall that enforces strict RPC on port 135: only the endpoint mapper may be bound there.

    strict_filter.py LOG QUEUE

Reads packets from a netfilter queue (NFQUEUE) by netlink itself; a bind of another interface is dropped, and everything
after it on that connection. One PDU in each segment is read, as clients send binds.
[Linux include/uapi/linux/netfilter/nfnetlink_queue.h, libnfnetlink]
"""

import socket
import struct
import sys
from datetime import UTC, datetime
from uuid import UUID

EPM = UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa")
BIND, ALTER_CONTEXT = 11, 14
_NETLINK_NETFILTER = 12
_QUEUE = 3 << 8  # NFNL_SUBSYS_QUEUE
_PACKET, _VERDICT, _CONFIG = _QUEUE, _QUEUE | 1, _QUEUE | 2
_BIND_COMMAND, _COPY_PACKET = 1, 2
_DROP, _ACCEPT = 0, 1
_MAX_BLOCKED = 10_000


class Queue:
    """One netfilter queue."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._send(_CONFIG, _attribute(1, struct.pack(">BxH", _BIND_COMMAND, socket.AF_INET)))
        self._send(_CONFIG, _attribute(2, struct.pack(">IB", 0xFFFF, _COPY_PACKET)))

    def _send(self, kind: int, attributes: bytes) -> None:
        body = struct.pack(">BBH", socket.AF_UNSPEC, 0, self._number) + attributes
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, 1, 0, 0) + body)

    def packet(self) -> tuple[int, bytes]:
        """The next one: its number in the queue, and its bytes from the IP header on."""
        while True:
            message = self._socket.recv(1 << 17)
            size, kind = struct.unpack_from("=IH", message)
            if kind != _PACKET:
                continue
            number, payload, at = -1, b"", 20
            while at + 4 <= size:
                length, name = struct.unpack_from("=HH", message, at)
                if length < 4:
                    break
                value = message[at + 4 : at + length]
                if name & 0x7FFF == 1:
                    (number,) = struct.unpack_from(">I", value)
                elif name & 0x7FFF == 10:
                    payload = value
                at += length + (-length % 4)
            return number, payload

    def decide(self, number: int, verdict: int) -> None:
        self._send(_VERDICT, _attribute(2, struct.pack(">II", verdict, number)))


def _attribute(name: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), name) + value + bytes(-len(value) % 4)


def other_interface(data: bytes) -> UUID | None:
    """The interface that a bind in this segment names, where it is not the mapper's."""
    if len(data) < 28 or data[0] != 5 or data[2] not in (BIND, ALTER_CONTEXT):
        return None
    little = bool(data[4] & 0x10)
    at = 28
    for _ in range(data[24]):
        if at + 20 > len(data):
            return None
        raw = data[at + 4 : at + 20]
        uuid = UUID(bytes_le=raw) if little else UUID(bytes=raw)
        if uuid != EPM:
            return uuid
        at += 24 + 20 * data[at + 2]
    return None


def main() -> None:
    queue, blocked = Queue(int(sys.argv[2])), set()
    with open(sys.argv[1], "a", buffering=1) as log:
        print("ready", flush=True)
        while True:
            number, packet = queue.packet()
            head = (packet[0] & 15) * 4
            key = packet[12:20] + packet[head : head + 4]
            if packet[head + 13] & 2:
                blocked.discard(key)
            if key not in blocked:
                uuid = other_interface(packet[head + (packet[head + 12] >> 4) * 4 :])
                if uuid is not None and len(blocked) < _MAX_BLOCKED:
                    blocked.add(key)
                    source, destination = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
                    ports = struct.unpack_from(">HH", packet, head)
                    now = datetime.now(UTC).isoformat(timespec="milliseconds")
                    log.write(f"{now} {source}:{ports[0]} > {destination}:{ports[1]} denied bind of {uuid}\n")
            queue.decide(number, _DROP if key in blocked else _ACCEPT)


if __name__ == "__main__":
    main()
