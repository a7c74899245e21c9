"""SMB 2 and 3: bodies as functions, and a session that gathers what both sides say. [MS-SMB2] 2.2"""

from collections.abc import Iterable, Sequence
from struct import pack
from typing import NamedTuple

from tests.build import smb
from tests.build.messages import CLIENT, SERVER, Message
from tests.build.smb import aligned, framed

(
    NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT, CREATE, CLOSE, FLUSH, READ, WRITE, LOCK, IOCTL,
    CANCEL, ECHO, QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO, OPLOCK_BREAK,
) = range(19)  # fmt: skip
SERVER_TO_REDIR, ASYNC_COMMAND, RELATED_OPERATIONS, SIGNED = 1, 2, 4, 8  # flags

SMB_2_0_2, SMB_2_1, SMB_3_0, SMB_3_0_2, SMB_3_1_1, WILDCARD = 0x0202, 0x0210, 0x0300, 0x0302, 0x0311, 0x02FF
DISK, PIPE, PRINT = 1, 2, 3  # share types
FSCTL_PIPE_TRANSCEIVE, FSCTL_PIPE_WAIT = 0x0011C017, 0x00110018
FSCTL_VALIDATE_NEGOTIATE_INFO = 0x00140204
UNIT = 65_536  # bytes that one credit pays for
ANY_FILE = b"\xff" * 16  # the file of the request before, in a compound
PREAUTH_INTEGRITY, ENCRYPTION, COMPRESSION = 1, 2, 3  # negotiate contexts
FILETIME = 129_445_456_000_000_000
HEADER = 64


def header(
    command: int, message_id: int, *, session_id: int = 0, tree_id: int = 0, status: int = 0, flags: int = 0,
    credit_charge: int = 1, credit: int = 1, next_command: int = 0, async_id: int | None = None,
) -> bytes:  # fmt: skip
    """The 64 bytes before every body; an `async_id` takes the place of the tree. 2.2.1"""
    out = b"\xfeSMB" + pack("<HHIHH", HEADER, credit_charge, status, command, credit)
    out += pack("<IIQ", flags | (ASYNC_COMMAND if async_id is not None else 0), next_command, message_id)
    out += pack("<II", 0xFEFF, tree_id) if async_id is None else pack("<Q", async_id)
    return out + pack("<Q", session_id) + (b"\x5a" * 16 if flags & SIGNED else bytes(16))


def compound(parts: Sequence[bytes]) -> bytes:
    """Messages in one: each but the last is padded to 8 and says where the next begins. 2.2.1, NextCommand"""
    out = b""
    for part in parts[:-1]:
        padded = aligned(part, 8)
        out += padded[:20] + pack("<I", len(padded)) + padded[24:]
    return out + parts[-1]


def error(data: bytes = b"") -> bytes:
    """The body of an answer that failed. 2.2.2"""
    return pack("<HBBI", 9, 0, 0, len(data)) + (data or b"\x00")


# --- bodies; what has an offset counts it from the header


def _contexts(offered: Sequence[tuple[int, bytes]]) -> bytes:
    described = [pack("<HHI", kind, len(data), 0) + data for kind, data in offered]
    return b"".join(aligned(one, 8) for one in described[:-1]) + b"".join(described[-1:])


def contexts_311(*, answer: bool = False) -> list[tuple[int, bytes]]:
    """What 3.1.1 negotiates besides: SHA-512 and ciphers, compression. 2.2.3.1"""
    ciphers = (2,) if answer else (2, 1)
    offered = [
        (PREAUTH_INTEGRITY, pack("<HHH", 1, 32, 1) + b"\x73" * 32),
        (ENCRYPTION, pack(f"<H{len(ciphers)}H", len(ciphers), *ciphers)),
    ]
    return offered if answer else [*offered, (COMPRESSION, pack("<HHIH", 1, 0, 0, 1))]


def negotiate_request(dialects: Sequence[int]) -> bytes:
    """2.2.3; with contexts where 3.1.1 is among the dialects."""
    listed = pack(f"<{len(dialects)}H", *dialects)
    contexts = contexts_311() if SMB_3_1_1 in dialects else []
    at = HEADER + 36 + len(listed)
    padding = -at % 8 if contexts else 0
    tail = pack("<IHH", at + padding, len(contexts), 0) if contexts else bytes(8)
    head = pack("<HHHHI", 36, len(dialects), 1, 0, 0x7F) + b"\xc1" * 16 + tail
    return head + listed + bytes(padding) + _contexts(contexts)


def negotiate_response(dialect: int, token: bytes = b"") -> bytes:
    """2.2.4"""
    contexts = contexts_311(answer=True) if dialect == SMB_3_1_1 else []
    large = dialect not in (SMB_2_0_2, WILDCARD)
    size = 1 << 23 if large else UNIT
    at = HEADER + 64 + len(token)
    padding = -at % 8 if contexts else 0
    head = pack("<HHHH", 65, 1, dialect, len(contexts)) + b"\x5e" * 16 + pack("<I", 0x2F if large else 1)
    head += pack("<IIIQQ", size, size, size, FILETIME, 0) + pack("<HH", HEADER + 64, len(token))
    return head + pack("<I", at + padding if contexts else 0) + token + bytes(padding) + _contexts(contexts)


def session_setup_request(token: bytes) -> bytes:
    """2.2.5"""
    return pack("<HBBIIHHQ", 25, 0, 1, 1, 0, HEADER + 24, len(token), 0) + token


def session_setup_response(token: bytes, flags: int = 0) -> bytes:
    """2.2.6; flags: 1 guest, 2 null session, 4 encrypt."""
    return pack("<HHHH", 9, flags, HEADER + 8, len(token)) + token


def tree_connect_request(path: str) -> bytes:
    """2.2.9; `path` is `\\\\server\\share`."""
    name = path.encode("utf-16-le")
    return pack("<HHHH", 9, 0, HEADER + 8, len(name)) + name


def tree_connect_response(share_type: int, share_flags: int = 0) -> bytes:
    """2.2.10; share flag 0x8000 wants encryption."""
    return pack("<HBBIII", 16, share_type, 0, share_flags, 0, 0x001F01FF)


def create_request(name: str, *, access: int = 0x0012019F, options: int = 0, contexts: bytes = b"") -> bytes:
    """2.2.13; the name of a pipe has no `\\pipe\\` before it."""
    text = name.encode("utf-16-le")
    head = pack("<HBBIQQ", 57, 0, 0, 2, 0, 0) + pack("<IIIII", access, 0, 7, 1, options)
    padding = -len(text) % 8 if contexts else 0
    at = HEADER + 56 + len(text) + padding if contexts else 0
    buffer = text + bytes(padding) + contexts
    return head + pack("<HHII", HEADER + 56, len(text), at, len(contexts)) + (buffer or b"\x00")


def create_response(file_id: bytes, *, attributes: int = 0x80, size: int = 0) -> bytes:
    """2.2.14"""
    head = pack("<HBBI4QQQ", 89, 0, 0, 1, *(FILETIME,) * 4, max(4096, size), size)
    return head + pack("<II", attributes, 0) + file_id + pack("<II", 0, 0)


def close_request(file_id: bytes) -> bytes:
    """2.2.15"""
    return pack("<HHI", 24, 0, 0) + file_id


def close_response() -> bytes:
    """2.2.16"""
    return pack("<HHI", 60, 0, 0) + bytes(52)


def read_request(file_id: bytes, length: int, offset: int = 0) -> bytes:
    """2.2.19"""
    return pack("<HBBIQ", 49, HEADER + 16, 0, length, offset) + file_id + pack("<IIIHHB", 0, 0, 0, 0, 0, 0)


def read_response(data: bytes, *, data_offset: int = HEADER + 16) -> bytes:
    """2.2.20; a server may leave a gap before the data."""
    return pack("<HBBIII", 17, data_offset, 0, len(data), 0, 0) + bytes(data_offset - HEADER - 16) + data


def write_request(file_id: bytes, data: bytes, offset: int = 0, *, data_offset: int = HEADER + 48) -> bytes:
    """2.2.21"""
    head = pack("<HHIQ", 49, data_offset, len(data), offset) + file_id + pack("<IIHHI", 0, 0, 0, 0, 0)
    return head + bytes(data_offset - HEADER - 48) + data


def write_response(count: int) -> bytes:
    """2.2.22"""
    return pack("<HHIIHH", 17, 0, count, 0, 0, 0)


def ioctl_request(code: int, file_id: bytes, data: bytes, *, max_output: int = 4280) -> bytes:
    """2.2.31, of a file system control."""
    head = pack("<HHI", 57, 0, code) + file_id + pack("<III", HEADER + 56, len(data), 0)
    return head + pack("<IIIII", 0, 0, max_output, 1, 0) + data


def ioctl_response(code: int, file_id: bytes, data: bytes) -> bytes:
    """2.2.32"""
    head = pack("<HHI", 49, 0, code) + file_id + pack("<IIII", HEADER + 48, 0, HEADER + 48, len(data))
    return head + pack("<II", 0, 0) + data


def pipe_wait(name: str, timeout: int = 50_000_000) -> bytes:
    """The input of FSCTL_PIPE_WAIT; the time in 100 ns. [MS-FSCC] 2.3.49"""
    text = name.encode("utf-16-le")
    return pack("<qIBB", timeout, len(text), 1, 0) + text


def query_info_request(file_id: bytes, info_class: int = 5, length: int = 24) -> bytes:
    """2.2.37; class 5 is FileStandardInformation, which Windows asks of a pipe that it opened."""
    return pack("<HBBIHHIII", 41, 1, info_class, length, HEADER + 40, 0, 0, 0, 0) + file_id


def query_info_response(data: bytes = pack("<QQIBBH", 4096, 0, 1, 1, 0, 0)) -> bytes:
    """2.2.38"""
    return pack("<HHI", 9, HEADER + 8, len(data)) + data


def empty() -> bytes:
    """LOGOFF, TREE_DISCONNECT, ECHO, both ways, and CANCEL."""
    return pack("<HH", 4, 0)


# --- what stands in place of a message


def transform(session_id: int, body: bytes, nonce: int = 1) -> bytes:
    """An encrypted message: `body` is what nobody can read. 2.2.41"""
    head = b"\xfdSMB" + b"\x6d" * 16 + pack("<Q8x", nonce) + pack("<IHHQ", len(body), 0, 1, session_id)
    return head + body


def compressed(message: bytes, plain: int = HEADER) -> bytes:
    """A message of which all but the first `plain` bytes are LZNT1, in chunks that are stored. 2.2.42.1"""
    rest = message[plain:]
    chunks = [rest[at : at + 4096] for at in range(0, len(rest), 4096)]
    packed = b"".join(pack("<H", 0x3000 | len(chunk) - 1) + chunk for chunk in chunks)
    return b"\xfcSMB" + pack("<IHHI", len(rest), 1, 0, plain) + message[:plain] + packed


# --- a session


class Asked(NamedTuple):
    """What the answer to a request repeats of it."""

    command: int
    message_id: int
    charge: int
    tree_id: int
    session_id: int


class Open(NamedTuple):
    """A file or a pipe that was opened."""

    tree_id: int
    file_id: bytes


class Session:
    """One connection with one session on it: keeps the numbers that headers need, gathers `messages`."""

    def __init__(self, dialect: int = SMB_3_0_2, *, session_id: int = 0x0000_4000_0000_0401) -> None:
        self.messages: list[Message] = []
        self.dialect = dialect
        self.signed = False
        self._given = session_id
        self.session_id = 0
        self._message_id = 0
        self._trees = 0
        self._files = 0
        self._secret = 0

    # requests and answers, one by one: for what is interleaved

    def ask(self, command: int, body: bytes, *, tree_id: int = 0, size: int = 0) -> Asked:
        """A request; `size` are the bytes that it moves in either direction."""
        asked, message = self._request(command, body, tree_id, size, 0)
        self.messages.append((CLIENT, framed(message)))
        return asked

    def _request(self, command: int, body: bytes, tree_id: int, size: int, flags: int) -> tuple[Asked, bytes]:
        charge = 0 if self.dialect == SMB_2_0_2 else max(1, -(-size // UNIT))
        asked = Asked(command, self._message_id, charge, tree_id, self.session_id)
        self._message_id += max(1, charge)
        flags |= SIGNED if self.signed else 0
        return asked, header(command, asked.message_id, session_id=self.session_id, tree_id=tree_id, flags=flags,
                             credit_charge=charge, credit=max(33, charge)) + body  # fmt: skip

    def answer(self, asked: Asked, body: bytes, *, status: int = 0, async_id: int | None = None) -> None:
        """The answer; the last word where an interim answer came before."""
        self.messages.append((SERVER, framed(self._response(asked, body, status, async_id, 0))))

    def _response(self, asked: Asked, body: bytes, status: int, async_id: int | None, flags: int) -> bytes:
        flags |= SERVER_TO_REDIR | (SIGNED if self.signed else 0)
        credit = 0 if async_id is not None and status != smb.STATUS_PENDING else max(1, asked.charge)
        return header(asked.command, asked.message_id, session_id=asked.session_id, tree_id=asked.tree_id,
                      status=status, flags=flags, credit_charge=asked.charge, credit=credit,
                      async_id=async_id) + body  # fmt: skip

    def pending(self, asked: Asked, async_id: int = 0x11) -> None:
        """The interim answer: it will take a while."""
        self.answer(asked, error(), status=smb.STATUS_PENDING, async_id=async_id)

    def cancel(self, asked: Asked, async_id: int = 0x11) -> None:
        """CANCEL, which has the number of what it cancels and no answer."""
        message = header(CANCEL, asked.message_id, session_id=self.session_id, async_id=async_id, credit=0) + empty()
        self.messages.append((CLIENT, framed(message)))

    def ask_all(self, requests: Iterable[tuple[int, bytes]], *, tree_id: int) -> list[Asked]:
        """Related requests in one message."""
        made = [
            self._request(command, body, tree_id, 0, RELATED_OPERATIONS if number else 0)
            for number, (command, body) in enumerate(requests)
        ]
        self.messages.append((CLIENT, framed(compound([message for _, message in made]))))
        return [asked for asked, _ in made]

    def answer_all(self, answers: Iterable[tuple[Asked, bytes, int]]) -> None:
        """Answers in one message: request, body and status of each."""
        parts = [
            self._response(asked, body, status, None, RELATED_OPERATIONS if number else 0)
            for number, (asked, body, status) in enumerate(answers)
        ]
        self.messages.append((SERVER, framed(compound(parts))))

    def _exchange(
        self, command: int, request: bytes, response: bytes, *, tree_id: int = 0, status: int = 0, size: int = 0,
        pending: bool = False,
    ) -> None:  # fmt: skip
        asked = self.ask(command, request, tree_id=tree_id, size=size)
        if pending:
            self.pending(asked)
        failed = status not in (0, smb.STATUS_BUFFER_OVERFLOW, smb.STATUS_MORE_PROCESSING_REQUIRED)
        self.answer(asked, error() if failed else response, status=status, async_id=0x11 if pending else None)

    # what a client does

    def negotiate(self, token: bytes = b"", *, dialects: Sequence[int] | None = None, multi: bool = False) -> None:
        """With `multi` the client's first words are SMB 1; the server answers that it speaks SMB 2 too. 3.3.5.3.1"""
        if multi:
            self._negotiate_multi(token)
            if self.dialect == SMB_2_0_2:
                return
        known = (SMB_2_0_2, SMB_2_1, SMB_3_0, SMB_3_0_2, SMB_3_1_1)
        offered = tuple(one for one in known if one <= self.dialect) if dialects is None else dialects
        self._exchange(NEGOTIATE, negotiate_request(offered), negotiate_response(self.dialect, token))

    def _negotiate_multi(self, token: bytes) -> None:
        names = ["NT LM 0.12", "SMB 2.002"] + ([] if self.dialect == SMB_2_0_2 else ["SMB 2.???"])
        listed = b"".join(b"\x02" + name.encode() + b"\x00" for name in names)
        first = b"\xffSMB" + pack("<BIBHH8sHHHHH", 0x72, 0, 0x18, 0xC853, 0, b"", 0, 0xFFFF, 0xFEFF, 0, 0)
        self.messages.append((CLIENT, framed(first + pack("<BH", 0, len(listed)) + listed)))
        answered = SMB_2_0_2 if self.dialect == SMB_2_0_2 else WILDCARD
        self.answer(Asked(NEGOTIATE, 0, 0, 0, 0), negotiate_response(answered, token))
        self._message_id = 1

    def setup(self, requests: Sequence[bytes], responses: Sequence[bytes], *, status: int = 0, flags: int = 0) -> None:
        """A logon, a token in each request and answer; `status` is that of the last. A failed one leaves no session."""
        for number, (token, reply) in enumerate(zip(requests, responses, strict=True)):
            last = number == len(requests) - 1
            asked = self.ask(SESSION_SETUP, session_setup_request(token))
            self.session_id = self._given
            outcome = status if last else smb.STATUS_MORE_PROCESSING_REQUIRED
            body = error() if last and status else session_setup_response(reply, flags if last else 0)
            self.answer(asked._replace(session_id=self._given), body, status=outcome)
        if status:
            self.session_id = 0

    def tree(self, path: str = r"\\SRV\IPC$", *, status: int = 0, share_flags: int = 0) -> int:
        """TREE_CONNECT; the answer brings the tree's number."""
        self._trees += 4 if self._trees else 1
        asked = self.ask(TREE_CONNECT, tree_connect_request(path))
        share = PIPE if path.upper().endswith("IPC$") else DISK
        body = error() if status else tree_connect_response(share, share_flags)
        self.answer(asked._replace(tree_id=0 if status else self._trees), body, status=status)
        return self._trees

    def file_id(self) -> bytes:
        """The next one that the server gives out."""
        self._files += 1
        return pack("<QQ", 0x0000_0004_0000_0000 + 4 * self._files + 1, 0x0000_0004_FFFF_FFF0 + self._files)

    def create(self, tree_id: int, name: str, *, status: int = 0, size: int = 0, pending: bool = False) -> Open:
        """A pipe or a file by its name."""
        opened = Open(tree_id, self.file_id())
        answer = create_response(opened.file_id, size=size)
        self._exchange(CREATE, create_request(name), answer, tree_id=tree_id, status=status, pending=pending)
        return opened

    def write(self, of: Open, data: bytes, offset: int = 0, *, status: int = 0, pending: bool = False) -> None:
        self._exchange(WRITE, write_request(of.file_id, data, offset), write_response(len(data)), tree_id=of.tree_id,
                       status=status, size=len(data), pending=pending)  # fmt: skip

    def read(
        self, of: Open, data: bytes, offset: int = 0, *, length: int | None = None, status: int = 0,
        pending: bool = False,
    ) -> None:  # fmt: skip
        """`length` is how much was asked for: a pipe's reader asks for more than there is."""
        wanted = max(len(data), 1024) if length is None else length
        self._exchange(READ, read_request(of.file_id, wanted, offset), read_response(data), tree_id=of.tree_id,
                       status=status, size=wanted, pending=pending)  # fmt: skip

    def read_pieces(self, of: Open, data: bytes, sizes: Sequence[int]) -> None:
        """One message of a pipe in several reads: there is more of it until the last."""
        parts = smb.pieces(data, sizes)
        for number, piece in enumerate(parts, start=1):
            status = smb.STATUS_BUFFER_OVERFLOW if number < len(parts) else 0
            self.read(of, piece, length=len(piece), status=status)

    def transceive(
        self, of: Open, request: bytes, response: bytes, *, status: int = 0, pending: bool = False,
        first: int | None = None,
    ) -> None:  # fmt: skip
        """Write and read in one; where only `first` bytes of the answer fit, a READ brings the rest."""
        code = FSCTL_PIPE_TRANSCEIVE
        part = response if first is None else response[:first]
        more = len(part) < len(response)
        self._exchange(IOCTL, ioctl_request(code, of.file_id, request, max_output=first or 4280),
                       ioctl_response(code, of.file_id, part), tree_id=of.tree_id, size=max(len(request), len(part)),
                       status=smb.STATUS_BUFFER_OVERFLOW if more else status, pending=pending)  # fmt: skip
        if more:
            self.read(of, response[len(part) :])

    def wait_pipe(self, tree_id: int, name: str, *, status: int = 0) -> None:
        """FSCTL_PIPE_WAIT: until an instance of the pipe is free."""
        code = FSCTL_PIPE_WAIT
        self._exchange(IOCTL, ioctl_request(code, ANY_FILE, pipe_wait(name), max_output=0),
                       ioctl_response(code, ANY_FILE, b""), tree_id=tree_id, status=status)  # fmt: skip

    def query_info(self, of: Open) -> None:
        self._exchange(QUERY_INFO, query_info_request(of.file_id), query_info_response(), tree_id=of.tree_id)

    def create_and_write(self, tree_id: int, name: str, data: bytes) -> Open:
        """CREATE and WRITE as one compound, answered as one."""
        opened = Open(tree_id, self.file_id())
        requests = ((CREATE, create_request(name)), (WRITE, write_request(ANY_FILE, data)))
        first, second = self.ask_all(requests, tree_id=tree_id)
        self.answer_all([(first, create_response(opened.file_id), 0), (second, write_response(len(data)), 0)])
        return opened

    def close(self, of: Open, *, status: int = 0) -> None:
        self._exchange(CLOSE, close_request(of.file_id), close_response(), tree_id=of.tree_id, status=status)

    def echo(self) -> None:
        self._exchange(ECHO, empty(), empty())

    def disconnect(self, tree_id: int) -> None:
        self._exchange(TREE_DISCONNECT, empty(), empty(), tree_id=tree_id)

    def logoff(self) -> None:
        self._exchange(LOGOFF, empty(), empty())

    # what nobody can read, or not at once

    def encrypted(self, *lengths: int) -> None:
        """Encrypted messages of the two sides in turn, of these lengths."""
        for number, length in enumerate(lengths):
            self._secret += 1
            body = bytes((at * 73 + self._secret * 151 + (at >> 8) * 29) & 0xFF for at in range(length))
            self.messages.append((number % 2, framed(transform(self.session_id, body, self._secret))))

    def compress(self, number: int = -1) -> None:
        """Compress a message that was said already."""
        side, data = self.messages[number]
        self.messages[number] = side, framed(compressed(data[4:]))


def logged_on(
    dialect: int = SMB_3_0_2, tokens: tuple[Sequence[bytes], Sequence[bytes]] = ((b"", b""), (b"", b"")), *,
    multi: bool = False, signed: bool = False,
) -> Session:  # fmt: skip
    """A session as far as a logon of two legs; `tokens` are those of the requests and of the answers."""
    session = Session(dialect)
    session.negotiate(multi=multi)
    session.setup(*tokens)
    session.signed = signed
    return session
