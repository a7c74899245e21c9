"""Sample lines of real firewalls, with what must be read from them."""

from pathlib import Path

import pytest

from rpcdiag.logs.entry import BadLine, LogEntry
from rpcdiag.logs.formats import isa_tmg, isa_tmg_native, isa_tmg_viewer, linux_netfilter, windows_firewall

SAMPLES = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "firewall_log_samples.tsv"
PARSERS = {"pf": windows_firewall.parse, "isa": isa_tmg.parse, "tmg": isa_tmg_native.parse, "nf": linux_netfilter.parse}
ACTIONS = {"ESTABLISH": "OPEN", "TERMINATE": "CLOSE", "DENIED": "DROP", "INTERMEDIATE": "PROGRESS", "BLOCK": "DROP"}
ISA_2004 = "#Fields: " + "\t".join([
    "computer", "date", "time", "IP protocol", "source", "destination", "original client IP", "source network",
    "destination network", "action", "status", "rule", "application protocol", "bytes sent", "bytes sent intermediate",
    "bytes received", "bytes received intermediate", "connection time", "connection time intermediate", "source name",
    "destination name", "username", "agent", "session ID", "connection ID", "interface", "IP header", "protocol payload",
])  # fmt: skip


def _samples() -> list[dict[str, str]]:
    if not SAMPLES.exists():
        return []
    names, *rows = (line.split("\t") for line in SAMPLES.read_text(encoding="utf-8").splitlines())
    found = [dict(zip(names, row, strict=True)) for row in rows]
    # tmg-01 is a template without values
    return [one for one in found if one["id"].split("-")[0] in PARSERS and one["id"] != "tmg-01"]


def _parsed(sample: dict[str, str]) -> LogEntry | BadLine:
    lines = sample["line"].replace("\\t", "\t").split("\\n")
    if sample["id"] == "tmg-03":
        return next(isa_tmg_viewer.parse(lines))
    if sample["id"] == "tmg-02":  # its tabs are lost
        return next(isa_tmg.parse(lines))
    parse = PARSERS[sample["id"].split("-")[0]]
    return next(parse([ISA_2004, *lines] if parse is isa_tmg.parse else lines))


@pytest.mark.parametrize("sample", _samples() or [pytest.param({}, id="none")], ids=lambda one: one.get("id"))
def test_a_sample_line_is_read_as_its_table_says(sample: dict[str, str]) -> None:
    if not sample:
        pytest.skip("the table of sample lines lies in ../shared, outside the repository")
    entry = _parsed(sample)
    assert isinstance(entry, LogEntry)
    assert entry.action.upper() == ACTIONS.get(sample["x_action"], sample["x_action"])
    ports = str(entry.source_port or ""), str(entry.destination_port or "")
    assert ports == (sample["x_sport"], sample["x_dport"])
    if sample["x_proto"]:
        assert entry.protocol.upper() == sample["x_proto"]
    if sample["x_src"] != "x":  # masked
        assert (str(entry.source or ""), str(entry.destination or "")) == (sample["x_src"], sample["x_dst"])
    for said in sample["x_extra"].split("; "):
        name, _, value = said.partition("=")
        if name in ("isn", "pid", "lost", "conn", "result"):
            assert value == _said(entry, name)


def _said(entry: LogEntry, name: str) -> str:
    values = {"isn": entry.sequence, "pid": entry.pid, "lost": entry.lost, "conn": entry.connection}
    return f"0x{entry.code:08x}" if name == "result" else str(values[name])
