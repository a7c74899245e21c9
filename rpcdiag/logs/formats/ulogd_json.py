"""ulogd, output in JSON: packets (NFLOG) and connections (NFCT).

Told by `oob.prefix` or `orig.ip.saddr`, one object a line. The action is that of the prefix, else of the label blocked
or allowed. A connection begins and ends by its event; translated ends are those that the answers come from and go to.
Time has a zone where ulogd writes one, else it is that of the packet in seconds.
Cannot tell: the action where neither the prefix nor a label has a word for it; sequence numbers, unless the output has
`tcp.seq`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rpcdiag.logs import moments, netfilter, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.jsonrows import objects
from rpcdiag.logs.record import Ends, made

_FLAGS = (("tcp.syn", "S"), ("tcp.ack", "A"), ("tcp.fin", "F"), ("tcp.rst", "R"), ("tcp.psh", "P"), ("tcp.urg", "U"))
_EVENTS = {"1": "open", "2": "progress", "4": "close"}  # of a connection


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if head.lstrip().startswith("{") and ('"oob.' in head or '"orig.ip.' in head):
        return None
    return "not ulogd-json: no JSON with oob.prefix or orig.ip.saddr"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for line_number, record in objects(lines):
        if isinstance(record, BadLine):
            yield record
            continue
        try:
            yield _entry(line_number, record)
        except (ValueError, OverflowError) as error:
            yield BadLine(line_number, f"no time: {error}")


def _entry(line: int, record: dict[str, Any]) -> LogEntry:
    def text(*names: str) -> str | None:
        for name in names:
            found = record.get(name)
            if isinstance(found, (str, int)) and found != "":
                return str(found)[:200]
        return None

    prefix = (text("oob.prefix") or "").strip(" :")
    flags = "".join(letter for name, letter in _FLAGS if record.get(name) in (True, 1, "1"))
    event = text("ct.event")
    action = netfilter.action(prefix)
    if event is not None:
        action = _EVENTS.get(event, "info")
    elif action == "unknown":
        action = words.action(text("action", "raw.label"))
    return made(
        line,
        _when(text),
        action,
        text("ip.protocol", "orig.ip.protocol"),
        Ends(
            *(text("src_ip", "ip.saddr.str", "orig.ip.saddr.str", "orig.ip.saddr"), text("src_port", "orig.l4.sport")),
            *(
                text("dest_ip", "ip.daddr.str", "orig.ip.daddr.str", "orig.ip.daddr"),
                text("dest_port", "orig.l4.dport"),
            ),
            *(text("reply.ip.daddr.str", "reply.ip.daddr"), text("reply.l4.dport")),
            *(text("reply.ip.saddr.str", "reply.ip.saddr"), text("reply.l4.sport")),
        ),
        path=netfilter.path(text("oob.in"), text("oob.out")),
        device=text("dvc") if text("dvc") != "Netfilter" else None,
        flags=flags or None,
        sequence=text("tcp.seq"),
        ip_id=text("ip.id"),
        ttl=text("ip.ttl", "ip6.hoplimit"),
        rule=prefix or None,
        zones=netfilter.zones(prefix),
        connection=text("ct.id"),
    )


def _when(text: Callable[..., str | None]) -> tuple[int | None, int, str]:
    """The time that is written, else that of the packet.

    Raises:
        ValueError: no such time.
    """
    if written := text("timestamp", "@timestamp"):
        return moments.any_of(written)
    seconds, more = text("oob.time.sec", "flow.start.sec"), text("oob.time.usec", "flow.start.usec")
    if seconds is None:
        return None, 1_000_000_000, "local"
    return moments.epoch(f"{seconds}.{more:>06}" if more and more.isdigit() else seconds)


FORMAT = LogFormat("ulogd-json", "ulogd, packets and connections in JSON", why_not, parse)
