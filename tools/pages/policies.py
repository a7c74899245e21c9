"""A page for each product that a policy can name, and for each file of rules that can be read; lists for the guides."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial

from rpcdiag import plugins
from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.policy import product as known
from rpcdiag.policy.engine import apply
from rpcdiag.policy.load import fresh
from rpcdiag.policy.model import Parameter, Ports, Rule, RuleSetFormat, Scope
from rpcdiag.policy.product import PARAMETERS, UNSAID, Product
from rpcdiag.report import verdicts
from rpcdiag.report.style import Style
from rpcdiag.ui.listings import shown_value
from tests.unit.policy.rulesets.samples import SAMPLES
from tools.pages.markdown import Page, block, escaped, heading, prose, table, told
from tools.pages.rules import PCAPS, linked

RULE_SETS = "rpcdiag.policy.rulesets"
STORIES = {  # that work, each with what goes on in it
    "allowed-lookup": "A lookup by the mapper, and the port that it names",
    "wmi-activation": "WMI by DCOM: an activation, and the port that its answer names",
}
ANSWERS = {
    "map": "answers of the mapper", "lookup": "its lists", "create_instance": "activations",
    "get_class_object": "activations", "remote_activation": "activations", "resolve_oxid": "the OXID resolver",
}  # fmt: skip
MAX_SHOWN = 18  # lines of a file of rules
MAX_WIDTH = 150
MAX_RULES, MAX_REMARKS = 8, 5


def pages() -> Iterator[Page]:
    for one in known.products():
        yield Page(f"policies/{one.id}.md", partial(_product, one))
    for one in plugins.discover(RULE_SETS, "RULE_SET"):
        yield Page(f"policies/{one.name}.md", partial(_rule_set, one))


def products() -> Iterator[str]:
    """The list of products for the guide."""
    yield from table(
        ("product", "what it is", "reads ports out of", "other interfaces than the mapper on 135", "how sure that is"),
        (
            (f"[`{one.id}`](policies/{one.id}.md)", escaped(one.title), _reads(one), _others(one), _sure(one))
            for one in known.products()
        ),
    )


def rule_sets() -> Iterator[str]:
    """The list of files of rules for the guide."""
    yield from (f"[{one.name}](policies/{one.name}.md)" for one in plugins.discover(RULE_SETS, "RULE_SET"))


def _reads(one: Product) -> str:
    if one.flag("host_knows_ports"):
        return "nothing: it knows which program opened a port"
    learns = {*one.value("learn"), *(() if one.flag("strict") else one.value("learn_not_strict"))}
    return ", ".join(dict.fromkeys(says for kind, says in ANSWERS.items() if kind in learns)) or "nothing"


def _others(one: Product) -> str:
    if not one.value("control_ports"):
        return "by rule"
    return {"drop": "dropped", "reject": "rejected", "reset": "reset", "allow": "pass"}[
        one.value("non_epm_on_135") if one.flag("strict") else "allow"
    ]


def _sure(one: Product) -> str:
    """Of what the two columns before it say."""
    if not one.value("control_ports"):
        return one.sure("stands")
    return one.sure("learn", "strict", *(() if one.flag("strict") else ("learn_not_strict",)))


def _product(one: Product) -> Iterator[str]:
    yield from heading(one.id)
    yield f"**{escaped(one.title)}**, as `--policy {one.id}`, or as `product: {one.id}` in a policy of your own."
    yield ""
    yield from (f"- {linked(escaped(note), '../rules/')}" for note in one.notes)
    yield ""
    yield "## What it does to a capture"
    for story, title in STORIES.items():
        yield ""
        yield f"{title} (`rpcdiag simulate pcaps/{story}/capture.pcapng --policy {one.id}`):"
        yield ""
        diagnosis = _diagnosed(story)
        applied = apply(diagnosis.case, fresh(one.id))
        yield from block("text", _without_head(verdicts.as_text(diagnosis.case, applied, Style(False), 80)))
    yield ""
    yield "## What it does with RPC"
    yield ""
    yield "*documented* is by its vendor, *knowledge* is known generally and was not read again, *uncertain* should be tried. A verdict"
    yield "is as sure as the least sure of these that it rests on. What is not listed is as [the guide](../policies.md) says."
    yield ""
    yield from table(("parameter", "value", "what that is", "how sure", "known from"), _parameters(one.parameters))
    if one.options:
        yield ""
        yield "## Options"
        yield ""
        yield f"`options: [{next(iter(one.options))}]` in a policy sets one."
        for option in one.options.values():
            yield ""
            yield f"`{option.name}`: {escaped(option.says)}"
            yield ""
            rows = ((name, value, *known) for name, value, _, *known in _parameters(option.changes))
            yield from table(("parameter", "value", "how sure", "known from"), rows)
    yield ""
    yield "All products: [the guide](../policies.md). On a terminal: `rpcdiag policies " + one.id + "`."


def _parameters(given: Mapping[str, Parameter]) -> Iterator[tuple[str, ...]]:
    for name, parameter in given.items():
        if parameter != UNSAID[name]:
            yield (
                f"`{name}`", escaped(shown_value(parameter.value)), PARAMETERS[name].says, parameter.sure.value,
                escaped(parameter.source),
            )  # fmt: skip


@cache
def _diagnosed(story: str) -> Diagnosis:
    return analyze([str(PCAPS / story / "capture.pcapng")])


def _without_head(lines: Iterable[str]) -> list[str]:
    """The policy's own name and remarks stand on the page already."""
    held = list(lines)
    return held[held.index("") + 1 :]


def _rule_set(one: RuleSetFormat) -> Iterator[str]:
    first, _, rest = prose(one.parse).partition("\n\n")
    yield from heading(one.name)
    yield f"**{escaped(' '.join(first.splitlines()))}**"
    yield ""
    yield from told(rest)
    yield ""
    yield "The command that makes such a file: [rule sets](../rule-sets.md). It is told by its content:"
    yield ""
    yield from block(
        "sh", ["rpcdiag simulate capture.pcapng --policy FILE", "rpcdiag analyze capture.pcapng --policy FILE"]
    )
    yield ""
    yield "What cannot be read becomes a remark with its line, and what is not known leaves its rule open: it never matches"
    yield "silently."
    text = SAMPLES[one.name][0]
    lines = [line for line in text.splitlines() if line.strip()]
    yield ""
    yield "## What it looks like"
    yield ""
    shown = [line if len(line) <= MAX_WIDTH else f"{line[: MAX_WIDTH - 4]} ..." for line in lines[:MAX_SHOWN]]
    yield from block("text", [*shown, *(["..."] if len(lines) > MAX_SHOWN else [])])
    found = one.parse(text)
    yield ""
    first = f", the first {MAX_RULES}" if len(found.rules) > MAX_RULES else ""
    yield f"It is read as {len(found.rules)} rules for `{found.product or 'the product that the policy names'}`{first}:"
    yield ""
    yield from table(("rule", "does", "protocol", "ports", "from", "to"), map(_row, found.rules[:MAX_RULES]))
    if found.remarks:
        yield ""
        yield "Remarks:"
        yield ""
        yield from (f"- {escaped(remark)}" for remark in found.remarks[:MAX_REMARKS])
        if len(found.remarks) > MAX_REMARKS:
            yield f"- and {len(found.remarks) - MAX_REMARKS} more"
    yield ""
    yield "All of them: [rule sets](../rule-sets.md)."


def _row(rule: Rule) -> tuple[str, ...]:
    return (
        escaped(rule.name) + ("" if rule.enabled else " (off)") + (" (known connections)" if rule.established else ""),
        rule.action.value, ", ".join(rule.protocols) or "any",
        _ports(rule.ports), _scope(rule.sources), _scope(rule.destinations),
    )  # fmt: skip


def _ports(ports: Ports) -> str:
    numbers = [str(first) if first == last else f"{first}-{last}" for first, last in ports.ranges]
    return ", ".join([*numbers, *(keyword.value for keyword in ports.keywords)][:4]) or "any"


def _scope(scope: Scope) -> str:
    said = [*map(str, scope.networks), *(f"{first}-{last}" for first, last in scope.ranges), *map(escaped, scope.names)]
    return ("all but " if scope.negated else "") + (", ".join(said[:3]) or "any")
