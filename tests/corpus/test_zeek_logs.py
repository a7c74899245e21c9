"""The calls of dce_rpc.log are the calls that the diagnosis counts, on the connections that conn.log names."""

import json
from pathlib import Path

import pytest

from rpcdiag.report.output import Options
from rpcdiag.report.outputs import zeek_json
from rpcdiag.track.facts import Fate
from tests.corpus.at_hand import captures, diagnosed

pytestmark = pytest.mark.corpus
CAPTURES = captures()

if not CAPTURES:
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_request_is_a_line(path: Path) -> None:
    diagnosis = diagnosed(path)
    logs = {
        name: [json.loads(line) for line in lines]
        for name, lines in zeek_json.files(diagnosis, Options(all_flows=True))
    }
    told = {row["uid"] for row in logs["conn.log"]}
    assert len(told) == len(logs["conn.log"])
    fates = [row["rpcdiag_fate"] for row in logs["dce_rpc.log"]]
    counted = diagnosis.case.accounting
    assert len(fates) - fates.count("without_request") == counted.requests
    assert fates.count("response") == counted.fates[Fate.RESPONSE]
    assert {row["uid"] for row in logs["dce_rpc.log"]} <= told
