"""The ladder of a case: hosts side by side, time downwards, an arrow for each message.

Drawn twice, for a wide page and for a narrow one, because text that shrinks with the page cannot be read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from rpcdiag.model.packets import Address
from rpcdiag.report.html.drawing import LINE, element, joined, lines, packet, picture, text
from rpcdiag.report.html.messages import Kind, Message
from rpcdiag.report.html.scene import BETWEEN, CLIENT, Firewall, Pair, time_of_day

MAX_HOSTS = 4
_BOLD = 0.88  # how much less of bold type fits


class _Sheet(NamedTuple):
    """The paper: where the first and the last lane stand."""

    name: str
    width: float
    left: float
    right: float
    wide: bool
    near: float  # how far from its host a firewall stands that is part of it, as a share of the width


_SHEETS = (_Sheet("wide", 900, 190, 860, True, 0.2), _Sheet("narrow", 344, 14, 330, False, 0.1))


class _Lanes(NamedTuple):
    """Where everybody stands; `others` are hosts beyond client and server."""

    hosts: dict[Address, float]
    firewall: float | None


class Ladder(NamedTuple):
    """The drawings, and what they say in words."""

    wide: Markup
    narrow: Markup
    told: str


def ladder(
    number: int, pair: Pair, device: Firewall | None, messages: Sequence[Message], called: dict[Address, str]
) -> Ladder:
    told = _told(pair, device, messages)
    wide, narrow = (
        _drawn(f"ladder-{number}-{sheet.name}", sheet, pair, device, messages, called, told) for sheet in _SHEETS
    )
    return Ladder(wide, narrow, told)


def _told(pair: Pair, device: Firewall | None, messages: Sequence[Message]) -> str:
    """The drawing in a sentence or two."""
    shown = [one for one in messages if one.kind is not Kind.MORE]
    missing = sum(one.kind is Kind.MISSING for one in shown)
    stopped = sum(one.stopped for one in shown)
    said = f"Messages between {pair.client} and {pair.server} in their order, {len(shown)} of them."
    if missing:
        said += f" {missing} answer{'s are' if missing > 1 else ' is'} missing."
    if stopped and device is not None:
        said += f" {stopped} end{'' if stopped > 1 else 's'} at the firewall ({device.name})."
    return said + " The table below says the same."


def _drawn(
    name: str, sheet: _Sheet, pair: Pair, device: Firewall | None, messages: Sequence[Message],
    called: dict[Address, str], told: str,
) -> Markup:  # fmt: skip
    lanes = _lanes(sheet, pair, device, messages)
    head, top = _heads(sheet, pair, lanes, device, called)
    rows: list[Markup] = []
    y = top + 8
    for message in messages:
        row, height = _row(sheet, lanes, message, y)
        rows.append(row)
        y += height
    y += 8
    posts = joined(
        element("line", x1=x, y1=top, x2=x, y2=y, class_="post wall" if x == lanes.firewall else "post")
        for x in (*lanes.hosts.values(), *([lanes.firewall] if lanes.firewall is not None else []))
    )
    body = joined((posts, head, *rows))
    title = f"What went between {pair.client} and {pair.server}"
    return picture(name, sheet.width, y + 4, title, told, body, f"ladder {sheet.name}")


def _lanes(sheet: _Sheet, pair: Pair, device: Firewall | None, messages: Sequence[Message]) -> _Lanes:
    hosts = list(dict.fromkeys(pair))
    for message in messages:
        for end in (message.source, message.target):
            if end not in hosts and len(hosts) < MAX_HOSTS and (device is None or str(end) != device.name):
                hosts.append(end)
    room = sheet.right - sheet.left
    step = room / max(1, len(hosts) - 1)
    places = {host: sheet.left + step * place for place, host in enumerate(hosts)}
    if len(hosts) == 1:
        places = {hosts[0]: sheet.left}
    wall = None
    if device is not None:
        share = 0.5 if device.at is BETWEEN else sheet.near if device.at is CLIENT else 1 - sheet.near
        wall = sheet.left + min(step, room) * share
    return _Lanes(places, wall)


def _heads(
    sheet: _Sheet, pair: Pair, lanes: _Lanes, device: Firewall | None, called: dict[Address, str]
) -> tuple[Markup, float]:
    """Who stands there: on a wide sheet side by side, on a narrow one below one another."""
    columns: list[tuple[float, str, str, str]] = []
    for host, x in lanes.hosts.items():
        role = "Client" if host == pair.client else "Server" if host == pair.server else "Host"
        columns.append((x, role, str(host) + (f" ({called[host]})" if host in called else ""), ""))
    if device is not None and lanes.firewall is not None:
        columns.append((lanes.firewall, device.title, device.name, " wall"))
    columns.sort()
    room = (sheet.right - sheet.left) / max(2, len(columns) - 0.6) if sheet.wide else sheet.right - sheet.left
    parts: list[Markup] = []
    deepest = 0.0
    above = device is not None and device.at is not BETWEEN  # beside its host there is no room
    for x, role, name, style in columns:
        anchor = _anchor(sheet, x)
        if style and not sheet.wide and device is not None and device.at is not BETWEEN:
            x, anchor = (sheet.left, "start") if device.at is CLIENT else (sheet.right, "end")
        y = 14.0 + (2 * LINE + 10 if above and not style else 0)
        if not sheet.wide:
            y = deepest + 8 if parts else 14.0
        shown = [(role, "role" + style), *((line, "host" + style) for line in lines(name, room, 3))]
        for place, (said, kind) in enumerate(shown):
            parts.append(text(x, y + LINE * place, said, kind, anchor))
        deepest = max(deepest, y + LINE * len(shown))
    return joined(parts), deepest - 4


def _anchor(sheet: _Sheet, x: float) -> str:
    """Which way text beside a lane has room."""
    if sheet.wide:
        return "end" if x > sheet.right - 60 else "middle"
    return "start" if x < sheet.left + 40 else "end" if x > sheet.right - 40 else "middle"


def _row(sheet: _Sheet, lanes: _Lanes, message: Message, y: float) -> tuple[Markup, float]:
    """One message below `y`, and how much room it took."""
    if message.kind in (Kind.MORE, Kind.PAUSE):
        return _band(sheet, message, y)
    if message.kind is Kind.LOGGED:
        return _logged(sheet, lanes, message, y)
    start, end = _ends(sheet, lanes, message)
    at, limit = _margins(sheet, lanes, min(start, end) + 10 if sheet.wide else sheet.left + 10)
    bold = message.kind in (Kind.TOLD, Kind.BAD, Kind.MISSING)
    said = lines(_said(message), (limit - at) * (_BOLD if bold else 1))
    parts = []
    base = y + 14
    if sheet.wide:
        parts.append(text(96, base, time_of_day(message.time_ns), "mono dim", "end"))
        if message.packet is not None:
            parts.append(packet(message.packet, message.capture, 160, base, "end"))
    else:
        when = time_of_day(message.time_ns)
        if message.packet is not None:
            parts.append(packet(message.packet, message.capture, at, base))
            parts.append(text(limit, base, when, "mono dim", "end"))
            base += LINE + 2
    parts += [text(at, base + LINE * place, line, f"says {message.kind}") for place, line in enumerate(said)]
    line_y = base + LINE * (len(said) - 1) + 11
    parts.append(_arrow(lanes, message, start, end, line_y))
    bottom = line_y + 10
    if message.stopped and message.note and lanes.firewall is not None:
        notes, bottom = _note(sheet, lanes, lanes.firewall, message.note, line_y)
        parts += notes
    return element("g", *parts, class_=f"row {message.kind}{' stopped' if message.stopped else ''}"), bottom - y + 4


def _logged(sheet: _Sheet, lanes: _Lanes, message: Message, y: float) -> tuple[Markup, float]:
    """A row of the firewall's log that is about no one packet."""
    wall = lanes.firewall if lanes.firewall is not None else (sheet.left + sheet.right) / 2
    notes, bottom = _note(sheet, lanes, wall, message.says, y + 10, beside=True)
    return element("g", _square(wall, y + 10), *notes, class_="row logged"), bottom - y + 8


def _said(message: Message) -> str:
    return f"missing: {message.says}" if message.kind is Kind.MISSING else message.says


def _note(
    sheet: _Sheet, lanes: _Lanes, wall: float, note: str, line_y: float, *, beside: bool = False
) -> tuple[list[Markup], float]:
    """What the firewall says of it, on the side where there is room; `beside`: there is no arrow that it could cross."""
    right = sheet.right - wall >= wall - sheet.left
    at, limit = (wall + 14, sheet.right - 6) if right else (sheet.left + 10, wall - 14)
    down = 5 if beside else 9 if right else 18
    if not sheet.wide:
        at, limit = _margins(sheet, lanes, sheet.left + 10)
        down = 5 if beside and min(abs(at - wall), abs(limit - wall)) < 20 else 20
    said = lines(note, (limit - at) * (1 if beside else _BOLD))
    x, anchor = (at, "start") if right or not sheet.wide else (limit, "end")
    parts = [text(x, line_y + down + LINE * place, one, "says note", anchor) for place, one in enumerate(said)]
    return parts, line_y + down + 7 + LINE * (len(said) - 1)


def _margins(sheet: _Sheet, lanes: _Lanes, left: float) -> tuple[float, float]:
    """Where text may stand: beside a firewall that is close to its host, not across it."""
    right, close = sheet.right - 6, (sheet.right - sheet.left) / 3
    if lanes.firewall is not None:
        if 0 < lanes.firewall - left < close:
            left = lanes.firewall + 14
        elif 0 < right - lanes.firewall < close:
            right = lanes.firewall - 14
    return left, right


def _band(sheet: _Sheet, message: Message, y: float) -> tuple[Markup, float]:
    middle = (sheet.left + sheet.right) / 2
    return element(
        "g",
        element("rect", x=sheet.left - 6, y=y + 4, width=sheet.right - sheet.left + 12, height=22, rx=4),
        text(middle, y + 19, message.says, "says", "middle"),
        class_=f"row {message.kind}",
    ), 32  # fmt: skip


def _ends(sheet: _Sheet, lanes: _Lanes, message: Message) -> tuple[float, float]:
    """From where to where it goes; who has no lane stands at the firewall."""
    elsewhere = lanes.firewall if lanes.firewall is not None else (sheet.left + sheet.right) / 2
    start, end = lanes.hosts.get(message.source, elsewhere), lanes.hosts.get(message.target, elsewhere)
    if start == end:
        end = start + (40 if start < sheet.right - 60 else -40)
    return start, end


def _arrow(lanes: _Lanes, message: Message, start: float, end: float, y: float) -> Markup:
    forward = 1 if end > start else -1
    match message.kind:
        case Kind.MISSING:
            return joined((_line(start, end - 14 * forward, y, "dashed"), _ring(end - 7 * forward, y)))
        case Kind.CALLS:
            return joined(
                (
                    _line(start + 8 * forward, end - 8 * forward, y, ""),
                    _head(end, y, forward),
                    _head(start, y, -forward),
                )
            )
    wall = lanes.firewall
    if message.stopped and wall is not None and min(start, end) < wall < max(start, end):
        return joined((_line(start, wall - 10 * forward, y, ""), _cross(wall, y)))
    return joined((_line(start, end - 8 * forward, y, ""), _head(end, y, forward)))


def _line(start: float, end: float, y: float, style: str) -> Markup:
    return element("line", x1=start, y1=y, x2=end, y2=y, class_=f"shaft {style}".strip())


def _head(x: float, y: float, forward: int) -> Markup:
    back = x - 9 * forward
    return element("path", d=f"M{x:.0f} {y:.0f}L{back:.0f} {y - 5:.0f}L{back:.0f} {y + 5:.0f}z", class_="head")


def _cross(x: float, y: float) -> Markup:
    """Stopped here: a filled square with a cross."""
    return joined((
        element("rect", x=x - 9, y=y - 9, width=18, height=18, rx=3, class_="stop"),
        element("path", d=f"M{x - 4:.0f} {y - 4:.0f}l8 8m0-8l-8 8", class_="x"),
    ))  # fmt: skip


def _ring(x: float, y: float) -> Markup:
    """Never came: an empty ring with a cross."""
    return joined((
        element("circle", cx=x, cy=y, r=7, class_="ring"),
        element("path", d=f"M{x - 3:.0f} {y - 3:.0f}l6 6m0-6l-6 6", class_="ringx"),
    ))  # fmt: skip


def _square(x: float, y: float) -> Markup:
    return element("rect", x=x - 5, y=y - 5, width=10, height=10, rx=2, class_="logged")
