"""`--policy NAME|FILE` to a policy: a product as it is set up fresh, a file as people write it, or a product's own rules.

A file of ours is YAML with the key `product` or `rules`; what its keys may be is in POLICY_KEYS and RULE_KEYS, and in
docs/policies.md. Any other file is shown to the formats of `rulesets`, which tell by content whether it is theirs.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NoReturn

from rpcdiag import plugins
from rpcdiag.errors import InputError, UnknownFormat, said_of
from rpcdiag.model.packets import Address
from rpcdiag.policy.model import (
    Action,
    Authentication,
    Keyword,
    Network,
    Parameter,
    Policy,
    Ports,
    Process,
    Rule,
    RuleSet,
    RuleSetFormat,
    Scope,
    Translation,
)
from rpcdiag.policy.product import (
    MAX_FILE,
    Product,
    from_mapping,
    load_yaml,
    mapping,
    names,
    parameters_of,
    product,
)

MAX_RULE_SET = 64 << 20
MAX_RULES = 100_000
HEAD = 1 << 16
PROFILES = ("domain", "private", "public")
POLICY_KEYS = (
    "name", "product", "options", "overrides", "zones", "local_host", "hosts", "profile", "processes", "nat", "rules",
    "default", "default_out",
)  # fmt: skip
RULE_KEYS = (
    "name", "place", "action", "system", "enabled", "direction", "protocol", "from", "to", "source_ports", "ports",
    "profiles", "program", "service", "interfaces", "denied_interfaces", "alg", "strict", "authentication",
    "overrides_block", "established", "description", "setting",
)  # fmt: skip
_OURS = re.compile(r"^(?:product|rules)\s*:", re.MULTILINE)
_KEYWORDS = {"rpc": Keyword.RPC, "rpcepmap": Keyword.RPC_EPMAP, "rpc-epmap": Keyword.RPC_EPMAP}
_CONSOLE = "äöüÄÖÜéèáíóúñ".encode("cp850")
_DIRECTIONS = {"in": True, "out": False, "both": None, "forward": None}


def load(name_or_path: str) -> Policy:
    """The policy that a person named on the command line.

    Raises:
        InputError: there is no such product or file, or the file says what no policy says.
    """
    if name_or_path in names():
        return fresh(name_or_path)
    path = Path(name_or_path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError(name_or_path, "is a folder")
        if size > MAX_RULE_SET:
            raise InputError(name_or_path, f"larger than {MAX_RULE_SET >> 20} MiB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            name_or_path, f"no such file, and no product of that name; products are {', '.join(names())}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(name_or_path, said_of(error)) from None
    text = _decoded(data)
    if not text.strip():
        raise InputError(name_or_path, "is empty")
    if _OURS.search(text[:HEAD]):
        return from_text(text, name_or_path)
    return of_rule_set(read_rule_set(text, name_or_path), name_or_path)


def fresh(name: str) -> Policy:
    """The product as it is set up for RPC and nothing else: its own rules, its own defaults."""
    chosen = product(name)
    rules = tuple(_rule(one, chosen.path, f"rules[{number}]") for number, one in enumerate(chosen.rules, start=1))
    return Policy(
        chosen.title, name, rules, chosen.value("default"), chosen.value("default_out"),
        remarks=(f"Only a product is named, no rules: it is taken to have {_said(rules)}.",),
    )  # fmt: skip


def _said(rules: tuple[Rule, ...]) -> str:
    if not rules:
        return "none, only its defaults"
    several = ", ".join(f"'{rule.name}'" for rule in rules)
    return f"the rule{'s' if len(rules) > 1 else ''} {several} and nothing else"


def read_rule_set(text: str, path: str) -> RuleSet:
    """The rules of a file in a product's own format, told by content.

    Raises:
        UnknownFormat: nobody takes it.
        InputError: it breaks off before its first rule.
    """
    known: list[RuleSetFormat] = plugins.discover("rpcdiag.policy.rulesets", "RULE_SET")
    reasons = []
    for one in known:
        why = one.why_not(text[:HEAD])
        if why is None:
            found = one.parse(text)
            if found.cut and not found.rules:
                raise InputError(path, f"holds no rule that can be read: {found.cut}")
            return found
        reasons.append(f"not {why}" if why.startswith(one.name) else f"not {one.name}: {why}")
    reasons.append("not a policy: no key 'product' or 'rules' at the beginning of a line")
    from rpcdiag.logs.reader import format_of

    log = format_of(path)
    raise UnknownFormat(path, ((f"looks like a log ({log}): name it after --log",) if log else ()) + tuple(reasons))


def of_rule_set(found: RuleSet, path: str) -> Policy:
    """A policy out of nothing but rules: zones, hosts and the like are as the rules say, or not known."""
    chosen = product(found.product) if found.product in names() else product("none")
    remarks = found.remarks
    if found.product not in names():
        remarks = (
            *remarks,
            "the rules do not say which product they are for: plain rules, and what none admits is dropped",
        )
    default = found.default or (chosen.value("default") if found.product in names() else Action.DROP)
    return Policy(
        Path(path).name, chosen.id, _in_order(found.rules[:MAX_RULES]), default, chosen.value("default_out"), zones=found.zones,
        path=path, remarks=remarks, cut=found.cut,
    )  # fmt: skip


def from_text(text: str, path: str) -> Policy:
    """A policy as people write it.

    Raises:
        InputError: naming the key and what is allowed.
    """
    if len(text) > MAX_FILE:
        raise InputError(path, f"larger than {MAX_FILE >> 20} MiB")
    said = mapping(load_yaml(text, path), path, "policy", POLICY_KEYS)
    chosen, overrides = _product(said.get("product", "none"), path)
    for name in _texts(said.get("options", []), path, "options"):
        if name not in chosen.options:
            known = ", ".join(chosen.options) or "none"
            raise InputError(path, f"{chosen.id} has no option '{name}'; there are: {known}", "options")
        overrides = {**overrides, **chosen.options[name].changes}
    overrides = {**overrides, **parameters_of(said.get("overrides", {}), path, "overrides")}
    chosen = chosen.under(overrides)
    rules, of_rules = _rules(said.get("rules", list(chosen.rules)), path)
    zones = {**(of_rules.zones if of_rules else {}), **_zones(said.get("zones", {}), path)}
    default = chosen.value("default") if "product" in said else Action.DROP
    default = of_rules.default if of_rules and of_rules.default is not None else default
    hosts = said.get("hosts")
    profile = said.get("profile")
    if profile is not None and profile not in PROFILES:
        raise InputError(path, f"must be one of {', '.join(PROFILES)}", "profile")
    return Policy(
        name=_text(said.get("name", Path(path).stem), path, "name"),
        product=chosen.id,
        rules=_in_order(rules),
        default=_action(said["default"], path, "default") if "default" in said else default,
        default_out=_action(said["default_out"], path, "default_out")
        if "default_out" in said
        else chosen.value("default_out"),
        zones=zones,
        local_host=_addresses(said.get("local_host", []), path, "local_host"),
        hosts=None if hosts is None else _addresses(hosts, path, "hosts"),
        profile=profile,
        processes=tuple(_process(one, path) for one in _list(said.get("processes", []), path, "processes")),
        path=path,
        remarks=of_rules.remarks if of_rules else (),
        cut=of_rules.cut if of_rules else None,
        overrides=overrides,
        translations=tuple(_translation(one, path) for one in _list(said.get("nat", []), path, "nat")),
    )


def _decoded(data: bytes) -> str:
    """Text as tools write it: UTF-8, or UTF-16 where a mark or many zeros say so, else the code page of old."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if data[1:64:2].count(0) > 16:
        return data.decode("utf-16-le", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp850" if _of_console(data) else "cp1252", "replace")


def _of_console(data: bytes) -> bool:
    """Whether letters with accents are a console's (`netsh ... > rules.txt`): there they lie where Windows has other signs."""
    head = data[:HEAD]
    return sum(byte in _CONSOLE for byte in head) > sum(byte >= 0xC0 for byte in head)


def _product(said: object, path: str) -> tuple[Product, dict[str, Parameter]]:
    """The product: one that is known, a definition inside of the policy, or in a file next to it."""
    if isinstance(said, str):
        if said in names():
            return product(said), {}
        beside = Path(path).parent / said
        if said.endswith((".yaml", ".yml")) and beside.is_file():
            try:
                text = beside.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(str(beside), str(error)) from None
            own = from_mapping(load_yaml(text, str(beside)), str(beside))
            return own, dict(own.parameters)
        raise InputError(
            path, f"no product '{said}': name a file next to this one, or one of {', '.join(names())}", "product"
        )
    own = from_mapping(said, path)
    return own, dict(own.parameters)


def _rules(said: object, path: str) -> tuple[list[Rule], RuleSet | None]:
    """Rules as a list, or the name of a file that holds them in the product's own format."""
    if isinstance(said, str):
        beside = Path(path).parent / said
        try:
            text = _decoded(beside.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(str(beside), said_of(error)) from None
        found = read_rule_set(text, str(beside))
        return list(found.rules[:MAX_RULES]), found
    listed = _list(said, path, "rules")
    if len(listed) > MAX_RULES:
        raise InputError(path, f"more than {MAX_RULES} rules", "rules")
    return [_rule(one, path, f"rules[{number}]") for number, one in enumerate(listed, start=1)], None


def _in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Those of the system first, as they are evaluated."""
    return tuple(sorted(rules, key=lambda rule: not rule.system))


def _rule(value: object, path: str, where: str) -> Rule:
    said = mapping(value, path, where, RULE_KEYS)
    name = _text(said.get("name", where), path, f"{where}.name")
    where = f"{where} '{name}'"
    if "action" not in said:
        raise InputError(path, f"says no action; allowed are {', '.join(Action)}", where)
    direction = said.get("direction")
    if direction is not None and (not isinstance(direction, str) or direction not in _DIRECTIONS):
        raise InputError(path, f"must be one of {', '.join(_DIRECTIONS)}", f"{where}.direction")
    authentication = said.get("authentication", "none")
    if authentication not in tuple(Authentication):
        raise InputError(path, f"must be one of {', '.join(Authentication)}", f"{where}.authentication")
    place = said.get("place")
    if place is not None and (isinstance(place, bool) or not isinstance(place, int)):
        raise InputError(path, "must be a number", f"{where}.place")

    def flag(key: str) -> bool | None:
        value = said.get(key)
        if value is not None and not isinstance(value, bool):
            raise InputError(path, "must be true or false", f"{where}.{key}")
        return value

    def text(key: str) -> str | None:
        return None if said.get(key) is None else _text(said[key], path, f"{where}.{key}")

    return Rule(
        name=name,
        action=_action(said["action"], path, f"{where}.action"),
        place=place,
        system=flag("system") or False,
        enabled=flag("enabled") is not False,
        inbound=_DIRECTIONS[direction] if isinstance(direction, str) else None,
        protocols=_protocols(said.get("protocol", []), path, f"{where}.protocol"),
        sources=_scope(said.get("from"), path, f"{where}.from"),
        destinations=_scope(said.get("to"), path, f"{where}.to"),
        source_ports=_ports(said.get("source_ports"), path, f"{where}.source_ports"),
        ports=_ports(said.get("ports"), path, f"{where}.ports"),
        profiles=tuple(_texts(said.get("profiles", []), path, f"{where}.profiles")),
        program=text("program"),
        service=text("service"),
        interfaces=_uuids(said.get("interfaces", []), path, f"{where}.interfaces"),
        denied_interfaces=_uuids(said.get("denied_interfaces", []), path, f"{where}.denied_interfaces"),
        alg=flag("alg"),
        strict=flag("strict"),
        authentication=Authentication(authentication),
        overrides_block=flag("overrides_block") or False,
        established=flag("established") or False,
        description=text("description"),
        setting=text("setting"),
    )


def _wrong(path: str, where: str, allowed: str) -> NoReturn:
    raise InputError(path, f"must be {allowed}", where)


def _text(value: object, path: str, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        _wrong(path, where, "a text")
    return str(value)


def _list(value: object, path: str, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        _wrong(path, where, "a list")
    return value


def _texts(value: object, path: str, where: str) -> list[str]:
    """A text, or several."""
    return [_text(one, path, where) for one in (value if isinstance(value, list) else [value])]


def _action(value: object, path: str, where: str) -> Action:
    if not isinstance(value, str) or value not in tuple(Action):
        _wrong(path, where, f"one of {', '.join(Action)}")
    return Action(value)


def _protocols(value: object, path: str, where: str) -> tuple[str, ...]:
    found = [one.lower() for one in _texts(value, path, where)]
    return () if {"any", "all"} & set(found) else tuple(found)


def _uuids(value: object, path: str, where: str) -> tuple[str, ...]:
    from rpcdiag.dissect.tables.interfaces import NAMES

    by_name = {name.lower(): uuid for uuid, name in NAMES.items()}
    found = []
    for one in _texts(value, path, where):
        plain = one.strip("{}").lower()
        uuid = by_name.get(plain, plain)
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid):
            _wrong(path, where, f"UUIDs or names that 'rpcdiag interfaces' lists, not '{one}'")
        found.append(uuid)
    return tuple(found)


def _ports(value: object, path: str, where: str) -> Ports:
    """`135`, `49152-65535`, `RPC`, `RPCEPMap`, any, or several."""
    ranges, keywords = [], []
    for one in [] if value is None else _texts(value, path, where):
        text = one.strip()
        if text.lower() in ("any", "*"):
            return Ports()
        if text.lower() in _KEYWORDS:
            keywords.append(_KEYWORDS[text.lower()])
            continue
        first, dash, last = text.partition("-")
        bounds = [first.strip(), last.strip() if dash else first.strip()]
        if not all(bound.isascii() and bound.isdigit() and len(bound) <= 5 for bound in bounds):
            _wrong(path, where, f"ports, ranges such as 49152-65535, RPC, RPCEPMap or any, not '{one}'")
        low, high = int(bounds[0]), int(bounds[1])
        if not 0 <= low <= high <= 65535:
            _wrong(path, where, f"within 0-65535, not '{one}'")
        ranges.append((low, high))
    return Ports(tuple(ranges), tuple(keywords))


def _scope(value: object, path: str, where: str) -> Scope:
    """Addresses, networks, ranges `a-b`, names of zones, any, or several; under `not`, everything else."""
    negated = isinstance(value, dict)
    if isinstance(value, dict):
        value = mapping(value, path, where, ("not",)).get("not")
    networks: list[Network] = []
    ranges: list[tuple[Address, Address]] = []
    zones: list[str] = []
    for one in [] if value is None else _texts(value, path, where):
        text = one.strip()
        if text.lower() in ("any", "*") and not negated:
            return Scope()
        network = _network(text)
        first, dash, last = text.partition("-")
        ends = _network(first.strip()), _network(last.strip()) if dash else None
        if network is not None:
            networks.append(network)
        elif ends[0] is not None and ends[1] is not None and ends[0].version == ends[1].version:
            ranges.append((ends[0].network_address, ends[1].network_address))
        else:
            zones.append(text)
    return Scope(tuple(networks), tuple(ranges), tuple(zones), negated)


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _address(value: object, path: str, where: str) -> Address:
    try:
        return ip_address(str(value))
    except ValueError:
        _wrong(path, where, f"an address, not '{value}'")


def _addresses(value: object, path: str, where: str) -> tuple[Address, ...]:
    return tuple(_address(one, path, where) for one in (value if isinstance(value, list) else [value]))


def _zones(value: object, path: str) -> dict[str, tuple[Network, ...]]:
    if not isinstance(value, dict):
        _wrong(path, "zones", "a mapping of names to networks")
    found = {}
    for name, said in value.items():
        networks = []
        for text in _texts(said if said is not None else [], path, f"zones.{name}"):
            network = _network(text.strip())
            if network is None:
                _wrong(path, f"zones.{name}", f"networks or addresses, not '{text}'")
            networks.append(network)
        found[str(name)] = tuple(networks)
    return found


def _process(value: object, path: str) -> Process:
    said = mapping(value, path, "processes", ("host", "port", "program", "service"))
    port = said.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        _wrong(path, "processes.port", "a number of a port")
    program, service = (
        None if said.get(key) is None else _text(said[key], path, f"processes.{key}") for key in ("program", "service")
    )
    return Process(_address(said.get("host"), path, "processes.host"), port, program, service)


def _translation(value: object, path: str) -> Translation:
    said = mapping(value, path, "nat", ("seen", "real"))
    return Translation(_address(said.get("seen"), path, "nat.seen"), _address(said.get("real"), path, "nat.real"))
