"""A client without a source port left: what its log says of it, and what it looks like on the wire; and what it is not."""

from tests.build import events, exchanges, logons, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.causes.shown_cause import Build, Shown

C, D, S = "10.0.0.1", "10.0.0.7", "10.0.0.2"
PORT = 49670


def _asked_and_not_used(recording: Recording, *, logs_on: bool = True) -> int:
    """A port is named and never asked for; the time of that. Before it the client logs on, and gives its name."""
    if logs_on:
        logons.served(recording, C, 50001, S, PORT)
    exchanges.lookup(recording, C, 50002, S, exchanges.DRSUAPI, 49667)
    at = recording.now
    recording.wait(20 * SECOND)
    tcp = Tcp(recording, C, 50003, S, 135)
    tcp.open()
    tcp.close()
    return at


def _with_event(
    number: int = 4231, *, computer: str = "WS1.lab.example", hours: int = 0, provider: str = "Tcpip", logs_on: bool = True,
) -> Build:  # fmt: skip
    def build(recording: Recording) -> str:
        at = _asked_and_not_used(recording, logs_on=logs_on)
        return events.no_port_left(number, at + 3600 * hours * SECOND, 7, computer, provider=provider)

    return build


def _while_all_works(recording: Recording) -> str:
    logons.served(recording, C, 50001, S, PORT)
    return events.no_port_left(4227, recording.now, 7, "WS1.lab.example")


def _of_one_of_two(recording: Recording) -> str:
    """Two clients, neither of which says its name."""
    exchanges.lookup(recording, D, 50002, S, exchanges.DRSUAPI, 49667)
    return events.no_port_left(4231, _asked_and_not_used(recording, logs_on=False), 7, "WS1.lab.example")


def _never_used(recording: Recording) -> None:
    _asked_and_not_used(recording)


def _again(ports: tuple[int, ...], *, closed: bool = True, pause: int = 30, met: bool = True) -> Build:
    """Connections to the mapper, then others from the same ports, which meet what the server remembers."""

    def build(recording: Recording) -> None:
        for port in ports:
            tcp = Tcp(recording, C, port, S, 135)
            tcp.open()
            exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
            exchanges.ask(tcp, exchanges.DRSUAPI, [pdus.tower(*exchanges.DRSUAPI, 49667, S)])
            if closed:
                tcp.close()
        recording.wait(pause * SECOND)
        for port in ports:
            _meets(recording, port) if met else _scanned(recording, port)
            recording.wait(50 * MS)

    return build


def _meets(recording: Recording, port: int) -> None:
    """The server answers with an ACK of the connection before; the client resets that."""
    tcp = Tcp(recording, C, port, S, 135)
    tcp._packet(0, "S")
    tcp.next[0] -= 70_000
    tcp._packet(1, "A")
    tcp.rst(0)


def _scanned(recording: Recording, port: int) -> None:
    """SYN, SYN-ACK, RST."""
    tcp = Tcp(recording, C, port, S, 135)
    tcp._packet(0, "S")
    tcp.next[0] += 1
    tcp._packet(1, "SA")
    tcp.rst(0)


NEVER = ("source-ports-exhausted",)
THREE = (50010, 50011, 50012)

SHOWN = (
    Shown(
        "no-source-port-left", "A port is named and never asked for; the client's log says that all source ports are in use.",
        _with_event(), "source-ports-exhausted", "proven", "F9", "dynamic-port-blocked", log="system.xml",
    ),
    Shown(
        "source-port-too-soon", "Event 4227 comes while the calls that were recorded are answered.",
        _while_all_works, "source-ports-exhausted", "proven", "F9", log="system.xml",
    ),
    Shown(
        "no-source-port-left-somewhere", "The same event, and nothing says whose log it is; there is one client only.",
        _with_event(logs_on=False), "source-ports-exhausted", "likely", "F9", log="system.xml",
    ),
    Shown(
        "source-ports-come-round", "SYNs from ports that were closed half a minute ago meet their last connections.",
        _again(THREE), "source-ports-exhausted", "likely", "F9", "mapper-blocked",
    ),
    Shown(
        "no-port-left-on-the-server", "The event is of the server's log: what the client does is its own matter.",
        _with_event(computer="SRV"), None, twin_of="source-ports-exhausted", never=NEVER, log="system.xml",
    ),
    Shown(
        "no-port-left-another-day", "The client's event is of two hours later.",
        _with_event(hours=2), None, twin_of="source-ports-exhausted", never=NEVER, log="system.xml",
    ),
    Shown(
        "another-program-s-4231", "Another program writes an event of the same number.",
        _with_event(provider="Backup"), None, twin_of="source-ports-exhausted", never=NEVER, log="system.xml",
    ),
    Shown(
        "no-port-left-on-one-of-two", "There are two clients, and nothing says whose log it is.",
        _of_one_of_two, None, twin_of="source-ports-exhausted", never=NEVER, log="system.xml",
    ),
    Shown(
        "a-port-that-is-not-used", "A port is named and not used; no log says anything.",
        _never_used, None, twin_of="source-ports-exhausted", never=NEVER,
    ),
    Shown(
        "always-the-same-source-port", "A program connects from one fixed port, again before the last connection is over.",
        _again(THREE[:1]), None, twin_of="source-ports-exhausted", never=NEVER,
    ),
    Shown(
        "forgotten-by-the-client", "A client that was restarted uses its ports again; the server still has the connections.",
        _again(THREE, closed=False), None, twin_of="source-ports-exhausted", never=NEVER,
    ),
    Shown(
        "source-ports-an-hour-later", "The same ports come round after an hour.",
        _again(THREE, pause=3600), None, twin_of="source-ports-exhausted", never=NEVER,
    ),
    Shown(
        "half-open-probes", "A monitor sends SYN and resets the answer, from ports that were used before.",
        _again(THREE, met=False), None, twin_of="source-ports-exhausted", never=NEVER,
    ),
)  # fmt: skip
