"""Words and numbers as they are shown."""

from datetime import UTC, datetime

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import interface_name, program_of
from rpcdiag.dissect.status import status_name
from rpcdiag.report.harmless import clean as clean


def interface(syntax: Syntax | None) -> str:
    """Name, or UUID and version where there is none, and the program that is known to serve it."""
    if syntax is None:
        return "?"
    name = interface_name(syntax.uuid, syntax.version)
    if name:
        return name
    program = program_of(syntax.uuid)
    return f"{syntax.uuid} v{syntax.version}{f' ({program})' if program else ''}"


def code(number: int | None) -> str | None:
    """`0x16c9a0d6`"""
    return None if number is None else f"{number & 0xFFFFFFFF:#010x}"


def error(number: int) -> str:
    """`0x800706ba RPC_S_SERVER_UNAVAILABLE`, with the short decimal form that programs print as well."""
    name = status_name(number)
    short = f" ({number & 0xFFFF})" if number >> 16 == 0x8007 else ""
    return f"{number:#010x}{' ' + name if name else ''}{short}"


def day_and_time(ns: int) -> str:
    """UTC, to the millisecond."""
    return (
        datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{ns // 1_000_000 % 1000:03}"
    )


def time_of_day(ns: int) -> str:
    return day_and_time(ns)[11:]


def duration(ns: int) -> str:
    """`12 ms`, `3.0 s`, `4 min 10 s`"""
    if ns < 1_000_000_000:
        return f"{ns / 1e6:.0f} ms"
    if ns < 120_000_000_000:
        return f"{ns / 1e9:.1f} s"
    seconds = ns // 1_000_000_000
    return (
        f"{seconds // 60} min {seconds % 60} s" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
    )


def numbers(values: tuple[int, ...], most: int = 6) -> str:
    """`12, 13, 17`"""
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (", ..." if len(values) > most else "")


def several(count: int, what: str) -> str:
    """`1 row`, `2 rows`"""
    return f"{count} {what}{'' if count == 1 else 's'}"
