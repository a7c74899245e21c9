"""docs/error-codes.md out of what `rpcdiag explain` knows.

    python tools/make_error_codes.py [--check]

With --check nothing is written; the exit code says whether the guide is up to date.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rpcdiag.diagnose.judge import rules as all_rules  # noqa: E402  of this checkout
from rpcdiag.dissect import status  # noqa: E402
from rpcdiag.ui.explain import capturing, data, events  # noqa: E402
from rpcdiag.ui.explain.causes import BY_CODE, BY_SYMBOL, Meaning  # noqa: E402

FIRST = (1722, 1753, 5, 1726, 1727)
TARGET = ROOT / "docs" / "error-codes.md"
BEGIN = """# I have an error code

Made by `tools/make_error_codes.py` out of what the program knows; a test keeps it so.

Paste what you have, in any form; the number may be hexadecimal, decimal or negative, the text may be a message, an
event, a record of extended error information, or some lines of a firewall's log:

    rpcdiag explain 0x800706BA
    rpcdiag explain -2147023174
    rpcdiag explain "WBEM_E_UNKNOWN (2147944122)"
    rpcdiag explain "Der RPC-Server ist nicht verfügbar"
    rpcdiag explain KRB_AP_ERR_MODIFIED
    rpcdiag explain --file event.txt
    Get-Clipboard -Raw | rpcdiag explain

The answer fits on a screen: what it means and what it does not, the causes in the order of how common they are, what
tells them apart, and how to capture it. `--full` lists every cause with the rules that find it, and every way to capture
and to log; `-T json` gives the same as data. A line that begins with `*` is a cause that the pasted text itself points
to. The exit code is 0, or 2 where nothing in the text is known: it does not guess, a bare `5` in a sentence is no error.

With a capture it says which of the causes it is, which are ruled out and by which packet:

    rpcdiag explain 0x800706BA --capture rpc.pcapng --log pfirewall.log

Where a text holds several errors, the outer one comes first; the last one is nearest to the cause. Records of extended
error information, as repadmin and dcdiag print them, are read from the bottom: the last record is the origin.
"""


def guide() -> Iterator[str]:
    yield BEGIN
    yield "## What the codes mean\n"
    for meaning, codes in _grouped():
        yield from _about(meaning, codes)
    yield "## Events\n"
    yield "| event | source | written by | what it says |"
    yield "| --- | --- | --- | --- |"
    for one in events.EVENTS:
        yield f"| {one.number} | {one.source} | {one.host} | {one.says} {one.then} |"
    yield ""
    yield from _capturing()
    yield "## As data: -T json\n"
    yield from (f"{line}".rstrip() for line in (data.__doc__ or "").strip().splitlines()[2:])


def _grouped() -> list[tuple[Meaning, list[str]]]:
    """Meanings by number, each with the codes that have it; those that people meet most lead."""
    found: dict[int, tuple[Meaning, list[str]]] = {}
    for code in sorted(BY_CODE, key=lambda code: (FIRST.index(code) if code in FIRST else len(FIRST), code)):
        found.setdefault(id(BY_CODE[code]), (BY_CODE[code], []))[1].append(_name(code))
    for symbol, meaning in BY_SYMBOL.items():
        row = status.by_symbol(symbol)[0]
        found.setdefault(id(meaning), (meaning, []))[1].append(f"{row.family} {row.code} `{symbol}`")
    return list(found.values())


@cache
def _anchors() -> dict[int, str]:
    """Of each code, the place of the heading under which it stands, as mkdocs names it."""
    found = {}
    for meaning, codes in _grouped():
        plain = re.sub(r"[^\w\s-]", "", codes[0]).strip().lower()
        slug = re.sub(r"[-\s]+", "-", plain)
        for code, known in BY_CODE.items():
            if known is meaning:
                found.update(dict.fromkeys(status.relatives(code), slug))
    return found


def anchor(code: int) -> str | None:
    """The place in the guide where the code is explained; None where it is not."""
    return _anchors().get(code)


def _name(code: int) -> str:
    long = max(status.relatives(code))
    short = f"{min(status.relatives(code))} = " if code < 0x10000 else ""
    name = status.status_name(code) or status.status_name(long)
    return f"{short}0x{long:08X}" + (f" `{name}`" if name else "")


def _about(meaning: Meaning, codes: list[str]) -> Iterator[str]:
    known = {rule.id for rule in all_rules()}
    yield f"### {codes[0]}\n"
    if codes[1:]:
        yield "Also " + ", ".join(codes[1:]) + ".\n"
    yield f"{meaning.says} {meaning.says_not}\n"
    for number, picture in enumerate(meaning.pictures, start=1):
        rules = ", ".join(f"[{rule}](rules/{rule}.md)" for rule in picture.rules if rule in known)
        yield f"{number}. **{picture.title}**: {picture.looks}." + (f" ({rules})" if rules else "")
    if meaning.pictures:
        yield ""
    yield f"What decides: {meaning.decides}\n"
    if meaning.run:
        yield from (f"    {command}" for command in meaning.run)
        yield ""


def _capturing() -> Iterator[str]:
    yield "## How to capture it\n"
    for paragraph in capturing.WHERE:
        yield f"{paragraph}\n"
    for tool, remark, commands in capturing.CAPTURE:
        yield f"{tool}: {remark}\n"
        yield from (f"    {command}" for command in commands)
        yield ""
    yield "Display filters of Wireshark:\n"
    yield from (f"    {expression:48} {what}" for what, expression in capturing.DISPLAY)
    yield ""
    yield "## How to make the firewall write down what it drops\n"
    for title, shell, commands in capturing.LOGGING:
        yield f"{title}:\n"
        yield from (command if shell == "steps" else f"    {command}" for command in commands)
        yield ""


def main() -> int:
    text = "\n".join(guide()).rstrip() + "\n"
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv:
        print(f"out of date: {TARGET.relative_to(ROOT)}")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"written: {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
