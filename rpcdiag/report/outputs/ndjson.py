"""One JSON object a line: the elements of the JSON document, for tools that read line by line.

Every object has a `record` that says what it is: `document` first (the version of the schema, and the program's), then
`capture`, `log`, `flow`, `flow_group`, `referral`, `log_match`, `smb_session`, `logon`, `name`, `ticket`, `process` and
`statement` (what events of hosts say of ports, and besides), `finding`, one `policy` where one was given, and `accounting`
last, so that a stream that was cut is recognised. The other fields are those of the JSON document; `rpcdiag schema ndjson`
prints the schema of a line. Nothing is held: a line is written as it is made.

    rpcdiag analyze capture.pcapng -T ndjson | jq -c 'select(.record == "finding")'
"""

from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.document import parts
from rpcdiag.report.output import Options, Output
from rpcdiag.report.schema import RECORDS


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The lines."""
    head: list[str] = []
    for part in parts(diagnosis, all_flows=options.all_flows):
        record = RECORDS.get(part.name)
        if record is None:
            head.append(f'"{part.name}": {next(part.elements)}')
            continue
        if head:
            yield f'{{"record": "document", {", ".join(head)}}}'
            head.clear()
        for element in part.elements:
            yield f'{{"record": "{record}", {element[1:]}'


OUTPUT = Output("ndjson", "one JSON object a line", render)
