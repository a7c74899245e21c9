"""Rules as the cmdlets of PowerShell's NetSecurity describe them, one record each, whatever file they stand in."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rpcdiag.policy import windows
from rpcdiag.policy.model import Rule
from rpcdiag.policy.windows import ANY, Written
from rpcdiag.policy.written import MAX_ITEMS, MAX_RULES, Remarks, short

MAX_DEPTH = 4
JOINED = "docs/rule-sets.md has the command that exports rules with their ports, addresses, program and service"

_COLUMNS = {
    column: field
    for field, columns in {
        "name": "displayname",
        "id": "name instanceid id ruleid",
        "enabled": "enabled",
        "direction": "direction",
        "action": "action",
        "profiles": "profile profiles",
        "protocol": "protocol",
        "local_ports": "localport localports",
        "remote_ports": "remoteport remoteports",
        "local_addresses": "localaddress localaddresses localip",
        "remote_addresses": "remoteaddress remoteaddresses remoteip",
        "program": "program application applicationname",
        "service": "service servicename",
        "package": "package packagefamilyname",
        "interface_type": "interfacetype interfacetypes",
        "interface_alias": "interfacealias",
        "authentication": "authentication",
        "encryption": "encryption",
        "overrides": "overrideblockrules",
        "computers": "remotemachine remotemachines remotecomputer",
        "users": "remoteuser remoteusers",
        "local_user": "localuser localusers",
        "owner": "owner",
        "description": "description",
    }.items()
    for column in columns.split()
}
# without these nobody can say what a rule matches
_NEEDED = {
    "protocol": "Protocol", "local_ports": "LocalPort", "remote_ports": "RemotePort",
    "local_addresses": "LocalAddress", "remote_addresses": "RemoteAddress", "program": "Program", "service": "Service",
}  # fmt: skip
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "2": False, "no": False, "0": False}
_DIRECTIONS = {"1": True, "inbound": True, "in": True, "2": False, "outbound": False, "out": False}
_ACTIONS = {"2": "allow", "allow": "allow", "4": "block", "block": "block", "3": "bypass", "allowbypass": "bypass"}
_PROFILES = {1: "domain", 2: "private", 4: "public"}
_NO_SECURITY = ANY | {"notrequired", "none", "0"}
_ANY_TYPE = ANY | {"all", "0"}


class Record(NamedTuple):
    """A record of an export, and the line at which it begins."""

    values: Mapping[str, object]
    line: int | None


def is_rule(columns: Iterable[str]) -> bool:
    """Whether records with these columns can be rules."""
    return {"direction", "action", "enabled"} <= {_plain(column) for column in columns}


def rules(records: Iterable[Record], remarks: Remarks) -> tuple[Rule, ...]:
    """The rules of an export; what it does not say leaves open whether they match."""
    found: list[Rule] = []
    said = False
    for record in records:
        if len(found) >= MAX_RULES:
            remarks.add(f"only the first {MAX_RULES} rules were read")
            break
        fields = _fields(record.values)
        if not ({"direction", "action"} <= fields.keys()):
            remarks.add("a record without Direction and Action is no rule: left out", record.line)
            continue
        missing = [name for field, name in _NEEDED.items() if field not in fields]
        if missing and not said:
            said = True
            remarks.add(f"the export does not have {', '.join(missing)}, so whether a rule matches is open; {JOINED}")
        one = _written(fields, record.line)
        if missing:
            one = one._replace(unclear=(*one.unclear, f"not in the export: {', '.join(missing)}"))
        found.append(windows.rule(one, Remarks() if missing else remarks))
    if not found:
        remarks.add("no rule was found")
    return tuple(found)


def _plain(column: str) -> str:
    return column.strip().replace(" ", "").replace("_", "").lower()


def _fields(values: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    fields: dict[str, tuple[str, ...]] = {}
    for column, value in values.items():
        field = _COLUMNS.get(_plain(column))
        if field is not None and (field not in fields or not fields[field]):
            fields[field] = tuple(_texts(value))[:MAX_ITEMS]
    return fields


def _texts(value: object, depth: int = 0) -> list[str]:
    """The texts in a value: an array, what PowerShell 5.1 writes for one (`value` and `Count`), or several in one."""
    if value is None or depth > MAX_DEPTH:
        return []
    if isinstance(value, Mapping):
        inner = value.get("value", value.get("Value"))
        return _texts(inner, depth + 1)
    if isinstance(value, list):
        return [text for one in value[:MAX_ITEMS] for text in _texts(one, depth + 1)][:MAX_ITEMS]
    return [str(value).strip()]


def _written(fields: Mapping[str, tuple[str, ...]], line: int | None) -> Written:
    def text(field: str) -> str:
        return ", ".join(fields.get(field, ()))

    def several(field: str) -> tuple[str, ...]:
        return tuple(word for one in fields.get(field, ()) for word in _split(one))[:MAX_ITEMS]

    doubts = [f"{field.replace('_', ' ')} {short(text(field))!r}" for field in _conditions(fields)]
    action = _ACTIONS.get(text("action").lower())
    return Written(
        name=text("name") or text("id") or "a rule without a name",
        line=line,
        action=action,
        inbound=_DIRECTIONS.get(text("direction").lower()),
        enabled=_TRUTH.get(text("enabled").lower()),
        profiles=_profiles(text("profiles")),
        protocol=text("protocol"),
        local_ports=several("local_ports"),
        remote_ports=several("remote_ports"),
        local_addresses=several("local_addresses"),
        remote_addresses=several("remote_addresses"),
        program=text("program"),
        service=text("service"),
        package=text("package"),
        authenticated=any(text(one).lower() not in _NO_SECURITY for one in ("authentication", "encryption")),
        computers=text("computers").lower() not in ANY,
        users=text("users").lower() not in ANY,
        overrides_block=_TRUTH.get(text("overrides").lower()) is True,
        description=text("description"),
        unclear=tuple(doubts),
    )


def _conditions(fields: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Fields with conditions that are not evaluated, where they say something."""
    found = [
        field
        for field in ("interface_type", "interface_alias", "local_user")
        if any(one.lower() not in _ANY_TYPE for one in fields.get(field, ()))
    ]
    owner = any(one.lower() not in ANY for one in fields.get("owner", ()))
    package = any(one.lower() not in ANY for one in fields.get("package", ()))
    return [*found, "owner"] if owner and not package else found


def _split(text: str) -> tuple[str, ...]:
    """`a,b`, and `a b` or `a;b` as people join arrays; an address range keeps its dash."""
    inner = text.strip()
    if inner.startswith("System.") and inner.endswith("[]"):
        return (f"{inner} (Export-Csv does not write arrays: join them)",)
    return tuple(word for part in windows.words(inner) for word in part.replace(";", " ").split())[:MAX_ITEMS]


def _profiles(text: str) -> tuple[str, ...]:
    """`Domain, Private`, or the sum of 1, 2 and 4; 0 and 2147483647 are any."""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return windows.words(text)
    number = int(text)
    if number in (0, 0x7FFFFFFF):
        return ()
    known = tuple(name for bit, name in _PROFILES.items() if number & bit)
    return known if number < 8 else (*known, text)
