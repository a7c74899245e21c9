"""One PDU as somebody read it, in words that both readers can be brought to."""

import re
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

Fields = dict[str, str]

NAMES = (
    "request", "ping", "response", "fault", "working", "nocall", "reject", "ack", "cl_cancel", "fack", "cancel_ack",
    "bind", "bind_ack", "bind_nak", "alter_context", "alter_context_resp", "auth3", "shutdown", "co_cancel", "orphaned",
    "rts",
)  # fmt: skip

TCP, PIPE, HTTP, UDP = "tcp", "pipe", "http", "udp"
NIL = "00000000-0000-0000-0000-000000000000"


_ODD = re.compile(r"(?:\\x[0-9a-f]{1,2}|[^\x21-\x7e])+")


class Reading(NamedTuple):
    """A PDU that was complete with `packet`; `source` and `destination` are `address:port`.

    `fields`: opnum, context, interface, status ...: those that the reader told; see docs/verify.md for the words.
    Of a connectionless PDU `call_id` is the sequence number and `length` that of the body.
    """

    packet: int
    transport: str
    source: str
    destination: str
    kind: str
    call_id: int
    length: int
    fields: Fields
    conversation: int = 0  # the reader's own number for it
    point: int = 0  # capture point
    cut: bool = False  # bytes of it are not in the capture

    @property
    def ends(self) -> tuple[str, ...]:
        """The connection, whoever speaks."""
        return self.transport, *sorted(self._between)

    @property
    def place(self) -> tuple[str, ...]:
        """What makes two readings readings of one PDU, wherever it was complete."""
        return self.transport, *self._between, self.kind, str(self.call_id), str(self.length)

    @property
    def _between(self) -> tuple[str, str]:
        """Over HTTP the hosts alone: two connections are one conversation, and not all say of which they read."""
        if self.transport != HTTP:
            return self.source, self.destination
        return self.source.rpartition(":")[0], self.destination.rpartition(":")[0]


def end(address: str, port: int | str) -> str:
    """`10.0.0.1:135`, `[fe80::1]:135`, written alike whoever says it."""
    one = ip_address(address)
    return f"[{one.compressed}]:{port}" if isinstance(one, IPv6Address) else f"{one}:{port}"


def kind(number: int) -> str:
    """The name of a PDU type. [C706] 12.1, [MS-RPCE] 2.2.2.1"""
    return NAMES[number] if number < len(NAMES) else f"type-{number}"


def plain(text: str) -> str:
    """Text as both can write it: what is not printable ASCII, or stands for that, is a question mark."""
    return _ODD.sub("?", text)


def listed(values: list[str]) -> str:
    """Values as one text, in their order."""
    return " ".join(values)
