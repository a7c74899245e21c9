"""A long run of mutated captures through the whole analysis: `python -m tests.fuzz.fuzz_analysis SEED COUNT`.

What must hold of each: nothing is raised, it does not take long, the sums hold, and nothing surer than likely rests on
what was read from the remains of an answer. Ends at the first seed where it does not; `--seconds N` ends it after N.
"""

import argparse
import faulthandler
import gc
import json
import os
import random
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import jsonschema

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture import blocks
from rpcdiag.capture.choice import PYTHON, Engine
from rpcdiag.model.evidence import Confidence
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import html as html_output
from rpcdiag.report.outputs import json as json_output
from rpcdiag.report.outputs import text
from rpcdiag.report.schema import SCHEMA
from rpcdiag.track.facts import Readable
from tests.build.containers import ETHERNET, Frame
from tests.corpus.at_hand import CORPUS
from tests.fuzz.carriers import MADE, made
from tests.fuzz.mutants import CAPTURES, IP, TCP, mutant, original, spoilt

SLOWEST_S = 5.0
WARM_UP = 500  # mutants; by then what is loaded once and kept is there
MOST_GROWTH = 64 << 20
VALIDATE_EVERY = 50
TELL_EVERY = 5000
SMALL, LARGEST = 20_000, 200_000  # bytes of a public capture: most mutants come of small ones
TOO_SURE = (Confidence.PROVEN, Confidence.ESTABLISHED)
_BINDS = frozenset({11, 12, 14, 15})
_VALID = jsonschema.Draft202012Validator(SCHEMA)


class Public(NamedTuple):
    """A public capture; `packets` are there where they are Ethernet frames."""

    data: bytes
    packets: tuple[Frame, ...]


class Ran(NamedTuple):
    """What a run came to."""

    captures: int
    slowest: tuple[float, int]  # seconds, seed
    growth: int  # bytes


def check(seed: int, folder: Path) -> float:
    """The seconds that one mutant took; an AssertionError where it is not as it must be."""
    path = folder / "mutant.capture"
    rng = random.Random(f"analysis {seed}")
    whole = rng.random() < 0.1 and len(public()) > 0
    changed = mutant(seed, _some)
    path.write_bytes(spoilt(rng, bytearray(rng.choice(public()).data)) if whole else changed.data)
    brief = rng.random() < 0.5
    began = time.perf_counter()
    with patch.object(blocks, "BLOCK", changed.block):
        engine = Engine(PYTHON, max_flows=changed.max_flows, jobs=1)
        diagnosis = analyze([str(path)], engine=engine, brief=brief)
    written = "\n".join(json_output.render(diagnosis, Options()))
    took = time.perf_counter() - began
    assert took <= SLOWEST_S, f"took {took:.1f} s"
    assert diagnosis.case.accounting.sums_hold, diagnosis.case.accounting
    not_too_sure(diagnosis)
    if seed % VALIDATE_EVERY == 0:
        _VALID.validate(json.loads(written))
        assert all(line.isprintable() for line in text.render(diagnosis, Options()))
        lines = "\n".join(html_output.render(diagnosis, Options())).split("\n")
        assert all(line.isprintable() for line in lines)
    return took


def not_too_sure(diagnosis: Diagnosis) -> None:
    """Nothing surer than likely rests on carved bytes, or on a call whose bind nobody saw."""
    case = diagnosis.case
    carved = {one.id for one in case.referrals if one.referral.readable is Readable.CARVED}
    for finding in diagnosis.findings:
        if finding.confidence in TOO_SURE:
            assert not carved.intersection(finding.referrals), finding
    for flow in case.flows:
        if flow.origin.referral is not None and flow.origin.confidence in TOO_SURE:
            referral = case.referrals[flow.origin.referral].referral
            assert referral.readable is not Readable.CARVED, (flow.id, flow.origin)
            assert not referral.unbound, (flow.id, flow.origin)


def run(first: int, count: int, folder: Path, seconds: float = float("inf")) -> Ran:
    """Mutants by their seeds; the growth of this process is looked at as often as it tells how far it is."""
    began = time.monotonic()
    slowest, ran, before = (0.0, first), 0, 0
    while ran < count and time.monotonic() - began < seconds:
        seed = first + ran
        try:
            slowest = max(slowest, (check(seed, folder), seed))
        except BaseException:
            print(f"seed {seed}: python -m tests.fuzz.fuzz_analysis {seed} 1", file=sys.stderr)  # noqa: T201
            raise
        ran += 1
        if ran == WARM_UP:
            before = _resident()
        if ran > WARM_UP and ran % TELL_EVERY == 0:
            growth = _resident() - before
            print(_told(Ran(ran, slowest, growth), time.monotonic() - began), flush=True)  # noqa: T201
            assert growth < MOST_GROWTH, f"grew by {growth >> 20} MB"
    return Ran(ran, slowest, _resident() - before if ran > WARM_UP else 0)


def _told(ran: Ran, seconds: float) -> str:
    took, seed = ran.slowest
    return (
        f"{ran.captures} captures in {seconds:.0f} s, the slowest {took:.2f} s (seed {seed}), "
        f"grown by {ran.growth / (1 << 20):.1f} MB"
    )


def _resident() -> int:
    """Bytes of this process in memory, 0 where the system does not say."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


# --- what is mutated


def _some(rng: random.Random) -> tuple[Frame, ...]:
    """A capture of `pcaps/`, one that is made for this or a public one; of some only what a late or lossy one has."""
    kind = rng.random()
    if kind < 0.3 and _framed(rng.random() < 0.93):
        packets = rng.choice(_framed(small=rng.random() < 0.93)).packets
    elif kind < 0.65:
        packets = original(rng.randrange(len(CAPTURES)))
    else:
        packets = made(rng.randrange(len(MADE)))
    loss = rng.random()
    if loss < 0.1:
        return packets[rng.randrange(len(packets)) :]
    if loss < 0.2:
        share = rng.choice((0.05, 0.2))
        return tuple(one for one in packets if rng.random() >= share)
    if loss < 0.3:
        return tuple(one for one in packets if not _binds(one.data))
    return packets


def _binds(frame: bytes) -> bool:
    """Whether it is a PDU that agrees on contexts; without it the calls are of an interface that nobody knows."""
    payload = frame[TCP + 20 :] if len(frame) > TCP + 20 and frame[IP + 9] == 6 else b""
    return len(payload) > 16 and payload[0] == 5 and payload[2] in _BINDS


@cache
def public() -> tuple[Public, ...]:
    """The small public captures that lie beside the checkout; none where they do not."""
    paths = sorted(path for path in CORPUS.rglob("*.*cap*") if path.is_file() and path.stat().st_size < LARGEST)
    return tuple(Public(path.read_bytes(), _frames(path)) for path in paths)


@cache
def _framed(small: bool) -> tuple[Public, ...]:
    return tuple(one for one in public() if one.packets and (len(one.data) < SMALL) == small)


def _frames(path: Path) -> tuple[Frame, ...]:
    from scapy.utils import RawPcapReader

    found = []
    with RawPcapReader(str(path)) as packets:
        for data, about in packets:
            if getattr(about, "linktype", None) not in (None, ETHERNET) or getattr(packets, "linktype", 1) != ETHERNET:
                return ()
            if hasattr(about, "tshigh"):
                ticks = about.tshigh << 32 | about.tslow
                time_ns = ticks * 1_000_000_000 // about.tsresol
            else:
                time_ns = about.sec * 1_000_000_000 + about.usec * (1 if packets.nano else 1000)
            found.append(Frame(time_ns, 0, data, about.wirelen))
    return tuple(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, help="the first; the same mutants for the same seeds")
    parser.add_argument("count", type=int, help="how many, each of the next seed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="ends after so many")
    wanted = parser.parse_args()
    faulthandler.enable()
    memory = Path("/dev/shm")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rpcdiag-fuzz-", dir=memory if memory.is_dir() else None) as folder:
        try:
            ran = run(wanted.seed, wanted.count, Path(folder), wanted.seconds)
        except Exception:  # noqa: BLE001  whatever it is, it is told with its traceback
            traceback.print_exc()
            return 1
    print(_told(ran, time.monotonic() - began) + f"; seeds {wanted.seed} to {wanted.seed + ran.captures - 1}")  # noqa: T201
    if ran.growth >= MOST_GROWTH:
        print("too much is kept", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
