"""What the commands write keeps to what `rpcdiag schema` says of it, and has no field that it does not name."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.epm import Tower
from rpcdiag.probe.knock import Knock, State
from rpcdiag.probe.mapper import Named, Told
from rpcdiag.ui import probe
from rpcdiag.ui.cli import DOCUMENTS, main
from rpcdiag.ui.schemas import SCHEMAS
from rpcdiag.verify.compare import Comparison
from rpcdiag.verify.reading import Reading

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
BLOCKED = [str(PCAPS / "ocs-advfirewall" / "capture.pcapng")]
LOG = str(PCAPS / "ocs-advfirewall" / "pfirewall.log")
WORKS = str(PCAPS / "allowed-lookup" / "capture.pcapng")
DCOM = str(PCAPS / "wmi-activation" / "capture.pcapng")
TWO = str(PCAPS / "two-points" / "capture.pcapng")
ARGUMENTS: list[tuple[str, Sequence[str]]] = [
    ("json", ["analyze", *BLOCKED, "--log", LOG, "--policy", "windows-firewall", "-T", "json"]),
    ("ndjson", ["analyze", *BLOCKED, "--log", LOG, "--policy", "windows-firewall", "-T", "ndjson"]),
    ("calls", ["calls", DCOM, "--json"]),
    ("compare", ["compare", WORKS, *BLOCKED, "-T", "json"]),
    ("compare", ["compare", TWO, "--points", "inside,outside", "-T", "json"]),
    ("doctor", ["doctor", "-T", "json"]),
    ("endpoints", ["endpoints", DCOM, *BLOCKED, "-T", "json"]),
    ("explain", ["explain", "0x800706BA", "-T", "json", "--capture", *BLOCKED, "--log", LOG]),
    ("explain", ["explain", "dynamic-port-blocked", "-T", "json"]),
    ("explain", ["explain", "-T", "json", "--file", LOG]),
    ("live", ["live", "-r", *BLOCKED, "--log", LOG, "-T", "ndjson"]),
    ("simulate", ["simulate", DCOM, "--policy", "tmg-strict", "-T", "json"]),
    ("tail", ["tail", "--once", LOG, "--capture", *BLOCKED, "-T", "ndjson"]),
]  # fmt: skip
STREAMS = ("ndjson", "calls", "live", "tail")


def _closed(schema: Any) -> Any:
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _documents(text: str, name: str) -> Iterator[Any]:
    if name in STREAMS:
        yield from map(json.loads, text.splitlines())
    else:
        yield json.loads(text)


@pytest.mark.parametrize(
    ("name", "arguments"), ARGUMENTS, ids=[" ".join(one[1][:1]) + str(n) for n, one in enumerate(ARGUMENTS)]
)
def test_a_real_document_keeps_to_its_schema(
    name: str, arguments: Sequence[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    main(list(arguments))
    documents = list(_documents(capfdbinary.readouterr().out.decode(), name))
    assert documents
    # json and ndjson say more of some things than their schema promises
    validator = jsonschema.Draft202012Validator(
        SCHEMAS[name]() if name in ("json", "ndjson") else _closed(SCHEMAS[name]())
    )
    for document in documents:
        validator.validate(document)
    if name == "live":
        assert {one["event_type"] for one in documents} == {"start", "turn", "finding", "stats", "end"}
    if name == "tail":
        assert any("history" in one for one in documents)


def test_the_answer_to_a_query_keeps_to_its_schema(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    main(["analyze", *BLOCKED, "-T", "json", "-o", str(tmp_path / "report.json")])
    capfdbinary.readouterr()
    assert main(["query", "SELECT id, server_port FROM flows", str(tmp_path / "report.json"), "-T", "json"]) == 0
    document = json.loads(capfdbinary.readouterr().out)
    jsonschema.validate(document, _closed(SCHEMAS["query"]()))
    assert [len(row) for row in document["rows"]] == [2, 2]


def test_what_a_probe_finds_keeps_to_its_schema() -> None:
    samr = Syntax("12345778-1234-abcd-ef00-0123456789ac", "1.0")
    named = Named(Tower(samr, None, "ncacn_ip_tcp", 49664, None, None, None), "", "ept_lookup")
    told = Told((named,), "cut off", (samr,), ("10.0.0.2",), None)
    knocks = (Knock(49664, State.FILTERED, 3000, "no answer"),)
    for probed in (
        probe.Probed("srv", "10.0.0.2", Knock(135, State.LISTENING, 1, None), told, knocks, {49664: (named,)}),
        probe.Probed("srv", "10.0.0.2", Knock(135, State.NOT_LISTENING, 1, "refused"), None, (), {}),
    ):
        jsonschema.validate(probe._document(probed), _closed(SCHEMAS["probe"]()))


def test_what_verify_writes_keeps_to_its_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    from rpcdiag.ui import verify

    ours = Reading(4, "ncacn_ip_tcp", "10.0.0.1:1", "10.0.0.2:135", "bind", 1, 72, {"opnum": "3"})

    class Run:
        """Two readings that differ."""

        def __init__(self, *_: object) -> None:
            self.comparison = Comparison([ours], [ours._replace(fields={"opnum": "4"})])

        def differences(self) -> Iterator[object]:
            return iter(self.comparison)

    monkeypatch.setattr(verify, "_Run", Run)
    document = json.loads("".join(verify._json(["x.pcap"], "TShark", print, set())))
    jsonschema.validate(document, _closed(SCHEMAS["verify"]()))
    assert document["captures"][0]["differences"]


def test_every_schema_is_one_and_can_be_asked_for(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert set(DOCUMENTS) == set(SCHEMAS)
    for name in DOCUMENTS:
        assert main(["schema", name]) == 0
        schema = json.loads(capfdbinary.readouterr().out)
        if name != "tables":
            jsonschema.Draft202012Validator.check_schema(schema)
