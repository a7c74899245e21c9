"""ISA Server 2004/2006 and Forefront TMG 2010: a policy, an array or a whole configuration, exported as XML.

What is known of the shape: the root `fpc4:Root` of `http://schemas.microsoft.com/isa/config-4`; an array with
`RuleElements` (computers, subnets, address ranges, computer sets, protocols) and `ArrayPolicy` with `PolicyRules`; a rule
with Name, Order, Enabled, Action (0 or absent: allow, 1: deny), System, its sources in `SelectionIPs` and, in
`AccessProperties`, its destinations and the protocols it is for. Rules refer to objects by their storage name.

Not known: where a rule keeps "Enforce strict RPC compliance". It is taken as set, which is the default, and a remark
says where to look.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from rpcdiag.model.packets import Address
from rpcdiag.policy import written
from rpcdiag.policy.model import Action, Network, Ports, Rule, RuleSet, RuleSetFormat, Scope
from rpcdiag.policy.written import MAX_ITEMS, MAX_REMARKS, MAX_RULES, MAX_TEXT, MAX_WORDS, Remarks, opened, short

MAX_NODES = 1_000_000
MAX_DEPTH = 64
MAX_VALUE = 8_192  # characters in one element
_NAMESPACE = "schemas.microsoft.com/isa/config-4"
# FpcConnectionProtocolType; an export leaves out what is 0
_PROTOCOLS = {"": "tcp", "0": "tcp", "1": "udp", "2": "icmp"}
# the predefined protocols that are bound to the RPC filter
_FILTERED = frozenset(("rpc (all interfaces)", "rpc server (all interfaces)", "exchange rpc server"))
_SELECTED, _ALL_BUT = "1", "2"  # FpcProtocolSelectionType; 0 is all traffic
_NO_ADDRESS = frozenset(
    [
        "DomainNameSets",
        "DestinationDomainNameSets",
        "URLSet",
        "URLSets",
        "UrlCategory",
        "UrlCategorySet",
        "ContentTypeSetsUsed",
    ]
)
_ACTIVE_DIRECTORY = "System Policy Editor > Authentication Services > Active Directory"
_TRUSTED = re.compile(r"(?:\[System\] )?Allow RPC from .{1,80} to trusted servers", re.IGNORECASE)
_STRICT = (
    "where the export keeps 'Enforce strict RPC compliance' is not known, so it is taken as set, which is the default; look at "
    f"the rule's 'Configure RPC protocol', and for system rules at {_ACTIVE_DIRECTORY}; a policy file with 'product: tmg' and "
    "this file as its 'rules' takes it as cleared"
)


class _Node:
    """An element: its name without the namespace, what it is stored as, its text and children, and its line."""

    __slots__ = ("children", "line", "name", "stored", "text")

    def __init__(self, name: str, stored: str, line: int) -> None:
        self.name, self.stored, self.line = name, stored, line
        self.text = ""
        self.children: list[_Node] = []

    def child(self, name: str) -> "_Node | None":
        return next((one for one in self.children if one.name == name), None)

    def value(self, name: str) -> str:
        found = self.child(name)
        return found.text.strip() if found is not None else ""

    def every(self, name: str) -> Iterator["_Node"]:
        """All of that name below."""
        waiting = list(reversed(self.children))
        while waiting:
            one = waiting.pop()
            if one.name == name:
                yield one
            waiting.extend(reversed(one.children))


class _TooMuch(ValueError):
    """The document is larger or deeper than any configuration."""


class _Tree(ContentHandler):
    """Builds nodes, as many as are allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.root = _Node("", "", 0)
        self._open = [self.root]
        self._count = 0
        self._at: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:
        self._at = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self._count += 1
        if self._count > MAX_NODES or len(self._open) > MAX_DEPTH:
            raise _TooMuch(f"more than {MAX_NODES} elements, or deeper than {MAX_DEPTH}")
        line = (self._at.getLineNumber() if self._at else None) or 0
        node = _Node(name.rpartition(":")[2], str(attrs.get("StorageName", "")), line)
        self._open[-1].children.append(node)
        self._open.append(node)

    def endElement(self, name: str) -> None:
        self._open.pop()

    def characters(self, content: str) -> None:
        node = self._open[-1]
        if len(node.text) < MAX_VALUE:
            node.text += content[:MAX_VALUE]


class _Traffic(NamedTuple):
    """A protocol as the configuration defines it."""

    name: str
    ends: tuple[tuple[str, Ports], ...]  # protocol and ports of the first connections


class _Known(NamedTuple):
    """What rules refer to, by storage name."""

    scopes: Mapping[str, Scope]
    networks: Mapping[str, str]
    traffic: Mapping[str, _Traffic]


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if _NAMESPACE in head[:8_192] and "<" in head:
        return None
    return f"tmg-xml: no XML of the namespace {_NAMESPACE}"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    root = _tree(text, remarks)
    known = _Known(_scopes(root, remarks), _networks(root), _traffic(root))
    rules = _rules(root, known, remarks)
    if rules:
        remarks.add(_STRICT)
    else:
        remarks.add("no PolicyRule was found")
    if len(rules) and not any(rule.system for rule in rules):
        remarks.add("no system policy rule is in the export: they come first, and the first match decides")
    return RuleSet(RULE_SET.name, rules, "tmg-strict", Action.DROP, remarks=remarks.all(), cut=remarks.cut)


def _tree(text: str, remarks: Remarks) -> _Node:
    """The elements; as far as they go, where the document breaks off."""
    from xml.sax import SAXException

    from defusedxml.common import DefusedXmlException
    from defusedxml.sax import parseString

    tree = _Tree()
    if len(text) > MAX_TEXT:
        remarks.add("the file is too large: left out")
        return tree.root
    # it is text already, whatever its declaration says of bytes
    plain = re.sub(r"^\ufeff?\s*<\?xml[^>]{0,200}\?>", "", text, count=1)
    before = text[: len(text) - len(plain)].count("\n")
    try:
        parseString(("\n" * before + plain.lstrip("\ufeff")).encode("utf-8", "replace"), tree, forbid_dtd=True)
    except (SAXException, DefusedXmlException, _TooMuch, ValueError) as error:
        remarks.breaks_off(f"the XML breaks off: {short(str(error), 120)}")
    return tree.root


def _id(text: str) -> str:
    return text.strip().strip("{}").lower()


def _scopes(root: _Node, remarks: Remarks) -> dict[str, Scope]:
    """Computers, subnets, address ranges, and the sets of them."""
    found: dict[str, Scope] = {}
    for elements in root.every("RuleElements"):
        for kind in ("Computers", "Subnets", "AddressRanges", "ComputerSets"):
            several = elements.child(kind)
            for one in several.children if several is not None else ():
                items = [item for item in (one, *_members(one)) if item.name in _READ]
                found[_id(one.stored)] = _scope(items, one, remarks)
    return found


def _members(computer_set: _Node) -> Iterator[_Node]:
    for name in ("Computers", "Subnets", "AddressRanges"):
        several = computer_set.child(name)
        yield from several.children if several is not None else ()


def _address(node: _Node) -> "Network | tuple[Address, Address]":
    return written.addresses(node.value("IPAddress"))


def _subnet(node: _Node) -> "Network | tuple[Address, Address]":
    return written.addresses(f"{node.value('IPAddress')}/{node.value('IPMask')}")


def _between(node: _Node) -> "Network | tuple[Address, Address]":
    return written.addresses(f"{node.value('IPFrom')}-{node.value('IPTo')}")


_READ = {"Computer": _address, "Subnet": _subnet, "AddressRange": _between}


def _scope(items: Iterable[_Node], of: _Node, remarks: Remarks) -> Scope:
    """Their addresses; a name that nobody defines for what could not be read, or where nothing is there."""
    read, names = [], []
    for item in items:
        try:
            read.append(_READ[item.name](item))
        except ValueError:
            name = item.value("Name") or of.value("Name")
            remarks.add(f"{item.name} {short(name)!r} has no address that could be read", item.line)
            names.append(short(name, MAX_WORDS))
    if not read and not names:
        names.append(short(of.value("Name") or of.stored, MAX_WORDS))
    return written.scope(read[:MAX_ITEMS], names[:MAX_ITEMS])


def _networks(root: _Node) -> dict[str, str]:
    """Names of networks and network sets: zones that the person defines beside the rules."""
    found = {}
    for config in root.every("NetConfig"):
        for kind in ("Networks", "NetworkSets", "EnterpriseNetworks"):
            several = config.child(kind)
            for one in several.children if several is not None else ():
                found[_id(one.stored)] = one.value("Name")
    return found


def _traffic(root: _Node) -> dict[str, _Traffic]:
    found: dict[str, _Traffic] = {}
    for elements in root.every("RuleElements"):
        several = elements.child("Protocols")
        for one in several.children if several is not None else ():
            ends = []
            for connections in one.children:
                if connections.name == "ProtocolConnections" and connections.stored == "PrimaryConnections":
                    ends += [_end(connection) for connection in connections.children[:256]]
            found[_id(one.stored)] = _Traffic(one.value("Name"), tuple(ends))
    return found


def _end(connection: _Node) -> tuple[str, Ports]:
    kind = connection.value("ConnectionType")
    protocol = _PROTOCOLS.get(kind, f"type {short(kind)}")
    low, high = connection.value("PortLow"), connection.value("PortHigh")
    try:
        return protocol, Ports((written.port_range(f"{low}-{high}"),)) if low and high else Ports()
    except ValueError:
        return "?", Ports()


def _rules(root: _Node, known: _Known, remarks: Remarks) -> tuple[Rule, ...]:
    """Rules of the system first, then the others by their order; one rule of a file can become several of ours."""
    ordered: list[tuple[bool, int, int, _Node]] = []
    for number, node in enumerate(root.every("PolicyRule")):
        if number >= MAX_RULES:
            remarks.add(f"only the first {MAX_RULES} rules were read")
            break
        order = node.value("Order")
        place = int(order) if re.fullmatch("[0-9]{1,9}", order) else number + 1
        ordered.append((not _true(node.value("System")), place, number, node))
    ordered.sort(key=lambda one: one[:3])
    found: list[Rule] = []
    for ours, place, _, node in ordered:
        found += _rule(node, place, not ours, known, remarks)
    return tuple(found[:MAX_RULES])


def _true(text: str) -> bool:
    return text.lower() in ("1", "-1", "true")


def _rule(node: _Node, place: int, system: bool, known: _Known, remarks: Remarks) -> list[Rule]:
    name = node.value("Name") or node.stored or "a rule without a name"
    doubts: list[str] = []
    action, enabled = node.value("Action"), node.value("Enabled")
    if action not in ("", "0", "1"):
        doubts.append(f"action {short(action)}")
    access = node.child("AccessProperties")
    if access is None:
        doubts.append(
            "what it publishes" if any("Publishing" in one.name for one in node.children) else "AccessProperties"
        )
    sources = _selected(node.child("SelectionIPs"), known, doubts)
    destinations = _selected(access.child("SelectionIPs") if access else None, known, doubts)
    doubts += _other_conditions(node, access)
    rule = Rule(
        name=short(name, MAX_WORDS),
        action=Action.DROP if action == "1" else Action.ALLOW,
        place=place,
        system=system,
        enabled=enabled == "" or _true(enabled),
        sources=sources,
        destinations=destinations,
        description=short(node.value("Description"), MAX_WORDS) or None,
        setting=_ACTIVE_DIRECTORY if system and _TRUSTED.fullmatch(name) else None,
        line=node.line,
    )
    several = _protocols(rule, access, known, doubts)
    for doubt in dict.fromkeys(doubts[:MAX_REMARKS]):
        remarks.add(f"rule {short(name)!r}: {doubt}: not known, whether it matches is left open", node.line)
        several = [opened(one, doubt) for one in several]
    return several


def _selected(selection: _Node | None, known: _Known, doubts: list[str]) -> Scope:
    """Everybody, where a rule selects nothing."""
    networks: list[Network] = []
    ranges: list[tuple[Address, Address]] = []
    names: list[str] = []
    for reference in selection.every("Ref") if selection is not None else ():
        one = _id(reference.value("Name"))
        scope = known.scopes.get(one)
        strange = [child.name for child in reference.children if child.name not in ("Name", "RefClass", "Scope")]
        doubts += [f"{short(name)} of a reference" for name in strange]
        if scope is not None:
            networks += scope.networks
            ranges += scope.ranges
            names += scope.names
        else:
            names.append(short(known.networks.get(one) or reference.value("Name"), MAX_WORDS))
    if any(name.lower() == "all networks (and local host)" for name in names):
        return Scope()
    unique = tuple(dict.fromkeys(names))
    return Scope(tuple(networks[:MAX_ITEMS]), tuple(ranges[:MAX_ITEMS]), unique[:MAX_ITEMS])


def _other_conditions(node: _Node, access: _Node | None) -> list[str]:
    """Domain names, URLs and schedules: conditions that a flow's addresses and ports do not tell."""
    found = [
        several.stored
        for several in (access.children if access is not None else ())
        if several.name == "Refs" and several.stored in _NO_ADDRESS and several.children
    ]
    schedule = next((one for one in node.every("Ref") if one.stored == "ScheduleUsed"), None)
    if schedule is not None and schedule.value("Name").lower() not in ("", "always"):
        found.append(f"schedule {short(schedule.value('Name'))}")
    return found


def _protocols(rule: Rule, access: _Node | None, known: _Known, doubts: list[str]) -> list[Rule]:
    """A rule for each protocol and its ports; one for all traffic, where the rule is for that."""
    method = access.value("ProtocolSelectionMethod") if access is not None else ""
    used = [one for one in access.children if one.stored == "ProtocolsUsed"] if access is not None else []
    references = [ref for one in used for ref in one.children if ref.name == "Ref"][:MAX_ITEMS]
    if method == _ALL_BUT:
        doubts.append("all traffic but of some protocols")
        return [rule]
    if method != _SELECTED and not references:
        return [rule]
    found: list[Rule] = []
    for reference in references:
        traffic = known.traffic.get(_id(reference.value("Name")))
        name = traffic.name if traffic is not None else reference.value("Name")
        filtered = True if name.lower() in _FILTERED else None
        if traffic is None or not traffic.ends:
            one = rule._replace(protocols=("tcp",), ports=Ports(((135, 135),)), alg=True) if filtered else None
            found.append(one or opened(rule, f"protocol {short(name)}"))
            doubts += [] if one else [f"protocol {short(name)!r} is not in the export"]
            continue
        for protocol, ports in traffic.ends:
            if protocol in ("tcp", "udp", "icmp"):
                found.append(rule._replace(protocols=(protocol,), ports=ports, alg=filtered))
    return found or [opened(rule, "its protocols")]


RULE_SET = RuleSetFormat("tmg-xml", "ISA Server and Forefront TMG: exported policy (XML)", why_not, parse)
