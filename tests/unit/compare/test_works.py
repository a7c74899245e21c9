"""What is said of one thing that works and the same that does not, derived from what the second is made to do otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rpcdiag.compare.compare import compare
from rpcdiag.compare.result import Comparison, Difference, Mode
from tests.build import exchanges, kerberos, logons, names, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp, datagram
from tests.build.exchanges import DRSUAPI, SVCCTL
from tests.build.story import START

CLIENT, SERVER, OTHER, DNS = "10.5.0.10", "10.6.0.20", "10.6.0.99", "10.5.0.53"
DAY = 86_400 * SECOND
CLSID = "8bc3f05e-d86b-11d0-a075-00c04fb68820"


class Made:
    """One capture being made; numbers differ from those of any other."""

    def __init__(self, which: int, client: str = CLIENT, server: str = SERVER) -> None:
        self.recording = Recording(START + which * DAY)
        self.recording._ports = 1000 * which
        self.client, self.server, self.port = client, server, 50_000 + 777 * which

    def tcp(self, server_port: int) -> Tcp:
        self.port += 1
        return Tcp(self.recording, self.client, self.port, self.server, server_port)

    def lookup(self, told: int = 49153, status: int = 0) -> exchanges.Told:
        tcp = self.tcp(135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        towers = [] if status else [pdus.tower(*DRSUAPI, told, self.server)]
        asked = exchanges.ask(tcp, DRSUAPI, towers, status)
        tcp.close()
        return asked

    def session(self, port: int = 49153, calls: int = 3) -> Tcp:
        tcp = self.tcp(port)
        tcp.open()
        exchanges.session(tcp, DRSUAPI, calls)
        tcp.close()
        return tcp

    def compared(self, tmp_path: Path, other: "Made", mode: Mode | None = None) -> Comparison:
        paths = []
        for name, one in (("good.pcap", self), ("bad.pcap", other)):
            one.recording.wait(25 * SECOND)
            datagram(one.recording, one.client, 7, one.server, 9)
            (tmp_path / name).write_bytes(one.recording.pcap())
            paths.append(str(tmp_path / name))
        return compare(paths, mode)


def _good() -> Made:
    made = Made(1)
    made.lookup()
    made.session()
    return made


def _first(made: Comparison) -> Difference:
    assert made.mode is Mode.WORKS
    assert made.common
    assert made.verdict == made.differences[0].says
    return made.differences[0]


def test_the_same_thing_at_another_time_is_no_difference(tmp_path: Path) -> None:
    again = Made(2)
    again.lookup()
    again.session()
    made = _good().compared(tmp_path, again)
    assert (made.mode, made.differences, made.same) == (Mode.WORKS, (), 3)
    assert made.verdict == "no difference: 3 steps went the same way"


def test_the_same_file_twice(tmp_path: Path) -> None:
    good = _good()
    path = tmp_path / "one.pcap"
    path.write_bytes(good.recording.pcap())
    made = compare([str(path), str(path)], Mode.WORKS)
    assert (made.differences, made.same) == ((), 3)


def test_other_hosts_altogether_play_the_same_parts(tmp_path: Path) -> None:
    there = Made(2, "192.168.1.5", "192.168.2.6")
    there.lookup(50111)
    there.session(50111)
    made = _good().compared(tmp_path, there)
    assert [(one.kind, one.matters) for one in made.differences] == [("other-port", False)]
    assert f"{CLIENT} -> {SERVER} is compared with 192.168.1.5 -> 192.168.2.6" in made.remarks


def test_another_port_that_is_never_answered(tmp_path: Path) -> None:
    bad = Made(2)
    told = bad.lookup(49170)
    syns = bad.tcp(49170).syns((0, 1, 3))
    made = _good().compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.matters, first.packets[1]) == ("never-answered", True, tuple(syns))
    assert first.says.startswith(f"the connection to {SERVER}:49170 is never answered in BAD")
    assert "dynamic-port-blocked" in first.rules
    assert [(one.kind, one.packets[1]) for one in made.differences[1:]] == [("other-port", tuple(told))]


@pytest.mark.parametrize(
    ("fails", "kind", "rule"),
    [
        (lambda tcp: tcp.refused(), "refused", None),
        (lambda tcp: tcp.prohibited("10.5.0.1"), "prohibited", "dynamic-port-rejected"),
    ],
)
def test_a_port_that_is_refused(tmp_path: Path, fails: Callable[[Tcp], object], kind: str, rule: str | None) -> None:
    bad = Made(2)
    bad.lookup()
    fails(bad.tcp(49153))
    first = _first(_good().compared(tmp_path, bad))
    assert first.kind == kind
    assert rule is None or rule in first.rules


def test_what_never_follows(tmp_path: Path) -> None:
    bad = Made(2)
    bad.lookup()
    first = _first(_good().compared(tmp_path, bad))
    assert (first.kind, first.packets[1]) == ("missing", ())
    assert "connects to port 49153" in first.says


def test_a_lookup_that_ends_in_an_error(tmp_path: Path) -> None:
    bad = Made(2)
    told = bad.lookup(status=0x16C9A0D6)
    made = _good().compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.packets[1]) == ("lookup-status", tuple(told))
    assert "ept_s_not_registered" in first.says
    assert "not-registered" in first.rules
    assert [one.kind for one in made.differences] == ["lookup-status", "missing"]


def test_a_syn_that_had_to_be_repeated(tmp_path: Path) -> None:
    bad = Made(2)
    bad.lookup()
    tcp = bad.tcp(49153)
    tcp._packet(0, "S")
    bad.recording.wait(SECOND)
    tcp.open()
    exchanges.session(tcp, DRSUAPI)
    tcp.close()
    made = _good().compared(tmp_path, bad)
    assert [(one.kind, one.matters, len(one.packets[1])) for one in made.differences] == [("syn-repeated", False, 2)]


def test_a_fault(tmp_path: Path) -> None:
    bad = Made(2)
    bad.lookup()
    tcp = bad.tcp(49153)
    tcp.open()
    exchanges.bind(tcp, DRSUAPI, 49153)
    tcp.send(pdus.request(0, bytes(24), call_id=2, context=1))
    packet = tcp.reply(pdus.fault(5, call_id=2, context=1))
    tcp.close()
    made = _good().compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.packets) == ("fault", ((), (packet,)))
    assert "0x00000005" in first.says
    assert [one.kind for one in made.differences] == ["fault", "call-missing"]
    assert "fault" in made.differences[1].says


def test_a_call_that_is_never_answered(tmp_path: Path) -> None:
    bad = Made(2)
    bad.lookup()
    tcp = bad.tcp(49153)
    tcp.open()
    exchanges.session(tcp, DRSUAPI, 2)
    packet = tcp.send(pdus.request(2, bytes(24), call_id=4, context=1))
    bad.recording.wait(60 * SECOND)
    made = _good().compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.packets[1]) == ("call-unanswered", (packet,))


def _bound(made: Made, answer: bytes | None) -> int:
    made.lookup()
    tcp = made.tcp(49153)
    tcp.open()
    packet = tcp.send(pdus.bind([(*DRSUAPI, [pdus.NDR32])]))
    if answer is not None:
        tcp.reply(answer)
    made.recording.wait(60 * SECOND)
    return packet


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, "bind-unanswered"),
        (pdus.bind_nak(4), "bind-rejected"),
        (pdus.bind_ack(((2, 1, pdus.NOTHING),), "49153"), "interface-refused"),
    ],
)
def test_binds(tmp_path: Path, answer: bytes | None, kind: str) -> None:
    bad = Made(2)
    packet = _bound(bad, answer)
    first = _first(_good().compared(tmp_path, bad))
    assert (first.kind, first.packets[1]) == (kind, (packet,))
    assert "drsuapi" in first.says


def _logged_on(which: int, logon: Callable[[Tcp], None], kind: int, level: int) -> Made:
    made = Made(which)
    tcp = made.tcp(49153)
    tcp.open()
    logon(tcp)
    for number in range(2):
        logons.call(tcp, 15 + number, call_id=2 + number, level=level, kind=kind)
    tcp.close()
    return made


def test_ntlm_instead_of_kerberos(tmp_path: Path) -> None:
    good = _logged_on(1, lambda tcp: logons.with_ticket(tcp, SVCCTL), logons.KERBEROS, 6)
    bad = _logged_on(2, lambda tcp: logons.ntlm(tcp, SVCCTL), logons.NTLM, 6)
    made = good.compared(tmp_path, bad)
    assert [one.kind for one in made.differences] == ["auth-type", "mechanism"]
    assert "is secured by Kerberos in GOOD and by NTLM in BAD" in made.differences[0].says
    assert "by Kerberos in GOOD and by NTLM in BAD" in made.differences[1].says


def test_another_level(tmp_path: Path) -> None:
    good = _logged_on(1, lambda tcp: logons.ntlm(tcp, SVCCTL, 6), logons.NTLM, 6)
    bad = _logged_on(2, lambda tcp: logons.ntlm(tcp, SVCCTL, 2), logons.NTLM, 2)
    first = _first(good.compared(tmp_path, bad))
    assert first.kind == "auth-level"
    assert first.says.endswith("is called at level packet privacy in GOOD and connect in BAD")


def test_a_logon_that_is_refused(tmp_path: Path) -> None:
    good = _logged_on(1, lambda tcp: logons.with_ticket(tcp, SVCCTL), logons.KERBEROS, 6)
    bad = Made(2)
    tcp = bad.tcp(49153)
    tcp.open()
    logons.with_ticket(tcp, SVCCTL, 37)
    tcp.close()
    made = good.compared(tmp_path, bad)
    (one,) = [one for one in made.differences if one.kind == "logon-refused"]
    assert "KRB_AP_ERR_SKEW" in one.says


def test_another_server(tmp_path: Path) -> None:
    bad = Made(2, server=OTHER)
    bad.lookup()
    bad.session()
    made = _good().compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.server) == ("other-server", OTHER)
    assert first.says.startswith(f"{CLIENT} goes to {SERVER} in GOOD")


def _resolved(made: Made, answer: bytes) -> Made:
    datagram(made.recording, DNS, 53, made.client, 41_000, answer)
    made.recording.wait(5 * MS)
    made.lookup()
    made.session()
    return made


def test_a_name_that_leads_elsewhere(tmp_path: Path) -> None:
    good = _resolved(Made(1), names.dns_answer("srv.lab.example", [SERVER]))
    bad = _resolved(Made(2, server=OTHER), names.dns_answer("srv.lab.example", [OTHER]))
    made = good.compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.packets) == ("name-address", ((1,), (1,)))
    assert first.says == f"srv.lab.example is {SERVER} in GOOD (packet 1) and {OTHER} in BAD (packet 1)"
    assert [one.kind for one in made.differences] == ["name-address", "other-server"]


def test_a_name_that_is_gone(tmp_path: Path) -> None:
    good = _resolved(Made(1), names.dns_answer("srv.lab.example", [SERVER]))
    bad = _resolved(Made(2), names.dns_answer("srv.lab.example", [], code=3))
    made = good.compared(tmp_path, bad)
    assert [one.kind for one in made.differences] == ["name-result"]
    assert "NXDOMAIN in BAD" in made.differences[0].says


def test_a_ticket_that_is_refused(tmp_path: Path) -> None:
    bad = Made(2)
    logons.from_centre(bad.recording, DNS, CLIENT, kerberos.krb_error(7, "host", "srv.lab.example"))
    bad.lookup()
    bad.session()
    made = _good().compared(tmp_path, bad)
    assert [one.kind for one in made.differences] == ["ticket-refused"]
    assert "KDC_ERR_S_PRINCIPAL_UNKNOWN" in made.differences[0].says


def _activated(which: int, port: int) -> Made:
    made = Made(which)
    tcp = made.tcp(135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, CLSID, [f"{SERVER}[{port}]"])
    return made


def test_an_object_whose_port_is_blocked(tmp_path: Path) -> None:
    good, bad = _activated(1, 49670), _activated(2, 49671)
    tcp = good.tcp(49670)
    tcp.open()
    exchanges.exporter(tcp)
    syns = bad.tcp(49671).syns((0, 1, 3))
    made = good.compared(tmp_path, bad)
    first = _first(made)
    assert (first.kind, first.packets[1]) == ("never-answered", tuple(syns))
    assert "dynamic-port-blocked" in first.rules
    assert [rung.mark for rung in made.rungs] == ["", "=", "~", "!"]


def test_nothing_in_common(tmp_path: Path) -> None:
    other = Made(2, "192.0.2.1", "192.0.2.2")
    tcp = other.tcp(7777)
    tcp.open()
    exchanges.session(tcp, SVCCTL)
    tcp.close()
    made = _good().compared(tmp_path, other)
    assert (made.mode, made.common, made.differences) == (Mode.WORKS, False, ())
    assert made.verdict.startswith("the two captures have nothing in common")


def test_repeated_attempts_are_told_once(tmp_path: Path) -> None:
    bad = Made(2)
    bad.lookup()
    for _ in range(40):
        bad.tcp(49153).syns((0, 1), until=3)
    made = _good().compared(tmp_path, bad)
    assert [one.kind for one in made.differences] == ["never-answered"]


def test_an_attempt_that_failed_in_the_good_one_is_not_missed(tmp_path: Path) -> None:
    good, bad = Made(1), Made(2)
    good.lookup()
    good.tcp(49153).syns((0, 1, 3))
    bad.lookup()
    made = good.compared(tmp_path, bad)
    assert [(one.kind, one.matters) for one in made.differences] == [("missing", False)]


def _numbered_alike() -> Made:
    """Made by a program that begins at the same numbers, ports and times for every capture."""
    return Made(1)


def test_numbers_that_begin_alike_make_no_two_places_where_the_client_asks_again_in_vain(tmp_path: Path) -> None:
    good, bad = _numbered_alike(), _numbered_alike()
    good.lookup()
    good.session()
    bad.lookup()
    syns = bad.tcp(49153).syns()
    found = good.compared(tmp_path, bad)
    assert found.mode is Mode.WORKS
    assert "say other things (1)" in found.why
    first = found.differences[0]
    assert (first.kind, first.packets[1]) == ("never-answered", tuple(syns))


def test_numbers_that_begin_alike_make_no_two_places_where_the_client_says_something_else(tmp_path: Path) -> None:
    good, bad = _numbered_alike(), _numbered_alike()
    for made, interface in ((good, DRSUAPI), (bad, SVCCTL)):
        made.lookup()
        tcp = made.tcp(49153)
        tcp.open()
        exchanges.session(tcp, interface, 1)
        tcp.close()
    assert good.compared(tmp_path, bad).mode is Mode.WORKS


def test_the_same_packets_at_two_places_do_not_contradict_one_another(tmp_path: Path) -> None:
    inside, outside = _numbered_alike(), _numbered_alike()
    for made in (inside, outside):
        made.lookup()
        made.session()
    assert inside.compared(tmp_path, outside).mode is Mode.SIDES
