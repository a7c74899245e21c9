"""Remote activation: which class is asked for, and where the object that comes back lives.

[MS-DCOM] 3.1.2.5.2.3 (IRemoteSCMActivator), 3.1.2.5.2.1 (IActivation), 2.2.22 (the property blobs)
"""

from typing import NamedTuple

from rpcdiag.dissect import orpc
from rpcdiag.dissect.dcom import DualStrings, decode_pointed_dual_strings
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.objref import Objref, decode_interface_pointer
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import DecodeError, Malformed

REMOTE_ACTIVATION = 0  # of IActivation
REMOTE_GET_CLASS_OBJECT = 3
REMOTE_CREATE_INSTANCE = 4

INSTANTIATION_INFO = "000001ab-0000-0000-c000-000000000046"
SCM_REPLY_INFO = "000001b6-0000-0000-c000-000000000046"
PROPS_OUT_INFO = "00000339-0000-0000-c000-000000000046"
MAX_PROPERTIES = 32
MAX_INTERFACES = 256
_SERIALIZATION_HEADER = 16  # [MS-RPCE] 2.2.6


class ActivationRequest(NamedTuple):
    clsid: str | None
    iids: tuple[str, ...]


class ActivationResponse(NamedTuple):
    """`bindings` with ports; `results` are the HRESULTs of the interfaces asked for, `status` that of the call."""

    oxid: int | None
    bindings: DualStrings | None
    ipid_rem_unknown: str | None
    ipids: tuple[str, ...]
    results: tuple[int, ...]
    status: int
    authn_hint: int | None = None


def decode_request(ndr: Ndr, opnum: int) -> ActivationRequest:
    """RemoteGetClassObject (3) and RemoteCreateInstance (4).

    Raises:
        DecodeError: as everywhere.
    """
    orpc.decode_this(ndr)
    if opnum == REMOTE_CREATE_INSTANCE and ndr.pointer("outer_ptr"):
        decode_interface_pointer(ndr)
        ndr.align(4)
    if not ndr.pointer("act_properties_ptr"):
        return ActivationRequest(None, ())
    for clsid, data in _properties(decode_interface_pointer(ndr)):
        if clsid == INSTANTIATION_INFO:
            return _instantiation(data)
    return ActivationRequest(None, ())


def decode_response(ndr: Ndr) -> ActivationResponse:
    """RemoteGetClassObject and RemoteCreateInstance; a failed activation has no properties, only its HRESULT.

    Raises:
        DecodeError: as everywhere.
    """
    orpc.decode_that(ndr)
    oxid, bindings, ipid, hint = None, None, None, None
    ipids: tuple[str, ...] = ()
    results: tuple[int, ...] = ()
    if ndr.pointer("act_properties_ptr"):
        for clsid, data in _properties(decode_interface_pointer(ndr)):
            if clsid == SCM_REPLY_INFO:
                oxid, bindings, ipid, hint = _scm_reply(data)
            elif clsid == PROPS_OUT_INFO:
                ipids, results = _props_out(data)
    return ActivationResponse(oxid, bindings, ipid, ipids, results, ndr.long("hresult"), hint)


def decode_remote_activation_request(ndr: Ndr) -> ActivationRequest:
    """IActivation.RemoteActivation (0): the class; the interfaces follow a moniker that is seldom there.

    Raises:
        DecodeError: as everywhere.
    """
    orpc.decode_this(ndr)
    clsid = ndr.guid("clsid")
    if ndr.pointer("object_name_ptr") or ndr.pointer("object_storage_ptr"):
        return ActivationRequest(clsid, ())
    ndr.skip(8, "impersonation_and_mode")
    ndr.long("interfaces")
    if not ndr.pointer("iids_ptr"):
        return ActivationRequest(clsid, ())
    return ActivationRequest(clsid, tuple(ndr.guid("iid") for _ in range(ndr.count("iid_count", MAX_INTERFACES))))


def decode_remote_activation_response(ndr: Ndr) -> ActivationResponse:
    """IActivation.RemoteActivation (0).

    Raises:
        DecodeError: as everywhere.
    """
    orpc.decode_that(ndr)
    ndr.align(8)
    oxid = ndr.u64("oxid")
    bindings = decode_pointed_dual_strings(ndr) if ndr.pointer("oxid_bindings_ptr") else None
    ipid = ndr.guid("ipid_rem_unknown")
    hint = ndr.long("authn_hint")
    ndr.long("server_version")
    result = ndr.long("hresult")
    pointers = [ndr.pointer("interface_ptr") for _ in range(ndr.count("interface_count", MAX_INTERFACES))]
    objects = []
    for pointer in pointers:
        if pointer:
            objects.append(decode_interface_pointer(ndr))
            ndr.align(4)
    results = tuple(ndr.long("result") for _ in range(ndr.count("result_count", MAX_INTERFACES)))
    status = ndr.long("status")
    ipids = tuple(one.ipid for one in objects if one.ipid)
    return ActivationResponse(oxid or None, bindings, ipid, ipids, results, status or result, hint if oxid else None)


def _properties(objref: Objref) -> list[tuple[str, Ndr]]:
    """The properties of an activation blob: class of the property, its NDR without the serialization header.

    [MS-DCOM] 2.2.22
    """
    reader = Reader(objref.custom, objref.custom_length)
    reader.skip(8, "size_and_reserved")
    start, length = reader.offset, reader.left
    header = Ndr(reader.rest(), length)
    header.skip(_SERIALIZATION_HEADER, "serialization_header")
    header.long("total_size")
    header_size = header.long("header_size")
    header.long("reserved")
    header.long("destination_context")
    header.long("property_count")
    header.guid("class_info_clsid")
    header.skip(12, "pointers")
    count = header.count("clsid_count", MAX_PROPERTIES)
    clsids = [header.guid("clsid") for _ in range(count)]
    sizes = [header.long("size") for _ in range(header.count("size_count", MAX_PROPERTIES))]
    at = start + header_size
    found = []
    for clsid, size in zip(clsids, sizes, strict=False):
        if size < _SERIALIZATION_HEADER or at + size > objref.custom_length:
            raise Malformed("size", at, f"a property of {size} bytes")
        data = objref.custom[at + _SERIALIZATION_HEADER : at + size]
        found.append((clsid, Ndr(data, size - _SERIALIZATION_HEADER)))
        at += size
    return found


def _instantiation(ndr: Ndr) -> ActivationRequest:
    """InstantiationInfoData. [MS-DCOM] 2.2.22.2.1"""
    clsid = ndr.guid("class_id")
    ndr.skip(12, "class_context")
    ndr.skip(8, "interface_count")
    pointer = ndr.pointer("iids_ptr")
    ndr.skip(8, "size_and_version")
    if not pointer:
        return ActivationRequest(clsid, ())
    return ActivationRequest(clsid, tuple(ndr.guid("iid") for _ in range(ndr.count("iid_max", MAX_INTERFACES))))


def _scm_reply(ndr: Ndr) -> tuple[int | None, DualStrings | None, str | None, int | None]:
    """ScmReplyInfoData and the customREMOTE_REPLY_SCM_INFO behind it. [MS-DCOM] 2.2.22.2.8"""
    ndr.pointer("reserved_ptr")
    if not ndr.pointer("remote_reply_ptr"):
        return None, None, None, None
    ndr.align(8)
    oxid = ndr.u64("oxid")
    pointer = ndr.pointer("oxid_bindings_ptr")
    ipid = ndr.guid("ipid_rem_unknown")
    hint = ndr.long("authn_hint")
    ndr.long("server_version")
    return oxid, decode_pointed_dual_strings(ndr) if pointer else None, ipid, hint


def _props_out(ndr: Ndr) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """PropsOutInfo: IPIDs and HRESULTs, one for each interface asked for. [MS-DCOM] 2.2.22.2.9"""
    ndr.long("interface_count")
    iids, results, data = ndr.pointer("iids_ptr"), ndr.pointer("results_ptr"), ndr.pointer("data_ptr")
    if iids:
        for _ in range(ndr.count("iid_max", MAX_INTERFACES)):
            ndr.guid("iid")
    codes: tuple[int, ...] = ()
    if results:
        codes = tuple(ndr.long("hresult") for _ in range(ndr.count("result_max", MAX_INTERFACES)))
    ipids = []
    if data:
        pointers = [ndr.pointer("interface_ptr") for _ in range(ndr.count("data_max", MAX_INTERFACES))]
        for pointer in pointers:
            if pointer:
                try:
                    objref = decode_interface_pointer(ndr)
                except DecodeError:
                    break  # a reference we cannot read does not take the bindings away
                ndr.align(4)
                if objref.ipid:
                    ipids.append(objref.ipid)
    return tuple(ipids), codes
