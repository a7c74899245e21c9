"""Ten thousand connections that are alike cost one verdict and a count; what is said of the others does not change."""

import json
from pathlib import Path
from typing import Any

import pytest

from rpcdiag.alike import LISTED
from rpcdiag.analysis import analyze
from rpcdiag.report.output import Options
from rpcdiag.report.outputs.json import render
from tests.build import exchanges, pdus
from tests.build.conversation import Recording, Tcp
from tests.build.exchanges import DRSUAPI, SVCCTL

START = 1_700_000_000_000_000_000
CLIENT, SERVER = "10.0.0.1", "10.0.0.9"


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpcdiag.alike.WORTH_FOLDING", 0)


def _poll(recording: Recording, number: int, client: str = CLIENT, *, lookup: bool = True) -> None:
    """A lookup, and a connection to the port that it named."""
    if lookup:
        exchanges.lookup(recording, client, 20000 + number, SERVER, DRSUAPI, 49667)
    service = Tcp(recording, client, 40000 + number, SERVER, 49667)
    service.open()
    exchanges.session(service, DRSUAPI, calls=1 + number % 3)
    service.close()


def _documents(path: Path, recording: Recording) -> tuple[dict[str, Any], dict[str, Any]]:
    """With everything looked at, and brief."""
    path.write_bytes(recording.pcapng())
    full, brief = (analyze([str(path)], brief=brief) for brief in (False, True))
    assert brief.case.accounting.sums_hold
    return json.loads("".join(render(full, Options()))), json.loads("".join(render(brief, Options())))


def _listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Flows without the numbers that depend on how many there are."""
    return [
        {
            **flow, "id": None, "same_as": None, "origin": {**flow["origin"], "referral": None},
        }
        for flow in document["flows"]
    ]  # fmt: skip


def test_the_brief_document_lists_the_same_flows_and_counts_the_rest(tmp_path: Path) -> None:
    recording = Recording(START)
    for number in range(LISTED + 40):
        _poll(recording, number)
    full, brief = _documents(tmp_path / "polls.pcapng", recording)
    assert _listed(brief) == _listed(full)
    assert len(brief["flows"]) == 2 * LISTED
    assert brief["accounting"] == full["accounting"]
    assert [group["count"] for group in brief["flow_groups"]] == [40, 40]
    assert [(group["count"], group["calls"], group["first_ns"]) for group in brief["flow_groups"]] == [
        (group["count"], group["calls"], group["first_ns"]) for group in full["flow_groups"]
    ]
    counted = sum(group["referrals"] for group in brief["flow_groups"])
    assert len(brief["referrals"]) + counted == len(full["referrals"]) == LISTED + 40
    assert counted > 0


def test_the_last_lookup_before_a_listed_connection_is_kept(tmp_path: Path) -> None:
    """The client asks often and connects seldom: what sent it there is none of the first hundred lookups."""
    recording = Recording(START)
    for number in range(3 * LISTED):
        if number % 3 == 2:
            _poll(recording, number, lookup=False)
        else:
            exchanges.lookup(recording, CLIENT, 20000 + number, SERVER, DRSUAPI, 49667)
    full, brief = _documents(tmp_path / "often.pcapng", recording)
    assert _listed(brief) == _listed(full)

    def asked(document: dict[str, Any]) -> list[int]:
        referrals = {one["id"]: one["response_packet"] for one in document["referrals"]}
        return [referrals[flow["origin"]["referral"]] for flow in document["flows"] if flow["origin"]["referral"]]

    assert asked(brief) == asked(full)


@pytest.mark.parametrize("trouble", ["unanswered", "reset", "refused-bind"])
def test_nothing_is_folded_between_hosts_that_have_trouble(tmp_path: Path, trouble: str) -> None:
    recording = Recording(START)
    for number in range(LISTED + 20):
        _poll(recording, number)
        if number == LISTED:
            tcp = Tcp(recording, CLIENT, 60000, SERVER, 49667)
            if trouble == "unanswered":
                tcp.syns()
            else:
                tcp.open()
                if trouble == "reset":
                    tcp.send(pdus.bind(pdus.contexts(*SVCCTL)))
                    tcp.rst(1)
                else:
                    tcp.send(pdus.bind([(*SVCCTL, [pdus.NDR32])]))
                    tcp.reply(pdus.bind_ack(pdus.UNSUPPORTED, "1"))
    full, brief = _documents(tmp_path / "trouble.pcapng", recording)
    assert brief == full
    assert not any(group["referrals"] for group in brief["flow_groups"])


def test_ports_that_nobody_was_told_of_are_looked_at_one_by_one(tmp_path: Path) -> None:
    recording = Recording(START)
    for number in range(LISTED + 20):
        _poll(recording, number, lookup=False)
    full, brief = _documents(tmp_path / "late.pcapng", recording)
    assert brief == full
