"""Sealed answers opened with keys that the user gave: tshark decrypts, we read.

NTLM's key stream has a state, and tshark keeps it only where every PDU comes once, in order, and alone in its frame. So
it is not shown the capture, but a copy of the connections on which something is sealed: one PDU a frame, of one capture
point each, without repeats. Where a keytab opens nothing there, it is shown the capture as well: keys may have to be
taken out of tickets. Bodies of MAX_STUB bytes each and MAX_PLAIN together are kept, and one run may take LIMIT_S.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from struct import pack
from typing import IO, NamedTuple
from xml.etree import ElementTree

from rpcdiag import tshark
from rpcdiag.capture.choice import Engine
from rpcdiag.errors import InputError, RpcdiagError
from rpcdiag.track import referrals
from rpcdiag.track.facts import Readable, Referral
from rpcdiag.track.origin import Asking
from rpcdiag.track.referrals import Opened
from rpcdiag.track.wire import Row, Wire

LIMIT_S = 900
MAX_STUB = 4 << 20
MAX_PLAIN = 64 << 20
MAX_OUTPUT = 1 << 30
MAX_LINE = 1 << 16
MAX_COPY = 1 << 30
MAX_WANTED = 8192  # frames of one capture: their numbers are an argument
MAX_SURVEYED = 256  # sealed PDUs that are counted where none of them is an answer that we want
LONGEST_PASSWORD = 128  # that tshark takes
KEYTAB = (b"\x05\x01", b"\x05\x02")  # MIT's format, both versions
# with their own dissectors switched off the bodies come as bytes
_BODIES = ("epm", "epm4", "isystemactivator", "remact", "oxid")
_REQUEST, _RESPONSE = 0, 2
_RAW = 101  # link type of plain IP
SEGMENT = 32768
_ANSWERS = "sealed answer", "sealed answers"
_PDUS = "sealed PDU", "sealed PDUs"
_ONLY_NUMBERS = 'gui.column.format:"No.","%m"'
_A_NUMBER = re.compile(rb"\s*\d+\s*$")
_LAST_FRAGMENT = 0x02


@dataclass(frozen=True, slots=True)
class Keys:
    """What the user gave; the password appears in no text that is made of it."""

    keytab: str | None = None
    nt_password: str | None = field(default=None, repr=False)

    @property
    def named(self) -> str:
        """What to call them."""
        if self.keytab is None:
            return "the given password"
        return "the given keytab" if self.nt_password is None else "the given password and keytab"

    def check(self) -> None:
        """Raises:
        InputError: they cannot be used, and why; the text says nothing of the password.
        MissingPiece: tshark is not installed.
        """
        if self.keytab is not None:
            _check_keytab(self.keytab)
        if self.nt_password is not None:
            why = _why_not(self.nt_password)
            if why is not None:
                raise InputError("--nt-password", why)
        tshark.program()

    @property
    def arguments(self) -> list[str]:
        """Those of tshark that say where the keytab is."""
        if self.keytab is None:
            return []
        return ["-o", "kerberos.decrypt:TRUE", "-o", f"kerberos.file:{os.path.abspath(self.keytab)}"]  # noqa: PTH100

    @property
    def preferences(self) -> str:
        """The text of its preferences file."""
        return "" if self.nt_password is None else f"ntlmssp.nt_password: {self.nt_password}\n"


def _check_keytab(path: str) -> None:
    try:
        with open(path, "rb") as file:
            head = file.read(2)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from None
    if head not in KEYTAB:
        raise InputError(path, "this is no keytab: it does not begin with 0x05 0x02")


def _why_not(password: str) -> str | None:
    """Why tshark cannot be given this password."""
    if not password:
        return "the password is empty"
    if len(password) > LONGEST_PASSWORD:
        return f"tshark takes passwords of at most {LONGEST_PASSWORD} characters; a keytab with an RC4 key does as well"
    if not password.isascii() or not password.isprintable():
        return "tshark takes passwords of printable ASCII characters only; a keytab with an RC4 key does as well"
    if password[0] == " ":
        return "tshark takes no password that begins with a space; a keytab with an RC4 key does as well"
    return None


class Body(NamedTuple):
    """The stub of one call in one direction, opened."""

    frame: int
    answers: bool
    call_id: int
    opnum: int
    stub: Opened


class Tally(NamedTuple):
    """Of so many sealed answers or bodies so many were opened."""

    sealed: int
    opened: int
    senseless: int = 0  # opened, and no answer that could be


class Unsealer:
    """Opens what it can in the captures of a run; says for each, by its number, what came of it."""

    def __init__(self, keys: Keys, engine: Engine) -> None:
        self._keys = keys
        self._engine = engine
        self.notes: dict[int, str] = {}
        self.failed: list[str] = []  # of the notes those that say that nothing was opened, with the path
        self.troubles: list[RpcdiagError] = []

    def open(
        self, told: Sequence[Asking], paths: Sequence[str], sealing: Mapping[int, Mapping[int, int]]
    ) -> list[Asking]:
        """The referrals, sealed ones replaced where they could be opened.

        `sealing` are, by capture, the flows on which bodies are sealed: number -> serial number in the capture.
        """
        found = list(told)
        wanted: dict[int, list[int]] = {}  # by capture, positions
        for position, asking in enumerate(told):
            if asking.referral.readable is Readable.SEALED:
                wanted.setdefault(asking.flow.capture, []).append(position)
        for number in sorted({*sealing, *wanted}):
            flows = sealing.get(number, {})
            try:
                if number in wanted:
                    tally = self._answers(found, wanted[number], paths[number], flows)
                    self._say(number, paths[number], tally, _ANSWERS)
                else:
                    tally = self._survey(paths[number], flows)
                    self._say(number, paths[number], tally, _PDUS)
            except RpcdiagError as error:
                self.troubles.append(error)
        return _rejoined(found) if wanted else found

    def _say(self, number: int, path: str, tally: Tally, what: tuple[str, str]) -> None:
        if not tally.sealed:
            return
        by, all_of_them = self._keys.named, f"{tally.sealed} {what[tally.sealed > 1]}"
        if tally.opened or tally.senseless:
            said = f"{by} opened {tally.opened} of {all_of_them}"
            if tally.senseless:
                said += f"; {tally.senseless} came out senseless, as where packets before them are missing"
        else:
            fails = f"opened none of {all_of_them}" if tally.sealed > 1 else f"did not open the only {what[0]}"
            said = f"{by} {fails}: wrong key, or another account's, or the logon is not in the capture"
            self.failed.append(f"{path}: {said}")
        self.notes[number] = said

    def _answers(self, found: list[Asking], positions: Sequence[int], path: str, flows: Mapping[int, int]) -> Tally:
        """Open the referrals at these positions, all of one capture."""
        serials = {flows[found[place].flow.number] for place in positions if found[place].flow.number in flows}
        packets = {packet for place in positions for packet in _packets(found[place].referral)}
        with tempfile.TemporaryDirectory(prefix="rpcdiag-") as folder:
            copy = _Copy(path, self._engine, serials, folder)
            shown = [number for number, (_, packet) in copy.frames.items() if packet in packets]
            bodies = _by_frame(_bodies(copy.path, path, self._keys, shown), copy.frames)
        left = []
        senseless = set()
        for place in positions:
            serial = flows.get(found[place].flow.number, -1)
            answer, made = _open(found[place].referral, bodies, serial)
            if made is not None:
                found[place] = found[place]._replace(referral=made)
                continue
            left.append(place)
            if answer:
                senseless.add(place)
        if left and self._keys.keytab is not None:
            left = self._in_the_capture(found, left, path)
        return Tally(len(positions), len(positions) - len(left), len(senseless.intersection(left)))

    def _in_the_capture(self, found: list[Asking], positions: Sequence[int], path: str) -> list[int]:
        """The same where tickets are beside the connections; which of them are still sealed."""
        packets = sorted({packet for place in positions for packet in _packets(found[place].referral)})
        frames = {packet: (-1, packet) for packet in packets}
        bodies = _by_frame(_bodies(path, path, self._keys, packets), frames)
        left = []
        for place in positions:
            _, made = _open(found[place].referral, bodies, -1)
            if made is not None:
                found[place] = found[place]._replace(referral=made)
            else:
                left.append(place)
        return left

    def _survey(self, path: str, flows: Mapping[int, int]) -> Tally:
        """How many sealed bodies the keys open, whatever they are."""
        with tempfile.TemporaryDirectory(prefix="rpcdiag-") as folder:
            tally = _surveyed(_Copy(path, self._engine, set(flows.values()), folder).path, path, self._keys)
        if not tally.opened and self._keys.keytab is not None:
            tally = tally._replace(opened=min(tally.sealed, _surveyed(path, path, self._keys).opened))
        return tally


def _packets(referral: Referral) -> tuple[int, int]:
    return referral.request_packet, referral.response_packet


_Bodies = dict[tuple[int, int], list[Body]]  # by serial number and packet


def _by_frame(bodies: Iterable[Body], frames: Mapping[int, tuple[int, int]]) -> _Bodies:
    found: _Bodies = {}
    room = MAX_PLAIN
    for body in bodies:
        room -= len(body.stub.data)
        if room < 0:
            break
        if body.frame in frames:
            found.setdefault(frames[body.frame], []).append(body)
    return found


class _Copy:
    """Connections of a capture, every PDU alone in a frame; `frames` has what was whole: number -> (serial, packet)."""

    def __init__(self, path: str, engine: Engine, serials: Set[int], folder: str) -> None:
        self.path = os.path.join(folder, "copy.pcap")  # noqa: PTH118  as PTH112 and PTH113
        self.frames: dict[int, tuple[int, int]] = {}
        self._next: dict[tuple[int, int], int] = {}  # sequence number of a connection's side
        self._numbers = 0
        room = MAX_COPY
        with open(self.path, "wb") as file:
            file.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, _RAW))
            if not serials:
                return
            for row in Wire(path, engine).rows():
                room -= row.length if row.serial in serials else 0
                if room < 0:
                    break
                if row.serial in serials:
                    self._write(file, row)

    def _write(self, file: IO[bytes], row: Row) -> None:
        # where the capture does not hold all of it, what follows begins at the right place all the same
        data = row.data + bytes(max(0, row.length - len(row.data)))
        for at in range(0, len(data), SEGMENT):
            piece = data[at : at + SEGMENT]
            self._numbers += 1
            frame = _segment(row, self._next.get((row.serial, row.from_client), 1), piece)
            self._next[row.serial, row.from_client] = self._next.get((row.serial, row.from_client), 1) + len(piece)
            seconds, rest = divmod(row.time_ns, 1_000_000_000)
            file.write(pack("<IIII", seconds & 0xFFFFFFFF, rest // 1000, len(frame), len(frame)) + frame)
        if len(row.data) == row.length:
            self.frames[self._numbers] = row.serial, row.packet


def _segment(row: Row, sequence: int, data: bytes) -> bytes:
    """IPv4 and TCP, checksums left out: every connection between a client of its own and the same server."""
    ends = (10 << 24 | row.serial & 0xFFFFFF, 50000 + (row.serial >> 24)), (0xC0000201, 135)
    source, destination = ends if row.from_client else ends[::-1]
    tcp = pack(">HHIIBBHHH", source[1], destination[1], sequence & 0xFFFFFFFF, 1, 0x50, 0x18, 8192, 0, 0)
    length = 20 + len(tcp) + len(data)
    return pack(">BBHHHBBHII", 0x45, 0, length, 0, 0x4000, 64, 6, 0, source[0], destination[0]) + tcp + data


def _open(referral: Referral, bodies: _Bodies, serial: int) -> tuple[bool, Referral | None]:
    """Whether tshark gave a body for its answer, and the referral that it is."""
    call = referral.call
    asked, answered = ((serial, packet) for packet in _packets(referral))
    for place, body in enumerate(bodies.get(answered, ())):
        if call is None or not body.answers or body.opnum != call.opnum:
            continue
        question = next(
            (
                one.stub
                for one in bodies.get(asked, ())
                if not one.answers and one.call_id == body.call_id and one.opnum == call.opnum
            ),
            None,
        )
        del bodies[answered][place]  # the next one is another's
        return True, referrals.opened(referral, question, body.stub)
    return False, None


def _rejoined(told: Sequence[Asking]) -> list[Asking]:
    """Lookups that go on with one another, which could not be told while they were sealed."""
    by_flow: dict[int, list[Asking]] = {}
    for asking in told:
        by_flow.setdefault(asking.flow.number, []).append(asking)
    found = []
    for askings in by_flow.values():
        kept: list[Referral] = []
        for asking in askings:
            if not referrals.note(kept, asking.referral):
                kept.append(asking.referral)
        found += [Asking(referral, askings[0].flow) for referral in kept]
    return found


def _bodies(path: str, whose: str, keys: Keys, frames: Sequence[int]) -> Iterator[Body]:
    """The opened stubs in these frames, in the order of the file."""
    if not frames:
        return
    wanted = f"frame.number in {{{', '.join(map(str, frames[:MAX_WANTED]))}}}"
    arguments = [*tshark.reading(path), "-Y", wanted, "-T", "pdml", "-J", "dcerpc", *keys.arguments]
    for name in _BODIES:
        arguments += ["--disable-protocol", name]
    broken = False
    with tshark.Run(arguments, preferences=keys.preferences, limit_s=LIMIT_S) as run:
        try:
            yield from _frames(run.output)
        except ElementTree.ParseError:
            broken = True
    _check(run, whose, broken=broken)


def _check(run: tshark.Run, path: str, *, broken: bool = False) -> None:
    """Raises:
    InputError: tshark could not read the capture; one that is cut short is no trouble of ours.
    """
    if run.late:
        raise InputError(path, f"tshark was ended after {LIMIT_S} s")
    if (run.code or broken) and tshark.CUT_SHORT not in run.said:
        raise InputError(path, f"tshark: {run.said or f'ended with code {run.code}'}")


class _Bounded:
    """A stream that ends after MAX_OUTPUT bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_OUTPUT

    def read(self, count: int = -1) -> bytes:
        data = self._stream.read(min(self._left, count if count >= 0 else 1 << 16))
        self._left -= len(data)
        return data


def _frames(stream: IO[bytes]) -> Iterator[Body]:
    root = None
    for event, element in ElementTree.iterparse(_Bounded(stream), ("start", "end")):
        if root is None:
            root = element
        elif event == "end" and element.tag == "packet":
            yield from _frame(element)
            root.clear()


def _frame(packet: ElementTree.Element) -> Iterator[Body]:
    number = 0
    for proto in packet.iter("proto"):
        if proto.get("name") == "geninfo":
            number = _number(proto, "num")
        elif proto.get("name") == "dcerpc":
            body = _body(proto, number)
            if body is not None:
                yield body


def _body(proto: ElementTree.Element, frame: int) -> Body | None:
    """The whole stub stands in the last of a call's fragments, without padding."""
    kind = _number(proto, "dcerpc.pkt_type")
    found = proto.find(".//field[@name='dcerpc.decrypted_stub_data']")
    if kind not in (_REQUEST, _RESPONSE) or found is None or not _number(proto, "dcerpc.cn_flags") & _LAST_FRAGMENT:
        return None
    text = found.get("value", "")
    if len(text) > 2 * MAX_STUB:
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    big = _number(proto, "dcerpc.drep.byteorder") == 0
    return Body(
        frame,
        kind == _RESPONSE,
        _number(proto, "dcerpc.cn_call_id"),
        _number(proto, "dcerpc.opnum"),
        Opened(data, big),
    )


def _number(proto: ElementTree.Element, name: str) -> int:
    found = proto.find(f".//field[@name='{name}']")
    try:
        return -1 if found is None else int(found.get("show", ""), 0)
    except ValueError:
        return -1


def _surveyed(path: str, whose: str, keys: Keys) -> Tally:
    """Sealed requests and answers: the dumps of those that are opened have a name."""
    wanted = f"dcerpc.auth_level == 6 && dcerpc.pkt_type in {{{_REQUEST}, {_RESPONSE}}}"
    arguments = [*tshark.reading(path), "-Y", wanted, "-P", "-x", "-o", _ONLY_NUMBERS, *keys.arguments]
    sealed = opened = 0
    mine = done = False
    with tshark.Run(arguments, preferences=keys.preferences, limit_s=LIMIT_S) as run:
        for line in _lines(run.output):
            if _A_NUMBER.match(line):
                if sealed == MAX_SURVEYED:
                    done = True
                    break
                sealed, mine = sealed + 1, False
            elif line.startswith(b"Decrypted stub data") and not mine:
                opened, mine = opened + 1, True
    if not done:
        _check(run, whose)
    return Tally(sealed, opened)


def _lines(stream: IO[bytes]) -> Iterable[bytes]:
    """Lines of at most MAX_LINE bytes, MAX_OUTPUT together."""
    left = MAX_OUTPUT
    while left > 0:
        line = stream.readline(MAX_LINE)
        if not line:
            return
        left -= len(line)
        yield line
