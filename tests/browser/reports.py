"""Diagnoses to be shown: the two stories with all that belongs to them, and one in which every name is hostile."""

import json
import shutil
from functools import cache
from pathlib import Path

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.case import CaseName, CaseReferral
from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Evidence
from rpcdiag.policy.load import load
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.track.surroundings import NameFact
from rpcdiag.ui.demo import folder

HOSTILE = (
    "</script><script>window.canary=1</script><img src=x onerror=\"window.canary=2\"><svg onload='window.canary=3'>"
    "{{7*7}}${window.canary=4}\x1b[31m\u202egnp.exe\u2066 javascript:window.canary=5 <!-- <style>*{display:none}"
)


def story(name: str) -> Path:
    return folder() / name


@cache
def headline(name: str) -> Diagnosis:
    """A story with its log, and its policy where it has a part in it."""
    here = story(name)
    policy = load(str(here / "policy.yaml")) if name == "dpm-tmg" else None
    return analyze([str(here / "capture.pcapng")], [str(path) for path in here.glob("*.log")], policy=policy)


def hostile(work: Path) -> Diagnosis:
    """Files, rules of the log and of the policy, hosts, pipes and everything that a rule says are called like that."""
    here = story("dpm-tmg")
    one_line = HOSTILE.replace("\t", " ")
    inside = work / one_line.replace("/", "∕")[:80]
    inside.mkdir()
    capture, log, policy = (inside / f"{one_line[:40].replace('/', '∕')}.{end}" for end in ("pcapng", "log", "yaml"))
    shutil.copy(here / "capture.pcapng", capture)
    rows = (here / "tmg.log").read_text().replace("DPM All <=> SS-TMG1", one_line).replace("SS-TMG1\t", one_line + "\t")
    log.write_text(rows, encoding="utf-8")
    rules = (here / "policy.yaml").read_text()
    for name in ("SS-TMG1\n", '"DPM All <=> SS-TMG1"\n'):
        rules = rules.replace(name, json.dumps(one_line) + "\n", 1)
    policy.write_text(rules, encoding="utf-8")
    found = analyze([str(capture)], [str(log)], policy=load(str(policy)))
    assert found.applied is not None
    assert found.applied.policy.name == one_line
    case = found.case
    assert any(row.entry.rule == one_line for rows in case.rows.values() for row in rows)
    server = case.flows[0].flow.server.address
    fact = NameFact(
        packet=1, time_ns=0, client=server, server=server, kind="dns", name=HOSTILE, type="A", result="", addresses=(server,),
        times=1,
    )  # fmt: skip
    return found._replace(
        case=case._replace(
            captures=tuple(one._replace(notes=(HOSTILE,), format=HOSTILE) for one in case.captures),
            names=(CaseName(0, fact),),
            referrals=tuple(map(_referral, case.referrals)),
            flows=tuple(one._replace(flow=one.flow._replace(transport="ncacn_np", pipe=HOSTILE)) for one in case.flows),
            conversations=tuple(
                one._replace(near=one.near._replace(flow=one.near.flow._replace(transport="ncacn_np", pipe=HOSTILE)))
                for one in case.conversations
            ),
        ),
        findings=tuple(map(_finding, found.findings)),
        remedies={id: tuple(map(_remedy, several)) for id, several in found.remedies.items()},
        remarks=(HOSTILE,),
    )


def _referral(one: CaseReferral) -> CaseReferral:
    ends = tuple(end._replace(host=HOSTILE, pipe=HOSTILE, port=None, text=HOSTILE) for end in one.referral.endpoints)
    return one._replace(referral=one.referral._replace(endpoints=ends, clsid=HOSTILE))


def _finding(one: Finding) -> Finding:
    def says(evidence: Evidence) -> Evidence:
        return evidence._replace(says=HOSTILE)

    return one._replace(summary=HOSTILE, next_observation=HOSTILE, evidence=tuple(map(says, one.evidence)))


def _remedy(one: Remedy) -> Remedy:
    commands = tuple(command._replace(text=HOSTILE, shell=HOSTILE) for command in one.commands)
    return one._replace(id=HOSTILE, where=HOSTILE, why=HOSTILE, price=HOSTILE, opens=HOSTILE, commands=commands)


def many() -> Diagnosis:
    """Ten thousand flows, as far as the tables are concerned."""
    found = headline("ocs-advfirewall")
    flows = tuple(found.case.flows[number % 2]._replace(id=f"f{number + 1}") for number in range(10_000))
    return found._replace(case=found.case._replace(flows=flows))
