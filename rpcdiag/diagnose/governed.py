"""What rules say where the policy in force is known."""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.case import Case, Conversation
from rpcdiag.model.evidence import Confidence, Evidence, Missing, Seen
from rpcdiag.model.packets import Address
from rpcdiag.policy.model import Sure
from rpcdiag.policy.verdict import Applied, Reason, Verdict

MAX_SHOWN = 8


class Governed(NamedTuple):
    """Conversations of two hosts that one rule of the policy ends for one reason."""

    client: Address
    server: Address
    verdict: Verdict
    conversations: tuple[Conversation, ...]

    @property
    def flows(self) -> tuple[str, ...]:
        return tuple(id for conversation in self.conversations for id in conversation.ids)

    @property
    def agrees(self) -> bool:
        """Whether none of them got through in the capture where the policy would have ended it."""
        return not any(_answered(conversation) for conversation in self.conversations)

    @property
    def confidence(self) -> Confidence:
        if not self.agrees or self.verdict.sure is Sure.UNCERTAIN:
            return Confidence.POSSIBLE
        return Confidence.ESTABLISHED if self.verdict.sure is Sure.DOCUMENTED else Confidence.LIKELY


def ended_by(case: Case, applied: Applied, reason: Reason) -> Iterator[Governed]:
    """What the policy ends for this reason, by pair of hosts and rule."""
    groups: dict[tuple[Address, Address, int | None], list[Conversation]] = {}
    for conversation in case.conversations:
        verdict = applied.verdicts.get(conversation.near.id)
        if verdict is not None and verdict.passes is False and verdict.reason is reason:
            groups.setdefault((conversation.client, conversation.server, verdict.position), []).append(conversation)
    for (client, server, _), several in groups.items():
        yield Governed(client, server, applied.verdicts[several[0].near.id], tuple(several))


def strictly(case: Case, applied: Applied) -> Iterator[Governed]:
    """What ends because it does not begin with the endpoint mapper."""
    return ended_by(case, applied, Reason.STRICT_NON_EPM)


def shadowed_by_system(case: Case, applied: Applied) -> Iterator[Governed]:
    """What a rule of the system policy ends, though one further down would let it through."""
    for reason in (Reason.STRICT_NON_EPM, Reason.SHADOWED):
        for governed in ended_by(case, applied, reason):
            position = governed.verdict.position
            if position is not None and applied.policy.rules[position].system and governed.verdict.shadows is not None:
                yield governed


def evidence(governed: Governed) -> Iterator[Evidence]:
    """The binds at which they are ended, and the silence that followed."""
    binds: dict[int, list[int]] = {}
    silent: list[Missing] = []
    for conversation in governed.conversations:
        near = conversation.near
        bind = next((one for one in near.rpc.binds if one.answer is None), None) if near.rpc else None
        packet = governed.verdict.packet if bind is None else bind.packet
        binds.setdefault(near.flow.capture, []).append(packet or near.flow.first_packet)
        if bind is not None:
            wait = max(0, near.flow.end_ns - bind.time_ns)
            silent.append(Missing("no bind_ack", near.flow.capture, bind.packet, wait))
    for capture, packets in sorted(binds.items()):
        yield Seen("this is where the policy ends them", capture, tuple(packets[:MAX_SHOWN]))
    yield from silent[:1]


def _answered(conversation: Conversation) -> bool:
    rpc = conversation.near.rpc
    return rpc is not None and bool(rpc.binds) and all(bind.answer is not None for bind in rpc.binds)


def next_observation(governed: Governed) -> str | None:
    """What would decide, where it is not certain that this policy is what ended them."""
    if not governed.agrees:
        return (
            "The capture shows these binds answered: did the connections pass the firewall of the given policy at all, "
            "and is that the policy in force?"
        )
    if governed.verdict.sure is not Sure.DOCUMENTED:
        return "The firewall's own log for these connections: which rule it names, and whether it ended them."
    return None
