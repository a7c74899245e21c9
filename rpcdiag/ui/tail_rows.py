"""Rows of logs as lines: columns, colours by what became of the packet, and the history of its port."""

import os
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from rpcdiag.live.history import Told
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.expression import FIRST_DYNAMIC, Expression, Subject
from rpcdiag.logs.fields import SECOND
from rpcdiag.model.packets import Address
from rpcdiag.report import names
from rpcdiag.report.names import clean

LONGEST = 400  # characters of a line where nobody says how wide the terminal is
LONGEST_TEXT = 80  # of a rule's name and the like
LONGEST_LABEL = 20
_RESET, _DIM, _MARKED = "\x1b[0m", "\x1b[2m", "\x1b[1;4m"
_BY_ACTION = {
    "drop": "\x1b[31m", "reject": "\x1b[31m", "reset": "\x1b[31m", "fail": "\x1b[33m", "lost": "\x1b[33m",
    "allow": "\x1b[32m", "open": "\x1b[32m", "close": _DIM, "info": _DIM, "progress": _DIM,
}  # fmt: skip
_KILLED = _BY_ACTION["fail"]
KILLED = 0x80074E24  # FWX_E_CONNECTION_KILLED: what a filter of ISA or TMG does without any denial
_HIGHLIGHT = "\x1b[1;7m"
_LATE = 1_000_000  # ns; what two clocks of one machine differ by at most


class Row(NamedTuple):
    """A row to be shown; `backlog`: it was there before anybody watched."""

    log: str
    entry: LogEntry
    noise: bool
    told: Told | None
    backlog: bool = False


class Look(NamedTuple):
    """`labels`: names of the logs, where there are several; `width` is 0 where lines are not cut."""

    color: bool
    width: int
    labels: dict[str, str]
    marks: Sequence[Expression]
    highlight: Expression | None


def labels(paths: Sequence[str]) -> dict[str, str]:
    """Short names that tell the logs apart; none for a single one."""
    if len(paths) < 2:
        return {}
    short = {path: clean(os.path.basename(path))[-LONGEST_LABEL:] for path in paths}  # noqa: PTH119  no pathlib here
    if len(set(short.values())) < len(short):
        short = {path: clean(path)[-LONGEST_LABEL:] for path in paths}
    wide = max(len(one) for one in short.values())
    return {path: one.ljust(wide) for path, one in short.items()}


class Columns:
    """Lines of rows; columns grow with what was shown, so that they stay in line."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._ends = [21, 21]  # an IPv4 address with its port

    def line(self, row: Row, named: str = "") -> str:
        """`named`: names of the two ends, where they are known."""
        entry, look = row.entry, self._look
        highlighted = look.highlight is not None and look.highlight.test(Subject(row.entry, row.told is not None))
        base = _DIM if row.noise else _KILLED if entry.code == KILLED else _BY_ACTION.get(entry.action, "")
        base = _HIGHLIGHT if highlighted else base
        parts: list[tuple[str, str]] = []
        if look.highlight is not None:
            parts.append(("> " if highlighted else "  ", ""))
        label = look.labels.get(row.log)
        start = f"{label} " if label else ""
        path = "-" if entry.path == "unknown" else entry.path
        parts.append((f"{start}{_when(entry)} {entry.action:<6} {path:<3} {clean(entry.protocol)[:6]:<4} ", ""))
        parts += self._end(0, entry.source, entry.source_port)
        parts.append((" > ", ""))
        parts += self._end(1, entry.destination, entry.destination_port)
        parts.append((_rest(entry, named), ""))
        return self._put(parts, base)

    def _end(self, place: int, address: Address | None, port: int | None) -> list[tuple[str, str]]:
        """An end in its column, with what the filter asks for marked; a star behind a dynamic destination."""
        if address is None:
            return [("-".ljust(self._ends[place]), "")]
        wanted = [one.names(address, port) for one in self._look.marks]
        here, there = any(one[0] for one in wanted), any(one[1] for one in wanted)
        text = f"[{address}]" if address.version == 6 and port is not None else str(address)
        parts = [(text, _MARKED if here else "")]
        length = len(text)
        if port is not None:
            star = "*" if place and port >= FIRST_DYNAMIC else ""
            parts += [(":", ""), (str(port), _MARKED if there else ""), (star, "")]
            length += 1 + len(str(port)) + len(star)
        self._ends[place] = max(self._ends[place], length)
        return [*parts, (" " * (self._ends[place] - length), "")]

    def _put(self, parts: list[tuple[str, str]], base: str) -> str:
        room = self._look.width or LONGEST
        shown: list[tuple[str, str]] = []
        for text, extra in parts:
            if len(text) > room:
                shown.append((text[: max(0, room - 1)] + "…", extra))
                break
            shown.append((text, extra))
            room -= len(text)
        if not self._look.color:
            return "".join(text for text, _ in shown).rstrip()
        joined = ""
        for extra, same in groupby((one for one in shown if one[0]), key=lambda one: one[1]):
            text = "".join(one for one, _ in same)
            joined += f"{base}{extra}{text}{_RESET}" if base or extra else text
        return joined.rstrip()

    def history(self, told: Told, entry: LogEntry) -> str:
        text = f"{'':10}{history(told, entry)}"
        room = self._look.width
        return f"{text[: room - 1]}…" if room and len(text) > room else text


def _when(entry: LogEntry) -> str:
    """As it is written in the log, so that it can be found there."""
    if entry.written_ns is None:
        return "-".ljust(19)
    if entry.basis == "uptime":
        return f"[{entry.written_ns / SECOND:17.6f}]"
    try:
        text = names.day_and_time(entry.written_ns)
    except (ValueError, OverflowError, OSError):
        return f"{entry.written_ns:<19}"[:19]
    text = text if entry.resolution_ns < SECOND else text[:19]
    return f"     {text[5:]}" if entry.basis == "no_year" else text


def _rest(entry: LogEntry, named: str) -> str:
    """What not every row has."""
    said = [
        entry.flags,
        f"rule {_short(entry.rule)}" if entry.rule else None,
        (entry.code_name or f"{entry.code:#010x}") if entry.code else None,
        _short(entry.service) if entry.service else None,
        f"{entry.lost} rows were lost" if entry.lost else None,
        _short(entry.says or "") or None,
        f"({_short(named)})" if named else None,
    ]
    return "".join(f"  {one}" for one in said if one)


def _short(text: str) -> str:
    text = clean(text[: 2 * LONGEST_TEXT])
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def history(told: Told, entry: LogEntry) -> str:
    """`49154: handed out to 10.1.0.10 for drsuapi 12 ms before (packet 13 of capture.pcapng)`"""
    one = told.handed
    whose = f"to {one.told}" if told.mine or entry.source is None else f"to {one.told}, not to {entry.source},"
    again = f", and {told.more} more time{'s' if told.more > 1 else ''}" if told.more else ""
    sure = "" if one.sure else ", read out of a damaged answer"
    where = clean(os.path.basename(one.where) or one.where)  # noqa: PTH119  no pathlib here
    return (
        f"{told.port}: handed out {whose} for {_short(one.what)} {_how_long(told)} "
        f"(packet {one.packet} of {where}{sure}){again}"
    )


def _how_long(told: Told) -> str:
    gap = told.gap
    if gap is None:
        return "(when, compared with this row, is not known)"
    zone = ", if the log's clock is right but for its zone" if gap.assumed else ""
    if gap.exact:
        said = f"{names.duration(gap.low)} before" if gap.low >= 0 else f"{names.duration(-gap.low)} after"
        return f"{said} its first SYN" if gap.first else said if gap.low >= 0 else f"{said} this row"
    if gap.low > 0:
        return f"{_between(gap.low, gap.high)} before{zone}"
    if gap.high < 0:
        return f"{_between(-gap.high, -gap.low)} after this row{zone}"
    if gap.high - gap.low <= _LATE:
        return f"at the same moment{zone}"
    if gap.high - gap.low <= SECOND + _LATE:
        return f"within the same second{zone}"
    return f"within {names.duration(gap.high - gap.low)} of this row, which the log's clock leaves open{zone}"


def _between(least: int, most: int) -> str:
    low, high = names.duration(least), names.duration(most)
    return low if low == high or (most - least) * 10 < least else f"{low} to {high}"


def as_event(row: Row) -> dict[str, Any]:
    """The row for machines: what it holds, under the names that the program uses everywhere."""
    entry = row.entry
    event: dict[str, Any] = {"time_ns": entry.written_ns, "log": row.log}
    for name, value in zip(entry._fields, entry, strict=True):
        if value is not None and name not in ("written_ns", "lost"):
            event[name] = value if isinstance(value, int | str) else str(value)
    if entry.lost:
        event["lost"] = entry.lost
    event |= {"drops": entry.drops, "noise": row.noise, "backlog": row.backlog}
    if row.told is not None:
        event["history"] = told_event(row.told, entry)
    return event


def told_event(told: Told, entry: LogEntry) -> dict[str, Any]:
    one, gap = told.handed, told.gap
    return {
        "port": told.port, "told": str(one.told), "for": one.what, "time_ns": one.time_ns, "packet": one.packet,
        "capture": one.where, "to_this_client": told.mine, "more": told.more,
        "before_ns": [gap.low, gap.high] if gap else None, "clock_assumed": gap.assumed if gap else None,
        "says": history(told, entry),
    }  # fmt: skip
