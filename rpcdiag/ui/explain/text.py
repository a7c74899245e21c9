"""The answer for a person: one screen, the most decisive first; all of it where that is asked for."""

from collections.abc import Iterable, Iterator
from textwrap import wrap

from rpcdiag.dissect import status
from rpcdiag.report.harmless import clean
from rpcdiag.ui.explain import capturing, events, loglines
from rpcdiag.ui.explain.answer import Answer, Cause, CodeSaid, RuleCard

WIDTH = 78
BRIEF_CAUSES = 6
BRIEF_CODES = 3


def lines(answer: Answer, *, full: bool, asked: str = "") -> Iterator[str]:
    """The answer, line by line; `asked` is what to type again to see more."""
    held = 0  # empty lines, which never end the answer
    for line in _lines(answer, full, asked):
        if not line:
            held += 1
            continue
        yield from [""] * held
        held = 0
        yield clean(line)


def heads(answer: Answer) -> Iterator[str]:
    """Only which errors these are, a line each."""
    for one in answer.codes:
        yield clean(f"{one.name or 'no symbol'}: {' = '.join(dict.fromkeys(one.forms))}")
    if answer.codes:
        yield ""


def _lines(answer: Answer, full: bool, asked: str) -> Iterator[str]:
    if answer.rule is not None:
        yield from _rule(answer.rule)
        return
    yield from _heard(answer, full)
    yield from _codes(answer, full)
    if answer.causes:
        yield from _causes(answer, full, asked)
    yield from _next(answer, full, asked)


def _heard(answer: Answer, full: bool) -> Iterator[str]:
    """Events, extended errors and rows of a log: they are nearer to the cause than any code."""
    paste = answer.paste
    for event in paste.events[:BRIEF_CODES]:
        yield f"Event {event.number} of {event.source}, written by {event.host}"
        yield from _wrapped(f"{event.says} {event.then}")
    if paste.fields:
        yield from _wrapped(
            "It names " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in paste.fields.items())
        )
    blocked = events.connection(paste.fields)
    if blocked is not None:
        yield from _wrapped(f"What was asked for is {loglines.what_port(blocked[0])}")
    for says, _ in paste.programs[:BRIEF_CODES]:
        yield from wrap(says, WIDTH)
    if paste.chain:
        from rpcdiag.ui.explain import records

        yield "Extended error information, the symptom first, the origin last:"
        shown = paste.chain.records if full else paste.chain.records[:1] + paste.chain.records[1:][-3:]
        for number, record in enumerate(shown, start=1):
            yield from wrap(f"{number}. {records.told(record)}", WIDTH, initial_indent="  ", subsequent_indent="     ")
        if paste.chain.settles:
            yield from _wrapped(f"That settles it: {paste.chain.settles}")
    if paste.log:
        yield from wrap(f"{paste.log.rows} rows of {paste.log.title}, {paste.log.drops} of them drops. "
                        + ("What decides:" if paste.log.drops else "No drop is among them."), WIDTH)  # fmt: skip
        for line in paste.log.lines:
            yield from _wrapped(" ".join(line.says))
    for uuid, name in paste.names[: None if full else 2]:
        yield from _wrapped(f"The UUID {uuid} is {name}")
    if paste.events or paste.fields or paste.programs or paste.chain or paste.log or paste.names:
        yield ""


def _codes(answer: Answer, full: bool) -> Iterator[str]:
    codes = answer.codes
    if len(codes) > 1 and answer.paste.codes:
        yield from wrap(f"{len(codes)} errors, the outer first; the last one is nearest to the cause:", WIDTH)
    shown = codes if full or len(codes) <= BRIEF_CODES else codes[: BRIEF_CODES - 1] + codes[-1:]
    told: set[str] = set()
    for one in shown:
        yield from _code(one, told, brief=len(codes) > 1 and not full)
    if codes:
        yield ""


def _code(one: CodeSaid, told: set[str], *, brief: bool) -> Iterator[str]:
    """Its name and forms; what it means, unless a code before it meant the same."""
    forms = list(dict.fromkeys(one.forms))[: 2 if brief else None]
    yield from wrap(f"{one.name or 'no symbol'}: {' = '.join(forms)}", 80, subsequent_indent="  ")
    meaning = one.meaning
    if one.says and (meaning is None or one.client is not None or one.code.family):
        yield from _wrapped(one.says)
    if one.client is not None:
        yield from _wrapped(f"The client then reports {one.client} {status.status_name(one.client) or ''}".rstrip())
    if meaning is not None and meaning.says not in told:
        told.add(meaning.says)
        yield from _wrapped(meaning.says)
        yield from _wrapped(meaning.says_not)


def _causes(answer: Answer, full: bool, asked: str) -> Iterator[str]:
    causes = answer.causes
    hinted = sum(one.hinted for one in causes)
    if hinted:
        yield "What can stand behind it, what the text points to first:"
    else:
        yield "What can stand behind it, the most common first:" if len(causes) > 1 else "What stands behind it:"
    heard = len(list(_heard(answer, full))) + 4 * (len(answer.codes) - 1)
    most = BRIEF_CAUSES if heard < 4 else 4 if heard < 8 else 3
    shown = causes if full else causes[:most]
    for number, cause in enumerate(shown, start=1):
        yield from _cause(number, cause, full)
    left = len(causes) - len(shown)
    if left:
        again = f"rpcdiag explain --full {asked}" if asked else "the same with --full"
        yield from wrap(f"and {left} more: {again}", WIDTH, initial_indent="  ")
    yield ""


def _cause(number: int, cause: Cause, full: bool) -> Iterator[str]:
    rules = cause.rules if full else cause.rules[:2]
    tag = f" [{', '.join(rules)}]" if rules else ""
    mark = "*" if cause.hinted else " "
    yield from wrap(f"{number}. {cause.title}: {cause.looks}.{tag}", WIDTH, initial_indent=f" {mark}",
                    subsequent_indent="     ", break_on_hyphens=False)  # fmt: skip


def _next(answer: Answer, full: bool, asked: str) -> Iterator[str]:
    nearest = answer.nearest
    if nearest is not None:
        yield from wrap(f"What decides: {nearest.decides}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        for command in nearest.run[: None if full else 2]:
            yield f"  {command}"
        yield ""
    if nearest is None and not answer.causes and not answer.paste.log:
        return
    logged = nearest is not None and any(capturing.LOGGED.intersection(one.rules) for one in nearest.pictures)
    if full:
        yield from _everything()
    else:
        yield from capturing.BRIEF_CAPTURE
        if any(status.status_name(one.code.number, "tmg") for one in answer.codes):
            yield from capturing.BRIEF_TMG
        elif logged and not answer.paste.log:
            yield from capturing.BRIEF_LOG
    log = " --log pfirewall.log" if logged or answer.paste.log else ""
    yield f"Then: rpcdiag analyze rpc.pcapng{log}"
    if asked:
        yield f"      rpcdiag explain {asked} --capture rpc.pcapng     (which case fits)"
    else:
        yield "      rpcdiag explain --file TEXT --capture rpc.pcapng     (which case fits)"
    if not full:
        yield "Every way to capture and to log: --full"


def _everything() -> Iterator[str]:
    """Every way to capture and to log."""
    yield "Where to stand"
    for paragraph in capturing.WHERE:
        yield from _wrapped(paragraph)
    yield ""
    for name, remark, commands in capturing.CAPTURE:
        yield f"Capture with {name} ({remark})"
        yield from (f"  {command}" for command in commands)
    yield ""
    yield "In Wireshark, as display filters"
    yield from (f"  {expression:48} {what}" for what, expression in capturing.DISPLAY)
    yield ""
    for title, shell, commands in capturing.LOGGING:
        yield title
        for command in commands:
            yield from _wrapped(command) if shell == "steps" else [f"  {command}"]
    yield ""


def _rule(rule: RuleCard) -> Iterator[str]:
    yield f"{rule.id} ({rule.cause}): {rule.title}"
    yield ""
    yield from rule.doc.strip().splitlines()
    if rule.errors:
        yield ""
        yield from _wrapped("The user reads: " + _named(rule.errors), "")
    others = [code for code in rule.behind if not set(status.relatives(code)) & set(rule.errors)]
    if others:
        yield ""
        yield from _wrapped("It can also stand behind: " + _named(others[:12]), "")

    yield ""
    yield f"An example, twins and the changes that help: docs/rules/{rule.id}.md"


def _named(codes: Iterable[int]) -> str:
    parts = []
    for code in codes:
        number = str(code) if code < 0x10000 else f"0x{code:08X}"
        parts.append(f"{number} {status.status_name(code) or ''}".strip())
    return ", ".join(parts)


def _wrapped(text: str, indent: str = "  ") -> Iterator[str]:
    sentence = text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", ":", "!")) else ".")
    yield from wrap(sentence, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
