"""What a transcript tells: PDUs with what is known of their calls, and calls."""

from enum import StrEnum
from typing import NamedTuple

from rpcdiag.dissect import connectionless
from rpcdiag.dissect.dcerpc import Header, Pdu, Syntax
from rpcdiag.errors import DecodeError
from rpcdiag.track.facts import Referral
from rpcdiag.track.wire import Ends, Row


class Outcome(StrEnum):
    """How a call ended, as far as its connection says."""

    RESPONSE = "response"
    FAULT = "fault"
    UNANSWERED = "unanswered"
    ONE_WAY = "one_way"  # asked for no answer
    WITHOUT_REQUEST = "without_request"  # an answer whose request is not in the capture


class Call(NamedTuple):
    """One call; of an answer without request, `request_packet` and `request_ns` are None.

    Over datagrams `call_id` is the sequence number of the activity's call, and `context_id` 0: there are no contexts.
    """

    serial: int
    ends: Ends
    backwards: bool  # the server of the connection asked
    call_id: int
    context_id: int
    interface: Syntax | None
    opnum: int | None
    object: str | None
    request_packet: int | None
    request_ns: int | None
    answer_packet: int | None
    answer_ns: int | None
    outcome: Outcome
    status: int | None  # of a fault
    secondary_address: str | None  # that the server gave in its bind_ack


class Spoken(NamedTuple):
    """One PDU. `header` is None where not even that decodes; `pdu` is None where `error` says why it did not."""

    row: Row
    header: Header | connectionless.Header | None
    pdu: Pdu | connectionless.Pdu | None
    error: DecodeError | None
    interface: Syntax | None = None
    opnum: int | None = None  # of a request; of an answer, where its request was seen
    referral: Referral | None = None  # that this PDU completes
    wide: bool = False  # its context was agreed to speak NDR64
    calls: tuple[Call, ...] = ()  # that are over with this PDU: its own, and those that leave the memory unanswered
