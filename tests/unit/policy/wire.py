"""Events as a capture would give them, in a line each."""

from ipaddress import ip_address, ip_network
from typing import Any

from rpcdiag.dissect.interfaces import EPMAPPER, IREMOTE_SCM_ACTIVATOR
from rpcdiag.model.packets import Address
from rpcdiag.policy.engine import judge_flows, product_of
from rpcdiag.policy.events import Event, Kind, Named, ordered
from rpcdiag.policy.flips import with_flips
from rpcdiag.policy.model import Action, Parameter, Policy, Ports, Rule, Scope, Sure
from rpcdiag.policy.product import Learns
from rpcdiag.policy.verdict import Verdict
from rpcdiag.track.origin import OriginKind

CLIENT, SERVER, OTHER = "10.0.1.5", "10.0.2.7", "10.0.3.9"
DRSUAPI = "e3514235-4b06-11d1-ab04-00c04fc2dcd2"
WINREG = "338cd001-2244-31f1-aaaa-900038001003"
SECOND = 1_000_000_000
MAPPER = Rule("mapper", Action.ALLOW, protocols=("tcp",), ports=Ports(((135, 135),)))


def address(text: str) -> Address:
    return ip_address(text)


def scope(*networks: str) -> Scope:
    return Scope(tuple(ip_network(one) for one in networks))


def named(*names: str) -> Scope:
    return Scope(names=names)


def ports(first: int, last: int | None = None) -> Ports:
    return Ports(((first, last or first),))


def syn(flow: str, port: int, at: float = 0, *, client: str = CLIENT, server: str = SERVER, **more: Any) -> Event:
    return Event(
        Kind.SYN, int(at * SECOND), flow, int(at * 10) + 1, address(client), 50000, address(server), port, **more
    )


def bind(opened: Event, at: float, *interfaces: str, alter: bool = False) -> Event:
    return opened._replace(
        kind=Kind.BIND, time_ns=int(at * SECOND), packet=int(at * 10) + 2, interfaces=interfaces, alter=alter
    )


def told(opened: Event, at: float, port: int | None, learns: Learns = Learns.MAP, **more: Any) -> Event:
    uuid = DRSUAPI if learns is Learns.MAP else None
    ends = (Named(more.pop("address", None), port, uuid),) if port is not None else ()
    return opened._replace(
        kind=Kind.TOLD, time_ns=int(at * SECOND), packet=int(at * 10) + 3, learns=learns, named=ends, **more
    )


def closed(opened: Event, at: float) -> Event:
    return opened._replace(kind=Kind.CLOSE, time_ns=int(at * SECOND), packet=int(at * 10) + 4)


def lookup(*, at: float = 1, gap: float = 1, **more: Any) -> list[Event]:
    """f1 asks the mapper, is told port 49200, and f2 goes there."""
    first = syn("f1", 135, at, about=EPMAPPER)
    return [
        first,
        bind(first, at + 0.1, EPMAPPER),
        told(first, at + 0.2, None if more.get("sealed") else 49200, referral="r1", **more),
        syn("f2", 49200, at + 0.2 + gap, referral="r1", origin=OriginKind.EPT_MAP, about=DRSUAPI),
    ]


def activation(**more: Any) -> list[Event]:
    """f1 activates an object, and f2 goes where that lives."""
    first = syn("f1", 135, 1)
    return [
        first,
        bind(first, 1.1, IREMOTE_SCM_ACTIVATOR),
        told(first, 1.2, None if more.get("sealed") else 49300, Learns.CREATE_INSTANCE, referral="r1", **more),
        syn("f2", 49300, 2, referral="r1", origin=OriginKind.ACTIVATION),
    ]


def parameter(value: object) -> Parameter:
    return Parameter(value, Sure.DOCUMENTED, "test")


def policy(product: str, *rules: Rule, **more: Any) -> Policy:
    return Policy("test", product, rules, **more)


def verdicts(events: list[Event], under: Policy) -> dict[str, Verdict]:
    """With the changes that turn them."""
    found = ordered(events)
    product = product_of(under)
    return with_flips(judge_flows(found, under, product), found, under, product)
