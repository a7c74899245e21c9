"""What all versions of SMB share: the session service under them, and the statuses they answer with.

[RFC1002] 4.3 on port 139, [MS-SMB2] 2.1 on 445; the messages themselves are in `smb1` and `smb2`.
"""

from collections.abc import Sequence
from struct import pack

from tests.build.messages import CLIENT, SERVER, Message

SESSION_MESSAGE, SESSION_REQUEST, POSITIVE_RESPONSE, NEGATIVE_RESPONSE, KEEP_ALIVE = 0x00, 0x81, 0x82, 0x83, 0x85

STATUS_SUCCESS = 0
STATUS_PENDING = 0x00000103
STATUS_BUFFER_OVERFLOW = 0x80000005
STATUS_MORE_PROCESSING_REQUIRED = 0xC0000016
STATUS_ACCESS_DENIED = 0xC0000022
STATUS_OBJECT_NAME_NOT_FOUND = 0xC0000034
STATUS_LOGON_FAILURE = 0xC000006D
STATUS_INSTANCE_NOT_AVAILABLE = 0xC00000AB
STATUS_PIPE_NOT_AVAILABLE = 0xC00000AC
STATUS_PIPE_DISCONNECTED = 0xC00000B0
STATUS_IO_TIMEOUT = 0xC00000B5
STATUS_BAD_NETWORK_NAME = 0xC00000CC
STATUS_CANCELLED = 0xC0000120
STATUS_PIPE_BROKEN = 0xC000014B
STATUS_USER_SESSION_DELETED = 0xC0000203


def framed(message: bytes) -> bytes:
    """A message behind its length, as both ports have it."""
    return pack(">I", len(message)) + message


def netbios_name(name: str, suffix: int) -> bytes:
    """A name of 16 bytes, each as two letters. [RFC1001] 14.1"""
    padded = name.upper().encode("ascii").ljust(15, b" ")[:15] + bytes((suffix,))
    letters = bytes(part for byte in padded for part in (0x41 + (byte >> 4), 0x41 + (byte & 15)))
    return b"\x20" + letters + b"\x00"


def netbios_session(called: str = "*SMBSERVER", calling: str = "CLIENT", *, error: int | None = None) -> list[Message]:
    """How a connection on 139 begins; `error` is that of a negative answer (0x82: called name not present)."""
    names = netbios_name(called, 0x20) + netbios_name(calling, 0x00)
    asked = pack(">BBH", SESSION_REQUEST, 0, len(names)) + names
    if error is None:
        return [(CLIENT, asked), (SERVER, pack(">BBH", POSITIVE_RESPONSE, 0, 0))]
    return [(CLIENT, asked), (SERVER, pack(">BBHB", NEGATIVE_RESPONSE, 0, 1, error))]


def keep_alive(side: int = CLIENT) -> Message:
    return side, pack(">BBH", KEEP_ALIVE, 0, 0)


def aligned(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)


def pieces(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """`data` in pieces of these sizes, and the rest."""
    found, at = [], 0
    for size in sizes:
        found.append(data[at : at + size])
        at += size
    return [piece for piece in (*found, data[at:]) if piece]
