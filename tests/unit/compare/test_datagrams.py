"""Datagrams and their fragments between two places: what is said to be lost, and what must not be."""

from collections.abc import Sequence
from pathlib import Path as File

import pytest

from rpcdiag.compare.compare import compare
from rpcdiag.compare.result import Comparison, Difference, Mode
from tests.build import datagrams as dg
from tests.build import exchanges, kerberos, names, pdus
from tests.build.containers import Frame, Interface, pcap, pcapng
from tests.build.conversation import MS, SECOND, Recording, Tcp, Udp, datagram
from tests.build.frames import ethernet
from tests.build.story import START
from tests.build.two_sides import Path, sides

CLIENT, SERVER, RESOLVER = "10.5.0.10", "10.6.0.20", "10.6.0.53"
SIX = ("2001:db8:5::10", "2001:db8:6::20", "2001:db8:6::53")
BIG = kerberos.as_req("operator") + bytes(range(256)) * 9
FOUND = "fragments after the first never reached the other side"


class Story:
    """A lookup over TCP, a name that is resolved, a Kerberos question, and what a test adds; then TCP again."""

    def __init__(self, client: str = CLIENT, server: str = SERVER, resolver: str = RESOLVER) -> None:
        self.client, self.server, self.resolver = client, server, resolver
        self.recording = Recording(START)
        self.recording.frames.append(
            Frame(START - MS, 0, bytes(12) + b"\x08\x06" + bytes(46))
        )  # ARP: nothing is filtered
        self._port = 50_000
        self._lookup(51100)
        self.resolve("dc.corp.example", 1)

    def _lookup(self, port: int) -> None:
        tcp = Tcp(self.recording, self.client, port, self.server, 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        tcp.send(
            pdus.request(3, pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, "0.0.0.0"), wide=True), context=1)
        )
        tcp.reply(pdus.response(bytes(64), context=1))
        tcp.close()

    def udp(self, server: str, port: int) -> Udp:
        self._port += 1
        return Udp(self.recording, self.client, self._port, server, port)

    def resolve(self, name: str, number: int) -> tuple[int, int]:
        udp = self.udp(self.resolver, 53)
        (asked,) = udp.ask(names.dns_query(name, number=number))
        (answered,) = udp.answer(names.dns_query(name, number=number, flags=0x8180))
        return asked, answered

    def ticket(self) -> tuple[list[int], list[int]]:
        udp = self.udp(self.server, 88)
        return udp.ask(kerberos.as_req()), udp.answer(kerberos.krb_error(kerberos.PREAUTH_REQUIRED, "krbtgt"))

    def tries(self, udp: Udp, data: bytes, seconds: Sequence[int] = (0, 1, 3)) -> list[list[int]]:
        start = self.recording.now
        made = []
        for second in seconds:
            self.recording.now = start + second * SECOND
            made.append(udp.ask(data))
        self.recording.wait(2 * SECOND)
        return made

    def end(self) -> None:
        self.recording.wait(SECOND)
        self._lookup(51102)

    def compared(self, tmp_path: File, path: Path | None = None, mode: Mode | None = None) -> Comparison:
        self.end()
        both = sides(self.recording, self.client, path)
        (tmp_path / "a.pcap").write_bytes(both.a)
        (tmp_path / "b.pcap").write_bytes(both.b)
        return compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")], mode)


def _without_arp(data: bytes) -> bytes:
    """The same capture as a capture filter for IP had made it."""
    return data[:24] + data[24 + 16 + 60 :]


def _later(story: Story) -> list[int]:
    """The packets that are fragments behind a first one."""
    return [
        number
        for number, frame in enumerate(story.recording.frames, start=1)
        if frame.data[12:14] == b"\x08\x00" and (frame.data[20] & 0x1F or frame.data[21])
    ]


@pytest.mark.parametrize("seconds", [0, 37, -7200])
@pytest.mark.parametrize("ids", [True, False], ids=["ids", "other-ids"])
def test_questions_that_never_reach_the_centre(tmp_path: File, seconds: int, *, ids: bool) -> None:
    story = Story()
    lost = [number for asked in story.tries(story.udp(SERVER, 88), kerberos.as_req()) for number in asked]
    made = story.compared(tmp_path, Path(lost_to_b=lost, offset_ns=seconds * SECOND, ids=ids))
    (one,) = made.differences
    assert (one.kind, one.times, one.packets, one.matters) == ("lost-datagram", 3, (tuple(lost), ()), True)
    assert one.says == (
        f"the 3 Kerberos datagrams from {CLIENT} to {SERVER}:88 were seen at A (packets {', '.join(map(str, lost))}) and "
        "never at B: dropped between A and B"
    )
    assert (one.client, one.server) == (CLIENT, f"{SERVER}:88")
    assert made.same == story.recording.number - len(lost) - 1  # ARP


def test_nothing_lost_is_nothing_said(tmp_path: File) -> None:
    story = Story()
    story.ticket()
    udp = story.udp(SERVER, 88)
    udp.ask(BIG)
    udp.answer(BIG)
    made = story.compared(tmp_path, Path(offset_ns=37 * SECOND))
    assert made.differences == ()
    assert made.same == story.recording.number - 1
    assert not any("UDP" in one or "fragment" in one or "datagram" in one for one in made.remarks)


@pytest.mark.parametrize("reverse", [False, True])
def test_answers_that_never_come_back(tmp_path: File, *, reverse: bool) -> None:
    story = Story()
    udp = story.udp(RESOLVER, 53)
    lost = []
    for _ in range(3):
        udp.ask(names.dns_query("srv.corp.example", number=7))
        lost += udp.answer(names.dns_query("srv.corp.example", number=7, flags=0x8180))
        story.recording.wait(SECOND)
    made = story.compared(tmp_path, Path(lost_to_a=lost, offset_ns=-5 * SECOND))
    if reverse:
        made = compare([str(tmp_path / "b.pcap"), str(tmp_path / "a.pcap")])
    (one,) = made.differences
    assert (one.kind, one.packets[not reverse], one.packets[reverse]) == ("lost-datagram", tuple(lost), ())
    assert f"from {RESOLVER}:53 to {CLIENT}" in one.says
    assert one.says.endswith(
        "never at B: dropped between A and B" if reverse else "never at A: dropped between B and A"
    )


def test_an_answer_that_nobody_missed_may_be_the_capture(tmp_path: File) -> None:
    story = Story()
    _, answered = story.resolve("other.corp.example", 9)
    made = story.compared(tmp_path, Path(lost_to_a=[answered]))
    assert made.differences == ()
    assert any("nothing says that this was a loss" in one for one in made.remarks)


def test_a_question_that_was_answered_was_not_lost(tmp_path: File) -> None:
    story = Story()
    asked, _ = story.resolve("other.corp.example", 9)
    assert story.compared(tmp_path, Path(lost_to_b=[asked])).differences == ()


@pytest.mark.parametrize("number", [9, 10], ids=["same-number", "other-number"])
def test_a_question_that_passed_when_it_was_sent_again(tmp_path: File, number: int) -> None:
    story = Story()
    lost = story.udp(RESOLVER, 53).ask(names.dns_query("x.example", number=9))
    story.recording.wait(SECOND)
    story.resolve("x.example", number)
    made = story.compared(tmp_path, Path(lost_to_b=lost))
    assert [(one.kind, one.packets[0], one.matters) for one in made.differences] == [
        ("repeated-datagram", tuple(lost), False)
    ]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "other-ids"])
def test_which_of_equal_questions_was_lost(tmp_path: File, *, ids: bool) -> None:
    story = Story()
    (first,), (second,), (third,) = story.tries(story.udp(RESOLVER, 53), names.dns_query("x.example", number=9))
    made = story.compared(tmp_path, Path(lost_to_b=[second], offset_ns=37 * SECOND, ids=ids))
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("repeated-datagram", (second,))]
    assert first < second < third


def test_the_same_question_to_two_resolvers_is_two(tmp_path: File) -> None:
    story = Story()
    other = "10.6.0.54"
    asked = story.udp(other, 53)
    asked.ask(names.dns_query("first.example", number=3))
    asked.answer(names.dns_query("first.example", number=3, flags=0x8180))
    one, two = Udp(story.recording, CLIENT, 53_000, RESOLVER, 53), Udp(story.recording, CLIENT, 53_000, other, 53)
    query = names.dns_query("x.example", number=9)
    (lost,) = one.ask(query)
    two.ask(query)
    two.answer(names.dns_query("x.example", number=9, flags=0x8180))
    made = story.compared(tmp_path, Path(lost_to_b=[lost]))
    assert [(one.kind, one.packets[0], one.server) for one in made.differences] == [
        ("lost-datagram", (lost,), f"{RESOLVER}:53")
    ]


# --- fragments


def _in_pieces(story: Story, *, tries: Sequence[int] = (0, 2, 5), answer_in_pieces: bool = True) -> list[int]:
    """Large questions nobody answers; the packets behind the first ones. Another answer does come in pieces."""
    if answer_in_pieces:
        udp = story.udp(story.server, 88)
        udp.ask(kerberos.as_req())
        udp.answer(BIG)
    start = story.recording.number
    story.tries(story.udp(story.server, 88), BIG, tries)
    return [number for number in _later(story) if number > start]


def test_fragments_behind_the_first_that_never_pass(tmp_path: File) -> None:
    story = Story()
    later = _in_pieces(story)
    made = story.compared(tmp_path, Path(lost_to_b=later, offset_ns=37 * SECOND))
    (one,) = made.differences
    assert (one.kind, one.times, one.packets[0], one.matters) == ("lost-fragments", 3, tuple(later), True)
    firsts = tuple(number - 1 for number in later)
    assert one.packets[1] == tuple(number - place for place, number in enumerate(firsts))  # B lacks those before
    assert one.says == (
        f"{FOUND}: of 3 Kerberos datagrams from {CLIENT} to {SERVER}:88 the first fragment came to B (packets "
        f"{', '.join(map(str, one.packets[1]))}), the others were seen at A only (packets {', '.join(map(str, later))})"
    )
    assert one.means is not None
    assert "have no ports" in one.means
    assert all(remedy.startswith("likely: ") for remedy in one.remedies)
    assert any("MaxPacketSize 1 " in remedy for remedy in one.remedies)
    assert not any("10.6" in remedy or "drops" in remedy for remedy in one.remedies)


def test_one_datagram_may_be_chance(tmp_path: File) -> None:
    story = Story()
    later = _in_pieces(story, tries=(0,))
    (one,) = story.compared(tmp_path, Path(lost_to_b=later)).differences
    assert one.kind == "lost-fragments"
    assert one.means is not None
    assert one.means.startswith("it was one datagram, which may be chance")


def test_a_capture_filter_by_port_never_holds_them(tmp_path: File) -> None:
    story = Story()
    later = _in_pieces(story)
    made = story.compared(tmp_path, Path(lost_to_b=_later(story), offset_ns=37 * SECOND))
    (one,) = made.differences
    assert (one.kind, one.packets[0], one.matters) == ("possible-lost-fragments", tuple(later), False)
    assert one.says.startswith(f"possibly {FOUND}")
    assert "B holds no fragment behind a first one at all" in one.says
    assert one.means is not None
    assert one.means.startswith("a capture without a filter by port")
    assert one.remedies == ()
    assert any("answered" not in remark and "never lets them in" in remark for remark in made.remarks)


def test_the_receiver_says_that_they_did_not_come(tmp_path: File) -> None:
    story = Story()
    udp = story.udp(SERVER, 88)
    first, *later = udp.ask(BIG)
    story.recording.wait(30 * SECOND)
    said = udp.error(first, SERVER, 11, 1)
    (one,) = story.compared(tmp_path, Path(lost_to_b=later)).differences
    assert (one.kind, one.matters) == ("lost-fragments", True)
    assert f"{SERVER} says so itself (ICMP type 11 code 1, packet {said})" in one.says


def test_fragments_of_datagrams_that_were_answered_arrived(tmp_path: File) -> None:
    story = Story()
    udp = story.udp(SERVER, 88)
    udp.ask(BIG)
    udp.answer(kerberos.krb_error(kerberos.PREAUTH_REQUIRED, "krbtgt"))
    made = story.compared(tmp_path, Path(lost_to_b=_later(story)))
    assert made.differences == ()
    assert (
        "fragments of a datagram that arrived are not in B: a capture filter by port never lets them in" in made.remarks
    )


def test_a_capture_that_ended_between_two_fragments(tmp_path: File) -> None:
    story = Story()
    later = _in_pieces(story, tries=(0,))
    both = sides(story.recording, CLIENT, Path(lost_to_b=later))
    story.end()
    (tmp_path / "a.pcap").write_bytes(sides(story.recording, CLIENT).a)
    (tmp_path / "b.pcap").write_bytes(both.b)
    assert compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences == ()


def test_a_short_snaplen_is_no_loss(tmp_path: File) -> None:
    story = Story()
    _in_pieces(story)
    story.ticket()
    for snaplen in (42, 50, 68, 96):
        made = story.compared(tmp_path, Path(snaplen=snaplen, offset_ns=37 * SECOND))
        assert made.differences == ()


def test_a_short_snaplen_hides_no_loss(tmp_path: File) -> None:
    story = Story()
    later = _in_pieces(story)
    made = story.compared(tmp_path, Path(lost_to_b=later, snaplen=68, offset_ns=37 * SECOND))
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("lost-fragments", tuple(later))]


def test_a_datagram_that_a_network_card_cuts(tmp_path: File) -> None:
    """The host's own capture has it whole, of 2,500 bytes."""
    made = []
    for size in (8000, 1480):
        story = Story()
        udp = Udp(story.recording, CLIENT, 50_100, SERVER, 88, size=size)
        story.recording.now = START + 10 * SECOND
        udp.ask(BIG, ip_id=77)
        story.recording.now = START + 12 * SECOND
        story.end()
        made.append(sides(story.recording, CLIENT))
    (tmp_path / "a.pcap").write_bytes(made[0].a)
    (tmp_path / "b.pcap").write_bytes(made[1].b)
    assert compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences == ()


def test_some_fragments_that_get_lost_are_no_pattern(tmp_path: File) -> None:
    story = Story()
    later = _in_pieces(story)
    (one,) = story.compared(tmp_path, Path(lost_to_b=later[:1])).differences
    assert (one.kind, one.packets[0], one.matters) == ("repeated-fragment", (later[0],), False)


def test_datagrams_in_fragments_that_never_pass_while_small_ones_do(tmp_path: File) -> None:
    story = Story()
    story.ticket()
    lost = [number for asked in story.tries(story.udp(SERVER, 88), BIG) for number in asked]
    (one,) = story.compared(tmp_path, Path(lost_to_b=lost)).differences
    assert (one.kind, one.times) == ("lost-datagram", len(lost))
    assert one.says.endswith("dropped between A and B, all of them in fragments")
    assert one.means is not None
    assert "fit into one packet pass" in one.means


def test_large_requests_of_rpc_over_udp(tmp_path: File) -> None:
    story = Story()
    udp = story.udp(SERVER, 49_160)
    call = dg.Call(interface=(pdus.EPM, "3.0"))
    udp.ask(dg.pdu(dg.REQUEST, call, bytes(200)))
    udp.answer(dg.pdu(dg.RESPONSE, call.booted(), bytes(2500)))
    start = story.recording.number
    story.tries(udp, dg.pdu(dg.REQUEST, call._replace(sequence=1), bytes(2500)))
    later = [number for number in _later(story) if number > start]
    (one,) = story.compared(tmp_path, Path(lost_to_b=later)).differences
    assert (one.kind, one.packets[0], one.server) == ("lost-fragments", tuple(later), f"{SERVER}:49160")
    assert any("ncacn_ip_tcp" in remedy for remedy in one.remedies)


# --- what the other capture may not have held


def _filtered(story: Story, tmp_path: File, lost: Sequence[int], dropped: Sequence[int]) -> Comparison:
    """B without ARP, and without what a capture filter leaves out."""
    story.end()
    both = sides(story.recording, CLIENT, Path(lost_to_b=[*lost, *dropped]))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(_without_arp(both.b))
    return compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])


def test_datagrams_that_a_capture_filter_may_have_left_out(tmp_path: File) -> None:
    story = Story()
    resolved = [number for number, frame in enumerate(story.recording.frames, 1) if frame.data[23:24] == b"\x11"]
    lost = [number for asked in story.tries(story.udp(SERVER, 88), kerberos.as_req()) for number in asked]
    made = _filtered(story, tmp_path, lost, resolved)
    (one,) = made.differences
    assert (one.kind, one.packets[0], one.matters) == ("possible-lost-datagram", tuple(lost), False)
    assert "or left out by a capture filter: B holds no datagram of port 88" in one.says


def test_a_capture_ends_before_the_tries(tmp_path: File) -> None:
    story = Story()
    cut = sides(story.recording, CLIENT)
    story.recording.wait(5 * SECOND)
    story.tries(story.udp(SERVER, 88), kerberos.as_req())
    story.resolve("later.example", 5)
    both = sides(story.recording, CLIENT)
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(cut.b)
    made = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])
    assert made.differences == ()
    assert "B recorded nothing after its last packet: what A saw then is not compared" in made.remarks


def test_tries_after_the_last_packet_are_lost_with_a_proviso(tmp_path: File) -> None:
    story = Story()
    story.ticket()
    story.recording.wait(5 * SECOND)
    lost = [number for asked in story.tries(story.udp(SERVER, 88), kerberos.as_req()) for number in asked]
    both = sides(story.recording, CLIENT, Path(lost_to_b=lost))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(both.b)
    (one,) = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences
    assert (one.kind, one.packets[0]) == ("lost-datagram", tuple(lost))
    assert "unless B was not recording then: its last packet is 5.0" in one.says


def test_a_resolver_on_the_same_side_is_none_of_it(tmp_path: File) -> None:
    story = Story()
    near = "10.5.0.53"
    answered = story.udp(near, 53)
    local = answered.ask(names.dns_query("a.example", number=4))
    local += answered.answer(names.dns_query("a.example", number=4, flags=0x8180))
    silent = [n for asked in story.tries(story.udp("10.5.0.54", 53), names.dns_query("b.example")) for n in asked]
    made = story.compared(tmp_path, Path(lost_to_b=[*local, *silent]))
    assert made.differences == ()
    assert any("to 10.5.0.54:53 leads past B" in remark for remark in made.remarks)


# --- addresses, copies, tags, version 6


def test_translated_ends(tmp_path: File) -> None:
    story = Story()
    inside = [(CLIENT, port) for port in (51100, 51102, *range(50_001, 50_010))]
    ends = {one: ("203.0.113.7", 20_000 + one[1] % 1000) for one in inside}
    ends |= {(SERVER, port): ("192.168.9.9", port) for port in (88, 135)}
    later = _in_pieces(story)
    for ids in (True, False):
        made = story.compared(tmp_path, Path(lost_to_b=later, offset_ns=37 * SECOND, ends=ends, ids=ids))
        (one,) = made.differences
        assert (one.kind, one.packets[0]) == ("lost-fragments", tuple(later))
        moved = {(each.whose, each.first, each.second) for each in made.translations}
        assert moved == {("client", CLIENT, "203.0.113.7"), ("server", SERVER, "192.168.9.9")}


def test_a_place_that_sees_everything_twice(tmp_path: File) -> None:
    story = Story()
    story.ticket()
    _in_pieces(story)
    made = story.compared(tmp_path, Path(twice=True))
    assert made.differences == ()
    assert any(one.startswith("B recorded ") and "twice" in one for one in made.remarks)


def test_version_6(tmp_path: File) -> None:
    story = Story(*SIX)
    udp = story.udp(SIX[1], 88)
    udp.ask(kerberos.as_req())
    udp.answer(BIG)
    asked = story.tries(story.udp(SIX[1], 88), BIG)
    later = [number for one in asked for number in one[1:]]
    made = story.compared(tmp_path, Path(lost_to_b=later, offset_ns=37 * SECOND, tag=True))
    (one,) = made.differences
    assert (one.kind, one.packets[0]) == ("lost-fragments", tuple(later))
    assert FOUND in one.says


INSIDE = {(CLIENT, port): ("203.0.113.7", 20_000 + port % 1000) for port in (51100, 51102, *range(50_001, 50_040))}
PATHS = {
    "nat-source": Path(ends=INSIDE, offset_ns=37 * SECOND, ids=False),
    "nat-destination": Path(
        ends={(SERVER, port): ("192.168.9.9", port) for port in (88, 135)}, offset_ns=-7200 * SECOND
    ),
    "snaplen": Path(snaplen=68, offset_ns=37 * SECOND),
    "snaplen-no-ids": Path(snaplen=68, offset_ns=-7200 * SECOND, ids=False),
    "twice": Path(twice=True),
    "twice-bridge-no-ids": Path(twice=True, hops=0, ids=False, offset_ns=37 * SECOND),
    "tag": Path(tag=True, offset_ns=-7200 * SECOND),
    "drift": Path(drift_ppm=50, offset_ns=37 * SECOND),
    "drift-no-ids": Path(drift_ppm=-50, offset_ns=-7200 * SECOND, ids=False),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", PATHS)
def test_the_loss_and_nothing_else(tmp_path: File, name: str, version: int) -> None:
    path = PATHS[name]
    story = Story() if version == 4 else Story(*SIX)
    if version == 6:
        path = path._replace(ends={})
    for number in range(5):
        story.resolve("same.example", number)
        story.ticket()
        story.recording.wait((30 if path.drift_ppm else 1) * SECOND)
    lost = [number for asked in story.tries(story.udp(story.server, 88), kerberos.as_req()) for number in asked]
    lost += [n for asked in story.tries(story.udp(story.resolver, 53), names.dns_query("lost.example")) for n in asked]
    for number in range(5):
        story.resolve("same.example", number)
        story.recording.wait((30 if path.drift_ppm else 1) * SECOND)
    made = story.compared(tmp_path, path._replace(lost_to_b=lost))
    assert [(one.kind, one.packets[0]) for one in made.differences] == [
        ("lost-datagram", tuple(lost[:3])), ("lost-datagram", tuple(lost[3:]))
    ]  # fmt: skip
    both = sides(story.recording, story.client, path)
    (tmp_path / "b.pcap").write_bytes(both.b)
    assert compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences == ()


@pytest.mark.parametrize("late", [True, False], ids=["late", "early"])
@pytest.mark.parametrize("of_a", [True, False], ids=["A", "B"])
def test_a_capture_that_begins_late_or_ends_early(tmp_path: File, *, late: bool, of_a: bool) -> None:
    story = Story()
    for number in range(12):
        story.resolve("same.example", number)
        story.ticket()
        story.recording.wait(SECOND)
    lacks = range(1, 35) if late else range(story.recording.number - 10, story.recording.number + 15)
    made = story.compared(tmp_path, Path(lost_to_b=() if of_a else lacks, lost_to_a=lacks if of_a else ()))
    assert made.differences == ()


def test_a_capture_of_one_direction(tmp_path: File) -> None:
    story = Story()
    story.ticket()
    story.tries(story.udp(SERVER, 88), kerberos.as_req())
    story.end()
    gone = [n for n, one in enumerate(story.recording.frames, 1) if one.data[26:30] == bytes((10, 5, 0, 10))]
    both = sides(story.recording, CLIENT, Path(lost_to_b=gone))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(both.b)
    assert compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences == ()


def test_before_and_behind_a_translation_at_one_place(tmp_path: File) -> None:
    story = Story()
    story.ticket()
    story.resolve("same.example", 5)
    lost = [number for asked in story.tries(story.udp(SERVER, 88), kerberos.as_req()) for number in asked]
    story.end()
    inner = sides(story.recording, CLIENT, Path(lost_to_b=lost))
    outer = sides(story.recording, CLIENT, Path(lost_to_b=lost, offset_ns=20_000, hops=2, ends=INSIDE))
    (tmp_path / "a.pcap").write_bytes(inner.a)
    (tmp_path / "b.pcap").write_bytes(inner.b + outer.b[24:])
    made = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("lost-datagram", tuple(lost))]


def test_answers_that_a_device_rewrites(tmp_path: File) -> None:
    """An address in the answer of a resolver is translated too: the IP id is the same, the payload is not."""
    story = Story()
    for number in range(3):
        story.resolve("same.example", number)
        story.recording.wait(SECOND)
    story.end()
    both = sides(story.recording, CLIENT, Path(offset_ns=37 * SECOND))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(both.b.replace(b"\x04same\x07example", b"\x04lame\x07example"))
    assert compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences == ()


# --- ICMP


def test_an_error_of_a_device_in_between(tmp_path: File) -> None:
    story = Story()
    udp = story.udp(SERVER, 88)
    (asked,) = udp.ask(kerberos.as_req())
    said = udp.error(asked, "10.5.0.1", 3, 13)
    made = story.compared(tmp_path, Path(lost_to_b=[asked, said]))
    assert [one.kind for one in made.differences] == ["lost-datagram", "made-icmp"]
    assert made.differences[1].packets == ((said,), ())
    assert made.differences[1].says.startswith("10.5.0.1 says ICMP type 3 code 13 about a datagram 10.5.0.10:")


def test_an_error_that_never_comes_back(tmp_path: File) -> None:
    story = Story()
    udp = story.udp(SERVER, 88)
    (asked,) = udp.ask(kerberos.as_req())
    said = udp.error(asked, SERVER, 3, 3)
    (one,) = story.compared(tmp_path, Path(lost_to_a=[said])).differences
    assert (one.kind, one.packets, one.matters) == ("lost-icmp", ((), (said,)), False)
    assert story.compared(tmp_path).differences == ()


# --- which comparison it is


def test_datagrams_alone_tell_that_it_is_one_path(tmp_path: File) -> None:
    recording = Recording(START)
    for number in range(3):
        udp = Udp(recording, CLIENT, 50_000 + number, RESOLVER, 53)
        udp.ask(names.dns_query("x.example", number=number))
        udp.answer(names.dns_query("x.example", number=number, flags=0x8180))
        recording.wait(SECOND)
    lost = Udp(recording, CLIENT, 50_010, RESOLVER, 53).ask(names.dns_query("x.example", number=8))
    recording.wait(SECOND)
    Udp(recording, CLIENT, 50_011, RESOLVER, 53).ask(names.dns_query("y.example", number=9))
    both = sides(recording, CLIENT, Path(lost_to_b=lost, offset_ns=37 * SECOND))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(both.b)
    made = compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")])
    assert (made.mode, made.why) == (Mode.SIDES, "7 datagrams of one are in the other")
    assert made.clock is not None
    assert made.clock.ns == 37 * SECOND
    assert [(one.kind, one.packets[0]) for one in made.differences] == [("lost-datagram", tuple(lost))]


def test_two_points_of_one_file(tmp_path: File) -> None:
    recording = Recording(START)
    path = tmp_path / "both.pcapng"
    lost = Udp(recording, CLIENT, 50_001, SERVER, 88).ask(BIG)
    frames = [one._replace(interface=0) for one in recording.frames]
    frames.append(recording.frames[0]._replace(interface=1, time_ns=recording.frames[0].time_ns + 1000))
    path.write_bytes(pcapng(frames, (Interface("inside"), Interface("outside"))))
    (one,) = compare([str(path)], points=("inside", "outside")).differences
    assert (one.kind, one.packets) == ("lost-fragments", (tuple(lost[1:]), (3,)))


def test_a_broadcast_is_not_compared(tmp_path: File) -> None:
    story = Story()
    number = datagram(story.recording, CLIENT, 53, "10.5.0.255", 53)
    story.recording.frames[-1] = story.recording.frames[-1]._replace(
        data=b"\xff" * 6 + story.recording.frames[-1].data[6:]
    )
    made = story.compared(tmp_path, Path(lost_to_b=[number]))
    assert made.differences == ()
    assert not any("leads past" in one for one in made.remarks)


def _kinds(found: Sequence[Difference]) -> list[str]:
    return [one.kind for one in found]


def test_segments_in_fragments_are_put_together(tmp_path: File) -> None:
    """A router with a smaller MTU cuts segments that may be cut: at B they come in pieces."""
    story = Story()
    tcp = Tcp(story.recording, CLIENT, 51_200, SERVER, 135)
    tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI, 1)
    tcp.close()
    story.end()
    both = sides(story.recording, CLIENT)
    frames: list[Frame] = []
    for frame in story.recording.frames:
        data = frame.data
        if data[12:14] == b"\x08\x00" and data[23] == 6 and len(data) > 14 + 20 + 48:
            body, at = data[34:], 0
            while at < len(body):
                piece = body[at : at + 48]
                head = bytearray(data[14:34])
                total, field = 20 + len(piece), at >> 3 | (0x2000 if at + 48 < len(body) else 0)
                head[2:4], head[6:8] = total.to_bytes(2, "big"), field.to_bytes(2, "big")
                frames.append(frame._replace(data=ethernet(bytes(head) + piece), time_ns=frame.time_ns + 50_000))
                at += 48
        else:
            frames.append(frame._replace(time_ns=frame.time_ns + 50_000))
    (tmp_path / "a.pcap").write_bytes(both.a)
    (tmp_path / "b.pcap").write_bytes(pcap(frames, nanoseconds=True))
    assert _kinds(compare([str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")]).differences) == []
