"""Names that lead nowhere, or to somebody else."""

from tests.build import exchanges, kerberos, names, pdus, tokens
from tests.build.conversation import MS, SECOND, Recording, Tcp, datagram, icmp_error
from tests.causes.shown_cause import Shown

C, S, DNS, KDC = "10.0.0.1", "10.0.0.2", "10.0.0.53", "10.0.0.88"
ALL_LLMNR, EVERYBODY = "224.0.0.252", "10.0.0.255"
PARTNER = "5f8e2a10-7c6d-4b3e-9a21-0c1d2e3f4a5b._msdcs.corp.example"
WMI = "8bc3f05e-d86b-11d0-a075-00c04fb68820"


def dns(recording: Recording, name: str, addresses: list[str], kind: int = names.A, code: int = names.NO_ERROR) -> None:
    """A question and its answer."""
    datagram(recording, C, 40053, DNS, 53, names.dns_query(name, kind))
    recording.wait(MS)
    datagram(recording, DNS, 53, C, 40053, names.dns_answer(name, addresses, kind, code=code))


def neighbours(recording: Recording, name: str) -> None:
    """The client asks everybody, and nobody answers."""
    for _ in range(2):
        datagram(recording, C, 40055, ALL_LLMNR, 5355, names.dns_query(name, flags=0))
        datagram(recording, C, 137, EVERYBODY, 137, names.nbns_query(name.partition(".")[0].upper()))
        recording.wait(SECOND)


def challenge(computer: str) -> bytes:
    """NTLM's second message, in which the server names itself."""
    own = tokens.wide(f"{computer}.corp.example")
    info = tokens.av_pairs((2, tokens.wide("CORP")), (1, tokens.wide(computer.upper())), (3, own))
    return tokens.challenge("CORP", info)


def logon(tcp: Tcp, computer: str, interface: tuple[str, str]) -> None:
    """A bind with NTLM, three legs; context 0 is NDR32."""
    token = tokens.negotiate()
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])], auth=(10, 5, token)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(tcp.ends[1][1]), auth=(10, 5, challenge(computer))))
    tcp.send(pdus.auth3(tokens.authenticate(nt=tokens.ntlmv2(tokens.av_pairs()), key=bytes(16))))


def _no_partner(recording: Recording) -> None:
    dns(recording, PARTNER, [], names.A, names.NAME_ERROR)
    recording.wait(5 * SECOND)


def _nowhere(recording: Recording) -> None:
    dns(recording, "srv1.corp.example", [], names.A, names.NAME_ERROR)
    neighbours(recording, "srv1")
    recording.wait(5 * SECOND)


def _search_list(recording: Recording) -> None:
    """The first domain of the list does not have it, the second does."""
    dns(recording, "srv1.branch.corp.example", [], names.A, names.NAME_ERROR)
    dns(recording, "srv1.corp.example", [S])
    exchanges.lookup(recording, C, 50000, S, exchanges.SVCCTL, 49670)
    tcp = Tcp(recording, C, 50001, S, 49670)
    tcp.open()
    exchanges.session(tcp, exchanges.SVCCTL)


def _silent_resolver(recording: Recording, *, closed: bool = False) -> None:
    for second in (1, 2, 4):
        datagram(recording, C, 40053, DNS, 53, names.dns_query("srv1.corp.example"))
        if closed:
            icmp_error(recording, DNS)
        recording.wait(second * SECOND)
    neighbours(recording, "srv1")
    recording.wait(5 * SECOND)


def _closed_resolver(recording: Recording) -> None:
    _silent_resolver(recording, closed=True)


def _answered_over_tcp(recording: Recording) -> None:
    question = names.dns_query("srv1.corp.example")
    for _ in range(3):
        datagram(recording, C, 40053, DNS, 53, question)
        recording.wait(SECOND)
    tcp = Tcp(recording, C, 40054, DNS, 53)
    tcp.open()
    for said, message in ((tcp.send, question), (tcp.reply, names.dns_answer("srv1.corp.example", [S]))):
        said(len(message).to_bytes(2, "big") + message)
    tcp.close()
    recording.wait(6 * SECOND)


def _resolver_cannot(recording: Recording) -> None:
    dns(recording, "srv1.corp.example", [], names.A, names.SERVER_FAILURE)
    recording.wait(5 * SECOND)


def _missing(recording: Recording, computer: str) -> None:
    """The client means srv1; the computer's mapper does not know the interface."""
    dns(recording, "srv1.corp.example", [S])
    tcp = Tcp(recording, C, 50000, S, 135)
    tcp.open()
    logon(tcp, computer, (pdus.EPM, "3.0"))
    wanted = pdus.tower(*exchanges.DRSUAPI, 135, S)
    tcp.send(pdus.request(3, pdus.map_request(wanted), auth=exchanges.SIGNATURE))
    tcp.reply(pdus.response(pdus.map_response([], pdus.NOT_REGISTERED), auth=exchanges.SIGNATURE))
    tcp.close()


def _wrong_host(recording: Recording) -> None:
    _missing(recording, "printer7")


def _right_host(recording: Recording) -> None:
    _missing(recording, "srv1")


def _activated(recording: Recording, bindings: list[str]) -> None:
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, WMI, bindings)
    recording.wait(2 * MS)


def _unreachable(recording: Recording) -> None:
    _activated(recording, ["192.168.7.7[49670]"])
    Tcp(recording, C, 50003, "192.168.7.7", 49670).syns()


def _own_address_silent(recording: Recording) -> None:
    _activated(recording, [f"{S}[49670]"])
    Tcp(recording, C, 50003, S, 49670).syns()


def _unresolved_binding(recording: Recording) -> None:
    _activated(recording, ["SRV1[49670]"])
    dns(recording, "srv1.corp.example", [], names.A, names.NAME_ERROR)
    neighbours(recording, "srv1")
    recording.wait(5 * SECOND)


def _resolved_binding(recording: Recording) -> None:
    _activated(recording, ["SRV1[49670]"])
    dns(recording, "srv1.corp.example", [S])
    tcp = Tcp(recording, C, 50003, S, 49670)
    tcp.open()
    exchanges.exporter(tcp)


def _six_then_four(recording: Recording, *, works: bool) -> None:
    dns(recording, "srv1.corp.example", ["2001:db8::2"], names.AAAA)
    dns(recording, "srv1.corp.example", [S])
    Tcp(recording, "2001:db8::1", 50000, "2001:db8::2", 135).syns((0, 3, 9), until=21)
    if works:
        exchanges.lookup(recording, C, 50001, S, exchanges.SVCCTL, 49670)
    else:
        Tcp(recording, C, 50001, S, 135).syns((0, 3, 9), until=21)


def _ipv6_first(recording: Recording) -> None:
    _six_then_four(recording, works=True)


def _neither(recording: Recording) -> None:
    _six_then_four(recording, works=False)


def _alias(recording: Recording, computer: str) -> None:
    dns(recording, "files.corp.example", [S])
    datagram(recording, C, 40088, KDC, 88, kerberos.tgs_req("RPCSS", "files.corp.example"))
    datagram(recording, KDC, 88, C, 40088, kerberos.krb_error(kerberos.S_UNKNOWN, "RPCSS", "files.corp.example"))
    tcp = Tcp(recording, C, 50000, S, 135)
    tcp.open()
    logon(tcp, computer, (pdus.SCM, "0.0"))
    exchanges.activate(tcp, WMI, [f"{S}[49670]"])
    used = Tcp(recording, C, 50001, S, 49670)
    used.open()
    exchanges.exporter(used)


def _no_principal(recording: Recording) -> None:
    _alias(recording, "node2")


def _own_name(recording: Recording) -> None:
    _alias(recording, "files")


SHOWN = (
    Shown(
        "partner-name-missing", "DNS says that the name of a replication partner below _msdcs does not exist",
        _no_partner, "name-not-found", "established", "N1", never=("resolver-silent",),
    ),
    Shown(
        "name-unknown-everywhere", "no name service knows the server, and the capture holds no connection", _nowhere,
        "name-not-found", "likely", "N1", never=("resolver-silent", "wrong-host"),
    ),
    Shown(
        "search-list", "the second domain of a search list has the name", _search_list, None, twin_of="name-not-found",
        never=("name-not-found", "resolver-silent"),
    ),
    Shown(
        "resolver-silent", "the name server never answers, nor do the neighbours", _silent_resolver, "resolver-silent",
        "established", "N2", twin_of="name-not-found", never=("name-not-found",),
    ),
    Shown(
        "resolver-closed", "what is asked as a name server is none: ICMP says so, and the neighbours are silent",
        _closed_resolver, "resolver-silent", "established", "N2", twin_of="name-not-found", never=("name-not-found",),
    ),
    Shown(
        "answered-over-tcp", "a question over UDP gets no answer; the same over TCP does", _answered_over_tcp, None,
        twin_of="resolver-silent", never=("resolver-silent", "name-not-found"),
    ),
    Shown(
        "resolver-cannot", "the name server answers SERVFAIL", _resolver_cannot, "resolver-silent", "likely", "N2",
        never=("name-not-found",),
    ),
    Shown(
        "stale-record", "the mapper lacks the interface, and its computer calls itself by another name", _wrong_host,
        "wrong-host", "established", "N3", never=("not-registered",),
    ),
    Shown(
        "right-host-without-service", "the mapper lacks the interface on the computer that was meant", _right_host,
        "not-registered", "established", "A1", twin_of="wrong-host", never=("wrong-host",),
    ),
    Shown(
        "binding-unreachable", "the activation names an address that the client cannot reach", _unreachable,
        "binding-unreachable", "established", "N4", never=("dynamic-port-blocked",),
    ),
    Shown(
        "binding-right-port-blocked", "the activation names the server's own address, and the port is silent",
        _own_address_silent, "dynamic-port-blocked", "established", "F1", twin_of="binding-unreachable",
        never=("binding-unreachable", "port-not-learnt", "port-forward-without-dynamic-ports"),
    ),
    Shown(
        "binding-name-unresolved", "the activation names a host that no name service knows; no SYN follows",
        _unresolved_binding, "binding-name-unresolved", "established", "N5", twin_of="binding-unreachable",
        never=("binding-unreachable", "name-not-found", "resolver-silent"),
    ),
    Shown(
        "binding-name-resolved", "the name in the bindings is resolved, and the port works", _resolved_binding, None,
        twin_of="binding-name-unresolved", never=("binding-name-unresolved",),
    ),
    Shown(
        "ipv6-first", "21 seconds of silence over IPv6, then IPv4 works", _ipv6_first, "ipv6-first", "established", "N6",
        never=("mapper-blocked",),
    ),
    Shown(
        "neither-family", "neither the IPv6 nor the IPv4 address answers", _neither, "mapper-blocked", "likely", "E1",
        twin_of="ipv6-first", never=("ipv6-first",),
    ),
    Shown(
        "alias-without-spn", "the KDC knows no principal of the alias, and NTLM takes over", _no_principal,
        "alias-without-spn", "established", "N7", never=("wrong-host",),
    ),
    Shown(
        "own-name-without-spn", "the KDC lacks the principal of the computer's own name", _own_name, None,
        twin_of="alias-without-spn", never=("alias-without-spn", "wrong-host"),
    ),
)  # fmt: skip
