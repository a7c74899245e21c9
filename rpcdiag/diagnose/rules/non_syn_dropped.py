"""A firewall dropped packets that belong to no connection it knows.

Looks like: the log drops segments that are no SYN: 0xC0040017 on ISA/TMG, flags other than S in pfirewall.log.
Because: an idle time-out, asymmetric routing, a failover, or late packets of a closed connection.
Not this: the RPC filter; a rule that denies a connection. No RPC setting cures it.
Needs: a log with flags or result codes (`--log`), and the two hosts in the capture.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.logs.entry import LogEntry
from rpcdiag.model.evidence import Confidence, Logged, Severity
from rpcdiag.model.packets import Address

NOT_SYN = 0xC0040017
MAX_SHOWN = 8
MAX_PAIRS = 16


def check(case: Case) -> Iterator[Finding]:
    known: set[Address] = set()
    if case.logs:
        known.update(address for one in case.conversations for address in (one.client, one.server))
    for log in case.logs:
        found: dict[tuple[Address, Address, int | None], list[int]] = {}
        for entry in log.file.entries:
            source, destination = entry.source, entry.destination
            if source is None or destination is None or not _stateless(entry):
                continue
            if source in known and destination in known:
                found.setdefault((source, destination, entry.destination_port), []).append(entry.line)
        for (client, server, port), lines in list(found.items())[:MAX_PAIRS]:
            yield Finding(
                rule=RULE.id,
                summary=f"a firewall dropped packets from {client} to {server} port {port} because they belong to no "
                "connection it knows: an idle time-out or asymmetric path, not the RPC filter",
                severity=Severity.NOTE,
                confidence=Confidence.ESTABLISHED,
                client=client,
                server=server,
                evidence=(Logged("dropped as no SYN and no session", log.number, tuple(lines[:MAX_SHOWN])),),
                subject=Subject(port=port, log_format=log.file.format),
                next_observation=f"Capture on both sides of that firewall: does it see the SYN of {client}? If so, an idle "
                "time-out dropped the session; if not, the path is asymmetric.",
            )


def _stateless(entry: LogEntry) -> bool:
    if entry.code == NOT_SYN:
        return True
    return entry.drops and entry.protocol == "tcp" and bool(entry.flags) and "S" not in (entry.flags or "")


RULE = Rule(id="non-syn-dropped", cause="H2", title="Packets without a session were dropped", check=check)
