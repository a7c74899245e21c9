"""Every capture of some folders through `rpcdiag verify`; the tables of docs/verify.md.

    python tools/measure_verify.py FOLDER...

What stands between the two marks in docs/verify.md is written anew; the rest of the page is for people.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rpcdiag.errors import RpcdiagError
from rpcdiag.track.wire import Wire
from rpcdiag.tshark import version
from rpcdiag.verify import ours
from rpcdiag.verify.compare import Comparison, Sums
from rpcdiag.verify.peer import Peer
from tests.build.disorder import WAYS, made
from tests.build.verifying import compared

SEEDS = 40
PAGE = Path(__file__).resolve().parents[1] / "docs" / "verify.md"
BEGIN, END = "<!-- measured: tools/measure_verify.py -->", "<!-- end -->"


class Measured(NamedTuple):
    name: str
    sums: dict[str, Sums]
    classes: Counter[tuple[str, str]]  # transport and class
    trouble: str


def measure(path: Path, folder: Path) -> Measured:
    name = str(path.relative_to(folder.parent))
    try:
        wire, peer = Wire(str(path)), Peer(str(path))
        comparison = Comparison(ours.readings(wire), peer.readings())
        classes: Counter[tuple[str, str]] = Counter()
        for difference in comparison:
            reading = difference.ours or difference.theirs
            assert reading is not None  # a difference has at least one
            classes[reading.transport, f"{difference.what} ({difference.why})"] += 1
    except RpcdiagError as error:
        return Measured(name, {}, Counter(), str(error).replace(str(path), path.name))
    sums = {transport: comparison.sums(transport) for transport in comparison.transports}
    return Measured(name, sums, classes, "cut short" if wire.trouble or peer.trouble else "")


def lines(folders: list[Path]) -> Iterator[str]:
    captures = [(path, folder) for folder in folders for path in sorted(folder.rglob("*.*cap*")) if path.is_file()]
    measured = [measure(path, folder) for path, folder in captures]
    yield f"Against {version().partition(' (Git')[0]}; {len(measured)} captures."
    yield ""
    yield from _totals(measured)
    yield ""
    yield "| capture | transport | ours | tshark's | agreed | % | at a second point | differs |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for one in measured:
        yield from _rows(one)
    without = sum(not one.sums and not one.trouble for one in measured)
    yield ""
    yield f"{without} captures hold no RPC for either."


def _totals(measured: list[Measured]) -> Iterator[str]:
    yield "| transport | ours | tshark's | either's | agreed | % |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for transport in sorted({transport for one in measured for transport in one.sums}):
        each = [one.sums[transport] for one in measured if transport in one.sums]
        here, there = sum(one.ours for one in each), sum(one.theirs for one in each)
        either, agreed = sum(one.either for one in each), sum(one.agreed for one in each)
        yield f"| {transport} | {here} | {there} | {either} | {agreed} | {100 * agreed / (either or 1):.2f} |"
    every = [sums for one in measured for sums in one.sums.values()]
    either, agreed = sum(one.either for one in every), sum(one.agreed for one in every)
    here, there = sum(one.ours for one in every), sum(one.theirs for one in every)
    yield f"| all | {here} | {there} | {either} | {agreed} | {100 * agreed / (either or 1):.2f} |"


def _rows(one: Measured) -> Iterator[str]:
    if one.trouble and not one.sums:
        yield f"| {one.name} | | | | | | | {one.trouble} |"
    for transport, sums in one.sums.items():
        classes = [f"{name} {count}" for (of, name), count in sorted(one.classes.items()) if of == transport]
        said = "; ".join(part for part in (", ".join(classes), one.trouble) if part)
        numbers = f"{sums.ours} | {sums.theirs} | {sums.agreed} | {sums.percent:.2f} | {sums.copies or ''}"
        yield f"| {one.name} | {transport} | {numbers} | {said} |"


def spoiled() -> Iterator[str]:
    """Captures made for it, spoiled as networks and capture points spoil them."""
    yield f"Captures made for it (`tests/build/disorder.py`), {SEEDS} of each kind:"
    yield ""
    yield "| what is wrong | ours | tshark's | agreed | % | differs |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for way, says in WAYS.items():
        classes: Counter[str] = Counter()
        sums: list[Sums] = []
        for seed in range(SEEDS):
            comparison, _ = compared(made(seed, way))
            sums.append(comparison.sums("tcp"))
            classes += comparison.classes
        here, there = sum(one.ours for one in sums), sum(one.theirs for one in sums)
        agreed, either = sum(one.agreed for one in sums), sum(one.either for one in sums)
        differs = ", ".join(f"{name} {count}" for name, count in sorted(classes.items()))
        yield f"| {says} | {here} | {there} | {agreed} | {100 * agreed / either:.2f} | {differs} |"


def main() -> int:
    folders = [Path(name) for name in sys.argv[1:]]
    if not folders or not all(folder.is_dir() for folder in folders):
        print(__doc__)
        return 2
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(
        f"{before}{BEGIN}\n\n" + "\n".join([*lines(folders), "", *spoiled()]) + f"\n\n{END}{after}", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
