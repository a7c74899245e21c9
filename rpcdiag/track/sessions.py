"""SMB sessions as far as RPC needs them: who logged on, which pipes were opened, what was refused, what is sealed.

What went through the pipes is followed like any other connection: see `tracker`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rpcdiag.dissect import smb
from rpcdiag.dissect.smb import MORE_PROCESSING, SmbMessage
from rpcdiag.errors import DecodeError
from rpcdiag.sweep.columns import EV_SMB, EVENT_WIDTH
from rpcdiag.sweep.pipes import ADOPTED

MAX_SESSIONS = 4096
MAX_KEPT = 256  # of each kind of fact, of one session


class Setup(NamedTuple):
    """A session setup: the last token of each side; `status` is None where no answer was seen, 0 for success."""

    request_packet: int
    response_packet: int | None
    status: int | None
    tokens: tuple[bytes, ...]  # of the client, in order
    challenge: bytes  # of the server
    user: str | None  # logons without a token
    domain: str | None
    guest: bool


class Tree(NamedTuple):
    """A share that was connected to, or refused."""

    name: str
    share: str | None
    request_packet: int
    response_packet: int | None
    status: int | None


class PipeOpen(NamedTuple):
    """A pipe that was asked for; `serial` is its number among the capture's flows, or None where it has none."""

    name: str | None
    serial: int | None
    request_packet: int | None
    response_packet: int | None
    status: int | None

    @property
    def short(self) -> str:
        """Its name in lower case, without the backslash before it."""
        return (self.name or "").lower().removeprefix("\\")


class SmbError(NamedTuple):
    """A refusal on an open pipe."""

    serial: int
    command: str
    packet: int
    status: int


class SmbSession(NamedTuple):
    """What was said on one connection; `serial` is its number among the capture's flows."""

    serial: int
    dialect: str | None
    signing_required: bool | None
    sealed: tuple[int | None, int | None]  # packet of the first encrypted message of side 0 and side 1
    encrypts: int | None  # packet in which the server says that the session or a share is encrypted
    setups: tuple[Setup, ...]
    trees: tuple[Tree, ...]
    pipes: tuple[PipeOpen, ...]
    errors: tuple[SmbError, ...]


class Sessions:
    """Feed what the pass says of SMB; ask at the end."""

    takes = frozenset({EV_SMB})

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}
        self._pipes: dict[int, PipeOpen] = {}

    def forget(self, gone: set[int]) -> None:
        """Flows that were given up, by serial number."""
        for serial in gone & self._sessions.keys():
            del self._sessions[serial]

    def feed(self, rows: Sequence[int], arena: memoryview) -> None:
        """Take events."""
        for e in range(0, len(rows), EVENT_WIDTH):
            if rows[e] != EV_SMB:
                continue
            self._pipes = {}
            session = self._sessions.get(rows[e + 1])
            if session is None:
                if len(self._sessions) >= MAX_SESSIONS:
                    continue
                session = self._sessions[rows[e + 1]] = _Session()
            side, packet, serial = rows[e + 2], rows[e + 3], rows[e + 9]
            if rows[e + 5] == ADOPTED:
                session.adopted(serial, (rows[e + 10], rows[e + 11]))
                continue
            at = rows[e + 6]
            try:
                message = smb.decode(bytes(arena[at : at + rows[e + 7]]))
            except DecodeError:
                continue
            session.take(message, side, packet, serial if serial >= 0 else None)

    def sessions(self) -> tuple[SmbSession, ...]:
        """Every connection on which SMB was spoken."""
        return tuple(session.facts(serial) for serial, session in self._sessions.items())

    def pipe_of(self, session: int, serial: int) -> PipeOpen | None:
        """The pipe that is flow number `serial`, on the connection that is flow number `session`: what is known so far."""
        known = self._sessions.get(session)
        return next((pipe for pipe in reversed(known.pipes) if pipe.serial == serial), None) if known else None

    def pipe(self, serial: int) -> PipeOpen | None:
        """The pipe that is flow number `serial` of the capture, once all was fed."""
        if not self._pipes:
            for session in self._sessions.values():
                self._pipes.update((pipe.serial, pipe) for pipe in session.opened() if pipe.serial is not None)
        return self._pipes.get(serial)


class _Session:
    """Collects one session. Each list is bounded."""

    def __init__(self) -> None:
        self.dialect: str | None = None
        self.signing: bool | None = None
        self.sealed: list[int | None] = [None, None]
        self.encrypts: int | None = None
        self.setups: list[Setup] = []
        self.trees: list[Tree] = []
        self.pipes: list[PipeOpen] = []
        self.errors: list[SmbError] = []
        self._logon: int | None = None  # place of the one that is going on
        self._trees: dict[int, int] = {}  # by message id
        self._opens: dict[int, int] = {}
        self._files: dict[tuple[int, int], int] = {}  # place of the opening

    def take(self, message: SmbMessage, side: int, packet: int, serial: int | None) -> None:
        command, status = message.command, message.status
        if command == "encrypted":
            self.sealed[side] = self.sealed[side] or packet
        elif command == "negotiate" and message.response and status == 0:
            self.dialect, self.signing = message.dialect, message.signing_required
        elif command == "session-setup":
            self._take_logon(message, packet)
        if command == "tree-connect" or (command == "session-setup" and (message.name or message.share)):
            self._take_tree(message, packet)
        elif command == "create":
            self._take_open(message, packet, serial)
        elif message.response and serial is not None and status and len(self.errors) < MAX_KEPT:
            self.errors.append(SmbError(serial, command, packet, status))
        if message.encrypts and self.encrypts is None:
            self.encrypts = packet

    def _take_logon(self, message: SmbMessage, packet: int) -> None:
        if not message.response:
            tokens = (message.token,) if message.token else ()
            if self._logon is None:
                if len(self.setups) >= MAX_KEPT:
                    return
                self._logon = len(self.setups)
                self.setups.append(Setup(packet, None, None, tokens, b"", message.user, message.domain, False))
            else:
                going = self.setups[self._logon]
                self.setups[self._logon] = going._replace(tokens=(*going.tokens[:7], *tokens))
            return
        if self._logon is None:
            return
        going = self.setups[self._logon]
        going = going._replace(response_packet=packet, status=message.status, guest=message.guest)
        if message.token and message.status == MORE_PROCESSING:
            going = going._replace(challenge=message.token)
        self.setups[self._logon] = going
        if message.status != MORE_PROCESSING:
            self._logon = None

    def _take_tree(self, message: SmbMessage, packet: int) -> None:
        if not message.response:
            if message.name is not None and len(self.trees) < MAX_KEPT:
                self._trees[message.message_id] = len(self.trees)
                self.trees.append(Tree(message.name, None, packet, None, None))
            return
        place = self._trees.pop(message.message_id, None)
        if place is not None:
            self.trees[place] = self.trees[place]._replace(
                response_packet=packet, status=message.status, share=message.share
            )

    def _take_open(self, message: SmbMessage, packet: int, serial: int | None) -> None:
        if not message.response:
            if len(self.pipes) < MAX_KEPT or serial is not None:
                self._opens[message.message_id] = len(self.pipes)
                self.pipes.append(PipeOpen(message.name, serial, packet, None, None))
            return
        place = self._opens.pop(message.message_id, None)
        if place is None:
            return
        known = self.pipes[place]
        self.pipes[place] = known._replace(
            response_packet=packet, status=message.status, serial=known.serial if serial is None else serial
        )
        if message.file is not None:
            self._files[message.file] = place

    def adopted(self, serial: int, file: tuple[int, int]) -> None:
        """A pipe that carries RPC; its name is that of the file with this id, if its opening was seen."""
        place = self._files.get(file)
        if place is None:
            self.pipes.append(PipeOpen(None, serial, None, None, None))
        elif self.pipes[place].serial is None:
            self.pipes[place] = self.pipes[place]._replace(serial=serial)
        else:  # it was given up for want of room, and found again
            self.pipes.append(self.pipes[place]._replace(serial=serial))

    def facts(self, serial: int) -> SmbSession:
        return SmbSession(
            serial, self.dialect, self.signing, (self.sealed[0], self.sealed[1]), self.encrypts, tuple(self.setups),
            tuple(self.trees), tuple(self.opened()), tuple(self.errors),
        )  # fmt: skip

    def opened(self) -> list[PipeOpen]:
        """Pipes and refusals, each pipe once: what its opening says comes before its being found."""
        asked = {pipe.serial for pipe in self.pipes if pipe.request_packet is not None}
        return [
            pipe
            for pipe in self.pipes
            if (pipe.status if pipe.serial is None else pipe.request_packet is not None or pipe.serial not in asked)
        ]
