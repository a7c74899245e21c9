"""How a TCP conversation went, told packet by packet."""

from ipaddress import IPv4Address

import pytest

from rpcdiag.flows.flow import Flow, TcpOutcome
from tests.build import containers, frames, pdus
from tests.build.containers import Frame, Interface
from tests.build.frames import ACK, FIN, PSH, RST, SYN
from tests.build.sweeping import table_of

C, S = "10.0.0.1", "10.0.0.2"
SECOND = 1_000_000_000
MS = 1_000_000


class Wire:
    """Packets between one client and one server, with times in milliseconds."""

    def __init__(self, port: int = 135, sport: int = 50000) -> None:
        self.port, self.sport = port, sport
        self.frames: list[Frame] = []

    def c(self, at_ms: float, flags: int, seq: int = 100, ack: int = 0, data: bytes = b"", **more: int) -> None:
        self._add(at_ms, frames.tcp(C, self.sport, S, self.port, flags=flags, seq=seq, ack=ack, data=data, **more))

    def s(self, at_ms: float, flags: int, seq: int = 500, ack: int = 101, data: bytes = b"", **more: int) -> None:
        self._add(at_ms, frames.tcp(S, self.port, C, self.sport, flags=flags, seq=seq, ack=ack, data=data, **more))

    def _add(self, at_ms: float, datagram: bytes, interface: int = 0) -> None:
        self.frames.append(Frame(1000 * SECOND + int(at_ms * MS), interface, frames.ethernet(datagram)))

    def icmp(self, at_ms: float, quoted: bytes, kind: int = 3, code: int = 13) -> None:
        self._add(at_ms, frames.ip("10.0.0.254", C, 1, bytes([kind, code]) + bytes(6) + quoted))

    def handshake(self) -> None:
        self.c(0, SYN, 100)
        self.s(1, SYN | ACK, 500, 101)
        self.c(2, ACK, 101, 501)


def _flows(wire: Wire) -> tuple[Flow, ...]:
    table, _ = table_of(containers.pcap(wire.frames))
    return table.flows()


def _flow(wire: Wire) -> Flow:
    (flow,) = _flows(wire)
    return flow


def test_an_answered_syn_is_established() -> None:
    wire = Wire()
    wire.handshake()
    flow = _flow(wire)
    assert (flow.outcome, str(flow.client), str(flow.server)) == ("established", f"{C}:50000", f"{S}:135")
    assert (flow.isn, flow.syn_ack) == (100, 2)


def test_repeated_syns_are_one_unanswered_flow() -> None:
    wire = Wire()
    for number, at in enumerate((0, 1000, 3000, 7000)):
        wire.c(at, SYN, 100, ip_id=number + 1)
    wire.c(9000, SYN, 999, ip_id=9)
    first, second = _flows(wire)
    assert (first.outcome, first.syn_count, first.watched_ns) == ("unanswered", 4, 9 * SECOND)
    assert [syn.packet for syn in first.syns] == [1, 2, 3, 4]
    assert second.isn == 999


def test_an_acknowledgement_shows_the_answer_that_the_capture_does_not_hold() -> None:
    wire = Wire()
    wire.c(0, SYN, 100)
    wire.c(2, ACK, 101, 501)
    wire.c(9000, FIN | ACK, 101, 501)
    assert _flow(wire).outcome is TcpOutcome.ESTABLISHED


def test_a_syn_recorded_twice_is_no_retransmission() -> None:
    wire = Wire()
    wire.c(0, SYN, 100, ip_id=5, ttl=64)
    wire.c(0.05, SYN, 100, ip_id=5, ttl=63)
    assert _flow(wire).syn_count == 1


def test_a_rst_to_the_syn_is_refused_and_keeps_its_ttl() -> None:
    wire = Wire()
    wire.c(0, SYN, 100)
    wire.s(1, RST | ACK, 0, 101, ttl=251)
    flow = _flow(wire)
    assert flow.outcome is TcpOutcome.REFUSED
    assert flow.reset is not None
    assert (flow.reset.packet, flow.reset.ttl, flow.reset.from_client) == (2, 251, False)


@pytest.mark.parametrize(
    ("kind", "code", "outcome"), [(3, 13, "prohibited"), (3, 3, "prohibited"), (3, 4, "unanswered")]
)
def test_icmp_that_quotes_eight_bytes_is_tied_to_its_flow(kind: int, code: int, outcome: str) -> None:
    wire = Wire()
    wire.c(0, SYN, 100)
    wire.icmp(1, frames.tcp(C, 50000, S, 135, flags=SYN, seq=100)[:28], kind, code)
    flow = _flow(wire)
    assert flow.outcome == outcome
    assert [(error.kind, error.code, str(error.sender)) for error in flow.icmp] == [(kind, code, "10.0.0.254")]


def test_icmpv6_is_tied_as_well() -> None:
    ends = ("2001:db8::1", 50000, "2001:db8::2", 135)
    syn = frames.tcp(*ends, flags=SYN, seq=100)
    error = frames.ip("2001:db8::ff", "2001:db8::1", 58, bytes([1, 1]) + bytes(6) + syn[:48])
    datagrams = [Frame(SECOND * number, 0, frames.ethernet(data)) for number, data in enumerate((syn, error))]
    table, _ = table_of(containers.pcap(datagrams))
    (flow,) = table.flows()
    assert flow.outcome is TcpOutcome.PROHIBITED
    assert [(error.kind, error.code, error.version) for error in flow.icmp] == [(1, 1, 6)]


def test_a_new_syn_after_the_end_reuses_the_ports() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(3, FIN | ACK, 101, 501)
    wire.s(4, FIN | ACK, 501, 102)
    wire.c(5000, SYN, 90_000)
    wire.s(5001, SYN | ACK, 70_000, 90_001)
    first, second = _flows(wire)
    assert (first.last_packet, second.first_packet) == (5, 6)
    assert second.isn == 90_000


def test_without_a_syn_the_client_is_who_asks() -> None:
    wire = Wire(port=60000, sport=50000)
    wire.s(0, PSH | ACK, 500, 100, pdus.response(bytes(8)))
    wire.c(1, PSH | ACK, 100, 540, pdus.request(0, bytes(8)))
    flow = _flow(wire)
    assert (flow.roles, flow.server.port, flow.outcome) == ("content", 60000, "midstream")


def test_without_syn_or_content_the_server_is_who_listens() -> None:
    wire = Wire()
    wire.s(0, ACK, 500, 100)
    flow = _flow(wire)
    assert (flow.roles, flow.server.port) == ("port", 135)


def test_rst_while_the_client_waits_is_reset() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(3, PSH | ACK, 101, 501, b"question")
    wire.s(4, RST, 501, 0)
    assert _flow(wire).outcome is TcpOutcome.RESET


def test_a_client_that_closes_by_rst_after_its_answer_did_nothing_wrong() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(3, PSH | ACK, 101, 501, b"question")
    wire.s(4, PSH | ACK, 501, 109, b"answer")
    wire.c(5, RST | ACK, 109, 507)
    assert _flow(wire).outcome is TcpOutcome.ESTABLISHED


@pytest.mark.parametrize(("pause", "outcome"), [(0, "stalled"), (3_700_000, "idle-dropped")])
def test_data_that_is_never_acknowledged(pause: int, outcome: str) -> None:
    wire = Wire()
    wire.handshake()
    for at in (10, 400, 1000, 2200):
        wire.c(pause + at, PSH | ACK, 101, 501, b"question")
    flow = _flow(wire)
    assert (flow.outcome, flow.repeats_from_client, flow.repeated) == (outcome, 3, (5, 6, 7))
    assert flow.silence is not None
    assert flow.silence.lasted_ns >= pause * MS


def test_keep_alive_probes_are_no_data() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(3, PSH | ACK, 101, 501, b"question")
    for at in (10_000, 20_000, 30_000):
        wire.c(at, ACK, 108, 501, b"\x00")
    assert _flow(wire).outcome is TcpOutcome.ESTABLISHED


def test_rpc_is_found_by_content_on_any_port_and_other_traffic_is_counted_only() -> None:
    wire = Wire(port=4711)
    wire.handshake()
    wire.c(3, PSH | ACK, 101, 501, pdus.bind(pdus.contexts(pdus.EPM, "3.0")))
    other = Wire(port=443, sport=50001)
    other.handshake()
    for at in range(6):
        other.c(3 + at, PSH | ACK, 101 + 200 * at, 501, bytes(200))
    table, found = table_of(containers.pcap(wire.frames + other.frames))
    assert [flow.server.port for flow in table.flows()] == [4711]
    assert {pdu.flow for pdu in found} == {0}
    assert table.packets_in_flows == len(wire.frames) + len(other.frames)


def test_a_header_cut_over_two_segments_is_found_as_well() -> None:
    wire = Wire(port=4711)
    wire.handshake()
    bind = pdus.bind(pdus.contexts(pdus.EPM, "3.0"))
    wire.c(3, PSH | ACK, 101, 501, bind[:7])
    wire.c(4, PSH | ACK, 108, 501, bind[7:])
    _, found = table_of(containers.pcap(wire.frames))
    assert [pdu.data for pdu in found] == [bind]


def _two_points(first: list[bytes], second: list[bytes], *, later_first: bool = False) -> tuple[Flow, ...]:
    near = [Frame(1000 * SECOND + at, 0, frames.ethernet(data)) for at, data in enumerate(first)]
    far = [Frame(1000 * SECOND + at, 1, frames.ethernet(data)) for at, data in enumerate(second)]
    data = containers.pcapng([*far, *near] if later_first else [*near, *far], [Interface("a"), Interface("b")])
    table, _ = table_of(data)
    return table.flows()


@pytest.mark.parametrize("later_first", [False, True])
def test_each_capture_point_has_its_own_flow(later_first: bool) -> None:
    syn = frames.tcp(C, 1, S, 135, flags=SYN, seq=5)
    answer = frames.tcp(S, 135, C, 1, flags=SYN | ACK, seq=9, ack=6)
    flows = _two_points([syn, answer], [syn, answer], later_first=later_first)
    assert [flow.outcome for flow in flows] == ["established", "established"]
    assert [flow.syn_count for flow in flows] == [1, 1]


def test_a_tap_for_each_direction_is_one_conversation() -> None:
    syn = frames.tcp(C, 1, S, 135, flags=SYN, seq=5)
    other = frames.tcp(S, 9, C, 8, flags=ACK)
    answer = frames.tcp(S, 135, C, 1, flags=SYN | ACK, seq=9, ack=6)
    flows = [flow for flow in _two_points([syn, other], [other, answer]) if flow.server.port == 135]
    assert [flow.outcome for flow in flows] == ["established"]


def test_hosts_know_their_ttl_and_what_they_answered() -> None:
    wire = Wire()
    wire.handshake()
    wire.s(9, RST, 501, 0, ttl=11)
    table, _ = table_of(containers.pcap(wire.frames))
    host = table.host(0, 0, IPv4Address(S))
    assert host is not None
    assert (host.ttls, host.answered) == ((64,), ((135, 2),))
