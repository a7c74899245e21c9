"""Did this connection begin at the endpoint mapper? The question that "Enforce strict RPC compliance" asks.

Two checks, kept apart: the first bind on port 135 must name the mapper; a dynamic port must have been granted by the
mapper to that client. What the capture cannot know is indeterminate. Every direction is judged by itself: a callback
is a connection of the server, and the server its client.
"""

from enum import StrEnum
from typing import NamedTuple

from rpcdiag.dissect.interfaces import EPMAPPER, interface_name
from rpcdiag.flows.flow import PIPE, UDP, Flow
from rpcdiag.model.evidence import Confidence
from rpcdiag.track.facts import Bind, Connection, ReferralKind
from rpcdiag.track.origin import MAPPER_PORTS, Origin, OriginKind


class Verdict(StrEnum):
    COMPLIANT = "compliant"
    VIOLATION = "violation"
    INDETERMINATE = "indeterminate"
    NOT_APPLICABLE = "not_applicable"


class StrictKind(StrEnum):
    MAPPED = "mapped"
    DCOM_ON_135 = "dcom-on-135"
    DCOM_FOLLOW_UP = "dcom-follow-up"
    CACHED_OR_LATE = "cached-or-late-capture"
    FIXED_ENDPOINT = "fixed-endpoint"
    DIRECT = "direct"


class StrictRpc(NamedTuple):
    verdict: Verdict
    kind: StrictKind
    confidence: Confidence
    reason: str


def judge(flow: Flow, rpc: Connection | None, origin: Origin, told_by: ReferralKind | None = None) -> StrictRpc:
    """The verdict on one flow; `told_by` is the kind of the referral that its origin rests on."""
    if flow.transport == PIPE:
        return StrictRpc(
            Verdict.NOT_APPLICABLE, StrictKind.FIXED_ENDPOINT, Confidence.PROVEN,
            "RPC inside SMB needs no port of its own: the filter for RPC does not see it",
        )  # fmt: skip
    if flow.transport == UDP and flow.server.port in MAPPER_PORTS:
        return StrictRpc(
            Verdict.NOT_APPLICABLE,
            StrictKind.MAPPED,
            Confidence.OPEN,
            "connectionless RPC binds nothing to be judged by",
        )
    if flow.server.port in MAPPER_PORTS:
        return _on_mapper_port(flow, rpc)
    match origin.kind:
        case OriginKind.INFERRED if told_by in _OF_MAPPER:
            return StrictRpc(
                Verdict.COMPLIANT, StrictKind.MAPPED, origin.confidence, f"the mapper was asked before: {origin.why}"
            )
        case OriginKind.EPT_MAP | OriginKind.EPT_LOOKUP:
            return StrictRpc(
                Verdict.COMPLIANT, StrictKind.MAPPED, origin.confidence, f"the mapper granted the port: {origin.why}"
            )
        case OriginKind.ACTIVATION | OriginKind.RESOLVE_OXID | OriginKind.OBJECT_REFERENCE | OriginKind.INFERRED:
            return StrictRpc(
                Verdict.VIOLATION, StrictKind.DCOM_FOLLOW_UP, origin.confidence,
                f"DCOM, not the mapper, handed out the port: {origin.why}",
            )  # fmt: skip
        case OriginKind.WELL_KNOWN:
            return StrictRpc(Verdict.NOT_APPLICABLE, StrictKind.FIXED_ENDPOINT, origin.confidence, origin.why)
        case OriginKind.OTHER_CLIENT | OriginKind.BEFORE_CAPTURE:
            return StrictRpc(Verdict.INDETERMINATE, StrictKind.CACHED_OR_LATE, Confidence.OPEN, origin.why)
        case _:
            return StrictRpc(Verdict.VIOLATION, StrictKind.DIRECT, Confidence.LIKELY, origin.why)


_OF_MAPPER = frozenset({ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP})


def foreign_bind(rpc: Connection) -> Bind | None:
    """The first bind or alter_context that names something else than the mapper."""
    for bind in rpc.binds:
        if any(context.interface.uuid != EPMAPPER for context in bind.contexts):
            return bind
    return None


def _on_mapper_port(flow: Flow, rpc: Connection | None) -> StrictRpc:
    if rpc is None or not rpc.pdus:
        return StrictRpc(
            Verdict.NOT_APPLICABLE, StrictKind.MAPPED, Confidence.OPEN, "no RPC was seen on this connection"
        )
    if not rpc.binds:
        lost = "the bind is not whole in the capture" if flow.syn_count else "the bind lies before the capture"
        known = next((use for use in rpc.interfaces if use.by and use.interface.uuid != EPMAPPER), None)
        if known is not None:
            return StrictRpc(
                Verdict.VIOLATION, StrictKind.DCOM_ON_135, Confidence.LIKELY,
                f"{lost}; {known.by} say that it was of "
                f"{interface_name(known.interface.uuid)}, not of the mapper",
            )  # fmt: skip
        return StrictRpc(Verdict.INDETERMINATE, StrictKind.CACHED_OR_LATE, Confidence.OPEN, lost)
    bind = foreign_bind(rpc)
    if bind is None:
        cut = any(one.cut for one in rpc.binds)
        if cut and not rpc.binds[0].contexts:
            return StrictRpc(
                Verdict.INDETERMINATE, StrictKind.CACHED_OR_LATE, Confidence.OPEN, "the bind is cut in the capture"
            )
        return StrictRpc(
            Verdict.COMPLIANT, StrictKind.MAPPED, Confidence.LIKELY if cut else Confidence.PROVEN,
            f"packet {rpc.binds[0].packet} binds the mapper" + ("; not all of its contexts are in the capture" if cut else ""),
        )  # fmt: skip
    uuid = next(context.interface.uuid for context in bind.contexts if context.interface.uuid != EPMAPPER)
    return StrictRpc(
        Verdict.VIOLATION, StrictKind.DCOM_ON_135, Confidence.PROVEN,
        f"packet {bind.packet} binds {interface_name(uuid) or uuid} on the mapper's port, not the mapper",
    )  # fmt: skip
