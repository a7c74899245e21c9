"""What a person reads, and what must never reach a terminal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture.choice import Engine
from rpcdiag.report import names
from rpcdiag.report.html.page import page
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import json as json_output
from rpcdiag.report.outputs import text
from tests.build import exchanges, logs, pdus
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\u202egnp.exe"


@given(st.text())
def test_clean_text_prints(value: str) -> None:
    assert names.clean(value).isprintable()


def test_clean_leaves_ordinary_text_alone() -> None:
    assert names.clean("[System] Allow RPC (über-alles)") == "[System] Allow RPC (über-alles)"


def _hostile(folder: Path) -> tuple[str, str]:
    """A capture and a log whose names are escape sequences."""
    recording = Recording(START)
    tcp = Tcp(recording, "10.0.0.1", 50000, "10.0.0.2", 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "8bc3f05e-d86b-11d0-a075-00c04fb68820", [HOSTILE + "[49670]", "10.0.0.2[49670]"])
    blocked = Tcp(recording, "10.0.0.1", 50001, "10.0.0.2", 49670)
    blocked.syns()
    (folder / "c.pcapng").write_bytes(recording.pcapng())
    row = logs.tmg(
        recording.frames[-5].time_ns, "10.0.0.1:50001", "10.0.0.2:49670", ("A", "B"), "Denied", "0xc004000d", HOSTILE
    )
    (folder / "t.log").write_text(logs.tmg_header(START) + row, encoding="utf-8")
    return str(folder / "c.pcapng"), str(folder / "t.log")


def test_names_out_of_packets_and_logs_are_harmless(tmp_path: Path) -> None:
    capture, log = _hostile(tmp_path)
    diagnosis = analyze([capture], [log])
    lines = list(text.render(diagnosis, Options()))
    assert any("\\x1b" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    said = "".join(json_output.render(diagnosis, Options()))
    assert said.isascii()
    assert "\x1b" not in said


def test_many_alike_flows_are_folded(tmp_path: Path) -> None:
    recording = Recording(START)
    for number in range(130):
        tcp = Tcp(recording, "10.0.0.1", 40000 + number, "10.0.0.2", 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        tcp.close()
    path = tmp_path / "many.pcapng"
    path.write_bytes(recording.pcapng())
    diagnosis = analyze([str(path)])
    folded = json_output.document(diagnosis)
    assert len(folded["flows"]) == 100
    assert [group["count"] for group in folded["flow_groups"]] == [30]
    assert folded["flow_groups"][0]["like"] == "f1"
    assert len(json_output.document(diagnosis, all_flows=True)["flows"]) == 130


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (12_000_000, "12 ms"),
        (3_000_000_000, "3.0 s"),
        (250_000_000_000, "4 min 10 s"),
        (9_000_000_000_000, "2 h 30 min"),
    ],
)
def test_durations(ns: int, words: str) -> None:
    assert names.duration(ns) == words


def test_connections_that_were_given_up_are_said(tmp_path: Path) -> None:
    recording = Recording(START)
    for number in range(40):
        Tcp(recording, "10.0.0.1", 40000 + number, "10.0.0.2", 8080).open()
    path = tmp_path / "many.pcapng"
    path.write_bytes(recording.pcapng())
    diagnosis = analyze([str(path)], engine=Engine(max_flows=8))
    said = " ".join("\n".join(text.render(diagnosis, Options(width=72))).split())
    assert f"{diagnosis.case.accounting.evicted_flows} connections were given up" in said
    assert diagnosis.case.accounting.evicted_flows >= 30


def _blocked(folder: Path, clients: int) -> Diagnosis:
    """So many clients that are told a port of one server, which does not answer there."""
    recording = Recording(START)
    for number in range(clients):
        client = f"10.0.{number // 250}.{1 + number % 250}"
        exchanges.lookup(recording, client, 50000, "10.9.0.2", exchanges.DRSUAPI, 49670)
        Tcp(recording, client, 50001, "10.9.0.2", 49670).syns()
    (folder / "c.pcapng").write_bytes(recording.pcapng())
    return analyze([str(folder / "c.pcapng")])


def test_of_many_pairs_the_first_screen_says_what_is_wrong_with_how_many(tmp_path: Path) -> None:
    lines = list(text.render(_blocked(tmp_path, 34), Options()))
    said = " ".join(" ".join(lines[:8]).split())
    assert "SUMMARY A dynamic RPC port is blocked: 34 pairs of hosts, from 34 clients to 10.9.0.2" in said
    assert "4 more pairs of hosts (4 with errors): -T json and -T csv list them all." in lines
    assert "34 pairs of hosts, from 34 clients to 10.9.0.2" in page(_blocked(tmp_path, 34))


def test_of_few_pairs_nothing_stands_before_them(tmp_path: Path) -> None:
    assert not any(line.startswith("SUMMARY") for line in text.render(_blocked(tmp_path, 3), Options()))
