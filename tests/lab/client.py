"""Real clients: impacket's.

    client.py map HOST INTERFACE          asks the mapper, connects to what it named and calls
    client.py dcom HOST [LEVEL]           activates the lab's object and uses it
    client.py advise HOST [LEVEL]         the same, and hands over an object of its own

Ends with 0 where it worked, 3 where it did not: what it was is on standard output.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from impacket.dcerpc.v5 import dcomrt, epm, lsad, nrpc, samr, transport
from impacket.dcerpc.v5.dtypes import NULL, ULONG
from impacket.uuid import string_to_bin, uuidtup_to_bin

from tests.lab.dcom_object import CLSID, DOMAIN, IID, PASSWORD, USER

TIMEOUT_S = 8
INTERFACES = {
    "samr": samr.MSRPC_UUID_SAMR,
    "lsarpc": lsad.MSRPC_UUID_LSAD,
    "netlogon": nrpc.MSRPC_UUID_NRPC,
    "certificates": uuidtup_to_bin(("91ae6020-9e3c-11cf-8d7c-00aa00c091be", "0.0")),
}
OBJECT = uuidtup_to_bin((str(IID), "0.0"))


class Add(dcomrt.DCOMCALL):  # type: ignore[misc]  # impacket has no types
    opnum = 3
    structure = (("a", ULONG), ("b", ULONG))


class AddResponse(dcomrt.DCOMANSWER):  # type: ignore[misc]
    structure = (("sum", ULONG), ("ErrorCode", ULONG))


class Advise(dcomrt.DCOMCALL):  # type: ignore[misc]
    opnum = 4
    structure = (("sink", dcomrt.PMInterfacePointer),)


class AdviseResponse(dcomrt.DCOMANSWER):  # type: ignore[misc]
    structure = (("cookie", ULONG), ("ErrorCode", ULONG))


def _connected(binding: str) -> tuple[Any, Any]:
    found = transport.DCERPCTransportFactory(binding)
    found.set_connect_timeout(TIMEOUT_S)
    return found, found.get_dce_rpc()


def map_and_call(host: str, name: str) -> str:
    """As every client does: the mapper's answer, then the port."""
    interface = INTERFACES[name]
    _, mapper = _connected(f"ncacn_ip_tcp:{host}[135]")
    mapper.connect()
    binding = epm.hept_map(host, interface, protocol="ncacn_ip_tcp", dce=mapper)
    mapper.disconnect()
    _, service = _connected(binding)
    service.connect()
    service.bind(interface)
    if name == "netlogon":
        nrpc.hNetrServerReqChallenge(service, NULL, "CLIENT1\x00", b"12345678")
    elif name == "lsarpc":
        lsad.hLsarOpenPolicy2(service)  # refused over TCP without a secure channel
    service.disconnect()
    return str(binding)


def dcom(host: str, level: str = "5", use: Callable[[Any], str] | None = None) -> str:
    """Level 5 signs and can be read on the wire; 6 seals."""
    connection = dcomrt.DCOMConnection(host, USER, PASSWORD, DOMAIN, oxidResolver=False, authLevel=int(level))
    try:
        object_ = connection.CoCreateInstanceEx(string_to_bin(str(CLSID)), OBJECT)
        said = (use or _add)(object_)
    finally:
        connection.disconnect()
    return said


def _add(object_: Any) -> str:
    request = Add()
    request["a"], request["b"] = 2, 40
    answer = object_.request(request, OBJECT, object_.get_iPid())
    return f"2 + 40 = {answer['sum']}"


def _advise(object_: Any) -> str:
    reference = b"MEOW" + bytes.fromhex("01000000") + IID.bytes_le + bytes(8) + bytes(16) + bytes(16) + bytes(4)
    request = Advise()
    request["sink"]["ulCntData"] = len(reference)
    request["sink"]["abData"] = list(reference)
    answer = object_.request(request, OBJECT, object_.get_iPid())
    if answer["ErrorCode"]:
        raise OSError(f"{answer['ErrorCode']:#010x}")
    return "advised"


def main() -> int:
    what, host, *more = sys.argv[1:]
    began = time.monotonic()
    doing: dict[str, Callable[..., str]] = {
        "map": map_and_call, "dcom": dcom,
        "advise": lambda host, level="5": dcom(host, level, _advise),
    }  # fmt: skip
    try:
        said, code = doing[what](host, *more), 0
    except Exception as error:  # noqa: BLE001  whatever the client says is what it is run for
        said, code = f"{type(error).__name__}: {error}", 3
    print(f"{what}: {said} ({time.monotonic() - began:.2f} s)")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
