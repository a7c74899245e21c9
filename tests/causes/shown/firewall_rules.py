"""What is wrong with a firewall's rules or its log, beside a port that is silent: seen in the log, or under a policy."""

from tests.build import exchanges, logs
from tests.build.conversation import SECOND, Recording, Tcp
from tests.causes.shown_cause import Shown

C, S = "10.0.0.1", "10.0.0.2"
_RULES = """\
name: firewall of 10.0.0.2
product: windows-firewall
hosts: 10.0.0.2
profile: domain
rules:
  - {name: Mapper, action: allow, direction: in, protocol: tcp, ports: 135}
"""
_PINNED = "  - {name: Service control, action: allow, direction: in, protocol: tcp, ports: 49670}\n"
_WIDE = "  - {name: RPC, action: allow, direction: in, protocol: tcp, ports: 1025-65535}\n"
_SECURE = (
    "  - {name: Remote administration, action: allow, direction: in, protocol: tcp, ports: 49152-65535, "
    "authentication: computers}\n"
)


def _silent(recording: Recording) -> None:
    exchanges.lookup(recording, C, 50000, S, exchanges.SVCCTL, 49670)
    Tcp(recording, C, 50001, S, 49670).syns()


def _not_logged(recording: Recording) -> str:
    _silent(recording)
    return logs.PFIREWALL + logs.pfirewall(recording.frames[0].time_ns, "ALLOW", C, 50000, S, 135, hours=0)


def _works(recording: Recording) -> None:
    exchanges.lookup(recording, C, 50000, S, exchanges.SVCCTL, 49670)
    tcp = Tcp(recording, C, 50001, S, 49670)
    tcp.open()
    exchanges.session(tcp, exchanges.SVCCTL)
    tcp.close()


def _late(recording: Recording) -> str:
    """Half an hour later the firewall drops what still comes of it."""
    _works(recording)
    ns = recording.now + 1800 * SECOND
    return logs.PFIREWALL + "".join(
        logs.pfirewall(ns + n * SECOND, "DROP", C, 50001, S, 49670, hours=0, flags="A") for n in range(2)
    )


SHOWN = (
    Shown(
        "port-is-dynamic", "the silent port was handed out by the mapper: no rule should name its number", _silent,
        "ephemeral-port-rule", "likely", "F6", beside="dynamic-port-blocked",
    ),
    Shown(
        "rule-for-a-dynamic-port", "the policy in force allows a port by its number that the mapper handed out", _works,
        "ephemeral-port-rule", "likely", "F6", policy=_RULES + _PINNED,
    ),
    Shown(
        "log-without-drops", "the port is silent, and the log of the firewall holds no drop at all", _not_logged,
        "log-not-enabled", "likely", "F6", beside="dynamic-port-blocked",
    ),
    Shown(
        "late-packets-dropped", "the log drops segments without SYN of a connection that ended long before", _late,
        "non-syn-dropped", "established", "H2",
    ),
    Shown(
        "range-for-everybody", "the policy in force allows ports 1025-65535 from anywhere, for any program", _works,
        "over-broad-rule", "established", "F6", policy=_RULES + _WIDE,
    ),
    Shown(
        "rule-for-authenticated-computers", "the rule that would let the client in wants IPsec, and the flow is in clear",
        _silent, "rule-needs-authentication", "likely", "F6", beside="dynamic-port-blocked", policy=_RULES + _SECURE,
    ),
)  # fmt: skip
