"""Who sent a client to a port: objects handed over, sealed answers, answers in pieces."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.case import CaseFlow
from tests.build import exchanges, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.build.exchanges import DRSUAPI, NTLM1, NTLM2, SIGNATURE, SVCCTL
from tests.build.story import START
from tests.build.two_sides import Path as Between
from tests.build.two_sides import sides

C, S = "10.0.0.1", "10.0.0.2"
CLASS = "8bc3f05e-d86b-11d0-a075-00c04fb68820"
SINK = "7c857801-7381-11cf-884d-00aa004b2e24"
POINT = "b196b286-bab4-101a-b69c-00aa00341d07"
OXID = 0x0102030405060708
SEALED = (10, 6, bytes(16))


def _diagnosed(folder: Path, build: Callable[[Recording], object]) -> Diagnosis:
    recording = Recording(START)
    build(recording)
    path = folder / "c.pcapng"
    path.write_bytes(recording.pcapng())
    return analyze([str(path)])


def _to(diagnosis: Diagnosis, server: str, port: int) -> CaseFlow:
    (flow,) = [
        one for one in diagnosis.case.flows if (str(one.flow.server.address), one.flow.server.port) == (server, port)
    ]
    return flow


# --- callbacks


def _advise(recording: Recording, bindings: tuple[str, ...] = ("CLIENT", C), *, sealed: bool = False) -> int:
    """The client activates, and hands the server an object of its own; the packet that does it."""
    tcp = Tcp(recording, C, 50600, S, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, CLASS, [f"{S}[49712]"])
    used = Tcp(recording, C, 50601, S, 49712)
    used.open()
    ipid = exchanges.exporter(used)
    used.send(pdus.bind([(POINT, "0.0", [pdus.NDR32])], alter=True, call_id=4, first_context=1))
    used.reply(pdus.bind_ack(pdus.ACCEPTED_32, "", alter=True, call_id=4))
    stub = pdus.orpcthis() + pdus.pointed(pdus.objref(SINK, OXID, bindings))
    auth = SEALED if sealed else SIGNATURE
    handed = used.send(pdus.request(5, stub, call_id=5, context=1, instance=ipid, auth=auth))
    used.reply(pdus.response(pdus.orpcthat() + bytes(4), call_id=5, context=1, auth=auth))
    recording.wait(3 * MS)
    return handed


def _resolve(recording: Recording, bindings: list[str], *, auth: tuple[int, int, bytes] | None = SIGNATURE) -> int:
    """The server asks the client's resolver for the object's port."""
    tcp = Tcp(recording, S, 61000, C, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.OXID_RESOLVER, "0.0", [pdus.NDR32])], auth=(10, 5, NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, 5, NTLM2)))
    tcp.send(pdus.request(4, pdus.resolve_request(OXID), auth=auth))
    answer = tcp.reply(pdus.response(pdus.resolve_response(bindings), auth=auth))
    recording.wait(MS)
    return answer


def test_a_callback_is_one_case_from_the_reference_to_the_connection_back(tmp_path: Path) -> None:
    packets = []

    def build(recording: Recording) -> None:
        packets.append(_advise(recording))
        packets.append(_resolve(recording, [f"{C}[50900]"]))
        back = Tcp(recording, S, 61001, C, 50900)
        back.open()
        exchanges.exporter(back)

    diagnosis = _diagnosed(tmp_path, build)
    handed, resolved = packets
    given, told = [one for one in diagnosis.case.referrals if one.told == one.asked_on.flow.server.address or
                   one.referral.kind == "resolve_oxid"]  # fmt: skip
    assert (given.referral.kind, given.referral.by_client, given.referral.response_packet) == (
        "object_reference", True, handed,
    )  # fmt: skip
    mapper, back = _to(diagnosis, C, 135), _to(diagnosis, C, 50900)
    assert (mapper.origin.kind, given.flows) == ("mapper", (mapper.id,))
    assert f"packet {handed} hands over an object of {C}" in mapper.origin.why
    assert (back.origin.kind, back.origin.confidence, told.flows) == ("resolve_oxid", "proven", (back.id,))
    assert back.origin.why == f"packet {resolved} names port 50900; the object was handed over in packet {handed}"
    assert (told.referral.oxid, given.referral.oxid) == (OXID, OXID)


def test_a_connection_back_without_a_lookup_goes_back_to_the_reference(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _advise(recording)
        back = Tcp(recording, S, 61001, C, 50900)
        back.open()
        back.send(pdus.bind([(SINK, "0.0", [pdus.NDR32])]))
        back.reply(pdus.bind_ack(pdus.ACCEPTED_32, "50900"))
        Tcp(recording, S, 61002, C, 50901).syns((0, 3), until=9)

    diagnosis = _diagnosed(tmp_path, build)
    bound, silent = _to(diagnosis, C, 50900).origin, _to(diagnosis, C, 50901).origin
    assert (bound.kind, bound.confidence) == ("object_reference", "established")
    assert (silent.kind, silent.confidence) == ("object_reference", "possible")


def test_plain_rpc_of_the_server_to_its_client_is_no_callback(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _advise(recording)
        back = Tcp(recording, S, 61001, C, 50900)
        back.open()
        exchanges.session(back, SVCCTL)

    assert _to(_diagnosed(tmp_path, build), C, 50900).origin.kind == "before_capture"


def test_a_reference_of_long_ago_explains_nothing(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _advise(recording)
        recording.wait(300 * SECOND)
        Tcp(recording, S, 61001, C, 135).syns()

    origin = _to(_diagnosed(tmp_path, build), C, 135).origin
    assert (origin.kind, origin.referral) == ("mapper", None)


@pytest.mark.parametrize(("sealed", "confidence"), [(False, "established"), (True, "likely")])
def test_a_blocked_callback_names_the_packet_that_handed_the_object_over(
    tmp_path: Path, sealed: bool, confidence: str
) -> None:
    packets = []

    def build(recording: Recording) -> None:
        packets.append(_advise(recording, sealed=sealed))
        Tcp(recording, S, 61001, C, 135).syns()

    (finding,) = [one for one in _diagnosed(tmp_path, build).findings if one.rule == "callback-blocked"]
    said = [one.says for one in finding.evidence if getattr(one, "packets", ()) == (packets[0],)]
    assert finding.confidence == confidence
    assert said == ([] if sealed else [f"{C} hands {S} an object of its own"])


def test_a_client_that_names_an_address_of_its_own_that_nobody_reaches(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _advise(recording, ("192.168.7.7",))
        Tcp(recording, S, 61001, "192.168.7.7", 135).syns()

    (finding,) = [one for one in _diagnosed(tmp_path, build).findings if one.rule == "binding-unreachable"]
    assert (str(finding.client), str(finding.server), finding.direction) == (C, S, "server-to-client")
    assert "192.168.7.7" in finding.summary
    assert C in finding.summary


def test_objects_of_a_process_whose_port_is_known_are_not_told_again(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50600, S, 135)
        tcp.open()
        exchanges.activator(tcp)
        exchanges.activate(tcp, CLASS, [f"{S}[49712]"])
        used = Tcp(recording, C, 50601, S, 49712)
        used.open()
        ipid = exchanges.exporter(used)
        for number, oxid in enumerate((0x1122334455667788, OXID, OXID), start=5):
            used.send(pdus.request(7, pdus.orpcthis(), call_id=number, instance=ipid, auth=SIGNATURE))
            stub = pdus.orpcthat() + pdus.pointed(pdus.objref(SINK, oxid, [S])) + bytes(4)
            used.reply(pdus.response(stub, call_id=number, auth=SIGNATURE))

    told = [(one.referral.kind.value, one.referral.oxid) for one in _diagnosed(tmp_path, build).case.referrals]
    assert told == [("activation", 0x1122334455667788), ("object_reference", OXID)]


# --- sealed answers


def _sealed(recording: Recording, answer: bytes = bytes(900), *, interface: str = pdus.SCM, opnum: int = 4) -> None:
    tcp = Tcp(recording, C, 50600, S, 135)
    tcp.open()
    tcp.send(pdus.bind([(interface, "0.0", [pdus.NDR32])], auth=(10, 6, NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, 6, NTLM2)))
    tcp.send(pdus.request(opnum, bytes(600), auth=SEALED))
    tcp.reply(pdus.response(answer, auth=SEALED))
    recording.wait(2 * MS)


def _follow(recording: Recording, port: int, interface: tuple[str, str] | None) -> None:
    tcp = Tcp(recording, C, 50000 + port % 100, S, port)
    tcp.open()
    if interface is None:
        exchanges.exporter(tcp)
    else:
        exchanges.session(tcp, interface)


@pytest.mark.parametrize(
    ("interface", "kind", "confidence"),
    [
        (None, "inferred", "established"),
        (("11111111-2222-3333-4444-555555555555", "0.0"), "inferred", "likely"),
        (SVCCTL, "before_capture", "possible"),
    ],
)
def test_what_follows_a_sealed_answer_says_whether_it_is_its_port(
    tmp_path: Path, interface: tuple[str, str] | None, kind: str, confidence: str
) -> None:
    def build(recording: Recording) -> None:
        _sealed(recording)
        _follow(recording, 49712, interface)

    origin = _to(_diagnosed(tmp_path, build), S, 49712).origin
    assert (origin.kind, origin.confidence) == (kind, confidence)


def test_of_several_ports_after_a_sealed_answer_only_the_exporter_s_is_sure(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _sealed(recording)
        _follow(recording, 49712, None)
        _follow(recording, 49713, ("11111111-2222-3333-4444-555555555555", "0.0"))
        Tcp(recording, C, 50777, S, 49714).syns((0, 3), until=9)

    diagnosis = _diagnosed(tmp_path, build)
    found = [_to(diagnosis, S, port).origin.confidence for port in (49712, 49713, 49714)]
    assert found == ["established", "possible", "possible"]


def test_a_port_that_the_mapper_named_is_no_candidate(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        exchanges.lookup(recording, C, 50500, S, DRSUAPI, 49713)
        _sealed(recording)
        _follow(recording, 49713, DRSUAPI)
        _follow(recording, 49712, ("11111111-2222-3333-4444-555555555555", "0.0"))

    diagnosis = _diagnosed(tmp_path, build)
    assert _to(diagnosis, S, 49713).origin.kind == "ept_map"
    assert _to(diagnosis, S, 49712).origin.confidence == "likely"


def test_an_answer_too_short_for_an_endpoint_leads_nowhere(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _sealed(recording, bytes(40))
        _follow(recording, 49712, None)

    assert _to(_diagnosed(tmp_path, build), S, 49712).origin.kind == "before_capture"


@pytest.mark.parametrize(("size", "interface", "kind"), [
    (152, SVCCTL, "inferred"), (52, SVCCTL, "before_capture"), (152, None, "before_capture"),
])  # fmt: skip
def test_a_sealed_answer_of_the_mapper_leads_to_plain_rpc(
    tmp_path: Path, size: int, interface: tuple[str, str] | None, kind: str
) -> None:
    def build(recording: Recording) -> None:
        _sealed(recording, bytes(size), interface=pdus.EPM, opnum=3)
        _follow(recording, 49712, interface)

    assert _to(_diagnosed(tmp_path, build), S, 49712).origin.kind == kind


def test_a_port_that_a_sealed_answer_of_the_mapper_leads_to_begins_at_the_mapper(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        _sealed(recording, bytes(152), interface=pdus.EPM, opnum=3)
        _follow(recording, 49712, SVCCTL)

    strict = _to(_diagnosed(tmp_path, build), S, 49712).strict
    assert (strict.verdict, strict.kind, strict.confidence) == ("compliant", "mapped", "likely")


def test_an_answer_that_the_capture_cut_off_leads_to_what_follows(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, C, 50600, S, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.EPM, "3.0", [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135"))
    tcp.send(pdus.request(3, pdus.map_request(pdus.tower(*SVCCTL, 135, S))))
    tcp.reply(pdus.response(pdus.map_response([pdus.tower(*SVCCTL, 49712, S)])))
    recording.wait(2 * MS)
    used = Tcp(recording, C, 50601, S, 49712)
    used.open()
    used.send(pdus.bind([(*SVCCTL, [pdus.NDR32])]))
    used.reply(pdus.bind_ack(pdus.ACCEPTED_32, "49712"))
    path = tmp_path / "c.pcap"
    path.write_bytes(sides(recording, C, Between(snaplen=150)).b)
    diagnosis = analyze([str(path)])
    assert [one.referral.readable for one in diagnosis.case.referrals] == ["cut"]
    flow = _to(diagnosis, S, 49712)
    assert (flow.origin.kind, flow.origin.confidence) == ("inferred", "likely")
    assert "cut off" in flow.origin.why
    assert flow.strict.verdict == "compliant"


# --- what is carved is never sure


def test_a_port_out_of_a_damaged_answer_is_likely(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50600, S, 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        asked = pdus.map_request(pdus.tower(*DRSUAPI, 135, S), wide=True)
        tcp.send(pdus.request(3, asked, context=1))
        towers = [pdus.tower(*DRSUAPI, 49667, S), pdus.tower(*DRSUAPI, 49668, S)]
        stub = pdus.map_response(towers, wide=True)
        first, rest = (pdus.response(part, context=1, flags=flags) for part, flags in ((stub[:40], 1), (stub[40:], 2)))
        tcp.reply(first[:50])
        tcp.next[1] += len(first) - 50
        tcp.reply(rest)
        recording.wait(MS)
        _follow(recording, 49667, DRSUAPI)

    diagnosis = _diagnosed(tmp_path, build)
    origin = _to(diagnosis, S, 49667).origin
    assert (origin.kind, origin.confidence) == ("ept_map", "likely")
    (referral,) = diagnosis.case.referrals
    assert referral.referral.readable == "carved"


def test_a_port_before_the_cut_of_an_answer_is_certain(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        exchanges.lookup(recording, C, 50600, S, DRSUAPI, 49667)
        _follow(recording, 49667, DRSUAPI)
        recording.frames = [one._replace(data=one.data[:220], length=len(one.data)) for one in recording.frames]

    diagnosis = _diagnosed(tmp_path, build)
    origin = _to(diagnosis, S, 49667).origin
    assert (origin.kind, origin.confidence) == ("ept_map", "proven")
    (referral,) = diagnosis.case.referrals
    assert (referral.referral.readable, referral.referral.interface) == ("cut", DRSUAPI)


def test_a_port_that_an_activation_without_its_bind_names_is_likely(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50600, S, 135)
        tcp.middle()
        exchanges.activate(tcp, CLASS, [f"{S}[49712]"])
        _follow(recording, 49712, None)

    diagnosis = _diagnosed(tmp_path, build)
    origin = _to(diagnosis, S, 49712).origin
    assert (origin.kind, origin.confidence) == ("activation", "likely")
    strict = _to(diagnosis, S, 135).strict
    assert (strict.verdict, strict.kind, strict.confidence) == ("violation", "dcom-on-135", "likely")


def test_a_port_that_an_answer_without_its_request_names_is_likely(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        tcp = Tcp(recording, C, 50600, S, 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        tcp.next[0] += 200  # the request is lost
        towers = [pdus.tower(*DRSUAPI, 49667, S)]
        tcp.reply(pdus.response(pdus.map_response(towers, wide=True), context=1))
        recording.wait(MS)
        _follow(recording, 49667, DRSUAPI)

    origin = _to(_diagnosed(tmp_path, build), S, 49667).origin
    assert (origin.kind, origin.confidence) == ("ept_map", "likely")
    assert origin.why.endswith("names port 49667; its request is not in the capture")


def test_a_client_that_is_told_only_later_knew_the_port_before(tmp_path: Path) -> None:
    def build(recording: Recording) -> None:
        recording.wait(SECOND)
        _follow(recording, 49712, SVCCTL)
        exchanges.lookup(recording, C, 50500, S, SVCCTL, 49712)

    flow = _to(_diagnosed(tmp_path, build), S, 49712)
    assert (flow.origin.kind, flow.origin.referral, flow.strict.verdict) == ("before_capture", None, "indeterminate")
    assert "only later" in flow.origin.why
