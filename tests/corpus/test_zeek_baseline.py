"""Zeek's own expectations of its own traces: every line of theirs is one of ours."""

from collections import Counter
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.dissect.dcerpc import PduType
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import zeek
from rpcdiag.track.wire import Wire
from tests.corpus.at_hand import CORPUS

pytestmark = pytest.mark.corpus
TRACES = CORPUS / "zeek"
BASELINE = TRACES / "baseline"

if not BASELINE.exists():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)

LOGS = {
    "dce-rpc.mapi__dce_rpc.log": "mapi.pcap",
    "dce-rpc.dce_rpc_netlogon__dce_rpc.log": "dce_rpc_netlogon.pcapng",
    "smb.smb1-transaction-dcerpc__dce_rpc.log": "dssetup_DsRoleGetPrimaryDomainInformation_standalone_workstation.cap",
}
WRITTEN_TWICE = {"dce-rpc.mapi__dce_rpc.log": 1}


def _rows(lines: list[str]) -> Counter[tuple[str, ...]]:
    """Ends, round-trip time, pipe, endpoint, operation: all but the time and the name of the connection."""
    return Counter(tuple(line.split("\t")[2:10]) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("log", sorted(LOGS))
def test_every_line_of_the_baseline_is_there(log: str) -> None:
    wanted = _rows((BASELINE / log).read_text(encoding="utf-8").splitlines())
    found = _rows(list(zeek.render(analyze([str(TRACES / LOGS[log])]), Options())))
    assert wanted
    assert set(wanted) <= set(found)
    assert sum((wanted - found).values()) == WRITTEN_TWICE.get(log, 0)


def test_the_line_that_zeek_writes_twice_is_a_call_without_answer() -> None:
    """A request is open when the connection ends: Zeek writes the line of the call before it once more."""
    lines = [line.split("\t") for line in zeek.render(analyze([str(TRACES / "mapi.pcap")]), Options())]
    last = [line for line in lines if line[3:4] == ["1073"]][-1]
    assert (last[6], last[9], last[-1]) == ("-", "EcDoRpc", "unanswered")


def test_no_baseline_of_calls_is_left_out() -> None:
    assert {path.name for path in Path(BASELINE).glob("*dce_rpc.log")} == set(LOGS)


def test_requests_come_through_the_pipes_that_zeek_says() -> None:
    """Zeek numbers the pipes of 20-fids.pcap by their file ids, and tells each request in the order of the capture."""
    lines = (BASELINE / "dce-rpc.dce-rpc-backing-size__out").read_text(encoding="utf-8").splitlines()
    theirs = [line.split(", ")[3] for line in lines if line.startswith("dce_rpc_request, ")]
    rows = Wire(str(TRACES / "20-fids.pcap")).rows()
    ours = [str(row.serial) for row in rows if row.data[2] == PduType.REQUEST]
    assert len(set(theirs)) == 20
    assert _in_order_of_appearance(ours) == _in_order_of_appearance(theirs)


def _in_order_of_appearance(names: list[str]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
