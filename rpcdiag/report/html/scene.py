"""Who and what stands on the stage of a case: the hosts, and the firewall where it is known."""

from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, Conversation, LogRow
from rpcdiag.diagnose.finding import Finding
from rpcdiag.logs.isa_names import is_local_host
from rpcdiag.model.packets import Address
from rpcdiag.report import names

CLIENT, BETWEEN, SERVER = "client", "between", "server"


class Pair(NamedTuple):
    """A case: the two hosts between which something went wrong, or did not."""

    client: Address
    server: Address


class Firewall(NamedTuple):
    """The device in the path: how it is called, and whether it is one of the two hosts."""

    title: str
    name: str
    at: str = BETWEEN


def pair_of(finding: Finding) -> Pair:
    return Pair(finding.client, finding.server)


def called(case: Case) -> dict[Address, str]:
    """A name of each address, as a name service answered."""
    found: dict[Address, str] = {}
    for one in case.names:
        if one.fact.type != "SRV":
            for address in one.fact.addresses:
                found.setdefault(address, one.fact.name)
    return found


def firewall(
    diagnosis: Diagnosis, pair: Pair, findings: Sequence[Finding], conversations: Sequence[Conversation]
) -> Firewall | None:
    """As the log says, or the policy, or an ICMP error; None where nothing names one."""
    case = diagnosis.case
    rows = [row for one in conversations for row in case.rows_of(one)]
    if rows:
        return _of_log(case, pair, findings, rows)
    applied = diagnosis.applied
    if applied is not None and any(flow in applied.verdicts for one in conversations for flow in one.ids):
        local = applied.policy.local_host
        at = CLIENT if pair.client in local else SERVER if pair.server in local else BETWEEN
        if applied.policy.hosts and at is BETWEEN:
            at = SERVER if pair.server in applied.policy.hosts else CLIENT
        return Firewall("Firewall (policy)", applied.policy.name, at)
    for one in conversations:
        for error in one.near.flow.icmp:
            if error.sender not in pair:
                return Firewall("Router or firewall", str(error.sender))
    return None


def _of_log(case: Case, pair: Pair, findings: Sequence[Finding], rows: Sequence[LogRow]) -> Firewall:
    at = next((where for row in rows if (where := _where(row, pair)) is not BETWEEN), BETWEEN)
    if at is BETWEEN and any(finding.subject.local_host for finding in findings):
        at = CLIENT
    device = next((row.entry.device for row in rows if row.entry.device), None)
    host = {CLIENT: f"of {pair.client}", SERVER: f"of {pair.server}"}.get(at, "")
    return Firewall(f"Firewall {host}".strip(), device or f"{case.logs[rows[0].log].file.format} log", at)


def _where(row: LogRow, pair: Pair) -> str:
    """At which end the device is that wrote the row."""
    entry = row.entry
    for zone, address in ((entry.source_zone, entry.source), (entry.destination_zone, entry.destination)):
        if is_local_host(zone) and address in pair:
            return CLIENT if address == pair.client else SERVER
    end = {"in": entry.destination, "out": entry.source}.get(entry.path)
    return BETWEEN if end not in pair else CLIENT if end == pair.client else SERVER


def time_of_day(ns: int | None) -> str:
    """Empty where it is not known, or no calendar has it."""
    if ns is None:
        return ""
    try:
        return names.time_of_day(ns)
    except (ValueError, OverflowError, OSError):
        return ""


def day_and_time(ns: int | None) -> str:
    if ns is None:
        return ""
    try:
        return names.day_and_time(ns)
    except (ValueError, OverflowError, OSError):
        return ""
