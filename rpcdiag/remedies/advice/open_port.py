"""A firewall in the path that keeps clients from a port that does not change: the mapper's, or a fixed one."""

from collections.abc import Iterator

from rpcdiag.dissect.interfaces import FIXED_TCP_PORTS
from rpcdiag.remedies import devices
from rpcdiag.remedies.remedy import Advice, Remedy, Width
from rpcdiag.remedies.situation import Situation

_MAPPER_RULES = frozenset({"mapper-blocked", "mapper-rejected"})


def make(s: Situation) -> Iterator[Remedy]:
    if s.product == "windows-firewall" or s.finding.subject.local_host:
        return
    rule = s.finding.subject.log_rule
    named = f" (its log names the rule '{rule}')" if rule else ""
    if s.finding.rule in _MAPPER_RULES:
        port = s.finding.subject.port if s.finding.subject.port in (135, 593) else 135
        yield Remedy(
            id="open-mapper",
            where=s.device + named,
            why=f"every RPC connection to a dynamic port begins with a question on port {port}",
            commands=devices.permit(s, ((port, port),)),
            price="the service's own port needs to be open as well: that is the next thing to fail",
            opens=f"tcp/{port} of {s.host}: the list of its endpoints, and activation of objects, for "
            f"{', '.join(map(str, devices.hosts(s)))}",
            width=Width.PORT,
            change=devices.simulated(s, ((port, port),)),
        )
    elif s.fixed_port is not None:
        port = s.fixed_port
        what = FIXED_TCP_PORTS.get(port, s.service_name)
        yield Remedy(
            id="open-fixed-port",
            where=s.device + named,
            why=f"{port} is a fixed port ({what}): a rule for the number is right",
            commands=devices.permit(s, ((port, port),)),
            price="a rule to keep",
            opens=f"tcp/{port} of {s.host}, for {', '.join(map(str, devices.hosts(s)))}",
            width=Width.PORT,
            change=devices.simulated(s, ((port, port),)),
        )


ADVICE = Advice(
    id="open-port",
    rules=("mapper-blocked", "mapper-rejected", "dynamic-port-blocked", "dynamic-port-rejected", "callback-blocked"),
    make=make,
)
