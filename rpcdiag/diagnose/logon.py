"""Observations on logons: which connections fail at them, what Kerberos refused, and whether the client got on without."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cached_property
from ipaddress import ip_address
from typing import NamedTuple

from rpcdiag.case import Case, CaseFlow, Conversation
from rpcdiag.diagnose.finding import Finding, Subject
from rpcdiag.diagnose.logon_events import FailedLogons
from rpcdiag.diagnose.once import once
from rpcdiag.model.evidence import Confidence, Evidence, Seen, Severity
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Fate
from rpcdiag.track.surroundings import TicketFact, same_host

ACCESS_DENIED = 0x80070005
PROTOCOL_ERROR = 0x1C01000B
PACKAGE_ERROR = 0x721
NO_PROVIDER, REJECTED_TOKEN = 8, 9  # reasons of a bind_nak: authentication type unknown, invalid checksum
# faults that a failed logon can look like
FAULTS = frozenset({5, ACCESS_DENIED, PROTOCOL_ERROR, PACKAGE_ERROR})
SOON_NS = 60_000_000_000  # a logon that fails for want of a ticket fails by then
AT_ONCE_NS = 10_000_000_000  # the same, where nothing but time joins the two
MAX_SPOILED = 256  # connections that one error is blamed for
NTLM_BLOCKED = 0xC0000418
# statuses of an SMB session setup that say that user, password or account are wrong. [MS-ERREF] 2.3.1
WRONG = {
    0xC0000064: "no such user",
    0xC000006A: "wrong password",
    0xC000006D: "unknown user or wrong password",
    0xC000006E: "the account is restricted",
    0xC0000071: "the password has expired",
    0xC0000072: "the account is disabled",
    0xC0000193: "the account has expired",
    0xC0000224: "the password must be changed",
    0xC0000234: "the account is locked",
    0xC000015B: "this kind of logon is not granted",
}
# and what else event 4625 says
REASONS = WRONG | {
    0xC000005E: "no domain controller could be asked",
    0xC000006F: "the account may not log on at this hour",
    0xC0000070: "the account may not log on from this computer",
    0xC000018B: "the domain does not know the computer's account",
    0xC000018D: "the trust between computer and domain is broken",
    0xC0000192: "the Netlogon service does not run",
    0xC0000413: "the account may not log on to this computer (selective authentication)",
}


class Refusal(NamedTuple):
    """A Kerberos error. `harmless`: what the client wanted it got all the same. `flows` are those that it spoiled."""

    client: Address
    server: Address
    teller: Address  # who answered with it
    error: str
    spn: str | None
    evidence: tuple[Evidence, ...]
    flows: tuple[str, ...]
    harmless: bool
    confidence: Confidence
    by_centre: bool  # a key distribution centre answered with it, not the service

    @property
    def severity(self) -> Severity:
        """A warning where it is a key distribution centre's word only, and nothing of RPC is known to have failed by it."""
        if self.harmless:
            return Severity.NOTE
        return Severity.ERROR if self.flows or not self.by_centre else Severity.WARNING

    def finding(self, rule: str, *, summary: str, errors: tuple[int, ...], next_observation: str) -> Finding:
        return Finding(
            rule=rule,
            summary=summary,
            severity=self.severity,
            confidence=self.confidence,
            client=self.client,
            server=self.server,
            flows=self.flows,
            evidence=self.evidence,
            errors=errors,
            subject=Subject(spn=self.spn),
            next_observation=next_observation,
        )


class Answer(NamedTuple):
    """An answer that a failed logon can look like."""

    time_ns: int
    packet: int
    says: str


def refused_at(flow: CaseFlow) -> Iterator[Answer]:
    """The answers of a connection that a failed logon can look like."""
    rpc = flow.rpc
    for bind in rpc.binds if rpc else ():
        if bind.answer == "nak" and bind.nak_reason in (NO_PROVIDER, REJECTED_TOKEN) and bind.answer_packet:
            says = f"the bind is answered by bind_nak {bind.nak_reason}"
            yield Answer(bind.answer_ns or bind.time_ns, bind.answer_packet, says)
    for fault in rpc.faults if rpc else ():
        if fault.status in FAULTS:
            yield Answer(fault.time_ns, fault.packet, f"a call is answered by fault {fault.status:#010x}")


def works(flow: CaseFlow) -> bool:
    """Whether calls of somebody who logged on are answered, and none refused; at which level need not be known."""
    rpc = flow.rpc
    if rpc is None or not rpc.fates.get(Fate.RESPONSE) or any(fault.status in FAULTS for fault in rpc.faults):
        return False
    if any(bind.auth_cut for bind in rpc.binds):
        return True
    return any(use.calls and use.auth_level is not None and use.auth_level > 1 for use in rpc.interfaces)


class _Client:
    """What became of the connections of one client; `refused` is by time."""

    def __init__(self) -> None:
        self.refused: list[tuple[int, int, Conversation]] = []
        self.last_works_ns = 0
        self.works_until: dict[Address, int] = {}  # by server, the last packet of a connection that works


class Clients:
    """The conversations of each client, looked up once for all errors of a case."""

    @staticmethod
    @once
    def of(case: Case) -> "Clients":
        """The one that all rules ask."""
        return Clients(case)

    def __init__(self, case: Case) -> None:
        self._case = case
        self._with_ticket = {
            one.flow
            for one in case.logons
            if one.logon.mechanism == "kerberos" and one.logon.realm and not one.logon.error
        }
        self._with_ntlm = {one.flow for one in case.logons if one.logon.mechanism == "ntlm"}

    @cached_property
    def _clients(self) -> dict[Address, _Client]:
        found: dict[Address, _Client] = {}
        for conversation in self._case.conversations:
            near = conversation.near
            if near.rpc is None:
                continue
            client = found.setdefault(conversation.client, _Client())
            client.refused += ((one.time_ns, one.packet, conversation) for one in refused_at(near))
            if works(near):
                client.last_works_ns = max(client.last_works_ns, near.rpc.last_pdu_ns or 0)
                until = max(client.works_until.get(conversation.server, 0), near.flow.last_packet)
                client.works_until[conversation.server] = until
        for client in found.values():
            client.refused.sort(key=lambda one: one[:2])
        return found

    def speaks(self, client: Address) -> bool:
        """Whether it calls anybody by RPC."""
        return client in self._clients

    def spoiled(
        self, client: Address, since_ns: int, servers: frozenset[Address] | None, within_ns: int = AT_ONCE_NS
    ) -> list[tuple[Conversation, int]]:
        """Those that bound and were refused soon after, with the packet that says so; none that had a ticket.

        Where it is not known at which `servers` they would be, within `within_ns`.
        """
        refused = self._clients[client].refused if client in self._clients else []
        found: dict[str, tuple[Conversation, int]] = {}
        end_ns = since_ns + (SOON_NS if servers is not None else within_ns)
        for ns, packet, conversation in refused[bisect_left(refused, since_ns, key=lambda one: one[0]) :]:
            near = conversation.near
            if ns > end_ns or len(found) >= MAX_SPOILED:
                break
            if near.id in found or near.id in self._with_ticket or near.rpc is None:
                continue
            if not any(bind.time_ns >= since_ns for bind in near.rpc.binds):
                continue
            if near.id not in self._with_ntlm and any(bind.token_cut for bind in near.rpc.binds):
                continue  # the capture lacks what says whether it had a ticket
            if servers is None or conversation.server in servers:
                found[near.id] = conversation, packet
        return list(found.values())

    def get_on(self, client: Address, since_ns: int) -> bool:
        """Whether calls of a user of that client are answered afterwards."""
        return client in self._clients and self._clients[client].last_works_ns >= max(since_ns, 1)

    def get_on_at(self, client: Address, server: Address, packet: int) -> bool:
        """Whether a connection of the two works, at its end after that packet."""
        known = self._clients.get(client)
        return known is not None and known.works_until.get(server, -1) > packet


def refusals(case: Case, by_service: frozenset[str], by_centre: Callable[[TicketFact], bool]) -> Iterator[Refusal]:
    """Kerberos errors that a service answered instead of its token, and those of key distribution centres."""
    clients, events = Clients(case), FailedLogons.of(case)
    yield from _at_services(case, clients, by_service)
    for one in case.tickets:
        fact = one.fact
        if fact.kind != "error" or not by_centre(fact) or not clients.speaks(fact.client):
            continue
        about = f" about {fact.spn}" if fact.spn else ""
        seen = Seen(f"{fact.server} answers {fact.error}{about}", one.capture, (fact.packet,))
        spoiled = clients.spoiled(fact.client, fact.time_ns, _addresses(case, fact.spn))
        evidence = tuple(
            Seen(f"then {hurt.server} refuses the logon", hurt.near.flow.capture, (packet,))
            for hurt, packet in spoiled[:4]
        )
        logged = events.of_centre(fact)
        harmless = _granted_later(case, fact) or (not spoiled and clients.get_on(fact.client, fact.time_ns))
        yield Refusal(
            client=fact.client,
            server=spoiled[0][0].server if spoiled else fact.server,
            teller=fact.server,
            error=fact.error or "",
            spn=fact.spn,
            evidence=(seen, *logged, *evidence),
            flows=() if harmless else tuple(id for hurt, _ in spoiled for id in hurt.ids),
            harmless=harmless,
            confidence=Confidence.PROVEN if logged and not spoiled else Confidence.LIKELY,
            by_centre=True,
        )


def _at_services(case: Case, clients: Clients, errors: frozenset[str]) -> Iterator[Refusal]:
    for one in case.logons:
        logon = one.logon
        if logon.error not in errors:
            continue
        packet = logon.error_packet or logon.packets[-1]
        flows: tuple[str, ...] = ()
        if one.flow is not None:
            conversation = case.conversations[case.flow(one.flow).conversation]
            flows, harmless = conversation.ids, works(conversation.near)
        else:
            harmless = one.status == 0
        harmless = harmless or clients.get_on_at(one.client, one.server, packet)
        yield Refusal(
            client=one.client,
            server=one.server,
            teller=one.server,
            error=logon.error,
            spn=logon.spn,
            evidence=(Seen(f"{one.server} answers the ticket with {logon.error}", one.capture, (packet,)),),
            flows=flows,
            harmless=harmless,
            confidence=Confidence.ESTABLISHED,
            by_centre=False,
        )


def _granted_later(case: Case, error: TicketFact) -> bool:
    """Whether a centre gave that client afterwards what it had refused; a ticket's first answer speaks for all."""
    return any(
        fact.client == error.client
        and fact.kind != "error"
        and (fact.time_ns >= error.time_ns or fact.times > 1)
        and _same_service(fact, error)
        for fact in (one.fact for one in case.tickets)
    )


def _same_service(fact: TicketFact, error: TicketFact) -> bool:
    if error.spn is None or fact.spn is None:
        return True  # the capture lacks what tells them apart
    return (fact.spn or "").partition("@")[0].lower() == error.spn.partition("@")[0].lower()


def host_of(spn: str | None) -> str | None:
    """The host of `RPCSS/srv1.lab.example`; None for a ticket-granting ticket and for names that are no host's."""
    if spn is None or "/" not in spn:
        return None
    service, _, rest = spn.partition("@")[0].partition("/")
    host = rest.partition("/")[0].partition(":")[0]
    return host if host and service.lower() not in ("krbtgt", "kadmin") else None


def _addresses(case: Case, spn: str | None) -> frozenset[Address] | None:
    """Where the service is, as far as the capture knows; None where it does not."""
    host = host_of(spn)
    if host is None:
        return None
    try:
        return frozenset({ip_address(host)})
    except ValueError:
        pass
    found = {address for one in case.names if same_host(host, one.fact.name) for address in one.fact.addresses}
    for one in case.logons:
        names = (one.logon.server_name, one.logon.server_dns_name, host_of(one.logon.spn))
        if any(name and same_host(host, name) for name in names):
            found.add(one.server)
    return frozenset(found) or None
