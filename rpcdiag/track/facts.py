"""What is known of an RPC connection, its calls, and the referrals made on it."""

from enum import StrEnum
from typing import NamedTuple

from rpcdiag.dissect.dcerpc import Context, Result, Syntax
from rpcdiag.dissect.exterror import ErrorRecord
from rpcdiag.model.packets import Address

REFUSALS = frozenset({1, 2})  # results of a context: by the user, by the provider. [C706] p_cont_def_result_t


class Bind(NamedTuple):
    """A bind or alter_context and its answer: `ack`, `nak`, or None for silence.

    `cut` where the capture lacks the last contexts or their transfer syntaxes, `results_cut` the last results; `auth_cut`
    where it is secured and the capture lacks how, `token_cut` where it lacks the end of the security token.
    """

    packet: int
    time_ns: int
    alter: bool
    contexts: tuple[Context, ...]
    association_group: int
    auth_type: int | None
    auth_level: int | None
    size: int
    answer: str | None = None
    answer_packet: int | None = None
    answer_ns: int | None = None
    results: tuple[Result, ...] = ()
    nak_reason: int | None = None
    extended: tuple[ErrorRecord, ...] = ()  # what a nak says more
    cut: bool = False
    results_cut: bool = False
    auth_cut: bool = False
    token_cut: bool = False

    @property
    def refused(self) -> tuple[Syntax, ...]:
        """Interfaces that were accepted in no transfer syntax; none of which the capture lacks what may say otherwise."""
        if self.cut:
            return ()
        codes: dict[Syntax, list[int]] = {}
        for context, result in zip(self.contexts, self.results, strict=False):
            codes.setdefault(context.interface, []).append(result.result)
        unknown = {context.interface for context in self.contexts[len(self.results) :]} if self.results_cut else set()
        return tuple(
            interface
            for interface, said in codes.items()
            if 0 not in said and interface not in unknown and not REFUSALS.isdisjoint(said)
        )


class InterfaceUse(NamedTuple):
    """One interface of a connection; `accepted` is None where no answer was seen.

    `by` names what in the bodies of its calls says that it is this one, where no bind was seen. `auth_cut`: it is secured,
    and the capture lacks what says how.
    """

    interface: Syntax
    accepted: bool | None
    auth_type: int | None
    auth_level: int | None
    calls: int
    by: str | None = None
    auth_cut: bool = False


class Fate(StrEnum):
    """What became of a request."""

    RESPONSE = "response"
    FAULT = "fault"
    UNANSWERED = "unanswered"
    REJECTED = "rejected"  # on a context that was never accepted, or the connection was closed on it
    CUT = "cut"  # the answer may lie in what the capture does not hold
    ONE_WAY = "one_way"  # asked for no answer


class FaultFact(NamedTuple):
    """A request that ended in a fault."""

    request_packet: int | None
    packet: int
    time_ns: int
    interface: Syntax | None
    opnum: int | None
    status: int
    flags: int
    auth_level: int | None
    after_auth3: bool  # the first answer after the third leg of a logon
    extended: tuple[ErrorRecord, ...] = ()  # what it says beyond its status
    auth_cut: bool = False  # it is secured, and the capture lacks what says how


class OpenCall(NamedTuple):
    """A request without an answer."""

    packet: int
    time_ns: int
    interface: Syntax | None
    opnum: int
    fate: Fate
    given_up_ns: int = 0  # when its client cancelled it, or left it behind; 0 where it did not


class CarriedError(NamedTuple):
    """An ORPC call that was answered, with an error code as its result."""

    request_packet: int | None
    packet: int
    time_ns: int
    interface: Syntax | None
    opnum: int | None
    result: int


class Damage(NamedTuple):
    """A PDU that did not decode."""

    packet: int
    why: str
    cut: bool


class Connection(NamedTuple):
    """Everything that RPC did on one flow. Lists are bounded; the counters are not."""

    pdus: int
    first_pdu: int | None
    binds: tuple[Bind, ...]
    interfaces: tuple[InterfaceUse, ...]
    requests: int
    fates: dict[Fate, int]
    orphan_answers: int
    faults: tuple[FaultFact, ...]
    open_calls: tuple[OpenCall, ...]
    carried: tuple[CarriedError, ...]
    damage: tuple[Damage, ...]
    secondary_address: str | None
    orpc_calls: int  # requests that name an object
    bytes_in_pdus: int
    bytes_skipped: int
    bytes_missing: int
    last_pdu_ns: int | None
    stream_bytes: int  # as the reassembly counts them: the three above add up to it
    com_version: tuple[int, int] | None = None  # of the client, as its calls on objects say that hand one on

    @property
    def settled(self) -> bool:
        """Whether every bind was acknowledged, no interface refused, and no call answered with an error.

        A transfer syntax that is refused beside another of the same interface that is taken is how Windows answers.
        """
        if self.faults or self.carried:
            return False
        for bind in self.binds:
            if bind.answer != "ack":
                return False
        return all(use.accepted is not False for use in self.interfaces)


class ReferralKind(StrEnum):
    EPT_MAP = "ept_map"
    EPT_LOOKUP = "ept_lookup"
    ACTIVATION = "activation"
    RESOLVE_OXID = "resolve_oxid"
    OBJECT_REFERENCE = "object_reference"
    SERVER_ALIVE2 = "server_alive2"  # names addresses, never ports: nobody is sent to a port by it


class Readable(StrEnum):
    """`carved`: out of what is left of a damaged answer, or of a call whose bind nobody saw."""

    CLEAR = "clear"
    SEALED = "sealed"
    CARVED = "carved"
    CUT = "cut"


class Referred(NamedTuple):
    """One endpoint handed out; `address` is None where the server wrote 0.0.0.0 or a name."""

    protseq: str
    address: Address | None
    host: str | None
    port: int | None
    pipe: str | None
    text: str
    interface: Syntax | None
    packet: int


class Try(NamedTuple):
    """One asking of a lookup that was asked more than once."""

    request_packet: int
    response_packet: int
    status: int | None


class SealedCall(NamedTuple):
    """What has to be known of a call to read its bodies once somebody has opened them; `wide` is NDR64."""

    interface: Syntax
    opnum: int
    wide: bool


class Referral(NamedTuple):
    """A server telling a client where something lives.

    Or an object that one of them hands to the other: then `by_client` says whose it is, and both packets are the one
    that carries the reference. The last fields are what a device in the path needs to know to read the answer too.
    """

    kind: ReferralKind
    interface: Syntax | None
    clsid: str | None
    iids: tuple[str, ...]
    oxid: int | None
    ipid: str | None
    status: int | None
    endpoints: tuple[Referred, ...]
    request_packet: int
    request_ns: int
    response_packet: int
    response_ns: int
    readable: Readable
    size: int  # bytes of the answer's stub
    tries: tuple[Try, ...]
    asked_address: Address | None = None  # of the server, as the client wrote it into the tower it asked with
    results: tuple[int, ...] = ()  # HRESULT of each interface that an activation asked for
    by_client: bool = False
    unbound: bool = False  # the bind is not in the capture
    call: SealedCall | None = None  # where the answer is sealed
    authn_hint: int | None = None  # the level that the exporter of an object asks for
    operation: tuple[str, int] | None = None  # UUID and opnum of the call
    fragments: int = 1  # PDUs that the answer came in
    wide: bool = False  # in NDR64
    opened: bool = False  # sealed on the wire, opened with keys
    continues: bool = False  # the client asks for more of what it was told before

    @property
    def sure(self) -> bool:
        """Whether it was read where it stands, of a call whose bind was seen."""
        return self.readable is not Readable.CARVED and not self.unbound
