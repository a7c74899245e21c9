"""SMB 1: blocks as functions, chained into messages, and a session that gathers what both sides say.

[MS-CIFS] 2.2, [MS-SMB] 2.2. Texts are Unicode, or 8 bits where a session is made without it.
"""

from collections.abc import Callable, Sequence
from struct import pack
from typing import NamedTuple

from tests.build import smb
from tests.build.messages import CLIENT, SERVER, Message
from tests.build.smb import framed

CLOSE, READ, WRITE, TRANSACTION, OPEN_ANDX, READ_ANDX, WRITE_ANDX = 0x04, 0x0A, 0x0B, 0x25, 0x2D, 0x2E, 0x2F
TREE_DISCONNECT, NEGOTIATE, SESSION_SETUP_ANDX, LOGOFF_ANDX, TREE_CONNECT_ANDX, NT_CREATE_ANDX = (
    0x71, 0x72, 0x73, 0x74, 0x75, 0xA2,
)  # fmt: skip
ANDX = {OPEN_ANDX, READ_ANDX, WRITE_ANDX, SESSION_SETUP_ANDX, LOGOFF_ANDX, TREE_CONNECT_ANDX, NT_CREATE_ANDX}
TRANSACTION_SECONDARY = 0x26
TRANSACT_NMPIPE, WAIT_NMPIPE = 0x26, 0x53
UNICODE, NT_STATUS, EXTENDED_SECURITY, LONG_NAMES = 0x8000, 0x4000, 0x0800, 0x0001  # flags2
REPLY = 0x80
HEADER = 32
MESSAGE_START, RAW_PIPE = 8, 4  # write modes
NO_MORE = 0xFF
FILETIME = 129_445_456_000_000_000


class Block(NamedTuple):
    """A command with its words and bytes; what stands in them may depend on where in the message the block begins."""

    command: int
    make: Callable[[int], tuple[bytes, bytes]]


class Ids(NamedTuple):
    """What a header says of its sender."""

    tid: int = 0
    pid: int = 0xFEFF
    uid: int = 0
    mid: int = 0


def message(blocks: Sequence[Block], ids: Ids, *, flags2: int, reply: bool = False, status: int = 0) -> bytes:
    """Header and blocks; an AndX block names the next one and its place. [MS-CIFS] 2.2.3.1, 2.2.3.4"""
    out = b"\xffSMB" + pack("<BIBHH8sHHHHH", blocks[0].command, status, 0x18 | (REPLY if reply else 0), flags2,
                            0, b"", 0, ids.tid, ids.pid, ids.uid, ids.mid)  # fmt: skip
    for number, block in enumerate(blocks):
        words, data = block.make(len(out))
        if block.command in ANDX and words:
            following = blocks[number + 1].command if number + 1 < len(blocks) else NO_MORE
            end = len(out) + 3 + len(words) + len(data)
            padding = -end % 4 if following != NO_MORE else 0
            data += bytes(padding)
            words = pack("<BBH", following, 0, end + padding if padding or following != NO_MORE else 0) + words[4:]
        out += pack("<B", len(words) // 2) + words + pack("<H", len(data)) + data
    return out


def _fixed(command: int, words: bytes = b"", data: bytes = b"") -> Block:
    return Block(command, lambda at: (words, data))


def _andx(layout: str, *values: int) -> bytes:
    return bytes(4) + pack("<" + layout, *values)


def failed(command: int) -> Block:
    """What an answer with an error holds: nothing."""
    return _fixed(command)


def _pad(at: int, words: int, before: int, to: int) -> int:
    """How much is missing before what follows `words` and `before` bytes, so that it begins at a multiple."""
    return -(at + 3 + words + before) % to


def text(value: str, wide: bool) -> bytes:
    return value.encode("utf-16-le") + b"\0\0" if wide else value.encode("ascii") + b"\0"


def _texts(command: int, words: bytes, first: bytes, values: Sequence[str], wide: bool) -> Block:
    """Bytes, then texts: those in Unicode begin at an even place."""

    def make(at: int) -> tuple[bytes, bytes]:
        padding = _pad(at, len(words), len(first), 2) if wide else 0
        return words, first + bytes(padding) + b"".join(text(value, wide) for value in values)

    return Block(command, make)


# --- logon


def negotiate_request(dialects: Sequence[str] = ("LANMAN1.0", "NT LM 0.12")) -> Block:
    return _fixed(NEGOTIATE, b"", b"".join(b"\x02" + name.encode() + b"\0" for name in dialects))


def negotiate_response(index: int = 1, *, token: bytes = b"", extended: bool = True) -> Block:
    """[MS-SMB] 2.2.4.5.2; without extended security a challenge and the names of domain and server."""
    capabilities = 0x0000_C05D | (0x8000_0000 if extended else 0)
    words = pack("<HBHHIIIIQhB", index, 3, 50, 1, 16_644, 65_536, 0, capabilities, FILETIME, 0, 0 if extended else 8)
    return _fixed(
        NEGOTIATE, words, b"\x5e" * 16 + token if extended else b"\xc4" * 8 + text("CORP", True) + text("SRV", True)
    )


def session_setup_request(token: bytes, *, wide: bool = True) -> Block:
    """[MS-SMB] 2.2.4.6.1, extended security."""
    words = _andx("HHHIHII", 16_644, 50, 0, 0, len(token), 0, 0x8000_00D4)
    return _texts(SESSION_SETUP_ANDX, words, token, ("Windows 5.1", "Windows 5.1"), wide)


def session_setup_response(token: bytes, *, wide: bool = True) -> Block:
    """[MS-SMB] 2.2.4.6.2"""
    return _texts(SESSION_SETUP_ANDX, _andx("HH", 0, len(token)), token, ("Windows 5.2", "Windows 5.2"), wide)


def old_session_setup_request(user: str = "operator", domain: str = "CORP", *, wide: bool = True) -> Block:
    """[MS-CIFS] 2.2.4.53.1, with answers to the challenge."""
    words = _andx("HHHIHHII", 16_644, 50, 0, 0, 24, 24, 0, 0xD4)
    return _texts(SESSION_SETUP_ANDX, words, b"\x1a" * 24 + b"\x1b" * 24, (user, domain, "Windows 5.1", "LM"), wide)


def old_session_setup_response(*, wide: bool = True) -> Block:
    """[MS-CIFS] 2.2.4.53.2"""
    return _texts(SESSION_SETUP_ANDX, _andx("H", 0), b"", ("Windows 5.2", "LM", "CORP"), wide)


def tree_connect_request(path: str, *, wide: bool = True) -> Block:
    """[MS-CIFS] 2.2.4.55.1; the service is always 8 bits."""
    words, password = _andx("HH", 8, 1), b"\0"

    def make(at: int) -> tuple[bytes, bytes]:
        padding = _pad(at, len(words), len(password), 2) if wide else 0
        return words, password + bytes(padding) + text(path, wide) + b"?????\0"

    return Block(TREE_CONNECT_ANDX, make)


def tree_connect_response(service: str = "IPC", *, wide: bool = True) -> Block:
    """[MS-CIFS] 2.2.4.55.2"""
    return _texts(
        TREE_CONNECT_ANDX, _andx("H", 1), service.encode() + b"\0", ("" if service == "IPC" else "NTFS",), wide
    )


# --- files and pipes


def nt_create_request(name: str, *, wide: bool = True, access: int = 0x0002_019F) -> Block:
    """[MS-CIFS] 2.2.4.64.1; a pipe is `\\name`."""
    length = len(text(name, wide)) - (2 if wide else 1)
    words = _andx("BHIIIQIIIIIB", 0, length, 0x16, 0, access, 0, 0, 7, 1, 0, 2, 3)
    return _texts(NT_CREATE_ANDX, words, b"", (name,), wide)


def nt_create_response(fid: int, *, pipe: bool = True, size: int = 0) -> Block:
    """[MS-CIFS] 2.2.4.64.2"""
    kind, state = (2, 0x05FF) if pipe else (0, 7)
    times = (FILETIME,) * 4
    return _fixed(NT_CREATE_ANDX, _andx("BHI4QIQQHHB", 0, fid, 1, *times, 0x80, 4096, size, kind, state, 0))


def open_request(name: str, *, wide: bool = True) -> Block:
    """[MS-CIFS] 2.2.4.41.1"""
    return _texts(OPEN_ANDX, _andx("HHHHIHIII", 0, 0x42, 6, 0, 0, 1, 0, 0, 0), b"", (name,), wide)


def open_response(fid: int, *, pipe: bool = True) -> Block:
    """[MS-CIFS] 2.2.4.41.2"""
    kind, state = (2, 0x05FF) if pipe else (0, 0)
    return _fixed(OPEN_ANDX, _andx("HHIIHHHHHHH", fid, 0, 0, 0, 2, kind, state, 1, 0, 0, 0))


def write_andx_request(fid: int, data: bytes, offset: int = 0, *, mode: int = MESSAGE_START, left: int = 0) -> Block:
    """[MS-CIFS] 2.2.4.43.1; with RAW_PIPE the message's length comes before it."""
    carried = pack("<H", len(data) + left) + data if mode & RAW_PIPE and mode & MESSAGE_START else data

    def make(at: int) -> tuple[bytes, bytes]:
        padding = _pad(at, 28, 0, 4)
        words = _andx("HIIHHHHHI", fid, offset & 0xFFFFFFFF, 0xFFFFFFFF, mode, left, len(carried) >> 16,
                      len(carried) & 0xFFFF, at + 3 + 28 + padding, offset >> 32)  # fmt: skip
        return words, bytes(padding) + carried

    return Block(WRITE_ANDX, make)


def write_andx_response(count: int) -> Block:
    """[MS-CIFS] 2.2.4.43.2"""
    return _fixed(WRITE_ANDX, _andx("HHHH", count & 0xFFFF, 0xFFFF, count >> 16, 0))


def read_andx_request(fid: int, count: int, offset: int = 0) -> Block:
    """[MS-CIFS] 2.2.4.42.1"""
    words = _andx("HIHHIHI", fid, offset & 0xFFFFFFFF, count & 0xFFFF, count & 0xFFFF, 0xFFFFFFFF, 0, offset >> 32)
    return _fixed(READ_ANDX, words)


def read_andx_response(data: bytes) -> Block:
    """[MS-CIFS] 2.2.4.42.2"""

    def make(at: int) -> tuple[bytes, bytes]:
        padding = _pad(at, 24, 0, 4)
        place = at + 3 + 24 + padding
        return _andx("HHHHHHQ", 0xFFFF, 0, 0, len(data) & 0xFFFF, place, len(data) >> 16, 0), bytes(padding) + data

    return Block(READ_ANDX, make)


def write_request(fid: int, data: bytes, offset: int = 0) -> Block:
    """The core command. [MS-CIFS] 2.2.4.12.1"""
    return _fixed(WRITE, pack("<HHIH", fid, len(data), offset, 0), pack("<BH", 1, len(data)) + data)


def write_response(count: int) -> Block:
    return _fixed(WRITE, pack("<H", count))


def read_request(fid: int, count: int, offset: int = 0) -> Block:
    """The core command. [MS-CIFS] 2.2.4.11.1"""
    return _fixed(READ, pack("<HHIH", fid, count, offset, 0))


def read_response(data: bytes) -> Block:
    return _fixed(READ, pack("<H8x", len(data)), pack("<BH", 1, len(data)) + data)


def transact_request(
    fid: int, data: bytes, *, function: int = TRANSACT_NMPIPE, name: str = "\\PIPE\\", wide: bool = True,
    max_data: int = 1024, total: int | None = None,
) -> Block:  # fmt: skip
    """SMB_COM_TRANSACTION on a pipe; others follow where `total` is more than it brings. [MS-CIFS] 2.2.4.33.1, 2.2.5.6"""

    def make(at: int) -> tuple[bytes, bytes]:
        padding = _pad(at, 32, 0, 2) if wide else 0
        before = bytes(padding) + text(name, wide)
        gap = _pad(at, 32, len(before), 4)
        place = at + 3 + 32 + len(before) + gap
        words = pack("<HHHHBBHIHHHHHBBHH", 0, len(data) if total is None else total, 0, max_data, 0, 0, 0, 0, 0, 0, place, len(data), place, 2, 0,
                     function, fid)  # fmt: skip
        return words, before + bytes(gap) + data

    return Block(TRANSACTION, make)


def transact_more(data: bytes, *, total: int, displacement: int) -> Block:
    """SMB_COM_TRANSACTION_SECONDARY. [MS-CIFS] 2.2.4.34.1"""

    def make(at: int) -> tuple[bytes, bytes]:
        gap = _pad(at, 16, 0, 4)
        place = at + 3 + 16 + gap
        return pack("<8H", 0, total, 0, 0, 0, len(data), place, displacement), bytes(gap) + data

    return Block(TRANSACTION_SECONDARY, make)


def transact_response(data: bytes, *, total: int | None = None, displacement: int = 0) -> Block:
    """[MS-CIFS] 2.2.4.33.2; one of several answers where `total` is more than it brings."""

    def make(at: int) -> tuple[bytes, bytes]:
        gap = _pad(at, 20, 0, 4)
        place, count = at + 3 + 20 + gap, len(data)
        words = pack("<HHHHHHHHHBB", 0, count if total is None else total, 0, 0, place, 0, count, place, displacement,
                     0, 0)  # fmt: skip
        return words, bytes(gap) + data

    return Block(TRANSACTION, make)


def close_request(fid: int) -> Block:
    return _fixed(CLOSE, pack("<HI", fid, 0xFFFFFFFF))


def logoff() -> Block:
    """Both ways."""
    return _fixed(LOGOFF_ANDX, bytes(4))


# --- a session


class Session:
    """One connection with one session on it: keeps the numbers that headers need, gathers `messages`."""

    def __init__(self, *, wide: bool = True, extended: bool = True) -> None:
        self.messages: list[Message] = []
        self.wide = wide
        self.extended = extended
        self.flags2 = NT_STATUS | LONG_NAMES | (UNICODE if wide else 0) | (EXTENDED_SECURITY if extended else 0)
        self.uid = 0
        self.tid = 0xFFFF
        self._mid = 0
        self._fids = 0x4000

    def ask(self, *blocks: Block, tid: int | None = None) -> Ids:
        """A request of one or several blocks."""
        self._mid += 64
        ids = Ids(self.tid if tid is None else tid, 0xFEFF, self.uid, self._mid)
        self.messages.append((CLIENT, framed(message(blocks, ids, flags2=self.flags2))))
        return ids

    def answer(self, ids: Ids, *blocks: Block, status: int = 0) -> None:
        """The answer, or a part of it."""
        self.messages.append((SERVER, framed(message(blocks, ids, flags2=self.flags2, reply=True, status=status))))

    def _exchange(self, request: Block, response: Block, *, status: int = 0) -> None:
        ids = self.ask(request)
        bad = status not in (0, smb.STATUS_BUFFER_OVERFLOW)
        self.answer(ids, failed(request.command) if bad else response, status=status)

    def negotiate(self, token: bytes = b"") -> None:
        self._exchange(negotiate_request(), negotiate_response(token=token, extended=self.extended))

    def setup(self, requests: Sequence[bytes] = (), responses: Sequence[bytes] = (), *, status: int = 0) -> None:
        """A logon: tokens of extended security, or old style without them; `status` is that of the last answer."""
        if not self.extended:
            ids = self.ask(old_session_setup_request(wide=self.wide))
            self._logged_on(ids, old_session_setup_response(wide=self.wide), status)
            return
        for number, (token, reply) in enumerate(zip(requests, responses, strict=True)):
            ids = self.ask(session_setup_request(token, wide=self.wide))
            more = number < len(requests) - 1
            outcome = smb.STATUS_MORE_PROCESSING_REQUIRED if more else status
            self._logged_on(ids, session_setup_response(reply, wide=self.wide), outcome)

    def _logged_on(self, ids: Ids, block: Block, status: int) -> None:
        self.uid = 0x0800
        bad = status not in (0, smb.STATUS_MORE_PROCESSING_REQUIRED)
        self.answer(ids._replace(uid=self.uid), failed(block.command) if bad else block, status=status)

    def tree(self, path: str = r"\\SRV\IPC$", *, status: int = 0) -> None:
        """TREE_CONNECT_ANDX; what follows uses this tree."""
        ids = self.ask(tree_connect_request(path, wide=self.wide), tid=0xFFFF)
        self._connected(ids, path, status)

    def _connected(self, ids: Ids, path: str, status: int, *before: Block) -> None:
        if status:
            self.answer(ids, failed(TREE_CONNECT_ANDX), status=status)
            return
        self.tid = 0x0801 if self.tid == 0xFFFF else self.tid + 1
        service = "IPC" if path.upper().endswith("IPC$") else "A:"
        response = tree_connect_response(service, wide=self.wide)
        self.answer(ids._replace(tid=self.tid), *before, response)

    def setup_and_tree(self, path: str = r"\\SRV\IPC$") -> None:
        """An old logon with TREE_CONNECT_ANDX chained behind it, answered the same way."""
        ids = self.ask(old_session_setup_request(wide=self.wide), tree_connect_request(path, wide=self.wide))
        self.uid = 0x0800
        self._connected(ids._replace(uid=self.uid), path, 0, old_session_setup_response(wide=self.wide))

    def fid(self) -> int:
        """The next one that the server gives out."""
        self._fids += 1
        return self._fids

    def create(self, name: str, *, status: int = 0, pipe: bool = True, size: int = 0) -> int:
        fid = self.fid()
        request = nt_create_request(name, wide=self.wide)
        self._exchange(request, nt_create_response(fid, pipe=pipe, size=size), status=status)
        return fid

    def open(self, name: str, *, status: int = 0) -> int:
        """OPEN_ANDX."""
        fid = self.fid()
        self._exchange(open_request(name, wide=self.wide), open_response(fid), status=status)
        return fid

    def open_and_read(self, name: str, data: bytes, *, length: int = 1024) -> int:
        """OPEN_ANDX with READ_ANDX chained behind it: the reader does not know the FID yet. [MS-CIFS] 2.2.4.41.1"""
        fid = self.fid()
        ids = self.ask(open_request(name, wide=self.wide), read_andx_request(0, length))
        self.answer(ids, open_response(fid), read_andx_response(data))
        return fid

    def write(self, fid: int, data: bytes, *, mode: int = MESSAGE_START, status: int = 0) -> None:
        self._exchange(write_andx_request(fid, data, mode=mode), write_andx_response(len(data)), status=status)

    def write_and_read(self, fid: int, data: bytes, answer: bytes) -> None:
        """WRITE_ANDX with READ_ANDX chained behind it."""
        ids = self.ask(write_andx_request(fid, data), read_andx_request(fid, 1024))
        self.answer(ids, write_andx_response(len(data)), read_andx_response(answer))

    def read(self, fid: int, data: bytes, *, length: int | None = None, status: int = 0) -> None:
        wanted = max(len(data), 1024) if length is None else length
        self._exchange(read_andx_request(fid, wanted), read_andx_response(data), status=status)

    def read_pieces(self, fid: int, data: bytes, sizes: Sequence[int]) -> None:
        """One message of a pipe in several reads: there is more of it until the last."""
        parts = smb.pieces(data, sizes)
        for number, piece in enumerate(parts, start=1):
            status = smb.STATUS_BUFFER_OVERFLOW if number < len(parts) else 0
            self.read(fid, piece, length=len(piece), status=status)

    def write_core(self, fid: int, data: bytes) -> None:
        self._exchange(write_request(fid, data), write_response(len(data)))

    def read_core(self, fid: int, data: bytes) -> None:
        self._exchange(read_request(fid, max(len(data), 1024)), read_response(data))

    def transact(self, fid: int, request: bytes, response: bytes, *, status: int = 0, first: int | None = None) -> None:
        """TransactNmPipe; where only `first` bytes of the answer fit, a READ_ANDX brings the rest."""
        part = response if first is None else response[:first]
        more = len(part) < len(response)
        asked = transact_request(fid, request, wide=self.wide, max_data=first or 4280)
        self._exchange(asked, transact_response(part), status=smb.STATUS_BUFFER_OVERFLOW if more else status)
        if more:
            self.read(fid, response[len(part) :])

    def transact_parts(self, fid: int, request: bytes, response: bytes, sizes: Sequence[int]) -> None:
        """TransactNmPipe whose answer comes in several messages."""
        ids = self.ask(transact_request(fid, request, wide=self.wide, max_data=len(response)))
        at = 0
        for part in smb.pieces(response, sizes):
            self.answer(ids, transact_response(part, total=len(response), displacement=at))
            at += len(part)

    def transact_sent_in_parts(self, fid: int, request: bytes, response: bytes, sizes: Sequence[int]) -> None:
        """TransactNmPipe whose request comes in several messages: the server asks for the rest."""
        first, *others = smb.pieces(request, sizes)
        ids = self.ask(transact_request(fid, first, wide=self.wide, total=len(request)))
        self.answer(ids, failed(TRANSACTION))
        at = len(first)
        for part in others:
            more = transact_more(part, total=len(request), displacement=at)
            self.messages.append((CLIENT, framed(message([more], ids, flags2=self.flags2))))
            at += len(part)
        self.answer(ids, transact_response(response))

    def close(self, fid: int, *, status: int = 0) -> None:
        self._exchange(close_request(fid), failed(CLOSE), status=status)

    def disconnect(self) -> None:
        self._exchange(failed(TREE_DISCONNECT), failed(TREE_DISCONNECT))

    def logoff(self) -> None:
        self._exchange(logoff(), logoff())


def dos_status(error_class: int, code: int) -> int:
    """An error as class and code, for a session that turned NT_STATUS off in `flags2`. [MS-CIFS] 2.2.3.1"""
    return error_class | code << 16
