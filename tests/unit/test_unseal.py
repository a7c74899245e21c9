"""Sealed answers opened with keys: on captures whose keys are known because they are made here."""

import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rpcdiag import tshark
from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.errors import InputError, MissingPiece
from rpcdiag.ui import secret
from rpcdiag.ui.cli import main
from rpcdiag.unseal import Keys
from tests.build import exchanges, pdus, sealed
from tests.build.containers import Frame, Interface
from tests.build.conversation import MS, MSS, Recording, Tcp
from tests.build.exchanges import DRSUAPI
from tests.build.sealed import AUTH, PASSWORD, Logon
from tests.build.story import START
from tests.build.verifying import needs_tshark

C, S = "10.0.0.1", "10.0.0.2"
CLASS = "8bc3f05e-d86b-11d0-a075-00c04fb68820"
GOOD = Keys(nt_password=PASSWORD)
WRONG = "Autumn-in-Bergen 8#"


def _version() -> str:
    """All that tshark says of itself: what it was built with, over several lines."""
    run = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=False)
    return " ".join(run.stdout.split())


def _mapper(recording: Recording, port: int = 49670, *, password: str = PASSWORD, client_port: int = 50000) -> None:
    """A sealed lookup, and the connection that follows it."""
    logon = Logon(password)
    tcp = Tcp(recording, C, client_port, S, 135)
    tcp.open()
    sealed.bound(tcp, logon, (pdus.EPM, "3.0"), 135)
    wanted = pdus.map_request(pdus.tower(*DRSUAPI, 135, S))
    tcp.send(logon.seal(0, pdus.request(3, wanted, auth=AUTH)))
    tcp.reply(logon.seal(1, pdus.response(pdus.map_response([pdus.tower(*DRSUAPI, port, S)]), auth=AUTH)))
    recording.wait(MS)
    used = Tcp(recording, C, client_port + 1, S, port)
    used.open()
    exchanges.session(used, DRSUAPI)


def _saved(
    folder: Path, build: Callable[[Recording], object], interfaces: tuple[Interface, ...] = (Interface(),)
) -> Path:
    recording = Recording(START)
    build(recording)
    path = folder / "c.pcapng"
    path.write_bytes(recording.pcapng(interfaces))
    return path


def _origins(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(one.origin.kind.value, one.origin.confidence.value) for one in diagnosis.case.flows]


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\nnot this\n", encoding="utf-8")
    return path


@needs_tshark
def test_a_sealed_lookup_is_read_with_the_password(tmp_path: Path) -> None:
    path = str(_saved(tmp_path, _mapper))
    closed, opened = analyze([path]), analyze([path], keys=GOOD)
    assert closed.case.referrals[0].referral.readable == "sealed"
    assert _origins(closed) == [("mapper", "proven"), ("inferred", "likely")]
    (referral,) = (one.referral for one in opened.case.referrals)
    assert (referral.readable, referral.status, referral.interface) == ("clear", 0, Syntax(*DRSUAPI))
    assert [one.text for one in referral.endpoints] == [f"{S}[49670]"]
    assert (referral.request_packet, referral.response_packet) == (10, 12)
    assert _origins(opened) == [("mapper", "proven"), ("ept_map", "proven")]
    assert opened.case.captures[0].notes == ("the given password opened 1 of 1 sealed answer",)
    assert not opened.remarks
    assert not opened.troubles


@needs_tshark
@pytest.mark.parametrize("kind", ["password", "keytab"])
def test_a_wrong_key_is_told_and_nothing_else_changes(tmp_path: Path, kind: str) -> None:
    path = str(_saved(tmp_path, _mapper))
    table = tmp_path / "k.keytab"
    table.write_bytes(sealed.keytab(23, sealed.nt_hash(WRONG)))
    wrong = Keys(nt_password=WRONG) if kind == "password" else Keys(keytab=str(table))
    diagnosis = analyze([path], keys=wrong)
    (remark,) = diagnosis.remarks
    assert remark.startswith(f"{path}: the given {kind} did not open the only sealed answer: wrong key")
    assert remark.endswith(diagnosis.case.captures[0].notes[0])
    assert _origins(diagnosis) == _origins(analyze([path]))


@needs_tshark
def test_a_keytab_with_the_hash_of_the_password_does_as_well(tmp_path: Path) -> None:
    path = str(_saved(tmp_path, lambda recording: _mapper(recording, password="Vår i Bergen")))
    table = tmp_path / "k.keytab"
    table.write_bytes(sealed.keytab(23, sealed.nt_hash("Vår i Bergen")))
    diagnosis = analyze([path], keys=Keys(keytab=str(table)))
    assert _origins(diagnosis)[1] == ("ept_map", "proven")


@needs_tshark
def test_of_two_accounts_only_that_of_the_password_is_opened(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _mapper(recording)
        _mapper(recording, 49680, password=WRONG, client_port=50010)

    diagnosis = analyze([str(_saved(tmp_path, build))], keys=GOOD)
    assert [one.referral.readable.value for one in diagnosis.case.referrals] == ["clear", "sealed"]
    assert diagnosis.case.captures[0].notes == ("the given password opened 1 of 2 sealed answers",)
    assert not diagnosis.remarks


def _activation(recording: Recording, tcp: Tcp, *, lose: bool = False) -> None:
    """Two sealed activations in fragments, the second of which says another port."""
    logon = Logon()
    tcp.open()
    sealed.bound(tcp, logon, (pdus.SCM, "0.0"), 135)
    for number, port in enumerate((49712, 49713), start=2):
        asked = pdus.create_instance_request(CLASS, [exchanges.IUNKNOWN])
        tcp.send(logon.seal(0, pdus.request(4, asked, call_id=number, auth=AUTH)))
        stub = pdus.create_instance_response([f"{S}[{port}]"], oxid=port)
        half = len(stub) // 8 * 4
        pieces = [
            pdus.response(stub[:half], call_id=number, flags=1, auth=AUTH),
            pdus.response(stub[half:], call_id=number, flags=2, auth=AUTH),
        ]
        if lose and number == 2:
            logon.seal(1, pieces[0])  # a PDU that the capture does not show
            tcp.reply(logon.seal(1, pdus.response(stub, call_id=number, auth=AUTH)))
        else:
            tcp.reply(b"".join(logon.seal(1, piece) for piece in pieces))
        recording.wait(MS)


@needs_tshark
def test_an_answer_in_fragments_is_put_together(tmp_path: Path) -> None:
    diagnosis = analyze(
        [str(_saved(tmp_path, lambda recording: _activation(recording, Tcp(recording, C, 50000, S, 135))))], keys=GOOD
    )
    told = [one.referral for one in diagnosis.case.referrals]
    assert [(one.readable.value, one.clsid, one.oxid) for one in told] == [
        ("clear", CLASS, 49712),
        ("clear", CLASS, 49713),
    ]
    assert [[end.port for end in one.endpoints] for one in told] == [[49712], [49713]]


@needs_tshark
def test_what_comes_out_senseless_stays_sealed(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _activation(recording, Tcp(recording, C, 50000, S, 135), lose=True)

    diagnosis = analyze([str(_saved(tmp_path, build))], keys=GOOD)
    assert {one.referral.readable.value for one in diagnosis.case.referrals} == {"sealed"}
    assert [one.referral.status for one in diagnosis.case.referrals] == [None, None]
    (note,) = diagnosis.case.captures[0].notes
    assert note.startswith("the given password opened 0 of 2 sealed answers; 2 came out senseless")


def _twice(recording: Recording) -> None:
    """Every packet at two points, one after the other."""
    _mapper(recording)
    recording.frames[:] = [
        Frame(frame.time_ns + point * 1000, point, frame.data) for frame in recording.frames for point in (0, 1)
    ]


@needs_tshark
def test_a_capture_with_two_points_is_taken_apart(tmp_path: Path) -> None:
    path = _saved(tmp_path, _twice, (Interface(name="inside"), Interface(name="outside")))
    diagnosis = analyze([str(path)], keys=GOOD)
    assert diagnosis.case.captures[0].notes == ("the given password opened 2 of 2 sealed answers",)
    (referral,) = diagnosis.case.referrals
    assert (referral.referral.readable, referral.referral.response_packet) == ("clear", 23)
    assert [(packets[1:]) for packets in referral.copies] == [(20, 24)]
    assert [kind for kind, _ in _origins(diagnosis)] == ["mapper", "mapper", "ept_map", "ept_map"]


@needs_tshark
def test_where_no_sealed_body_is_an_answer_that_matters_they_are_counted(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        logon = Logon()
        tcp = Tcp(recording, C, 50000, S, 49670)
        tcp.open()
        sealed.bound(tcp, logon, DRSUAPI, 49670)
        tcp.send(logon.seal(0, pdus.request(12, bytes(40), auth=AUTH)))
        tcp.reply(logon.seal(1, pdus.response(bytes(3 * MSS), auth=AUTH)))

    path = str(_saved(tmp_path, build))
    assert analyze([path], keys=GOOD).case.captures[0].notes == ("the given password opened 2 of 2 sealed PDUs",)
    (remark,) = analyze([path], keys=Keys(nt_password=WRONG)).remarks
    assert "the given password opened none of 2 sealed PDUs: wrong key" in remark


def test_where_nothing_is_sealed_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshark, "program", lambda: "tshark")
    monkeypatch.setattr(tshark, "Run", lambda *_, **__: pytest.fail("tshark was run"))
    path = _saved(tmp_path, lambda recording: exchanges.lookup(recording, C, 50000, S, DRSUAPI, 49670))
    diagnosis = analyze([str(path)], keys=GOOD)
    assert diagnosis.case.captures[0].notes == ()


@needs_tshark
def test_the_password_is_in_a_file_that_nobody_else_reads_and_in_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    settings: list[Path] = []
    popen = subprocess.Popen

    def started(command: list[str], **options: object) -> object:
        environment: dict[str, str] = options["env"]  # type: ignore[assignment]  # as tshark.Run passes it
        folder = Path(environment["WIRESHARK_CONFIG_DIR"])
        commands.append(command)
        settings.append(folder)
        assert PASSWORD not in "".join(environment.values())
        file = folder / "preferences"
        if file.exists():
            assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
            assert file.read_text(encoding="utf-8") == f"ntlmssp.nt_password: {PASSWORD}\n"
        return popen(command, **options)  # type: ignore[call-overload]  # as above

    monkeypatch.setattr(subprocess, "Popen", started)
    diagnosis = analyze([str(_saved(tmp_path, _twice, (Interface(), Interface())))], keys=GOOD)
    assert len(commands) == 1
    assert PASSWORD not in repr(commands)
    assert PASSWORD not in repr(diagnosis)
    assert not [folder for folder in settings if folder.exists()]


def test_the_text_of_keys_does_not_say_the_password() -> None:
    assert PASSWORD not in f"{GOOD!r} {GOOD} {GOOD.arguments}"


@needs_tshark
@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_behind_where_it_is_interrupted(raised: type[BaseException]) -> None:
    run = tshark.Run(["-v"], preferences=GOOD.preferences)
    with pytest.raises(raised), run:
        raise raised
    assert not Path(run._settings.name).exists()


@needs_tshark
def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    fifo = tmp_path / "endless"
    os.mkfifo(fifo)
    with tshark.Run(tshark.reading(str(fifo)), limit_s=0.2) as run:
        assert run.output.read() == b""
    assert run.late


# --- Kerberos


def _by_kerberos(recording: Recording) -> None:
    from tests.build import sealed_kerberos as made

    logon = made.Logon()
    tcp = Tcp(recording, C, 50000, S, 135)
    tcp.open()
    made.bound(tcp, logon, (pdus.EPM, "3.0"), 135)
    wanted = pdus.map_request(pdus.tower(*DRSUAPI, 135, S))
    tcp.send(logon.seal(0, pdus.request(3, wanted, auth=made.AUTH)))
    answer = pdus.map_response([pdus.tower(*DRSUAPI, 49670, S)])
    tcp.reply(logon.seal(1, pdus.response(answer, auth=made.AUTH)))
    recording.wait(MS)
    used = Tcp(recording, C, 50001, S, 49670)
    used.open()
    exchanges.session(used, DRSUAPI)


def _keytab(folder: Path, key: bytes | None = None) -> Keys:
    made = pytest.importorskip(
        "tests.build.sealed_kerberos", reason="this scapy makes no tickets", exc_type=ImportError
    )
    path = folder / "server.keytab"
    path.write_bytes(sealed.keytab(made.AES256, key or made.SERVICE_KEY, made.SERVICE))
    return Keys(keytab=str(path))


needs_kerberos = pytest.mark.skipif(
    shutil.which("tshark") is None or "with Kerberos" not in _version(), reason="no tshark that knows Kerberos"
)


@needs_kerberos
def test_a_lookup_sealed_by_kerberos_is_read_with_the_server_s_keytab(tmp_path: Path) -> None:
    keys = _keytab(tmp_path)
    diagnosis = analyze([str(_saved(tmp_path, _by_kerberos))], keys=keys)
    assert diagnosis.case.captures[0].notes == ("the given keytab opened 1 of 1 sealed answer",)
    assert [one.text for one in diagnosis.case.referrals[0].referral.endpoints] == [f"{S}[49670]"]
    assert _origins(diagnosis) == [("mapper", "proven"), ("ept_map", "proven")]


@needs_kerberos
def test_another_server_s_keytab_opens_nothing(tmp_path: Path) -> None:
    keys = _keytab(tmp_path, bytes(32))
    diagnosis = analyze([str(_saved(tmp_path, _by_kerberos))], keys=keys)
    (remark,) = diagnosis.remarks
    assert "the given keytab did not open the only sealed answer: wrong key" in remark
    assert diagnosis.case.referrals[0].referral.readable == "sealed"


@needs_kerberos
def test_what_the_copy_does_not_open_is_looked_for_in_the_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = _keytab(tmp_path)
    path = str(_saved(tmp_path, _by_kerberos))
    monkeypatch.setattr("rpcdiag.unseal.MAX_COPY", 0)
    assert _origins(analyze([path], keys=keys))[1] == ("ept_map", "proven")


# --- the command line


@needs_tshark
def test_the_report_says_what_was_opened(
    tmp_path: Path, password: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = str(_saved(tmp_path, _mapper))
    assert main(["analyze", path, "--engine", "python", "--nt-password", str(password)]) == 0
    said = capfdbinary.readouterr()
    assert b"the given password opened 1 of 1 sealed answer" in said.out
    assert said.err == b""
    assert main(["analyze", path, "-T", "json", "--nt-password", str(password)]) == 0
    document = json.loads(capfdbinary.readouterr().out)
    assert document["referrals"][0]["readable"] == "clear"
    assert document["captures"][0]["notes"] == ["the given password opened 1 of 1 sealed answer"]


@needs_tshark
def test_a_wrong_password_is_said_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("SECRET", WRONG)
    assert main(["analyze", str(_saved(tmp_path, _mapper)), "-T", "json", "--nt-password", "env:SECRET"]) == 0
    said = capfdbinary.readouterr()
    assert b"did not open the only sealed answer: wrong key" in said.err
    assert WRONG.encode() not in said.out + said.err


@pytest.mark.parametrize("source", [PASSWORD, f"env:{PASSWORD}"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(
    tmp_path: Path, source: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["analyze", str(_saved(tmp_path, _mapper)), "--nt-password", source]) == 2
    said = capfdbinary.readouterr()
    assert said.out == b""
    assert PASSWORD.encode() not in said.err
    assert b"--nt-password: " in said.err


@pytest.mark.parametrize(("text", "why"), [
    ("", "empty"), ("ünlü", "ASCII"), ("  two", "space"), ("x" * 200, "128"), ("a\x01b", "ASCII"), ("\n", "empty"),
])  # fmt: skip
def test_a_password_that_cannot_be_handed_on_is_refused_and_not_repeated(
    tmp_path: Path, text: str, why: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "password"
    file.write_text(text, encoding="utf-8")
    assert main(["analyze", str(_saved(tmp_path, _mapper)), "--nt-password", str(file)]) == 2
    said = capfdbinary.readouterr().err.decode()
    assert why in said
    assert not text.strip() or text not in said


def test_the_prompt_is_the_terminal_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda _: PASSWORD)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert secret.secret("--nt-password", "prompt") == PASSWORD
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(InputError, match="no terminal"):
        secret.secret("--nt-password", "prompt")


@pytest.mark.parametrize("arguments", [["--keytab", __file__], ["--keytab", "/no/such/keytab"]])
def test_what_is_no_keytab_is_refused(
    tmp_path: Path, arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["analyze", str(_saved(tmp_path, _mapper)), *arguments]) == 2
    assert arguments[1].encode() in capfdbinary.readouterr().err


def test_standard_input_cannot_be_read_twice(password: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "rpcdiag", "analyze", "-", "--nt-password", str(password)],
        input=b"", capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert b"standard input can be read once" in run.stderr


def test_without_tshark_it_says_how_to_get_it(
    tmp_path: Path, password: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = _saved(tmp_path, _mapper)
    monkeypatch.setenv("PATH", "")
    assert main(["analyze", str(path), "--nt-password", str(password)]) == 4
    assert b"install tshark" in capfdbinary.readouterr().err
    with pytest.raises(MissingPiece):
        analyze([str(path)], keys=GOOD)


@needs_tshark
def test_a_capture_that_is_compressed_is_opened_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng.xz"
    path.write_bytes(lzma.compress(_saved(tmp_path, _mapper).read_bytes()))
    assert _origins(analyze([str(path)], keys=GOOD))[1] == ("ept_map", "proven")


@pytest.mark.skipif(os.name != "posix", reason="the tshark of this test is a shell script")
def test_where_tshark_fails_the_rest_is_said_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    script = tmp_path / "tshark"
    script.write_text("#!/bin/sh\necho it is broken >&2\nexit 2\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = str(_saved(tmp_path, _mapper))
    assert main(["analyze", path, "-T", "json", "--nt-password", str(password)]) == 2
    said = capfdbinary.readouterr()
    assert f"{path}: tshark: it is broken".encode() in said.err
    assert json.loads(said.out)["referrals"][0]["readable"] == "sealed"
