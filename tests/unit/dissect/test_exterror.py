"""Extended error information of faults and bind_naks."""

from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import exterror
from rpcdiag.dissect.exterror import ErrorRecord, Parameter
from rpcdiag.dissect.tables.status import SYMBOLS
from rpcdiag.errors import DecodeError, Malformed, Truncated
from tests.build import pdus

SECOND = 1_000_000_000
NOW = 1_710_375_239 * SECOND + 497_641_600
INNER = ErrorRecord(None, 3, NOW - 400, 3, 0x8009030C, 140, 0, ("host/srv\u00e9", b"\0\1\2"))
ROOT = ErrorRecord("", 4, 0, 14, 0x80070005, 0x5A0, exterror.PREVIOUS_MISSING, ())
OUTER = ErrorRecord("SRV1", 684, NOW, 2, 1753, 500, 0, ("ncacn_ip_tcp", "10.0.0.9", -481213899, 65537))
CHAIN = (OUTER, INNER, ROOT)

# of a domain controller to a caller of an operation that its interface has not: what follows the fault's 32 bytes
REAL = bytes.fromhex(
    "01100800cccccccc4800000000000000000002000000000000000000010001000400000004000200ac02000000000000"
    "a0ac1283a475da0102000000d1060000b70000000000000004000000440043003100000000000000"
)


class Writer:
    """Type serialization version 1 of a chain of records, in NDR. [MS-RPCE] 2.2.6, [MS-EERR] 2.2.1"""

    def __init__(self, big: bool) -> None:
        self.order = ">" if big else "<"
        self.coding = "utf-16-be" if big else "utf-16-le"
        self.out = b""

    def put(self, form: str, *values: int) -> None:
        self.out += pack(self.order + form, *values)

    def align(self, to: int) -> None:
        self.out += bytes(-len(self.out) % to)

    def pointer(self, leads: bool) -> None:
        self.align(4)
        self.put("I", 0x20000 + len(self.out) if leads else 0)

    def referent(self, data: bytes, count: int) -> None:
        self.align(4)
        self.put("I", count)
        self.out += data

    def chain(self, records: tuple[ErrorRecord, ...]) -> None:
        """A record, then all behind its pointers: the rest of the chain first."""
        one = records[0]
        self.align(4)
        self.put("I", len(one.parameters))
        self.align(8)
        self.pointer(len(records) > 1)
        if one.computer is None:
            self.put("HH", 2, 2)
        else:
            self.put("HHH", 1, 1, len(one.computer) + 1)
            self.pointer(True)
        self.align(4)
        self.put("I", one.process)
        self.align(8)
        self.put("QIIHHH", one.time_ns // 100 + 116_444_736_000_000_000, *one[3:7], len(one.parameters))
        for value in one.parameters:
            self.parameter(value)
        if len(records) > 1:
            self.chain(records[1:])
        if one.computer is not None:
            self.text(one.computer)
        for value in one.parameters:
            if isinstance(value, str):
                self.text(value)
            elif isinstance(value, bytes):
                self.referent(value, len(value))

    def parameter(self, value: Parameter) -> None:
        self.align(8)
        if isinstance(value, int):
            self.put("HHi", 3, 3, value)
        elif value is None:
            self.put("HH", 6, 6)
        else:
            kind = 2 if isinstance(value, str) else 7
            self.put("HHH", kind, kind, len(value) + (kind == 2))
            self.pointer(True)

    def text(self, said: str) -> None:
        self.referent((said + "\0").encode(self.coding), len(said) + 1)


def serialized(body: bytes, *, big: bool = False) -> bytes:
    body += bytes(-len(body) % 8)
    return pack(">BBHIII" if big else "<BBHIII", 1, 0 if big else 0x10, 8, 0xCCCCCCCC, len(body), 0) + body


def written(records: tuple[ErrorRecord, ...], *, big: bool = False) -> bytes:
    writer = Writer(big)
    writer.put("I", 0x20000)
    writer.chain(records)
    return serialized(writer.out, big=big)


def fault(blob: bytes, flags: int = 1) -> bytes:
    return pdus.pdu(3, pack("<IHBBII", 32 + len(blob), 0, 0, flags, 0x1C010002, 0) + blob)


def bind_nak(blob: bytes, versions: int = 1, signature: str = exterror.BIND_NAK_SIGNATURE) -> bytes:
    body = pack("<HB", 4, versions) + b"\5\0" * versions
    return pdus.pdu(13, body + bytes(-len(body) % 4) + pdus.uuid(signature) + blob)


def test_a_real_record() -> None:
    (record,) = exterror.decode(REAL)
    assert record == ErrorRecord("DC1", 684, NOW, 2, 1745, 183, 0, ())
    assert (record.component_name, record.location_name) == ("RPC runtime", "DispatchToStubWorker40")


def test_scapy_reads_the_same_in_records() -> None:
    from scapy.layers.msrpce.mseerr import DceRpc5ExtendedErrorInfo

    for blob in (REAL, written((OUTER,))):
        (ours,) = exterror.decode(blob)
        theirs = DceRpc5ExtendedErrorInfo(blob).extended_error.valueof
        assert theirs("ProcessID") == ours.process
        assert (theirs("TimeStamp") - 116_444_736_000_000_000) * 100 == ours.time_ns
        assert (theirs("GeneratingComponent"), theirs("Status")) == (ours.component, ours.status)
        assert (theirs("DetectionLocation"), theirs("Flags")) == (ours.location, ours.flags)
        values = [one.value.value for one in theirs("Params")]
        texts = [one.valueof("pString").decode("utf-16-le").rstrip("\0") for one in values if not isinstance(one, int)]
        assert texts == [one for one in ours.parameters if isinstance(one, str)]
        assert [one for one in values if isinstance(one, int)] == [
            one for one in ours.parameters if isinstance(one, int)
        ]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_chain_goes_from_the_outermost_record_to_the_root(length: int, big: bool) -> None:
    assert exterror.decode(written(CHAIN[:length], big=big)) == CHAIN[:length]
    assert exterror.decode(written(CHAIN[-length:], big=big)) == CHAIN[-length:]


def test_names_of_components_and_locations() -> None:
    assert [one.component_name for one in CHAIN] == ["RPC runtime", "Security provider", "RPC over HTTP proxy"]
    assert [one.location_name for one in CHAIN] == ["EpResolveEndpoint10", "InitializeFirstTime10", None]
    assert OUTER._replace(component=99).component_name is None
    named = [OUTER._replace(component=number).component_name for number in (*range(1, 13), 14)]
    assert all(named)
    assert len(set(named)) == 13
    assert not set(exterror._MORE_COMPONENTS) & set(SYMBOLS["eeinfo_component"])


def test_every_kind_of_parameter() -> None:
    body = Writer(False)
    body.put("IIIHHIIQIIHHH", 0x20000, 4, 0, 2, 2, 9, 0, 0, 1, 5, 0, 2, 4)
    body.align(8)
    body.put("HHHHI", 1, 1, 4, 0, 0x20004)
    body.align(8)
    body.put("HHhH", 4, 4, -2, 0)
    body.put("HHIQ", 5, 5, 0, 1 << 40)
    body.put("HHHHI", 7, 7, 0, 0, 0)
    body.referent(b"abc\0", 4)
    (record,) = exterror.decode(serialized(body.out))
    assert record.parameters == ("abc", -2, 1 << 40, None)
    assert record.flags == exterror.NEXT_MISSING


def test_faults_say_whether_they_say_more() -> None:
    assert exterror.of_fault(fault(written(CHAIN))) == CHAIN
    assert exterror.of_fault(fault(written(CHAIN), flags=0)) == ()
    assert exterror.of_fault(pdus.fault(5)) == ()
    with pytest.raises(Malformed):
        exterror.of_fault(fault(b""))
    with pytest.raises(Malformed):
        exterror.of_fault(pdus.bind_nak(4))


@pytest.mark.parametrize("versions", [0, 1, 2, 3])
def test_a_bind_nak_needs_the_signature(versions: int) -> None:
    assert exterror.of_bind_nak(bind_nak(written(CHAIN), versions)) == CHAIN
    assert exterror.of_bind_nak(bind_nak(written(CHAIN), versions, pdus.EPM)) == ()
    assert exterror.of_bind_nak(pdus.bind_nak(4)) == ()
    with pytest.raises(Malformed):
        exterror.of_bind_nak(pdus.fault(5))


def test_a_cut_record_is_truncated() -> None:
    whole = fault(written(CHAIN))
    used = len(whole) - 8
    for kept in range(used):
        with pytest.raises(Truncated):
            exterror.of_fault(whole[:kept], len(whole))


def test_a_chain_without_end_is_refused() -> None:
    longest = (ROOT,) * exterror.MAX_RECORDS
    assert exterror.decode(written(longest)) == longest
    with pytest.raises(Malformed, match="more than 32 records"):
        exterror.decode(written((*longest, ROOT)))


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 2), (1, 0x11), (2, 9), (8, 0xFF), (20, 5), (28, 3), (30, 2), (68, 1)],
    ids=["version", "order", "header", "size", "conformance", "computer", "tag", "count"],
)
def test_what_breaks_the_specification_makes_the_whole_malformed(at: int, value: int) -> None:
    spoilt = bytearray(REAL)
    spoilt[at] = value
    with pytest.raises(Malformed):
        exterror.decode(bytes(spoilt))


def test_no_record_at_all() -> None:
    assert exterror.decode(serialized(bytes(8))) == ()


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    for blob in (data, serialized(data), serialized(data, big=True), REAL[:24] + data):
        for read, whole in (
            (exterror.decode, blob),
            (exterror.of_fault, fault(blob)),
            (exterror.of_bind_nak, bind_nak(blob)),
        ):
            with suppress(DecodeError):
                read(whole)
    for read in (exterror.of_fault, exterror.of_bind_nak):
        with suppress(DecodeError):
            read(data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_spoilt_records_decode_or_raise_decode_error(at: int, dirt: bytes) -> None:
    for whole, read in ((fault(written(CHAIN)), exterror.of_fault), (bind_nak(written(CHAIN)), exterror.of_bind_nak)):
        spoilt = bytearray(whole)
        spoilt[at : at + len(dirt)] = dirt
        with suppress(DecodeError):
            read(bytes(spoilt))
