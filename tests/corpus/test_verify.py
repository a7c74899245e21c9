"""Every capture at hand through tshark: see docs/verify.md for what differs, and why."""

from pathlib import Path

import pytest

from rpcdiag.track.wire import Wire
from rpcdiag.verify import ours
from rpcdiag.verify.compare import Comparison
from rpcdiag.verify.peer import Peer
from rpcdiag.verify.reading import COMPARED
from tests.build.verifying import needs_tshark
from tests.corpus.at_hand import captures

pytestmark = [pytest.mark.corpus, needs_tshark]
CAPTURES = captures()

if not CAPTURES:
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_tshark_reads_the_same(path: Path) -> None:
    comparison = Comparison(ours.readings(Wire(str(path))), Peer(str(path)).readings())
    assert not list(comparison)
    for transport in COMPARED:
        sums = comparison.sums(transport)
        assert sums.ours == sums.theirs == sums.agreed
