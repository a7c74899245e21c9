"""`rpcdiag compare`: where two captures differ, to read, as JSON, and for a ticket."""

import json
from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from rpcdiag.compare.compare import compare as compared
from rpcdiag.compare.result import Comparison, Difference, Mode, Offset, Rung, Side, Translation
from rpcdiag.model.evidence import Severity
from rpcdiag.model.version import __version__
from rpcdiag.report import names
from rpcdiag.report.document import SCHEMA_VERSION
from rpcdiag.report.names import clean
from rpcdiag.report.style import Style
from rpcdiag.ui.show import look, write

SAME, DIFFERENT, UNREADABLE, CUT = 0, 1, 2, 3
MAX_TOLD = 40  # differences in the text; the JSON document has all
MAX_ROWS = 60  # of the ladder in the text
MAX_LINE = 400  # characters of one text out of a capture
_LABEL = 8


class Asked(NamedTuple):
    """What the command line asks for."""

    captures: Sequence[str]
    mode: str | None
    points: str | None
    output: str
    color: str


def compare(asked: Asked, complain: Callable[[object], None]) -> int:
    """Compare, write, and say how it went.

    Raises:
        InputError: a capture cannot be read, or the two have nothing to compare.
        MissingPiece: as in reading.
    """
    points = tuple(asked.points.split(",")) if asked.points else ()
    if len(asked.captures) > 2:
        complain("two captures are compared, or two points of one")
        return UNREADABLE
    made = compared(asked.captures, Mode(asked.mode) if asked.mode else None, points)
    for cut in made.cuts:
        complain(cut)
    match asked.output:
        case "json":
            write(as_json(made), None)
        case "md":
            write(as_markdown(made), None)
        case _:
            colored, width = look(None, asked.color)
            write(as_text(made, Style(colored), width), None)
    if made.cuts:
        return CUT
    return DIFFERENT if made.differences or not made.common else SAME


def as_json(made: Comparison) -> Iterator[str]:
    """One object; see docs/compare.md."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "compare",
        "program": {"name": "rpcdiag", "version": __version__},
        "mode": made.mode.value,
        "why": made.why,
        "sides": [_side(one) for one in made.sides],
        "in_common": made.common,
        "same": made.same,
        "verdict": made.verdict,
        "differences": [_difference(one) for one in made.differences],
        "more_differences": made.more,
        "clock": None if made.clock is None else _clock(made.clock),
        "translations": [_translation(one) for one in made.translations],
        "ladder": [one._asdict() for one in made.rungs],
        "remarks": list(made.remarks),
    }
    yield json.dumps(document, indent=1)


def _side(one: Side) -> dict[str, Any]:
    return {
        "label": one.label,
        "path": one.path,
        "interface": one.point,
        "packets": one.packets,
        "first_ns": one.first_ns,
        "last_ns": one.last_ns,
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "says": one.says,
        "matters": one.matters,
        "count": one.times,
        "client": one.client,
        "server": one.server,
        "packets": [list(some) for some in one.packets],
        "flows": list(one.flows),
        "rules": list(one.rules),
        "means": one.means,
        "remedies": list(one.remedies),
    }


def _clock(one: Offset) -> dict[str, Any]:
    return {
        "offset_ns": one.ns,
        "low_ns": one.low_ns,
        "high_ns": one.high_ns,
        "matches": one.matches,
        "drift_ppm": round(one.drift_ppm, 3),
    }


def _translation(one: Translation) -> dict[str, Any]:
    return {
        "whose": one.whose,
        "first": one.first,
        "second": one.second,
        "ports": [list(pair) for pair in one.ports],
        "conversations": one.conversations,
        "packets": [list(some) for some in one.packets],
    }


_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_NUMBER = {"type": ["integer", "null"]}
_NUMBERS = {"type": "array", "items": {"type": "integer"}}
_TWO_LISTS = {"type": "array", "items": _NUMBERS, "minItems": 2, "maxItems": 2}


def _object(**properties: Any) -> dict[str, Any]:  # noqa: ANN401  parts of a JSON Schema
    return {"type": "object", "properties": properties, "required": list(properties)}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "rpcdiag compare",
    **_object(
        schema_version={"const": SCHEMA_VERSION},
        kind={"const": "compare"},
        program=_object(name=_TEXT, version=_TEXT),
        mode={"enum": [one.value for one in Mode]},
        why=_TEXT,
        sides=_array(
            _object(
                label=_TEXT, path=_TEXT, interface=_MAYBE_TEXT, packets={"type": "integer"}, first_ns=_MAYBE_NUMBER,
                last_ns=_MAYBE_NUMBER,
            )
        ),
        in_common={"type": "boolean"},
        same={"type": "integer"},
        verdict=_TEXT,
        differences=_array(
            _object(
                kind=_TEXT, says=_TEXT, matters={"type": "boolean"}, count={"type": "integer"}, client=_MAYBE_TEXT,
                server=_MAYBE_TEXT, packets=_TWO_LISTS, flows=_array(_MAYBE_TEXT), rules=_array(_TEXT),
                means=_MAYBE_TEXT, remedies=_array(_TEXT),
            )
        ),
        more_differences={"type": "integer"},
        clock={
            "oneOf": [
                {"type": "null"},
                _object(
                    offset_ns=_MAYBE_NUMBER, low_ns=_MAYBE_NUMBER, high_ns=_MAYBE_NUMBER, matches={"type": "integer"},
                    drift_ppm={"type": "number"},
                ),
            ]
        },
        translations=_array(
            _object(
                whose={"enum": ["client", "server"]}, first=_TEXT, second=_TEXT, ports=_array(_NUMBERS),
                conversations={"type": "integer"}, packets=_TWO_LISTS,
            )
        ),
        ladder=_array(_object(left=_MAYBE_TEXT, mark=_TEXT, right=_MAYBE_TEXT)),
        remarks=_array(_TEXT),
    ),
}  # fmt: skip


def as_text(made: Comparison, style: Style, width: int) -> Iterator[str]:
    """Who is who, the answer, what differs, the two side by side."""
    for one in made.sides:
        yield from _labelled(style, one.label, _read(one), width)
    what = "the same thing, twice" if made.mode is Mode.WORKS else "two places of one path"
    yield from _labelled(style, "AS", f"{what} ({clean(made.why)})", width)
    if made.clock is not None:
        yield from _labelled(style, "CLOCK", _clock_says(made), width)
    for moved in made.translations:
        yield from _labelled(style, "NAT", _translation_says(moved, made), width)
    yield ""
    matters = any(one.matters for one in made.differences) or not made.common
    severity = Severity.ERROR if matters else Severity.WARNING if made.differences else None
    label = "FIRST" if made.differences else "RESULT"
    for number, line in enumerate(_wrapped(_sentence(made.verdict), width - _LABEL)):
        yield (style.label(label.ljust(_LABEL)) if not number else " " * _LABEL) + style.verdict(line, severity)
    if made.differences:
        yield from _rules(style, made.differences[0], width)
    for each in made.differences[1:MAX_TOLD]:
        yield from _labelled(style, "THEN" if each.matters else "ALSO", f"{_sentence(each.says)} [{each.kind}]", width)
        yield from _rules(style, each, width)
    left = max(0, len(made.differences) - MAX_TOLD) + made.more
    if left:
        yield from _labelled(style, "", f"... and {left} more (-T json lists them)", width)
    for remark in made.remarks:
        yield from _labelled(style, "NOTE", _sentence(remark), width)
    if made.rungs:
        yield ""
        yield from _ladder(made, style, width)


def _rules(style: Style, one: Difference, width: int) -> Iterator[str]:
    if one.means:
        yield from _labelled(style, "", f"that means: {_bounded(one.means)}", width)
    for remedy in one.remedies:
        yield from _labelled(style, "", _bounded(remedy), width)
    if one.rules:
        yield from _labelled(style, "", f"found there: {', '.join(one.rules)}", width)


def _read(one: Side) -> str:
    at = f" at {one.point}" if one.point is not None else ""
    span = ""
    if one.first_ns is not None and one.last_ns is not None:
        span = f", {names.day_and_time(one.first_ns)} UTC, {names.duration(one.last_ns - one.first_ns)}"
    return clean(f"{one.path}{at}: {one.packets} packets{span}")


def _clock_says(made: Comparison) -> str:
    clock, (first, second) = made.clock, made.sides
    if clock is None or clock.ns is None:
        return "how far the two are apart cannot be told"
    if not clock.matches:
        return "both are of one clock"
    drift = f", and gains {clock.drift_ppm:.1f} ppm" if clock.drift_ppm else ""
    if clock.low_ns is None or clock.high_ns is None:
        return clean(
            f"that of {second.label} is {clock.ns / 1e9:+.6f} s from that of {first.label}, give or take the time that packets "
            f"take{drift} ({clock.matches} packets that are in both, all of one direction)"
        )
    low, high = clock.low_ns, clock.high_ns
    return clean(
        f"that of {second.label} is {clock.ns / 1e9:+.6f} s from that of {first.label} (between {low / 1e9:+.6f} and "
        f"{high / 1e9:+.6f} s{drift}; {clock.matches} packets that are in both)"
    )


def _translation_says(one: Translation, made: Comparison) -> str:
    ports = f", ports {', '.join(f'{a} -> {b}' for a, b in one.ports)}" if one.ports else ", ports as they were"
    first, second = made.sides
    times = f"{one.conversations} connection{'s' if one.conversations > 1 else ''}"
    return clean(f"the {one.whose} {one.first} at {first.label} is {one.second} at {second.label}{ports} ({times})")


def _sentence(text: str) -> str:
    return _bounded(text[:1].upper() + text[1:]) + "."


def _bounded(text: str) -> str:
    shown = clean(text)
    return shown if len(shown) <= MAX_LINE else shown[: MAX_LINE - 3] + "..."


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(24, width), break_long_words=False, break_on_hyphens=False) or [""]


def _labelled(style: Style, label: str, text: str, width: int) -> Iterator[str]:
    shown = clean(label)[:24]
    head = shown.ljust(_LABEL) if len(shown) < _LABEL else shown + " "
    for number, line in enumerate(_wrapped(clean(text), width - len(head))):
        yield (style.label(head) if not number else " " * len(head)) + line


def _ladder(made: Comparison, style: Style, width: int) -> Iterator[str]:
    """Two columns, and what is between them."""
    middle = 5
    room = (width - middle) // 2
    first, second = (_bounded(one.label) for one in made.sides)
    yield style.label(f"{first[:room].ljust(room + middle)}{second[:room]}")
    for rung in made.rungs[:MAX_ROWS]:
        yield from _row(rung, room, middle, style)
    if len(made.rungs) > MAX_ROWS:
        yield f"... and {len(made.rungs) - MAX_ROWS} rows more (-T json lists them)"


def _row(rung: Rung, room: int, middle: int, style: Style) -> Iterator[str]:
    nothing = "" if rung.mark else "(not there)"
    left, right = (
        wrap(_bounded(text), room) if text is not None else [nothing] if nothing or rung.mark == "=" else ["-"]
        for text in (rung.left, rung.right)
    )
    bad = rung.mark in ("!", "--x", "x--", "<-*", "*->")
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else ""
        other = right[number] if number < len(right) else ""
        mark = rung.mark if number == 0 else ""
        line = f"{one.ljust(room)}{mark.center(middle)}{other}".rstrip()
        yield style.bad_line(line) if bad else style.label(line) if not rung.mark else line


def as_markdown(made: Comparison) -> Iterator[str]:
    """For a ticket."""
    yield f"**{_escaped(_sentence(made.verdict))}**"
    yield ""
    for one in made.sides:
        yield f"- {_escaped(one.label)}: {_escaped(_read(one))}"
    if made.clock is not None:
        yield f"- clock: {_escaped(_clock_says(made))}"
    for moved in made.translations:
        yield f"- NAT: {_escaped(_translation_says(moved, made))}"
    if made.differences:
        yield ""
        yield "| # | difference | what | packets | found there |"
        yield "| --- | --- | --- | --- | --- |"
        for number, each in enumerate(made.differences[:MAX_TOLD], start=1):
            packets = " / ".join(names.numbers(some) or "-" for some in each.packets)
            rules = _escaped(", ".join(each.rules)) or "-"
            yield f"| {number} | {each.kind} | {_escaped(_bounded(each.says))} | {packets} | {rules} |"
    for each in made.differences[:MAX_TOLD]:
        if each.means or each.remedies:
            yield ""
            yield _escaped(_sentence(each.means or each.kind))
            yield ""
            yield from (f"- {_escaped(_bounded(one))}" for one in each.remedies)
    for remark in made.remarks:
        yield ""
        yield _escaped(_sentence(remark))
    if made.rungs:
        yield ""
        yield f"| {_escaped(made.sides[0].label)} | | {_escaped(made.sides[1].label)} |"
        yield "| --- | --- | --- |"
        for rung in made.rungs[:MAX_ROWS]:
            left, right = (_escaped(_bounded(text)) if text is not None else "" for text in (rung.left, rung.right))
            yield f"| {left} | {_escaped(rung.mark)} | {right} |"


_SPECIAL = frozenset("\\`*_[]<>|#~!&")


def _escaped(text: str) -> str:
    """Text that says in Markdown what it says here."""
    return "".join(f"\\{one}" if one in _SPECIAL else one for one in clean(text))
