"""Calls that come back with the word that their object is gone."""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.case import Case, CaseFlow
from rpcdiag.dissect.status import status_name
from rpcdiag.model.evidence import Seen
from rpcdiag.track.facts import ReferralKind

DISCONNECTED = 0x80010108  # RPC_E_DISCONNECTED
INVALID_IPID = 0x80010113
CODES = frozenset({DISCONNECTED, INVALID_IPID, 0x776, 0x777, 0x778, 0x80070776, 0x80070777, 0x80070778})
MAX_CODES = 64  # of one flow


class Gone(NamedTuple):
    """A call on an object that is no more: its flow, the time of the answer, the code, and what shows it."""

    flow: CaseFlow
    time_ns: int
    code: int
    seen: Seen
    referral: str | None = None


def calls(case: Case) -> Iterator[Gone]:
    """Faults, results of calls, and OXIDs that the resolver does not know any more."""
    for conversation in case.unsettled:
        near = conversation.near
        if near.rpc is None:
            continue
        found = [(one.time_ns, one.status, one.request_packet, one.packet) for one in near.rpc.faults]
        found += [(one.time_ns, one.result, one.request_packet, one.packet) for one in near.rpc.carried]
        for ns, code, asked, answered in sorted(found, key=lambda one: one[3])[:MAX_CODES]:
            if code in CODES:
                packets = tuple(packet for packet in (asked, answered) if packet)
                yield Gone(near, ns, code, Seen(f"a call is answered {_named(code)}", near.flow.capture, packets))
    for one in case.referrals:
        told = one.referral
        if told.kind is ReferralKind.RESOLVE_OXID and told.status in CODES:
            packets = told.request_packet, told.response_packet
            seen = Seen(f"the resolver answers {_named(told.status)}", one.asked_on.flow.capture, packets)
            yield Gone(one.asked_on, told.response_ns, told.status, seen, one.id)


def _named(code: int) -> str:
    name = status_name(code)
    return f"{code:#010x}{f' {name}' if name else ''}"
