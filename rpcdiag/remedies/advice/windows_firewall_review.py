"""Windows Firewall: existing rules that are wrong: a number that will not last, too much opened, IPsec that nobody has."""

from collections.abc import Iterator

from rpcdiag.remedies import shell, windows
from rpcdiag.remedies.remedy import Advice, Command, Remedy
from rpcdiag.remedies.situation import Situation

_PINNED = (
    "Get-NetFirewallRule -Direction Inbound -Action Allow -Enabled True | Where-Object {\n"
    "    ($_ | Get-NetFirewallPortFilter).LocalPort -match '^\\d{5}$' } | Select-Object DisplayName, Description"
)
_WIDE = (
    "Get-NetFirewallRule -Direction Inbound -Action Allow -Enabled True | Where-Object {\n"
    "    ($_ | Get-NetFirewallPortFilter).LocalPort -match '-|Any' -and\n"
    "    ($_ | Get-NetFirewallAddressFilter).RemoteAddress -eq 'Any' } | Select-Object DisplayName, Program"
)


def make(s: Situation) -> Iterator[Remedy]:
    named = s.finding.subject.log_rule
    rule = shell.powershell(named) if named else "'<name of the rule>'"
    program, service, _ = s.program
    path = shell.powershell(program or windows.PROGRAM_PATH)
    keyword = f"Set-NetFirewallRule -DisplayName {rule} -LocalPort RPC -Program {path}" + (
        f" -Service {service}" if service else ""
    )
    reach = s.reach()
    match s.finding.rule:
        case "ephemeral-port-rule":
            yield Remedy(
                id="windows-firewall-keyword-instead",
                where=f"Windows Firewall of {s.host}, elevated PowerShell",
                why="a rule for a number of the dynamic range serves until the next restart; the keyword RPC with the program "
                "follows the service",
                commands=((Command("powershell", keyword),) if named else (
                    Command("powershell", _PINNED),
                    Command("steps", "Remove rules that were written for one dynamic port, or turn them into rules with -LocalPort "
                                     "RPC, -Program and -Service; they need the RPCEPMap companion."),
                )),
                price="none",
            )  # fmt: skip
        case "over-broad-rule":
            yield Remedy(
                id="windows-firewall-narrow-rule",
                where=f"the firewall of {s.host}{f', rule {shell.plain(named)}' if named else ''}",
                why="the rule lets everybody reach every service that listens there, also those that start tomorrow",
                commands=(
                    *(() if named else (Command("powershell", _WIDE),)),
                    Command("powershell", f"{keyword} -RemoteAddress {reach.text}"),
                    Command("steps", "First see who uses it: log allowed connections for a week (Set-NetFirewallProfile "
                                     "-LogAllowed True), or replay the narrowed rule over a capture with 'rpcdiag simulate'."),
                ),
                price="whoever used the rule for something else is cut off: see the log first",
                opens="nothing; it closes",
            )  # fmt: skip
        case _:
            yield Remedy(
                id="windows-firewall-authentication",
                where=f"Windows Firewall of {s.host}, and of its clients",
                why="the rule admits only connections that IPsec authenticates, and these are not: either there is a connection "
                "security rule on both sides, or the rule goes by addresses",
                commands=(
                    Command("powershell", f"Set-NetFirewallRule -DisplayName {rule} -Authentication NotRequired "
                                          f"-RemoteAddress {reach.text}"),
                    Command("powershell", "New-NetIPsecRule -DisplayName 'Authenticate inside the domain' -Profile Domain `\n"
                                          "    -InboundSecurity Request -OutboundSecurity Request", "IPsec on both sides"),
                    Command("powershell", "Get-NetIPsecMainModeSA", "look: empty where nothing is authenticated"),
                ),
                price="without authentication an address is all that is asked for",
                opens=f"what the rule is for, for {reach.text}",
            )  # fmt: skip


ADVICE = Advice(
    id="windows-firewall-review",
    rules=("ephemeral-port-rule", "over-broad-rule", "rule-needs-authentication"),
    make=make,
)
