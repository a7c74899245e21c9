"""Suricata's own expectations of its own captures: how many events of which kind; one is a call, a bind or an alter."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from rpcdiag.dissect import connectionless, dcerpc
from rpcdiag.report import zeek_names
from rpcdiag.track.spoken import Call, Spoken
from rpcdiag.track.transcript import Transcript
from rpcdiag.track.wire import DATAGRAM, Wire
from tests.corpus.at_hand import CORPUS

pytestmark = pytest.mark.corpus
CAPTURES = CORPUS / "suricata-verify"
EXPECTED = CAPTURES / "expected"

if not EXPECTED.exists():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)

Event = dict[str, str]
_FIRST_INTERFACE = "dcerpc.interfaces[0]."
# what stands in their log beside the event itself
_ASIDE = frozenset({"event_type", "pcap_cnt"})


def _filters(path: Path) -> Iterator[tuple[int, Event]]:
    """Count and conditions of each check of dcerpc events; the files are of a few simple forms."""
    for part in re.split(r"^\s*- filter:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, match = part.partition("match:")
        count = re.search(r"count: *(\d+)", head)
        conditions = {
            key: value.strip("\"'")
            for key, value in re.findall(r"^\s+([\w.\[\]]+): *(.*?) *$", match, flags=re.MULTILINE)
        }
        if count and conditions.get("event_type") == "dcerpc":
            yield int(count[1]), {key: value for key, value in conditions.items() if key not in _ASIDE}


CHECKS = [(path.stem, *one) for path in sorted(EXPECTED.glob("*.yaml")) for one in _filters(path)]


def _events(path: Path) -> Iterator[Event]:
    transcript = Transcript(Wire(str(path)).rows())
    sizes: dict[tuple[int, int, bool], list[int]] = {}  # of the stubs' fragments
    activities: dict[tuple[str, str], Event] = {}
    for spoken in transcript:
        pdu = spoken.pdu
        if isinstance(pdu, connectionless.Request | connectionless.Response):
            _note(activities, spoken, pdu)
            continue
        if isinstance(pdu, dcerpc.Bind):
            yield {"dcerpc.request": pdu.header.type.name, "dcerpc.call_id": str(pdu.header.call_id)}
        if isinstance(pdu, dcerpc.Request | dcerpc.Response):
            key = spoken.row.serial, pdu.header.call_id, isinstance(pdu, dcerpc.Request)
            sizes.setdefault(key, []).append(pdu.stub_length + _counted(pdu))
        for call in spoken.calls:
            yield _event(call, sizes)
    for call in transcript.open_calls():
        if call.serial != DATAGRAM:
            yield _event(call, sizes)
    yield from activities.values()


def _note(
    activities: dict[tuple[str, str], Event], spoken: Spoken, pdu: connectionless.Request | connectionless.Response
) -> None:
    """They join by activity and sequence number whoever sent it, and write UUIDs as if all were little-endian."""
    activity, sequence = UUID(bytes_le=spoken.row.data[40:56]), str(pdu.header.sequence)
    event = activities.setdefault((str(activity), sequence), {})
    ends = spoken.row.ends
    event |= {
        "dcerpc.activityuuid": str(activity), "dcerpc.seqnum": sequence, "dcerpc.rpc_version": "4.0", "proto": "UDP",
        "src_ip": str(ends.client.address), "src_port": str(ends.client.port),
        "dest_ip": str(ends.server.address), "dest_port": str(ends.server.port),
    }  # fmt: skip
    side, name = ("req", "request") if isinstance(pdu, connectionless.Request) else ("res", "response")
    event["dcerpc." + name] = pdu.header.type.name
    if side == "req":
        event["dcerpc.req.opnum"] = str(pdu.header.opnum)
    fragments, size = f"dcerpc.{side}.frag_cnt", f"dcerpc.{side}.stub_data_size"
    event[fragments] = str(int(event.get(fragments, "0")) + 1)
    event[size] = str(int(event.get(size, "0")) + pdu.stub_length)


def _counted(pdu: dcerpc.Request | dcerpc.Response) -> int:
    """They count to the stub what stands before it: the object of a request, the 8 bytes of a response's own header."""
    return 8 if isinstance(pdu, dcerpc.Response) else 16 if pdu.object else 0


def _event(call: Call, sizes: dict[tuple[int, int, bool], list[int]]) -> Event:
    event = {"dcerpc.call_id": str(call.call_id), "dcerpc.rpc_version": "5.0"}
    if call.request_packet is not None:
        event |= {"dcerpc.request": "REQUEST", "dcerpc.req.opnum": str(call.opnum)}
    if call.answer_packet is not None and call.status is None:
        event["dcerpc.response"] = "RESPONSE"
    for side, asks in (("req", True), ("res", False)):
        stubs = sizes.pop((call.serial, call.call_id, asks), [])
        event |= {f"dcerpc.{side}.stub_data_size": str(sum(stubs)), f"dcerpc.{side}.frag_cnt": str(len(stubs))}
    if call.interface is not None:
        event[_FIRST_INTERFACE + "uuid"] = call.interface.uuid
        event[_FIRST_INTERFACE + "service"] = zeek_names.endpoint(call.interface)
        if call.opnum is not None:
            event[_FIRST_INTERFACE + "procedure"] = zeek_names.operation(call.interface, call.opnum)
    return event


@pytest.mark.parametrize(
    ("name", "count", "conditions"), CHECKS, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(CHECKS)]
)
def test_their_number_of_events_is_ours(name: str, count: int, conditions: Event) -> None:
    events = list(_events(CAPTURES / f"{name}.pcap"))
    assert events
    found = [event for event in events if all(event.get(key) == value for key, value in conditions.items())]
    assert len(found) == count


def test_the_checks_are_found() -> None:
    assert len(CHECKS) == 25
