"""Windows event logs as they lie on disk: EVTX.

Security.evtx and System.evtx, copied or saved by Event Viewer ("Save all events as"), or `wevtutil epl Security x.evtx`.
Needs the package `evtx` (`pip install "rpcdiag[events]"`). Time is UTC; the number of an entry is the record number that
Event Viewer shows. Events that are not about connections, ports, DCOM or RPC are left out.
Cannot tell: sequence numbers: a drop is joined by its ends and time. Where auditing is off (`auditpol`) there is no
event at all.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from rpcdiag.errors import MissingPiece
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.event_json import nested
from rpcdiag.logs.events import Events, is_wanted

_MAGIC = "ElfFile"
_NUMBER = re.compile(r'"EventID":\s{0,4}(?:\{[^{}]{0,80}\{[^{}]{0,80}\},"#text":)?(\d{1,5})\b')
_PROVIDER = re.compile(r'"Name":\s{0,4}"([^"\\]{1,120})"')
_RECORD = re.compile(r"\b(\d{1,12})\b")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    return None if head.startswith(_MAGIC) else "not windows-events: does not begin with 'ElfFile'"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    """EVTX is no text: as lines it is one that cannot be read."""
    if next(iter(lines), None) is not None:
        yield BadLine(1, "EVTX is binary")


def parse_file(stream: IO[bytes]) -> Iterator[LogEntry | BadLine]:
    """Raises:
    MissingPiece: the package that reads EVTX is not installed.
    """
    try:
        from evtx import PyEvtxParser
    except ImportError:
        raise MissingPiece("reading EVTX files needs the package evtx", 'pip install "rpcdiag[events]"') from None
    events = Events()
    for record in _records(PyEvtxParser, stream):
        if isinstance(record, BadLine):
            yield record
            continue
        number, text = record
        entry_id, provider = _NUMBER.search(text), _PROVIDER.search(text)
        if entry_id is None or not is_wanted(int(entry_id[1]), provider[1] if provider else ""):
            continue
        try:
            event = nested(None, json.loads(text)["Event"])
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
            yield BadLine(number, f"record is no event: {error}"[:120])
            continue
        entry = events.entry(event) if event else None
        if entry is not None:
            yield entry


def _records(parser: Any, stream: IO[bytes]) -> Iterator[tuple[int, str] | BadLine]:  # noqa: ANN401 (evtx has no types)
    """Records by number, and those that cannot be read. The library raises many things on broken files."""
    last = 0
    try:
        records = iter(parser(stream, 1).records_json())
    except Exception as error:  # noqa: BLE001
        yield BadLine(0, f"no EVTX: {error}"[:200])
        return
    while True:
        try:
            record = next(records, None)
        except Exception as error:  # noqa: BLE001
            yield BadLine(_place(error, last), str(error)[:200])
            if last == _place(error, last):
                return
            last = _place(error, last)
            continue
        if record is None:
            return
        last = record["event_record_id"]
        yield last, record["data"]


def _place(error: Exception, last: int) -> int:
    """The record that an error speaks of, or the one behind the last that was good."""
    found = _RECORD.search(str(error))
    return int(found[1]) if found else last + 1


FORMAT = LogFormat("windows-events", "Windows event log (EVTX)", why_not, parse, parse_file=parse_file, counts="record")
