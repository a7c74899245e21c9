"""The answer for a program.

    {"schema_version": 1, "known": true,
     "codes": [{"code", "symbol", "family", "written", "forms", "says", "says_not", "client_reports"}],
     "events": [{"event", "source", "host", "says", "then"}], "fields": {name: value}, "programs": [text],
     "records": [{"component", "location", "status", "computer", "process", "parameters", "says"}], "settles": text,
     "log": {"format", "rows", "drops", "lines": [{"line", "count", "action", "source", ..., "says": [text]}]},
     "names": {uuid: name},
     "causes": [{"title", "looks", "rules": [id], "hinted"}], "decides": text, "run": [command],
     "capture": {"where": [text], "tools": [...], "display_filters": [...], "logging": [...]},
     "rule": {"id", "cause", "title", "says", "errors", "behind"}, or null,
     "fits": what the captures say, or null}

Codes come with the outer one first. `causes` are in the order of how common they are, hinted ones first.
"""

from typing import Any

from rpcdiag.ui.explain import capturing
from rpcdiag.ui.explain.answer import Answer, CodeSaid
from rpcdiag.ui.explain.loglines import Line


def document(answer: Answer, fits: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer as one JSON object."""
    paste, nearest = answer.paste, answer.nearest
    if paste.chain:
        from rpcdiag.ui.explain import records

        told = [{**one._asdict(), "says": records.told(one)} for one in paste.chain.records]
    else:
        told = []
    return {
        "schema_version": 1,
        "known": answer.known,
        "codes": [_code(one) for one in answer.codes],
        "events": [
            {"event": one.number, "source": one.source, "host": one.host, "says": one.says, "then": one.then}
            for one in paste.events
        ],
        "fields": paste.fields,
        "programs": [says for says, _ in paste.programs],
        "records": told,
        "settles": paste.chain.settles if paste.chain else None,
        "log": {
            "format": paste.log.format, "rows": paste.log.rows, "drops": paste.log.drops,
            "lines": [_line(one) for one in paste.log.lines],
        } if paste.log else None,
        "names": dict(paste.names),
        "causes": [one._asdict() for one in answer.causes],
        "decides": nearest.decides if nearest else None,
        "run": list(nearest.run) if nearest else [],
        "capture": _capture(),
        "rule": _rule(answer),
        "fits": fits,
    }  # fmt: skip


def _code(one: CodeSaid) -> dict[str, Any]:
    return {
        "code": f"{one.code.number:#010x}",
        "symbol": one.name,
        "family": one.code.family,
        "written": one.code.written,
        "forms": list(dict.fromkeys(one.forms)),
        "says": one.meaning.says if one.meaning else one.says,
        "says_not": one.meaning.says_not if one.meaning else None,
        "client_reports": one.client,
    }


def _line(one: Line) -> dict[str, Any]:
    entry = one.entry
    return {
        "line": entry.line,
        "count": one.times,
        "action": entry.action,
        "protocol": entry.protocol,
        "source": str(entry.source) if entry.source else None,
        "source_port": entry.source_port,
        "destination": str(entry.destination) if entry.destination else None,
        "destination_port": entry.destination_port,
        "rule": entry.rule,
        "code": f"{entry.code:#010x}" if entry.code is not None else None,
        "says": list(one.says),
    }


def _capture() -> dict[str, Any]:
    return {
        "where": list(capturing.WHERE),
        "tools": [{"tool": tool, "remark": remark, "commands": list(lines)} for tool, remark, lines in capturing.CAPTURE],
        "display_filters": [{"shows": what, "filter": filter_} for what, filter_ in capturing.DISPLAY],
        "logging": [{"what": what, "shell": shell, "commands": list(lines)} for what, shell, lines in capturing.LOGGING],
    }  # fmt: skip


def _rule(answer: Answer) -> dict[str, Any] | None:
    if answer.rule is None:
        return None
    return {
        "id": answer.rule.id,
        "cause": answer.rule.cause,
        "title": answer.rule.title,
        "says": answer.rule.doc.strip(),
        "errors": [f"{code:#010x}" for code in answer.rule.errors],
        "behind": [f"{code:#010x}" for code in answer.rule.behind],
    }
