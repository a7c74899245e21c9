"""A page for each rule: what it says, what shows it, what to do about it, what else it could be; and the list of them."""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

from rpcdiag.diagnose.finding import Rule
from rpcdiag.diagnose.judge import rules
from rpcdiag.dissect import status
from rpcdiag.model.evidence import Confidence, Severity
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.ui.explain.answer import behind
from tests.causes.shown_cause import Shown, all_shown
from tools import make_error_codes
from tools.pages.markdown import Page, block, escaped, heading, prose, table, told
from tools.pages.shown import Found, findings, found

FAMILIES = {
    "A": "The endpoint mapper does not have it",
    "D": "DCOM",
    "E": "Port 135",
    "F": "The dynamic port, and rules for it",
    "H": "The connection breaks, or its answer is lost",
    "L": "No RPC to be seen",
    "M": "Size",
    "N": "Names and addresses",
    "P": "Logons and rights",
}
MAX_BEHIND = 6
ROOT = Path(__file__).resolve().parents[2]
DOCS, PCAPS = ROOT / "docs", ROOT / "pcaps"
_PROPER = ("Kerberos", "Windows", "Netlogon")
_CODE = re.compile(r"(`[^`]*`)")


def pages() -> Iterator[Page]:
    yield Page("rules.md", _index)
    for rule in rules():
        yield Page(f"rules/{rule.id}.md", partial(_page, rule))


def linked(text: str, folder: str = "") -> str:
    """The names of rules become links, outside of code."""
    names = "|".join(sorted(map(re.escape, _by_id()), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])({names})(?![\w-])")
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else pattern.sub(rf"[\1]({folder}\1.md)", part) for part in parts)


@cache
def _by_id() -> dict[str, Rule]:
    return {rule.id: rule for rule in rules()}


def place(rule: Rule) -> tuple[str, int, str]:
    """Causes in the order of their ids: E2 before E10."""
    digits = re.sub(r"\D", "", rule.cause)
    return re.sub(r"\d.*", "", rule.cause), int(digits or 0), rule.id


def _index() -> Iterator[str]:
    yield from heading("Rules")
    yield 'What rpcdiag can find behind "the RPC server is unavailable" and its kin. Each rule has a page: what it looks like,'
    yield "what it is not, a capture that shows it with what the program says of it, and what to change. For every rule a test"
    yield "makes a small capture that shows it, and for causes that look alike one of each (`tests/causes/shown`)."
    yield ""
    yield "A finding is *proven* where packets and a log agree, *established* where bytes alone show it, else *likely* or *possible*;"
    yield "then it names the one observation that would decide. Of a case the primary cause is listed first; what only follows from it"
    yield "stands under it. What tshark says of the same captures: [expert information](expert-information.md)."
    yield ""
    yield "The letter is the family of the cause in the JSON document's `cause`."
    for letter, title in FAMILIES.items():
        yield ""
        yield f"## {title} ({letter})"
        yield ""
        chosen = [rule for rule in sorted(rules(), key=place) if rule.cause.startswith(letter)]
        yield from table(
            ("", "rule", "what it says", "it is"),
            (
                (rule.cause, f"[{rule.id}](rules/{rule.id}.md)", escaped(rule.title), _severities(rule))
                for rule in chosen
            ),
        )


def _page(rule: Rule) -> Iterator[str]:
    first, _, rest = prose(rule.check).partition("\n\n")
    examples = found()[rule.id]
    best = min(examples, key=lambda one: _rank(rule, one))
    yield from heading(rule.id)
    yield f"**{escaped(rule.title)}.** {linked(escaped(' '.join(first.splitlines())))}"
    yield ""
    *said, _ = told(rest, linked)  # without the empty line behind it: what follows is of the same list
    yield from said
    yield from _facts(rule)
    yield ""
    yield "## What the report says"
    yield ""
    yield from _example(best)
    yield from _remedies(best, examples)
    yield from _alike(rule, examples)
    yield ""
    yield f"All rules: [the list](../rules.md). The gist of this page on a terminal: `rpcdiag explain {rule.id}`."


def _rank(rule: Rule, one: Found) -> tuple[int, bool, bool]:
    """The surest example first; of these the plainest."""
    return tuple(Confidence).index(one.finding.confidence), one.shown.beside is not None, one.shown.name != rule.id


def _facts(rule: Rule) -> Iterator[str]:
    """What a person who has the name of the rule in hand wants to know of it at once."""
    yield f"- **How bad, how sure**: {_severities(rule)}; {_sureness(rule)}"
    if rule.errors:
        yield f"- **The user reads**: {', '.join(_error(code) for code in rule.errors)}"
    known = {relative for code in rule.errors for relative in status.relatives(code)}
    others = {  # one of those that mean the same
        make_error_codes.anchor(code): code
        for code in reversed(behind(rule.id))
        if not known & {*status.relatives(code)}
    }
    if others:
        more = f" and {len(others) - MAX_BEHIND} more" if len(others) > MAX_BEHIND else ""
        yield f"- **It can stand behind**: {', '.join(_error(code) for code in sorted(others.values())[:MAX_BEHIND])}{more}"
    yield f"- **Family**: {FAMILIES[rule.cause[0]]} ({rule.cause})"


def _severities(rule: Rule) -> str:
    """How bad it can be, the worst first, as its module says."""
    source = inspect.getsource(sys.modules[rule.check.__module__])
    said = {one for one in Severity if f"Severity.{one.name}" in source}
    said.update(one.severity for one in findings()[rule.id])
    return _either([one.value for one in Severity if one in said])


def _sureness(rule: Rule) -> str:
    source = inspect.getsource(sys.modules[rule.check.__module__])
    said = {one for one in Confidence if f"Confidence.{one.name}" in source}
    said.update(one.confidence for one in findings()[rule.id])
    if "observe.surer(" in source or "refused.finding(" in source:
        said.add(Confidence.PROVEN)
    return _either([one.value for one in Confidence if one in said])


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _error(code: int) -> str:
    """Its number and symbol, with a link to what is said of it."""
    number = str(code) if code < 0x10000 else f"0x{code:08X}"
    text = f"{number} {status.status_name(code) or ''}".strip()
    anchor = make_error_codes.anchor(code)
    return f"[{text}](../error-codes.md#{anchor})" if anchor else text


def _example(one: Found) -> Iterator[str]:
    """The first cure in full; the others stand in the table below it."""
    given = [f"a log of [{one.log}](../formats/{one.log}.md)"] if one.log else []
    given += ["a [policy](../policies.md)"] if one.shown.policy else []
    beside = f" beside {' and '.join(given)}" if given else ""
    yield f"Of a small capture{beside} that shows it: {_says(one.shown)}."
    yield ""
    kept: list[str] = []
    cures, skip = 0, False
    for line in one.told:
        label = line[:8].strip()
        if label.startswith("CURE"):
            cures += 1
            line = line.replace(label.ljust(8), "CURE".ljust(8), 1)
        if label:
            skip = label == "OTHERS" or (cures > 1 and label not in ("NEXT", "WHAT HAP"))
        if not skip:
            kept.append(line)
    yield from block("text", kept)
    if one.finding.next_observation and one.told[0].startswith("NOTE"):  # the report leaves it out
        yield ""
        yield f"**Next**: {escaped(one.finding.next_observation)}"


def _remedies(best: Found, examples: Iterable[Found]) -> Iterator[str]:
    """Those that the example does not tell: each once, the narrowest first, as in the capture where it comes up."""
    known: dict[str, Remedy] = {}
    for one in examples:
        for remedy in one.remedies:
            known.setdefault(remedy.id, remedy)
    shown = any(line.startswith("CURE") for line in best.told)
    if shown:
        known.pop(best.remedies[0].id)
    if not known:
        return
    yield ""
    yield f"## {'Other changes' if shown else 'Changes'}"
    yield ""
    yield "Which of them is offered depends on the firewall, the service and what the log says. The narrowest first; addresses"
    yield "are those of the captures below. `-T json` has the commands of each."
    yield ""
    yield from table(
        ("change", "where", "opens", "price"),
        (
            (f"`{remedy.id}`", escaped(remedy.where), escaped(remedy.opens), escaped(remedy.price.rstrip(".")))
            for remedy in sorted(known.values(), key=lambda remedy: remedy.width)
        ),
    )


def _alike(rule: Rule, examples: list[Found]) -> Iterator[str]:
    yield ""
    yield "## Captures that show it, and twins"
    yield ""
    for one in examples:
        beside = f", beside {linked(one.shown.beside)}" if one.shown.beside else ""
        yield f"- *{one.shown.name}*: {_says(one.shown)} ({one.finding.confidence}{beside})"
    twins = [shown for shown in all_shown() if shown.twin_of == rule.id]
    if twins:
        yield ""
        yield "What looks like it and is something else:"
        yield ""
        for shown in twins:
            what = linked(shown.rule) if shown.rule else "nothing is wrong"
            yield f"- *{shown.name}*: {_says(shown)}: {what}"
    stories = _stories().get(rule.id, [])
    if stories:
        yield ""
        yield f"Stories that come with the program: {', '.join(stories)}."
    relations = list(_relations(rule))
    if relations:
        yield ""
        yield "Beside other rules:"
        yield ""
        yield from relations


def _says(shown: Shown) -> str:
    """In the middle of a sentence."""
    says = shown.says.rstrip(".")
    as_it_is = says.split()[0] in _PROPER or not re.match(r"[A-Z][a-z ]", says)
    return escaped(says if as_it_is else says[:1].lower() + says[1:])


@cache
def _stories() -> dict[str, list[str]]:
    """By rule, the stories whose report names it as an error or a warning."""
    found_in: dict[str, list[str]] = {}
    for path in sorted(PCAPS.glob("*/expected.json")):
        findings = json.loads(path.read_text(encoding="utf-8"))["findings"]
        name = path.parent.name
        tutorial = DOCS / "tutorials" / f"{name}.md"
        told_of = f"[*{name}*](../tutorials/{name}.md)" if tutorial.exists() else f"*{name}*"
        for rule in dict.fromkeys(one["rule"] for one in findings if one["severity"] != "note"):
            found_in.setdefault(rule, []).append(f"{told_of} (`pcaps/{name}`)")
    return found_in


def _relations(rule: Rule) -> Iterator[str]:
    known = _by_id().values()
    for says, ids in (
        ("It alone is told where these would be found as well", rule.explains),
        ("It is told instead of these where it is surer, and beside them as a note where it is not", rule.rivals),
        ("It stands beside these, and says more", rule.narrows),
        ("It is not told where one of these is found", [one.id for one in known if rule.id in one.explains]),
        ("These are told instead where they are surer", [one.id for one in known if rule.id in one.rivals]),
        ("These stand beside it, and say more", [one.id for one in known if rule.id in one.narrows]),
    ):
        if ids:
            yield f"- {says}: {', '.join(linked(one) for one in ids)}"
