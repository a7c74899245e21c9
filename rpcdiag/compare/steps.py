"""What was done between a client and a server, step by step, in words that do not depend on ports, times or addresses."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.case import Case, CaseReferral, Conversation
from rpcdiag.dissect.interfaces import EPMAPPER, NDR64, class_name, interface_name, operation_name
from rpcdiag.errors import InputError
from rpcdiag.flows.flow import PIPE, UDP
from rpcdiag.model.packets import Address, Endpoint
from rpcdiag.track.facts import ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS
from rpcdiag.track.spoken import Outcome
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import Wire

MAX_STEPS = 5000  # of one pair of hosts
MAX_CALLS = 200  # of one connection
MAX_PDUS = 400_000
Key = tuple[str, ...]


class Asked(NamedTuple):
    """One call: what was asked, and what became of it."""

    interface: str | None
    opnum: int | None
    packet: int
    answer: int | None
    outcome: Outcome
    status: int | None


class Step(NamedTuple):
    """A lookup, or a connection. `key` says what for; `others` are keys by which it may be known where that one is not."""

    key: Key
    others: tuple[Key, ...]
    time_ns: int
    packets: tuple[int, int]
    title: str
    referral: CaseReferral | None = None
    conversation: Conversation | None = None


class Pair(NamedTuple):
    """All steps of a client and a server, by time."""

    client: Address
    server: Address
    steps: tuple[Step, ...]


Calls = dict[tuple[Endpoint, Endpoint, int], list[Asked]]  # by ends and first packet


def pairs(diagnosis: Diagnosis) -> list[Pair]:
    """Pairs of hosts, by their first step."""
    case = diagnosis.case
    found: dict[tuple[Address, Address], list[Step]] = {}
    for referral in case.referrals:
        if referral.referral.kind is not ReferralKind.OBJECT_REFERENCE:
            found.setdefault((referral.told, referral.teller), []).append(_lookup(referral))
    for conversation in case.conversations:
        found.setdefault((conversation.client, conversation.server), []).append(_connection(case, conversation))
    made = [
        Pair(*ends, tuple(sorted(steps, key=lambda one: (one.time_ns, one.packets))[:MAX_STEPS]))
        for ends, steps in found.items()
    ]
    return sorted(made, key=lambda one: one.steps[0].time_ns)


def _lookup(one: CaseReferral) -> Step:
    told = one.referral
    what = told.clsid or (told.interface.uuid if told.interface else "")
    if told.kind is ReferralKind.RESOLVE_OXID:
        what = ""
    others: tuple[Key, ...] = (("activation",),) if told.kind is ReferralKind.ACTIVATION else ()  # it may be sealed
    return Step(
        ("lookup", told.kind.value, what), others, told.request_ns, (told.request_packet, told.response_packet),
        asks_for(one), referral=one,
    )  # fmt: skip


def asks_for(one: CaseReferral) -> str:
    """`asks the mapper for drsuapi`"""
    told = one.referral
    match told.kind:
        case ReferralKind.EPT_MAP:
            return f"asks the mapper for {named(told.interface.uuid if told.interface else None)}"
        case ReferralKind.EPT_LOOKUP:
            return "lists the mapper's entries"
        case ReferralKind.ACTIVATION:
            return f"activates {(class_name(told.clsid) or told.clsid) if told.clsid else 'an object'}"
        case _:
            return "asks where an object lives"


def _connection(case: Case, one: Conversation) -> Step:
    near = one.near
    flow, rpc = near.flow, near.rpc
    used = [use.interface.uuid for use in rpc.interfaces if use.interface.uuid != NDR64] if rpc else []
    others: list[Key] = [("interface", uuid) for uuid in used]
    referral = case.referral_of(near)
    for_what: Key | None = None
    if referral is not None:
        told = referral.referral
        what = told.clsid or (told.interface.uuid if told.interface else told.kind.value)
        for_what = "for", what if told.kind is not ReferralKind.RESOLVE_OXID else "object"
    port = "port", str(flow.server.port)
    if flow.transport == PIPE:
        key: Key = "pipe", (flow.pipe or "?").lower()
    elif flow.server.port in MAPPER_PORTS:
        key = ("mapper", *sorted(set(used))) if used else ("mapper", EPMAPPER)
        others.append(port)
    elif for_what is not None:
        key = for_what
    elif others:
        key = others[0]
    else:
        key = port
    over = "UDP " if flow.transport == UDP else ""
    where = flow.pipe or "a pipe" if flow.transport == PIPE else f"{over}port {flow.server.port}"
    purpose = f" for {named(used[0])}" if used else f" for {_of(referral)}" if referral is not None else ""
    return Step(
        key, (*others, port), flow.start_ns, (flow.first_packet, flow.last_packet), f"connects to {where}{purpose}",
        conversation=one,
    )  # fmt: skip


def _of(referral: CaseReferral) -> str:
    told = referral.referral
    if told.clsid:
        return class_name(told.clsid) or told.clsid
    return named(told.interface.uuid) if told.interface else "an object"


def named(uuid: str | None) -> str:
    """The name of an interface, or its UUID."""
    return (interface_name(uuid) or uuid) if uuid else "?"


def operation(one: Asked) -> str:
    """`drsuapi DsCrackNames (12)`"""
    if one.opnum is None:
        return f"{named(one.interface)} ?"
    name = operation_name(one.interface, one.opnum) if one.interface else None
    return f"{named(one.interface)} {name or 'operation'} ({one.opnum})"


def calls(path: str) -> Calls:
    """What was called on every connection, in order; the capture is read a second time. Empty where it cannot be."""
    found: Calls = {}
    if path == "-":
        return found
    try:
        for one in _all(path):
            packet = one[1].packet
            kept = found.setdefault(one[0], [])
            if len(kept) < MAX_CALLS and packet:
                kept.append(one[1])
    except InputError:
        pass  # what was told until then is right
    for asked in found.values():
        asked.sort(key=lambda one: one.packet)
    return found


def _all(path: str) -> Iterator[tuple[tuple[Endpoint, Endpoint, int], Asked]]:
    transcript = Transcript(Wire(path).rows())
    for count, spoken in enumerate(transcript):
        for call in spoken.calls:
            if call.request_packet is not None:
                ends = call.ends.client, call.ends.server, call.ends.first_packet
                uuid = call.interface.uuid if call.interface else None
                yield ends, Asked(uuid, call.opnum, call.request_packet, call.answer_packet, call.outcome, call.status)
        if count >= MAX_PDUS:
            return


def asked_on(step: Step, known: Calls) -> Sequence[Asked]:
    """The calls of the step's connection."""
    if step.conversation is None:
        return ()
    flow = step.conversation.near.flow
    return known.get((flow.client, flow.server, flow.first_packet), ())
