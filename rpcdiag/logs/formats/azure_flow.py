"""Azure flow logs: of virtual networks (version 4) and of network security groups (versions 1 and 2).

Told by `flowTuples`, `flowLogVersion` or by bare tuples. Read as the storage account holds them (one document an hour),
as one record a line, and flattened. Time is UTC, of a security group in whole seconds. D is a refusal, by the rule that
the record names; a connection that begins is allowed, goes on, or ends. The line of an entry is the line at which its
record begins: a whole document is often a single line.
Cannot tell: packets, only flows; of security groups fractions of a second; sequence numbers.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any

from rpcdiag.logs import moments
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.jsonrows import lines as split
from rpcdiag.logs.jsonrows import objects
from rpcdiag.logs.record import Ends, made

MAX_NESTED = 100_000  # groups and tuples of one record
_PROTOCOLS = {"T": "tcp", "U": "udp"}
_STATES = {"B": "allow", "C": "progress", "E": "close", "D": "drop", "": "allow"}
_PATHS = {"I": "in", "O": "out"}
_SHORTEST = 8


@cache
def _tuple() -> re.Pattern[str]:
    return re.compile(r"^\d{10,13},[0-9A-Fa-f.:]+,[0-9A-Fa-f.:]+,\d{1,5},\d{1,5},(?:[TU]|\d{1,3}),[IO],[ABCDE](?:,|$)")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    start = head.lstrip()
    if start.startswith(("{", "[")) and ('"flowTuples"' in head or '"flowLogVersion"' in head):
        return None
    if any(_tuple().match(line.strip()) for line in head.splitlines()[:200]):
        return None
    return "not azure-flow: no JSON with flowTuples or flowLogVersion, no tuple of a time, ends, T or U, I or O"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    rows = iter(lines)
    first = next(rows, "")
    if _tuple().match(first.strip().partition("\n")[0].rstrip()):
        for number, line in enumerate(split(chain([first], rows)), start=1):
            if text := line.strip(" \t\r\n\x00"):
                yield _entry(number, text, None, None)
        return
    for line_number, record in objects(chain([first], rows)):
        if isinstance(record, BadLine):
            yield record
        else:
            yield from _record(line_number, record)


def _record(line: int, record: dict[str, Any]) -> Iterator[LogEntry | BadLine]:
    """The tuples of a record, each with the rule that stands above it."""
    device = record.get("macAddress") or record.get("targetResourceID")
    found = 0
    waiting: list[tuple[Any, str | None]] = [(record, None)]
    while waiting and found < MAX_NESTED:
        thing, rule = waiting.pop()
        found += 1
        if isinstance(thing, list):
            waiting += [(one, rule) for one in reversed(thing)]
        elif isinstance(thing, str):
            yield _entry(line, thing, rule, device if isinstance(device, str) else None)
        elif isinstance(thing, dict):
            named = thing.get("rule")
            below = named if isinstance(named, str) else rule
            parts = [thing.get(name) for name in ("properties", "flowRecords", "flows", "flowGroups", "flowTuples")]
            parts += [value for name, value in thing.items() if name.startswith("flow.")]
            waiting += [(part, below) for part in reversed(parts) if part is not None]
    if waiting:
        yield BadLine(line, f"more than {MAX_NESTED} flows in one record")


def _entry(line: int, text: str, rule: str | None, device: str | None) -> LogEntry | BadLine:
    values = text.split(",")
    if len(values) < _SHORTEST or not values[0].isdigit():
        return BadLine(line, f"no flow tuple: {text[:60]!r}")
    of_group = values[5] in _PROTOCOLS or values[7] == "A"
    state = values[8] if of_group and len(values) > _SHORTEST else values[7] if not of_group else ""
    action = "drop" if values[7] == "D" else _STATES.get(state, "unknown")
    try:
        moment = moments.epoch(values[0])
    except ValueError as error:
        return BadLine(line, f"no time: {error}")
    return made(
        line,
        moment,
        action,
        _PROTOCOLS.get(values[5], values[5]),
        Ends(values[1], values[3], values[2], values[4]),
        path=_PATHS.get(values[6], "unknown"),
        device=device,
        rule=rule,
    )


FORMAT = LogFormat(
    "azure-flow", "Azure virtual network and security group flow logs", why_not, parse, whole_lines=False
)
