"""Every readable DCOM stub of all captures at hand, decoded; what another dissector reads in them is the same."""

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

from rpcdiag.capture.reader import CaptureReader
from rpcdiag.dissect import activation, dcerpc, exterror, objref, orpc, oxid, rem_unknown
from rpcdiag.dissect.dcerpc import PduType
from rpcdiag.dissect.fragments import Assembler, Stub
from rpcdiag.dissect.interfaces import (
    IACTIVATION,
    IOBJECT_EXPORTER,
    IREM_UNKNOWN,
    IREM_UNKNOWN2,
    IREMOTE_SCM_ACTIVATOR,
    describe,
)
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.errors import DecodeError, InputError
from rpcdiag.flows.table import CaptureFlows
from rpcdiag.sweep.columns import TELL_ALL
from tests.build.sweeping import told
from tests.corpus.at_hand import CORPUS, LAB, captures

pytestmark = pytest.mark.corpus

if not CORPUS.exists():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)

NDR64 = "71710533-beba-4937-8319-b5dbef9ccc36"
SYNTHETIC = "dcerpc_synthetic.pcap"  # its stubs are zeros
VERIFICATION_TRAILER = bytes.fromhex("8ae3137102f43671")  # [MS-RPCE] 2.2.2.13.1
ACTIVATORS = (IREMOTE_SCM_ACTIVATOR, IACTIVATION)
UNKNOWNS = (IREM_UNKNOWN, IREM_UNKNOWN2)


class Call(NamedTuple):
    """One direction of a call whose stub is whole and readable."""

    path: Path
    packet: int
    asks: bool
    interface: str | None
    opnum: int
    instance: str | None
    stub: Stub
    big: bool
    wide: bool

    @property
    def ndr(self) -> Ndr:
        return Ndr(self.stub.data, self.stub.length, big=self.big, wide=self.wide)

    @property
    def orpc(self) -> bool:
        """Whether ORPCTHIS or ORPCTHAT comes first: object interfaces are called on an IPID."""
        known = describe(self.interface) if self.interface else None
        on_object = self.instance is not None and (known is None or known.kind != "rpc")  # as the mapper's management
        return on_object or self.interface in ACTIVATORS + UNKNOWNS


class Talk:
    """One connection: its contexts, its calls in flight."""

    def __init__(self) -> None:
        self.offers: dict[int, tuple[dcerpc.Context, ...]] = {}
        self.contexts: dict[int, tuple[str, bool]] = {}
        self.asked: dict[int, tuple[int, int, str | None]] = {}
        self.parts = (Assembler(), Assembler())

    def calls(self, path: Path, packet: int, pdu: dcerpc.Pdu) -> Iterator[Call]:
        match pdu:
            case dcerpc.Bind():
                self.offers[pdu.header.call_id] = pdu.contexts
            case dcerpc.BindAck():
                offers = self.offers.get(pdu.header.call_id, ())
                for offer, result in zip(offers, pdu.results, strict=False):
                    self.contexts[offer.id] = (offer.interface.uuid, result.transfer.uuid == NDR64)
            case dcerpc.Request():
                self.asked[pdu.header.call_id] = (pdu.context_id, pdu.opnum, pdu.object)
                yield from self._call(path, packet, pdu, True)
            case dcerpc.Response() if pdu.header.call_id in self.asked:
                yield from self._call(path, packet, pdu, False)

    def _call(self, path: Path, packet: int, pdu: dcerpc.Request | dcerpc.Response, asks: bool) -> Iterator[Call]:
        header = pdu.header
        stub = self.parts[asks].add(header.call_id, header.flags, pdu.stub, pdu.stub_length, packet)
        if stub is None or stub.cut or (pdu.auth and pdu.auth.level == dcerpc.PRIVACY):
            return
        context, opnum, instance = self.asked[header.call_id]
        interface, wide = self.contexts.get(context, (None, False))
        yield Call(path, packet, asks, interface, opnum, instance, stub, header.big, wide)


def pdus_of(path: Path) -> Iterator[tuple[int, int, bytes, int]]:
    """Flow, packet, bytes and length of every PDU."""
    reader = CaptureReader(str(path))
    reader.sweep.state.counters[TELL_ALL] = 1
    flows = CaptureFlows(reader.sweep)
    for events in chain(reader.events(), reader.finish()):
        flows.feed(*events)
        for frame in told(*events):
            yield frame.flow, frame.packet, frame.data, frame.length


@cache
def calls() -> tuple[Call, ...]:
    found: list[Call] = []
    for path in (path for path in captures() if path.name != SYNTHETIC):
        talks: dict[int, Talk] = {}
        with suppress(InputError):
            for flow, packet, data, length in pdus_of(path):
                with suppress(DecodeError):
                    found += talks.setdefault(flow, Talk()).calls(path, packet, dcerpc.decode(data, length))
    return tuple(found)


def orpc_calls(*, asks: bool) -> list[Call]:
    return [one for one in calls() if one.orpc and one.asks is asks]


def test_every_request_begins_with_version_5_and_a_causality_id() -> None:
    these = [orpc.decode_this(one.ndr) for one in orpc_calls(asks=True)]
    assert len(these) > 150
    assert {this.version[0] for this in these} == {5}
    assert {this.version[1] for this in these} <= {1, 2, 4, 6, 7}
    null = sum(this.causality == "00000000-0000-0000-0000-000000000000" for this in these)
    assert null * 10 < len(these)


def test_every_response_begins_with_flags_and_extensions() -> None:
    those = [orpc.decode_that(one.ndr) for one in orpc_calls(asks=False)]
    assert len(those) > 150
    assert {that.flags for that in those} <= {0, 1}


DECODERS: dict[tuple[int, bool], Callable[[Ndr], object]] = {
    (3, True): lambda ndr: rem_unknown.decode_query_request(ndr, 3),
    (4, True): rem_unknown.decode_count_request,
    (5, True): rem_unknown.decode_count_request,
    (6, True): lambda ndr: rem_unknown.decode_query_request(ndr, 6),
    (3, False): rem_unknown.decode_query_response,
    (4, False): lambda ndr: rem_unknown.decode_count_response(ndr, 4),
    (5, False): lambda ndr: rem_unknown.decode_count_response(ndr, 5),
    (6, False): rem_unknown.decode_query2_response,
}


def read_whole(one: Call) -> object:
    """The stub of a call of IRemUnknown or IRemUnknown2; only a verification trailer may follow what is read."""
    ndr = one.ndr
    value = DECODERS[one.opnum, one.asks](ndr)
    ndr.align(4)
    assert ndr.left <= 0 or ndr.rest().startswith(VERIFICATION_TRAILER), (one.path.name, one.packet)
    return value


def test_calls_of_the_exporter_itself_are_read_to_their_last_byte() -> None:
    read = Counter((one.opnum, one.asks) for one in calls() if one.interface in UNKNOWNS and read_whole(one))
    assert read[3, True] > 60
    assert read[3, False] > 60
    assert read[5, True] > 20
    assert read[5, False] > 20


def test_pings_and_lookups_of_exporters() -> None:
    seen: Counter[int] = Counter()
    for one in calls():
        if one.interface == IOBJECT_EXPORTER and one.opnum == oxid.SIMPLE_PING:
            ndr = one.ndr
            assert oxid.decode_simple_ping_request(ndr) if one.asks else oxid.decode_status(ndr) == 0
            assert ndr.left == 0
            seen[one.opnum] += 1
    assert seen[oxid.SIMPLE_PING] >= 2


def test_object_references_lie_where_the_signature_is() -> None:
    """Every signature in a readable stub that a kind follows begins a reference that is found, in that order."""
    kinds: Counter[int] = Counter()
    for one in calls():
        found = objref.find_all(one.stub.data, 64)
        marks = [at for at in range(len(one.stub.data)) if one.stub.data.startswith(b"MEOW", at)]
        assert {at for at, _ in found} <= set(marks)
        kinds.update(reference.kind for _, reference in found)
        for _, reference in found:
            if reference.resolver and one.path.is_relative_to(CORPUS):
                assert all(binding.host for binding in reference.resolver.strings)
    assert kinds[objref.CUSTOM] > 20
    assert kinds[objref.STANDARD] > 20
    assert kinds[objref.HANDLER] >= 1


def test_the_real_fault_with_extended_error_information() -> None:
    path = CORPUS / "scapy" / "dcerpc_privacy_ntlm.pcapng"
    faults = [data for _, _, data, _ in pdus_of(path) if data[2] == PduType.FAULT]
    ((record,),) = [exterror.of_fault(data) for data in faults]
    assert record == exterror.ErrorRecord("DC1", 684, 1_710_375_239_497_641_600, 2, 1745, 183, 0, ())
    assert (record.component_name, record.location_name) == ("RPC runtime", "DispatchToStubWorker40")


def test_other_faults_say_no_more_than_their_status() -> None:
    said: Counter[int] = Counter()
    for path in captures():
        with suppress(InputError):
            for _, _, data, length in pdus_of(path):
                if data[2:3] == b"\x03":
                    said[len(exterror.of_fault(data, length))] += 1
                elif data[2:3] == b"\x0d":
                    assert exterror.of_bind_nak(data, length) == ()
    assert said[1] == 1
    assert said[0] >= 7


FIELDS = (
    "dcom.this.uuid", "dcom.version_minor", "dcom.oxid", "dcom.oid", "dcom.ipid", "dcom.iid", "dcom.hresult",
    "remunk.refs", "remunk.public_refs", "remunk.private_refs", "dcom.stdobjref.public_refs", "dcom.that.flags",
    "dcerpc.opnum",
)  # fmt: skip
Row = dict[str, list[str]]


@cache
def theirs(path: Path) -> dict[int, Row]:
    """What tshark reads of DCOM, by packet."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed")
    command = [tshark, "-n", "-r", str(path), "-Y", "dcom", "-T", "fields", "-e", "frame.number"]
    for field in FIELDS:
        command += ["-e", field]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    rows = {}
    for line in lines:
        number, *values = line.split("\t")
        rows[int(number)] = dict(zip(FIELDS, ([v for v in one.split(",") if v] for one in values), strict=True))
    return rows


def compared(opnums: tuple[int, ...], *, asks: bool) -> Iterator[tuple[object, Row]]:
    """What we and tshark read of the same stub of IRemUnknown, where it is alone in its packet."""
    for one in calls():
        if one.interface in UNKNOWNS and one.opnum in opnums and one.asks is asks:
            row = theirs(one.path).get(one.packet)
            if row and row["dcerpc.opnum"] == [str(one.opnum)]:
                yield read_whole(one), row


def test_tshark_reads_the_same_causality_ids_and_versions() -> None:
    agreed = 0
    for one in orpc_calls(asks=True):
        row = theirs(one.path).get(one.packet)
        if row and len(row["dcom.this.uuid"]) == 1:
            this = orpc.decode_this(one.ndr)
            assert [this.causality] == row["dcom.this.uuid"], (one.path.name, one.packet)
            assert str(this.version[1]) == row["dcom.version_minor"][0]
            agreed += 1
    assert agreed > 100


def test_tshark_reads_the_same_queries() -> None:
    agreed = 0
    for ours, row in compared((3,), asks=True):
        assert isinstance(ours, rem_unknown.Query)
        assert [ours.ipid] == row["dcom.ipid"][1:]
        assert list(ours.iids) == row["dcom.iid"]
        assert [str(ours.references)] == row["remunk.refs"]
        agreed += 1
    assert agreed > 50


def test_tshark_reads_the_same_interfaces_found() -> None:
    agreed = 0
    for ours, row in compared((3,), asks=False):
        assert isinstance(ours, rem_unknown.QueryAnswer)
        stds = [one.std for one in ours.found if one.std]
        if len(stds) == len(ours.found):
            assert [std.oxid for std in stds] == [int(text, 16) for text in row["dcom.oxid"]]
            assert [std.oid for std in stds] == [int(text, 16) for text in row["dcom.oid"]]
            assert [std.ipid for std in stds] == row["dcom.ipid"][1:]
            assert [std.public_refs for std in stds] == [int(text, 0) for text in row["dcom.stdobjref.public_refs"]]
        assert [one.result for one in ours.found] + [ours.status] == [int(text, 16) for text in row["dcom.hresult"]]
        agreed += 1
    assert agreed > 50


def test_tshark_reads_the_same_releases() -> None:
    agreed = 0
    for ours, row in compared((4, 5), asks=True):
        assert isinstance(ours, rem_unknown.Count)
        assert sorted(one.ipid for one in ours.references) == sorted(row["dcom.ipid"][1:])
        assert [str(one.public) for one in ours.references] == row["remunk.public_refs"]
        assert [str(one.private) for one in ours.references] == row["remunk.private_refs"]
        agreed += 1
    assert agreed > 15


def test_tshark_reads_the_same_objects_in_activations() -> None:
    agreed = 0
    for one in calls():
        row = theirs(one.path).get(one.packet) if one.interface == IREMOTE_SCM_ACTIVATOR and not one.asks else None
        if row and row["dcom.oid"]:
            stds = [found.std for _, found in objref.find_all(one.stub.data, 64) if found.std]
            assert {std.oid for std in stds} >= {int(text, 16) for text in row["dcom.oid"]}
            agreed += 1
    assert agreed >= 5


READERS: tuple[Callable[[Ndr], object], ...] = (
    *DECODERS.values(),
    orpc.decode_this,
    orpc.decode_that,
    lambda ndr: orpc.error_info(orpc.decode_that(ndr).extensions),
    objref.decode,
    objref.decode_interface_pointer,
    oxid.decode_complex_ping_request,
    oxid.decode_complex_ping_response,
    lambda ndr: activation.decode_request(ndr, 4),
    activation.decode_response,
    lambda ndr: objref.find_all(ndr.rest(), 64),
)


def test_mutated_real_stubs_decode_or_raise_decode_error() -> None:
    rng = random.Random(20240314)
    stubs = [one for one in calls() if one.orpc and one.stub.data]
    decoded = refused = 0
    for _ in range(6000):
        one = rng.choice(stubs)
        data = bytearray(one.stub.data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + 4] = rng.choice((rng.randbytes(4), b"\0\0\0\0", b"\xff\xff\xff\xff", b""))[: len(data) - at]
            data = data or bytearray(1)
        try:
            rng.choice(READERS)(Ndr(bytes(data), len(data) + rng.choice((0, 0, 9)), big=one.big, wide=one.wide))
            decoded += 1
        except DecodeError:
            refused += 1
    assert decoded > 500
    assert refused > 500


def test_the_labs_captures_are_read_too() -> None:
    if not LAB.exists():
        pytest.skip("the lab's captures lie in ../shared, outside the repository")
    assert sum(one.orpc for one in calls() if one.path.is_relative_to(LAB)) > 15
