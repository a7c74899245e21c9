"""From what a text holds to what it means: the answer as data, which `text` and `data` show."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from rpcdiag.dissect import status
from rpcdiag.ui.explain import events, pasted
from rpcdiag.ui.explain.causes import BY_CODE, BY_SYMBOL, Meaning, Picture
from rpcdiag.ui.explain.pasted import Code, Paste

_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_UNITS = {"kerberos": "Kerberos", "bind_nak_reason": "bind_nak", "eeinfo_location": "detection location",
          "bind_ack_reason": "bind_ack reason", "bind_ack_result": "bind_ack result"}  # fmt: skip


class CodeSaid(NamedTuple):
    """One code: its name and forms, and what it means; `client` is what the client's program makes of it."""

    code: Code
    name: str | None
    forms: tuple[str, ...]
    says: str | None
    meaning: Meaning | None
    client: int | None = None


class Cause(NamedTuple):
    """A cause that can stand behind the text; `hinted` by something in the text itself."""

    title: str
    looks: str
    rules: tuple[str, ...]
    hinted: bool


class RuleCard(NamedTuple):
    """What a rule says of itself, and the codes behind which it can stand."""

    id: str
    cause: str
    title: str
    doc: str
    errors: tuple[int, ...]
    behind: tuple[int, ...]


class Answer(NamedTuple):
    """What is known of a text. `left_out` counts causes that only the full answer lists."""

    paste: Paste
    codes: tuple[CodeSaid, ...]
    causes: tuple[Cause, ...]
    rule: RuleCard | None = None

    @property
    def known(self) -> bool:
        return self.paste.known or self.rule is not None

    @property
    def nearest(self) -> Meaning | None:
        """What the innermost code means that means anything in particular."""
        return next((one.meaning for one in reversed(self.codes) if one.meaning), None)


def answer(text: str, *, full: bool = False) -> Answer:
    """All that is known of a text; with `full` also the rules that name its errors themselves."""
    stripped = text.strip().lower()
    if _ID.fullmatch(stripped) and (card := rule_card(stripped)):
        return Answer(Paste((), (), (), {}, None, None, ()), (), (), card)
    paste = pasted.read(text)
    codes = paste.codes or _meant(paste)
    said = tuple(_said(code) for code in codes)
    causes = _causes(said, _hints(paste), frozenset(rule_ids()))
    if full:
        causes += _declared(said, causes)
    return Answer(paste, said, tuple(causes))


def _meant(paste: Paste) -> tuple[Code, ...]:
    """The codes that events and programs stand for, where the text names none."""
    found = [code for event in paste.events for code in event.codes]
    found += [code for _, codes in paste.programs for code in codes]
    return tuple(Code(code, None, "") for code in dict.fromkeys(found))


def rule_ids() -> list[str]:
    """The rules that ship with the program, by their file names: nothing is loaded for it."""
    from rpcdiag import __path__ as places  # no pathlib: it costs 5 ms

    names: list[str] = []
    for place in places:
        folder = os.path.join(place, "diagnose", "rules")  # noqa: PTH118
        with suppress(OSError):
            names += os.listdir(folder)  # noqa: PTH208
    return sorted(name[:-3].replace("_", "-") for name in names if name.endswith(".py") and not name.startswith("_"))


def rule_card(id: str) -> RuleCard | None:
    """What the rule called `id` says of itself; None where there is none."""
    import sys

    from rpcdiag.diagnose.judge import rules

    for rule in rules():
        if rule.id == id:
            doc = sys.modules[rule.check.__module__].__doc__ or ""
            return RuleCard(id, rule.cause, rule.title, doc, rule.errors, behind(id))
    return None


def behind(id: str) -> tuple[int, ...]:
    """The codes behind which a rule can stand, in the order of the table."""
    return tuple(code for code, meaning in BY_CODE.items() if any(id in one.rules for one in meaning.pictures))


def meaning_of(code: int, family: str | None = None) -> Meaning | None:
    """What a code means, in any of its dresses."""
    if family is not None:
        return BY_SYMBOL.get(status.status_name(code, family) or "")
    return next((BY_CODE[one] for one in status.relatives(code) if one in BY_CODE), None)


def _said(code: Code) -> CodeSaid:
    number = code.number
    if code.family is not None:
        row = status.of(number, code.family)
        unit = _UNITS.get(code.family, code.family)
        name = row.symbol if row else None
        return CodeSaid(code, name, (f"{unit} {number}", f"0x{number:x}"), row.meaning if row else None,
                        meaning_of(number, code.family))  # fmt: skip
    relatives = status.relatives(number)
    name = next((name for one in relatives if (name := status.status_name(one))), None)
    meaning = meaning_of(number)
    if meaning is not None:  # the table of meanings is large
        return CodeSaid(code, name, tuple(_forms(number)), None, meaning)
    row = next((row for one in sorted(relatives) if (row := status.of(one)) is not None), None)
    client = row.client_code() if row is not None else None
    if client is not None and client not in relatives:
        meaning = meaning_of(client)
    else:
        client = None
    return CodeSaid(code, name, tuple(_forms(number)), row.meaning if row else None, meaning, client)


def _forms(code: int) -> Iterator[str]:
    """`0x800706BA`, `1722`, `2147944122`, `-2147023174`"""
    relatives = status.relatives(code)
    short, long = min(relatives), max(relatives)
    yield f"0x{long:08X}"
    if short != long:
        yield f"{short} (0x{short:x})"
    yield str(long)
    if long >> 31:
        yield str(long - (1 << 32))


def _hints(paste: Paste) -> frozenset[str]:
    """The rules that something in the text itself points to."""
    blocked = events.connection(paste.fields)
    found = list(blocked[1]) if blocked else [rule for event in paste.events for rule in event.rules]
    for line in paste.log.lines if paste.log else ():
        found += line.rules
    if paste.chain:
        found += paste.chain.rules
    return frozenset(found)


def _causes(codes: Sequence[CodeSaid], hints: frozenset[str], known: frozenset[str]) -> list[Cause]:
    """Of the innermost code first; those that the text points to before all others."""
    pictures: dict[str, Picture] = {}
    for code in reversed(codes):
        for picture in code.meaning.pictures if code.meaning else ():
            pictures.setdefault(picture.title, picture)
    found = [
        Cause(one.title, one.looks, tuple([rule for rule in one.rules if rule in known]), bool(hints.intersection(one.rules)))
        for one in pictures.values()
    ]  # fmt: skip
    return sorted(found, key=lambda one: not one.hinted)


def _declared(codes: Iterable[CodeSaid], causes: Iterable[Cause]) -> list[Cause]:
    """Rules that name one of the codes as what the user reads, and are in none of the causes."""
    from rpcdiag.diagnose.judge import rules

    wanted = {other for one in codes if one.code.family is None for other in status.relatives(one.code.number)}
    named = {rule for cause in causes for rule in cause.rules}
    return [
        Cause(rule.title, "see what the rule says of itself", (rule.id,), False)
        for rule in rules()
        if rule.id not in named and wanted.intersection(rule.errors)
    ]
