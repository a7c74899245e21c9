"""The client's own firewall holds back its question to the mapper.

Looks like: no SYN to port 135 leaves the client; the firewall log of the client has a drop on the way out.
Because: an outbound rule, or a profile that blocks outgoing connections by default.
Not this: SYNs that leave and stay unanswered (mapper-blocked); a dynamic port that is held back (dynamic-port-blocked,
which reads the same log).
Needs: the client's own pfirewall.log (`--log`): there is no packet to see.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, LogRow
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.model.evidence import Confidence, Evidence, Missing, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.origin import MAPPER_PORTS


def check(case: Case) -> Iterator[Finding]:
    held: dict[tuple[Address, Address, int], list[LogRow]] = {}
    for log in case.logs:
        for position, entry in enumerate(log.file.entries):
            if not entry.drops or entry.path != "out" or entry.source is None or entry.destination is None:
                continue
            if entry.destination_port in MAPPER_PORTS and entry.protocol.lower() in ("tcp", "6"):
                row = LogRow(log.number, position, entry, "D", "no packet to match")
                held.setdefault((entry.source, entry.destination, entry.destination_port), []).append(row)
    for (client, server, port), rows in held.items():
        if any(one.near.flow.server.port == port for one in case.between(client, server)):
            continue  # its SYNs are in the capture
        yield _finding(case, client, server, port, rows)


def _finding(case: Case, client: Address, server: Address, port: int, rows: list[LogRow]) -> Finding:
    missing: list[Evidence] = [
        Missing(f"no SYN to port {port} of {server}", one.number, 1, (one.last_ns or 0) - (one.first_ns or 0))
        for one in case.captures
        if one.packets
    ]
    rule = next((row.entry.rule for row in rows if row.entry.rule), None)
    return Finding(
        rule=RULE.id,
        summary=f"the firewall of {client} holds back its own connection to port {port} of {server}"
        + (f" by {rule}" if rule else ""),
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        client=client,
        server=server,
        evidence=(*observe.logged(case, rows), *missing[:2]),
        errors=(observe.UNAVAILABLE,),
        subject=Subject(port=port, log_rule=rule, log_format=case.logs[rows[0].log].file.format, local_host=True),
        next_observation=f"Event 5157 in the Security log of {client} at that second names the program and the filter: "
        "'auditpol /set /subcategory:\"Filtering Platform Connection\" /failure:enable', then try again.",
    )


RULE = Rule(
    id="outbound-blocked",
    cause="F10",
    title="The client's own firewall holds the connection back",
    check=check,
    errors=(observe.UNAVAILABLE,),
)
