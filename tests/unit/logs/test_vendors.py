"""Firewalls of many vendors: what their rows say, and that only one format takes each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag import plugins
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.reader import read
from tests.unit.logs.vendor_rows import ENDS, ROWS, Row

FORMATS: dict[str, LogFormat] = {one.name: one for one in plugins.discover("rpcdiag.logs.formats", "FORMAT")}
VENDORS = sorted({row.format for row in ROWS})


def _entry(one: object) -> LogEntry:
    assert isinstance(one, LogEntry)
    return one


def _entries(name: str, *lines: str) -> list[LogEntry]:
    return [_entry(one) for one in FORMATS[name].parse(lines)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.format}-{row.action}")
def test_a_row_is_read_as_its_vendor_means_it(row: Row) -> None:
    entry = _entries(row.format, *row.text.split("\n"))[-1]
    ends = entry.source, entry.source_port, entry.destination, entry.destination_port
    assert (entry.action, entry.protocol) == (row.action, row.protocol)
    assert tuple("" if end is None else str(end) for end in ends) == row.ends
    for name, value in row.more.items():
        found = getattr(entry, name)
        assert (
            str(found) if name in ("translated_source", "translated_destination") and found is not None else found
        ) == value, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.format}-{row.action}")
def test_one_format_alone_takes_a_row(row: Row) -> None:
    assert [name for name, one in FORMATS.items() if one.why_not(row.text + "\n") is None] == [row.format]


@pytest.mark.parametrize("name", VENDORS)
def test_a_line_that_breaks_is_told_with_its_number(name: str, tmp_path: Path) -> None:
    rows = [row.text for row in ROWS if row.format == name and "\n" not in row.text]
    good = [text for text in rows if (text[0] == "{") == (rows[0][0] == "{")]
    path = tmp_path / "x.log"
    path.write_text("\n".join([good[0], "what is this", *good[1:], ""]), encoding="utf-8")
    file = read(str(path))
    assert file.format == name
    assert [one.line for one in file.bad] == [2]
    assert len(file.entries) == len(good)


def test_the_end_of_an_outbound_connection_of_asa_has_the_ends_of_its_beginning() -> None:
    begins = (
        "%ASA-6-302013: Built outbound TCP connection 7 for o:10.0.0.9/135 (10.0.0.9/135) to i:10.0.0.1/5 (10.0.0.1/5)"
    )
    ends = (
        "%ASA-6-302014: Teardown TCP connection 7 for o:10.0.0.9/135 to i:10.0.0.1/5 duration 0:00:01 bytes 0 TCP FINs"
    )
    one, other = _entries("cisco-asa", begins, ends)
    assert (str(one.source), one.source_port) == (str(other.source), other.source_port) == ("10.0.0.1", 5)
    assert _entries("cisco-asa", ends)[0].source_port == 135  # nothing says which end began it


def test_an_asa_message_whose_form_is_not_that_of_its_number_is_bad() -> None:
    (bad,) = FORMATS["cisco-asa"].parse(["%ASA-4-106023: Deny nonsense"])
    assert isinstance(bad, BadLine)
    assert "106023" in bad.why


def test_rows_of_panos_about_threats_are_none_about_connections() -> None:
    assert list(FORMATS["panos-traffic"].parse(["1,2026/09/16 10:00:05,001,THREAT,url,2049"])) == []


def test_a_custom_flow_log_of_aws_needs_its_header() -> None:
    (bad,) = FORMATS["aws-flow"].parse(["REJECT 10.0.0.9 198.51.100.20 49670 50211 6 1771685126"])
    assert isinstance(bad, BadLine)
    assert "header" in bad.why


def test_an_hour_of_azure_in_one_line_is_read_whole(tmp_path: Path) -> None:
    record = (
        '{"time":"2026-02-21T14:46:00Z","properties":{"flows":[{"rule":"r%d","flows":[{"flowTuples":['
        '"1771685126,198.51.100.20,10.0.0.9,50211,%d,T,I,D,B,,,,"]}]}]},"padding":"%s"}'
    )
    records = [record % (at, 40000 + at, "x" * 1000) for at in range(200)]
    path = tmp_path / "PT1H.json"
    path.write_text('{"records":[' + ",".join(records) + "]}")
    file = read(str(path))
    assert (file.format, file.bad_count) == ("azure-flow", 0)
    assert [one.destination_port for one in file.entries] == [40000 + at for at in range(200)]


def test_tuples_of_azure_are_counted_however_the_text_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "tuples.csv"
    row = "1771685126,198.51.100.20,10.0.0.9,50211,49670,T,O,A\n"
    path.write_text(row * 3000 + "what\n" + row)
    file = read(str(path))
    assert (len(file.entries), [one.line for one in file.bad], file.entries[-1].line) == (3001, [3001], 3002)


def test_a_record_of_azure_that_is_nested_without_end_is_bounded() -> None:
    nested = '{"flowTuples":' + "[" * 200 + '"1771685126,10.0.0.1,10.0.0.2,1,2,T,I,D"' + "]" * 200 + "}"
    assert len(_entries("azure-flow", nested)) == 1


@pytest.mark.parametrize("name", VENDORS)
def test_a_hostile_line_takes_no_longer_than_another(name: str) -> None:
    texts = [row.text for row in ROWS if row.format == name]
    for text in texts[:4]:
        half = len(text) // 2
        for filler in (" ", "(", "a=", '"', "\\", "[", ",", "{", "x ", ": "):
            long = text[:half] + filler * (60_000 // len(filler)) + text[half:]
            FORMATS[name].why_not(long)
            assert list(FORMATS[name].parse([long])) is not None


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """A row with something else in the middle."""
    row: str = draw(st.sampled_from(ROWS)).text.partition("\n")[0]
    begin = draw(st.integers(0, len(row)))
    end = draw(st.integers(begin, len(row)))
    other = draw(st.one_of(st.text(max_size=12), st.sampled_from(["²", "٣", '"', "-1", "9" * 30])))
    return row[:begin] + other + row[end:]


@pytest.mark.parametrize("name", VENDORS)
@given(lines=st.lists(st.one_of(_damaged(), st.text(max_size=40)), max_size=6))
def test_no_damage_breaks_a_parser(name: str, lines: list[str]) -> None:
    FORMATS[name].why_not("\n".join(lines))
    for one in FORMATS[name].parse(lines):
        assert 1 <= one.line <= "\n".join(lines).count("\n") + 1


def test_masked_and_impossible_ends_are_none() -> None:
    text = ROWS[10].text.replace("198.51.100.20/50211", "198.51.100.20/99999")
    (entry,) = _entries("cisco-asa", text)
    assert (entry.source_port, entry.destination_port) == (None, int(ENDS[3]))
