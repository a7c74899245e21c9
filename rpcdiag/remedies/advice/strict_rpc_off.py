"""ISA and TMG: where strict RPC compliance is switched off, and what else to do about it.

For RPC from the firewall itself the flag lives in the System Policy Editor, not in any rule that the administrator
sees. Only new connections feel the change.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding
from rpcdiag.remedies.remedy import Advice, Command, Remedy

_EDITOR = (
    "1. Forefront TMG Management > Firewall Policy > Tasks > Edit System Policy (System Policy Editor).\n"
    "2. Configuration Groups > Authentication Services > Active Directory.\n"
    "3. Clear 'Enforce strict RPC compliance', OK, Apply.\n"
    "4. Start a new connection: existing ones are judged by the old policy."
)


def make(case: Case, finding: Finding) -> Iterator[Remedy]:
    rule = finding.subject.log_rule
    system = rule is not None and observe.is_system(rule)
    from_itself = finding.subject.device_zones is not None and finding.subject.device_zones[0] == "Local Host"
    if system or from_itself:
        yield Remedy(
            id="tmg-system-policy-strict-rpc-off",
            where=f"{finding.client}, the TMG or ISA server: System Policy Editor > Authentication Services > "
            "Active Directory",
            why=f"the rule '{rule}' is part of the system policy: it comes before every rule of yours and enforces strict "
            "RPC compliance, which DCOM cannot meet",
            commands=(Command("steps", _EDITOR),),
            price="DCOM from the firewall itself to all hosts of that network is admitted; named channels between both "
            "hosts are narrower",
        )
        return
    yield Remedy(
        id="rule-strict-rpc-off",
        where=f"the firewall between {finding.client} and {finding.server}"
        + (f": rule '{rule}'" if rule else ": the first rule that matches this traffic"),
        why="the rule admits only what begins with the endpoint mapper; DCOM never does",
        commands=(
            Command(
                "steps",
                "ISA or TMG: right-click the rule > Configure RPC protocol > clear 'Enforce strict RPC compliance' > Apply.\n"
                "Cisco ASA: take 'endpoint-mapper epm-service-only' out of the dcerpc inspection map.\n"
                "Others: the option that allows interfaces other than the endpoint mapper on port 135.\n"
                "Then start a new connection: existing ones are judged by the old policy.",
            ),
        ),
        price=f"DCOM between {finding.client} and {finding.server} is admitted, and its dynamic ports must be open as well",
    )


ADVICE = Advice(
    id="strict-rpc-off", rules=("strict-filter", "shadowed-by-system-rule", "strict-rpc-violation"), make=make
)
