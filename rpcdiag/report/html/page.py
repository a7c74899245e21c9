"""The page: everything in one file, which loads nothing and runs nothing but its own script."""

from base64 import b64encode
from hashlib import sha256
from importlib import resources

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import CaptureFacts, Case, CaseLog
from rpcdiag.model.evidence import Severity
from rpcdiag.model.version import __version__
from rpcdiag.report import names
from rpcdiag.report.html.atlas import atlas
from rpcdiag.report.html.cases import cases
from rpcdiag.report.html.scene import called, day_and_time
from rpcdiag.report.html.tables import as_json, tables
from rpcdiag.report.html.timeline import span_of, timeline
from rpcdiag.report.names import clean
from rpcdiag.report.overview import overview

TEMPLATES = ("page.html", "case.html", "parts.html")
MAX_TITLE = 60
_WORDS = {"error": "Error", "warning": "Warning", "note": "Note", "ok": "OK", "open": "Open"}


def page(diagnosis: Diagnosis) -> str:
    """The whole file."""
    case = diagnosis.case
    known = called(case)
    style, script = _file("page.css"), _file("page.js")
    shown, left_out = cases(diagnosis, known)
    span = span_of(diagnosis)
    data = {
        "start_ns": str(span.first) if span else "0",
        "span_us": span.length // 1000 if span else 0,
        "captures": [capture.path for capture in case.captures],
        "tables": tables(diagnosis, span),
    }
    template = _environment().get_template("page.html")
    return template.render(
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(as_json(data)),
        version=__version__,
        title=_title(case),
        captures=[(one, _span(one)) for one in case.captures],
        logs=[(one, _log(one)) for one in case.logs],
        applied=diagnosis.applied.policy if diagnosis.applied else None,
        troubles=[str(one) for one in (*diagnosis.troubles, *diagnosis.cuts)] + list(diagnosis.remarks),
        interrupted=diagnosis.interrupted,
        cases=shown,
        left_out=left_out,
        summary=_summary(diagnosis),
        overview=overview(diagnosis.findings),
        counts=_counts(diagnosis),
        atlas=atlas(diagnosis, known),
        timeline=timeline(diagnosis),
        sums=case.accounting,
        flows=len(case.flows),
        word=_WORDS,
    )


def _environment() -> Environment:
    """Escapes everything, and makes harmless what escaping leaves: control characters, marks that turn text round."""
    loader = DictLoader({name: _file(f"templates/{name}") for name in TEMPLATES})
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, finalize=_harmless, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _harmless(value: object) -> object:
    """Lines stay lines: commands have several."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(clean(line) for line in value.split("\n"))


def _file(name: str) -> str:
    return resources.files("rpcdiag.report.html").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What a browser may do with the page: use this style and this script, nothing else."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _title(case: Case) -> str:
    if not case.captures:
        return "no capture"
    path = case.captures[0].path
    shown = path if len(path) <= MAX_TITLE else f"…{path[-MAX_TITLE:]}"
    return shown + (f" and {len(case.captures) - 1} more" if len(case.captures) > 1 else "")


def _span(capture: CaptureFacts) -> str:
    if capture.first_ns is None or capture.last_ns is None:
        return ""
    return f"{day_and_time(capture.first_ns)} UTC, {names.duration(capture.last_ns - capture.first_ns)}"


def _log(log: CaseLog) -> str:
    matched = len({position for match in log.matches for position in match.entries})
    bad = f", {log.file.bad_count} unreadable" if log.file.bad_count else ""
    return (
        f"{log.file.format}, {names.several(log.file.rows, 'row')}{bad}, {names.several(log.file.drops, 'drop')}, {matched} "
        f"belong{'s' if matched == 1 else ''} to flows of the capture; clock: {log.clock.why}"
    )


def _counts(diagnosis: Diagnosis) -> list[tuple[str, int]]:
    return [(one.value, sum(finding.severity is one for finding in diagnosis.findings)) for one in Severity]


def _summary(diagnosis: Diagnosis) -> str:
    """One sentence, where there is no finding to answer with."""
    case = diagnosis.case
    if diagnosis.findings:
        return ""
    if case.flows:
        return "Nothing went wrong that is known here: every connection is listed below."
    if any(any(session.sealed) for session in case.sessions):
        return "No RPC that can be read: an SMB session is encrypted, and what goes through its pipes cannot be seen."
    return (
        "No RPC in these packets: nothing on port 135 or 593, no RPC by content on any port. If the error was repeated "
        "while the capture ran, the call was local, went over another interface, or inside a tunnel."
    )
