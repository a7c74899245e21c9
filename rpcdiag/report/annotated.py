"""The packets of chosen cases, written again with what there is to say of them: for Wireshark.

The captures are read a second time. Link types, interfaces, time stamps with their resolution, and lengths that were cut
stay as they are; the comments that packets had are kept. Secrets, names and statistics that a capture holds beside its
packets are left out.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from pathlib import Path, PurePath
from typing import NamedTuple

from rpcdiag.analysis import Diagnosis
from rpcdiag.capture import written
from rpcdiag.capture.ends import TCP, UDP, Place, ends_of
from rpcdiag.capture.raw import Interface, Option, RawCapture, Record
from rpcdiag.case import Case, CaseReferral
from rpcdiag.diagnose.finding import Finding
from rpcdiag.errors import InputError
from rpcdiag.flows.flow import HTTP, PIPE, Flow
from rpcdiag.flows.flow import UDP as DATAGRAMS
from rpcdiag.flows.table import HTTP_PORT
from rpcdiag.model.evidence import Missing, Seen
from rpcdiag.model.version import __version__
from rpcdiag.report.remarks import Remarks, bounded, remarks

MAX_DATAGRAMS = 4096  # of which later fragments are waited for
_EVERYTHING = (1, 1 << 62)
Key = tuple[int, int, Place, Place]  # capture, protocol, both ends


class Count(NamedTuple):
    """What was written."""

    packets: int
    commented: int


class Choice:
    """Which packets are wanted: those between the ends of chosen flows, and those that evidence names."""

    def __init__(self, diagnosis: Diagnosis, cases: Sequence[str]) -> None:
        """Raises:
        InputError: there is no such case.
        """
        self._case = diagnosis.case
        self._ranges: dict[Key, list[tuple[int, int]]] = {}
        self._named: set[tuple[int, int]] = set()
        self._channels: set[tuple[int, bytes, Place]] = set()  # RPC over HTTP: every connection of a client to a server
        self._datagrams: dict[tuple[int, bytes], None] = {}
        if cases:
            for id in cases:
                self._choose(diagnosis, id)
        else:
            for finding in diagnosis.findings:
                self._finding(finding)
        self._spans = self._all_spans()

    def span(self, capture: int) -> tuple[int, int]:
        """The first and the last packet of a capture that can be wanted."""
        return self._spans.get(capture, (1, 0))

    def _all_spans(self) -> dict[int, tuple[int, int]]:
        found = [(capture, number, number) for capture, number in self._named]
        found += [(key[0], *one) for key, ranges in self._ranges.items() for one in ranges]
        found += [(capture, *_EVERYTHING) for capture, _, _ in self._channels]
        spans: dict[int, tuple[int, int]] = {}
        for capture, first, last in found:
            lowest, highest = spans.get(capture, (first, last))
            spans[capture] = min(first, lowest), max(last, highest)
        return spans

    def _choose(self, diagnosis: Diagnosis, id: str) -> None:
        findings = {one.id: one for one in diagnosis.findings}
        case = self._case
        number = int(id[1:]) if id[1:].isdecimal() and len(id) < 12 else 0
        if id in findings:
            self._finding(findings[id])
        elif id.startswith("f") and 0 < number <= len(case.flows):
            self._conversation(id)
            told = case.referral_of(case.flow(id))
            if told is not None:
                self._conversation(told.asked_on.id)
        elif id.startswith("r") and 0 < number <= len(case.referrals):
            self._referral(case.referral(id))
        else:
            raise InputError(
                f"--case {id}",
                f"there is no such case; there are {_known('n', len(findings))}, {_known('f', len(case.flows))} and "
                f"{_known('r', len(case.referrals))}",
            )

    def _finding(self, finding: Finding) -> None:
        for id in finding.flows:
            self._conversation(id)
        for id in finding.referrals:
            self._referral(self._case.referral(id))
        for one in finding.evidence:
            if isinstance(one, Seen):
                self._named.update((one.capture, packet) for packet in one.packets)
            elif isinstance(one, Missing):
                self._named.add((one.capture, one.after))

    def _referral(self, referral: CaseReferral) -> None:
        for id in (referral.asked_on.id, *referral.flows):
            self._conversation(id)

    def _conversation(self, id: str) -> None:
        """The flow at every capture point."""
        for one in self._case.conversations[self._case.flow(id).conversation].flows:
            self._flow(one.flow)

    def _flow(self, flow: Flow) -> None:
        client, server = ((end.address.packed, end.port) for end in (flow.client, flow.server))
        low, high = sorted((client, server))
        protocol = UDP if flow.transport == DATAGRAMS else TCP
        if flow.transport == HTTP and HTTP_PORT not in (flow.client.port, flow.server.port):
            self._channels.add((flow.capture, client[0], server))
        ranges = self._ranges.setdefault((flow.capture, protocol, low, high), [])
        # what surrounds a pipe is needed to read it
        one = _EVERYTHING if flow.transport == PIPE else (flow.first_packet, flow.last_packet)
        if one not in ranges:
            ranges.append(one)
        self._named.update((flow.capture, icmp.packet) for icmp in flow.icmp)

    def wants(self, capture: int, record: Record, link: int) -> bool:
        """Whether the packet is one of them."""
        if (capture, record.number) in self._named:
            return True
        ends = ends_of(record.data, link)
        if ends is None:
            return False
        if not ends.first:
            return (capture, ends.datagram or b"") in self._datagrams
        ranges = self._ranges.get((capture, ends.protocol, ends.low, ends.high), ())
        wanted = any(first <= record.number <= last for first, last in ranges) or (
            bool(self._channels)
            and not self._channels.isdisjoint(
                {(capture, ends.low[0], ends.high), (capture, ends.high[0], ends.low)}  # whichever is the client
            )
        )
        if wanted and ends.datagram is not None and len(self._datagrams) < MAX_DATAGRAMS:
            self._datagrams[capture, ends.datagram] = None
        return wanted


def _known(letter: str, count: int) -> str:
    return f"no {letter}" if not count else f"{letter}1" if count == 1 else f"{letter}1 to {letter}{count}"


def write(diagnosis: Diagnosis, path: str, cases: Sequence[str] = (), *, everything: bool = False) -> Count:
    """Write the packets of `cases`, of all findings where none is named, or `everything`, to the file `path`.

    A file of that name is replaced when the new one is complete, never where it is one of the captures.

    Raises:
        InputError: no such case; the file is one of the captures; a capture cannot be read again.
        OSError: the file cannot be written.
    """
    if any(_same_file(path, capture.path) for capture in diagnosis.case.captures):
        raise InputError(path, "is one of the captures, and these are not written over")
    choice = None if everything else Choice(diagnosis, cases)
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        with partial.open("xb") as file:
            packets = commented = 0
            for block, said in _blocks(diagnosis, choice, remarks(diagnosis)):
                file.write(block)
                packets += said is not None
                commented += bool(said)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Count(packets, commented)


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _blocks(diagnosis: Diagnosis, choice: Choice | None, said: Remarks) -> Iterator[tuple[bytes, list[str] | None]]:
    """Blocks, and of packets what is said of them."""
    yield written.section(_heading(diagnosis)), None
    numbers: dict[tuple[int, int], int] = {}
    readers = [RawCapture(capture.path) for capture in diagnosis.case.captures]
    try:
        streams = [_timed(reader, number, diagnosis.case, choice) for number, reader in enumerate(readers)]
        for _, capture, record in streams[0] if len(streams) == 1 else merge(*streams, key=lambda one: one[:2]):
            interface = readers[capture].interfaces[record.interface]
            if choice is not None and not choice.wants(capture, record, interface.link):
                continue
            place = capture, record.interface
            if place not in numbers:
                numbers[place] = len(numbers)
                yield written.interface(_named(diagnosis.case, capture, interface)), None
            comments = said.get((capture, record.number), [])
            yield written.packet(record, numbers[place], comments), comments
    finally:
        for reader in readers:
            reader.close()


def _timed(reader: RawCapture, number: int, case: Case, choice: Choice | None) -> Iterator[tuple[int, int, Record]]:
    """Records between those that can be wanted, up to where the first reading ended."""
    first, last = (1, case.captures[number].packets) if choice is None else choice.span(number)
    last = min(last, case.captures[number].packets)
    if first > last:
        return
    for record in reader.records():
        if record.number < first:
            continue
        yield reader.interfaces[record.interface].ns(record.stamp), number, record
        if record.number == last:
            return


def _heading(diagnosis: Diagnosis) -> Iterable[Option]:
    yield Option(written.PROGRAM, f"rpcdiag {__version__}".encode())
    for one in diagnosis.findings[:20]:
        text = bounded(f"rpcdiag {one.id} [{one.severity}, {one.confidence}] {one.rule}: {one.summary}")
        yield Option(written.COMMENT, text.encode("utf-8", "replace"))


def _named(case: Case, capture: int, interface: Interface) -> Interface:
    """Where there are several captures, an interface says which one it is of."""
    if len(case.captures) == 1:
        return interface
    path = bounded(PurePath(case.captures[capture].path).name).encode("utf-8", "replace")
    options = list(interface.options)
    if not any(option.code == written.NAME for option in options):
        options.append(Option(written.NAME, path))
    options.append(Option(written.COMMENT, b"of " + path))
    return interface._replace(options=tuple(options))
