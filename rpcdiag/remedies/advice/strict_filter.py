"""Where strict RPC compliance, or its like, is switched off; and what else to do about it.

For RPC from an ISA or TMG server itself the flag lives in the System Policy Editor, not in any rule that the
administrator sees. Only new connections feel the change.
"""

from collections.abc import Iterator

from rpcdiag.logs.isa_names import is_local_host, is_system
from rpcdiag.policy.verdict import Change
from rpcdiag.remedies import devices, shell
from rpcdiag.remedies.remedy import Advice, Command, Remedy, Simulated, Width
from rpcdiag.remedies.situation import Situation

_EDITOR = (
    "1. Forefront TMG Management > Firewall Policy > Tasks > Edit System Policy (System Policy Editor).\n"
    "2. Configuration Groups > Authentication Services > Active Directory.\n"
    "3. Clear 'Enforce strict RPC compliance', OK, Apply.\n"
    "4. Start a new connection: existing ones are judged by the old policy."
)
_SEES_BY_SYSTEM = "System Policy Editor > Authentication Services > Active Directory"


def make(s: Situation) -> Iterator[Remedy]:
    governing = s.governing
    named = s.finding.subject.log_rule or (governing.name if governing else None)
    system = governing is not None and governing.system
    rule = shell.plain(named) if named else None
    zones = s.finding.subject.device_zones
    from_itself = s.finding.subject.local_host or (zones is not None and is_local_host(zones[0]))
    if from_itself or system or (named is not None and is_system(named)):
        yield _system_policy(s, rule)
        yield _out_of_its_way(s)
        return
    match s.product:
        case "asa":
            yield _asa(s)
        case "tmg":
            yield _tmg(s, rule)
        case _:
            yield _any(s, rule)


def _opens(s: Situation) -> str:
    return f"DCOM from {s.caller} to {s.host}; its dynamic ports only where the firewall follows DCOM, or has a rule for them"


def _system_policy(s: Situation, rule: str | None) -> Remedy:
    called = f"the rule '{rule}'" if rule else "the rule for RPC from the firewall itself"
    return Remedy(
        id="tmg-system-policy-strict-rpc-off",
        where=f"{s.caller}, the TMG or ISA server: {_SEES_BY_SYSTEM}",
        why=f"{called} is part of the system policy: it comes before every rule of yours and enforces strict RPC "
        "compliance, which DCOM cannot meet",
        commands=(Command("steps", _EDITOR),),
        price="it is one flag for the whole destination network; named channels between both hosts are narrower",
        opens="DCOM from the firewall itself to all hosts of that network",
        change=Simulated(
            "tmg", switch=Change("strict RPC compliance off in the system rule that decides", strict=False)
        ),
    )


def _out_of_its_way(s: Situation) -> Remedy:
    spans = ((135, 135),)
    return Remedy(
        id="keep-strict-fix-the-port",
        where=f"{s.host}, and the firewall policy of {s.caller}",
        why="where the flag has to stay, the application has to do without activation on 135: a fixed port, or HTTP or SMB as "
        "transport, and a rule for that alone",
        commands=(
            Command(
                "steps",
                "Fix the application's port (dcomcnfg > Endpoints, or its own setting), or have it use another transport, and "
                f"permit that from {s.caller} to {s.host}. Activation itself ({devices.text(spans)}) stays refused.",
            ),
        ),
        price="not every application can do without DCOM activation",
        opens=f"one port of {s.host}, for {s.caller}",
        width=Width.PORT,
    )


def _tmg(s: Situation, rule: str | None) -> Remedy:
    return Remedy(
        id="rule-strict-rpc-off",
        where=f"the ISA or TMG server between {s.caller} and {s.host}: "
        + (f"rule '{rule}'" if rule else "the first rule that matches this traffic"),
        why="the rule admits only what begins with the endpoint mapper; DCOM never does",
        commands=(
            Command(
                "steps",
                "1. Right-click the rule > Configure RPC protocol > clear 'Enforce strict RPC compliance' > Apply.\n"
                "2. Start a new connection: existing ones are judged by the old policy.\n"
                f"Narrower: a rule of its own above it, 'RPC (all interfaces)' from {s.caller} to {s.host}, with the flag "
                "cleared there only.",
            ),
        ),
        price="for everybody whom the rule is for, unless a rule of its own is made",
        opens=_opens(s),
        change=Simulated("tmg", switch=Change("strict RPC compliance off in the rule that decides", strict=False)),
    )


def _asa(s: Situation) -> Remedy:
    return Remedy(
        id="asa-no-epm-service-only",
        where=s.device,
        why="'endpoint-mapper epm-service-only' in the inspection map refuses every bind on port 135 but the mapper's",
        commands=(
            Command(
                "asa",
                "policy-map type inspect dcerpc <name of the map>\n parameters\n  no endpoint-mapper epm-service-only\n"
                "  endpoint-mapper\nclear conn address " + str(s.host),
            ),
            Command(
                "steps",
                "'show run policy-map type inspect dcerpc' names the map. The ports of DCOM are learnt from 9.4 on.",
            ),
        ),
        price="connections to that server are cut once",
        opens=_opens(s),
        change=Simulated("asa", switch=Change("epm-service-only off", strict=False)),
    )


def _any(s: Situation, rule: str | None) -> Remedy:
    return Remedy(
        id="rule-strict-rpc-off",
        where=s.device + (f": rule '{rule}'" if rule else ": the first rule that matches this traffic"),
        why="the rule admits only what begins with the endpoint mapper; DCOM never does",
        commands=(
            Command(
                "steps",
                "ISA or TMG: right-click the rule > Configure RPC protocol > clear 'Enforce strict RPC compliance' > Apply. "
                "For RPC from the firewall itself: " + _SEES_BY_SYSTEM + ".\n"
                "Cisco ASA: take 'endpoint-mapper epm-service-only' out of the dcerpc inspection map.\n"
                "Others: the option that allows interfaces other than the endpoint mapper on port 135.\n"
                "Then start a new connection: existing ones are judged by the old policy.",
            ),
        ),
        price="for everybody whom the rule is for",
        opens=_opens(s),
        change=Simulated("tmg", switch=Change("strict RPC compliance off in the rule that decides", strict=False)),
    )


ADVICE = Advice(
    id="strict-filter", rules=("strict-filter", "shadowed-by-system-rule", "strict-rpc-violation"), make=make
)
