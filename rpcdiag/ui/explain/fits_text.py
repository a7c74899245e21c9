"""What the captures say, for a person."""

from collections.abc import Iterator
from textwrap import wrap

from rpcdiag.diagnose.finding import Finding
from rpcdiag.report.harmless import clean
from rpcdiag.ui.explain.fits import Fits
from rpcdiag.ui.explain.text import WIDTH

MOST = 6


def lines(fits: Fits, captures: str, *, full: bool) -> Iterator[str]:
    """What fits, what else was found, what is ruled out and why."""
    for line in _lines(fits, captures, full):
        yield clean(line)


def _lines(fits: Fits, captures: str, full: bool) -> Iterator[str]:
    most = None if full else MOST
    if fits.of_code:
        yield from wrap(f"What fits, in {captures}:", WIDTH)
        for one in fits.of_code[:most]:
            yield from _finding(one)
    if fits.remark:
        yield from wrap(f"Nothing fits in {captures}. {fits.remark}", WIDTH)
    if fits.others:
        yield "Found besides:"
        for one in fits.others[:most]:
            yield from _finding(one)
    if fits.ruled_out:
        yield "Ruled out:"
        for out in fits.ruled_out:
            tag = f" [{', '.join(out.rules[:3])}]" if out.rules else ""
            yield from wrap(f"- {out.title}{tag}: {out.why}.", WIDTH, initial_indent="  ", subsequent_indent="    ",
                            break_on_hyphens=False)  # fmt: skip
    if fits.open and (full or not fits.of_code):
        yield "Not told by the capture:"
        for title in fits.open:
            yield from wrap(f"- {title}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    if fits.of_code:
        yield f"Proof and cure: rpcdiag analyze {captures}"


def _finding(one: Finding) -> Iterator[str]:
    yield from wrap(f"{one.id} {one.rule} ({one.severity}, {one.confidence}; {one.client} and {one.server}, the connection "
                    f"goes {one.direction.replace('-', ' ')})", WIDTH, initial_indent="  ", subsequent_indent="     ",
                    break_on_hyphens=False)  # fmt: skip
    yield from wrap(one.summary[:1].upper() + one.summary[1:] + ("" if one.summary.endswith(".") else "."), WIDTH,
                    initial_indent="     ", subsequent_indent="     ", break_on_hyphens=False)  # fmt: skip
    if one.next_observation:
        yield from wrap(f"To be sure: {one.next_observation}", WIDTH, initial_indent="     ", subsequent_indent="     ")
