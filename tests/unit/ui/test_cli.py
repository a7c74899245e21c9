"""The command line as its users and other programs see it."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rpcdiag.capture.reader import CaptureReader, Events
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import judge
from rpcdiag.report.schema import SCHEMA
from rpcdiag.ui.cli import _commands, main
from tests.build import containers
from tests.build.conversation import Recording
from tests.build.story import START
from tests.build.verifying import map_request, map_response, mapper, needs_tshark

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
OCS = PCAPS / "ocs-advfirewall"
GOOD = str(PCAPS / "allowed-lookup" / "capture.pcapng")
LOG = str(OCS / "pfirewall.log")
BAD = str(OCS / "capture.pcapng")


def _run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "rpcdiag", *arguments], input=stdin, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([GOOD], 0),
        ([BAD], 1),
        ([BAD, "--fail-on", "never"], 0),
        ([str(PCAPS / "wmi-activation" / "capture.pcapng"), "--fail-on", "note"], 1),
        ([str(PCAPS / "stale-endpoint" / "capture.pcapng")], 0),
        ([str(PCAPS / "stale-endpoint" / "capture.pcapng"), "--fail-on", "warning"], 1),
    ],
)
def test_the_exit_code_tells_whether_something_was_found(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", *arguments]) == code


def test_the_cause_comes_before_the_proof_and_the_cure(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["analyze", BAD, "--log", str(OCS / "pfirewall.log")])
    said = capfdbinary.readouterr().out.decode()
    places = [said.index(word) for word in ("CAUSE", "PROOF", "CURE", "WHAT HAPPENED")]
    assert places == sorted(places)
    assert "\x1b" not in said
    assert "log lines 145, 166, 207" in said


def test_colour_is_there_when_it_is_asked_for(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["analyze", BAD, "--color", "always"])
    assert b"\x1b[31m" in capfdbinary.readouterr().out


def test_json_is_one_valid_object_and_alone_on_standard_output() -> None:
    done = _run("analyze", BAD, "-T", "json")
    assert not done.stderr
    jsonschema.validate(json.loads(done.stdout), SCHEMA)


def test_the_schema_that_is_printed_is_the_one_that_is_meant() -> None:
    assert json.loads(_run("schema").stdout) == SCHEMA


def test_standard_input_compressed(tmp_path: Path) -> None:
    packed = gzip.compress(Path(GOOD).read_bytes())
    done = _run("analyze", "-", "-T", "json", stdin=packed)
    assert done.returncode == 0
    assert json.loads(done.stdout)["captures"][0]["format"] == "pcapng+gzip"


def test_a_report_goes_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    assert main(["analyze", GOOD, "-T", "json", "-o", str(target)]) == 0
    assert json.loads(target.read_text())["schema_version"] == 1


def _bad_inputs(folder: Path) -> dict[str, tuple[list[str], int, str]]:
    files = {"empty": b"", "random": bytes(range(256)) * 9, "text": b"hello\n", "nothing.pcap": containers.pcap([])}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "cut.pcapng").write_bytes(Path(GOOD).read_bytes()[:-70])
    (folder / "odd.log").write_text("no log\n")
    (folder / "cut.log.gz").write_bytes(gzip.compress(Path(LOG).read_bytes())[:-400])
    return {
        "cut log": ([GOOD, "--log", str(folder / "cut.log.gz")], 3, "cut.log.gz: could not be read to its end"),
        "log as capture": ([LOG], 2, "name it after --log"),
        "capture as log": ([GOOD, "--log", GOOD], 2, "is a capture: name it without --log"),
        "missing": ([str(folder / "nowhere")], 2, "nowhere: no such file"),
        "empty": ([str(folder / "empty")], 2, "empty: byte 0: is empty"),
        "directory": ([str(folder)], 2, "is a directory"),
        "random": ([str(folder / "random")], 2, "random: byte 0: unknown format"),
        "text": ([str(folder / "text")], 2, "unknown format"),
        "cut": ([str(folder / "cut.pcapng")], 3, "were read"),
        "unknown log": ([GOOD, "--log", str(folder / "odd.log")], 2, "odd.log: line 1: unknown format"),
        "missing log": ([GOOD, "--log", str(folder / "no.log")], 2, "no.log: no such file"),
        "one of two": ([GOOD, str(folder / "random")], 2, "random: byte 0"),
    }


@pytest.mark.parametrize(
    "name",
    ["missing", "empty", "directory", "random", "text", "cut", "unknown log", "missing log", "one of two", "cut log",
     "log as capture", "capture as log"],
)  # fmt: skip
def test_bad_input_is_one_line_with_file_and_place_and_the_rest_is_reported(tmp_path: Path, name: str) -> None:
    arguments, code, words = _bad_inputs(tmp_path)[name]
    done = _run("analyze", *arguments)
    said = done.stderr.decode()
    assert done.returncode == code
    assert words in said
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said
    reported = ("cut", "unknown log", "missing log", "one of two", "cut log", "capture as log")
    assert bool(done.stdout) == (name in reported)


def test_a_capture_without_packets_says_what_that_can_mean(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "none.pcap").write_bytes(containers.pcap([]))
    assert main(["analyze", str(tmp_path / "none.pcap")]) == 0
    assert b"No RPC in these packets" in capfdbinary.readouterr().out


def test_when_it_is_interrupted_what_is_known_is_printed(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    whole = CaptureReader.events

    def interrupted(self: CaptureReader, *more: Any) -> Iterator[Events]:
        yield from whole(self, *more)
        raise KeyboardInterrupt

    monkeypatch.setattr(CaptureReader, "events", interrupted)
    assert main(["analyze", BAD, "-T", "json"]) == 130
    found = json.loads(capfdbinary.readouterr().out)["findings"]
    assert "dynamic-port-blocked" in {finding["rule"] for finding in found}


def test_an_interruption_after_the_reading_waits_for_the_report(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    whole = judge

    def interrupted(case: Case, applied: object = None) -> tuple[Finding, ...]:
        os.kill(os.getpid(), signal.SIGINT)
        return whole(case)

    monkeypatch.setattr("rpcdiag.analysis.judge", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert main(["analyze", BAD, "-T", "json"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert json.loads(capfdbinary.readouterr().out)["findings"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: rpcdiag"),
        (["analyse", GOOD], "no command is called 'analyse': did you mean analyze? See rpcdiag --help"),
        (["analyze", GOOD, "--logs", LOG], "--logs is no option: did you mean --log? See rpcdiag analyze --help"),
        (["analyze", GOOD, "--polcy=tmg"], "--polcy is no option: did you mean --policy?"),
        (["analyze", GOOD, "-T", "jsn"], "'jsn' (choose from"),
        (["analyze"], "are required: CAPTURE. See rpcdiag analyze --help"),
        (["tail"], "are required: LOG"),
        ([GOOD], "is a file: name the command first, as in rpcdiag analyze"),
        (["--log", LOG, "analyze", GOOD], "the command comes first, as in rpcdiag analyze CAPTURE --log FILE"),
        (["analyze", GOOD, "--jobs", "0"], "argument --jobs: '0' is no number from 1 on."),
        (["probe", "127.0.0.1", "--port", "99999"], "argument --port: '99999' is no port: 1 to 65535."),
        (["tail", LOG, "-n", "some"], "argument -n: 'some' is neither a number nor 'all'."),
        (["simulate", GOOD, "--policy", LOG], "looks like a log (windows-firewall): name it after --log; not iptables-save: no"),
        (["rules", "x"], "'x' is too much: rules takes no more"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_a_usage_error_that_says_what_was_meant(arguments: list[str], words: str) -> None:
    done = _run(*arguments)
    said = done.stderr.decode()
    assert done.returncode == 2
    assert words in " ".join(said.split())
    assert not arguments or len(said.splitlines()) == 1
    assert not done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix closes the stream")
@pytest.mark.parametrize("command", ["analyze", "endpoints", "rules"])
def test_output_that_is_closed_is_said_and_a_file_is_written_all_the_same(command: str, tmp_path: Path) -> None:
    arguments = [] if command == "rules" else [BAD]
    run = [sys.executable, "-m", "rpcdiag", command, *arguments]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *run], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (2, b"rpcdiag: standard output: Bad file descriptor\n")
    if command == "analyze":
        into = ["-T", "json", "-o", str(tmp_path / "x.json")]
        done = subprocess.run(["sh", "-c", '"$@" >&- 2>&- <&-', "sh", *run, *into], check=False)
        assert done.returncode == 1
        assert json.loads((tmp_path / "x.json").read_text())["schema_version"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_the_report_is_said() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rpcdiag", "analyze", BAD], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (2, b"rpcdiag: standard output: No space left on device\n")


def test_a_name_that_is_not_known_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["interfaces", "zzz"]) == 0
    assert "'zzz'" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(_commands()))
def test_the_help_of_every_command_says_what_it_is_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert _commands()[name][0][1:] in said
    assert f"rpcdiag {name}" in said
    assert "==SUPPRESS==" not in said


def test_a_report_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", GOOD, "-o", str(tmp_path / "no" / "where")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["0x800706BA", "800706BA", "1722", "-2147023174", "2147944122", "WBEM_E_UNKNOWN (2147944122)", "RPC_S_SERVER_UNAVAILABLE",
     "The RPC server is unavailable"],
)  # fmt: skip
def test_explain_knows_the_error_in_every_form(text: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["explain", text]) == 0
    said = capfdbinary.readouterr().out.decode()
    assert "RPC_S_SERVER_UNAVAILABLE" in said
    assert "dynamic-port-blocked" in said
    assert said.index("dynamic-port-blocked") < said.index("mapper-blocked")
    assert "Set-NetFirewallProfile" in said


@pytest.mark.parametrize(
    ("text", "words"), [("0x16c9a0d6", "never a blocked port"), ("dynamic-port-blocked", "Looks like:")]
)
def test_explain_knows_codes_and_rules(text: str, words: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["explain", text]) == 0
    assert words in capfdbinary.readouterr().out.decode()


def test_explain_does_not_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "zzz"]) == 2
    assert "zzz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["rules"], ["dynamic-port-blocked", "(F1)", "Looks like:"]),
        (["formats"], ["pcapng", "windows-firewall", "isa-tmg-w3c"]),
        (["interfaces", "drsuapi"], ["e3514235-4b06-11d1-ab04-00c04fc2dcd2"]),
        (["endpoints", GOOD], ["10.1.0.20", "49667", "drsuapi"]),
        (["demo", "not-registered"], ["not-registered", "0x16c9a0d6"]),
    ],
)
def test_the_lists(command: list[str], words: list[str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(command) == 0
    said = capfdbinary.readouterr().out.decode()
    assert [word for word in words if word not in said] == []


def test_endpoints_as_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["endpoints", GOOD, "-T", "json"]) == 0
    (row,) = json.loads(capfdbinary.readouterr().out)["endpoints"]
    assert (row["server"], row["protseq"], row["interface"]) == ("10.1.0.20", "ncacn_ip_tcp", "drsuapi")


def test_the_demo_tells_every_story(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["demo"]) == 0
    said = capfdbinary.readouterr().out.decode()
    assert [story.name for story in PCAPS.iterdir() if (story / "story.md").exists() and story.name not in said] == []
    assert "Clear 'Enforce strict RPC compliance'" in said


def test_help_loads_nothing_of_the_program() -> None:
    code = "import sys, rpcdiag.ui.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = done.stdout.decode().splitlines()[-1].split()
    assert not [name for name in loaded if name.startswith(("rpcdiag.analysis", "rpcdiag.capture", "scapy", "numpy"))]


def test_a_small_capture_needs_none_of_the_heavy_packages() -> None:
    code = f"import sys, rpcdiag.ui.cli as c\nc.main(['analyze', {GOOD!r}, '-T', 'json'])\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(done.stdout.decode().splitlines()[-1].split())
    assert not loaded & {
        "scapy",
        "impacket",
        "pyshark",
        "numpy",
        "rich",
        "zstandard",
        "dataclasses",
        "importlib.metadata",
    }


@needs_tshark
def test_verify_says_how_many_agree(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["verify", GOOD]) == 0
    said = capfdbinary.readouterr().out.decode()
    assert "100.00 %" in said


@needs_tshark
def test_verify_shows_both_readings_of_what_differs(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    recording = Recording(START)
    tcp = mapper(recording)
    tcp.send(map_request())
    answer = map_response()
    tcp.reply(answer[:10], acknowledge=False)
    packet = tcp.reply(answer[10:])
    path = tmp_path / "--hostile\x1b[2Jname"
    path.write_bytes(recording.pcapng())
    assert main(["verify", str(path)]) == 1
    said = capfdbinary.readouterr().out.decode()
    assert f"packet {packet}: response, call 2, 152 bytes, 10.0.0.2:135 to 10.0.0.1:50000" in said
    assert "tshark has no such PDU (framing); the other says context 0, opnum 3, towers 49670" in said
    assert "4 PDUs here, 3 in tshark: 3 of 4 agree, 75.00 %" in said
    assert "\x1b" not in said
    assert main(["verify", "--json", str(path)]) == 1
    document = json.loads(capfdbinary.readouterr().out)
    (capture,) = document["captures"]
    (difference,) = capture["differences"]
    assert (difference["what"], difference["why"], difference["packet"]) == ("only-ours", "framing", packet)
    assert difference["theirs"] is None
    assert difference["ours"]["fields"]["towers"] == "49670"
    assert capture["transports"]["tcp"]["agreed"] == 3


@needs_tshark
def test_verify_says_what_it_cannot_read(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    assert main(["verify", "-"]) == 2
    assert "cannot be read twice" in capfdbinary.readouterr().err.decode()
    cut = tmp_path / "cut"
    cut.write_bytes(Path(GOOD).read_bytes()[:-7])
    assert main(["verify", str(cut)]) == 3


def test_verify_without_tshark_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["verify", GOOD]) == 4
    assert "install tshark" in capfdbinary.readouterr().err.decode()


def test_a_mapping_file_reads_a_log_that_no_format_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv").write_text("when,from,to,what\n2011-03-02 10:15:41,10.20.3.7,10.30.1.5,weg\n")
    described = {"time": "when", "source": "from", "destination": "to", "action": "what", "actions": {"weg": "drop"}}
    (tmp_path / "map.json").write_text(json.dumps(described))
    arguments = ["analyze", GOOD, "--log", str(tmp_path / "x.csv")]
    assert main(arguments) == 2
    assert "--log-map" in capsys.readouterr().err
    assert main([*arguments, "--log-map", str(tmp_path / "map.json")]) == 0
    (tmp_path / "map.json").write_text(json.dumps(described | {"actions": {"weg": "gone"}}))
    capsys.readouterr()
    assert main([*arguments, "--log-map", str(tmp_path / "map.json")]) == 2
    said = capsys.readouterr()
    assert "map.json: key 'actions.weg': 'gone' has no meaning" in said.err
    assert not said.out


def test_zeek_logs_go_into_a_folder(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    folder = tmp_path / "new" / "logs"
    assert main(["analyze", GOOD, "-T", "zeek", "-o", str(folder)]) == 0
    assert sorted(one.name for one in folder.iterdir()) == ["conn.log", "dce_rpc.log"]
    assert capfdbinary.readouterr().out == b""
    assert main(["analyze", GOOD, "-T", "zeek"]) == 0
    assert capfdbinary.readouterr().out == (folder / "dce_rpc.log").read_bytes()


def test_zeek_logs_of_standard_input_cannot_be(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["analyze", "-", "-T", "zeek"]) == 2
    assert "name a file" in capfdbinary.readouterr().err.decode()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "taken").write_bytes(b"")
    assert main(["analyze", GOOD, "-T", "zeek-json", "-o", str(tmp_path / "taken")]) == 2
    assert "taken" in capfdbinary.readouterr().err.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["rules"], ["explain", "1722"], ["analyze", BAD, "-T", "json"]])
def test_output_that_nobody_can_take_is_said_without_a_traceback(command: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rpcdiag", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_written_arrives_although_the_program_ends_at_once() -> None:
    done = _run("analyze", BAD, "-T", "json")
    assert json.loads(done.stdout)["findings"]
    assert done.returncode == 1
