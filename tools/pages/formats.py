"""A page for each log format: how it is told, rows of it and what is read out of them, what it cannot tell."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rpcdiag import plugins
from rpcdiag.logs import logmap
from rpcdiag.logs.entry import LogEntry, LogFormat
from rpcdiag.report import names
from rpcdiag.ui.listings import CAPTURES
from tools.pages.log_samples import MAP, SAMPLES
from tools.pages.markdown import Page, block, escaped, heading, prose, table, told
from tools.pages.rules import linked

WINDOWS = ("windows-", "isa-tmg-", "w3c-")
BASES = {
    "utc": "UTC", "offset": "UTC, by the zone in the row", "local": "local, the zone is not in the row",
    "no_year": "local, without a year", "uptime": "counted from the start of the machine",
}  # fmt: skip
FIELDS = (
    "flags", "sequence", "ip_id", "ttl", "rule", "code_name", "service", "program", "event", "interface", "source_zone",
    "destination_zone", "connection",
)  # fmt: skip


def pages() -> Iterator[Page]:
    yield Page("formats.md", _index)
    for one in _formats():
        yield Page(f"formats/{one.name}.md", partial(_page, one))


def _formats() -> list[LogFormat]:
    return plugins.discover("rpcdiag.logs.formats", "FORMAT")


def _index() -> Iterator[str]:
    yield from heading("Formats")
    yield "Everything is told by content, not by name. `rpcdiag formats` prints this list."
    yield ""
    yield "## Captures"
    yield ""
    yield from block("text", CAPTURES)
    yield ""
    yield "## Logs"
    yield ""
    yield "How to export them: [logs of Windows, ISA and TMG](logs.md), [of other vendors](logs-vendors.md). Each format's page has"
    yield "rows of it, what is read out of them, and what such a log cannot tell."
    yield ""
    yield from table(
        ("format", "log of"), ((f"[{one.name}](formats/{one.name}.md)", escaped(one.title)) for one in _formats())
    )


def read(one: LogFormat) -> list[LogEntry]:
    """What the format reads out of its sample; nothing where it is binary and has none."""
    sample = SAMPLES.get(one.name)
    if sample is None:
        return []
    if one.name == "csv-by-map":
        with TemporaryDirectory() as folder:
            path = Path(folder) / "map.yaml"
            path.write_text(MAP, encoding="utf-8")
            one = logmap.load(str(path))
    lines = sample.split("\n") if one.whole_lines else [sample]
    return [entry for entry in one.parse(lines) if isinstance(entry, LogEntry)]


def _page(one: LogFormat) -> Iterator[str]:
    first, _, rest = prose(one.parse).partition("\n\n")
    guide = "logs.md" if one.name.startswith(WINDOWS) else "logs-vendors.md"
    yield from heading(one.name)
    yield f"**{linked(escaped(' '.join(first.splitlines())), '../rules/')}**"
    yield ""
    yield from told(rest, lambda text: linked(text, "../rules/"))
    by_map = " --log-map map.yaml" if one.name == "csv-by-map" else ""
    yield f"How to export it: [the guide](../{guide}). Then `rpcdiag analyze capture.pcapng --log FILE{by_map}`."
    entries = read(one)
    if entries:
        yield ""
        yield "## What it looks like"
        yield ""
        if one.name == "csv-by-map":
            yield "With this `map.yaml`:"
            yield ""
            yield from block("yaml", MAP.splitlines())
            yield ""
        yield from block("text", SAMPLES[one.name].split("\n"))
        yield ""
        yield f"{'The last row is' if len(SAMPLES[one.name].splitlines()) > 1 else 'It is'} read as:"
        yield ""
        yield from table(("field", "value"), _fields(entries[-1]))
    yield ""
    yield "All formats: [the list](../formats.md)."


def _fields(entry: LogEntry) -> Iterator[tuple[str, str]]:
    when = "not in the row"
    if entry.written_ns is not None:
        when = names.duration(entry.written_ns) if entry.basis == "uptime" else names.day_and_time(entry.written_ns)
    yield "time", f"{when} ({BASES[entry.basis]}{_resolution(entry.resolution_ns)})"
    yield "action", f"{entry.action}{': it refuses' if entry.drops else ''}"
    yield "protocol", entry.protocol
    yield "source", _end(entry.source, entry.source_port)
    yield "destination", _end(entry.destination, entry.destination_port)
    if entry.translated_source is not None or entry.translated_destination is not None:
        yield "translated source", _end(entry.translated_source, entry.translated_source_port)
        yield "translated destination", _end(entry.translated_destination, entry.translated_destination_port)
    if entry.path != "unknown":
        yield "path", {"in": "in, to the host that wrote it", "out": "out, from it", "fwd": "through"}[entry.path]
    if entry.device:
        yield "device", escaped(entry.device)
    for name in FIELDS:
        value = getattr(entry, name)
        if value is not None:
            yield name.replace("_", " "), escaped(str(value))


def _resolution(ns: int) -> str:
    known = {1_000_000_000: ", whole seconds", 1_000_000: ", milliseconds", 1_000: ", microseconds"}
    return known.get(ns, f", within {names.duration(ns)}" if ns > 1_000_000 else "")


def _end(address: object, port: int | None) -> str:
    return "-" if address is None else f"{address}{'' if port is None else f' port {port}'}"
