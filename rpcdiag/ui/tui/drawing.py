"""Rows as pieces of text with a kind of colour, exactly as wide as there is room."""

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from rpcdiag.report import names
from rpcdiag.ui.tui.details import Paragraph
from rpcdiag.ui.tui.ladder import Step, Way
from rpcdiag.ui.tui.snapshot import CaseRow, Counters, EndpointRow, Line, kind

Cell = tuple[str, str]  # text, kind
Cells = Sequence[Cell]
Called = Callable[..., str]  # an address by its name
_LABEL = 8
_LADDER_HEAD = 20  # time and packet number before the left host


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text in so many columns; what was cut off shows as dots."""
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else "…"[:width]
    return " " * (width - size) + text if right else text + " " * (width - size)


class Column(NamedTuple):
    """`width` 0 takes what the others leave; one with a `least` is there only in a table that wide."""

    head: str
    width: int
    right: bool = False
    least: int = 0


def columns(wanted: Sequence[Column], cells: Cells, width: int) -> list[Cell]:
    """Cells side by side, with a space between them."""
    shown = [place for place, column in enumerate(wanted) if width >= column.least]
    fixed = sum(wanted[place].width for place in shown) + len(shown) - 1
    flexible = sum(not wanted[place].width for place in shown)
    room = max(0, width - fixed)
    drawn: list[Cell] = []
    for place in shown:
        column, (text, colour) = wanted[place], cells[place]
        size = column.width or room // max(1, flexible)
        drawn += [(fit(text, size, right=column.right), colour), (" ", "")]
    return drawn[:-1]


def heads(wanted: Sequence[Column], width: int) -> list[Cell]:
    return columns(wanted, [(column.head, "dim") for column in wanted], width)


def age(ns: int) -> str:
    """`3s`, `2m`, `5h`"""
    seconds = max(0, ns) // 1_000_000_000
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def case_columns(hosts: int, width: int) -> list[Column]:
    """`hosts`: columns of the longest pair."""
    return [
        Column("case", 5), Column("client > server", max(15, min(hosts, width // 2 - 3))), Column("state", 10),
        Column("found, or turned last", 0), Column("age", 4, right=True),
    ]  # fmt: skip


def hosts(one: str, other: str) -> str:
    return f"{one} > {other}"


def case_cells(row: CaseRow, called: Called, now_ns: int) -> Cells:
    return (
        (row.name, ""), (hosts(called(row.client), called(row.server)), ""), (row.state, kind(row.state)),
        (row.last, ""), (age(now_ns - row.last_ns), "dim"),
    )  # fmt: skip


LINE_COLUMNS = (
    Column("time", 12), Column("packet", 7, right=True), Column("case", 5), Column("client > server", 33, least=116),
    Column("state", 10), Column("what", 0),
)  # fmt: skip


def line_cells(one: Line, called: Called) -> Cells:
    time = names.time_of_day(one.time_ns)
    return (
        (time[:8] if one.whole_seconds else time, "dim"), (f"#{one.packet}" if one.packet else "", "dim"), (one.case, ""),
        (hosts(called(one.client), called(one.server)), ""), (one.state, kind(one.state)), (one.text, ""),
    )  # fmt: skip


def endpoint_columns(longest: int, width: int) -> list[Column]:
    """`longest`: columns of the longest address or name."""
    host = max(12, min(longest, (width - 44) // 2))
    return [
        Column("port", 5, right=True), Column("server", host), Column("told to", host), Column("for", 0),
        Column("when", 12), Column("packet", 7, right=True, least=90), Column("state", 10),
    ]  # fmt: skip


def endpoint_cells(row: EndpointRow, called: Called) -> Cells:
    return (
        (str(row.port), ""), (called(row.server), ""), (called(row.told), ""), (row.purpose, ""),
        (names.time_of_day(row.time_ns), "dim"), (f"#{row.packet}", "dim"), (row.state, kind(row.state)),
    )  # fmt: skip


FINDING_COLUMNS = (Column("", 7), Column("rule", 24), Column("sure", 11), Column("what", 0))


def ladder_head(left: str, right: str, width: int) -> list[Cell]:
    """The names of both hosts over their lines."""
    room = max(2, width - _LADDER_HEAD)
    half = (room - 1) // 2
    return [
        (fit("time", 12) + " " + fit("packet", 6, right=True) + " ", "dim"),
        (fit(left, half), "strong"), (" " * (room - 2 * half), ""), (fit(right, half, right=True), "strong"),
    ]  # fmt: skip


def rung(step: Step, width: int) -> list[Cell]:
    """One arrow between the lines of two hosts."""
    packet = f"#{step.packet}" if step.packet else ""
    head = f"{names.time_of_day(step.time_ns)} {fit(packet, 6, right=True)} "
    room = max(8, width - _LADDER_HEAD - 2)
    return [(head, "dim"), ("│", ""), (_arrow(step, room), step.kind), ("│", "")]


def _arrow(step: Step, room: int) -> str:
    text = step.text
    match step.way:
        case Way.THERE:
            return _drawn("─ ", text, "─", ">", room)
        case Way.BACK:
            return _drawn("<─ ", text, "─", "─", room)
        case Way.LOST_THERE:
            return fit(f"· · {text} · · x", room)
        case Way.LOST_BACK:
            return fit(f"x · · {text} · ·", room, right=True)
        case Way.BARRED_THERE:
            return fit(f"═ {text} ═X", room)
        case Way.BARRED_BACK:
            return fit(f"X═ {text} ═", room, right=True)
        case Way.REMARK:
            return fit(f"  {text}", room)


def _drawn(start: str, text: str, shaft: str, end: str, room: int) -> str:
    inner = room - len(start) - len(end) - 1
    text = fit(text, min(inner, cell_len(text)))
    return start + text + " " + shaft * (inner - cell_len(text)) + end


def size(count: int) -> str:
    """`812 B`, `12 kB`, `31.4 MB`"""
    return f"{count} B" if count < 1000 else f"{count / 1e3:.0f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def counters(one: Counters) -> list[Cell]:
    """The line under the title."""
    return [
        (f" {one.packets:,} packets  {one.rate:,.0f}/s  {one.flows:,} flows  {one.pdus:,} RPC PDUs  ", ""),
        (f"dropped {one.dropped:,}", "bad" if one.dropped else ""), ("  ", ""),
        (f"evicted {one.evicted:,}", "warn" if one.evicted else ""), (f"  kept {size(one.kept)}", ""),
    ]  # fmt: skip


def wrapped(paragraphs: Sequence[Paragraph], width: int) -> list[list[Cell]]:
    """Text to read, in lines."""
    lines: list[list[Cell]] = []
    for label, text, colour in paragraphs:
        room = max(16, width - _LABEL)
        if colour == "command":
            parts = wrap(
                text, room, initial_indent="  ", subsequent_indent="      ", drop_whitespace=True, break_on_hyphens=False
            )  # fmt: skip
        else:
            parts = wrap(text, room, break_on_hyphens=False)
        for number, part in enumerate(parts or [""]):
            lines.append([(fit(label if number == 0 else "", _LABEL), "strong"), (part, colour)])
    return lines
