"""Windows Firewall rules, as `netsh advfirewall firewall show rule name=all verbose` prints them.

Told by a label above a line of dashes. Labels and values are translated: English, German, French and Spanish are known
here, other words become remarks. Without `verbose` neither program nor service nor security is shown: then whether a
rule matches is left open.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.policy import windows
from rpcdiag.policy.model import Rule, RuleSet, RuleSetFormat
from rpcdiag.policy.windows import Written, words
from rpcdiag.policy.written import MAX_ITEMS, MAX_RULES, Remarks, bounded, lines, short

MAX_LINE = 65_536
_DASHES = re.compile(r"\s*-{20,}\s*")
_COLON = re.compile("[:：]")
MAX_LABEL = 64

_LABELS = {
    label: field
    for field, labels in {
        "name": "rulename regelname nomdelarègle nombrederegla",
        "description": "description beschreibung descripción",
        "enabled": "enabled aktiviert activé activée habilitada habilitado",
        "direction": "direction richtung dirección sens",
        "profiles": "profiles profile profils perfiles",
        "grouping": "grouping gruppierung groupement regroupement agrupamiento agrupación",
        "local_addresses": "localip lokaleip lokalesip iplocale iplocal",
        "remote_addresses": "remoteip ipdistante ipremota",
        "protocol": "protocol protokoll protocole protocolo",
        "local_ports": "localport lokalerport portlocal puertolocal",
        "remote_ports": "remoteport portdistant puertoremoto",
        "edge": "edgetraversal edgeausnahme traverséelatérale cruceseguro crucesegurodelperímetro",
        "program": "program programm programme programa",
        "service": "service dienst servicio",
        "interfaces": "interfacetypes schnittstellentypen typesd'interface typesd'interfaces tiposdeinterfaz",
        "security": "security sicherheit sécurité seguridad",
        "source": "rulesource regelquelle sourcedelarègle origendelaregla origenderegla",
        "action": "action aktion acción",
        "computers": "remotecomputergroup rmtcomputergrp authorizedcomputers",
        "users": "remoteusergroup rmtusrgrp authorizedusers",
    }.items()
    for label in labels.split()
}


def _same(meaning: str, several: str) -> dict[str, str]:
    return dict.fromkeys(several.split(), meaning)


_ANY = frozenset(["any", "beliebig", "alle", "tout", "tous", "toutes", "cualquiera"])
_YES = _same("yes", "yes ja oui sí si") | _same("no", "no nein non")
# German and French have `In` as the opposite of `off`
_DIRECTIONS = _same("in", "in ein eingehend entrée entrant dentro actif") | _same(
    "out", "out aus ausgehend sortie sortant fuera"
)
_PROFILES = (
    _same("domain", "domain domäne domaine dominio")
    | _same("private", "private privat privé privada privado")
    | _same("public", "public öffentlich publique pública público")
)
_ACTIONS = (
    _same("allow", "allow zulassen autoriser permitir")
    | _same("block", "block blocken blockieren bloquer bloquear")
    | _same("bypass", "bypass umgehen")
)
_NOT_REQUIRED = frozenset(
    ["notrequired", "nichterforderlich", "nonrequis", "norequerida", "norequerido", "nonecesaria"]
)
_REQUIRED = frozenset(["authenticate", "authenc", "authdynenc", "authnoencap"])
_NOT_VERBOSE = "program and service: netsh ran without `verbose`"


class _Read(NamedTuple):
    """A rule as it stands in the file: its name, and the values of each label in one text."""

    name: str
    line: int
    fields: dict[str, list[str]]

    def text(self, field: str) -> str:
        return " ".join(self.fields.get(field, ())).strip()

    def list(self, field: str) -> tuple[str, ...]:
        """Values of all lines; none where any may be."""
        found = tuple(word for text in self.fields.get(field, ()) for word in words(text))
        return () if any(_plain(word) in _ANY for word in found) else found[:MAX_ITEMS]


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    before = ""
    for line in lines(head):
        if _DASHES.fullmatch(line) and _name(before) is not None:
            return None
        before = line
    return "netsh-advfirewall: no 'Rule Name:' above a line of dashes"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    rules: list[Rule] = []
    for one in _rules(bounded(text, remarks), remarks):
        if len(rules) >= MAX_RULES:
            remarks.add(f"only the first {MAX_RULES} rules were read")
            break
        rules.append(windows.rule(_written(one, remarks), remarks))
    if not rules:
        remarks.add("no rule was found")
    return RuleSet(RULE_SET.name, tuple(rules), product=windows.PRODUCT, remarks=remarks.all())


def _name(line: str) -> str | None:
    """The name, where the line is a rule's first; in languages that we do not know, too."""
    found = _label(line.replace("\xa0", " ").strip()[:MAX_LINE])
    return found[1] if found is not None and _LABELS.get(_plain(found[0])) == "name" else None


def _label(line: str) -> tuple[str, str] | None:
    """What stands before and behind the first colon, where that can be a label and a value."""
    colon = _COLON.search(line, 0, MAX_LABEL)
    if colon is None or line[:1].isspace() or not (colon.end() == len(line) or line[colon.end()].isspace()):
        return None
    return line[: colon.start()].strip(), line[colon.end() :].strip()


def _plain(text: str) -> str:
    """A label or value without what differs from one version of Windows to the next."""
    return re.sub(r"[\s\-]", "", unicodedata.normalize("NFC", text)).casefold()


def _rules(text: str, remarks: Remarks) -> Iterator[_Read]:
    current: _Read | None = None
    field = ""
    there = lines(text)
    for number, raw in enumerate(there, start=1):
        line = raw.replace("\xa0", " ")[:MAX_LINE].rstrip()
        follows = there[number] if number < len(there) else ""
        name = _name(line) if _DASHES.fullmatch(follows) else None
        if name is not None:
            if current is not None:
                yield current
            current, field = _Read(name, number, {}), "name"
        elif _DASHES.fullmatch(follows) and ":" in line:
            remarks.add(f"{short(line)!r} begins a rule in a language that is not known here: left out", number)
            if current is not None:
                yield current
            current = None
        elif current is not None and line and not _DASHES.fullmatch(line):
            field = _value(current, field, line, number, remarks)
    if current is not None:
        yield current


def _value(rule: _Read, field: str, line: str, number: int, remarks: Remarks) -> str:
    """Put a line where it belongs; returns the field that a following line goes on with."""
    found = _label(line)
    if found is not None:
        known = _LABELS.get(_plain(found[0]))
        if known is None:
            if rule.text("description") and field == "description":
                return field  # a description of several lines
            remarks.add(f"the label {short(found[0])!r} is not known", number)
            return ""
        if known in rule.fields or known == "name":
            remarks.add(f"{short(found[0])!r} a second time in one rule", number)
        rule.fields.setdefault(known, []).append(found[1])
        return known
    if line[0].isspace() and field and field != "name" and len(rule.fields[field]) < MAX_ITEMS:
        rule.fields[field].append(line.strip())
    return field


def _written(one: _Read, remarks: Remarks) -> Written:
    doubts: list[str] = []
    security = _plain(one.text("security"))
    if security not in _NOT_REQUIRED | _REQUIRED | _ANY | {""}:
        doubts.append(f"security {short(one.text('security'))!r}")
    if _plain(one.text("interfaces")) not in _ANY | {""}:
        doubts.append(f"interface types {short(one.text('interfaces'))!r}")
    if not any(field in one.fields for field in ("security", "interfaces", "source")):
        doubts.append(_NOT_VERBOSE)
    direction = _plain(one.text("direction"))
    if direction == "actif":
        remarks.add("the direction 'Actif' is read as In")
    protocol = _plain(next(iter(one.fields.get("protocol", ())), ""))  # types of ICMP follow it
    return Written(
        name=one.name,
        line=one.line,
        action=_ACTIONS.get(_plain(one.text("action"))),
        inbound={"in": True, "out": False}.get(_DIRECTIONS.get(direction, "")),
        enabled={"yes": True, "no": False}.get(_YES.get(_plain(one.text("enabled")), "")),
        profiles=tuple(_PROFILES.get(_plain(word), word) for word in one.list("profiles")),
        protocol="" if protocol in _ANY else protocol.split("(")[0],
        local_ports=one.list("local_ports"),
        remote_ports=one.list("remote_ports"),
        local_addresses=one.list("local_addresses"),
        remote_addresses=one.list("remote_addresses"),
        program=_or_any(one.text("program")),
        service=_or_any(one.text("service")),
        authenticated=security in _REQUIRED,
        computers=bool(one.text("computers")),
        users=bool(one.text("users")),
        description=one.text("description"),
        unclear=tuple(doubts),
    )


def _or_any(text: str) -> str:
    return "" if _plain(text) in _ANY else text


RULE_SET = RuleSetFormat(
    "netsh-advfirewall", "Windows Firewall: netsh advfirewall firewall show rule name=all verbose", why_not, parse
)
