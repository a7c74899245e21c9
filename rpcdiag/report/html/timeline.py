"""The whole capture from its first packet to its last: how much of what, when."""

from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from rpcdiag.analysis import Diagnosis
from rpcdiag.report import names
from rpcdiag.report.html.drawing import element, joined, words
from rpcdiag.report.html.messages import failed, silent
from rpcdiag.report.html.scene import day_and_time

COLUMNS = 120
WIDTH, LANE = 1200, 40


class Span(NamedTuple):
    """Nanoseconds; the last is after the first."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first


class Lane(NamedTuple):
    title: str
    things: int
    style: str


class Timeline(NamedTuple):
    span: Span
    lanes: tuple[Lane, ...]
    drawing: Markup
    begins: str
    ends: str
    lasts: str


def span_of(diagnosis: Diagnosis) -> Span | None:
    """None where no capture holds a packet."""
    starts = [one.first_ns for one in diagnosis.case.captures if one.first_ns is not None]
    ends = [one.last_ns for one in diagnosis.case.captures if one.last_ns is not None]
    return Span(min(starts), max(max(ends), min(starts) + 1)) if starts and ends else None


def timeline(diagnosis: Diagnosis) -> Timeline | None:
    span = span_of(diagnosis)
    if span is None:
        return None
    case = diagnosis.case
    near = [one.near.flow for one in case.conversations]
    drops = [
        entry.written_ns - (log.clock.offset_ns or 0)
        for log in case.logs
        if log.clock.offset_ns is not None
        for entry in log.file.entries
        if entry.drops and entry.written_ns is not None
    ]
    told = (
        ("connections begin", "plain", [flow.start_ns for flow in near]),
        ("ports handed out", "told", [one.referral.response_ns for one in case.referrals if one.referral.endpoints]),
        (
            "connections fail",
            "bad",
            [one.near.flow.start_ns for one in case.conversations if failed(one.near.flow) or silent(one)],
        ),
        ("drops in the log", "log", drops),
    )
    lanes = [(Lane(title, 0, style), _counted(span, times)) for title, style, times in told if times or style != "log"]
    drawing = joined(_bars(place, lane, counts) for place, (lane, counts) in enumerate(lanes))
    said = ", ".join(f"{sum(counts)} × {lane.title}" for lane, counts in lanes)
    svg = element(
        "svg",
        element("title", words("The capture over time"), id="time-t"),
        element("desc", words(f"{said}, in {COLUMNS} steps of {names.duration(span.length // COLUMNS)}"), id="time-d"),
        drawing,
        element("rect", x=0, y=0, width=0, height=LANE * len(lanes), class_="shade", id="shade-before"),
        element("rect", x=0, y=0, width=0, height=LANE * len(lanes), class_="shade", id="shade-after"),
        viewBox=f"0 0 {WIDTH} {LANE * len(lanes)}",
        preserveAspectRatio="none",
        class_=f"timeline lanes-{len(lanes)}",
        id="timeline",
        role="img",
        aria_labelledby="time-t time-d",
        focusable="false",
    )
    return Timeline(
        span, tuple(lane._replace(things=sum(counts)) for lane, counts in lanes), svg,
        day_and_time(span.first), day_and_time(span.last), names.duration(span.length),
    )  # fmt: skip


def _counted(span: Span, times: Iterable[int]) -> list[int]:
    counts = [0] * COLUMNS
    for time in times:
        if span.first <= time <= span.last:
            counts[min(COLUMNS - 1, (time - span.first) * COLUMNS // span.length)] += 1
    return counts


def _bars(place: int, lane: Lane, counts: list[int]) -> Markup:
    most, step = max(1, *counts), WIDTH / COLUMNS
    bottom = LANE * (place + 1) - 4
    bars = [element("line", x1=0, x2=WIDTH, y1=bottom, y2=bottom, class_="base")]
    for column, count in enumerate(counts):
        if count:
            height = max(5, (LANE - 12) * count / most)
            bars.append(
                element("rect", x=column * step + 1, y=bottom - height, width=step - 2, height=height, class_=f"bar {lane.style}")
            )  # fmt: skip
    return joined(bars)
