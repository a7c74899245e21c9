"""A large bind that is lost on port 135: for its size or for its kind, and where nobody can tell."""

from collections.abc import Callable
from pathlib import Path

from rpcdiag.analysis import analyze
from rpcdiag.diagnose.finding import Finding
from tests.build import exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START
from tests.causes.shown import transport

C, S = "10.0.0.1", "10.0.0.2"


def _found(folder: Path, build: Callable[[Recording], object], *, twice: bool = False) -> dict[str, Finding]:
    recording = Recording(START)
    build(recording)
    if twice:
        recording.frames = [frame for frame in recording.frames for _ in range(2)]
    (folder / "c.pcapng").write_bytes(recording.pcapng())
    return {one.rule: one for one in analyze([str(folder / "c.pcapng")]).findings}


def _sure(found: dict[str, Finding]) -> tuple[str, str]:
    return found["strict-filter"].confidence, found["path-mtu"].confidence


def test_signs_that_contradict_one_another_leave_it_open(tmp_path: Path) -> None:
    """A small bind of DCOM is answered, and as large a call elsewhere is acknowledged."""

    def build(recording: Recording) -> None:
        transport._lookup(recording)
        other = transport._open(recording)
        exchanges.bind(other, transport.DRSUAPI, transport.PORT)
        other.send(pdus.request(3, bytes(1420), context=1))
        other.reply(pdus.response(bytes(24), context=1))
        other.close()
        tcp = transport._dcom(recording, 50009)
        transport._lost(tcp)
        recording.wait(SECOND)
        small = transport._dcom(recording, 50010)
        small.send(transport.SMALL_BIND)
        small.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, 5, exchanges.NTLM2)))
        small.close()

    found = _found(tmp_path, build)
    assert _sure(found) == ("possible", "possible")
    assert "Is it the size or the kind" in (found["strict-filter"].next_observation or "")


def test_a_large_one_of_another_size_proves_nothing(tmp_path: Path) -> None:
    """1200 bytes passed, 1460 did not: the way may be narrower than that."""

    def build(recording: Recording) -> None:
        transport._lookup(recording)
        other = transport._open(recording)
        exchanges.bind(other, transport.DRSUAPI, transport.PORT)
        other.send(pdus.request(3, bytes(1200), context=1))
        other.reply(pdus.response(bytes(24), context=1))
        other.close()
        transport._lost(transport._dcom(recording), transport.LONG_BIND)

    assert _sure(_found(tmp_path, build)) == ("possible", "possible")


def test_what_the_server_sends_in_large_segments_proves_nothing(tmp_path: Path) -> None:
    """The way back is another one."""

    def build(recording: Recording) -> None:
        transport._lookup(recording)
        other = transport._open(recording)
        exchanges.bind(other, transport.DRSUAPI, transport.PORT)
        other.send(pdus.request(3, bytes(24), context=1))
        other.reply(pdus.response(bytes(4000), context=1))
        other.close()
        transport._lost(transport._dcom(recording))

    assert _sure(_found(tmp_path, build)) == ("possible", "possible")


def test_the_small_end_that_is_sent_again_is_no_smaller_piece(tmp_path: Path) -> None:
    """A sender that probes for the end of what it sent repeats that alone."""

    def build(recording: Recording) -> None:
        transport._lookup(recording)
        tcp = transport._dcom(recording)
        tcp.send(transport.LONG_BIND, acknowledge=False)
        end = transport.LONG_BIND[1460:]
        tcp.repeat(0, end, (1, 2, 3))
        start = recording.now
        for second in (1, 2, 4):
            recording.now = start + second * SECOND
            tcp._packet(0, "PA", transport.LONG_BIND[:1460], seq=tcp.next[0] - len(transport.LONG_BIND))
        recording.wait(5 * SECOND)

    assert _sure(_found(tmp_path, build)) == ("possible", "possible")


def test_packets_recorded_twice_are_no_further_acknowledgements(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        transport._lookup(recording)
        transport._lost(transport._dcom(recording), transport.LONG_BIND)

    assert _sure(_found(tmp_path, build)) == ("possible", "possible")
    assert _sure(_found(tmp_path, build, twice=True)) == ("possible", "possible")


def test_an_error_about_the_servers_packets_says_nothing_of_the_clients(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        transport._lookup(recording)
        tcp = transport._dcom(recording)
        tcp.error("10.0.0.254", 3, 1)
        transport._lost(tcp)

    assert _found(tmp_path, build)["path-mtu"].confidence == "possible"


def test_a_server_that_resets_long_after_had_waited_for_the_rest(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        transport._lookup(recording)
        tcp = Tcp(recording, C, 50002, S, 135)
        tcp.open()
        transport._lost(tcp)
        recording.wait(200 * SECOND)
        tcp.rst(1)

    assert _sure(_found(tmp_path, build)) == ("possible", "possible")
