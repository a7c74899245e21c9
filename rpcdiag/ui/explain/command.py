"""`rpcdiag explain`, from its arguments to what is printed."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rpcdiag.ui.explain.answer import Answer, answer
from rpcdiag.ui.explain.pasted import MAX_TEXT

if TYPE_CHECKING:  # loaded only where there is a capture
    from rpcdiag.ui.explain.fits import Fits

KNOWN, UNKNOWN = 0, 2
Complain = Callable[[object], None]


class Asked(NamedTuple):
    """What was asked: words, or the text of a file or of standard input; captures beside it."""

    words: Sequence[str]
    file: str | None
    captures: Sequence[str]
    logs: Sequence[str]
    full: bool
    as_json: bool


def explain(asked: Asked, complain: Complain) -> int:
    """Print what is known of a text; the exit code."""
    try:
        text = _text(asked)
    except OSError as error:
        complain(f"{asked.file}: {error.strerror or error}")
        return UNKNOWN
    if text is None:
        complain("explain what? Give a code, a text or a rule, '-' for standard input, or --file")
        return UNKNOWN
    found = answer(text, full=asked.full or asked.as_json)
    if not found.known:
        shown = " ".join(text.split())
        complain(
            f"'{shown[:80]}{'...' if len(shown) > 80 else ''}' is no code, text or rule that is known; "
            f"'rpcdiag rules' lists the rules{_elsewhere(text)}"
        )
        if asked.as_json:
            _print_json(found, None)
        return UNKNOWN
    fits, done = _fits(asked, found, complain) if asked.captures else (None, KNOWN)
    if asked.as_json:
        _print_json(found, fits)
    else:
        _print_text(asked, text, found, fits)
    return done


def _elsewhere(text: str) -> str:
    """Who knows a Win32 code that has nothing to do with RPC."""
    from rpcdiag.dissect.status import numbers_in

    for code in numbers_in(text[:1000]):
        if code >> 16 == 0x8007:
            return (
                f". {code:#010x} is the Win32 error {code & 0xFFFF}: on Windows 'net helpmsg {code & 0xFFFF}' tells it"
            )
    return ""


def _text(asked: Asked) -> str | None:
    """What is to be explained; None where nothing was given.

    Raises:
        OSError: the file cannot be read.
    """
    if asked.file is not None and asked.file != "-":
        with open(asked.file, "rb") as stream:
            return _decoded(stream.read(MAX_TEXT))
    if asked.file == "-" or list(asked.words) == ["-"] or (not asked.words and not sys.stdin.isatty()):
        return _decoded(sys.stdin.buffer.read(MAX_TEXT))
    return " ".join(asked.words) if asked.words else None


def _decoded(raw: bytes) -> str:
    """Text as Windows writes it: with a mark, UTF-16 without one, UTF-8, or the old code page."""
    for mark, coding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if raw.startswith(mark):
            return raw[len(mark) :].decode(coding, "replace")
    if raw[1:200:2].count(0) > len(raw[1:200:2]) // 2:
        return raw.decode("utf-16-le", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _fits(asked: Asked, found: Answer, complain: Complain) -> "tuple[Fits | None, int]":
    """What the captures say, and the exit code: as `analyze` has it where they cannot be read."""
    from rpcdiag.analysis import analyze
    from rpcdiag.ui.explain.fits import compare

    diagnosis = analyze(list(asked.captures), list(asked.logs))
    for trouble in (*diagnosis.troubles, *diagnosis.cuts):
        complain(trouble)
    if not diagnosis.case.captures:
        return None, UNKNOWN
    return compare(found, diagnosis), UNKNOWN if diagnosis.troubles else KNOWN


def _print_json(found: Answer, fits: "Fits | None") -> None:
    import json

    from rpcdiag.ui.explain import data
    from rpcdiag.ui.show import write

    beside: dict[str, Any] | None = None
    if fits is not None:
        from rpcdiag.ui.explain.fits import document

        beside = document(fits)
    write([json.dumps(data.document(found, beside), indent=1)], None)


def _print_text(asked: Asked, text: str, found: Answer, fits: "Fits | None") -> None:
    from rpcdiag.ui.explain import text as prose
    from rpcdiag.ui.show import write

    shown: list[str] = []
    if fits is not None:  # what was found is worth more than what could be
        from rpcdiag.ui.explain import fits_text

        shown += [*prose.heads(found), *fits_text.lines(fits, " ".join(asked.captures), full=asked.full)]
    if fits is None or asked.full:
        shown += [""] if shown else []
        shown += prose.lines(found, full=asked.full, asked=_again(asked, text, found))
    write(shown, None)


def _again(asked: Asked, text: str, found: Answer) -> str:
    """What to type to ask the same again: the text where it is short, the code where that is all; else nothing."""
    short = text.strip()
    if asked.words and len(short) <= 24 and short.replace("_", "").replace("-", "").isalnum():
        return short
    if asked.file is not None and asked.file != "-":
        return f"--file {asked.file}"
    if len(found.codes) == 1 and found.paste.codes and not found.paste.log and found.codes[0].code.family is None:
        return found.codes[0].forms[0]
    return ""
