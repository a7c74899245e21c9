"""Packets with comments, for Wireshark: chosen, kept as they were, read back by tshark."""

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture.raw import Option, RawCapture, Record
from rpcdiag.errors import InputError
from rpcdiag.flows.flow import UDP
from rpcdiag.report import annotated, remarks
from rpcdiag.report.document import display_filter, flow_filter
from rpcdiag.report.wireshark import decode_as, decode_options
from rpcdiag.ui.cli import main
from rpcdiag.ui.demo import diagnose, stories
from tests.build import pdus, rpc_http
from tests.build.containers import Interface
from tests.build.conversation import Recording, Tcp
from tests.build.story import START
from tests.build.tshark import needs_tshark
from tests.build.verifying import map_request, map_response
from tests.causes.test_causes import SHOWN

STORIES = {path.name: path for path in stories()}
OCS = STORIES["ocs-advfirewall"]
FRAME = ("frame.len", "frame.cap_len", "frame.time_epoch", "frame.interface_id", "frame.encap_type")


def _records(path: Path | str) -> tuple[RawCapture, list[Record]]:
    raw = RawCapture(str(path))
    return raw, list(raw.records())


def _tshark(path: Path, *arguments: str) -> list[str]:
    run = subprocess.run(["tshark", "-n", "-r", str(path), *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def _comments(path: Path) -> list[str]:
    return [line for line in _tshark(path, "-T", "fields", "-E", "aggregator=\x1f", "-e", "frame.comment") if line]


@needs_tshark
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_tshark_reads_every_story_back_with_its_comments(tmp_path: Path, story: Path) -> None:
    diagnosis, out = diagnose(story), tmp_path / "annotated.pcapng"
    count = annotated.write(diagnosis, str(out), everything=True)
    assert count.packets == diagnosis.case.accounting.packets
    said = _tshark(out, "-T", "fields", "-E", "aggregator=\x1f", "-e", "frame.comment")
    wanted = remarks.remarks(diagnosis)
    assert len([line for line in said if line]) == len(wanted) == count.commented
    if len(diagnosis.case.captures) == 1:
        assert said == ["\x1f".join(wanted.get((0, number), [])) for number in range(1, count.packets + 1)]
        path = Path(diagnosis.case.captures[0].path)
        fields = [argument for field in FRAME for argument in ("-e", field)]
        assert _tshark(out, "-T", "fields", *fields) == _tshark(path, "-T", "fields", *fields)
        assert [one.data for one in _records(out)[1]] == [one.data for one in _records(path)[1]]
    for finding in diagnosis.findings:
        if finding.flows:
            assert any(f"rpcdiag {finding.id} {finding.rule} [" in line for line in said), finding.id


def test_the_findings_packets_are_written_and_no_others(tmp_path: Path) -> None:
    diagnosis, out = diagnose(OCS), tmp_path / "annotated.pcapng"
    annotated.write(diagnosis, str(out), ["n1"])
    whole = {one.stamp: one for one in _records(OCS / "capture.pcapng")[1]}
    kept = [whole[one.stamp].number for one in _records(out)[1]]
    flows = [diagnosis.case.flow(id).flow for id in ("f1", "f2")]
    wanted = {number for flow in flows for number in range(flow.first_packet, flow.last_packet + 1)}
    assert set(kept) == wanted & {one.number for one in whole.values()}
    assert 0 < len(kept) <= len(whole)


def test_a_flow_comes_with_the_answer_that_sent_it_there_and_a_referral_with_its_flows(tmp_path: Path) -> None:
    diagnosis = diagnose(OCS)
    flow = diagnosis.case.flow("f2").flow
    told = diagnosis.case.referral("r1").referral
    for case in ("f2", "r1"):
        out = tmp_path / f"{case}.pcapng"
        annotated.write(diagnosis, str(out), [case])
        times = {one.stamp for one in _records(out)[1]}
        assert {flow.start_ns, told.response_ns} <= times


@pytest.mark.parametrize("case", ["n99", "f0", "r7", "f1000000000000", "x", "n", ""])
def test_there_is_no_such_case(tmp_path: Path, case: str) -> None:
    out = tmp_path / "annotated.pcapng"
    with pytest.raises(InputError, match="no such case"):
        annotated.write(diagnose(OCS), str(out), [case])
    assert not list(tmp_path.iterdir())


def test_several_captures_are_several_interfaces_in_the_order_of_time(tmp_path: Path) -> None:
    diagnosis = analyze([str(STORIES[name] / "capture.pcapng") for name in ("dynamic-port-closed", "mapper-closed")])
    out = tmp_path / "annotated.pcapng"
    annotated.write(diagnosis, str(out), everything=True)
    raw, records = _records(out)
    assert len(raw.interfaces) == 2
    assert all(Option(2, b"capture.pcapng") in one.options for one in raw.interfaces)
    assert len(records) == diagnosis.case.accounting.packets
    times = [raw.interfaces[one.interface].ns(one.stamp) for one in records]
    assert times == sorted(times)


def test_both_channels_of_rpc_over_http_and_nothing_of_others(tmp_path: Path) -> None:
    recording = Recording(START)
    other, out, into = (Tcp(recording, client, port, "10.0.0.9", 80) for client, port in
                        (("10.0.0.8", 49000), ("10.0.0.1", 49001), ("10.0.0.1", 49002)))  # fmt: skip
    for tcp in (other, out, into):
        tcp.open()
    sent = [pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]), map_request()]
    out.say(rpc_http.out_channel([]))
    into.say(rpc_http.in_channel(sent))
    out.say([(1, pdus.bind_ack(pdus.ACCEPTED_32, "593")), (1, map_response())])
    path, written = tmp_path / "capture.pcapng", tmp_path / "annotated.pcapng"
    path.write_bytes(recording.pcapng())
    annotated.write(analyze([str(path)]), str(written), ["f1"])
    kept = {one.data for one in _records(written)[1]}
    whole = _records(path)[1]
    assert [one.number for one in whole if one.data not in kept] == [1, 2, 3]


@pytest.mark.parametrize("form", ["pcap", "gzip", "microseconds"])
def test_other_containers(tmp_path: Path, form: str) -> None:
    recording = Recording(START)
    SHOWN[0].build(recording)
    recording.frames = [one._replace(data=one.data[:70], length=len(one.data)) for one in recording.frames]
    data = recording.pcapng((Interface("eth0", resolution=6),)) if form == "microseconds" else recording.pcap()
    path, out = tmp_path / "capture", tmp_path / "annotated.pcapng"
    path.write_bytes(gzip.compress(data) if form == "gzip" else data)
    annotated.write(analyze([str(path)]), str(out), everything=True)
    (raw, records), (raw_before, before) = _records(out), _records(path)
    assert [one._replace(options=()) for one in records] == before
    assert [one.resolution for one in raw.interfaces] == [one.resolution for one in raw_before.interfaces] == [6]


def test_an_input_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, link = tmp_path / "capture.pcapng", tmp_path / "link.pcapng"
    data = (OCS / "capture.pcapng").read_bytes()
    path.write_bytes(data)
    link.hardlink_to(path)
    for option in ("-w", "--decode-as", "-o"):
        for target in (path, link):
            assert main(["analyze", str(path), option, str(target)]) == 2
            assert "inputs are not written over" in capsys.readouterr().err
    with pytest.raises(InputError, match="one of the captures"):
        annotated.write(analyze([str(path)]), str(link))
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-w", "-"], "name a file"),
        (["--case", "n1"], "name its file"),
        (["-w", "a", "--case", "n1", "--all-packets"], "one of the two"),
        (["-w", "a", "--decode-as", "a"], "a file of its own"),
        (["-w", "a", "--case", "n9"], "there are n1 to n2, f1 to f2 and r1"),
    ],
)
def test_arguments_that_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["analyze", str(OCS / "capture.pcapng"), *arguments]) == 2
    assert says in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_standard_input_cannot_be_read_twice(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "-", "-w", "a"]) == 2
    assert "standard input can be read once" in capfd.readouterr().err


def test_comments_are_harmless_and_of_bounded_length() -> None:
    text = remarks.bounded("a\x1b[31m\n\u202e" + "x" * 5000)
    assert text.isprintable()
    assert len(text) == remarks.MAX_TEXT


def _hostile(diagnosis: Diagnosis, name: str) -> Diagnosis:
    findings = tuple(
        one._replace(summary=name, evidence=tuple(each._replace(says=name) for each in one.evidence))
        for one in diagnosis.findings
    )
    return diagnosis._replace(findings=findings)


def test_hostile_names_in_comments(tmp_path: Path) -> None:
    out = tmp_path / "annotated.pcapng"
    annotated.write(_hostile(diagnose(OCS), "\x1b]0;title\x07\n\udcff" * 20000), str(out))
    for record in _records(out)[1]:
        assert sum(len(option.value) for option in record.options) <= remarks.MAX_REMARKS * (remarks.MAX_TEXT * 4)
        for option in record.options:
            assert option.value.decode().isprintable()


# what is handed out is read as RPC, and heuristics of tshark have no part in that
@needs_tshark
@pytest.mark.parametrize("way", ["file", "options"])
def test_tshark_decodes_the_ports_that_were_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    story = STORIES["callback-dynamic-port"]
    case = diagnose(story).case
    port = next(flow.flow.server.port for flow in case.flows if flow.flow.server.port > 1024 and flow.rpc)
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(tmp_path))
    plain = ["--disable-heuristic", "dcerpc_tcp", "-Y", f"tcp.port == {port} && dcerpc"]
    assert not _tshark(story / "capture.pcapng", *plain)
    if way == "file":
        (tmp_path / "decode_as_entries").write_text("\n".join(decode_as(case)) + "\n", encoding="utf-8")
        options = []
    else:
        options = [word for option in decode_options(case) for word in option.split()]
    assert _tshark(story / "capture.pcapng", *options, *plain)


def test_the_options_stand_under_the_endpoints_and_the_report(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for command in ("endpoints", "analyze"):
        main([command, str(OCS / "capture.pcapng")])
        assert b"-d tcp.port==49154,dcerpc" in capfdbinary.readouterr().out


def _cases(folder: Path) -> Iterator[Diagnosis]:
    """What was found in the captures that show causes."""
    for number, shown in enumerate(SHOWN):
        own = folder / str(number)
        own.mkdir()
        capture, logs = shown.write(own)
        yield analyze([capture], logs)


@needs_tshark
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_filter_of_a_finding_shows_packets_of_its_own(story: Path) -> None:
    diagnosis = diagnose(story)
    for finding in diagnosis.findings:
        shown = display_filter(diagnosis.case, finding)
        for capture in diagnosis.case.captures:
            flows = [diagnosis.case.flow(id).flow for id in finding.flows[:8]]
            mine = {flow.first_packet for flow in flows if flow.capture == capture.number}
            numbers = _tshark(Path(capture.path), "-Y", shown, "-T", "fields", "-e", "frame.number")
            assert mine <= set(map(int, numbers)), finding.rule


def _words(text: str) -> list[str]:
    return text.replace("(", " ").split()


@needs_tshark
def test_tshark_takes_the_filter_of_every_finding(tmp_path: Path) -> None:
    filters: dict[str, str] = {}
    for diagnosis in _cases(tmp_path):
        for finding in diagnosis.findings:
            filters.setdefault(display_filter(diagnosis.case, finding), finding.rule)
    filters[flow_filter(diagnose(OCS).case.flow("f1").flow._replace(transport=UDP))] = "connectionless"
    assert len(filters) > 30
    assert {"ip.addr", "ipv6.addr", "frame.number", "udp.port"} <= {word for text in filters for word in _words(text)}
    texts = list(filters)
    for at in range(0, len(texts), 40):  # tshark refuses all of them if it refuses one
        _tshark(OCS / "capture.pcapng", "-Y", " || ".join(f"({text})" for text in texts[at : at + 40]))
