"""`rpcdiag simulate`: what a policy would do to the connections of a capture."""

import json
from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.model.version import __version__
from rpcdiag.policy.engine import product_of
from rpcdiag.policy.verdict import Applied
from rpcdiag.report import verdicts
from rpcdiag.report.document import SCHEMA_VERSION
from rpcdiag.report.names import clean
from rpcdiag.report.outputs.text import inputs
from rpcdiag.report.style import Style


def as_json(diagnosis: Diagnosis, applied: Applied) -> Iterator[str]:
    """One object: the captures, and `policy` as it stands in the document of `analyze`."""
    case = diagnosis.case
    document = {
        "schema_version": SCHEMA_VERSION,
        "program": {"name": "rpcdiag", "version": __version__},
        "captures": [{"index": one.number, "path": one.path, "packets": one.packets} for one in case.captures],
        "policy": verdicts.as_json(case, applied),
    }
    yield json.dumps(document, indent=1)


def as_text(diagnosis: Diagnosis, applied: Applied, style: Style, width: int) -> Iterator[str]:
    """The captures, the policy, what it does, and what one should know of the product."""
    yield from inputs(diagnosis, style, width)
    yield from verdicts.as_text(diagnosis.case, applied, style, width)
    product = product_of(applied.policy)
    if product.notes:
        yield ""
        yield f"{clean(product.title)}:"
        for note in product.notes:
            yield from verdicts.bullet(note, width)
