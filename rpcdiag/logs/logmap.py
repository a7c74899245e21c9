"""A mapping file, with which any log of separated values becomes a format: which column is what.

YAML or JSON. Every mistake is told with the file and the key.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from rpcdiag.errors import InputError, said_of
from rpcdiag.logs import moments, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND
from rpcdiag.logs.record import Ends, made

MAX_SIZE = 1024 * 1024
MAX_COLUMN = 1000
MAX_SKIP = 1000
_DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "bar": "|", "space": " ", "blank": " "}
_ENDS = Ends._fields
_TEXTS = (
    *("device", "flags", "sequence", "ip_id", "ttl", "rule", "reason", "service", "source_zone", "destination_zone"),
    "connection",
)
_WORDED = ("action", "path", "protocol")
_COLUMNS = (*_ENDS, *_TEXTS, *_WORDED)
_PATHS = frozenset({"in", "out", "fwd", "unknown"})
_OTHERS = ("name", "delimiter", "header", "skip", "comment", "time", "actions", "paths", "protocols", "defaults")
_KEYS = (*_OTHERS, *_COLUMNS)
_TIME_KEYS = ("column", "columns", "format", "zone")
_DEFAULTS = ("protocol", "action", "path", "device")
_NEEDED = ("source", "destination", "action")
Column = str | int
When = Callable[[str], moments.Moment]


class LogMap(NamedTuple):
    """Which column is what; a number counts from 0 here, from 1 in the file."""

    path: str
    name: str
    delimiter: str
    header: bool
    skip: int
    comment: str | None
    columns: dict[str, Column]
    time: tuple[Column, ...]
    when: When
    actions: dict[str, str]
    paths: dict[str, str]
    protocols: dict[str, str]
    defaults: dict[str, str]


def load(path: str) -> LogFormat:
    """The format that a mapping file describes.

    Raises:
        InputError: it cannot be read, or a key in it is missing, unknown or wrong.
    """
    described = _checked(path, _document(path))

    def why_not(head: str) -> str | None:
        return _why_not(described, head)

    def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
        return _parse(described, lines)

    return LogFormat("csv-by-map", f"separated values as {described.name} describes them", why_not, parse)


def _document(path: str) -> dict[Any, Any]:
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise InputError(path, said_of(error)) from None
    if len(raw) > MAX_SIZE:
        raise InputError(path, f"longer than {MAX_SIZE // 1024} KiB: no mapping file")
    import yaml

    try:
        found = yaml.safe_load(raw)  # JSON is YAML as well
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(path, f"neither YAML nor JSON: {error.problem}", place) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(path, f"neither YAML nor JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise InputError(path, "holds no keys; source, destination, action and time belong in it")
    return found


class _Reader:
    """Takes the values of a document one by one and complains with the key."""

    def __init__(self, path: str, document: dict[Any, Any]) -> None:
        self.path = path
        self.document = document

    def wrong(self, key: str, why: str) -> InputError:
        return InputError(self.path, why, f"key '{key}'")

    def text(self, key: str, default: str | None = None) -> str | None:
        value = self.document.get(key, default)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, f"a text belongs here, not {value!r}"[:200])
        return value

    def column(self, key: str, value: object) -> Column:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self.wrong(key, f"the name of a column or its number belongs here, not {value!r}"[:200])
        if isinstance(value, int):
            if not 1 <= value <= MAX_COLUMN:
                raise self.wrong(key, f"columns are numbered from 1, not {value}"[:200])
            return value - 1
        return value

    def table(self, key: str, allowed: Iterable[str] | None) -> dict[str, str]:
        value = self.document.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a list of 'word: meaning' belongs here")
        for word, meaning in value.items():
            if not isinstance(meaning, str) or (allowed is not None and meaning not in allowed):
                known = f": one of {', '.join(sorted(allowed))} belongs here" if allowed else ": a text belongs here"
                raise self.wrong(f"{key}.{word}"[:80], f"{meaning!r} has no meaning"[:100] + known)
        return {str(word).strip().lower(): meaning for word, meaning in value.items()}


def _checked(path: str, document: dict[Any, Any]) -> LogMap:
    """The map, once every key has been looked at.

    Raises:
        InputError: what is wrong, with the key.
    """
    read = _Reader(path, document)
    for key in document:
        if key not in _KEYS:
            raise read.wrong(str(key)[:60], f"is not known; known are {', '.join(sorted(_KEYS))}")
    defaults = _defaults(read)
    for key in _NEEDED:
        if key not in document and key not in defaults:
            raise read.wrong(key, "is missing")
    header = document.get("header", True)
    if not isinstance(header, bool):
        raise read.wrong("header", f"true or false belongs here, not {header!r}"[:200])
    skip = document.get("skip", 0)
    if isinstance(skip, bool) or not isinstance(skip, int) or not 0 <= skip <= MAX_SKIP:
        raise read.wrong("skip", f"a number of lines up to {MAX_SKIP} belongs here, not {skip!r}"[:200])
    time, when = _time(read)
    columns = {key: read.column(key, document[key]) for key in _COLUMNS if key in document}
    for key, column in [*columns.items(), *(("time", one) for one in time)]:
        if not header and isinstance(column, str):
            raise read.wrong(key, f"{column!r} is a name, and without a header columns have only numbers"[:200])
    return LogMap(
        path, read.text("name") or path, _delimiter(read), header, skip, read.text("comment"), columns, time, when,
        read.table("actions", words.KNOWN), read.table("paths", _PATHS), read.table("protocols", None), defaults,
    )  # fmt: skip


def _delimiter(read: _Reader) -> str:
    delimiter = read.text("delimiter", ",") or ","
    delimiter = _DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise read.wrong("delimiter", f"one character belongs here, or one of {', '.join(_DELIMITERS)}")
    return delimiter


def _defaults(read: _Reader) -> dict[str, str]:
    found = read.table("defaults", None)
    for key, value in found.items():
        if key not in _DEFAULTS:
            raise read.wrong(f"defaults.{key}", f"is not known; known are {', '.join(_DEFAULTS)}")
        if key == "action" and value not in words.KNOWN:
            raise read.wrong("defaults.action", f"one of {', '.join(sorted(words.KNOWN))} belongs here")
        if key == "path" and value not in _PATHS:
            raise read.wrong("defaults.path", f"one of {', '.join(sorted(_PATHS))} belongs here")
    return found


def _time(read: _Reader) -> tuple[tuple[Column, ...], When]:
    """The columns of the time, and how it is read."""
    value = read.document.get("time")
    if value is None:
        raise read.wrong("time", "is missing")
    if not isinstance(value, dict):
        value = {"column": value}
    for key in value:
        if key not in _TIME_KEYS:
            raise read.wrong(f"time.{key}"[:60], f"is not known; known are {', '.join(_TIME_KEYS)}")
    named = value.get("column", value.get("columns"))
    if named is None:
        raise read.wrong("time.column", "is missing")
    columns = tuple(read.column("time.column", one) for one in (named if isinstance(named, list) else [named]))
    if not 1 <= len(columns) <= 4:
        raise read.wrong("time.column", "one column belongs here, or the two of date and time")
    form, zone = value.get("format", "guess"), value.get("zone", "local")
    if not isinstance(form, str):
        raise read.wrong(
            "time.format", f"guess, iso, epoch or a form like %Y-%m-%d %H:%M:%S belongs here, not {form!r}"[:200]
        )
    return columns, _in_zone(_form(read, form), _zone(read, zone))


def _form(read: _Reader, form: str) -> When:
    named: dict[str, When] = {"guess": moments.any_of, "iso": moments.iso, "epoch": moments.epoch}
    if form in named:
        return named[form]
    if "%" not in form:
        raise read.wrong(
            "time.format", f"guess, iso, epoch or a form like %Y-%m-%d %H:%M:%S belongs here, not {form!r}"[:200]
        )
    try:
        datetime.strptime(datetime(2000, 1, 1, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007  only whether it can be
    except ValueError as error:
        raise read.wrong("time.format", str(error)[:200]) from None
    fine = 1000 if "%f" in form else SECOND if "%S" in form or "%T" in form or "%X" in form else 60 * SECOND
    basis = "local" if "%Y" in form or "%y" in form else "no_year"

    @lru_cache(maxsize=8192)
    def when(text: str) -> moments.Moment:
        one = datetime.strptime(text if basis == "local" else f"{moments.LEAP_YEAR} {text}", whole)  # noqa: DTZ007
        if one.tzinfo is not None:
            return moments.Moment(_ns(one), fine, "offset")
        return moments.Moment(_ns(one.replace(tzinfo=UTC)), fine, basis)

    whole = form if basis == "local" else f"%Y {form}"
    return when


def _ns(one: datetime) -> int:
    since = one - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000


def _zone(read: _Reader, zone: object) -> Callable[[int], int] | str:
    """`local`, `utc`, or what turns a local time into UTC."""
    if not isinstance(zone, str):
        raise read.wrong(
            "time.zone", f"local, utc, a zone like '+01:00' or Europe/Berlin belongs here, not {zone!r}"[:200]
        )
    if zone.lower() in ("local", "utc"):
        return zone.lower()
    if zone[:1] in ("+", "-"):
        try:
            away = moments.ahead(zone) * SECOND
        except ValueError:
            raise read.wrong("time.zone", f"{zone!r} is no zone like '+01:00'"[:200]) from None
        return lambda ns: ns - away
    from zoneinfo import ZoneInfo

    try:
        place = ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        raise read.wrong("time.zone", f"{zone[:60]!r} is no zone that this machine knows") from None
    return lambda ns: _ns(datetime.fromtimestamp(ns // SECOND, UTC).replace(tzinfo=place).astimezone(UTC)) + ns % SECOND


def _in_zone(when: When, zone: Callable[[int], int] | str) -> When:
    """A time that says its own zone keeps it."""
    if zone == "local":
        return when

    @lru_cache(maxsize=8192)
    def moved(text: str) -> moments.Moment:
        moment = when(text)
        if moment.basis != "local":
            return moment
        if isinstance(zone, str):
            return moment._replace(basis="utc")
        return moments.Moment(zone(moment.ns), moment.resolution_ns, "offset")

    return moved


def _values(described: LogMap, text: str) -> list[str]:
    if '"' not in text:
        return text.split() if described.delimiter == " " else text.split(described.delimiter)
    import csv

    try:
        return next(csv.reader([text], delimiter=described.delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _rows(described: LogMap, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines that are neither skipped nor empty nor comments."""
    for number, line in enumerate(lines, start=1):
        text = line.strip("\r\n\x00")
        if number > described.skip and text.strip() and not (described.comment and text.startswith(described.comment)):
            yield number, text


def _places(described: LogMap, names: Sequence[str]) -> tuple[dict[str, int], tuple[int, ...]]:
    """Where each value stands, by the names of the header.

    Raises:
        LookupError: the header lacks a column, which is named.
    """
    known = {name.strip().lower(): at for at, name in reversed(list(enumerate(names)))}

    def place(key: str, column: Column) -> int:
        if isinstance(column, int):
            return column
        found = known.get(column.strip().lower())
        if found is None:
            has = ", ".join(name.strip() for name in names[:30])
            raise LookupError(f"key '{key}': no column {column!r} in the header, which has {has}"[:400])
        return found

    return {key: place(key, column) for key, column in described.columns.items()}, tuple(
        place("time", column) for column in described.time
    )


def _why_not(described: LogMap, head: str) -> str | None:
    """Why a file that starts like this is not of this map; None when it is."""
    lines = head.splitlines()[: described.skip + 200]
    rows = _rows(described, lines)
    if described.header:
        first = next(rows, None)
        if first is None:
            return f"not csv-by-map: no header line for {described.path}"
        try:
            _places(described, _values(described, first[1]))
        except LookupError as error:
            return f"not csv-by-map: {described.path}: {error.args[0]}"
        return None
    bad = None
    for one in _parse(described, lines):
        if isinstance(one, BadLine):
            bad = bad or one
        elif one.source is not None and one.destination is not None:
            return None
    why = f"line {bad.line}: {bad.why}" if bad else "no row with two addresses in the first lines"
    return f"not csv-by-map: {described.path}: {why}"


def _parse(described: LogMap, lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    places: tuple[dict[str, int], tuple[int, ...]] | None = None if described.header else _places(described, ())
    names: list[str] = []
    for number, text in _rows(described, lines):
        values = _values(described, text)
        if places is None:
            try:
                places, names = _places(described, values), values
            except LookupError as error:
                yield BadLine(number, str(error.args[0]))
            continue
        if described.header and values == names:
            continue  # the header once more
        yield _entry(described, number, values, places)


def _entry(
    described: LogMap, line: int, values: Sequence[str], places: tuple[dict[str, int], tuple[int, ...]]
) -> LogEntry | BadLine:
    columns, time = places
    needed = max(*(columns[key] for key in _NEEDED if key in columns), *time)
    if len(values) <= needed:
        return BadLine(line, f"{len(values)} values where at least {needed + 1} belong")
    written = " ".join(values[at].strip() for at in time)
    try:
        moment = described.when(written)
    except (ValueError, OverflowError):
        return BadLine(line, f"no time: {written[:60]!r}")

    def value(key: str) -> str | None:
        at = columns.get(key)
        text = values[at].strip() if at is not None and at < len(values) else ""
        return None if text in ("", "-") else text

    defaults = described.defaults
    did, way, proto = value("action"), value("path"), value("protocol")
    return made(
        line,
        moment,
        described.actions.get(did.lower()) or words.action(did) if did else defaults.get("action", "unknown"),
        described.protocols.get(proto.lower(), proto) if proto else defaults.get("protocol", "tcp"),
        Ends(*(value(name) for name in _ENDS)),
        path=described.paths.get(way.lower(), way.lower() if way.lower() in _PATHS else "unknown")
        if way
        else defaults.get("path", "unknown"),
        device=value("device") or defaults.get("device"),
        flags=value("flags"),
        sequence=value("sequence"),
        ip_id=value("ip_id"),
        ttl=value("ttl"),
        rule=value("rule"),
        why=value("reason"),
        service=value("service"),
        zones=(value("source_zone"), value("destination_zone")),
        connection=value("connection"),
    )
