"""Logs of separated values, by a mapping file."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.errors import InputError, UnknownFormat
from rpcdiag.logs.entry import BadLine, LogEntry
from rpcdiag.logs.logmap import load
from rpcdiag.logs.reader import read

MAP = """
name: acme
delimiter: ";"
time: {column: [Date, Time], format: "%d.%m.%Y %H:%M:%S", zone: "+01:00"}
source: Src
source_port: SPort
destination: Dst
destination_port: DPort
protocol: Proto
action: Verdict
actions: {verworfen: drop, durch: allow}
rule: Rule
translated_source: Xlate
"""
HEADER = "Date;Time;Verdict;Proto;Src;SPort;Dst;DPort;Rule;Xlate\n"
ROW = '21.02.2026;15:45:26;verworfen;TCP;198.51.100.20;50211;10.0.0.9;49670;"deny; all";203.0.113.1\n'


def _write(tmp_path: Path, text: str, name: str = "map.yaml") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_a_row_by_its_map(tmp_path: Path) -> None:
    log = _write(tmp_path, HEADER + ROW + "short\n" + HEADER + ROW.replace("verworfen", "Rejected"), "x.csv")
    file = read(log, mapped=load(_write(tmp_path, MAP)))
    one, other = file.entries
    assert (file.format, [bad.line for bad in file.bad]) == ("csv-by-map", [3])
    assert (one.action, one.protocol, str(one.source), one.source_port) == ("drop", "tcp", "198.51.100.20", 50211)
    assert (str(one.destination), one.destination_port, one.rule) == ("10.0.0.9", 49670, "deny; all")
    assert (one.written_ns, one.basis, one.resolution_ns) == (1_771_685_126 * 10**9, "offset", 10**9)
    assert (str(one.translated_source), other.action) == ("203.0.113.1", "reject")


def test_columns_by_number_and_a_map_in_json(tmp_path: Path) -> None:
    described = {
        "delimiter": "tab", "header": False, "skip": 1, "comment": "#", "time": {"column": 1, "format": "epoch"},
        "source": 2, "destination": 3, "destination_port": 4, "action": 5, "defaults": {"protocol": "udp", "path": "fwd"},
    }  # fmt: skip
    log = _write(tmp_path, "title\n# more\n1771685126\t10.0.0.1\t10.0.0.2\t135\tdenied\n", "x.txt")
    (entry,) = read(log, mapped=load(_write(tmp_path, json.dumps(described), "map.json"))).entries
    assert (entry.line, entry.action, entry.protocol, entry.destination_port) == (3, "drop", "udp", 135)
    assert (entry.basis, entry.path) == ("utc", "fwd")


@pytest.mark.parametrize(
    ("zone", "format", "text", "basis"),
    [("utc", "guess", "2026-02-21 14:45:26", "utc"), ("Europe/Berlin", "guess", "2026-02-21 15:45:26", "offset"),
     ("local", "%Y%m%d%H%M%S", "20260221144526", "local"), ("+05:30", "iso", "2026-02-21T14:45:26Z", "utc"),
     ("utc", "%Y-%m-%d %H:%M:%S %z", "2026-02-21 15:45:26 +0100", "offset")],
)  # fmt: skip
def test_zones_and_forms_of_time(tmp_path: Path, zone: str, format: str, text: str, basis: str) -> None:
    described = {
        "time": {"column": "t", "format": format, "zone": zone},
        "source": "s",
        "destination": "d",
        "action": "a",
    }
    log = _write(tmp_path, f"t,s,d,a\n{text},10.0.0.1,10.0.0.2,drop\n", "x.csv")
    (entry,) = read(log, mapped=load(_write(tmp_path, json.dumps(described)))).entries
    assert (entry.written_ns, entry.basis) == (1_771_685_126 * 10**9, basis)


def test_a_time_without_a_year(tmp_path: Path) -> None:
    described = {"time": {"column": "t", "format": "%d %b %H:%M"}, "source": "s", "destination": "d", "action": "a"}
    log = _write(tmp_path, "t,s,d,a\n29 Feb 14:45,10.0.0.1,10.0.0.2,drop\n", "x.csv")
    (entry,) = read(log, mapped=load(_write(tmp_path, json.dumps(described)))).entries
    assert (entry.basis, entry.resolution_ns) == ("no_year", 60 * 10**9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sourse": "x"}, "key 'sourse': is not known; known are"),
        ({"source": None}, "key 'source': the name of a column"),
        ({"source": True}, "key 'source': the name of a column"),
        ({"source": 0}, "key 'source': columns are numbered from 1"),
        ({"header": "maybe"}, "key 'header': true or false"),
        ({"header": False}, "without a header columns have only numbers"),
        ({"skip": -1}, "key 'skip'"),
        ({"delimiter": "::"}, "key 'delimiter': one character"),
        ({"time": {"format": "iso"}}, "key 'time.column': is missing"),
        ({"time": {"column": "Date", "form": "iso"}}, "key 'time.form': is not known"),
        ({"time": {"column": "Date", "format": "sometimes"}}, "key 'time.format': guess, iso, epoch or"),
        ({"time": {"column": "Date", "format": "%Q"}}, "key 'time.format'"),
        ({"time": {"column": "Date", "zone": "Middle/Earth"}}, "key 'time.zone': 'Middle/Earth' is no zone"),
        ({"time": {"column": "Date", "zone": "+1"}}, "key 'time.zone': '+1' is no zone"),
        ({"actions": {"weg": "gone"}}, "key 'actions.weg': 'gone' has no meaning: one of allow"),
        ({"actions": ["drop"]}, "key 'actions': a list of"),
        ({"defaults": {"colour": "red"}}, "key 'defaults.colour': is not known"),
        ({"defaults": {"action": "red"}}, "key 'defaults.action'"),
    ],
)
def test_a_mistake_is_told_with_the_file_and_the_key(tmp_path: Path, change: dict[str, object], said: str) -> None:
    good: dict[str, object] = {"time": "Date", "source": "Src", "destination": "Dst", "action": "Verdict"}
    path = _write(tmp_path, json.dumps(good | change))
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("missing", ["time", "source", "destination", "action"])
def test_what_is_needed_is_missed(tmp_path: Path, missing: str) -> None:
    good = {"time": "Date", "source": "Src", "destination": "Dst", "action": "Verdict"}
    del good[missing]
    with pytest.raises(InputError, match=f"key '{missing}': is missing"):
        load(_write(tmp_path, json.dumps(good)))


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [", "a: b: c", "\x00", "&a [*a]", "{" * 5000, "!!python/name:os.system x"]
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load(_write(tmp_path, text))


def test_a_map_that_is_not_there_or_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load(str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match="no mapping file"):
        load(_write(tmp_path, "# " + "x" * 2_000_000))


def test_a_column_that_the_log_lacks_is_named(tmp_path: Path) -> None:
    log = _write(tmp_path, HEADER.replace("Verdict", "Urteil") + ROW, "x.csv")
    with pytest.raises(
        UnknownFormat, match=r"key 'action': no column 'Verdict' in the header, which has Date, Time, Urteil"
    ):
        read(log, mapped=load(_write(tmp_path, MAP)))


def test_beside_a_map_the_other_formats_are_known_as_before(tmp_path: Path) -> None:
    log = _write(
        tmp_path, "2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 156 1771685126 1771685180 REJECT OK\n", "x.log"
    )
    assert read(log, mapped=load(_write(tmp_path, MAP))).format == "aws-flow"


@given(lines=st.lists(st.text(max_size=60) | st.sampled_from([HEADER, ROW, ROW.replace(";", '"', 3)]), max_size=6))
def test_no_text_breaks_it(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    described = load(_write(tmp_path_factory.getbasetemp(), MAP))
    described.why_not("\n".join(lines))
    for one in described.parse(lines):
        assert isinstance(one, (LogEntry, BadLine))
        assert 1 <= one.line <= len(lines)
