"""Connectionless RPC, version 4, in UDP datagrams. [C706] 12.5"""

from collections.abc import Iterable, Sequence
from struct import pack
from typing import NamedTuple

from tests.build import pdus
from tests.build.conversation import Recording, datagram
from tests.build.messages import CLIENT, SERVER, Message

REQUEST, PING, RESPONSE, FAULT, WORKING, NOCALL, REJECT, ACK, CANCEL, FACK, CANCEL_ACK = range(11)
LAST_FRAGMENT, FRAGMENT, NO_FACK, MAYBE, IDEMPOTENT, BROADCAST = 0x02, 0x04, 0x08, 0x10, 0x20, 0x40  # flags1
CANCEL_PENDING = 0x02  # flags2
CONVERSATION = ("333a2276-0000-0000-0d00-00809c000000", "3.0")  # conv: the server asks back who calls
WHO_ARE_YOU = 0
ACTIVITY, CALLBACK = "2f6c1e80-7b11-4d0a-9c55-3a1f0e8d6b42", "2f6c1e80-7b11-4d0a-9c55-3a1f0e8d6b43"
BOOTED = 0x4D7C_0000


class Call(NamedTuple):
    """What the PDUs of one call have in common."""

    interface: tuple[str, str] = (pdus.EPM, "3.0")
    opnum: int = 0
    sequence: int = 0
    boot: int = 0  # the server's boot time, which a client learns from the first answer
    activity: str = ACTIVITY
    instance: str = pdus.NOTHING[0]
    big: bool = False

    @property
    def order(self) -> str:
        return ">" if self.big else "<"

    def booted(self) -> "Call":
        return self._replace(boot=BOOTED)


def pdu(
    kind: int, call: Call, body: bytes = b"", *, flags1: int = 0, flags2: int = 0, fragment: int = 0, serial: int = 0
) -> bytes:
    """The header of 80 bytes, then the body; no trailer. 12.5.1"""
    order = call.order
    head = pack("BBBB", 4, kind, flags1, flags2) + bytes((0 if call.big else 0x10, 0, 0, serial >> 8))
    head += b"".join(pdus.uuid(one, big=call.big) for one in (call.instance, call.interface[0], call.activity))
    head += pack(order + "III", call.boot, pdus.version(call.interface[1]), call.sequence)
    head += pack(order + "HHHHHBB", call.opnum, 0xFFFF, 0xFFFF, len(body), fragment, 0, serial & 0xFF)
    return head + body


def fragments(kind: int, call: Call, stub: bytes, size: int, *, flags1: int = 0) -> list[bytes]:
    """A request or response in fragments of `size` bytes; serial numbers go up with them, the last says that it is."""
    pieces = [stub[at : at + size] for at in range(0, len(stub), size)]
    last = len(pieces) - 1
    return [
        pdu(kind, call, piece, flags1=flags1 | FRAGMENT | (LAST_FRAGMENT if number == last else 0), fragment=number,
            serial=number)
        for number, piece in enumerate(pieces)
    ]  # fmt: skip


def failed(kind: int, call: Call, status: int) -> bytes:
    """A FAULT or a REJECT."""
    return pdu(kind, call, pack(call.order + "I", status))


def fack(
    call: Call, fragment: int, *, kind: int = FACK, window: int = 8, serial: int = 0, missing: Sequence[int] = ()
) -> bytes:
    """What has arrived up to `fragment`, and masks of what came after it; a NOCALL may say the same. 12.5.3.4"""
    order = call.order
    body = pack(order + "BBHIIHH", 0, 0, window, 4096, 1464, serial, len(missing))
    return pdu(kind, call, body + pack(f"{order}{len(missing)}I", *missing), fragment=fragment, serial=serial)


def cancel(call: Call, number: int = 1) -> bytes:
    """12.5.3.2"""
    return pdu(CANCEL, call, pack(call.order + "II", 0, number))


def cancel_ack(call: Call, number: int = 1, *, accepting: bool = True) -> bytes:
    """12.5.3.3"""
    return pdu(CANCEL_ACK, call, pack(call.order + "III", 0, number, accepting))


# --- exchanges


def asked(call: Call, request: bytes, response: bytes) -> list[Message]:
    """An idempotent call: one datagram each way."""
    return [
        (CLIENT, pdu(REQUEST, call, request, flags1=IDEMPOTENT)),
        (SERVER, pdu(RESPONSE, call.booted(), response)),
    ]


def lookup(interface: tuple[str, str], port: int, server: str, *, status: int = 0, sequence: int = 0) -> list[Message]:
    """ept_map over UDP, which asks for UDP and is told `port`."""
    wanted = pdus.map_request(pdus.udp_tower(*interface, 135, "0.0.0.0"))
    towers = [] if status else [pdus.udp_tower(*interface, port, server)]
    return asked(Call(opnum=3, sequence=sequence), wanted, pdus.map_response(towers, status))


def acknowledged(call: Call, request: bytes, response: bytes, *, asked_back: bool = False) -> list[Message]:
    """A call that must run only once: its answer is acknowledged, and a new caller is asked who it is."""
    back = call._replace(interface=CONVERSATION, opnum=WHO_ARE_YOU, activity=CALLBACK, sequence=0, boot=0)
    about = pdus.uuid(call.activity, big=call.big) + pack(call.order + "I", BOOTED)
    told = pack(call.order + "II", call.sequence, 0)
    return [
        (CLIENT, pdu(REQUEST, call, request)),
        *([(SERVER, pdu(REQUEST, back, about, flags1=IDEMPOTENT)), (CLIENT, pdu(RESPONSE, back.booted(), told))]
          if asked_back else []),
        (SERVER, pdu(RESPONSE, call.booted(), response)),
        (CLIENT, pdu(ACK, call.booted())),
    ]  # fmt: skip


def converse(
    recording: Recording, said: Iterable[Message], port: int, *, client: str = "10.0.0.5", client_port: int = 49_800,
    server: str = "10.0.0.9", answers_from: int | None = None,
) -> list[int]:  # fmt: skip
    """Datagrams of both sides, their packet numbers; a server may answer from another port than it was asked at."""
    numbers = []
    for side, data in said:
        if side == CLIENT:
            numbers.append(datagram(recording, client, client_port, server, port, data))
        else:
            numbers.append(datagram(recording, server, answers_from or port, client, client_port, data))
    return numbers
