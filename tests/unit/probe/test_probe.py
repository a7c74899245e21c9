"""`rpcdiag probe` against servers on this machine that say what they are told to, also nonsense."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rpcdiag.probe import mapper
from rpcdiag.probe.knock import State, knock
from rpcdiag.ui.cli import main
from tests.build import pdus

SAMR = ("12345778-1234-abcd-ef00-0123456789ac", "1.0")
EPM = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
NOT_REGISTERED = 0x16C9A0D6
Answer = Callable[[str, int, int], bytes]  # interface, opnum, how often it was asked


@contextmanager
def _serving(answer: Answer, *, binds: Callable[[str], bool] = lambda _: True) -> Iterator[int]:
    """A server whose answers to requests are stubs, whole PDUs where they begin with a version."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, answer, binds), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, answer: Answer, binds: Callable[[str], bool]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection, answer, binds), daemon=True).start()


def _talk(connection: socket.socket, answer: Answer, binds: Callable[[str], bool]) -> None:
    interface, asked = "", 0
    with connection:
        try:
            while data := connection.recv(65536):
                (call_id,) = struct.unpack_from("<I", data, 12)
                if data[2] == 11:
                    interface = next(one for one in (EPM, pdus.OXID_RESOLVER) if pdus.uuid(one) == data[32:48])
                    accepted = pdus.ACCEPTED_32 if binds(interface) else pdus.UNSUPPORTED
                    connection.sendall(pdus.bind_ack(accepted, "135", call_id=call_id))
                    continue
                asked += 1
                said = answer(interface, struct.unpack_from("<H", data, 22)[0], asked)
                connection.sendall(
                    said
                    if said[:2] == b"\x05\x00" and said[2:3] in (b"\x02", b"\x03")
                    else pdus.response(said, call_id=call_id)
                )
        except OSError:
            return


def _probe(port: int, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["probe", "127.0.0.1", "--port", str(port), "-T", "json"])
    return code, json.loads(capsys.readouterr().out)


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _samr_at(port: int) -> Answer:
    """ept_lookup names samr, in one piece and then no more; ept_map knows nothing; ServerAlive2 answers."""

    def answer(interface: str, opnum: int, asked: int) -> bytes:
        if interface != EPM:
            return pdus.alive_response(["HOST", "192.0.2.7"])
        if opnum == 3:
            return pdus.map_response([], NOT_REGISTERED)
        listed = pdus.lookup_response([pdus.tower(*SAMR, port, "0.0.0.0")])
        return b"\0\0\0\0handle" + listed[10:] if asked == 1 else pdus.lookup_response([], NOT_REGISTERED)

    return answer


def test_what_is_named_and_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]
        with _serving(_samr_at(port)) as at:
            code, said = _probe(at, capsys)
    assert code == 0
    assert (said["mapper"]["state"], said["mapper"]["endpoints"], said["mapper"]["listing_trouble"]) == (
        "LISTENING",
        1,
        None,
    )
    assert [(one["port"], one["state"]) for one in said["ports"]] == [(port, "LISTENING")]
    assert said["ports"][0]["interfaces"][0]["name"] == "samr"
    assert said["resolver"] == {"bindings": ["HOST", "192.0.2.7"], "trouble": None}
    assert len(said["mapper"]["not_registered"]) == len(mapper.WELL_KNOWN)


def test_what_is_named_and_does_not_listen(capsys: pytest.CaptureFixture[str]) -> None:
    port = _closed_port()
    with _serving(_samr_at(port)) as at:
        code, said = _probe(at, capsys)
    assert code == 1
    assert [(one["port"], one["state"]) for one in said["ports"]] == [(port, "NOT LISTENING")]


def test_no_mapper(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = _probe(_closed_port(), capsys)
    assert code == 1
    assert said["mapper"]["state"] == "NOT LISTENING"
    assert said["resolver"] is None


def test_a_port_that_does_not_answer_is_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", never)
    assert knock("192.0.2.1", 49152)[:2] == (49152, State.FILTERED)


def test_a_server_without_a_resolver_or_a_mapper_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with _serving(lambda *_: b"", binds=lambda _: False) as at:
        code, said = _probe(at, capsys)
    assert code == 1
    assert said["mapper"]["listing_trouble"] == "the interface is not offered there"
    assert said["resolver"]["trouble"] == "the interface is not offered there"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\xff" * 60,
        bytes(24),
        pdus.lookup_response([b"\x05\x00\xff\xff"]),
        pdus.fault(5, call_id=2),
        b"\x05\x00\x02\x03\x10\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00",
    ],
)
def test_nonsense_is_a_sentence(
    nonsense: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapper, "TIMEOUT_S", 0.3)
    with _serving(lambda *_: nonsense) as at:
        code, said = _probe(at, capsys)
    assert code == 1
    assert said["mapper"]["listing_trouble"] or not said["mapper"]["endpoints"]
    assert said["ports"] == []


def test_an_answer_without_end_is_ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapper, "MAX_BYTES", 100_000)
    endless = pdus.response(bytes(5000), flags=1) * 40
    with _serving(lambda *_: endless) as at:
        code, said = _probe(at, capsys)
    assert code == 1
    assert said["mapper"]["listing_trouble"] == "the answer does not end"


def test_a_list_without_end_is_ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    port = _closed_port()
    monkeypatch.setattr(mapper, "MAX_ROUNDS", 5)
    first = _samr_at(port)
    with _serving(lambda interface, opnum, _: first(interface, opnum, 1)) as at:
        code, said = _probe(at, capsys)
    assert code == 1
    assert said["mapper"]["endpoints"] == 5
    assert said["mapper"]["listing_trouble"] == "the list goes on after 5 entries"


def test_a_host_without_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "nobody.invalid"]) == 2
    assert "has no address" in capsys.readouterr().err


def test_hostile_names_do_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(interface: str, opnum: int, asked: int) -> bytes:
        if interface != EPM:
            return pdus.alive_response(["\x1bevil\u202e"])
        return pdus.map_response([], NOT_REGISTERED) if opnum == 3 else pdus.lookup_response([], NOT_REGISTERED)

    with _serving(answer) as at:
        assert main(["probe", "127.0.0.1", "--port", str(at)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\\x1bevil\\u202e" in said


def test_without_impacket_the_command_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "impacket.dcerpc.v5", None)
    with _serving(lambda *_: b"") as at:
        assert main(["probe", "127.0.0.1", "--port", str(at)]) == 4
    assert "pip install 'rpcdiag[probe]'" in capsys.readouterr().err
