"""Windows Firewall rules as the registry and group policies keep them: `v2.10|Action=Allow|Active=TRUE|Dir=In|...|`.

As `.reg` files, the output of `reg query`, and bare lines. [MS-GPFAS] 2.2.2.19 has the grammar.
"""

import re
from collections.abc import Iterator

from rpcdiag.policy import windows
from rpcdiag.policy.model import Rule, RuleSet, RuleSetFormat
from rpcdiag.policy.windows import Written
from rpcdiag.policy.written import MAX_ITEMS, MAX_RULES, Remarks, bounded, lines, short

MAX_VALUE = 65_536  # characters of one rule
MAX_FIELDS = 8_192
_RULE = re.compile(r"v[0-9]{1,3}\.[0-9]{1,3}\|(?=[A-Za-z0-9_]{1,40}=)")
_BYTES = re.compile(r'^\s*(?:"[^"\n]{0,1024}"|@)\s*=\s*hex(?:\([0-9a-f]{1,2}\))?:([0-9a-fA-F,\s]*)$')
MAX_NAME = 2_048
_DIRECTIONS = {"in": True, "out": False}
_ACTIONS = frozenset(("allow", "block", "bypass"))
# what says nothing of which packets match
_IGNORED = frozenset(
    ["desc", "embedctxt", "edge", "defer", "lsm", "lom", "nnm", "icmp4", "icmp6", "platform", "platform2", "skipver"]
)
_SECURE = frozenset(["authenticate", "authenticateencrypt", "an-noencap", "ane-nego"])


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    for _, line in _lines(head):
        if _found(line) is not None:
            return None
    return "registry-rules: no value that begins with 'v2.10|Action=' or the like"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    rules: list[Rule] = []
    for number, line in _lines(bounded(text, remarks)):
        found = _found(line)
        if found is None:
            continue
        if len(rules) >= MAX_RULES:
            remarks.add(f"only the first {MAX_RULES} rules were read")
            break
        if len(found[1]) > MAX_VALUE:
            remarks.add("a rule that is too long: left out", number)
            continue
        rules.append(windows.rule(_written(*found, number, remarks), remarks))
    if not rules:
        remarks.add("no rule was found")
    return RuleSet(RULE_SET.name, tuple(rules), product=windows.PRODUCT, remarks=remarks.all())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their number; those that a backslash goes on with are one, and hexadecimal ones are text again."""
    begun, length = 0, 0
    parts: list[str] = []
    for number, raw in enumerate(lines(text), start=1):
        line = raw.rstrip()
        if not parts:
            begun = number
        continues = line.endswith("\\") and length < MAX_VALUE * 6 and (bool(parts) or "hex" in line)
        parts.append(line[:-1] if continues else line)
        length += len(line)
        if continues:
            continue
        whole = "".join(parts)
        parts, length = [], 0
        yield begun, _from_hex(whole)
    if parts:
        yield begun, _from_hex("".join(parts))


def _from_hex(line: str) -> str:
    """A line of a .reg file whose value is bytes of UTF-16, as text."""
    found = _BYTES.match(line) if "hex" in line else None
    if found is None:
        return line
    digits = re.sub(r"[^0-9a-fA-F]", "", found[1])
    raw = bytes.fromhex(digits[: len(digits) // 2 * 2])
    value = raw[: len(raw) // 2 * 2].decode("utf-16-le", errors="replace").rstrip("\0")
    name = line.partition("=")[0].strip()
    return f'{name}="{value.replace(chr(92), chr(92) * 2)}"'


def _found(line: str) -> tuple[str, str] | None:
    """Name of the value, and the rule in it."""
    if len(line) > MAX_VALUE * 6:
        return None
    place = _RULE.search(line)
    if place is None or place.start() > MAX_NAME:
        return None
    before, value = line[: place.start()].strip(), line[place.end() :].rstrip()
    if before.startswith('"') and before.endswith('"') and "=" in before:
        name = before.rpartition("=")[0].strip().strip('"')
        return name, re.sub(r"\\(.)", r"\1", value.removesuffix('"')).rstrip()
    for sign in ("REG_SZ", ":"):
        if before.endswith(sign):
            return before.removesuffix(sign).strip(), value
    return ("", value.rstrip('"')) if before in ("", '"') else None


def _written(key: str, text: str, line: int, remarks: Remarks) -> Written:
    fields: dict[str, list[str]] = {}
    doubts: list[str] = []
    for part in text.split("|", MAX_FIELDS)[:MAX_FIELDS]:
        name, sign, value = part.partition("=")
        if sign:
            fields.setdefault(name.strip().lower(), []).append(value.strip())
        elif part.strip():
            doubts.append(f"{short(part)!r} is no field")

    def last(name: str) -> str:
        return fields.pop(name, [""])[-1]

    def every(*prefixes: str) -> tuple[str, ...]:
        names = [name for name in fields if name.startswith(prefixes)]
        return tuple(value for name in names for value in fields.pop(name))[:MAX_ITEMS]

    action, direction = last("action").lower(), last("dir").lower()
    active = last("active").lower()
    security = every("security")
    strange = [value for value in security if value.lower() not in _SECURE]
    if strange:
        doubts.append(f"security {short(strange[0])!r}")
    package = last("apppkgid") or last("pfn")
    made = Written(
        name=last("name") or key or "a rule without a name",
        line=line,
        action=action if action in _ACTIONS else None,
        inbound=_DIRECTIONS.get(direction),
        enabled={"true": True, "false": False, "": True}.get(active),
        profiles=every("profile"),
        protocol=last("protocol"),
        local_ports=every("lport"),
        remote_ports=every("rport"),
        local_addresses=every("la4", "la6"),
        remote_addresses=every("ra4", "ra6"),
        program=last("app"),
        service=last("svc"),
        package=package,
        authenticated=bool(security),
        computers=bool(last("rmauth")),
        users=bool(last("ruauth")),
        overrides_block=last("authbypassout").lower() == "true",
        description=last("desc"),
    )
    owner = last("luown")
    if owner and not package:
        doubts.append("an owner (LUOwn)")
    doubts += [f"{short(name)}={short(values[0])}" for name, values in fields.items() if name not in _IGNORED]
    return made._replace(unclear=tuple(doubts[:MAX_FIELDS]))


RULE_SET = RuleSetFormat(
    "registry-rules", "Windows Firewall: rules in the registry or in a group policy (.reg, reg query)", why_not, parse
)
