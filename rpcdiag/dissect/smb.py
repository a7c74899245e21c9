"""Messages of SMB as far as they say who opened which pipe: negotiation, logon, trees, files. [MS-SMB2] 2.2, [MS-CIFS] 2.2.4

What went through the pipe is not here: the pass has taken that out already.
"""

from typing import NamedTuple

from rpcdiag.errors import Malformed, Truncated

NEGOTIATE, SETUP, TREE_CONNECT, CREATE, CLOSE, READ, WRITE, IOCTL = 0, 1, 3, 5, 6, 8, 9, 11
_COMMANDS = {
    NEGOTIATE: "negotiate", SETUP: "session-setup", TREE_CONNECT: "tree-connect", CREATE: "create", CLOSE: "close",
    READ: "read", WRITE: "write", IOCTL: "ioctl",
}  # fmt: skip
_SMB1_COMMANDS = {
    0x72: "negotiate", 0x73: "session-setup", 0x75: "tree-connect", 0xA2: "create", 0x2D: "create", 0x04: "close",
    0x2E: "read", 0x0A: "read", 0x2F: "write", 0x0B: "write", 0x25: "transaction",
}  # fmt: skip
DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x02FF: "2.???", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}
_SHARES = {1: "disk", 2: "pipe", 3: "print"}
_RESPONSE = 1
_UNICODE = 0x8000
_MAX_NAME = 1024
_MAX_CHAIN = 4
MORE_PROCESSING = 0xC0000016


class SmbMessage(NamedTuple):
    """One message; what it does not say is None. `file` is the id of a file as the pass tells it: upper, lower half."""

    command: str
    response: bool
    message_id: int
    status: int
    name: str | None = None  # of the file, or of the share
    file: tuple[int, int] | None = None
    share: str | None = None  # disk, pipe or print
    dialect: str | None = None
    signing_required: bool | None = None
    encrypts: bool = False  # the server says that from here on the session or the share is encrypted
    guest: bool = False
    token: bytes = b""
    user: str | None = None  # logons of SMB 1 without a token
    domain: str | None = None


def decode(data: bytes) -> SmbMessage:
    """Decode the beginning of a message, from its protocol id on.

    Raises:
        DecodeError: not SMB, or cut.
    """
    if len(data) < 35:
        raise Truncated("smb_header", 0, f"needs 35 bytes, there are {len(data)}")
    magic = data[:4]
    if magic == b"\xfeSMB":
        return _smb2(data)
    if magic == b"\xffSMB":
        return _smb1(data)
    if magic == b"\xfdSMB":
        return SmbMessage("encrypted", False, 0, 0)
    if magic == b"\xfcSMB":
        return SmbMessage("compressed", False, 0, 0)
    raise Malformed("protocol_id", 0, magic.hex())


def _take(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise Truncated("smb", at, f"needs {count} bytes, the message ends at {len(data)}")
    return data[at : at + count]


def _u8(data: bytes, at: int) -> int:
    return _take(data, at, 1)[0]


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(_take(data, at, 2), "little")


def _u32(data: bytes, at: int) -> int:
    return _u16(data, at) | _u16(data, at + 2) << 16


def _i64(data: bytes, at: int) -> int:
    """Eight bytes as the pass reads them."""
    return int.from_bytes(_take(data, at, 8), "big", signed=True)


def _text(data: bytes, at: int, size: int) -> str:
    return data[at : at + min(size, _MAX_NAME)].decode("utf-16-le", "replace")


def _smb2(data: bytes) -> SmbMessage:
    command = _u16(data, 12)
    response = bool(data[16] & _RESPONSE)
    message = SmbMessage(
        _COMMANDS.get(command, f"command-{command}"), response, _i64(data, 24), _u32(data, 8) if response else 0
    )
    if response and message.status not in (0, MORE_PROCESSING):
        return message
    if command == NEGOTIATE and response:
        number = _u16(data, 68)
        return message._replace(
            dialect=DIALECTS.get(number, f"{number:#06x}"), signing_required=bool(_u8(data, 66) & 2)
        )
    if command == SETUP:
        at, size = (_u16(data, 68), _u16(data, 70)) if response else (_u16(data, 76), _u16(data, 78))
        flags = _u16(data, 66) if response else 0
        return message._replace(token=data[at : at + size], encrypts=bool(flags & 4), guest=bool(flags & 3))
    if command == TREE_CONNECT:
        if response:
            encrypts = bool(_u32(data, 68) & 0x8000)
            return message._replace(share=_SHARES.get(_u8(data, 66)), encrypts=encrypts)
        return message._replace(name=_text(data, _u16(data, 68), _u16(data, 70)))
    if command == CREATE:
        if response:
            return message._replace(file=(_i64(data, 128), _i64(data, 136)))
        return message._replace(name=_text(data, _u16(data, 108), _u16(data, 110)))
    return message


def _smb1(data: bytes) -> SmbMessage:
    command, response, unicode = data[4], bool(data[9] & 0x80), bool(_u16(data, 10) & _UNICODE)
    message = SmbMessage(
        _SMB1_COMMANDS.get(command, f"command-{command:#04x}"),
        response,
        _u16(data, 26) << 16 | _u16(data, 30),
        _u32(data, 5) if response else 0,
    )
    if response and message.status not in (0, MORE_PROCESSING):
        return message
    if command == 0x72:
        return message._replace(dialect="1") if response else message
    if command == 0x73:
        return _chained_tree(_setup1(message, data, response, unicode), data, response, unicode)
    if command == 0x75:
        return _tree1(message, data, 32, response, unicode)
    if command in (0xA2, 0x2D):
        if response:
            return message._replace(file=(-3, _u16(data, 38 if command == 0xA2 else 37)))
        if command == 0xA2:
            return message._replace(name=_string(data, 83, unicode, _u16(data, 38)))
        return message._replace(name=_string(data, 65, unicode))
    return message


def _setup1(message: SmbMessage, data: bytes, response: bool, unicode: bool) -> SmbMessage:
    words = data[32]
    if response:
        if words < 4:
            return message
        size = _u16(data, 39)
        return message._replace(token=data[43 : 43 + size], guest=bool(_u16(data, 37) & 1))
    if words == 12:
        return message._replace(token=data[59 : 59 + _u16(data, 47)])
    if words != 13:
        return message
    at = 61 + _u16(data, 47) + _u16(data, 49)
    user = _string(data, at, unicode)
    at += at % 2 if unicode else 0
    at += 2 * len(user) + 2 if unicode else len(user) + 1
    return message._replace(user=user, domain=_string(data, at, unicode))


def _chained_tree(message: SmbMessage, data: bytes, response: bool, unicode: bool) -> SmbMessage:
    """A tree connect that stands behind the logon in the same message."""
    if data[32] < 2 or data[33] != 0x75:
        return message
    at = _u16(data, 35)
    if not 35 < at < len(data) - 3:
        return message
    tree = _tree1(message, data, at, response, unicode)
    return message._replace(name=tree.name, share=tree.share)


def _tree1(message: SmbMessage, data: bytes, at: int, response: bool, unicode: bool) -> SmbMessage:
    """`at` is the place of its word count."""
    words = 2 * _u8(data, at)
    if response:
        service = data[at + 3 + words : at + 6 + words]
        return message._replace(share="pipe" if service == b"IPC" else "print" if service == b"LPT" else "disk")
    return message._replace(name=_string(data, at + 3 + words + _u16(data, at + 7), unicode))


def _string(data: bytes, at: int, unicode: bool, size: int = _MAX_NAME) -> str:
    """A text up to its zero or for `size` bytes; one of two-byte characters begins at an even place."""
    if not unicode:
        return data[at : at + min(size, _MAX_NAME)].partition(b"\0")[0].decode("latin-1")
    at += at % 2
    return data[at : at + min(size, _MAX_NAME)].decode("utf-16-le", "replace").partition("\0")[0]
