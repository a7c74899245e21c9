"""Windows Firewall: a block rule beats every rule that allows, so it is that rule which has to change.

Only rules of computers or users whose connections IPsec authenticates may override it.
"""

from collections.abc import Iterator

from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Action, Network, Rule, Scope
from rpcdiag.policy.verdict import Change
from rpcdiag.remedies import shell
from rpcdiag.remedies.remedy import Advice, Command, Remedy, Simulated, Width
from rpcdiag.remedies.situation import Situation, single


def make(s: Situation) -> Iterator[Remedy]:
    rule = s.governing
    if rule is None or rule.action is Action.ALLOW or s.applied is None or s.product != "windows-firewall":
        return
    without = _without(rule, s.caller)
    if without is None:
        return
    name = shell.powershell(rule.name)
    position = s.applied.policy.rules.index(rule)
    said = shell.plain(rule.name)
    yield Remedy(
        id="windows-firewall-block-rule",
        where=f"Windows Firewall of {s.host}, elevated PowerShell, or the group policy that the rule comes from",
        why=f"the rule '{said}' refuses these connections, and a rule that blocks beats every rule that allows: a new one "
        "alone changes nothing",
        commands=(
            Command(
                "powershell",
                f"Get-NetFirewallRule -DisplayName {name} | Format-List DisplayName, Enabled, Profile, PolicyStoreSource\n"
                f"Get-NetFirewallRule -DisplayName {name} | Get-NetFirewallAddressFilter",
            ),
            Command(
                "steps",
                f"Take {s.caller} out of the rule: its properties > Scope > Remote IP address, as ranges that end before "
                f"{s.caller} and begin behind it. Where nothing else relies on the rule, switch it off instead.",
            ),
        ),
        price=f"{s.caller} is then judged by the rules that allow: one of them has to let it in",
        opens=f"what '{said}' blocks, for {s.caller}, as far as another rule allows it",
        width=Width.NOTHING,
        change=Simulated(
            "windows-firewall",
            switch=Change(f"rule '{said}' without {s.caller}", position, becomes=rule._replace(sources=without)),
        ),
    )


def _without(rule: Rule, caller: Address) -> Scope | None:
    """The rule's remote addresses but this one; None where that is not as simple."""
    scope = rule.sources
    alone = single(caller)
    if scope.any:
        return Scope(networks=(alone,), negated=True)
    if scope.negated or scope.names or scope.ranges:
        return None
    rest: list[Network] = []
    for network in scope.networks:
        rest += _excluded(network, alone)
    return Scope(networks=tuple(rest)) if rest else None


def _excluded(network: Network, alone: Network) -> Iterator[Network]:
    if network.version != alone.version or alone.network_address not in network:
        yield network
    elif network != alone:
        yield from network.address_exclude(alone)  # type: ignore[arg-type]  # of one version


ADVICE = Advice(
    id="windows-firewall-block",
    rules=("mapper-blocked", "dynamic-port-blocked", "callback-blocked", "program-rule-missing"),
    make=make,
)
