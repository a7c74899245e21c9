"""What the logs of hosts say beyond packets: which program owns a port, and what DCOM, RPC and Netlogon reported."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from rpcdiag.logs.entry import LogEntry
from rpcdiag.logs.events import BINDS, LISTENS
from rpcdiag.logs.match import Attempt, is_translated, own_addresses
from rpcdiag.logs.reader import LogFile
from rpcdiag.model.packets import Address

MAX_PROCESSES = 10_000
MAX_STATEMENTS = 10_000
_PORTS = frozenset({LISTENS, BINDS})
_CONNECTIONS = frozenset({5156, 5157})


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


class Statement(NamedTuple):
    """What a host's event says: `source` and `destination` are addresses in it, `written_ns` is the log's own time."""

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


def concerns(attempts: Sequence[Attempt], addresses: Collection[Address]) -> Callable[[LogEntry], bool]:
    """Of the rows of a large log those that can concern the captures: what passes between two of the hosts, whatever has
    the ports of one of their connections, and what is said of ports and hosts.
    """
    hosts = set(addresses)
    ports = {(one.client.port, one.server.port) for one in attempts if one.key >= 0}
    single = {port for pair in ports for port in pair}

    def wanted(entry: LogEntry) -> bool:
        if entry.event is not None and entry.destination_port is None:
            return entry.event != BINDS or entry.source_port in single
        if entry.action == "lost" or (entry.source in hosts and entry.destination in hosts):
            return True
        if is_translated(entry):
            return entry.source in hosts or entry.destination in hosts
        return (entry.source_port, entry.destination_port) in ports

    return wanted


def processes(logs: Sequence[LogFile], attempts: Sequence[Attempt]) -> tuple[ListeningProcess, ...]:
    """Who owns which port, each fact once; of ports that were only taken, those that the captures show."""
    shown = {end.port for one in attempts for end in (one.client, one.server)}
    found: dict[tuple[object, ...], ListeningProcess] = {}
    for number, log in enumerate(logs):
        own: dict[str | None, tuple[Address, ...]] = {}
        for entry in log.entries:
            role, port, address = _owned(entry)
            if not role or port is None or not entry.program or (role == "bind" and port not in shown):
                continue
            key = (number, entry.device, role, entry.protocol, port, entry.program, entry.pid)
            if key in found or len(found) == MAX_PROCESSES:
                continue
            if entry.device not in own:
                own[entry.device] = tuple(sorted(own_addresses(log, entry.device), key=str))
            addresses = (address,) if address is not None else own[entry.device]
            found[key] = ListeningProcess(
                number, entry.line, entry.event or 0, role, entry.device, addresses, entry.protocol, port,
                entry.program, entry.pid,
            )  # fmt: skip
    return tuple(found.values())


def _owned(entry: LogEntry) -> tuple[str, int | None, Address | None]:
    """The role, port and address of which the row names the program; no role where it names none."""
    if entry.event in (LISTENS, BINDS):
        address = entry.source
        known = address if address is not None and not (address.is_unspecified or address.is_loopback) else None
        return "listen" if entry.event == LISTENS else "bind", entry.source_port, known
    if entry.event in _CONNECTIONS and entry.path == "in" and entry.protocol in ("tcp", "udp"):
        return "accept", entry.destination_port, entry.destination
    return "", None, None


def statements(logs: Sequence[LogFile]) -> tuple[Statement, ...]:
    """What events say that are not about a packet, a connection or a port."""
    return tuple(one for _, one in zip(range(MAX_STATEMENTS), _statements(logs), strict=False))


def by_address(stated: Sequence[Statement]) -> dict[Address, tuple[Statement, ...]]:
    """The statements by the addresses that they name."""
    found: dict[Address, list[Statement]] = {}
    for one in stated:
        for address in {one.source, one.destination}:
            if address is not None:
                found.setdefault(address, []).append(one)
    return {address: tuple(named) for address, named in found.items()}


def _statements(logs: Sequence[LogFile]) -> Iterator[Statement]:
    for number, log in enumerate(logs):
        for entry in log.entries:
            if not entry.says or entry.event in _PORTS or entry.action not in ("info", "fail") or entry.event is None:
                continue
            yield Statement(
                number, entry.line, entry.event, entry.provider, entry.device, entry.says, entry.source,
                entry.destination, entry.program, entry.interface, entry.written_ns,
            )  # fmt: skip
