"""Windows events as JSON: one a line, or a list of them.

Read are the flat form of log shippers (`EventID`, `Hostname` and the values side by side), Winlogbeat's
(`winlog.event_data`), that of `evtx_dump` (`Event.System`, `Event.EventData`), and PowerShell's `ConvertTo-Json` of the
System log. `EventTime` of the flat form is local; `@timestamp` is when a row was collected and counts for Winlogbeat
only, which puts the event's own time there. Events that are not about connections, DCOM or RPC are left out.
Cannot tell: sequence numbers; the time of the event, where only that of its collection is there.
"""

import json
import re
from collections.abc import Iterable, Iterator

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.event_json import event_of
from rpcdiag.logs.events import Events

MAX_DOCUMENT = 256 * 1024
_STRING = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
)  # one without its end goes to the end: each character is read once
_KEYS = re.compile(r'"(?:EventID|event_id|EventId|System|winlog)"\s{0,9}:')
_BEGINS = re.compile(r"\s*[\[{]")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if _BEGINS.match(head) and _KEYS.search(head):
        return None
    return "not windows-events-json: no JSON object with EventID, event_id or System"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    events = Events()
    for line, text in _documents(lines):
        try:
            loaded = json.loads(text)
            event = event_of(line, loaded) if isinstance(loaded, dict) else None
        except (ValueError, RecursionError, OverflowError) as error:
            yield BadLine(line, f"no JSON: {error}"[:120])
            continue
        entry = events.entry(event) if event else None
        if entry is not None:
            yield entry


def _documents(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The objects with the lines on which they begin: one a line, or spread over several where it is pretty."""
    held: list[str] = []
    begins = depth = size = 0
    for line_number, line in enumerate(lines, start=1):
        if held and line.startswith("{"):  # what is inside an object is indented: the one before is broken
            yield begins, "".join(held)
            held, depth, size = [], 0, 0
        text = line.strip(" \t\r\n\x00")
        if not held:
            text = text.lstrip("[, ")
            if not text.startswith("{"):
                if text.strip("], "):
                    yield line_number, text
                continue
            begins = line_number
        bare = _STRING.sub("", text)
        depth += bare.count("{") - bare.count("}")
        held.append(text)
        size += len(text)
        if depth <= 0 or size > MAX_DOCUMENT:
            yield begins, "".join(held).rstrip("], ")
            held, depth, size = [], 0, 0
    if held:
        yield begins, "".join(held)


FORMAT = LogFormat("windows-events-json", "Windows events as JSON lines", why_not, parse)
