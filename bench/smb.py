"""SMB 3.0.2 sessions on port 445: files in reads and writes of up to 1 MiB, and pipes that carry PDUs. [MS-SMB2] 2.2"""

from collections.abc import Sequence
from struct import pack
from typing import NamedTuple

from bench.conversation import Conversation

PORT = 445
NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT = 0, 1, 2, 3
CREATE, CLOSE, READ, WRITE, IOCTL = 5, 6, 8, 9, 11
MORE_PROCESSING_REQUIRED, BUFFER_OVERFLOW, PENDING = 0xC0000016, 0x80000005, 0x00000103
DISK, PIPE = 1, 2
UNIT = 65_536  # bytes that one credit pays for
ROOM = 1024  # for an answer, as Windows asks for it first; the rest is read
_TRANSCEIVE = 0x0011C017
_ANSWER, _ASYNC = 1, 2
_DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302)
_LARGEST = 8 << 20
_FILETIME = 133_000_000_000_000_000

_EMPTY = pack("<HH", 4, 0)
_ERROR = pack("<HBBIB", 9, 0, 0, 0, 0)


def _message(
    body: bytes, command: int, number: int, tree: int, session: int, *, charge: int, credit: int, status: int = 0,
    flags: int = 0, async_id: int | None = None,
) -> bytes:  # fmt: skip
    """The length, 2.1; the header, 2.2.1; the body."""
    place = 0xFEFF | tree << 32 if async_id is None else async_id
    head = pack("<4sHHIHHIIQQQ16x", b"\xfeSMB", 64, charge, status, command, credit, flags, 0, number, place, session)
    return pack(">I", 64 + len(body)) + head + body


class Open(NamedTuple):
    """A file or a pipe."""

    tree: int
    file_id: bytes


class Session:
    """A session on one connection: what is asked is answered at once."""

    def __init__(self, talk: Conversation, number: int) -> None:
        self._talk = talk
        self._session = 0
        self._given = 0x0000_4000_0000_0001 | number << 8
        self._messages = 0
        self._trees = 0
        self._files = number

    def exchange(
        self, command: int, request: bytes, response: bytes, *, tree: int = 0, answer_tree: int | None = None,
        size: int = 0, status: int = 0, pending: bool = False,
    ) -> None:  # fmt: skip
        """`size` bytes move in one of the directions."""
        charge = max(1, -(-size // UNIT))
        number, session = self._messages, self._session
        self._messages += charge
        self._talk.send(_message(request, command, number, tree, session, charge=charge, credit=charge + 31))
        session = session or (self._given if command == SESSION_SETUP else 0)
        async_id = None
        if pending:
            async_id = number + 1
            waits = _message(_ERROR, command, number, 0, session, charge=charge, credit=charge, status=PENDING,
                             flags=_ANSWER | _ASYNC, async_id=async_id)  # fmt: skip
            self._talk.reply(waits)
        flags = _ANSWER | (_ASYNC if pending else 0)
        self._talk.reply(_message(response, command, number, tree if answer_tree is None else answer_tree, session,
                                  charge=charge, credit=0 if pending else charge, status=status, flags=flags,
                                  async_id=async_id))  # fmt: skip

    def log_on(self, tokens: Sequence[bytes]) -> None:
        """NEGOTIATE, and SESSION_SETUP with three tokens of NTLM."""
        dialects = pack(f"<{len(_DIALECTS)}H", *_DIALECTS)
        asked = pack("<HHHHI16s8x", 36, len(_DIALECTS), 1, 0, 0x7F, b"\xc1" * 16) + dialects
        told = pack("<HHHH16sIIIIQQHHI", 65, 1, _DIALECTS[-1], 0, b"\x5e" * 16, 0x2F, _LARGEST, _LARGEST, _LARGEST,
                    _FILETIME, 0, 128, 0, 0)  # fmt: skip
        self.exchange(NEGOTIATE, asked, told)
        first, challenge, last = tokens
        self.exchange(SESSION_SETUP, _setup(first), pack("<HHHH", 9, 0, 72, len(challenge)) + challenge,
                      status=MORE_PROCESSING_REQUIRED)  # fmt: skip
        self._session = self._given
        self.exchange(SESSION_SETUP, _setup(last), pack("<HHHH", 9, 0, 72, 0))

    def tree(self, path: str, share: int) -> int:
        self._trees += 1
        name = path.encode("utf-16-le")
        self.exchange(TREE_CONNECT, pack("<HHHH", 9, 0, 72, len(name)) + name,
                      pack("<HBBIII", 16, share, 0, 0, 0, 0x001F01FF), answer_tree=self._trees)  # fmt: skip
        return self._trees

    def create(self, tree: int, name: str, size: int = 0) -> Open:
        self._files += 1
        file_id = pack("<QQ", 0x0000_0004_0000_0000 + self._files, 0x0000_0004_FFFF_0000 + self._files)
        text = name.encode("utf-16-le")
        asked = pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, 0x0012019F, 0, 7, 1, 0, 120, len(text), 0, 0) + text
        told = pack("<HBBI4QQQII16sII", 89, 0, 0, 1, *(_FILETIME,) * 4, max(4096, size), size, 0x80, 0, file_id, 0, 0)
        self.exchange(CREATE, asked, told, tree=tree)
        return Open(tree, file_id)

    def read(
        self, of: Open, data: bytes, offset: int = 0, *, room: int = 0, status: int = 0, wait: bool = False
    ) -> None:
        """`room` is what was asked for, where it is more than there is."""
        size = max(room, len(data))
        asked = pack("<HBBIQ16sIIIHHB", 49, 80, 0, size, offset, of.file_id, 0, 0, 0, 0, 0, 0)
        told = pack("<HBBIII", 17, 80, 0, len(data), 0, 0) + data
        self.exchange(READ, asked, told, tree=of.tree, size=size, status=status, pending=wait)

    def write(self, of: Open, data: bytes, offset: int = 0) -> None:
        asked = pack("<HHIQ16sIIHHI", 49, 112, len(data), offset, of.file_id, 0, 0, 0, 0, 0) + data
        self.exchange(WRITE, asked, pack("<HHIIHH", 17, 0, len(data), 0, 0, 0), tree=of.tree, size=len(data))

    def transceive(self, of: Open, request: bytes, response: bytes) -> None:
        """FSCTL_PIPE_TRANSCEIVE; what does not fit into its answer is read."""
        asked = (
            pack("<HHI16sIIIIIIII", 57, 0, _TRANSCEIVE, of.file_id, 120, len(request), 0, 0, 0, ROOM, 1, 0) + request
        )
        part, rest = response[:ROOM], response[ROOM:]
        told = pack("<HHI16sIIIIII", 49, 0, _TRANSCEIVE, of.file_id, 112, 0, 112, len(part), 0, 0) + part
        self.exchange(IOCTL, asked, told, tree=of.tree, size=ROOM, status=BUFFER_OVERFLOW if rest else 0)
        if rest:
            self.read(of, rest)

    def read_message(self, of: Open, data: bytes, *, wait: bool = False) -> None:
        """A message of a pipe: where it is longer than was asked for, a second read brings the rest."""
        part, rest = data[:ROOM], data[ROOM:]
        self.read(of, part, room=ROOM, status=BUFFER_OVERFLOW if rest else 0, wait=wait)
        if rest:
            self.read(of, rest)

    def close(self, of: Open) -> None:
        self.exchange(CLOSE, pack("<HHI16s", 24, 0, 0, of.file_id), pack("<HHI52x", 60, 0, 0), tree=of.tree)

    def log_off(self) -> None:
        self.exchange(LOGOFF, _EMPTY, _EMPTY)


def _setup(token: bytes) -> bytes:
    return pack("<HBBIIHHQ", 25, 0, 1, 1, 0, 88, len(token), 0) + token
