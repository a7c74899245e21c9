"""One JSON object: everything that is known, for programs. `rpcdiag schema` prints its schema.

One element of every list stands on a line, so that two documents can be compared line by line. The same input gives the
same bytes, whatever the number of cores. More than a hundred flows that are alike are folded into `flow_groups`, unless
`--all-flows` is given. Times are nanoseconds since 1970 UTC; what is not known is `null`.

    rpcdiag analyze capture.pcapng -T json | jq '.findings[] | {rule, summary, filter}'
"""

from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.document import MAX_ALIKE as MAX_ALIKE
from rpcdiag.report.document import document as document
from rpcdiag.report.document import lines
from rpcdiag.report.output import Options, Output


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The lines of the document."""
    return lines(diagnosis, all_flows=options.all_flows)


OUTPUT = Output("json", "the JSON document of the contract", render)
