"""An RPC filter kills DCOM on port 135 because it does not begin with the endpoint mapper.

Looks like: a connection to 135 opens; the bind names an activation or resolver interface, not the mapper; no bind_ack
follows, but silence, FIN or RST. A bind of the mapper by the same client is answered.
Because: a firewall enforces strict RPC compliance (ISA/TMG), "endpoint mapper only" (ASA) or the like.
Not this: a server that answers no bind at all, or answered one of DCOM shortly before (mapper-bind-unanswered); large
segments that are lost (path-mtu): a large bind that is never acknowledged can be either.
Needs: both directions, the bind, and 5 s after it or the end of the connection. A bind of the mapper by the same
client, a capture beyond the filter, or its log make it surer. Of a large bind: that as large segments to other ports are
acknowledged, that it is repeated in small pieces in vain, that a small one gets no answer either, or who ends it at once.
"""

from collections.abc import Iterator

from rpcdiag.case import Case, CaseFlow, Conversation, LogRow
from rpcdiag.diagnose import observe, size
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.diagnose.size import Judged, Matter
from rpcdiag.dissect.interfaces import EPMAPPER, interface_name
from rpcdiag.logs.isa_names import is_system
from rpcdiag.model.evidence import Confidence, Evidence, Missing, Seen, Severity
from rpcdiag.track.facts import Bind


def check(case: Case) -> Iterator[Finding]:
    for conversation in case.unsettled:
        near = conversation.near
        if not observe.is_mapper(conversation) or near.rpc is None:
            continue
        bind = _killed(case, near)
        if bind is not None and (case.drops_of(conversation) or not observe.dcom_passed(case, conversation, bind)):
            yield _finding(case, conversation, bind)


def _killed(case: Case, flow: CaseFlow) -> Bind | None:
    """The bind of a DCOM interface that got no answer, where it can be known that it got none."""
    rpc = flow.rpc
    if rpc is None or not rpc.binds or flow.flow.server_ttl is None:
        return None  # of a capture that holds one direction only, silence means nothing
    bind = rpc.binds[0]
    if bind.answer is not None or not any(context.interface.uuid in observe.DCOM for context in bind.contexts):
        return None
    last = case.captures[flow.flow.capture].last_ns or 0
    reset = flow.flow.reset
    ended = flow.flow.fin_from_server is not None or (reset is not None and not reset.from_client)
    if reset is not None and reset.from_client:
        last = reset.time_ns  # a client that gives up at once has not waited
    if not ended and last - bind.time_ns < observe.ANSWER_PATIENCE_NS:
        return None
    if observe.went_on(rpc, bind):
        return None
    return bind


def _finding(case: Case, conversation: Conversation, bind: Bind) -> Finding:
    near = conversation.near
    uuid = next(context.interface.uuid for context in bind.contexts if context.interface.uuid in observe.DCOM)
    name = interface_name(uuid) or uuid
    answered = _mapper_answers(case, conversation)
    rows = [row for row in case.rows_of(conversation) if row.entry.drops or row.entry.action in ("open", "close")]
    system = next((row.entry.rule for row in rows if row.entry.rule and is_system(row.entry.rule)), None)
    denied = bool(case.drops_of(conversation))
    beyond = list(_bind_beyond(case, conversation))
    confidence = Confidence.ESTABLISHED if answered or beyond else Confidence.LIKELY
    if any(observe.sure(row) and (row.entry.drops or (system and answered)) for row in rows):
        confidence = Confidence.PROVEN
    lost = size.lost_large(near.flow) and not denied and not beyond
    judged = size.judged(case, conversation) if lost else Judged(Matter.KIND)
    as_likely = judged.matter is Matter.OPEN
    if judged.matter is not Matter.KIND:
        confidence = Confidence.POSSIBLE
    return Finding(
        rule=RULE.id,
        summary=f"something between {conversation.client} and {conversation.server} kills DCOM on port 135: the "
        f"connection opens, the bind of {name} gets no answer"
        + (", a bind of the endpoint mapper does" if answered else "")
        + (f"; that it is lost for its size ({bind.size} bytes, path-mtu) is as likely" if as_likely else ""),
        severity=Severity.ERROR,
        confidence=confidence,
        client=conversation.client,
        server=conversation.server,
        flows=conversation.ids,
        evidence=(
            Seen(f"the connection opens and binds {name}, not the mapper", near.flow.capture, (bind.packet,)),
            *_end(case, near, bind),
            *beyond,
            *([answered] if answered else []),
            *(judged.evidence if judged.matter is not Matter.SIZE else ()),
            *observe.logged(case, rows),
        ),
        errors=(observe.UNAVAILABLE, 0x800706BE),
        subject=Subject(
            port=135, interface=bind.contexts[0].interface, dcom=True,
            log_rule=system or next((row.entry.rule for row in rows if row.entry.rule), None),
            log_format=case.logs[rows[0].log].file.format if rows else None,
            device_zones=_zones(rows),
        ),
        next_observation=_size_or_kind(conversation) if judged.matter is not Matter.KIND else None
        if confidence is not Confidence.LIKELY else
        f"Does a mapper bind from {conversation.client} pass? Run 'portqry -n {conversation.server} -e 135' there while "
        "capturing: if that is answered and DCOM is not, an RPC filter is in the path.",
    )  # fmt: skip


def _size_or_kind(conversation: Conversation) -> str:
    return (
        f"Is it the size or the kind of the bind? Capture on {conversation.server}: 'ping -f -l 1400 {conversation.server}' "
        "from the client tells whether large packets pass; a DCOM bind without a Kerberos ticket is small."
    )


def _zones(rows: list[LogRow]) -> tuple[str, str] | None:
    for row in rows:
        if row.entry.source_zone and row.entry.destination_zone:
            return row.entry.source_zone, row.entry.destination_zone
    return None


def _end(case: Case, near: CaseFlow, bind: Bind) -> Iterator[Evidence]:
    flow = near.flow
    capture, last = flow.capture, case.captures[flow.capture].last_ns or 0
    if flow.fin_from_server is not None and (flow.reset is None or flow.reset.packet > flow.fin_from_server):
        yield Missing("no bind_ack before the FIN", capture, bind.packet, max(0, flow.end_ns - bind.time_ns))
        yield Seen("the server's side closes the connection (FIN)", capture, (flow.fin_from_server,))
    elif flow.reset is not None:
        by = "client" if flow.reset.from_client else "server's side"
        yield Missing("no bind_ack before the RST", capture, bind.packet, max(0, flow.reset.time_ns - bind.time_ns))
        yield Seen(f"RST from the {by}", capture, (flow.reset.packet,))
    else:
        yield Missing("no bind_ack, no bind_nak", capture, bind.packet, max(0, last - bind.time_ns))
    if flow.repeated:
        yield Seen("the bind is repeated and never acknowledged", capture, flow.repeated[: observe.MAX_SHOWN])


def _bind_beyond(case: Case, conversation: Conversation) -> Iterator[Evidence]:
    """Copies of the connection at other points that never saw the bind."""
    for other in conversation.flows[1:]:
        if other.rpc is None or not other.rpc.binds:
            name = case.point_name(other) or case.captures[other.flow.capture].path
            yield Seen(
                f"at {name} the same connection opens, and the bind never comes",
                other.flow.capture, (other.flow.first_packet,),
            )  # fmt: skip


def _mapper_answers(case: Case, conversation: Conversation) -> Seen | None:
    """A mapper bind of the same pair that was answered."""
    for other in case.between(conversation.client, conversation.server):
        for bind in other.near.rpc.binds if other.near.rpc and observe.is_mapper(other) else ():
            names = {context.interface.uuid for context in bind.contexts}
            if EPMAPPER in names and bind.answer == "ack" and bind.answer_packet:
                says = "a bind of the endpoint mapper between the same two is answered"
                return Seen(says, other.near.flow.capture, (bind.packet, bind.answer_packet))
    return None


RULE = Rule(
    id="strict-filter",
    cause="E6",
    title="An RPC filter lets only the endpoint mapper through on port 135",
    check=check,
    explains=("mapper-bind-unanswered",),
    rivals=("path-mtu",),
    errors=(observe.UNAVAILABLE, 0x800706BE),
)
