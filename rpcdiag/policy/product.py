"""What a product does with RPC: one file of parameters each, in `products/`; a person may add another.

The parameters and what they mean are in PARAMETERS. Each is as sure as its file says, and a verdict is as sure as the
least sure one that it rests on. PyYAML is loaded only where a policy is named.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from rpcdiag.errors import InputError
from rpcdiag.policy.model import Action, Parameter, Sure

FOLDER = Path(__file__).parent / "products"
PARSED = "parsed.json"  # of all files there
MAX_BRACKETS = 200
MAX_FILE = 1 << 20
MAX_PORTS = 256
CONNECTION = "connection"  # a pinhole that lives as long as the connection on which its port was told


class Learns(StrEnum):
    """Answers out of which a product reads a port."""

    MAP = "map"
    LOOKUP = "lookup"
    CREATE_INSTANCE = "create_instance"
    GET_CLASS_OBJECT = "get_class_object"
    REMOTE_ACTIVATION = "remote_activation"
    RESOLVE_OXID = "resolve_oxid"
    SERVER_ALIVE2 = "server_alive2"  # addresses only: matters for their translation


class Stands(StrEnum):
    """Where: in the path of everything that is seen, on the hosts themselves, or as its rules say."""

    PATH = "path"
    HOST = "host"
    EITHER = "either"


class Spec(NamedTuple):
    """What a parameter may be: `read` returns the value, or raises ValueError; `allowed` says it in words."""

    default: object
    read: Callable[[object], object]
    allowed: str
    says: str


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError
    return value


def _lifetime(value: object) -> float | str | None:
    return CONNECTION if value == CONNECTION else _seconds(value)


def _one_of(*allowed: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError
        return value

    return read


def _some_of(*allowed: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(one, str) and one in allowed for one in value):
            raise ValueError
        return frozenset(value)

    return read


def _action(value: object) -> Action:
    return Action(_text(value))


def _ports(value: object) -> frozenset[tuple[str, int]]:
    """`tcp/135`"""
    if not isinstance(value, list) or len(value) > MAX_PORTS:
        raise ValueError
    found = set()
    for one in value:
        protocol, _, port = _text(one).partition("/")
        if protocol not in ("tcp", "udp") or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError
        found.add((protocol, int(port)))
    return frozenset(found)


_YES_NO = "true or false"
_LEARNS = ", ".join(Learns)
_ACTIONS = ", ".join(Action)


def _learns(says: str) -> Spec:
    return Spec(frozenset(), _some_of(*Learns), f"a list of {_LEARNS}", says)


PARAMETERS: dict[str, Spec] = {
    "stands": Spec(
        "path", _one_of(*Stands), "path, host or either",
        "in the path, on the hosts themselves, or as the chains of its rules say",
    ),
    "stateful": Spec(True, _flag, _YES_NO, "lets the answers to what it let through come back"),
    "block_over_allow": Spec(False, _flag, _YES_NO, "a matching block rule wins over allow rules, whatever the order"),
    "default": Spec(Action.DROP, _action, _ACTIONS, "what happens to what no rule admits"),
    "default_out": Spec(Action.ALLOW, _action, _ACTIONS, "the same for what a host with its own firewall sends"),
    "control_ports": Spec(frozenset(), _ports, "a list such as [tcp/135, udp/135]", "where it reads along"),
    "alg": Spec(False, _flag, _YES_NO, "whether its reading of RPC is on for a rule that does not say"),
    "strict": Spec(False, _flag, _YES_NO, "whether only the mapper may be bound there, for a rule that does not say"),
    "learn": _learns("the answers out of which it reads a port and lets the client in"),
    "learn_not_strict": _learns("those besides, where the rule is not strict"),
    "non_epm_on_135": Spec(
        Action.DROP, _action, _ACTIONS, "what happens to another interface than the mapper on 135 under a strict rule"
    ),
    "pinhole_key": Spec(
        frozenset({"client", "server", "port"}), _some_of("client", "server", "port", "uuid"),
        "a list of client, server, port, uuid", "what has to agree with what it has learnt",
    ),
    "pinhole_ttl": Spec(
        None, _lifetime, "seconds, null, or connection", "how long a learnt port stays open for new connections"
    ),
    "pinhole_grace": Spec(0, _seconds, "seconds", "how long that is after the end of the connection, where it counts"),
    "pinhole_multi": Spec(True, _flag, _YES_NO, "whether several connections may use one learnt port"),
    "needs_clear": Spec(True, _flag, _YES_NO, "a sealed answer teaches it nothing"),
    "needs_single_segment": Spec(False, _flag, _YES_NO, "nor does one that takes several TCP segments"),
    "needs_unfragmented": Spec(False, _flag, _YES_NO, "nor does one that takes several fragments of RPC"),
    "needs_ndr32": Spec(False, _flag, _YES_NO, "nor does one in NDR64"),
    "uuid_check_on_dynamic": Spec(
        "none", _one_of("none", "before_data", "continuous"), "none, before_data or continuous",
        "whether a learnt port is for the interface only that it was asked for",
    ),
    "same_host_only": Spec(False, _flag, _YES_NO, "an answer that names another host than the mapper's is refused"),
    "nat_rewrite": Spec(
        "none", _one_of("none", "tower", "bindings"), "none, tower or bindings",
        "which addresses in answers it translates: none, those of the mapper, those of DCOM as well",
    ),
    "idle_tcp": Spec(None, _seconds, "seconds or null", "after which silence it forgets a connection"),
    "on_idle": Spec(Action.DROP, _action, _ACTIONS, "what happens to the next packet then"),
    "stealth": Spec(False, _flag, _YES_NO, "a port where nobody listens answers with silence, not with a RST"),
    "host_knows_ports": Spec(False, _flag, _YES_NO, "knows which program opened a port: the keywords RPC and RPCEPMap"),
    "denied_code": Spec("", _text, "text", "what its log says of a denial"),
    "violation_code": Spec("", _text, "text", "what its log says of a connection that it ended for what was bound"),
    "strict_setting": Spec("", _text, "text", "where a person finds the strict flag"),
    "alg_setting": Spec("", _text, "text", "where a person switches its reading of RPC on"),
}  # fmt: skip


class Option(NamedTuple):
    """A setting of the product under its own name, such as a level of inspection: the parameters it changes."""

    name: str
    says: str
    changes: dict[str, Parameter]


class Product(NamedTuple):
    """A product: its parameters, complete; `rules` is how a fresh one is set up, as a policy file writes rules."""

    id: str
    title: str
    notes: tuple[str, ...]
    parameters: dict[str, Parameter]
    options: dict[str, Option]
    rules: tuple[Any, ...]
    path: str

    def value(self, name: str) -> Any:  # noqa: ANN401  as PARAMETERS says
        return self.parameters[name].value

    def flag(self, name: str) -> bool:
        return bool(self.parameters[name].value)

    def sure(self, *names: str) -> Sure:
        """How sure it is what it does, as far as these parameters are concerned."""
        return Sure.least(*(self.parameters[name].sure for name in names))

    @property
    def reads(self) -> bool:
        """Whether it reads ports out of answers at all."""
        return bool(self.value("learn") or self.value("learn_not_strict"))

    def under(self, overrides: Mapping[str, Parameter]) -> "Product":
        """The product with these parameters in the place of its own."""
        return self._replace(parameters={**self.parameters, **overrides}) if overrides else self


_KEYS = ("id", "title", "like", "notes", "parameters", "options", "rules")
_PARAMETER_KEYS = ("value", "sure", "source")
UNSAID = {name: Parameter(spec.default, Sure.DOCUMENTED, "nothing said") for name, spec in PARAMETERS.items()}


@cache
def names() -> tuple[str, ...]:
    """Ids of the products that come with the program."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def products() -> Iterator[Product]:
    """All of them, by id."""
    return map(product, names())


@cache
def product(id: str) -> Product:
    """The product called `id`.

    Raises:
        InputError: there is none, with those that there are.
    """
    if id not in names():
        raise InputError(id, f"no such product; there are {', '.join(names())}")
    path = FOLDER / f"{id}.yaml"
    text = path.read_bytes()
    known = _parsed().get(id)
    value = known[1] if known and known[0] == crc32(text) else _ours(text)
    return from_mapping(value, str(path), id)


@cache
def _parsed() -> dict[str, tuple[int, Any]]:
    """What `tools/make_products.py` has read out of the files: their checksums and values.

    Every finding with a remedy is tried on some of these products, and loading PyYAML takes longer than the trial.
    """
    try:
        found: dict[str, tuple[int, Any]] = json.loads((FOLDER / PARSED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def parsed() -> dict[str, tuple[int, Any]]:
    """The same, out of the files themselves."""
    texts = {name: (FOLDER / f"{name}.yaml").read_bytes() for name in names()}
    return {name: (crc32(text), _ours(text)) for name, text in texts.items()}


def _ours(text: bytes) -> Any:  # noqa: ANN401  as below
    """A file that comes with the program: read ten times as fast, by what must not be given a stranger's file."""
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _brackets(text: str) -> int:
    """How many brackets are open at most, at one place of the text."""
    deepest = depth = 0
    for one in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if one in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def load_yaml(text: str, path: str) -> Any:  # noqa: ANN401  plain values, as YAML has them
    """The plain values of a YAML text.

    Raises:
        InputError: it is too large, is not YAML, or refers to itself.
    """
    import yaml

    if len(text) > MAX_FILE:
        raise InputError(path, f"larger than {MAX_FILE} characters")
    if _brackets(text) > MAX_BRACKETS:  # the time that YAML takes grows with their square
        raise InputError(path, "a value that YAML cannot hold, or too deeply nested")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise InputError(path, "aliases (*name) are not taken: write the value out")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or "not YAML"
        raise InputError(path, str(why), f"line {mark.line + 1}" if mark is not None else "") from None
    except (ValueError, RecursionError):
        raise InputError(path, "a value that YAML cannot hold, or too deeply nested") from None


def mapping(value: object, path: str, key: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    """A mapping that has no other keys than these.

    Raises:
        InputError: it is none, or has.
    """
    if not isinstance(value, dict):
        raise InputError(path, f"must be a mapping with {', '.join(allowed)}", key)
    for name in value:
        if name not in allowed:
            raise InputError(path, f"unknown key '{name}'; allowed are {', '.join(allowed)}", key)
    return value


def from_mapping(value: object, path: str, id: str | None = None) -> Product:
    """A product as its file defines it; `like` names the product whose parameters it shares.

    Raises:
        InputError: naming the key and what is allowed.
    """
    said = mapping(value, path, "product", _KEYS)
    like = _said_text(said, "like", path)
    base = product(like) if like and like != id else None
    id = id or _said_text(said, "id", path) or like or Path(path).stem
    parameters = {**(base.parameters if base else UNSAID), **parameters_of(said.get("parameters", {}), path)}
    options = {**(base.options if base else {}), **_options(said.get("options", {}), path)}
    notes = said.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise InputError(path, "must be a list of texts", "notes")
    rules = said.get("rules", base.rules if base else ())
    if not isinstance(rules, list | tuple):
        raise InputError(path, "must be a list of rules", "rules")
    title = _said_text(said, "title", path) or (base.title if base else id)
    return Product(id, title, tuple(notes) or (base.notes if base else ()), parameters, options, tuple(rules), path)


def _said_text(said: dict[str, Any], key: str, path: str) -> str | None:
    value = said.get(key)
    if value is not None and not isinstance(value, str):
        raise InputError(path, "must be a text", key)
    return value


def parameters_of(value: object, path: str, key: str = "parameters") -> dict[str, Parameter]:
    """Parameters as a file gives them: the value alone, or with how `sure` it is and its `source`.

    Raises:
        InputError: naming the parameter and what is allowed.
    """
    found = {}
    for name, said in mapping(value, path, key, tuple(PARAMETERS)).items():
        where = f"{key}.{name}"
        sure, source = Sure.DOCUMENTED, path
        if isinstance(said, dict):
            fields = mapping(said, path, where, _PARAMETER_KEYS)
            if "value" not in fields:
                raise InputError(path, "has no value", where)
            said, source = fields["value"], str(fields.get("source", path))
            try:
                sure = Sure(fields.get("sure", Sure.DOCUMENTED))
            except ValueError:
                raise InputError(path, f"must be one of {', '.join(Sure)}", f"{where}.sure") from None
        try:
            found[name] = Parameter(PARAMETERS[name].read(said), sure, source)
        except (ValueError, TypeError):
            raise InputError(path, f"must be {PARAMETERS[name].allowed}", where) from None
    return found


def _options(value: object, path: str) -> dict[str, Option]:
    if not isinstance(value, dict):
        raise InputError(path, "must be a mapping of names to their settings", "options")
    found = {}
    for name, said in value.items():
        fields = mapping(said, path, f"options.{name}", ("says", "parameters"))
        changes = parameters_of(fields.get("parameters", {}), path, f"options.{name}.parameters")
        found[str(name)] = Option(str(name), str(fields.get("says", "")), changes)
    return found
