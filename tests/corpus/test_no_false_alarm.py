"""No error where nothing failed: over every public capture that its catalogue shows to be without refusals.

What the catalogue says is a second opinion, counted by tshark: `syn_streams_without_syn_ack` are connections that never
opened, `fault` and `bind_nak` among the PDUs are refusals of RPC. A capture with none of them is benign. In the others an
error has to be of the kind that is counted there: an error about a connection where connections failed, an error about
a call or bind where something was refused.
"""

import csv
import re
from typing import NamedTuple

import pytest

from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Severity
from tests.corpus.at_hand import CORPUS, diagnosed

pytestmark = pytest.mark.corpus

# counted by no column: answers of the mapper without a tower, which the folder's own description names as real
REFUSED_LOOKUPS = {"pcap-attack/DCShadow_add_primarygroupid_512_to_std_account.pcapng": {"not-registered"}}
OF_CONNECTIONS = {
    "mapper-blocked", "mapper-rejected", "mapper-closed", "dynamic-port-blocked", "dynamic-port-rejected",
    "dynamic-port-closed", "host-unreachable", "binding-unreachable", "callback-blocked", "stale-endpoint",
}  # fmt: skip
OF_REFUSALS = {"access-denied", "bind-rejected", "bad-credentials", "dcom-hardening", "mapper-refuses-anonymous"}


class Row(NamedTuple):
    file: str
    unopened: int
    refusals: int


def _rows() -> list[Row]:
    catalog = CORPUS / "CATALOG.tsv"
    if not catalog.exists():
        return []
    with catalog.open(encoding="utf-8", newline="") as lines:
        return [
            Row(
                row["file"],
                int(row["syn_streams_without_syn_ack"]),
                sum(int(count) for count in re.findall(r"\b(?:fault|bind_nak)=(\d+)", row["dcerpc_pdus_by_tshark"])),
            )
            for row in csv.DictReader(lines, delimiter="\t")
        ]


ROWS = _rows()
if not ROWS:
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)
BENIGN = [row for row in ROWS if not row.unopened and not row.refusals]
OTHERS = [row for row in ROWS if row not in BENIGN]


def _errors(row: Row) -> list[Finding]:
    return [one for one in diagnosed(CORPUS / row.file).findings if one.severity is Severity.ERROR]


def test_most_of_the_captures_are_benign_and_of_every_kind() -> None:
    assert len(BENIGN) > len(ROWS) // 2
    text = "\n".join(row.file for row in BENIGN)
    for kind in ("WMI", "endpoint_mapper", "dcsync", "SpoolSample_SMB", "sharpwmi", "shellwindows", "mapi"):
        assert kind in text


@pytest.mark.parametrize("row", BENIGN, ids=lambda row: row.file)
def test_nothing_that_works_is_an_error(row: Row) -> None:
    found = [(one.rule, one.summary) for one in _errors(row) if one.rule not in REFUSED_LOOKUPS.get(row.file, ())]
    assert not found


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row.file)
def test_an_error_is_of_the_kind_that_was_refused(row: Row) -> None:
    expected = (OF_CONNECTIONS if row.unopened else set()) | (OF_REFUSALS if row.refusals else set())
    assert {one.rule for one in _errors(row)} <= expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_what_is_not_sure_says_what_would_decide(row: Row) -> None:
    unsure = [one for one in diagnosed(CORPUS / row.file).findings if one.confidence in ("likely", "possible", "open")]
    assert not [one.rule for one in unsure if not one.next_observation]
