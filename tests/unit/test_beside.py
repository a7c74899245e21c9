"""What the capture holds beside RPC: names, tickets; only what concerns hosts that speak RPC."""

from pathlib import Path

from rpcdiag.analysis import analyze
from rpcdiag.case import Case
from tests.build import exchanges, kerberos, logons, names
from tests.build.conversation import Recording, Tcp, datagram
from tests.build.story import START

C, S, DC = "10.0.0.1", "10.0.0.2", "10.0.0.53"


def _case(folder: Path, *answers: bytes, to: str = C, tickets: tuple[bytes, ...] = ()) -> Case:
    recording = Recording(START)
    for answer in answers:
        datagram(recording, DC, 53, to, 40053, answer)
    for ticket in tickets:
        datagram(recording, DC, 88, to, 40088, ticket)
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    path = folder / "c.pcapng"
    path.write_bytes(recording.pcapng())
    return analyze([str(path)]).case


def test_names_that_clients_asked_for_each_once(tmp_path: Path) -> None:
    again = names.dns_answer("srv.lab.example", [S], number=7)
    case = _case(
        tmp_path, names.dns_answer("srv.lab.example", [S]), again, names.dns_answer("gone.example", [], code=3)
    )
    assert [(one.fact.name, one.fact.result, one.fact.times) for one in case.names] == [
        ("srv.lab.example", "NOERROR", 2),
        ("gone.example", "NXDOMAIN", 1),
    ]
    assert [str(address) for address in case.names[0].fact.addresses] == [S]


def test_names_of_hosts_that_speak_rpc_whoever_asked(tmp_path: Path) -> None:
    case = _case(tmp_path, names.dns_answer("srv", [S]), names.dns_answer("other", ["192.0.2.9"]), to="10.0.0.77")
    assert [one.fact.name for one in case.names] == ["srv"]


def test_refused_tickets(tmp_path: Path) -> None:
    refused = kerberos.krb_error(7, "cifs", "nobody")
    case = _case(tmp_path, tickets=(refused, refused))
    (one,) = case.tickets
    assert (one.fact.error, one.fact.code, one.fact.spn, one.fact.times) == (
        "KDC_ERR_S_PRINCIPAL_UNKNOWN", 7, "cifs/nobody", 2,
    )  # fmt: skip


def test_tickets_over_tcp(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, C, 50001, DC, 88)
    tcp.open()
    tcp.send(kerberos.over_tcp(kerberos.tgs_req("cifs", "nobody")))
    tcp.reply(kerberos.over_tcp(kerberos.krb_error(14, "cifs", "nobody")))
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    path = tmp_path / "c.pcapng"
    path.write_bytes(recording.pcapng())
    assert [one.fact.error for one in analyze([str(path)]).case.tickets] == ["KDC_ERR_ETYPE_NOSUPP"]


def test_centres_that_never_answer(tmp_path: Path) -> None:
    recording = Recording(START)
    for centre in (DC, DC, "10.0.0.54"):
        datagram(recording, C, 40088, centre, 88, kerberos.tgs_req("cifs", "srv"))
    datagram(recording, "10.0.0.54", 88, C, 40088, kerberos.krb_error(7, "cifs", "srv"))
    Tcp(recording, C, 50002, DC, 88).syns()
    Tcp(recording, "10.0.0.77", 50002, DC, 88).syns()
    exchanges.lookup(recording, C, 50000, S, exchanges.DRSUAPI, 49667)
    path = tmp_path / "c.pcapng"
    path.write_bytes(recording.pcapng())
    case = analyze([str(path)]).case
    (one,) = case.asked
    assert (str(one.fact.client), str(one.fact.server), one.fact.times, one.fact.packets) == (C, DC, 2, (1, 2))
    assert [(str(flow.client.address), str(flow.server.address)) for flow in case.unreached] == [(C, DC)]


def test_a_logon_that_fails_is_read_however_many_went_well_before(tmp_path: Path) -> None:
    recording = Recording(START)
    for number in range(9):
        tcp = Tcp(recording, C, 50000 + number, S, 49670)
        tcp.open()
        logons.with_ticket(tcp, exchanges.SVCCTL, 37 if number == 8 else None)
        logons.call(tcp, fault=5 if number == 8 else None, kind=logons.KERBEROS)
        tcp.close()
    path = tmp_path / "c.pcapng"
    path.write_bytes(recording.pcapng())
    assert [one.logon.error for one in analyze([str(path)]).case.logons if one.logon.error] == ["KRB_AP_ERR_SKEW"]
