"""Every capture at hand through tshark: see docs/verify.md for what differs, and why."""

from pathlib import Path

import pytest

from rpcdiag.track.wire import Wire
from rpcdiag.verify import ours
from rpcdiag.verify.compare import Comparison, Why
from rpcdiag.verify.peer import Peer
from rpcdiag.verify.reading import PIPE, UDP
from tests.build.verifying import needs_tshark
from tests.corpus.at_hand import CORPUS, captures

pytestmark = [pytest.mark.corpus, needs_tshark]
CAPTURES = captures()

if not CAPTURES:
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)


# a worm to port 1434: a 4, then ones, also where the data representation is reserved and must be zero. [C706] 14.1
WORM = {"evilprogram.pcap": {479, 503}}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_tshark_reads_the_same(path: Path) -> None:
    comparison = Comparison(ours.readings(Wire(str(path))), Peer(str(path)).readings())
    differences = list(comparison)
    assert {one.packet for one in differences} == WORM.get(path.name, set())
    assert {(one.what, one.why) for one in differences} <= {("only-theirs", Why.NOT_RECOGNISED)}
    for transport in comparison.transports:
        sums = comparison.sums(transport)
        assert sums.ours == sums.agreed == sums.theirs - len(differences) * (transport == UDP)


@pytest.mark.parametrize(
    ("name", "pdus", "named"), [("20-fids.pcap", 264, 264), ("mapi.pcap", 92, 88), ("kerberos_tso.pcapng", 48, 34)]
)
def test_most_pipes_are_named_by_both(name: str, pdus: int, named: int) -> None:
    found = [one for one in Peer(str(CORPUS / "zeek" / name)).readings() if one.transport == PIPE]
    assert (len(found), sum("pipe" in one.fields for one in found)) == (pdus, named)
