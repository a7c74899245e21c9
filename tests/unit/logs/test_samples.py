"""Sample lines of real firewalls, with what must be read from them."""

from pathlib import Path

import pytest

from rpcdiag import plugins
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat

SAMPLES = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "firewall_log_samples.tsv"
FORMATS: dict[str, LogFormat] = {one.name: one for one in plugins.discover("rpcdiag.logs.formats", "FORMAT")}
NAMES = {
    "pf": "windows-firewall", "isa": "isa-tmg-w3c", "tmg": "isa-tmg-native", "tmg-02": "isa-tmg-w3c", "tmg-03": "isa-tmg-viewer",
    "asa": "cisco-asa", "ftd": "cisco-asa", "pan": "panos-traffic", "fgt": "fortigate", "cp": "checkpoint", "cp-03": "cef",
    "srx": "juniper-srx", "bsd": "filterlog", "nf": "linux-netfilter", "aws": "aws-flow", "az": "azure-flow", "wg": "leef",
    "so": "sophos", "ns": "netscreen",
}  # fmt: skip
ACTIONS = {
    "ESTABLISH": "OPEN", "TERMINATE": "CLOSE", "DENIED": "DROP", "INTERMEDIATE": "PROGRESS", "BLOCK": "DROP", "DENY": "DROP",
    "PERMIT": "ALLOW", "PASS": "ALLOW", "TEARDOWN": "CLOSE", "SERVER-RST": "CLOSE", "CLIENT-RST": "CLOSE", "REJECT": "DROP",
    "ACCEPT": "ALLOW", "NODATA": "INFO",
}  # fmt: skip
SHARPER = {"ftd-01": "RESET", "pan-01": "RESET", "az-02": "PROGRESS"}  # the row says more than its verdict
IMPOSSIBLE = {"pan-01": "130000"}  # a port that the sanitiser made up
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
    return [one for one in found if one["id"] != "tmg-01"]


def _name(sample: dict[str, str]) -> str:
    return NAMES.get(sample["id"], NAMES[sample["id"].partition("-")[0]])


def _lines(sample: dict[str, str]) -> list[str]:
    text = sample["line"].replace("\\\\", "\x00").replace("\\t", "\t").replace("\\n", "\n").replace("\x00", "\\")
    lines = text.split("\n")
    return [ISA_2004, *lines] if sample["id"].startswith("isa") else lines


@pytest.mark.parametrize("sample", _samples() or [pytest.param({}, id="none")], ids=lambda one: one.get("id"))
def test_a_sample_line_is_read_as_its_table_says(sample: dict[str, str]) -> None:
    if not sample:
        pytest.skip("the table of sample lines lies in ../shared, outside the repository")
    (entry,) = _parsed(sample)
    assert isinstance(entry, LogEntry)
    wanted = ACTIONS.get(sample["x_action"], sample["x_action"])
    assert entry.action.upper() == SHARPER.get(sample["id"], wanted)
    ports = str(entry.source_port or IMPOSSIBLE.get(sample["id"], "")), str(entry.destination_port or "")
    assert ports == (sample["x_sport"], sample["x_dport"])
    if sample["x_proto"]:
        assert entry.protocol.upper() == sample["x_proto"]
    if sample["x_src"] != "x":  # masked
        assert (str(entry.source or ""), str(entry.destination or "")) == (sample["x_src"], sample["x_dst"])
    for said in sample["x_extra"].split("; "):
        name, _, value = said.partition("=")
        if name in ("isn", "pid", "lost", "conn", "result"):
            assert value.split()[0] == _said(entry, name)


@pytest.mark.parametrize("sample", _samples() or [pytest.param({}, id="none")], ids=lambda one: one.get("id"))
def test_one_format_alone_takes_a_sample(sample: dict[str, str]) -> None:
    if not sample:
        pytest.skip("the table of sample lines lies in ../shared, outside the repository")
    head = "\n".join(_lines(sample)) + "\n"
    assert [name for name, one in FORMATS.items() if one.why_not(head) is None] == [_name(sample)]


def _parsed(sample: dict[str, str]) -> list[LogEntry | BadLine]:
    return list(FORMATS[_name(sample)].parse(_lines(sample)))


def _said(entry: LogEntry, name: str) -> str:
    values = {"isn": entry.sequence, "pid": entry.pid, "lost": entry.lost, "conn": entry.connection}
    return f"0x{entry.code:08x}" if name == "result" else str(values[name])
