"""Which form of the pass reads a capture: loading the compiled one must be worth it, and never be waited for."""

import io
import json
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.capture import choice
from rpcdiag.capture.choice import AUTO, COMPILED, PYTHON, WORTH_BUILDING, Engine
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.errors import MissingPiece
from rpcdiag.report.outputs.json import document
from rpcdiag.sweep.machine import Machine
from tests.build import containers, frames, pdus
from tests.build.containers import Frame
from tests.unit.sweep import compiled
from tests.unit.sweep.compiled import ROOT, environment

machine = compiled.machine
SMALL = ROOT / "pcaps" / "wmi-activation" / "capture.pcapng"
A, B = "192.0.2.1", "192.0.2.2"
# where the image is linked by ourselves, no library is needed to load it
KEPT = "compiled" if sys.platform == "linux" and platform.machine() == "x86_64" else "compiled llvmlite"
PROBE = """
import sys
from rpcdiag.ui.cli import main
code = main(sys.argv[1:])
loader = sys.modules.get("rpcdiag.sweep.machine")
kept = ["compiled"] if loader and any(loader._loaded) else []
print(code, *kept, *(name for name in ("llvmlite", "numba") if name in sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bind, bulk until loading is worth it, and then a request: both sides of any change-over have RPC in them."""
    bind = pdus.bind(pdus.contexts(pdus.EPM, "3.0"))
    packets = [frames.tcp(A, 50000, B, 135, seq=1, data=bind)]
    packets += [frames.tcp(A, 50001, B, 445, seq=1 + 60000 * number, data=bytes(60000)) for number in range(140)]
    packets.append(frames.tcp(A, 50000, B, 135, seq=1 + len(bind), data=pdus.request(3, bytes(40))))
    path = tmp_path_factory.mktemp("large") / "large.pcap"
    path.write_bytes(containers.pcap([Frame(n * 1000, 0, frames.ethernet(one)) for n, one in enumerate(packets)]))
    assert path.stat().st_size > 1.8 * WORTH_BUILDING
    return path


def _loaded(*arguments: str, cache: Path | None = None) -> list[str]:
    """Exit code and what a run of the program has imported, or what it says."""
    env = environment() | ({"XDG_CACHE_HOME": str(cache)} if cache else {})
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    return done.stderr.splitlines()


def test_a_small_capture_loads_nothing(machine: Machine) -> None:
    assert _loaded("analyze", "--fail-on", "never", str(SMALL)) == ["0"]


def test_a_large_capture_loads_the_compiled_pass_and_never_the_compiler(machine: Machine, large: Path) -> None:
    assert _loaded("analyze", "--fail-on", "never", str(large)) == [f"0 {KEPT}"]


def test_who_wants_the_interpreter_gets_it(machine: Machine, large: Path) -> None:
    assert _loaded("analyze", "--engine", "python", "--fail-on", "never", str(large)) == ["0"]


def test_who_wants_the_compiled_pass_gets_it_for_a_small_capture(machine: Machine) -> None:
    assert _loaded("analyze", "--engine", "compiled", "--fail-on", "never", str(SMALL)) == [f"0 {KEPT}"]


def test_who_wants_the_compiled_pass_where_there_is_none_is_told_how_to_get_it(tmp_path: Path) -> None:
    said = _loaded("analyze", "--engine", "compiled", str(SMALL), cache=tmp_path)
    assert said[-1].split()[0] == "4"
    assert "rpcdiag warm" in said[0]
    assert "rpcdiag[fast]" in said[0]
    assert len(said) == 2


def test_the_choice_itself_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "machine", lambda: None)
    with pytest.raises(MissingPiece, match="rpcdiag warm"):
        Engine(COMPILED)
    assert not Engine(PYTHON).compiled


def _follow(engine: Engine, path: str) -> tuple[CaptureReader, list[tuple[int, bool]]]:
    """How much was read at each block, and whether the compiled pass was at work after it."""
    engine.prepare([path])
    reader = CaptureReader(path, engine.sweep(path))
    look = engine.watch(reader)
    blocks: list[tuple[int, bool]] = []

    def on_block(count: int) -> None:
        if look is not None:
            look(count)
        blocks.append((count, reader.sweep.compiled))

    for _ in reader.events(on_block):
        pass
    return reader, blocks


def test_standard_input_changes_over_once_that_is_worth_it(
    machine: Machine, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = large.read_bytes()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    reader, blocks = _follow(Engine(AUTO), "-")
    assert reader.packets == 142
    assert {done for count, done in blocks if count < WORTH_BUILDING} == {False}
    assert {done for count, done in blocks if count >= WORTH_BUILDING} == {True}
    assert blocks[-1][0] == len(data)


def test_a_short_standard_input_does_not_change_over(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(SMALL.read_bytes())))
    _, blocks = _follow(Engine(AUTO), "-")
    assert not any(done for _, done in blocks)


def test_standard_input_says_what_the_file_says(machine: Machine, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(large.read_bytes())))
    piped = json.dumps(document(analyze(["-"])))
    for wish in (PYTHON, COMPILED, AUTO):
        whole = json.dumps(document(analyze([str(large)], engine=Engine(wish))))
        assert whole.replace(str(large), "-") == piped


@pytest.mark.parametrize(("wish", "worth", "builds"), [(AUTO, True, 1), (AUTO, False, 0), (PYTHON, True, 0)])
def test_what_is_missing_is_built_aside_once(
    wish: str, worth: bool, builds: int, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def build_aside() -> bool:
        started.append(wish)
        return True

    monkeypatch.setattr("rpcdiag.sweep.cache.build_aside", build_aside)
    monkeypatch.setattr(choice, "machine", lambda: None)
    monkeypatch.setattr(choice, "look_again", lambda: None)
    engine = Engine(wish)
    path = str(large if worth else SMALL)
    _, blocks = _follow(engine, path)
    _follow(engine, path)
    assert not any(done for _, done in blocks)
    assert len(started) == builds


def test_what_was_built_meanwhile_is_taken(machine: Machine, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Machine | None] = [machine]
    monkeypatch.setattr(choice, "machine", lambda: None)
    monkeypatch.setattr(choice, "look_again", lambda: looks.pop() if looks else None)
    reader, blocks = _follow(Engine(AUTO), str(large))
    assert [done for _, done in blocks].index(True) > 0
    assert blocks[-1][1]
    assert reader.packets == 142


def test_a_hand_over_happens_only_where_the_user_leaves_the_choice(large: Path) -> None:
    engine = Engine(PYTHON)
    reader = CaptureReader(str(large), engine.sweep(str(large)))
    assert engine.watch(reader) is None
    reader.close()
