"""A DCOM server by script: an activator and resolver on port 135, one object on a port of its own. It is not Windows.

    dcom_server.py ADDRESS OBJECT_PORT

NTLM and NDR are scapy's. Of the object, method 3 adds two numbers; method 4 is given an object of the caller's and
tries to reach it, as a server does that is to report events: its caller waits until that has failed or worked.
[MS-DCOM] 3.1.2.5.2.3, 3.2.4.1
"""

import socket
import struct
import sys
import threading
from typing import Any
from uuid import UUID

from scapy.config import conf
from scapy.fields import StrField
from scapy.layers.dcerpc import (
    DceRpc5,
    DceRpc5AlterContext,
    DceRpc5Auth3,
    DceRpc5Bind,
    DceRpc5BindNak,
    DceRpc5Fault,
    DceRpc5Request,
    DCERPC_Transport,
    DceRpcOp,
    NDRIntField,
    NDRPacket,
    register_com_interface,
)
from scapy.layers.msrpce import msdcom as dcom
from scapy.layers.msrpce.raw import ms_dcom as raw
from scapy.layers.msrpce.rpcserver import DCERPC_Fault, DCERPC_Server
from scapy.layers.ntlm import NTLMSSP, MD4le

from tests.lab.dcom_object import CLSID, DOMAIN, IID, PASSWORD, USER

OXID, OID = 0x1122334455667788, 0x0102030405060708
REMOTE_UNKNOWN = UUID("00001000-aaaa-bbbb-cccc-000000000001")
OBJECT = UUID("00001001-aaaa-bbbb-cccc-000000000002")
VERSION = {"MajorVersion": 5, "MinorVersion": 7}
ACCESS_DENIED, CLASS_NOT_REGISTERED, INVALID_OXID = 5, 0x80040154, 0x776
DISCONNECTED, UNAVAILABLE = 0x80010108, 0x800706BA
CALLBACK_PATIENCE_S = 8
conf.dcerpc_force_header_signing = True  # impacket signs whole PDUs without saying so


class AddRequest(NDRPacket):  # type: ignore[misc]  # scapy has no types
    fields_desc = [NDRIntField("a", 0), NDRIntField("b", 0)]


class AddResponse(NDRPacket):  # type: ignore[misc]
    fields_desc = [NDRIntField("sum", 0), NDRIntField("status", 0)]


class AdviseRequest(NDRPacket):  # type: ignore[misc]
    fields_desc = [StrField("sink", b"")]


class AdviseResponse(NDRPacket):  # type: ignore[misc]
    fields_desc = [NDRIntField("cookie", 0), NDRIntField("status", 0)]


register_com_interface(
    name="ILabObject",
    uuid=IID,
    opnums={3: DceRpcOp(AddRequest, AddResponse), 4: DceRpcOp(AdviseRequest, AdviseResponse)},
)


def _guid(uuid: UUID) -> Any:
    return raw.GUID(uuid.bytes_le)


def _bindings(address: str, port: int | None = None) -> Any:
    """A DUALSTRINGARRAY with one string binding. [MS-DCOM] 2.2.19"""
    text = f"{address}[{port}]" if port else address
    strings = struct.pack("<H", 7) + text.encode("utf-16le") + b"\0\0" + b"\0\0"
    security = struct.pack("<HH", 10, 0xFFFF) + b"\0\0" + b"\0\0"
    made = raw.DUALSTRINGARRAY(ndr64=False)
    made.wNumEntries, made.wSecurityOffset = (len(strings) + len(security)) // 2, len(strings) // 2
    made.aStringArray = strings + security
    return made


def _object_reference(address: str, iid: UUID) -> bytes:
    """OBJREF_STANDARD. [MS-DCOM] 2.2.18.4"""
    bindings = _bindings(address)
    standard = struct.pack("<IIQQ", 0, 5, OXID, OID) + OBJECT.bytes_le
    ends = struct.pack("<HH", bindings.wNumEntries, bindings.wSecurityOffset) + bindings.valueof("aStringArray")
    return bytes(b"MEOW" + struct.pack("<I", 1) + iid.bytes_le + standard + ends)


def _activated(address: str, port: int, iids: list[UUID]) -> Any:
    """The properties that an activation comes back with. [MS-DCOM] 2.2.22.2"""
    properties = [
        dcom.PropsOutInfo(
            piid=[_guid(iid) for iid in iids], phresults=[0] * len(iids),
            ppIntfData=[raw.MInterfacePointer(abData=_object_reference(address, iid)) for iid in iids], ndr64=False,
        ),
        dcom.ScmReplyInfoData(
            pdwReserved=None,
            remoteReply=dcom.customREMOTE_REPLY_SCM_INFO(
                Oxid=OXID, pdsaOxidBindings=_bindings(address, port), ipidRemUnknown=_guid(REMOTE_UNKNOWN), authnHint=4,
                serverVersion=raw.COMVERSION(**VERSION),
            ),
            ndr64=False,
        ),
    ]  # fmt: skip
    header = dcom.CustomHeader(
        pclsid=[_guid(dcom.CLSID_PropsOutInfo), _guid(dcom.CLSID_ScmReplyInfo)],
        pSizes=[len(one) + 16 + (-len(one) % 8) for one in properties], pdwReserved=None, ndr64=False,
    )  # fmt: skip
    header.headerSize = len(header) + 16
    header.totalSize = header.headerSize + sum(header.valueof("pSizes"))
    blob = dcom.ActivationPropertiesBlob(CustomHeader=header, Property=properties)
    custom = dcom.OBJREF_CUSTOM(clsid=dcom.CLSID_ActivationPropertiesOut, pObjectData=blob)
    return raw.MInterfacePointer(abData=bytes(dcom.OBJREF(iid=dcom.IID_IActivationPropertiesOut) / custom))


class Server(DCERPC_Server):  # type: ignore[misc]
    """scapy's server has one security context and one interface a connection; a COM client has several of both."""

    address, port = "", 0
    peer: tuple[str, int] = ("", 0)

    def __init__(self, *arguments: Any, **wishes: Any) -> None:
        super().__init__(*arguments, **wishes)
        self._security: dict[int, Any] = {}
        self._contexts: dict[int, Any] = {}
        self._refused: set[int] = set()

    def recv(self, data: Any) -> None:
        packet = DceRpc5(data) if isinstance(data, bytes) else data
        number = packet.auth_verifier.auth_context_id if packet.auth_verifier else None
        self._switch(packet, number)
        if DceRpc5Request in packet and number in self._refused:  # as Windows does: a wrong logon is a fault
            flags = "PFC_FIRST_FRAG+PFC_LAST_FRAG+PFC_DID_NOT_EXECUTE"
            head = DceRpc5(endian=packet.endian, encoding=packet.encoding, float=packet.float, call_id=packet.call_id,
                           pfc_flags=flags)  # fmt: skip
            self.queue.append(head / DceRpc5Fault(status=ACCESS_DENIED, cont_id=packet.cont_id))
            return
        behind = packet[conf.padding_layer].load if conf.padding_layer in packet else None
        if behind:
            packet[conf.padding_layer].underlayer.remove_payload()
        try:
            super().recv(packet)
        except TypeError:  # a wrong NTLM response
            if DceRpc5Auth3 not in packet or number is None:
                raise
            self._refused.add(number)
        if behind:
            self.recv(behind)
        session = self.session
        if number is not None and number not in self._refused:
            self._security[number] = session.sspcontext, session.auth_level, session.ssp
        if (DceRpc5Bind in packet or DceRpc5AlterContext in packet) and session.rpc_bind_interface:
            for context in packet.context_elem:
                self._contexts.setdefault(context.cont_id, (session.rpc_bind_interface, session.rpc_bind_is_com))

    def _switch(self, packet: Any, number: int | None) -> None:
        session = self.session
        if number is not None:
            known = self._security.setdefault(number, (None, None, _logon()))
            session.sspcontext, session.auth_level, session.ssp = known
        if DceRpc5Request in packet:
            session.rpc_bind_interface, session.rpc_bind_is_com = self._contexts.get(
                packet[DceRpc5Request].cont_id, (None, False)
            )
        elif DceRpc5Bind in packet or DceRpc5AlterContext in packet:
            session.rpc_bind_interface = session.rpc_bind_interface_commit = None

    def _send_fault(self, head: Any, request: Any, status: int) -> None:
        if DceRpc5Auth3 in request or DceRpc5AlterContext in request or DceRpc5Bind in request:
            self.queue.append(head / DceRpc5BindNak(provider_reject_reason=8))
        else:
            super()._send_fault(head, request, status)


class Resolver(Server):
    """Port 135."""

    def _activate(self, request: Any, kind: Any, answer: Any) -> Any:
        blob = dcom.OBJREF(request[kind].valueof("pActProperties").abData).pObjectData
        asked = next(one[dcom.InstantiationInfoData] for one in blob.Property if dcom.InstantiationInfoData in one)
        if UUID(bytes_le=bytes(asked.classId)) != CLSID:
            return answer(ppActProperties=None, status=CLASS_NOT_REGISTERED, ndr64=False)
        iids = [UUID(bytes_le=bytes(iid)) for iid in asked.valueof("pIID")]
        return answer(ppActProperties=_activated(self.address, self.port, iids), status=0, ndr64=False)

    @DCERPC_Server.answer(raw.RemoteCreateInstance_Request)  # type: ignore[untyped-decorator]
    def create(self, request: Any) -> Any:
        return self._activate(request, raw.RemoteCreateInstance_Request, raw.RemoteCreateInstance_Response)

    @DCERPC_Server.answer(raw.ServerAlive2_Request)  # type: ignore[untyped-decorator]
    def alive(self, _: Any) -> Any:
        return raw.ServerAlive2_Response(
            pComVersion=raw.COMVERSION(**VERSION), ppdsaOrBindings=_bindings(self.address), ndr64=False
        )

    @DCERPC_Server.answer(raw.ResolveOxid2_Request)  # type: ignore[untyped-decorator]
    def resolve(self, request: Any) -> Any:
        if request.pOxid != OXID:
            return raw.ResolveOxid2_Response(ppdsaOxidBindings=None, status=INVALID_OXID, ndr64=False)
        return raw.ResolveOxid2_Response(
            ppdsaOxidBindings=_bindings(self.address, self.port), pipidRemUnknown=_guid(REMOTE_UNKNOWN), pAuthnHint=4,
            pComVersion=raw.COMVERSION(**VERSION), ndr64=False,
        )  # fmt: skip

    @DCERPC_Server.answer(raw.SimplePing_Request)  # type: ignore[untyped-decorator]
    def ping(self, _: Any) -> Any:
        return raw.SimplePing_Response(status=0, ndr64=False)

    @DCERPC_Server.answer(raw.ComplexPing_Request)  # type: ignore[untyped-decorator]
    def ping_set(self, _: Any) -> Any:
        return raw.ComplexPing_Response(pSetId=0x77, pPingBackoffFactor=0, status=0, ndr64=False)


class Exporter(Server):
    """The object's port."""

    def make_reply(self, request: Any) -> Any:
        interface, operation = self.session.rpc_bind_interface, request[DceRpc5Request].opnum
        that = raw.ORPCTHAT(extensions=None, ndr64=False)
        if request[DceRpc5Request].object not in (OBJECT, REMOTE_UNKNOWN):
            raise DCERPC_Fault(DISCONNECTED)
        if interface.name in ("IRemUnknown", "IRemUnknown2"):
            return self._counted(request, operation, that)
        if interface.uuid == IID and operation == 3:
            asked = request[AddRequest]
            return that / AddResponse(sum=asked.a + asked.b, status=0, ndr64=False)
        if interface.uuid == IID and operation == 4:
            return that / AdviseResponse(cookie=1, status=0 if self._reaches_sink() else UNAVAILABLE, ndr64=False)
        return None

    @staticmethod
    def _counted(request: Any, operation: int, that: Any) -> Any:
        if operation == 3:  # RemQueryInterface; the results are behind a pointer
            count = len(request[raw.RemQueryInterface_Request].valueof("iids"))
            one = struct.pack("<iIIIQQ", 0, 0, 0, 5, OXID, OID) + OBJECT.bytes_le
            return that / conf.raw_layer(struct.pack("<II", 0x20000, count) + one * count + struct.pack("<I", 0))
        if operation == 4:
            count = request[raw.RemAddRef_Request].cInterfaceRefs
            return that / raw.RemAddRef_Response(pResults=[0] * count, status=0, ndr64=False)
        return that / raw.RemRelease_Response(status=0, ndr64=False)

    def _reaches_sink(self) -> bool:
        """The first thing is to ask the resolver on the client for the object's port."""
        try:
            with socket.create_connection((self.peer[0], 135), CALLBACK_PATIENCE_S, (self.address, 0)):
                return True
        except OSError:
            return False


def _logon() -> Any:
    return NTLMSSP(
        IDENTITIES={USER: MD4le(PASSWORD)}, DOMAIN_NB_NAME=DOMAIN, COMPUTER_NB_NAME="DCOM1", DOMAIN_FQDN="lab.example"
    )


def _serve(kind: type[Server], listener: socket.socket) -> None:
    while True:
        connection, peer = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = kind(DCERPC_Transport.NCACN_IP_TCP, local_ip=kind.address, port=kind.port, ssp=_logon(), ndr64=False,
                      verb=False)  # fmt: skip
        server.peer = peer
        threading.Thread(target=_answer, args=(server, connection), daemon=True).start()


def _answer(server: Server, connection: socket.socket) -> None:
    try:
        server.loop(connection)
    except OSError:
        pass
    finally:
        connection.close()


def main() -> None:
    address, port = sys.argv[1], int(sys.argv[2])
    Server.address, Server.port = address, port
    listeners = []
    for number in (135, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, number))
        listener.listen(16)
        listeners.append(listener)
    threading.Thread(target=_serve, args=(Exporter, listeners[1]), daemon=True).start()
    print("ready", flush=True)
    _serve(Resolver, listeners[0])


if __name__ == "__main__":
    main()
