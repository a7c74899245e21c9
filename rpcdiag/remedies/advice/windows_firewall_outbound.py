"""Windows Firewall of the client: an outbound rule that keeps the packet from leaving."""

from collections.abc import Iterator

from rpcdiag.remedies import shell
from rpcdiag.remedies.remedy import Advice, Command, Remedy
from rpcdiag.remedies.situation import Situation


def make(s: Situation) -> Iterator[Remedy]:
    subject = s.finding.subject
    if s.finding.rule != "outbound-blocked" and (not subject.local_host or s.product == "tmg"):
        return
    which = f" (the log names {shell.plain(subject.log_rule)})" if subject.log_rule else ""
    yield Remedy(
        id="windows-firewall-outbound",
        where=f"Windows Firewall of {s.caller}, outbound rules",
        why=f"the packet never leaves {s.caller}: an outbound rule refuses it{which}",
        commands=(
            Command(
                "powershell",
                "Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True | Select-Object DisplayName, Profile\n"
                "Get-NetFirewallProfile | Select-Object Name, DefaultOutboundAction",
            ),
            Command("steps", f"Narrow the blocking rule so that it no longer covers {s.host} (Set-NetFirewallRule "
                             "-RemoteAddress). Where outbound is blocked by default, allow the client program by its path "
                             f"to {s.host}: its remote ports are dynamic."),
        ),
        price="none beside the rule to keep",
        opens=f"connections of programs on {s.caller} to {s.host}",
    )  # fmt: skip


ADVICE = Advice(
    id="windows-firewall-outbound",
    rules=("outbound-blocked", "mapper-blocked", "dynamic-port-blocked", "callback-blocked"),
    make=make,
)
