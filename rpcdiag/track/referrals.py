"""Bodies of the mapper and of DCOM to referrals.

A body that cannot be read leaves what its last four bytes say; a sealed one leaves that it was there.
"""

from ipaddress import IPv4Address
from typing import NamedTuple

from rpcdiag.dissect import activation, carve, epm, objref, oxid
from rpcdiag.dissect.dcerpc import PRIVACY, Auth, Syntax
from rpcdiag.dissect.dcom import DualStrings, StringBinding
from rpcdiag.dissect.epm import Tower
from rpcdiag.dissect.fragments import Stub
from rpcdiag.dissect.interfaces import EPMAPPER, IACTIVATION, IOBJECT_EXPORTER, IREMOTE_SCM_ACTIVATOR
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.errors import DecodeError, Truncated
from rpcdiag.track.facts import Readable, Referral, ReferralKind, Referred, SealedCall, Try

MAX_ENDPOINTS = 4096
MAX_REFERENCES = 16  # of one stub

_KINDS = {
    (EPMAPPER, epm.EPT_MAP): ReferralKind.EPT_MAP,
    (EPMAPPER, epm.EPT_LOOKUP): ReferralKind.EPT_LOOKUP,
    (IREMOTE_SCM_ACTIVATOR, activation.REMOTE_GET_CLASS_OBJECT): ReferralKind.ACTIVATION,
    (IREMOTE_SCM_ACTIVATOR, activation.REMOTE_CREATE_INSTANCE): ReferralKind.ACTIVATION,
    (IACTIVATION, activation.REMOTE_ACTIVATION): ReferralKind.ACTIVATION,
    (IOBJECT_EXPORTER, oxid.RESOLVE_OXID): ReferralKind.RESOLVE_OXID,
    (IOBJECT_EXPORTER, oxid.RESOLVE_OXID2): ReferralKind.RESOLVE_OXID,
    (IOBJECT_EXPORTER, oxid.SERVER_ALIVE2): ReferralKind.SERVER_ALIVE2,
}


class Asked(NamedTuple):
    """A request that may lead to a referral."""

    interface: Syntax
    opnum: int
    packet: int
    time_ns: int
    stub: Stub
    sealed: bool
    big: bool
    wide: bool
    unbound: bool = False  # nobody saw its context agreed: the interface is not known


class Answered(NamedTuple):
    """Its answer."""

    packet: int
    time_ns: int
    stub: Stub
    sealed: bool
    big: bool
    wide: bool


class _Content(NamedTuple):
    interface: Syntax | None = None
    clsid: str | None = None
    iids: tuple[str, ...] = ()
    oxid: int | None = None
    ipid: str | None = None
    status: int | None = None
    endpoints: tuple[Referred, ...] = ()
    readable: Readable = Readable.CLEAR
    asked_address: IPv4Address | None = None
    results: tuple[int, ...] = ()
    authn_hint: int | None = None
    continues: bool = False


def refers(interface: Syntax | None, opnum: int) -> bool:
    """Whether the answer to this operation hands out endpoints."""
    return interface is not None and (interface.uuid, opnum) in _KINDS


def sealed(auth: Auth | None) -> bool:
    """Whether the stub of a PDU with this trailer is encrypted; a signed one is readable."""
    return auth is not None and auth.level == PRIVACY


def make(asked: Asked, answered: Answered) -> Referral:
    """The referral that this exchange is."""
    kind = _KINDS[(asked.interface.uuid, asked.opnum)]
    content = _SEALED if answered.sealed else _content(kind, asked, answered)
    if asked.unbound and content.readable is Readable.CLEAR:
        content = content._replace(readable=Readable.CARVED)
    packet = answered.packet
    return Referral(
        kind, content.interface, content.clsid, content.iids, content.oxid, content.ipid, content.status,
        tuple([Referred(*one[:-1], packet) for one in content.endpoints[:MAX_ENDPOINTS]]),
        asked.packet, asked.time_ns, packet, answered.time_ns, content.readable, answered.stub.length,
        (Try(asked.packet, packet, content.status),), content.asked_address, content.results,
        unbound=asked.unbound,
        call=SealedCall(asked.interface, asked.opnum, asked.wide) if content.readable is Readable.SEALED else None,
        authn_hint=content.authn_hint,
        operation=(asked.interface.uuid, asked.opnum), fragments=answered.stub.fragments, wide=answered.wide,
        continues=content.continues,
    )  # fmt: skip


class Opened(NamedTuple):
    """A sealed stub, decrypted by somebody else."""

    data: bytes
    big: bool


def opened(referral: Referral, question: Opened | None, answer: Opened) -> Referral | None:
    """What a sealed referral says now that its answer is open, and perhaps its question.

    None where the answer makes no sense: the wrong key stream, or bytes that the capture lacks.
    """
    call = referral.call
    if call is None:
        return None
    asked = Asked(
        call.interface, call.opnum, referral.request_packet, referral.request_ns, _whole(question, referral),
        question is None, bool(question and question.big), call.wide,
    )  # fmt: skip
    answered = Answered(
        referral.response_packet, referral.response_ns, _whole(answer, referral), False, answer.big, call.wide
    )
    found = make(asked, answered)
    if found.readable is not Readable.CLEAR:
        return None
    found = found._replace(fragments=referral.fragments, opened=True)
    return found._replace(readable=Readable.CARVED, unbound=True) if referral.unbound else found


def _whole(stub: Opened | None, referral: Referral) -> Stub:
    data = stub.data if stub is not None else b""
    return Stub(data, len(data), False, referral.response_packet)


# Clients ask the same again and again: what was read once is looked up.
_KNOWN: dict[tuple[object, ...], _Content] = {}
MAX_KNOWN = 4096
LONGEST_KNOWN = 4096
_OF_MAPPER = (ReferralKind.EPT_MAP, ReferralKind.EPT_LOOKUP)
_REST = 8  # bytes behind the status of an answer of the mapper: so many say that it was read as the wrong kind of NDR
_HANDLE = 20  # bytes of the context handle that a mapper's answer begins with: nothing in it is looked at
_SEALED = _Content(readable=Readable.SEALED)
_MEOW = b"MEOW"


def _content(kind: ReferralKind, asked: Asked, answered: Answered) -> _Content:
    """What the exchange says; the packet of its endpoints is left open."""
    question, answer = asked.stub, answered.stub
    if answer.length > LONGEST_KNOWN or question.length > LONGEST_KNOWN:
        return _read(kind, asked, answered)
    if kind is ReferralKind.EPT_LOOKUP:
        key: tuple[object, ...] = (kind, answer.data[_HANDLE:], answer.length, answer.cut, answered.big,
                                  answered.wide, answer.loose)  # fmt: skip
    else:
        body = answer.data[_HANDLE:] if kind is ReferralKind.EPT_MAP else answer.data
        key = (kind, asked.interface, asked.opnum, question.data, question.length, asked.sealed, asked.big, asked.wide,
               body, answer.length, answer.cut, answered.big, answered.wide, answer.loose)  # fmt: skip
    known = _KNOWN.get(key)
    if known is None:
        known = _read(kind, asked, answered)
        if len(_KNOWN) >= MAX_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = known
    return known


def joined(before: Referral, after: Referral) -> Referral | None:
    """One lookup for two, where the second asks the first again or goes on with its listing."""
    if before.kind is not after.kind:
        return None
    if before.kind is ReferralKind.EPT_MAP:
        if after.continues and after.status == epm.NOT_REGISTERED and before.endpoints:
            return before if before.interface == after.interface else None  # no more of them
        if before.status in (0, None) or before.interface != after.interface or after.readable is Readable.SEALED:
            return None
        return after._replace(
            request_packet=before.request_packet, request_ns=before.request_ns, tries=before.tries + after.tries
        )
    if before.kind is ReferralKind.EPT_LOOKUP and before.status == 0:
        # the last answer's status only says that there is no more
        done = after.status == epm.NOT_REGISTERED
        return after._replace(
            request_packet=before.request_packet,
            request_ns=before.request_ns,
            endpoints=(before.endpoints + after.endpoints)[:MAX_ENDPOINTS],
            status=0 if done else after.status,
            tries=before.tries[:1] + after.tries if done else (*before.tries[:1], *after.tries),
        )
    return None


def note(found: list[Referral], referral: Referral) -> bool:
    """Join it to one of the last few, where it goes on with that; whether it did."""
    for index in range(len(found) - 1, max(-1, len(found) - 5), -1):
        both = joined(found[index], referral)
        if both is not None:
            found[index] = both
            return True
    return False


def _read(kind: ReferralKind, asked: Asked, answered: Answered) -> _Content:
    if kind is ReferralKind.EPT_MAP:
        content = _asked_map(asked)
    elif kind is ReferralKind.ACTIVATION:
        content = _asked_activation(asked)
    else:
        content = _Content()
    stub = answered.stub
    for wide in (answered.wide, not answered.wide):
        ndr = Ndr(stub.data, stub.length, big=answered.big, wide=wide)
        try:
            found = _answer(kind, asked, content, ndr)
        except Truncated:
            begun = _begun(kind, content, answered, wide=wide)
            if begun is not None:
                return begun
            break  # read as the other kind, what is left may make sense of another sort
        except DecodeError:
            continue
        if kind not in _OF_MAPPER or ndr.left < _REST:
            return found
    status = None if stub.cut else epm.status_of(stub.data, big=answered.big)
    if kind in _OF_MAPPER:
        endpoints = tuple([_referred(tower) for tower in carve.towers(stub.data + stub.loose)])
    else:
        endpoints = _listed(carve.bindings(stub.data + stub.loose))
    return content._replace(readable=Readable.CARVED if endpoints else Readable.CUT, status=status, endpoints=endpoints)


def _begun(kind: ReferralKind, content: _Content, answered: Answered, *, wide: bool) -> _Content | None:
    """What stands in its place in an answer of the mapper that the capture cuts; None where no tower does."""
    if kind is not ReferralKind.EPT_MAP:
        return None
    stub = answered.stub
    try:
        towers = epm.begun_map_response(Ndr(stub.data, stub.length, big=answered.big, wide=wide))
    except DecodeError:
        return None
    if not towers:
        return None
    interface = content.interface or towers[0].interface
    return content._replace(
        readable=Readable.CUT, interface=interface, endpoints=tuple([_referred(tower) for tower in towers])
    )


def _answer(kind: ReferralKind, asked: Asked, content: _Content, ndr: Ndr) -> _Content:
    if kind is ReferralKind.EPT_MAP:
        mapped = epm.decode_map_response(ndr)
        return content._replace(status=mapped.status, endpoints=tuple(_referred(tower) for tower in mapped.towers))
    if kind is ReferralKind.EPT_LOOKUP:
        listed = epm.decode_lookup_response(ndr)
        towers = (entry.tower for entry in listed.entries)
        return content._replace(status=listed.status, endpoints=tuple(_referred(tower) for tower in towers if tower))
    if kind is ReferralKind.SERVER_ALIVE2:
        alive = oxid.decode_alive_response(ndr)
        return content._replace(status=alive.status, endpoints=_bound(alive.bindings))
    if kind is ReferralKind.RESOLVE_OXID:
        resolved = oxid.decode_resolve_response(ndr, asked.opnum)
        return content._replace(
            oxid=_oxid_asked(asked),
            ipid=resolved.ipid,
            status=resolved.status,
            endpoints=_bound(resolved.bindings),
        )
    if asked.interface.uuid == IACTIVATION:
        activated = activation.decode_remote_activation_response(ndr)
    else:
        activated = activation.decode_response(ndr)
    return content._replace(
        oxid=activated.oxid,
        ipid=activated.ipid_rem_unknown,
        status=activated.status,
        results=activated.results,
        authn_hint=activated.authn_hint,
        endpoints=_bound(activated.bindings),
    )


def _oxid_asked(asked: Asked) -> int | None:
    if asked.sealed:
        return None
    try:
        return oxid.decode_resolve_request(Ndr(asked.stub.data, asked.stub.length, big=asked.big, wide=asked.wide))
    except DecodeError:
        return None


def _asked_map(asked: Asked) -> _Content:
    if asked.sealed:
        return _Content()
    for wide in (asked.wide, not asked.wide):
        try:
            request = epm.wanted(Ndr(asked.stub.data, asked.stub.length, big=asked.big, wide=wide))
        except DecodeError:
            continue
        wanted = request.tower
        if wanted:
            return _Content(
                interface=wanted.interface, asked_address=_known(wanted.address), continues=request.continues
            )
    return _Content()


def _asked_activation(asked: Asked) -> _Content:
    if asked.sealed:
        return _Content()
    ndr = Ndr(asked.stub.data, asked.stub.length, big=asked.big, wide=asked.wide)
    try:
        if asked.interface.uuid == IACTIVATION:
            wanted = activation.decode_remote_activation_request(ndr)
        else:
            wanted = activation.decode_request(ndr, asked.opnum)
    except DecodeError:
        return _Content()
    return _Content(
        interface=Syntax(wanted.iids[0], "0.0") if wanted.iids else None, clsid=wanted.clsid, iids=wanted.iids
    )


def _referred(tower: Tower) -> Referred:
    address = _known(tower.address)
    host = str(address) if address else tower.host
    return Referred(
        protseq=tower.protseq,
        address=address,
        host=host,
        port=tower.port,
        pipe=tower.pipe,
        text=f"{host or ''}[{tower.pipe if tower.port is None else tower.port}]",
        interface=tower.interface,
        packet=0,
    )


def _known(address: IPv4Address | None) -> IPv4Address | None:
    """The address, unless it is the 0.0.0.0 that means "the host you asked"."""
    return address if address is not None and int(address) else None


def _bound(bindings: DualStrings | None) -> tuple[Referred, ...]:
    return _listed(bindings.strings if bindings else ())


def _listed(bindings: tuple[StringBinding, ...]) -> tuple[Referred, ...]:
    return tuple(
        Referred(
            protseq=binding.protseq,
            address=binding.address,
            host=binding.host,
            port=binding.port,
            pipe=binding.endpoint if binding.protseq == "ncacn_np" else None,
            text=binding.text,
            interface=None,
            packet=0,
        )
        for binding in bindings
    )


def remains(answered: Answered) -> Referral | None:
    """What an answer of the mapper or the resolver says, the request to which is not in the capture."""
    data = answered.stub.data
    found = carve.towers(data)
    interfaces = {tower.interface for tower in found}
    if found:
        kind = ReferralKind.EPT_MAP if len(interfaces) == 1 else ReferralKind.EPT_LOOKUP
        endpoints = tuple([_referred(tower) for tower in found])
    else:
        kind = ReferralKind.ACTIVATION if _MEOW in data else ReferralKind.RESOLVE_OXID
        endpoints = _listed(carve.bindings(data))
    if not endpoints:
        return None
    packet, ns = answered.packet, answered.time_ns
    return Referral(
        kind, interfaces.pop() if len(interfaces) == 1 else None, None, (), None, None, None,
        tuple([one._replace(packet=packet) for one in endpoints]), packet, ns, packet, ns, Readable.CARVED,
        answered.stub.length, (Try(packet, packet, None),), unbound=True,
    )  # fmt: skip


def handed_over(data: bytes, length: int, packet: int, time_ns: int, *, by_client: bool) -> list[Referral]:
    """The object references in a readable stub: the bindings in them are those of their owner's resolver."""
    return [
        Referral(
            ReferralKind.OBJECT_REFERENCE, Syntax(reference.iid, "0.0"), None, (reference.iid,), reference.std.oxid,
            reference.std.ipid, None, tuple([one._replace(packet=packet) for one in _bound(reference.resolver)]),
            packet, time_ns, packet, time_ns, Readable.CLEAR, length, (Try(packet, packet, None),),
            by_client=by_client,
        )
        for _, reference in objref.find_all(data, MAX_REFERENCES)
        if reference.std is not None
    ]  # fmt: skip


class Sign(NamedTuple):
    """How the interface of a call is told by its bodies, beyond doubt, where no bind was seen."""

    uuid: str
    version: str
    by: str


_SIGNS: dict[int, tuple[Sign, ...]] = {
    oxid.RESOLVE_OXID: (
        Sign(IACTIVATION, "0.0", "the results of RemoteActivation"),
        Sign(IOBJECT_EXPORTER, "0.0", "the bindings in the answer"),
    ),
    epm.EPT_LOOKUP: (Sign(EPMAPPER, "3.0", "the towers in the answer"),),
    epm.EPT_MAP: (
        Sign(EPMAPPER, "3.0", "the tower in the request"),
        Sign(IREMOTE_SCM_ACTIVATOR, "0.0", "the activation properties in the request"),
    ),
    activation.REMOTE_CREATE_INSTANCE: (
        Sign(IREMOTE_SCM_ACTIVATOR, "0.0", "the activation properties in the request"),
        Sign(IOBJECT_EXPORTER, "0.0", "the bindings in the answer"),
    ),
    oxid.SERVER_ALIVE2: (Sign(IOBJECT_EXPORTER, "0.0", "the bindings in the answer"),),
}


def recognised(asked: Asked, answered: Answered | None) -> tuple[Sign, bool] | None:
    """The interface of a call on a context that nobody saw being agreed, and whether it speaks NDR64.

    None where its bodies do not decide it.
    """
    if asked.sealed or (answered and answered.sealed):
        return None
    for sign in _SIGNS.get(asked.opnum, ()):
        for wide in (False, True):
            question = Ndr(asked.stub.data, asked.stub.length, big=asked.big, wide=wide)
            answer = Ndr(answered.stub.data, answered.stub.length, big=answered.big, wide=wide) if answered else None
            try:
                if _is_it(sign.uuid, asked.opnum, question, answer):
                    return sign, wide
            except DecodeError:
                continue
    return None


def _is_it(uuid: str, opnum: int, question: Ndr, answer: Ndr | None) -> bool:
    """Whether these bodies can be of no other operation.

    Raises:
        DecodeError: they are of another.
    """
    if uuid == IREMOTE_SCM_ACTIVATOR:
        return activation.decode_request(question, opnum).clsid is not None
    if (uuid, opnum) == (EPMAPPER, epm.EPT_MAP):
        tower = epm.wanted(question).tower
        return tower is not None and tower.interface is not None and tower.transfer is not None
    if answer is None:
        return False
    if uuid == EPMAPPER:
        entries = epm.decode_lookup_response(answer).entries
        return bool(entries) and all(one.tower and one.tower.interface for one in entries)
    if uuid == IACTIVATION:
        activation.decode_remote_activation_request(question)
        return _listens(activation.decode_remote_activation_response(answer).bindings)
    if opnum == oxid.SERVER_ALIVE2:
        return question.left == 0 and _listens(oxid.decode_alive_response(answer).bindings)
    return question.left >= 14 and _listens(oxid.decode_resolve_response(answer, opnum).bindings)


def _listens(bindings: DualStrings | None) -> bool:
    """Whether these are bindings of a server: one of a protocol that has a name."""
    return bindings is not None and any(one.protseq.startswith("nca") and one.host for one in bindings.strings)
