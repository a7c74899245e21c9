"""The JSON document as tables: one row a flow, referral, finding, row of a log. For CSV, Parquet and queries.

Times are nanoseconds since 1970 UTC. Text out of packets and logs is made harmless. What is not known is null.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from rpcdiag.report.names import clean

Value = str | int | bool | list[str] | list[int] | None
Row = tuple[Value, ...]
_LARGEST = (1 << 63) - 1


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXTS = "texts"
    INTEGERS = "integers"


class Column(NamedTuple):
    """`take` gets the value out of the record."""

    name: str
    kind: Kind
    says: str
    take: Callable[[dict[str, Any]], Any]


class Table(NamedTuple):
    """`field` of the document has its records; `split` makes several records of one, for tables of what these hold."""

    name: str
    field: str
    says: str
    columns: tuple[Column, ...]
    split: Callable[[dict[str, Any]], Iterable[dict[str, Any]]] | None = None

    def rows(self, record: dict[str, Any]) -> Iterator[Row]:
        """The rows that one element of the field makes."""
        for one in [record] if self.split is None else self.split(record):
            yield tuple(_value(column.take(one), column.kind) for column in self.columns)


def _value(value: Any, kind: Kind) -> Value:  # noqa: ANN401  whatever a document holds
    """The value if it is of its kind; documents of others may hold anything."""
    if isinstance(value, bool):
        return value if kind is Kind.BOOLEAN else None
    if isinstance(value, str):
        return clean(value) if kind is Kind.TEXT else None
    if isinstance(value, int):
        return value if kind is Kind.INTEGER and -_LARGEST <= value <= _LARGEST else None
    if isinstance(value, list):
        if kind is Kind.TEXTS:
            return [clean(one) for one in value if isinstance(one, str)]
        if kind is Kind.INTEGERS:
            return [one for one in value if isinstance(one, int) and -_LARGEST <= one <= _LARGEST]
    return None


def _at(path: str) -> Callable[[dict[str, Any]], Any]:
    """What stands at `client.address`; None where something on the way is absent."""
    names = path.split(".")

    def take(record: dict[str, Any]) -> Any:  # noqa: ANN401  whatever the document holds there
        value: Any = record
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return take


def _each(path: str, name: str) -> Callable[[dict[str, Any]], list[Any]]:
    """The field `name` of every element of the list at `path` that has it."""
    take = _at(path)

    def all_of(record: dict[str, Any]) -> list[Any]:
        value = take(record)
        elements = value if isinstance(value, list) else []
        return [one[name] for one in elements if isinstance(one, dict) and one.get(name) is not None]

    return all_of


def _first_remedy(record: dict[str, Any]) -> Any:  # noqa: ANN401  as above
    found = _each("remedies", "id")(record)
    return found[0] if found else None


def _text(name: str, says: str, path: str = "") -> Column:
    return Column(name, Kind.TEXT, says, _at(path or name))


def _number(name: str, says: str, path: str = "") -> Column:
    return Column(name, Kind.INTEGER, says, _at(path or name))


def _flag(name: str, says: str, path: str = "") -> Column:
    return Column(name, Kind.BOOLEAN, says, _at(path or name))


def _texts(name: str, says: str, take: Callable[[dict[str, Any]], Any] | None = None) -> Column:
    return Column(name, Kind.TEXTS, says, take or _at(name))


def _numbers(name: str, says: str, take: Callable[[dict[str, Any]], Any] | None = None) -> Column:
    return Column(name, Kind.INTEGERS, says, take or _at(name))


def _held(field: str, under: str) -> Callable[[dict[str, Any]], Iterator[dict[str, Any]]]:
    """The elements of a list within a record, each with the record's id as `under`."""

    def split(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        elements = record.get(field)
        for number, one in enumerate(elements if isinstance(elements, list) else [], start=1):
            if isinstance(one, dict):
                yield {**one, under: record.get("id"), "number": number}

    return split


_ENDS = (
    _text("client", "address of who asks", "client.address"),
    _number("client_port", "its port", "client.port"),
    _text("server", "address of who answers", "server.address"),
    _number("server_port", "its port", "server.port"),
)

CAPTURES = Table("captures", "captures", "the captures that were read", (
    _number("index", "what other tables call it"),
    _text("path", "its file"),
    _text("format", "container and compression"),
    _texts("link_types", "what kinds of links it holds"),
    _number("packets", "packets read"),
    _number("first_ns", "time of its first packet"),
    _number("last_ns", "time of its last packet"),
    _flag("cut_short", "whether it ends too early"),
))  # fmt: skip
LOGS = Table("logs", "logs", "the firewall logs that were read", (
    _number("index", "what other tables call it"),
    _text("path", "its file"),
    _text("format", "name of the log format"),
    _number("entries", "rows read"),
    _number("drops", "rows that say that something was refused"),
    _number("matched", "rows that belong to flows"),
    _number("bad_lines", "lines that could not be read"),
    _number("clock_offset_ns", "what its clock is ahead of the captures'", "clock.offset_ns"),
    _text("clock_basis", "how that is known", "clock.basis"),
))  # fmt: skip
FLOWS = Table("flows", "flows", "connections that carried RPC, or were sent where an answer pointed", (
    _text("id", "f1, f2 ... by time"),
    _number("capture", "index of the capture"),
    _text("interface", "capture point, where there are several"),
    _text("protocol", "tcp or udp"),
    _text("transport", "protocol sequence of RPC"),
    _text("pipe", "the pipe, over SMB"),
    *_ENDS,
    _number("first_packet", "number of its first packet"),
    _number("last_packet", "number of its last packet"),
    _number("start_ns", "time of its first packet"),
    _number("end_ns", "time of its last packet"),
    _number("packets", "how many it has"),
    _text("outcome", "how it went, as far as TCP tells"),
    _number("syns", "SYNs of the client"),
    _texts("interfaces", "names of the RPC interfaces that were bound", _each("interfaces", "name")),
    _texts("uuids", "their UUIDs", _each("interfaces", "uuid")),
    _texts("auth_levels", "the level of security of each, where one was seen", _each("interfaces", "auth_level")),
    _number("requests", "calls", "calls.requests"),
    _number("responses", "of them answered", "calls.responses"),
    _number("faults", "of them answered with a fault", "calls.faults"),
    _number("unanswered", "of them never answered", "calls.unanswered"),
    _text("origin", "who sent the client there", "origin.kind"),
    _text("referral", "the referral that did", "origin.referral"),
    _text("origin_confidence", "how sure that is", "origin.confidence"),
    _text("strict_verdict", "what strict RPC compliance would say", "strict_rpc.verdict"),
    _text("strict_kind", "why: its kind", "strict_rpc.kind"),
    _text("strict_reason", "why: in words", "strict_rpc.reason"),
    _texts("same_as", "the same conversation at other capture points"),
))  # fmt: skip
FLOW_GROUPS = Table("flow_groups", "flow_groups", "flows beyond the first hundred that are alike", (
    _text("like", "the flow that they are like"),
    _number("count", "how many"),
    _number("first_ns", "when the first began"),
    _number("last_ns", "when the last ended"),
    _number("requests", "calls on all of them", "calls.requests"),
))  # fmt: skip
REFERRALS = Table("referrals", "referrals", "answers that named an endpoint, or should have", (
    _text("id", "r1, r2 ... by time"),
    _text("kind", "what was asked"),
    _number("capture", "index of the capture"),
    *_ENDS,
    _text("interface", "name of the interface that was asked for", "interface.name"),
    _text("uuid", "its UUID", "interface.uuid"),
    _text("version", "its version", "interface.version"),
    _text("class", "the COM class, of an activation", "class.name"),
    _text("status", "what the answer says, 0x00000000 for success"),
    _text("readable", "clear, sealed, carved, cut"),
    _number("request_packet", "packet of the question"),
    _number("response_packet", "packet of the answer"),
    _number("request_ns", "its time"),
    _number("response_ns", "its time"),
    _numbers("ports", "ports that were named", _each("endpoints", "port")),
    _texts("pipes", "pipes that were named", _each("endpoints", "pipe")),
    _texts("flows", "flows that went there"),
))  # fmt: skip
ENDPOINTS = Table("endpoints", "referrals", "every endpoint of every referral", (
    _text("referral", "the referral that names it"),
    _number("number", "its place in the answer"),
    _text("protseq", "protocol sequence"),
    _text("address", "address, where one is known"),
    _text("host", "name, where one was given"),
    _number("port", "port"),
    _text("pipe", "pipe"),
    _text("text", "as it was written"),
    _text("interface", "name of its interface", "interface.name"),
    _text("uuid", "UUID of its interface", "interface.uuid"),
    _number("packet", "packet that holds it"),
), _held("endpoints", "referral"))  # fmt: skip
LOG_MATCHES = Table("log_matches", "log_matches", "rows of firewall logs that belong to flows", (
    _number("log", "index of the log"),
    _number("line", "its line, from 1"),
    _text("flow", "the flow"),
    _text("grade", "A (same sequence number) to D (no time)"),
    _text("basis", "how the two were joined"),
    _text("action", "what the device did"),
    _flag("drops", "whether it says that it refused"),
    _number("written_ns", "time as written, read as if it were UTC"),
    _text("protocol", "protocol"),
    _text("source", "address", "source.address"),
    _number("source_port", "port", "source.port"),
    _text("destination", "address", "destination.address"),
    _number("destination_port", "port", "destination.port"),
    _text("path", "in, out, fwd: from the device's point of view"),
    _text("device", "the device, where it is named"),
    _text("rule", "the rule, where it is named"),
    _text("code", "result code"),
    _text("code_name", "its name"),
    _text("service", "protocol definition, program or service"),
))  # fmt: skip
FINDINGS = Table("findings", "findings", "what is wrong, one row a cause and pair of hosts", (
    _text("id", "n1, n2 ... the worst first"),
    _text("rule", "name of the rule"),
    _text("cause", "id in the failure catalogue"),
    _text("title", "what the rule is about"),
    _text("severity", "error, warning, note"),
    _text("confidence", "proven, established, likely, possible, open"),
    _text("client", "address"),
    _text("server", "address"),
    _text("direction", "which way the failing connection goes"),
    _text("summary", "what happened"),
    _number("count", "how often it was found between these two"),
    _texts("flows", "the flows"),
    _texts("referrals", "the referrals"),
    _texts("errors", "codes that the user is likely to have read", _each("errors", "code")),
    _text("next_observation", "what would decide, where it is not sure"),
    Column("remedy", Kind.TEXT, "the narrowest remedy", _first_remedy),
    _text("filter", "display filter of Wireshark"),
))  # fmt: skip
EVIDENCE = Table("evidence", "findings", "what proves each finding", (
    _text("finding", "the finding"),
    _number("number", "its place, from 1"),
    _text("kind", "seen, missing, logged, configured"),
    _text("says", "in words"),
    _number("capture", "index of the capture"),
    _numbers("packets", "packets that show it"),
    _number("after_packet", "the packet after which something is missing"),
    _number("waited_ns", "how long was waited for it"),
    _number("log", "index of the log"),
    _numbers("lines", "lines of the log, or of the policy"),
    _text("path", "the policy's file"),
), _held("evidence", "finding"))  # fmt: skip

TABLES = (CAPTURES, LOGS, FLOWS, FLOW_GROUPS, REFERRALS, ENDPOINTS, LOG_MATCHES, FINDINGS, EVIDENCE)


def table(name: str) -> Table | None:
    """The table called `name`."""
    return next((one for one in TABLES if one.name == name), None)


def described() -> list[dict[str, Any]]:
    """The schema of all tables, as `rpcdiag schema tables` prints it."""
    return [
        {
            "table": one.name,
            "says": one.says,
            "columns": [
                {"name": column.name, "type": column.kind.value, "says": column.says} for column in one.columns
            ],
        }
        for one in TABLES
    ]
