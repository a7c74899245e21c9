"""`rpcdiag explain`: a code, an error text or a rule, in any form that a person pastes."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from rpcdiag.dissect import status
from rpcdiag.ui.causes import BY_CODE, SENTENCES, WHERE_TO_LOOK, Meaning

WIDTH = 78


class RuleCard(NamedTuple):
    """What a rule says of itself."""

    id: str
    cause: str
    title: str
    doc: str
    errors: tuple[int, ...]


def explain(text: str, rules: Sequence[RuleCard]) -> str | None:
    """What it means, what can stand behind it, how to tell; None where nothing in the text is known."""
    for rule in rules:
        if text.strip().lower() == rule.id:
            return "\n".join(_rule(rule))
    codes = _codes(text)
    if not codes:
        return None
    parts = ["\n".join(_code(code)) for code in codes[:4]]
    if any(_meaning(code) for code in codes):
        parts.append("\n".join(WHERE_TO_LOOK))
    return "\n\n".join(parts)


def _codes(text: str) -> list[int]:
    """The codes in a text: its numbers, else its symbol, else the sentence it quotes; each error once."""
    found = [number for number in status.numbers_in(text) if _known(number)]
    if not found:
        symbols = [word for word in text.replace(",", " ").split() if "_" in word] or [text]
        found = [row.code for symbol in symbols for row in status.by_symbol(symbol)[:1]]
    if not found:
        lowered = " ".join(text.lower().split())
        found = [code for sentence, code in SENTENCES if sentence in lowered][:1]
    once: dict[tuple[int, ...], int] = {}
    for code in found:
        once.setdefault(tuple(sorted(status.relatives(code))), code)
    return list(once.values())


def _known(code: int) -> bool:
    return any(status.of(relative) is not None or relative in BY_CODE for relative in status.relatives(code))


def _meaning(code: int) -> Meaning | None:
    return next((BY_CODE[one] for one in status.relatives(code) if one in BY_CODE), None)


def _code(code: int) -> Iterator[str]:
    hresult = max(status.relatives(code))
    short = min(status.relatives(code))
    name = status.status_name(hresult) or status.status_name(short) or "no symbol"
    forms = [f"0x{hresult:08X}"]
    if short != hresult:
        forms.append(f"{short} (0x{short:x})")
    forms += [str(hresult), str(hresult - (1 << 32))] if hresult >> 31 else [str(hresult)]
    yield f"{name}: {' = '.join(dict.fromkeys(forms))}"
    meaning = _meaning(code)
    row = status.of(short) or status.of(hresult)
    if meaning is None:
        if row is not None:
            yield from _wrapped(row.meaning)
            if row.seen_in:
                yield from _wrapped(f"Seen in: {row.seen_in}")
            if row.client_error:
                yield from _wrapped(f"The client then reports: {row.client_error}")
        return
    yield from _wrapped(meaning.says)
    yield from _wrapped(meaning.says_not)
    yield ""
    yield "What can stand behind it, the most common first:"
    for number, picture in enumerate(meaning.pictures, start=1):
        named = f" [{picture.rule}]" if picture.rule else ""
        yield from wrap(
            f"{number}. {picture.title}: {picture.looks}.{named}", WIDTH, initial_indent="  ", subsequent_indent="     ",
            break_on_hyphens=False,
        )  # fmt: skip


def _rule(rule: RuleCard) -> Iterator[str]:
    yield f"{rule.id} ({rule.cause}): {rule.title}"
    yield ""
    yield from rule.doc.strip().splitlines()
    if rule.errors:
        yield ""
        yield "The user reads: " + ", ".join(
            f"0x{code:08X} {status.status_name(code) or ''}".strip() for code in rule.errors
        )


def _wrapped(text: str) -> Iterator[str]:
    sentence = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    yield from wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
