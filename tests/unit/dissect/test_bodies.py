"""Bodies of the mapper and of DCOM."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.dissect import activation, dcom, epm, oxid
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Truncated
from tests.build import pdus
from tests.build.exchanges import DRSUAPI, IUNKNOWN

TOWER = pdus.tower(*DRSUAPI, 49667, "10.0.0.9")
DPM = "da6aa17a-d61c-4e9c-8cea-db25dea52a95"
BINDINGS = ["srv[49670]", "10.0.0.9[49670]"]

# the body of a public trace: one tower for svcctl, in NDR64
REAL_NDR64 = bytes(20) + bytes.fromhex(
    "0100000004000000000000000000000000000000010000000000000003000000000000004b000000000000004b000000"
    "050013000d81bb7a364498f135ad3298f03800100302000200000013000d045d888aeb1cc9119fe808002b10486002000200"
    "000001000b020000000100070200c20f0100090400c0a800640000000000"
)  # fmt: skip


@pytest.mark.parametrize("wide", [False, True])
def test_ept_map_in_ndr_and_ndr64(wide: bool) -> None:
    other = pdus.tower(*DRSUAPI, 49668, "0.0.0.0")
    answer = epm.decode_map_response(Ndr(pdus.map_response([TOWER, other], wide=wide), wide=wide))
    assert [(tower.port, str(tower.address)) for tower in answer.towers] == [(49667, "10.0.0.9"), (49668, "0.0.0.0")]
    assert {tower.protseq for tower in answer.towers} == {"ncacn_ip_tcp"}
    assert answer.towers[0].interface == DRSUAPI
    asked = epm.decode_map_request(Ndr(pdus.map_request(TOWER, wide=wide), wide=wide))
    assert asked.tower is not None
    assert (asked.tower.interface, asked.max_towers) == (DRSUAPI, 4)


def test_a_real_ndr64_answer() -> None:
    answer = epm.decode_map_response(Ndr(REAL_NDR64, wide=True))
    (tower,) = answer.towers
    assert (tower.port, tower.address, answer.status) == (49679, IPv4Address("192.168.0.100"), 0)
    assert tower.interface == ("367abb81-9844-35f1-ad32-98f038001003", "2.0")


@pytest.mark.parametrize("wide", [False, True])
def test_not_registered_has_no_tower_and_a_status(wide: bool) -> None:
    answer = epm.decode_map_response(Ndr(pdus.map_response([], pdus.NOT_REGISTERED, wide=wide), wide=wide))
    assert answer == ((), 0x16C9A0D6)


def test_ept_lookup_lists_entries() -> None:
    answer = epm.decode_lookup_response(Ndr(pdus.lookup_response([TOWER, TOWER])))
    assert [(entry.annotation, entry.tower.port) for entry in answer.entries if entry.tower] == [("abc", 49667)] * 2


def test_a_big_endian_server_still_writes_little_endian_towers() -> None:
    numbers = (1, 4, 0, 1, 3, len(TOWER), len(TOWER))
    stub = bytes(20) + b"".join(number.to_bytes(4, "big") for number in numbers) + TOWER
    stub += bytes(-len(stub) % 4) + (0).to_bytes(4, "big")
    answer = epm.decode_map_response(Ndr(stub, big=True))
    assert [(tower.port, tower.interface) for tower in answer.towers] == [(49667, DRSUAPI)]


def test_the_old_activation_interface() -> None:
    array = pdus.dual_strings(BINDINGS)
    stub = pdus.orpcthat() + (77).to_bytes(8, "little") + pack("<II", 0x20000, (len(array) - 4) // 2) + array
    stub += bytes(-len(stub) % 4) + pdus.uuid(pdus.IPID) + pack("<IHHI", 5, 5, 7, 0)
    stub += pack("<II", 1, 0) + pack("<III", 1, 0x80040154, 0)
    answer = activation.decode_remote_activation_response(Ndr(stub))
    assert (answer.oxid, answer.ipid_rem_unknown, answer.results, answer.status) == (77, pdus.IPID, (0x80040154,), 0)
    assert answer.bindings is not None
    assert answer.bindings.strings[1].port == 49670
    asked = pdus.orpcthis() + pdus.uuid(DPM) + pack("<IIIII", 0, 0, 2, 0xFFFFFFFF, 1) + pack("<II", 0x20000, 1)
    assert activation.decode_remote_activation_request(Ndr(asked + pdus.uuid(IUNKNOWN))) == (DPM, (IUNKNOWN,))


def test_get_class_object_has_no_outer_object() -> None:
    whole = pdus.create_instance_request(DPM, [IUNKNOWN])
    without = whole[:32] + whole[36:]
    assert activation.decode_request(Ndr(without), activation.REMOTE_GET_CLASS_OBJECT).clsid == DPM


def test_a_pipe_tower_tells_pipe_and_host() -> None:
    floors = [(b"\x0d" + bytes(18), b"\0\0")] * 2 + [
        (b"\x0b", b"\0\0"),
        (b"\x0f", b"\\pipe\\x\0"),
        (b"\x11", b"HOST\0"),
    ]
    data = b"\x05\x00" + b"".join(
        len(left).to_bytes(2, "little") + left + len(right).to_bytes(2, "little") + right for left, right in floors
    )
    tower = epm.decode_tower(Reader(data))
    assert (tower.protseq, tower.pipe, tower.host, tower.port) == ("ncacn_np", "\\pipe\\x", "HOST", None)


def test_impacket_reads_our_tower_as_we_do() -> None:
    from impacket.dcerpc.v5 import epm as theirs
    from impacket.uuid import bin_to_uuidtup

    tower = theirs.EPMTower(TOWER)
    floors = tower["Floors"]
    assert (
        bin_to_uuidtup(floors[0]["InterfaceUUID"] + floors[0]["MajorVersion"].to_bytes(2, "little") + bytes(2))[
            0
        ].lower()
        == (DRSUAPI[0])
    )
    ours = epm.decode_tower(Reader(TOWER))
    assert int.from_bytes(floors[3]["RelatedData"], "big") == ours.port
    assert ours.address is not None
    assert floors[4]["RelatedData"] == ours.address.packed


def test_an_activation_names_its_class_and_where_the_object_lives() -> None:
    asked = activation.decode_request(Ndr(pdus.create_instance_request(DPM, [IUNKNOWN])), 4)
    assert (asked.clsid, asked.iids) == (DPM, (IUNKNOWN,))
    answer = activation.decode_response(Ndr(pdus.create_instance_response(BINDINGS, oxid=42)))
    assert (answer.oxid, answer.status, answer.results, answer.ipids) == (42, 0, (0,), (pdus.IPID,))
    assert answer.bindings is not None
    assert [(one.text, one.port, one.address) for one in answer.bindings.strings] == [
        ("srv[49670]", 49670, None), ("10.0.0.9[49670]", 49670, IPv4Address("10.0.0.9")),
    ]  # fmt: skip
    assert answer.bindings.security[0].principal == "NT AUTHORITY\\SYSTEM"


def test_a_failed_activation_is_its_hresult() -> None:
    answer = activation.decode_response(Ndr(pdus.create_instance_response([], status=0x80040154)))
    assert (answer.status, answer.bindings) == (0x80040154, None)


def test_impacket_reads_our_activation_as_we_do() -> None:
    from impacket.dcerpc.v5 import dcomrt

    answer = dcomrt.RemoteCreateInstanceResponse(pdus.create_instance_response(BINDINGS))
    objref = dcomrt.OBJREF_CUSTOM(b"".join(answer["ppActProperties"]["abData"]))
    assert objref["ObjectReferenceSize"] == len(objref["pObjectData"])
    blob = dcomrt.ACTIVATION_BLOB(objref["pObjectData"])
    assert blob["CustomHeader"]["cIfs"] == 2


def test_oxid_resolution_and_server_alive() -> None:
    assert oxid.decode_resolve_request(Ndr(pdus.resolve_request(77))) == 77
    answer = oxid.decode_resolve_response(Ndr(pdus.resolve_response(BINDINGS)), oxid.RESOLVE_OXID2)
    assert answer.bindings is not None
    assert [one.port for one in answer.bindings.strings] == [49670, 49670]
    alive = oxid.decode_alive_response(Ndr(pdus.alive_response(["srv", "10.0.0.9"])))
    assert alive.bindings is not None
    assert [one.port for one in alive.bindings.strings] == [None, None]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("h[135]", "h", 135),
        ("\\\\H[\\PIPE\\x]", "H", None),
        ("h", "h", None),
        ("h[99999]", "h", None),
        ("h[\u0663]", "h", None),
        ("2001:db8::5[49670]", "2001:db8::5", 49670),
        ("[2001:db8::5][49670]", "2001:db8::5", 49670),
        ("[2001:db8::5]", "2001:db8::5", None),
        ("[", "", None),
    ],
)
def test_string_bindings(text: str, host: str, port: int | None) -> None:
    strings = dcom.decode_dual_strings(Reader(pdus.dual_strings([text]))).strings
    assert (strings[0].host, strings[0].port) == (host, port)


def test_the_zone_of_an_address_is_its_senders_own() -> None:
    (one,) = dcom.decode_dual_strings(Reader(pdus.dual_strings(["fe80::5%12[49670]"]))).strings
    assert (str(one.address), one.text) == ("fe80::5", "fe80::5%12[49670]")


DECODERS: dict[str, tuple[bytes, Callable[[Ndr], object]]] = {
    "map request": (pdus.map_request(TOWER), epm.decode_map_request),
    "map response": (pdus.map_response([TOWER, TOWER]), epm.decode_map_response),
    "lookup response": (pdus.lookup_response([TOWER]), epm.decode_lookup_response),
    "tower": (TOWER, epm.decode_tower),
    "activation request": (
        pdus.create_instance_request(DPM, [IUNKNOWN]), lambda ndr: activation.decode_request(ndr, 4)),
    "activation response": (pdus.create_instance_response(BINDINGS), activation.decode_response),
    "remote activation": (pdus.create_instance_response(BINDINGS), activation.decode_remote_activation_response),
    "resolve response": (pdus.resolve_response(BINDINGS), lambda ndr: oxid.decode_resolve_response(ndr, 4)),
    "alive response": (pdus.alive_response(BINDINGS), oxid.decode_alive_response),
    "dual strings": (pdus.dual_strings(BINDINGS), dcom.decode_dual_strings),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "remote activation"])
def test_a_cut_body_is_truncated_never_malformed(name: str) -> None:
    whole, decode = DECODERS[name]
    needed = [kept for kept in range(len(whole)) if _truncated(whole[:kept], len(whole), decode)]
    assert needed[:20] == list(range(20))


def _truncated(data: bytes, length: int, decode: Callable[[Ndr], object]) -> bool:
    try:
        decode(Ndr(data, length))
    except Truncated:
        return True
    return False


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.binary(max_size=400), wide=st.booleans())
def test_any_bytes_decode_or_raise_decode_error(name: str, data: bytes, wide: bool) -> None:
    with suppress(DecodeError):
        DECODERS[name][1](Ndr(data, wide=wide))


@pytest.mark.parametrize("name", DECODERS)
@given(at=st.integers(0, 600), dirt=st.binary(min_size=1, max_size=4))
def test_spoilt_bodies_decode_or_raise_decode_error(name: str, at: int, dirt: bytes) -> None:
    whole, decode = DECODERS[name]
    spoilt = bytearray(whole)
    spoilt[at : at + len(dirt)] = dirt
    with suppress(DecodeError):
        decode(Ndr(bytes(spoilt)))
