"""Whatever is in a file: no crash, the sums hold, the document is valid, nothing but text reaches the terminal."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpcdiag.analysis import analyze
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import text
from rpcdiag.report.outputs.json import document
from rpcdiag.report.schema import SCHEMA

CAPTURES = sorted((Path(__file__).resolve().parents[2] / "pcaps").glob("*/capture.pcapng"))
VALID = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(CAPTURES),
    dirt=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=12),
    cut=st.integers(0, 400),
)
def test_a_spoilt_capture_is_reported_as_far_as_it_goes(
    room: Path, path: Path, dirt: list[tuple[float, bytes]], cut: int
) -> None:
    data = bytearray(path.read_bytes())
    for where, what in dirt:
        at = int(where * (len(data) - 10))
        data[at : at + len(what)] = what
    spoilt = room / "spoilt.pcapng"
    spoilt.write_bytes(data[: len(data) - cut])
    diagnosis = analyze([str(spoilt)])
    if diagnosis.troubles:
        assert not diagnosis.case.captures
        return
    assert diagnosis.case.accounting.sums_hold
    VALID.validate(json.loads(json.dumps(document(diagnosis))))
    assert all(line.isprintable() for line in text.render(diagnosis, Options()))
