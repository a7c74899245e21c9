"""`rpcdiag verify`: the same capture through tshark, PDU by PDU."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from rpcdiag.errors import InputError, MissingPiece, RpcdiagError
from rpcdiag.report.names import clean
from rpcdiag.track.wire import Wire
from rpcdiag.tshark import version
from rpcdiag.ui.show import write
from rpcdiag.verify import ours
from rpcdiag.verify.compare import Comparison, Difference
from rpcdiag.verify.peer import Peer
from rpcdiag.verify.reading import Reading

OK, FOUND, UNREADABLE, CUT, MISSING = 0, 1, 2, 3, 4
_WITHOUT = {"only-ours": "tshark has no such PDU", "only-theirs": "rpcdiag has no such PDU"}


def verify(paths: list[str], complain: Callable[[object], None], *, as_json: bool) -> int:
    """Compare and print; returns the exit code.

    Raises:
        MissingPiece: tshark is not installed.
    """
    peer = version()
    codes: set[int] = set()
    write((_json if as_json else _text)(paths, peer, complain, codes), None)
    for code in (UNREADABLE, MISSING, CUT, FOUND):
        if code in codes:
            return code
    return OK


class _Run:
    """One capture; what it came to is in `codes` once `differences` has ended."""

    def __init__(self, path: str, complain: Callable[[object], None], codes: set[int]) -> None:
        self.path = path
        self._complain = complain
        self._codes = codes
        self.comparison: Comparison | None = None  # none where the capture cannot be read

    def differences(self) -> Iterator[Difference]:
        try:
            if self.path == "-":
                raise InputError("-", "standard input cannot be read twice: name a file")
            wire, peer = Wire(self.path), Peer(self.path)
            comparison = Comparison(ours.readings(wire), peer.readings())
            for difference in comparison:
                self._codes.add(FOUND)
                yield difference
        except RpcdiagError as error:
            self._complain(error)
            self._codes.add(MISSING if isinstance(error, MissingPiece) else UNREADABLE)
            return
        self.comparison = comparison
        if wire.trouble is not None or peer.trouble is not None:
            self._complain(wire.trouble or f"{self.path}: {peer.trouble}")
            self._codes.add(CUT)


def _text(paths: list[str], peer: str, complain: Callable[[object], None], codes: set[int]) -> Iterator[str]:
    yield f"against {clean(peer)}"
    for path in paths:
        yield ""
        yield clean(path)
        run = _Run(path, complain, codes)
        for difference in run.differences():
            yield from _told(difference)
        if run.comparison is not None:
            yield from _sums(run.comparison)


def _sums(comparison: Comparison) -> Iterator[str]:
    for transport in comparison.transports:
        sums = comparison.sums(transport)
        yield (
            f"  {transport:5} {sums.ours} PDUs here, {sums.theirs} in tshark: {sums.agreed} of {sums.either} agree, "
            f"{sums.percent:.2f} %"
        )
        if sums.copies:
            yield f"        and {sums.copies} recorded at a second capture point, which tshark takes for repetitions"
    for name, count in sorted(comparison.classes.items(), key=lambda item: (-item[1], item[0])):
        yield f"        differs: {name} {count}"
    if not comparison.transports:
        yield "  no RPC"


def _told(difference: Difference) -> Iterator[str]:
    one = difference.ours or difference.theirs
    assert one is not None  # a difference has at least one reading
    yield (
        f"  packet {one.packet}: {one.kind}, call {one.call_id}, {one.length} bytes, {one.source} to {one.destination}"
    )
    if difference.ours is None or difference.theirs is None:
        yield f"      {_WITHOUT[difference.what]} ({difference.why}); the other says {clean(_fields(one))}"
        return
    here, there = _value(difference.what, difference.ours), _value(difference.what, difference.theirs)
    yield f"      {difference.what} ({difference.why}): rpcdiag {clean(here)}, tshark {clean(there)}"


def _value(what: str, reading: Reading) -> str:
    return f"packet {reading.packet}" if what == "packet" else reading.fields.get(what, "none")


def _fields(reading: Reading) -> str:
    return ", ".join(f"{name} {value}" for name, value in reading.fields.items()) or "no fields"


def _json(paths: list[str], peer: str, complain: Callable[[object], None], codes: set[int]) -> Iterator[str]:
    yield "{"
    yield f'"schema_version": 1, "peer": {json.dumps(peer)}, "captures": ['
    for number, path in enumerate(paths):
        run = _Run(path, complain, codes)
        yield f'{{"path": {json.dumps(path)}, "differences": ['
        comma = ""
        for difference in run.differences():
            yield comma + json.dumps(_difference(difference))
            comma = ","
        done = run.comparison
        sums = {name: _numbers(done, name) for name in done.transports} if done is not None else None
        classes = dict(sorted(done.classes.items())) if done is not None else None
        yield f'], "classes": {json.dumps(classes)}, "transports": {json.dumps(sums)}}}' + (
            "," if number + 1 < len(paths) else ""
        )
    yield "]}"


def _numbers(comparison: Comparison, transport: str) -> dict[str, Any]:
    sums = comparison.sums(transport)
    return {**sums._asdict(), "percent": round(sums.percent, 4)}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "what": difference.what,
        "why": difference.why,
        "packet": difference.packet,
        "ours": difference.ours._asdict() if difference.ours else None,
        "theirs": difference.theirs._asdict() if difference.theirs else None,
    }
