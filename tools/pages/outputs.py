"""A page for each output, with what it prints of a story; one for packet viewers; one for the tables."""

import json
from collections.abc import Iterator
from contextlib import chdir
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rpcdiag import plugins
from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.report import annotated
from rpcdiag.report.output import Options, Output
from rpcdiag.report.remarks import remarks
from rpcdiag.report.tables import TABLES
from rpcdiag.ui.query import query
from tools.pages.markdown import Page, block, escaped, heading, prose, table, told
from tools.pages.rules import PCAPS

STORY = PCAPS / "ocs-advfirewall"
MAX_LINES = {"json": 60, "sarif": 50, "md": 45, "text": 45}  # else 30
MAX_WIDTH = 150
SQL = (
    "SELECT flow, action, count(*) AS rows, min(line) AS first_line FROM log_matches GROUP BY ALL ORDER BY flow, action"
)
LANGUAGES = {"mermaid": "mermaid", "md": "markdown", "json": "json", "sarif": "json"}


def pages() -> Iterator[Page]:
    yield Page("outputs.md", _index)
    for one in _outputs():
        yield Page(f"outputs/{one.name}.md", partial(_page, one))
    yield Page("outputs/packets.md", _packets)
    yield Page("outputs/tables.md", _tables)


def _outputs() -> list[Output]:
    return plugins.discover("rpcdiag.report.outputs", "OUTPUT")


def _index() -> Iterator[str]:
    yield from heading("Outputs")
    yield "`rpcdiag analyze CAPTURE... -T NAME` writes one of these, to standard output or where `-o` says. Each has a page with what"
    yield "it prints of a small capture."
    yield ""
    rows = [(f"[`-T {one.name}`](outputs/{one.name}.md)", escaped(one.title)) for one in _outputs()]
    rows.append(("[`-w FILE`](outputs/packets.md)", "the packets of chosen cases, with comments, for Wireshark"))
    yield from table(("output", "what it is"), rows)
    yield ""
    yield "`csv` and `parquet` write, and `rpcdiag query` reads, [these tables](outputs/tables.md). What programs may rely on, and the"
    yield "documents of the other commands, stands in [documents](documents.md)."


def _page(one: Output) -> Iterator[str]:
    first, _, rest = prose(one.render).partition("\n\n")
    yield from heading(one.name)
    yield f"**{escaped(' '.join(first.splitlines()))}**"
    yield ""
    yield from told(rest)
    yield ""
    yield "## What it prints"
    yield ""
    yield from _sample(one)
    yield ""
    yield "All outputs: [the list](../outputs.md)."


@cache
def _story() -> Diagnosis:
    with chdir(STORY):  # so that no path of this machine is printed
        return analyze(["capture.pcapng"], ["pfirewall.log"])


def _sample(one: Output) -> Iterator[str]:
    """What it prints of the story, or the part of it that matters."""
    of = "the story [*ocs-advfirewall*](../tutorials/ocs-advfirewall.md)"
    if one.name == "html":
        yield f"Of {of}; [the report](../report.md) tells what can be done with it."
        yield ""
        yield "![the report in a browser](../images/ocs-advfirewall.png)"
        return
    if one.name == "parquet":
        yield f'Files that no editor shows. `rpcdiag query "{SQL}" report` says of {of}:'
        yield ""
        yield from block("text", _asked())
        return
    with chdir(STORY):
        lines = [line for text in one.render(_story(), Options()) for line in text.split("\n")]
    what, lines = _part(one.name, lines)
    most = MAX_LINES.get(one.name, 30)
    yield f"Of {of}{what}{_cut(lines, most)}:"
    yield ""
    yield from block(LANGUAGES.get(one.name, "text"), _shortened(lines, most))


def _part(name: str, lines: list[str]) -> tuple[str, list[str]]:
    """Of a large document its first finding."""
    if name == "json":
        (finding, *_) = json.loads("\n".join(lines))["findings"]
        return ", one of its `findings` with room between the lines", json.dumps(finding, indent=1).split("\n")
    if name == "sarif":
        (result, *_) = json.loads("\n".join(lines))["runs"][0]["results"]
        return ", one of its `results`", json.dumps(result, indent=1).split("\n")
    return "", lines


def _asked() -> list[str]:
    (json_output,) = (one for one in _outputs() if one.name == "json")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        path.write_text("\n".join(json_output.render(_story(), Options())), encoding="utf-8")
        return [line for text in query(SQL, [str(path)], print, output="text", limit=50) for line in text.split("\n")]


def _cut(lines: list[str], most: int) -> str:
    long = any(len(line) > MAX_WIDTH for line in lines)
    more = len(lines) > most
    return f" (long lines{' and the rest' if more else ''} cut off)" if long else " (the rest cut off)" if more else ""


def _shortened(lines: list[str], most: int) -> Iterator[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    for line in lines[:most]:
        yield line if len(line) <= MAX_WIDTH else f"{line[: MAX_WIDTH - 4]} ..."
    if len(lines) > most:
        yield "..."


def _packets() -> Iterator[str]:
    first, _, rest = prose(annotated).partition("\n\n")
    yield from heading("For packet viewers")
    yield f"**{escaped(first)}**"
    yield ""
    yield from told(rest)
    yield from block(
        "sh",
        (
            "rpcdiag analyze capture.pcapng -w annotated.pcapng                # the packets of all findings",
            "rpcdiag analyze capture.pcapng -w annotated.pcapng --case n1      # of one finding, flow (f3) or referral (r1)",
            "rpcdiag analyze capture.pcapng -w annotated.pcapng --all-packets",
            "rpcdiag analyze capture.pcapng --decode-as decode_as_entries      # for a profile of Wireshark",
            "rpcdiag endpoints capture.pcapng                                  # ends with the -d options for tshark",
        ),
    )
    yield ""
    yield "Every comment begins with `rpcdiag` and names the packet's number in its own capture; the display filter"
    yield '`frame.comment contains "rpcdiag n1 "` finds those of one finding. Several captures become several interfaces, their'
    yield "packets in the order of time. A finding's `filter` in the JSON document is a display filter for the original capture."
    yield ""
    yield "## What it writes"
    yield ""
    yield "The comments of the story [*ocs-advfirewall*](../tutorials/ocs-advfirewall.md), by packet:"
    yield ""
    rows = [(packet, text) for (_, packet), texts in sorted(remarks(_story()).items()) for text in texts]
    yield from table(("packet", "comment"), ((str(packet), escaped(text)) for packet, text in rows))
    yield ""
    yield "All outputs: [the list](../outputs.md)."


def _tables() -> Iterator[str]:
    yield from heading("The tables")
    yield "What [`csv`](csv.md) and [`parquet`](parquet.md) write and `rpcdiag query` reads. Times are nanoseconds since 1970 UTC; what"
    yield "is not known is null; `texts` and `integers` are lists. `query` adds the column `file`. `rpcdiag schema tables` prints the"
    yield "same as JSON."
    for one in TABLES:
        yield ""
        yield f"## {one.name}"
        yield ""
        yield f"{one.says[:1].upper()}{one.says[1:]}."
        yield ""
        yield from table(
            ("column", "type", "what it is"),
            ((f"`{column.name}`", column.kind, escaped(column.says)) for column in one.columns),
        )
    yield ""
    yield "All outputs: [the list](../outputs.md)."
