"""A case as a firewall would have seen it."""

from pathlib import Path

from rpcdiag.analysis import analyze
from rpcdiag.policy.events import Event, Kind, copies, events_of
from rpcdiag.policy.product import Learns
from tests.build import exchanges, pdus
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

CLIENT, SERVER = "10.1.0.5", "10.1.0.9"


def _events(tmp_path: Path, recording: Recording) -> list[Event]:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    return list(events_of(analyze([str(path)]).case))


def test_a_lookup_and_what_follows(tmp_path: Path) -> None:
    recording = Recording(START)
    told = exchanges.lookup(recording, CLIENT, 50000, SERVER, exchanges.DRSUAPI, 49200)
    tcp = Tcp(recording, CLIENT, 50001, SERVER, 49200)
    tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI)
    tcp.close()
    events = _events(tmp_path, recording)
    assert [event.kind for event in events if event.flow == "f1"] == [Kind.SYN, Kind.BIND, Kind.TOLD, Kind.CLOSE]
    answer = next(event for event in events if event.kind is Kind.TOLD)
    assert (answer.learns, answer.packet, answer.wide, answer.sealed) == (Learns.MAP, told.response, True, False)
    assert [(end.port, end.uuid) for end in answer.named] == [(49200, exchanges.DRSUAPI[0])]
    syn = next(event for event in events if event.kind is Kind.SYN and event.flow == "f2")
    assert (syn.referral, syn.about) == ("r1", exchanges.DRSUAPI[0])
    assert events == sorted(events, key=lambda event: event.time_ns)


def test_which_activation_it_is_and_whether_it_is_sealed(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50000, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, "da6aa17a-d61c-4e9c-8cea-db25dea52a95", [f"{SERVER}[50120]"])
    answer = next(event for event in _events(tmp_path, recording) if event.kind is Kind.TOLD)
    assert (answer.learns, answer.sealed) == (Learns.CREATE_INSTANCE, False)
    assert 50120 in {end.port for end in answer.named}
    assert all(end.uuid is None for end in answer.named)


def test_an_answer_in_fragments_says_in_how_many(tmp_path: Path) -> None:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50000, SERVER, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    wanted = pdus.tower(*exchanges.DRSUAPI, 135, SERVER)
    tcp.send(pdus.request(3, pdus.map_request(wanted, wide=True), call_id=2, context=1))
    stub = pdus.map_response([pdus.tower(*exchanges.DRSUAPI, 49200, SERVER)], 0, wide=True)
    tcp.reply(pdus.response(stub[:80], call_id=2, context=1, flags=1))
    tcp.reply(pdus.response(stub[80:], call_id=2, context=1, flags=2))
    answer = next(event for event in _events(tmp_path, recording) if event.kind is Kind.TOLD)
    assert (answer.fragments, answer.segmented) == (2, False)
    assert [end.port for end in answer.named] == [49200]


def test_a_conversation_at_two_points_is_one(tmp_path: Path) -> None:
    story = Path(__file__).resolve().parents[3] / "pcaps" / "two-points"
    case = analyze([str(path) for path in sorted(story.glob("capture*.pcap*"))]).case
    spoken_for = {event.flow for event in events_of(case)}
    assert len(spoken_for) == len(case.conversations) < len(case.flows)
    assert {id for ids in copies(case).values() for id in ids} == {flow.id for flow in case.flows}
