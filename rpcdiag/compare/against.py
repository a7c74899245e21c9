"""One step of a capture that works against the same step of one that does not: in what they differ."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rpcdiag.case import Case, CaseLogon, CaseReferral, Conversation
from rpcdiag.compare.steps import Asked, Pair, Step, asks_for, named, operation
from rpcdiag.dissect.status import status_name
from rpcdiag.flows.flow import FAILED_TO_OPEN, PIPE, UDP, TcpOutcome
from rpcdiag.model.packets import Address
from rpcdiag.track.facts import Connection, Fate
from rpcdiag.track.spoken import Outcome

LEVELS = {1: "none", 2: "connect", 3: "call", 4: "packet", 5: "packet integrity", 6: "packet privacy"}
MECHANISMS = {9: "SPNEGO", 10: "NTLM", 14: "TLS", 16: "Kerberos", 68: "Netlogon"}
MAX_OF_ONE = 4  # faults, operations that are told of one connection
COURSES = {
    TcpOutcome.ESTABLISHED: "connects", TcpOutcome.REFUSED: "refused (RST)", TcpOutcome.UNANSWERED: "never answered",
    TcpOutcome.PROHIBITED: "refused (ICMP)", TcpOutcome.MIDSTREAM: "was open before",
    TcpOutcome.RESET: "connects, then RST", TcpOutcome.IDLE_DROPPED: "connects, lost after a silence",
    TcpOutcome.STALLED: "connects, then nothing gets through",
}  # fmt: skip
VERBS = {
    TcpOutcome.ESTABLISHED: "opens", TcpOutcome.REFUSED: "is refused (RST)", TcpOutcome.UNANSWERED: "is never answered",
    TcpOutcome.PROHIBITED: "is refused (ICMP)", TcpOutcome.MIDSTREAM: "was open before",
    TcpOutcome.RESET: "opens, and the server ends it with a RST",
    TcpOutcome.IDLE_DROPPED: "opens, and is lost after a silence",
    TcpOutcome.STALLED: "opens, and then nothing gets through",
}  # fmt: skip
KINDS = {
    TcpOutcome.REFUSED: "refused", TcpOutcome.UNANSWERED: "never-answered", TcpOutcome.PROHIBITED: "prohibited",
    TcpOutcome.RESET: "reset", TcpOutcome.IDLE_DROPPED: "idle-dropped", TcpOutcome.STALLED: "stalled",
}  # fmt: skip
# what every logon goes through: the client then asks again with a proof, or over TCP
USUAL = frozenset({"KDC_ERR_PREAUTH_REQUIRED", "KRB_ERR_RESPONSE_TOO_BIG"})


class Found(NamedTuple):
    """A difference before it is known which rules speak of it. `about`: what it is about, to tell it once."""

    kind: str
    says: str
    matters: bool
    packets: tuple[tuple[int, ...], tuple[int, ...]]
    flows: tuple[str | None, str | None] = (None, None)
    about: str = ""
    referral: str | None = None  # of the bad capture


def status(number: int) -> str:
    """`0x00000005 ERROR_ACCESS_DENIED`"""
    name = status_name(number)
    return f"{number & 0xFFFFFFFF:#010x}{' ' + name if name else ''}"


def _at(label: str, packet: int | None) -> str:
    return f"packet {packet} of {label}" if packet is not None else label


def answer(one: CaseReferral) -> str:
    """`told: port 49153`"""
    told = one.referral
    ports = _ports(one)
    if told.status:
        return status(told.status)
    if told.readable == "sealed":
        return "the answer is sealed"
    return f"told: port {', '.join(map(str, ports[:4]))}{' ...' if len(ports) > 4 else ''}" if ports else "no port"


def _ports(one: CaseReferral) -> list[int]:
    return sorted({end.port for end in one.referral.endpoints if end.port is not None})


def course(one: Conversation) -> str:
    """`connects, 3 calls`"""
    flow, rpc = one.near.flow, one.near.rpc
    if flow.transport == UDP:
        text = "answers" if flow.outcome is TcpOutcome.ESTABLISHED else "no answer"
    else:
        text = COURSES[flow.outcome]
    if flow.syn_count > 1 and flow.transport != UDP:
        text += f" ({flow.syn_count} SYNs)"
    if rpc is not None and rpc.requests:
        text += f", {rpc.requests} call{'' if rpc.requests == 1 else 's'}"
        bad = [f"{rpc.fates[fate]} {word}" for fate, word in _BAD_FATES if rpc.fates.get(fate)]
        text += f" ({', '.join(bad)})" if bad else ""
    return text


_BAD_FATES = ((Fate.FAULT, "in a fault"), (Fate.UNANSWERED, "unanswered"), (Fate.REJECTED, "rejected"))


def lookups(good: CaseReferral, bad: CaseReferral) -> Iterator[Found]:
    """The same question: other answers."""
    ours, theirs = good.referral, bad.referral
    packets = (ours.request_packet, ours.response_packet), (theirs.request_packet, theirs.response_packet)
    flows = good.asked_on.id, bad.asked_on.id
    what = asks_for(bad)
    about = f"{ours.kind}{ours.clsid}{ours.interface}"

    def found(kind: str, says: str, *, matters: bool) -> Found:
        return Found(kind, says, matters, packets, flows, about, bad.id)

    if (ours.status or 0) != (theirs.status or 0):
        yield found(
            "lookup-status",
            f"the client {what}: in GOOD {answer(good)} (packet {ours.response_packet}), in BAD {answer(bad)} "
            f"(packet {theirs.response_packet})",
            matters=bool(theirs.status),
        )
        return
    if ours.readable != theirs.readable:
        yield found(
            "lookup-readable",
            f"the client {what}: the answer is {ours.readable} in GOOD (packet {ours.response_packet}) and "
            f"{theirs.readable} in BAD (packet {theirs.response_packet}): a firewall in the path may read the one only",
            matters=theirs.readable == "sealed",
        )
        return
    ports = _ports(good), _ports(bad)
    if ports[0] and not ports[1]:
        yield found(
            "no-port", f"the client {what}: GOOD is told port {_few(ports[0])}, BAD is told no port "
            f"(packet {theirs.response_packet})", matters=True,
        )  # fmt: skip
    elif ports[0] != ports[1]:
        yield found(
            "other-port",
            f"the client {what}: GOOD is told port {_few(ports[0])} (packet {ours.response_packet}), BAD port "
            f"{_few(ports[1])} (packet {theirs.response_packet})",
            matters=False,
        )
    hosts = [
        sorted({str(end.address or end.host) for end in one.endpoints if end.address or end.host})
        for one in (ours, theirs)
    ]
    moved = [str(one.teller) for one in (good, bad)]
    if hosts[0] != hosts[1] and (moved[0] == moved[1]) and hosts[1]:
        yield found(
            "other-address",
            f"the client {what}: the answer names {_few(hosts[0])} in GOOD and {_few(hosts[1])} in BAD",
            matters=not set(hosts[0]) & set(hosts[1]),
        )


def _few(values: Sequence[object]) -> str:
    return ", ".join(str(one) for one in values[:4]) + (" ..." if len(values) > 4 else "") if values else "nothing"


def connections(good: Conversation, bad: Conversation) -> Iterator[Found]:
    """The same purpose: another course. What follows from not connecting is not told as well."""
    ours, theirs = good.near.flow, bad.near.flow
    flows = good.near.id, bad.near.id
    spans = (ours.first_packet,), (theirs.first_packet,)
    where = theirs.pipe or "a pipe" if theirs.transport == PIPE else f"{theirs.server}"
    about = f"{theirs.server.port}{theirs.pipe}"
    went_well = ours.outcome in (TcpOutcome.ESTABLISHED, TcpOutcome.MIDSTREAM)
    if theirs.transport == UDP:
        if went_well and theirs.outcome is not TcpOutcome.ESTABLISHED:
            yield Found(
                "never-answered", f"UDP {where} answers in GOOD and not in BAD (packet {theirs.first_packet})", True,
                spans, flows, about,
            )  # fmt: skip
        return
    if theirs.outcome in KINDS and theirs.outcome is not ours.outcome:
        tries = tuple(syn.packet for syn in theirs.syns) if theirs.outcome in FAILED_TO_OPEN else spans[1]
        times = f", {theirs.syn_count} SYNs" if theirs.syn_count > 1 else ""
        yield Found(
            KINDS[theirs.outcome],
            f"the connection to {where} {VERBS[theirs.outcome]} in BAD (packet{'s' if len(tries) > 1 else ''} "
            f"{_few(tries)}{times}); in GOOD it {VERBS[ours.outcome]} (port {ours.server.port}, packet "
            f"{ours.first_packet})",
            went_well or theirs.outcome not in FAILED_TO_OPEN,
            (spans[0], tries or spans[1]), flows, about,
        )  # fmt: skip
    elif ours.outcome is theirs.outcome and theirs.syn_count > max(1, ours.syn_count):
        yield Found(
            "syn-repeated",
            f"the connection to {where}: {ours.syn_count} SYN in GOOD, {theirs.syn_count} in BAD",
            False, (spans[0], tuple(syn.packet for syn in theirs.syns)), flows, about,
        )  # fmt: skip
    if theirs.outcome in FAILED_TO_OPEN or good.near.rpc is None:
        return
    if bad.near.rpc is None:
        yield Found(
            "says-nothing", f"on {where} GOOD speaks RPC (packet {good.near.rpc.first_pdu}), BAD says nothing", True,
            spans, flows, about,
        )  # fmt: skip
        return
    yield from _rpc(good.near.rpc, bad.near.rpc, where, flows)


def _rpc(ours: Connection, theirs: Connection, where: str, flows: tuple[str, str]) -> Iterator[Found]:
    yield from _binds(ours, theirs, where, flows)
    yield from _security(ours, theirs, where, flows)
    known = {(fault.interface, fault.opnum, fault.status) for fault in ours.faults}
    fresh = dict.fromkeys(
        (fault.interface, fault.opnum, fault.status)
        for fault in theirs.faults
        if (fault.interface, fault.opnum, fault.status) not in known
    )
    for interface, opnum, number in list(fresh)[:MAX_OF_ONE]:
        packets = tuple(
            one.packet for one in theirs.faults if (one.interface, one.opnum, one.status) == (interface, opnum, number)
        )
        uuid = interface.uuid if interface else None
        yield Found(
            "fault",
            f"{named(uuid)} operation {'?' if opnum is None else opnum} on {where} ends in the fault {status(number)} in "
            f"BAD (packet {packets[0]}), and not in GOOD",
            True, ((), packets[:8]), flows, f"{uuid}{opnum}{number}",
        )  # fmt: skip
    errors = {(one.interface, one.opnum, one.result) for one in ours.carried}
    for one in [one for one in theirs.carried if (one.interface, one.opnum, one.result) not in errors][:MAX_OF_ONE]:
        uuid = one.interface.uuid if one.interface else None
        yield Found(
            "result", f"{named(uuid)} operation {'?' if one.opnum is None else one.opnum} on {where} returns "
            f"{status(one.result)} in BAD (packet {one.packet}), and not in GOOD",
            True, ((), (one.packet,)), flows, f"{uuid}{one.opnum}{one.result}",
        )  # fmt: skip
    if theirs.fates.get(Fate.UNANSWERED) and not ours.fates.get(Fate.UNANSWERED):
        open_calls = [one for one in theirs.open_calls if one.fate is Fate.UNANSWERED]
        what = (
            f"{named(open_calls[0].interface.uuid)} operation {open_calls[0].opnum}"
            if open_calls and open_calls[0].interface
            else "a call"
        )
        yield Found(
            "call-unanswered", f"{what} on {where} is answered in GOOD and not in BAD", True,
            ((), tuple(one.packet for one in open_calls[:8])), flows, where,
        )  # fmt: skip


def _binds(ours: Connection, theirs: Connection, where: str, flows: tuple[str, str]) -> Iterator[Found]:
    for mine, other in zip(ours.binds, theirs.binds, strict=False):
        if mine.answer == other.answer and bool(mine.refused) == bool(other.refused):
            continue
        packets = (mine.packet,), (other.packet,)
        name = named(other.contexts[0].interface.uuid) if other.contexts else "?"
        if other.answer is None:
            kind, what = "bind-unanswered", "is not answered"
        elif other.answer != "ack":
            kind, what = "bind-rejected", f"is rejected (reason {other.nak_reason})"
        elif other.refused and not mine.refused:
            kind, what = "interface-refused", "is answered, and the interface refused"
        else:
            continue
        yield Found(
            kind, f"the bind to {name} on {where} is accepted in GOOD (packet {mine.packet}); in BAD it {what} "
            f"(packet {other.packet})", True, packets, flows, name,
        )  # fmt: skip
        return


def _security(ours: Connection, theirs: Connection, where: str, flows: tuple[str, str]) -> Iterator[Found]:
    """Another level, or another mechanism."""
    before = {use.interface.uuid: use for use in ours.interfaces}
    for use in theirs.interfaces:
        mine = before.get(use.interface.uuid)
        if mine is None:
            continue
        name = named(use.interface.uuid)
        packets = _first_bind(ours), _first_bind(theirs)
        if mine.auth_cut or use.auth_cut:
            continue
        if (mine.auth_level or 1) != (use.auth_level or 1):
            yield Found(
                "auth-level",
                f"{name} on {where} is called at level {LEVELS.get(mine.auth_level or 1, mine.auth_level)} in GOOD and "
                f"{LEVELS.get(use.auth_level or 1, use.auth_level)} in BAD",
                True, packets, flows, name,
            )  # fmt: skip
        elif (mine.auth_type or 0) != (use.auth_type or 0):
            yield Found(
                "auth-type",
                f"{name} on {where} is secured by {_mechanism(mine.auth_type)} in GOOD and by "
                f"{_mechanism(use.auth_type)} in BAD",
                True, packets, flows, name,
            )  # fmt: skip


def _first_bind(rpc: Connection) -> tuple[int, ...]:
    return tuple(bind.packet for bind in rpc.binds[:1])


def _mechanism(number: int | None) -> str:
    return MECHANISMS.get(number, str(number)) if number else "nothing"


Logons = dict[str, list[CaseLogon]]


def by_flow(case: Case) -> Logons:
    """The logons on each flow."""
    found: Logons = {}
    for one in case.logons:
        if one.flow is not None:
            found.setdefault(one.flow, []).append(one)
    return found


def logons(good: Logons, bad: Logons, ours: Conversation, theirs: Conversation) -> Iterator[Found]:
    """NTLM instead of Kerberos, or a logon that is refused."""
    before = [one for id in ours.ids for one in good.get(id, ())]
    after = [one for id in theirs.ids for one in bad.get(id, ())]
    if not before or not after:
        return
    flows = ours.near.id, theirs.near.id
    packets = before[0].logon.packets[:4], after[0].logon.packets[:4]
    words = [list(dict.fromkeys(_word(one.logon.mechanism) for one in some)) for some in (before, after)]
    where = theirs.near.flow.server
    if set(words[0]) != set(words[1]):
        yield Found(
            "mechanism",
            f"the client logs on to {where} by {_few(words[0])} in GOOD and by {_few(words[1])} in BAD",
            True, packets, flows, str(where.port),
        )  # fmt: skip
    refused = [one for one in after if one.status or one.logon.error]
    if refused and not any(one.status or one.logon.error for one in before):
        one = refused[0]
        why = one.logon.error or (
            status_name(one.status, "ntstatus") or f"{one.status:#010x}" if one.status else "refused"
        )
        yield Found(
            "logon-refused", f"the logon to {where} succeeds in GOOD; in BAD it ends with {why}", True, packets, flows,
            str(where.port),
        )  # fmt: skip


def _word(mechanism: str) -> str:
    return {"ntlm": "NTLM", "kerberos": "Kerberos", "spnego": "SPNEGO", "netlogon": "Netlogon"}.get(
        mechanism, mechanism
    )


def sequences(good: Sequence[Asked], bad: Sequence[Asked]) -> Iterator[Found]:
    """Operations that only the good one calls."""
    if not good or not bad:
        return
    called = {(one.interface, one.opnum) for one in bad}
    missing = {(one.interface, one.opnum): one for one in reversed(good) if (one.interface, one.opnum) not in called}
    if not missing:
        return
    ordered = sorted(missing.values(), key=lambda each: each.packet)
    last = bad[-1]
    how = f", {last.outcome}" if last.outcome in (Outcome.FAULT, Outcome.UNANSWERED) else ""
    yield Found(
        "call-missing",
        f"GOOD calls {_few([operation(one) for one in ordered])} (packet {ordered[0].packet}); BAD never does: its last "
        f"call is {operation(last)}{how} (packet {last.packet})",
        False, (tuple(one.packet for one in ordered[:8]), (last.packet,)), about=str(ordered[0].packet),
    )  # fmt: skip


def alone(good: Step | None, bad: Step | None) -> Iterator[Found]:
    """A step that one of them never comes to."""
    step = good or bad
    if step is None:
        return
    flow = step.conversation.near.id if step.conversation is not None else None
    about = " ".join(step.key)
    if good is not None:
        how = (
            answer(good.referral)
            if good.referral is not None
            else course(good.conversation)
            if good.conversation
            else ""
        )
        worked = good.conversation is None or good.conversation.near.flow.outcome not in FAILED_TO_OPEN
        yield Found(
            "missing", f"GOOD {step.title} (packet {step.packets[0]}: {how}); BAD never does", worked, (step.packets, ()),
            (flow, None), about,
        )  # fmt: skip
        return
    failed = step.conversation is not None and step.conversation.near.flow.outcome in KINDS
    failed = failed or (step.referral is not None and bool(step.referral.referral.status))
    how = answer(step.referral) if step.referral is not None else course(step.conversation) if step.conversation else ""
    yield Found(
        "additional", f"BAD {step.title} (packet {step.packets[0]}: {how}); GOOD does not", failed, ((), step.packets),
        (None, flow), about, step.referral.id if step.referral is not None else None,
    )  # fmt: skip


def moved(good: Pair, bad: Pair) -> bool:
    """Whether the two are other hosts altogether: another place, the same thing."""
    return good.client != bad.client and good.server != bad.server


def hosts(good: Pair, bad: Pair) -> Iterator[Found]:
    """The same client goes to another server."""
    if good.client == bad.client and good.server != bad.server:
        yield Found(
            "other-server",
            f"{good.client} goes to {good.server} in GOOD (packet {good.steps[0].packets[0]}) and to {bad.server} in BAD "
            f"(packet {bad.steps[0].packets[0]})",
            True, ((good.steps[0].packets[0],), (bad.steps[0].packets[0],)), about=str(bad.server),
        )  # fmt: skip


def names(good: Case, bad: Case) -> Iterator[Found]:
    """A name that is told to be elsewhere, or not to be."""
    before = {(one.fact.name.lower(), one.fact.type): one.fact for one in (*good.unanswered, *good.names)}
    told: set[tuple[str, str]] = set()
    for each in (*bad.names, *bad.unanswered):
        fact = each.fact
        key = fact.name.lower(), fact.type
        known = before.get(key)
        if known is None or key in told:
            continue
        where = (f"packet {known.packet}", f"packet {fact.packet}")
        packets = (known.packet,), (fact.packet,)
        if known.result != fact.result:
            told.add(key)
            yield Found(
                "name-result", f"{fact.name} ({fact.type}): {known.result} in GOOD ({where[0]}), {fact.result} in BAD "
                f"({where[1]})", known.addresses != (), packets, about=fact.name,
            )  # fmt: skip
        elif set(known.addresses) != set(fact.addresses):
            told.add(key)
            yield Found(
                "name-address", f"{fact.name} is {_few(known.addresses)} in GOOD ({where[0]}) and {_few(fact.addresses)} in "
                f"BAD ({where[1]})", not set(known.addresses) & set(fact.addresses), packets, about=fact.name,
            )  # fmt: skip


def tickets(good: Case, bad: Case, client: Address, other: Address) -> Iterator[Found]:
    """A ticket that is refused to the client."""
    before = {one.fact.error for one in good.tickets if one.fact.client == client}
    told: set[str] = set()
    for each in bad.tickets:
        fact = each.fact
        if fact.client != other or not fact.error or fact.error in USUAL or fact.error in before | told:
            continue
        told.add(fact.error)
        yield Found(
            "ticket-refused", f"{fact.server} refuses {fact.spn or fact.user or 'a ticket'} in BAD: {fact.error} (packet "
            f"{fact.packet}), and not in GOOD", True, ((), (fact.packet,)), about=fact.error,
        )  # fmt: skip
