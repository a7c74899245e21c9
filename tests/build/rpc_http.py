"""RPC over HTTP: version 1 is a greeting on port 593, version 2 a pair of requests to a proxy. [MS-RPCH] 2.1, 2.2"""

from base64 import b64encode
from collections.abc import Sequence
from struct import pack

from tests.build import pdus
from tests.build.messages import CLIENT, SERVER, Message

GREETING = b"ncacn_http/1.0"
RTS = 20
PING, OTHER_CMD, RECYCLE_CHANNEL, IN_CHANNEL, OUT_CHANNEL, EOF, ECHO = 1, 2, 4, 8, 0x10, 0x20, 0x40  # flags. 2.2.3.6.1
(
    RECEIVE_WINDOW_SIZE, FLOW_CONTROL_ACK, CONNECTION_TIMEOUT, COOKIE, CHANNEL_LIFETIME, CLIENT_KEEPALIVE, VERSION,
    EMPTY, PADDING, NEGATIVE_ANCE, ANCE, CLIENT_ADDRESS, ASSOCIATION_GROUP_ID, DESTINATION,
    PING_TRAFFIC_SENT_NOTIFY,
) = range(15)  # fmt: skip
FD_CLIENT, FD_IN_PROXY, FD_SERVER, FD_OUT_PROXY = range(4)  # destinations. 2.2.3.3
WINDOW, TIMEOUT, LIFETIME, KEEPALIVE = 65_536, 120_000, 0x4000_0000, 300_000
CONNECTION, IN_COOKIE, OUT_COOKIE, GROUP = (
    f"{first}-4c1d-4be2-9a40-7f1e2d3c4b5a" for first in ("c0ffee01", "c0ffee02", "c0ffee03", "c0ffee04")
)


# --- version 1


def greeted(messages: Sequence[Message]) -> list[Message]:
    """What the server says first on 593, then PDUs as on any port. 2.1.1"""
    return [(SERVER, GREETING), *messages]


# --- RTS PDUs


def number(kind: int, value: int) -> bytes:
    """A command with a number."""
    return pack("<II", kind, value)


def cookie(value: str, kind: int = COOKIE) -> bytes:
    """A command with a UUID. 2.2.3.5.4"""
    return pack("<I", kind) + pdus.uuid(value)


def flow_control_ack(received: int, window: int, channel: str) -> bytes:
    """2.2.3.5.2"""
    return pack("<III", FLOW_CONTROL_ACK, received, window) + pdus.uuid(channel)


def rts(*commands: bytes, flags: int = 0) -> bytes:
    """2.2.3.6"""
    return pdus.pdu(RTS, pack("<HH", flags, len(commands)) + b"".join(commands), call_id=0)


def conn_a1() -> bytes:
    """The client's first on the OUT channel. 2.2.4.2"""
    return rts(number(VERSION, 1), cookie(CONNECTION), cookie(OUT_COOKIE), number(RECEIVE_WINDOW_SIZE, WINDOW))


def conn_a3() -> bytes:
    """The proxy's first on the OUT channel. 2.2.4.4"""
    return rts(number(CONNECTION_TIMEOUT, TIMEOUT))


def conn_b1() -> bytes:
    """The client's first on the IN channel. 2.2.4.5"""
    return rts(number(VERSION, 1), cookie(CONNECTION), cookie(IN_COOKIE), number(CHANNEL_LIFETIME, LIFETIME),
               number(CLIENT_KEEPALIVE, KEEPALIVE), cookie(GROUP, ASSOCIATION_GROUP_ID))  # fmt: skip


def conn_c2() -> bytes:
    """The connection stands, on the OUT channel. 2.2.4.9"""
    return rts(number(VERSION, 1), number(RECEIVE_WINDOW_SIZE, WINDOW), number(CONNECTION_TIMEOUT, TIMEOUT))


def flow_control_ack_to(destination: int, received: int, channel: str) -> bytes:
    """FlowControlAckWithDestination. 2.2.4.50"""
    return rts(number(DESTINATION, destination), flow_control_ack(received, WINDOW, channel), flags=OTHER_CMD)


def ping() -> bytes:
    """2.2.4.49"""
    return rts(flags=PING)


# --- requests and answers


def request(
    method: str, server: str = "srv", port: int = 593, *, length: int, token: bytes | None = None,
    scheme: str = "NTLM", proxy: str = "proxy.corp.example",
) -> bytes:  # fmt: skip
    """RPC_IN_DATA or RPC_OUT_DATA. 2.1.2.1.1, 2.1.2.1.2"""
    lines = [
        f"{method} /rpc/rpcproxy.dll?{server}:{port} HTTP/1.1",
        "Cache-Control: no-cache",
        "Connection: Keep-Alive",
        "Pragma: no-cache",
        "Accept: application/rpc",
        "User-Agent: MSRPC",
        f"Content-Length: {length}",
        f"Host: {proxy}",
        *([f"Authorization: {scheme} {b64encode(token).decode()}"] if token is not None else []),
    ]
    return _head(lines)


def answer(
    status: int, reason: str, *, length: int = 0, challenge: bytes | None = None, scheme: str = "NTLM",
    kind: str = "application/rpc",
) -> bytes:  # fmt: skip
    """200, 401, or what an error of the proxy is. 2.1.2.1.3"""
    asks = [f"WWW-Authenticate: {scheme}" + (f" {b64encode(challenge).decode()}" if challenge else "")] * (
        status == 401
    )
    return _head([f"HTTP/1.1 {status} {reason}", f"Content-Type: {kind}", f"Content-Length: {length}", *asks])


def _head(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def logon(method: str, legs: tuple[bytes, bytes], *, server: str = "srv", port: int = 593) -> list[Message]:
    """Without a token 401; with the first a challenge. The request with the third token is the one that stays open."""
    refused = (SERVER, answer(401, "Unauthorized", kind="text/html"))
    return [
        (CLIENT, request(method, server, port, length=0)),
        refused,
        (CLIENT, request(method, server, port, length=0, token=legs[0])),
        (SERVER, answer(401, "Unauthorized", challenge=legs[1], kind="text/html")),
    ]


def in_channel(
    sent: Sequence[bytes], *, logon_first: Sequence[Message] = (), token: bytes | None = None, server: str = "srv",
    port: int = 593,
) -> list[Message]:  # fmt: skip
    """RPC_IN_DATA: all that the client says, CONN/B1 before it."""
    asked = request("RPC_IN_DATA", server, port, length=LIFETIME, token=token)
    return [*logon_first, (CLIENT, asked), (CLIENT, conn_b1()), *((CLIENT, one) for one in sent)]


def out_channel(
    told: Sequence[bytes], *, logon_first: Sequence[Message] = (), token: bytes | None = None, server: str = "srv",
    port: int = 593,
) -> list[Message]:  # fmt: skip
    """RPC_OUT_DATA: CONN/A1 is all of the request; the answer is all that the server says."""
    asked = request("RPC_OUT_DATA", server, port, length=len(conn_a1()), token=token)
    opened = (answer(200, "Success", length=LIFETIME), conn_a3(), conn_c2())
    return [*logon_first, (CLIENT, asked), (CLIENT, conn_a1()), *((SERVER, one) for one in (*opened, *told))]


def failed(method: str, status: int = 503, reason: str = "RPC Error: 6ba") -> list[Message]:
    """The proxy does not reach the server: the reason is the error in hexadecimal. 2.1.2.1.3, 3.2.3.5.1"""
    length = len(conn_a1()) if method == "RPC_OUT_DATA" else LIFETIME
    first = conn_a1() if method == "RPC_OUT_DATA" else conn_b1()
    return [(CLIENT, request(method, length=length)), (CLIENT, first),
            (SERVER, answer(status, reason, kind="text/plain"))]  # fmt: skip
