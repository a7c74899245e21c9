"""What is wrong with a rule whatever flows it meets: it will not last, it opens too much, it asks for IPsec."""

from collections.abc import Collection

from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS
from rpcdiag.policy.model import Action, Authentication, Rule, Scope

DYNAMIC_FROM = 49152
OLD_DYNAMIC = range(1025, 5001)  # before Vista and Server 2008; many services have a registered port here
WIDE = 10_000  # ports: more than any restricted range of a server


def pins_ephemeral_port(rule: Rule, handed_out: Collection[int] = ()) -> int | None:
    """The dynamic port that the rule allows by its number, or None; one that was handed out before any other.

    A port of 1025-5000 counts only where it was handed out: there are registered ports among these. A range of ports is
    none: a server's dynamic range may be restricted to it.
    """
    if not _allows_tcp(rule) or rule.established:
        return None
    single = [first for first, last in rule.ports.ranges if first == last and first not in FIXED_TCP_PORTS]
    given = next((port for port in single if port in handed_out and is_dynamic(port)), None)
    return given if given is not None else next((port for port in single if port >= DYNAMIC_FROM), None)


def over_broad(rule: Rule) -> str | None:
    """What the rule opens to everybody, for a sentence: `any port`, `1025-65535`; None where it is narrower.

    A rule for a program, a service or an app container is as narrow as that; so is one for known connections, for
    clients that IPsec authenticates, and one that sends.
    """
    if not _allows_tcp(rule) or rule.established or rule.inbound is False:
        return None
    if rule.program or rule.service or rule.package or rule.interfaces or needs_authentication(rule):
        return None
    if not everybody(rule.sources) or _to_itself(rule.destinations):
        return None
    if rule.ports.any:
        return "any port"
    wide = [(first, last) for first, last in rule.ports.ranges if last - first >= WIDE]
    return ", ".join(f"{first}-{last}" for first, last in wide[:3]) or None


def needs_authentication(rule: Rule) -> bool:
    """Whether the rule is for clients that IPsec authenticates only."""
    return rule.authentication is not Authentication.NONE


def everybody(scope: Scope) -> bool:
    """Whether the scope holds all addresses of IPv4 or IPv6; of what is not known, it is not said."""
    if scope.negated:
        return False
    if scope.any or any(network.prefixlen == 0 for network in scope.networks):
        return True
    return any(int(first) == 0 and int(last) == 2**first.max_prefixlen - 1 for first, last in scope.ranges)


def is_dynamic(port: int) -> bool:
    """Whether the port lies in a range that Windows hands out from."""
    return port >= DYNAMIC_FROM or port in OLD_DYNAMIC


def _allows_tcp(rule: Rule) -> bool:
    return rule.enabled and rule.action is Action.ALLOW and (not rule.protocols or "tcp" in rule.protocols)


def _to_itself(scope: Scope) -> bool:
    """Whether it is for addresses that only the host itself uses, or for something that is not known."""
    if scope.names:
        return True
    return bool(scope.networks) and all(network.is_loopback for network in scope.networks)
