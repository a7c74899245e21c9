"""Events as JSON objects, in the forms that libraries and log shippers give them.

`evtx_dump` and the library `evtx` write `Event.System` and `Event.EventData`; Winlogbeat `winlog.event_data`, and its own
`@timestamp` is the time of the event; other shippers lay everything flat, with `EventTime` in local time.
"""

import re
from collections.abc import Mapping
from typing import Any

from rpcdiag.logs.events import Event, failed, is_wanted
from rpcdiag.logs.fields import SECOND, iso, number

_TICKS = re.compile(r"/Date\((\d{1,15})\)/")


def event_of(line: int, document: dict[str, Any]) -> Event | None:
    """The event that an object holds, in whichever form; None where it is not one of ours."""
    inner = document.get("_source")
    document = inner if isinstance(inner, dict) else document
    event, winlog = document.get("Event"), document.get("winlog")
    if isinstance(event, dict):
        return nested(line, event)
    if isinstance(winlog, dict):
        return _shipped(line, document, winlog)
    if isinstance(document.get("event_data"), dict):
        return _shipped(line, document, document)
    return _flat(line, document)


def nested(line: int | None, event: dict[str, Any]) -> Event | None:
    """The event of `System` and `EventData`; without a line its number is that of the record."""
    system = _dict(event.get("System"))
    event_id = _number(system.get("EventID"))
    provider = _attribute(system.get("Provider"), "Name")
    if event_id is None or not is_wanted(event_id, provider):
        return None
    data = event.get("EventData") or next(iter(_dict(event.get("UserData")).values()), None)
    values, unnamed = _values(_dict(data))
    written = _written(_attribute(system.get("TimeCreated"), "SystemTime"))
    keywords = _text(system.get("Keywords"))
    place = line if line is not None else _number(system.get("EventRecordID")) or 0
    return Event(
        place, event_id, provider,
        _text(system.get("Computer")), *written, values, unnamed, failed(keywords),
    )  # fmt: skip


def _shipped(line: int, document: dict[str, Any], winlog: dict[str, Any]) -> Event | None:
    event_id = _number(winlog.get("event_id"))
    provider = _text(winlog.get("provider_name")) or _text(winlog.get("source_name")) or ""
    if event_id is None or not is_wanted(event_id, provider):
        return None
    values, unnamed = _values(_dict(winlog.get("event_data")))
    keywords = winlog.get("keywords")
    said = " ".join(str(one) for one in keywords[:8]) if isinstance(keywords, list) else _text(keywords)
    written = _written(_text(document.get("@timestamp")))
    return Event(line, event_id, provider, _text(winlog.get("computer_name")), *written, values, unnamed, failed(said))


def _flat(line: int, document: dict[str, Any]) -> Event | None:
    event_id = next((found for name in ("EventID", "EventId", "Id") if (found := _number(document.get(name)))), None)
    provider = (
        _text(document.get("SourceName")) or _text(document.get("ProviderName")) or _text(document.get("Provider"))
    )
    if event_id is None or not is_wanted(event_id, provider or ""):
        return None
    computer = next(
        (one for name in ("Hostname", "Computer", "MachineName") if (one := _text(document.get(name)))), None
    )
    times = (_text(document.get(name)) for name in ("EventTime", "SystemTime", "TimeCreated"))
    values: dict[str, str] = {}
    for name, value in document.items():
        known = values.get(name.lower())
        if isinstance(value, str) or (isinstance(value, int) and known is None):  # names can differ by case only
            values[name.lower()] = str(value)
    listed = document.get("Properties")
    unnamed = [str(_dict(one).get("Value")) for one in listed[:64]] if isinstance(listed, list) else []
    return Event(
        line, event_id, provider or "", computer, *_written(next((one for one in times if one), None)),
        values if not unnamed else {}, unnamed, failed(_text(document.get("Keywords")), _text(document.get("EventType"))),
        _text(document.get("Message")),
    )  # fmt: skip


def _values(data: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Values by name in lower case, and those without a name."""
    values = {name.lower(): str(value) for name, value in data.items() if isinstance(value, str | int | float)}
    inner = data.get("Data")
    listed = _dict(inner).get("#text", inner)
    unnamed = []
    for one in listed[:64] if isinstance(listed, list) else [listed]:
        name = _dict(one).get("Name") or _dict(one).get("@Name")
        text = _dict(one).get("#text", one if isinstance(one, str) else None)
        if isinstance(name, str) and text is not None:
            values[name.lower()] = str(text)
        elif isinstance(text, str):
            unnamed.append(text)
    return values, unnamed


def _written(text: str | None) -> tuple[int | None, int, str]:
    ticks = _TICKS.fullmatch(text or "")
    if ticks:
        return int(ticks[1]) * 1_000_000, 1_000_000, "utc"
    try:
        return iso(text or "")
    except ValueError:
        return None, SECOND, "local"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _attribute(value: object, name: str) -> str:
    """`{"#attributes": {"Name": "x"}}`, `{"@Name": "x"}` or `{"Name": "x"}`"""
    found = _dict(value)
    attributes = _dict(found.get("#attributes"))
    return _text(attributes.get(name)) or _text(found.get(f"@{name}")) or _text(found.get(name)) or ""


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _number(value: object) -> int | None:
    """A number, a number as text, or one that has qualifiers beside it."""
    return number(_text(_dict(value).get("#text", value)))
