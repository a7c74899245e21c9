"""Sealed answers opened with keys that the user gave: tshark decrypts, we read.

It knows one password for all accounts, and the keys of a keytab. NTLM's key stream has a state: every packet may come
once only, so a capture with several capture points is taken apart first. Asked is only where something is sealed; of
what comes back, bodies of MAX_STUB bytes each and MAX_PLAIN together are kept, and one run may take LIMIT_S.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, NamedTuple
from xml.etree import ElementTree

from rpcdiag import tshark
from rpcdiag.capture.points import Point
from rpcdiag.errors import InputError, RpcdiagError
from rpcdiag.intake import Taken
from rpcdiag.track import referrals
from rpcdiag.track.facts import Readable, Referral
from rpcdiag.track.origin import Asking
from rpcdiag.track.referrals import Opened

LIMIT_S = 900
MAX_STUB = 4 << 20
MAX_PLAIN = 64 << 20
MAX_OUTPUT = 1 << 30
MAX_LINE = 1 << 16
MAX_WANTED = 8192  # packets of one capture point: their numbers are an argument
MAX_SURVEYED = 256  # packets with sealed bodies that are counted where none of them is an answer that we want
LONGEST_PASSWORD = 128  # that tshark takes
KEYTAB = (b"\x05\x01", b"\x05\x02")  # MIT's format, both versions
# with their own dissectors switched off the bodies come as bytes
_BODIES = ("epm", "epm4", "isystemactivator", "remact", "oxid")
_REQUEST, _RESPONSE = 0, 2
_ANSWERS = "sealed answer", "sealed answers"
_BODIES_COUNTED = "packet with a sealed body", "packets with sealed bodies"
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

    packet: int
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

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.notes: dict[int, str] = {}
        self.failed: list[str] = []  # of the notes those that say that nothing was opened, with the path
        self.troubles: list[RpcdiagError] = []

    def open(self, told: Sequence[Asking], captures: Sequence[Taken], sealing: set[int]) -> list[Asking]:
        """The referrals, sealed ones replaced where they could be opened.

        `sealing` are the captures on whose connections bodies are sealed, whether they are answers that we want or not.
        """
        found = list(told)
        wanted: dict[int, list[int]] = {}  # by capture, positions
        for position, asking in enumerate(told):
            if asking.referral.readable is Readable.SEALED:
                wanted.setdefault(asking.flow.capture, []).append(position)
        for number in sorted(sealing | set(wanted)):
            try:
                if number in wanted:
                    tally = self._answers(found, wanted[number], captures[number])
                    self._say(number, captures[number].path, tally, _ANSWERS)
                else:
                    tally = self._survey(captures[number])
                    self._say(number, captures[number].path, tally, _BODIES_COUNTED)
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

    def _answers(self, found: list[Asking], positions: Sequence[int], taken: Taken) -> Tally:
        """Open the referrals at these positions, all of one capture."""
        by_point: dict[int, list[int]] = {}
        for position in positions:
            by_point.setdefault(found[position].flow.point, []).append(position)
        opened = senseless = 0
        room = MAX_PLAIN
        for point, places in sorted(by_point.items()):
            packets = {packet for place in places for packet in _packets(found[place].referral)}
            with _OnePoint(taken, point) as (path, numbers):
                shown = [shown for shown, packet in enumerate(numbers, start=1) if packet in packets] if numbers \
                    else sorted(packets)  # fmt: skip
                bodies: dict[int, list[Body]] = {}
                for body in _bodies(path, taken.path, self._keys, shown[:MAX_WANTED]):
                    packet = numbers[body.packet - 1] if numbers else body.packet
                    room -= len(body.stub.data)
                    if room < 0:
                        break
                    bodies.setdefault(packet, []).append(body)
            for place in places:
                answer, made = _open(found[place].referral, bodies)
                if made is not None:
                    found[place] = found[place]._replace(referral=made)
                opened += made is not None
                senseless += made is None and answer
        return Tally(len(positions), opened, senseless)

    def _survey(self, taken: Taken) -> Tally:
        """How many sealed bodies the keys open, whatever they are."""
        sealed = opened = 0
        for point in sorted(taken.points):
            with _OnePoint(taken, point) as (path, _):
                tally = _surveyed(path, taken.path, self._keys)
            sealed, opened = sealed + tally.sealed, opened + tally.opened
        return Tally(sealed, opened)


def _packets(referral: Referral) -> tuple[int, int]:
    return referral.request_packet, referral.response_packet


def _open(referral: Referral, bodies: Mapping[int, list[Body]]) -> tuple[bool, Referral | None]:
    """Whether tshark gave a body for its answer, and the referral that it is."""
    call = referral.call
    for place, body in enumerate(bodies.get(referral.response_packet, ())):
        if call is None or not body.answers or body.opnum != call.opnum:
            continue
        question = next(
            (
                one.stub
                for one in bodies.get(referral.request_packet, ())
                if not one.answers and one.call_id == body.call_id and one.opnum == call.opnum
            ),
            None,
        )
        del bodies[referral.response_packet][place]  # the next one is another's
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


class _OnePoint:
    """The path of a capture with the packets of one point only, and their numbers in the original, none if the same."""

    def __init__(self, taken: Taken, point: int) -> None:
        self._taken = taken
        self._point = point
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> tuple[str, list[int]]:
        if len(self._taken.points) < 2:
            return self._taken.path, []
        self._folder = tempfile.TemporaryDirectory(prefix="rpcdiag-")
        try:
            path = os.path.join(self._folder.name, "point.pcapng")  # noqa: PTH118
            return path, _split(self._taken.path, path, _filter(self._taken.points, self._point))
        except BaseException:
            self._folder.cleanup()
            raise

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()


def _filter(points: Mapping[int, Point], number: int) -> str:
    """tshark's words for the packets of a capture point."""
    point = points[number]
    terms = []
    if any((one.section or 1) > 1 for one in points.values()):
        terms.append(f"frame.section_number == {point.section}")
    if point.interface is not None:
        terms.append(f"frame.interface_id == {point.interface}")
    if point.ifindex is not None:
        terms.append(f"sll.ifindex == {point.ifindex}")
    return " && ".join(terms) or "frame"


def _split(path: str, into: str, of: str) -> list[int]:
    """Write what passes the filter to a file; the numbers of the packets in it."""
    arguments = [*tshark.reading(path), "-Y", of, "-w", into, "-P", "-T", "fields", "-e", "frame.number"]
    with tshark.Run(arguments, limit_s=LIMIT_S) as run:
        numbers = [int(line) for line in _lines(run.output) if line.strip().isdigit()]
    _check(run, path)
    return numbers


def _bodies(path: str, whose: str, keys: Keys, packets: Sequence[int]) -> Iterator[Body]:
    """The opened stubs in these packets, in the order of the file."""
    if not packets:
        return
    wanted = f"frame.number in {{{', '.join(map(str, packets))}}}"
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


def _body(proto: ElementTree.Element, packet: int) -> Body | None:
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
        packet,
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
    """Packets with sealed bodies: the dumps of those that are opened have a name."""
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
