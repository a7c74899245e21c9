"""Rules of Windows Firewall, in PowerShell, with netsh, as a group policy, and as what the simulator evaluates.

The keyword `RPC` means the ports that the named program registered with the mapper, whatever their numbers are today:
the rule survives a restart, a rule for a number does not. `RPCEPMap` (`RPC-EPMap` for netsh) is the mapper's own.
[Microsoft: firewall rule properties, local port keywords; RPC Dependency]
"""

import re
from typing import NamedTuple

from rpcdiag.logs.programs import is_kernel
from rpcdiag.policy.model import Action, Keyword, Ports, Rule, Scope
from rpcdiag.remedies import shell
from rpcdiag.remedies.remedy import Command
from rpcdiag.remedies.situation import Reach, Situation

SVCHOST = r"%SystemRoot%\System32\svchost.exe"
PROGRAM_PATH = "<program path>"
RULES_IN_GPO = (
    "Computer Configuration > Policies > Windows Settings > Security Settings > Windows Defender Firewall with Advanced "
    "Security > Inbound Rules"
)
_FIND = f"Put the path of the program that netstat shows for the port in the place of {PROGRAM_PATH}."
_VOLUME = re.compile(r"\\device\\(harddiskvolume\d{1,4})\\", re.I)


class Inbound(NamedTuple):
    """An inbound rule that allows TCP to `port`: a number, or one of the two keywords."""

    name: str
    port: str
    remote: Reach
    description: str
    program: str | None = None
    service: str | None = None
    profile: str = "Domain"

    @property
    def model(self) -> Rule:
        keyword = next((one for one in Keyword if one == self.port), None)
        ports = Ports(keywords=(keyword,)) if keyword else Ports(ranges=((int(self.port), int(self.port)),))
        return Rule(
            name=self.name,
            action=Action.ALLOW,
            inbound=True,
            protocols=("tcp",),
            sources=Scope(networks=self.remote.networks),
            ports=ports,
            profiles=() if self.profile == "Any" else (self.profile.lower(),),
            program=self.program,
            service=self.service,
            description=self.description,
        )

    @property
    def powershell(self) -> str:
        parts = [
            f"New-NetFirewallRule -DisplayName {shell.powershell(self.name)}",
            f"-Direction Inbound -Action Allow -Profile {self.profile} -Protocol TCP",
            f"-LocalPort {self.port}"
            + (f" -Program {shell.powershell(self.program)}" if self.program else "")
            + (f" -Service {self.service}" if self.service else ""),
            f"-RemoteAddress {self.remote.text}",
            f"-Description {shell.powershell(self.description)}",
        ]
        return " `\n    ".join(parts)

    @property
    def netsh(self) -> str:
        port = "RPC-EPMap" if self.port == Keyword.RPC_EPMAP else self.port
        program = f' program="{self.program}"' if self.program else ""  # %SystemRoot% has to be expanded
        service = f" service={self.service}" if self.service else ""
        return (
            f"netsh advfirewall firewall add rule name={shell.cmd(self.name)} dir=in action=allow "
            f"profile={self.profile.lower()} protocol=TCP localport={port}{program}{service} "
            f"remoteip={','.join(self.remote.chosen)} description={shell.cmd(self.description)}"
        )

    @property
    def in_words(self) -> str:
        program = f", program {self.program}" if self.program else ""
        service = f", service {self.service}" if self.service else ""
        words = {"RPC": "RPC Dynamic Ports", "RPCEPMap": "RPC Endpoint Mapper"}
        return (
            f"Custom{program}{service}, TCP, local port {words.get(self.port, self.port)}, remote addresses "
            f"{self.remote.text}, allow, profile {self.profile}, name '{self.name}'"
        )


def mapper(remote: Reach, profile: str = "Domain") -> Inbound:
    """The companion of every rule for dynamic ports."""
    return Inbound(
        name=f"RPC endpoint mapper from {remote.text}",
        port=Keyword.RPC_EPMAP,
        remote=remote,
        description=f"Companion of the RPC rules: lets {remote.text} ask where services listen, and activate objects (DCOM).",
        program=SVCHOST,
        service="RpcSs",
        profile=profile,
    )


def told(s: Situation) -> str:
    """How it is known whose port it is, for a sentence; empty where no event says."""
    owner = s.listener
    if owner is None:
        return ""
    where = f"line {owner.line} of {shell.plain(s.case.logs[owner.log].file.path)}"
    more = ""
    if is_kernel(owner.program):
        more = ": the kernel, for which there is no such rule; the program named here is the one that usually has the interface"
    return f". {shell.plain(owner.says)}, {where}{more}"


def besides(s: Situation) -> str:
    """What the event leaves open, for the price: which of the services in the process it is."""
    owner = s.listener
    program, service, _ = s.program
    if owner is None or program is None or service is not None or owner.name.lower() != "svchost.exe":
        return ""
    of = f' /fi "PID eq {owner.pid}"' if owner.pid is not None else ""
    return (
        f"; the rule is for every service in svchost.exe: 'tasklist /svc{of}' on {s.host} shows those of the process, and one "
        "of them in -Service makes it narrower"
    )


def how_to_find(s: Situation) -> tuple[Command, ...]:
    """How to learn the path of the program where it is not known."""
    owner = s.listener
    if owner is None or owner.path is not None or is_kernel(owner.program):
        return Command("cmd", "netstat -anob"), Command("steps", _FIND)
    said = f"Event {owner.event} (line {owner.line}) names {shell.plain(owner.program)}, which rules do not understand"
    volume = _VOLUME.match(owner.program)
    if volume is None:
        return Command("cmd", "netstat -anob"), Command("steps", f"{said}. {_FIND}")
    drive = f"'fltmc volumes' shows which drive \\Device\\{volume[1]} is"
    return Command("cmd", "fltmc volumes"), Command(
        "steps", f"{said}: {drive}; put the path with that drive in the place of {PROGRAM_PATH}."
    )


def commands(rules: tuple[Inbound, ...], find: tuple[Command, ...] = ()) -> tuple[Command, ...]:
    """PowerShell to run; netsh and the group policy editor instead; how to learn the program where it is not known."""
    found = [Command("powershell", "\n".join(rule.powershell for rule in rules))]
    if any(rule.program == PROGRAM_PATH for rule in rules):
        found += find
    reach = rules[0].remote
    if reach.narrower:
        listed = ", ".join(reach.narrower)
        names = ", ".join(shell.powershell(rule.name) for rule in rules)
        narrower = f"Set-NetFirewallRule -DisplayName {names} -RemoteAddress {listed}"
        found.append(Command("powershell", narrower, f"addresses alone ({listed}), where they are fixed"))
    found.append(Command("cmd", "\n".join(rule.netsh for rule in rules), "netsh"))
    steps = "\n".join(f"{RULES_IN_GPO} > New Rule: {rule.in_words}." for rule in rules)
    more = (
        "\nPowerShell writes into the GPO with -PolicyStore 'domain\\name of the GPO'. Where the policy says that local "
        "rules are not merged (Properties > profile > Settings > Apply local firewall rules: No), the rule has to be here."
    )
    found.append(Command("steps", steps + more, "group policy"))
    return tuple(found)
