"""Windows Firewall: the log of dropped packets switched on, for each profile. It is off by default."""

from collections.abc import Iterator

from rpcdiag.remedies.remedy import Advice, Command, Remedy, Width
from rpcdiag.remedies.situation import Situation


def make(s: Situation) -> Iterator[Remedy]:
    if s.finding.rule != "log-not-enabled" and (s.product == "windows-firewall" or s.device_known or s.admitted):
        return
    if s.finding.subject.local_host:
        return
    yield Remedy(
        id="windows-firewall-drop-log",
        where=f"Windows Firewall of {s.host}, elevated PowerShell",
        why="dropped packets are logged only where that is switched on, per profile; with the log the drop is proven",
        commands=(
            Command(
                "powershell",
                "Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked True -LogMaxSizeKilobytes 32767",
            ),
            Command("cmd", "netsh advfirewall set allprofiles logging droppedconnections enable", "netsh"),
            Command(
                "steps",
                "Computer Configuration > Policies > Windows Settings > Security Settings > Windows Defender Firewall with "
                "Advanced Security > Properties > Domain, Private and Public Profile > Logging > Customize: log dropped "
                "packets: Yes.",
                "group policy",
            ),
        ),
        price="disk space; the file is %systemroot%\\system32\\LogFiles\\Firewall\\pfirewall.log",
        width=Width.LOOK,
    )


ADVICE = Advice(
    id="windows-firewall-log",
    rules=("mapper-blocked", "dynamic-port-blocked", "callback-blocked", "log-not-enabled"),
    make=make,
)
