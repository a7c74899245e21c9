"""The mapper answers: not there, elsewhere, or no more."""

from collections.abc import Sequence

from tests.build import events, exchanges, names, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp, datagram
from tests.causes.shown_cause import Build, Shown

C, S = "10.0.0.1", "10.0.0.2"
SPOOLSS = ("12345678-1234-abcd-ef00-0123456789ab", "1.0")
PIPES = {
    exchanges.SVCCTL: "\\PIPE\\ntsvcs", exchanges.LSARPC: "\\PIPE\\lsass", exchanges.DRSUAPI: "\\PIPE\\ntds",
    SPOOLSS: "\\PIPE\\spoolss",
}  # fmt: skip


def on_pipe(interface: tuple[str, str]) -> bytes:
    return pdus.pipe_tower(*interface, PIPES[interface], "\\\\SRV1")


def on_tcp(interface: tuple[str, str], port: int) -> bytes:
    return pdus.tower(*interface, port, S)


def mapper(recording: Recording, port: int = 50000) -> Tcp:
    tcp = Tcp(recording, C, port, S, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    return tcp


def lists(recording: Recording, towers: Sequence[bytes]) -> None:
    """The whole list of the mapper, in NDR32, as portqry asks for it."""
    tcp = Tcp(recording, C, 50010, S, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135"))
    tcp.send(pdus.request(2, bytes(72)))
    tcp.reply(pdus.response(pdus.lookup_response(towers)))
    tcp.send(pdus.request(2, bytes(72), call_id=3))
    tcp.reply(pdus.response(pdus.lookup_response([], pdus.NOT_REGISTERED), call_id=3))
    tcp.close()


def fails(recording: Recording, interface: tuple[str, str]) -> None:
    tcp = mapper(recording)
    exchanges.ask(tcp, interface, [], pdus.NOT_REGISTERED)
    exchanges.ask(tcp, interface, [], pdus.NOT_REGISTERED, call_id=3)
    tcp.close()


def _absent(recording: Recording) -> None:
    fails(recording, SPOOLSS)


def _absent_in_list(recording: Recording) -> None:
    fails(recording, SPOOLSS)
    lists(recording, [on_tcp(exchanges.SVCCTL, 49670), on_pipe(exchanges.LSARPC), on_tcp(exchanges.LSARPC, 49667)])


def _on_pipe_only(recording: Recording) -> None:
    fails(recording, SPOOLSS)
    lists(recording, [on_tcp(exchanges.SVCCTL, 49670), on_pipe(SPOOLSS), on_tcp(exchanges.LSARPC, 49667)])


def _nothing_on_tcp(recording: Recording) -> None:
    fails(recording, SPOOLSS)
    lists(recording, [on_pipe(one) for one in PIPES])


def _named_server(recording: Recording) -> None:
    """The client is told the server's address."""
    datagram(recording, "10.0.0.53", 53, C, 40053, names.dns_answer("srv.lab.example", [S]))


def _no_endpoint_logged(computer: str, *, days: int = -2) -> Build:
    """Netlogon of a computer could not open its endpoints when it began, two days ago."""

    def build(recording: Recording) -> str:
        _named_server(recording)
        _nothing_on_tcp(recording)
        return events.numbered(
            5820, recording.now + days * 86_400 * SECOND, 31, computer, "NETLOGON", "Cannot find", "87"
        )

    return build


def _other_version(recording: Recording) -> None:
    tcp = mapper(recording)
    exchanges.ask(tcp, (exchanges.DRSUAPI[0], "3.0"), [], pdus.NOT_REGISTERED)
    exchanges.ask(tcp, exchanges.DRSUAPI, [on_tcp(exchanges.DRSUAPI, 49667)], call_id=3)
    tcp.close()


def _listing(recording: Recording) -> None:
    lists(recording, [on_tcp(exchanges.SVCCTL, 49670), on_pipe(exchanges.LSARPC)])


def _sealed(recording: Recording) -> None:
    """A short sealed answer tells nothing of what it says; the client goes on to a port all the same."""
    tcp = Tcp(recording, C, 50000, S, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])], auth=(10, 6, exchanges.NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, 6, exchanges.NTLM2)))
    tcp.send(pdus.auth3(exchanges.NTLM3, level=6))
    secret = bytes((at * 37 + 11) & 0xFF for at in range(160))
    tcp.send(pdus.request(3, secret, auth=(10, 6, bytes(16))))
    tcp.reply(pdus.response(secret, auth=(10, 6, bytes(16))))
    recording.wait(2 * MS)
    used = Tcp(recording, C, 50001, S, 49667)
    used.open()
    exchanges.session(used, exchanges.DRSUAPI)


def _moved(recording: Recording) -> None:
    exchanges.lookup(recording, C, 50000, S, exchanges.SVCCTL, 49670)
    first = Tcp(recording, C, 50001, S, 49670)
    first.open()
    exchanges.session(first, exchanges.SVCCTL)
    first.close()
    recording.wait(30 * SECOND)
    Tcp(recording, C, 50002, S, 49670).refused(times=3)
    exchanges.lookup(recording, C, 50003, S, exchanges.SVCCTL, 49700)
    again = Tcp(recording, C, 50004, S, 49700)
    again.open()
    exchanges.session(again, exchanges.SVCCTL)


def _stopped(recording: Recording) -> None:
    exchanges.lookup(recording, C, 50000, S, exchanges.SVCCTL, 49670)
    Tcp(recording, C, 50002, S, 49670).refused(times=3)


SHOWN = (
    Shown(
        "not-registered", "the mapper has no tower for the interface, asked twice", _absent, "not-registered",
        "established", "A1", never=("other-protocol-only", "version-not-registered", "port-range-exhausted", "wrong-host"),
    ),
    Shown(
        "not-registered-in-list", "nor does its list hold the interface, while others are there on TCP", _absent_in_list,
        "not-registered", "established", "A1", twin_of="other-protocol-only",
        never=("other-protocol-only", "version-not-registered", "port-range-exhausted"),
    ),
    Shown(
        "listing", "a list of all endpoints, which ends with the status of a missing one", _listing, None,
        twin_of="not-registered", never=("not-registered",),
    ),
    Shown(
        "sealed-answer", "the mapper's answer is sealed, and the client finds its port", _sealed, None,
        twin_of="not-registered", never=("not-registered",),
    ),
    Shown(
        "on-pipe-only", "asked for TCP the mapper has nothing; its list has the interface on a pipe", _on_pipe_only,
        "other-protocol-only", "established", "A2", never=("not-registered", "port-range-exhausted"),
    ),
    Shown(
        "nothing-on-tcp-logged", "the same, and NETLOGON event 5820 of the server says that it got no endpoint",
        _no_endpoint_logged("SRV.lab.example"), "port-range-exhausted", "proven", "A3", never=("not-registered",),
        log="system.xml",
    ),
    Shown(
        "nothing-on-tcp-another-logged", "event 5820 is of another computer: it proves nothing here",
        _no_endpoint_logged("dc2.lab.example"), "port-range-exhausted", "likely", "A3", log="system.xml",
    ),
    Shown(
        "nothing-on-tcp-logged-later", "event 5820 is of a day after the capture",
        _no_endpoint_logged("srv.lab.example", days=1), "port-range-exhausted", "likely", "A3", log="system.xml",
    ),
    Shown(
        "nothing-on-tcp", "the mapper's list holds pipes only, of every service", _nothing_on_tcp, "port-range-exhausted",
        "likely", "A3", runner_up="other-protocol-only", never=("not-registered",),
    ),
    Shown(
        "other-version", "version 3.0 is not there, version 4.0 is", _other_version, "version-not-registered",
        "established", "A4", never=("not-registered",),
    ),
    Shown(
        "service-moved", "the remembered port is refused; asked again, the mapper names another, which works", _moved,
        "stale-endpoint", "established", "A5", never=("dynamic-port-closed", "dynamic-port-blocked", "pinhole-expired"),
    ),
    Shown(
        "service-stopped", "the port that the mapper named is refused by the server, and nobody asks again", _stopped,
        "dynamic-port-closed", "established", "F3", twin_of="stale-endpoint", never=("stale-endpoint",),
    ),
)  # fmt: skip
