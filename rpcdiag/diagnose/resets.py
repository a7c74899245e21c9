"""Connections that a RST ended in the middle of something, and who sent it."""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.case import Case, Conversation
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.attempts import Attempts
from rpcdiag.diagnose.observe import Refuser
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Evidence, Seen
from rpcdiag.track.facts import Bind, Fate, OpenCall

_ENDED = frozenset({TcpOutcome.RESET, TcpOutcome.IDLE_DROPPED})
_NO_ANSWER = frozenset({Fate.REJECTED, Fate.UNANSWERED})


class Cut(NamedTuple):
    """What the RST cut off, who sent it, and the packets that say so."""

    conversation: Conversation
    cut: OpenCall | Bind
    who: Refuser
    evidence: tuple[Evidence, ...]
    confidence: Confidence

    @property
    def interface(self) -> Syntax | None:
        """That of the call; a bind may ask for several."""
        return self.cut.interface if isinstance(self.cut, OpenCall) else None

    @property
    def idle(self) -> bool:
        """Whether it came after a long silence."""
        return self.conversation.near.flow.outcome is TcpOutcome.IDLE_DROPPED


def cuts(case: Case) -> Iterator[Cut]:
    """Calls and binds that were answered by RST. Binds of the mapper's port have rules of their own."""
    for conversation in case.conversations:
        flow, rpc = conversation.near.flow, conversation.near.rpc
        if flow.outcome not in _ENDED or flow.reset is None or flow.reset.from_client or rpc is None:
            continue
        calls = [call for call in rpc.open_calls if call.fate in _NO_ANSWER and call.time_ns <= flow.reset.time_ns]
        bind = next((bind for bind in rpc.binds if bind.answer is None), None)
        if calls:
            cut: OpenCall | Bind = calls[-1]
        elif bind is not None and not observe.is_mapper(conversation):
            cut = bind
        else:
            continue
        who, seen, confidence = sender(case, conversation)
        what = "bind" if isinstance(cut, Bind) else "call"
        yield Cut(conversation, cut, who, (Seen(f"the {what}", flow.capture, (cut.packet,)), *seen), confidence)


def sender(case: Case, conversation: Conversation) -> tuple[Refuser, list[Evidence], Confidence]:
    """Who sent the RST that came to the client."""
    near, far = conversation.near, conversation.flows[-1]
    mine, other = near.flow.reset, far.flow.reset
    if far is not near and mine is not None and (other is None or other.from_client):
        seen = Seen(f"RST with TTL {mine.ttl} comes to the client", near.flow.capture, (mine.packet,))
        says = f"at {case.point_name(far) or 'the point nearer to the server'} the server sends none"
        packet = other.packet if other is not None else far.flow.last_packet
        says += ", RST from the client's side comes instead" if other is not None else ""
        return Refuser.DEVICE, [seen, Seen(says, far.flow.capture, (packet,))], Confidence.ESTABLISHED
    return observe.refuser(case, conversation)


def next_try(attempts: Attempts, conversation: Conversation) -> Conversation | None:
    """The next connection to the same port that opened or was refused."""
    flow = conversation.near.flow
    return attempts.decided_after(conversation, flow.reset.time_ns if flow.reset else flow.end_ns)
