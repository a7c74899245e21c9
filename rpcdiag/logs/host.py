"""What the logs of hosts say beyond packets: which program owns a port, and what DCOM, RPC and Netlogon reported."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import NamedTuple

from rpcdiag.logs.clock import LATE
from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.events import BINDS, LISTENS, LOGONS
from rpcdiag.logs.fields import SECOND
from rpcdiag.logs.match import Attempt, Clock, is_translated, own_addresses
from rpcdiag.logs.programs import path_of, system_volume
from rpcdiag.logs.reader import LogFile
from rpcdiag.model.packets import Address

MAX_PROCESSES = 10_000
MAX_STATEMENTS = 10_000
_PORTS = frozenset({LISTENS, BINDS})
_CONNECTIONS = frozenset({5156, 5157})
_UNCHECKED = 300 * SECOND  # what the clocks of a domain may differ by, for Kerberos
_NO_PROGRAM = frozenset({"", "-"})


class ListeningProcess(NamedTuple):
    """A program that owns a port of a host: `line` of log number `log` says so, with the event of that number.

    `addresses` are the host's own, as far as its log tells: none where it does not. `role` is listen, bind (any port,
    also that of a client) or accept (a connection to the port was let in or refused for this program).
    """

    log: int
    line: int
    event: int
    role: str
    host: str | None
    addresses: tuple[Address, ...]
    protocol: str
    port: int
    program: str
    pid: int | None
    path: str | None = None  # of the program, as a rule names it; None where what is written does not tell
    written_ns: int | None = None  # the log's own time

    @property
    def name(self) -> str:
        """Without the folders."""
        return self.program.replace("/", "\\").rpartition("\\")[2]

    @property
    def says(self) -> str:
        """`port 49154: svchost.exe (pid 912), event 5154`"""
        return f"port {self.port}: {self.name}{'' if self.pid is None else f' (pid {self.pid})'}, event {self.event}"


class Held(NamedTuple):
    """A process that has a port from `since_ns` on, by the clock of the captures and give or take `room_ns`.

    `told_ns`: until when its log tells. `listens_told`: whether the log tells of ports that this host listens on.
    """

    process: ListeningProcess
    since_ns: int
    room_ns: int
    told_ns: int
    listens_told: bool


class Statement(NamedTuple):
    """What a host's event says: `source` and `destination` are addresses in it, `written_ns` is the log's own time.

    Of a logon that failed: the client's port, the status, who it was and from which workstation.
    """

    log: int
    line: int
    event: int
    provider: str | None
    host: str | None
    says: str
    source: Address | None
    destination: Address | None
    program: str | None
    interface: str | None
    written_ns: int | None
    source_port: int | None = None
    code: int | None = None
    user: str | None = None
    workstation: str | None = None


def concerns(attempts: Sequence[Attempt], addresses: Collection[Address]) -> Callable[[LogEntry], int]:
    """Of the rows of a large log those that can concern the captures (1): what passes between two of the hosts. And
    those that do as far as a row can tell (2): whatever has the ports of one of their connections, and what is said of
    ports and hosts.
    """
    hosts = set(addresses)
    ports = {(one.client.port, one.server.port) for one in attempts if one.key >= 0}
    single = {port for pair in ports for port in pair}

    def wanted(entry: LogEntry) -> int:
        if entry.event is not None and entry.destination_port is None and not entry.drops:
            if entry.event in LOGONS:
                return 1 if entry.source is None or entry.source in hosts else 0
            return 2 if entry.event != BINDS or entry.source_port in single else 0
        if entry.action == "lost" or (entry.source_port, entry.destination_port) in ports:
            return 2
        if is_translated(entry):
            return 2 if entry.source in hosts or entry.destination in hosts else 0
        return 1 if entry.source in hosts and entry.destination in hosts else 0

    return wanted


def processes(logs: Sequence[LogFile], attempts: Sequence[Attempt]) -> tuple[ListeningProcess, ...]:
    """Who owns which port, by time; each fact once, until somebody else has the port. Of ports that were only taken,
    those that the captures show.
    """
    shown = {end.port for one in attempts for end in (one.client, one.server)}
    found: list[ListeningProcess] = []
    for number, log in enumerate(logs):
        own: dict[str | None, tuple[Address, ...]] = {}
        last: dict[tuple[str | None, str, int], set[tuple[str, Address | None, str, int | None]]] = {}
        for entry in sorted(log.entries, key=_written):
            role, port, address = _owned(entry)
            if not role or port is None or (role == "bind" and port not in shown):
                continue
            program = (entry.program or "").strip()
            if program in _NO_PROGRAM:
                continue
            known = last.setdefault((entry.device, entry.protocol, port), set())
            fact = role, address, program, entry.pid
            if fact in known or len(found) == MAX_PROCESSES:
                continue
            if any(other[2:] != fact[2:] for other in known):
                known.clear()
            known.add(fact)
            if entry.device not in own:  # who wrote rows without a name is not known: perhaps several hosts
                its = own_addresses(log, entry.device) if entry.device is not None else ()
                own[entry.device] = tuple(sorted(its, key=str))
            addresses = (address,) if address is not None else own[entry.device]
            found.append(ListeningProcess(
                number, entry.line, entry.event or 0, role, entry.device, addresses, entry.protocol, port,
                program, entry.pid, written_ns=entry.written_ns,
            ))  # fmt: skip
    return tuple(_with_paths(found))


def _written(entry: LogEntry) -> int:
    return entry.written_ns or 0


def _with_paths(found: Sequence[ListeningProcess]) -> Iterator[ListeningProcess]:
    """A path names a volume; which one holds Windows, the host's own programs tell."""
    programs: dict[str | None, set[str]] = {}
    for one in found:
        programs.setdefault(one.host, set()).add(one.program)
    volumes = {host: system_volume(several) for host, several in programs.items()}
    return (one._replace(path=path_of(one.program, volumes[one.host])) for one in found)


def held_ports(
    found: Sequence[ListeningProcess], logs: Sequence[tuple[LogFile, Clock]]
) -> dict[tuple[Address, int], tuple[Held, ...]]:
    """Of TCP, who has which port since when; without those whose time on the captures' clock cannot be told."""
    listening = {(one.log, one.host) for one in found if one.role == "listen"}
    told = [_last_row(file) for file, _ in logs]
    held: dict[tuple[Address, int], list[Held]] = {}
    for one in found:
        clock = logs[one.log][1]
        if one.protocol != "tcp" or one.written_ns is None or clock.offset_ns is None:
            continue
        has = Held(
            one, one.written_ns - clock.offset_ns, room(clock), told[one.log] - clock.offset_ns,
            (one.log, one.host) in listening,
        )  # fmt: skip
        for address in one.addresses:
            held.setdefault((address, one.port), []).append(has)
    return {end: tuple(several) for end, several in held.items()}


def _last_row(file: LogFile) -> int:
    """When its last row was written, also where that was not kept, as long as that could not matter."""
    written = (entry.written_ns for entry in file.entries if entry.written_ns is not None)
    return max([max(written, default=0), *(kind.last_ns for kind in file.kinds.values() if file.whole)])


def room(clock: Clock) -> int:
    """By how much a time of the log may be off on the clock of the captures."""
    unchecked = clock.basis == "utc" and not clock.matches
    return _UNCHECKED if unchecked else clock.spread_ns + LATE + SECOND


def owner_at(held: Iterable[Held], at_ns: int, *, handed_out: bool) -> ListeningProcess | None:
    """Whose port it is at a time of the captures; None where the logs do not tell, or contradict one another.

    Who took a port and was not seen to listen may be a client. It counts only where the mapper handed the port out, so
    that somebody listens there, and the log tells of no port that is listened on.
    """
    found: list[ListeningProcess] = []
    for _, several in groupby(sorted(held, key=_by_writer), key=_by_writer):
        one = _of_writer(list(several), at_ns, handed_out=handed_out)
        if one is None:
            return None
        found.append(one)
    return found[0] if found and len({one.program.lower() for one in found}) == 1 else None


def _by_writer(one: Held) -> tuple[int, str]:
    return one.process.log, one.process.host or ""


def _of_writer(held: list[Held], at_ns: int, *, handed_out: bool) -> ListeningProcess | None:
    """What one host says of one port in one log."""
    room = max(one.room_ns for one in held)
    before = sorted((one for one in held if one.since_ns <= at_ns + room), key=lambda one: one.since_ns)
    if not before or before[-1].told_ns < at_ns - room:
        return None
    sure = [one for one in before if one.since_ns < at_ns - room]
    if len({one.process.program.lower() for one in (*sure[-1:], *before[len(sure) :])}) > 1:
        return None  # it went from one to the other at about that time
    last = before[-1].process
    began = next((place for place in range(len(before), 0, -1) if _other(before[place - 1].process, last)), 0)
    for role in ("listen", "accept"):
        said = [one.process for one in before[began:] if one.process.role == role]
        if said:
            return said[-1]
    return last if handed_out and not before[-1].listens_told else None


def _other(one: ListeningProcess, last: ListeningProcess) -> bool:
    return (one.program.lower(), one.pid) != (last.program.lower(), last.pid)


def _owned(entry: LogEntry) -> tuple[str, int | None, Address | None]:
    """The role, port and address of which the row names the program; no role where it names none."""
    if entry.event in (LISTENS, BINDS):
        address = entry.source
        known = address if address is not None and not (address.is_unspecified or address.is_loopback) else None
        return "listen" if entry.event == LISTENS else "bind", entry.source_port, known
    if entry.event in _CONNECTIONS and entry.path == "in" and entry.protocol in ("tcp", "udp"):
        return "accept", entry.destination_port, entry.destination
    return "", None, None


def statements(logs: Sequence[LogFile], hosts: Collection[Address] = ()) -> tuple[Statement, ...]:
    """What events say that are not about a packet, a connection or a port; of failed logons those of these hosts."""
    return tuple(islice(chain(_statements(logs, None), _statements(logs, hosts)), MAX_STATEMENTS))


def by_address(stated: Sequence[Statement]) -> dict[Address, tuple[Statement, ...]]:
    """The statements by the addresses that they name."""
    found: dict[Address, list[Statement]] = {}
    for one in stated:
        for address in {one.source, one.destination}:
            if address is not None:
                found.setdefault(address, []).append(one)
    return {address: tuple(named) for address, named in found.items()}


def _statements(logs: Sequence[LogFile], hosts: Collection[Address] | None) -> Iterator[Statement]:
    """All but failed logons, or these only: a domain controller has very many, and most are of others."""
    for number, log in enumerate(logs):
        for entry in log.entries:
            if not entry.says or entry.event in _PORTS or entry.action not in ("info", "fail") or entry.event is None:
                continue
            if (entry.event in LOGONS) != (hosts is not None):
                continue
            if hosts is not None and entry.source is not None and entry.source not in hosts:
                continue
            yield Statement(
                number, entry.line, entry.event, entry.provider, entry.device, entry.says, entry.source,
                entry.destination, entry.program, entry.interface, entry.written_ns, entry.source_port, entry.code,
                entry.user, entry.workstation,
            )  # fmt: skip
