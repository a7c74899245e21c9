"""Windows events as XML: `wevtutil qe Security /f:xml`, or Event Viewer's "Save as ... XML".

A list of `Event` elements, with a root or without, on one line or on many. Time is UTC; the number of an entry is the
record number that Event Viewer shows. Events that are not about connections, ports, DCOM or RPC are left out.
Cannot tell: sequence numbers. Where auditing is off (`auditpol`) there is no event at all.
"""

import re
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.events import Event, Events, failed, is_wanted
from rpcdiag.logs.fields import SECOND, iso, number
from rpcdiag.logs.xml_pieces import Pieces, element, text_of

_HEAD = re.compile(r"<Event[\s>].{0,2000}?<EventID[\s>]", re.S)
_BEGIN, _END = re.compile(r"<Event[\s>]"), re.compile(r"</Event\s{0,8}>")
_NUMBER = re.compile(r"<EventID(?:\s[^<>]{0,80})?>\s{0,8}(\d{1,5})\s{0,8}</EventID")
_PROVIDER = re.compile(r"<Provider\s[^<>]{0,200}?\bName\s{0,4}=\s{0,4}['\"]([^'\"<>]{1,120})['\"]")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if head.lstrip().startswith("<") and _HEAD.search(head):
        return None
    return "not windows-events-xml: no <Event> with an <EventID>"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    events = Events()
    for line, text in Pieces(_BEGIN, _END).cut(lines):
        if text is None:
            yield BadLine(line, "an Event without its end")
            continue
        event_id, provider = _NUMBER.search(text), _PROVIDER.search(text)
        if event_id is None:
            yield BadLine(line, "an Event without an EventID")
            continue
        if not is_wanted(int(event_id[1]), provider[1] if provider else ""):
            continue
        try:
            event = _event(line, element(text))
        except ValueError as error:
            yield BadLine(line, str(error))
            continue
        entry = events.entry(event) if event else None
        if entry is not None:
            yield entry


def _event(line: int, one: Element) -> Event | None:
    system = one.find("System")
    event_id = number(text_of(system, "EventID"))
    if system is None or event_id is None:
        raise ValueError("an Event without System and EventID")
    provider = system.find("Provider")
    created = system.find("TimeCreated")
    values: dict[str, str] = {}
    unnamed: list[str] = []
    for data in one.iterfind("EventData/Data"):
        name, text = data.get("Name"), (data.text or "").strip()
        if name:
            values[name.lower()] = text
        elif len(unnamed) < 64:
            unnamed.append(text)
    for data in one.iterfind("UserData/*/*"):
        values.setdefault(data.tag.lower(), (data.text or "").strip())
    ns: int | None
    try:
        ns, resolution, basis = iso((created.get("SystemTime") if created is not None else None) or "")
    except ValueError:
        ns, resolution, basis = None, SECOND, "utc"
    return Event(
        number(text_of(system, "EventRecordID")) or line, event_id,
        (provider.get("Name") if provider is not None else None) or "", text_of(system, "Computer") or None,
        ns, resolution, basis, values, unnamed, failed(text_of(system, "Keywords")),
    )  # fmt: skip


FORMAT = LogFormat(
    "windows-events-xml", "Windows events as XML", why_not, parse, whole_lines=False, counts="record"
)  # fmt: skip
