"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.build.exchanges import NTLM1, NTLM2, SIGNATURE
from tests.build.story import START, Story, save

CLIENT, SERVER = "10.3.0.11", "10.3.0.20"
WBEM_LOGIN = "8bc3f05e-d86b-11d0-a075-00c04fb68820"
SERVICES, SINK = "9556dc99-828c-11cf-a37e-00aa003240c7", "7c857801-7381-11cf-884d-00aa004b2e24"
EXEC_QUERY_ASYNC = 21
OXID = 0x7A61B2C3D4E5F607
UNAVAILABLE = 0x6BA


def build() -> Story:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50610, SERVER, 135)
    tcp.middle()  # the capture begins between bind and activation
    activated = exchanges.activate(tcp, WBEM_LOGIN, ["WMISRV[49670]", f"{SERVER}[49670]"])
    used = Tcp(recording, CLIENT, 50611, SERVER, 49670)
    syn = used.open()
    ipid = exchanges.exporter(used)
    used.send(pdus.bind([(SERVICES, "0.0", [pdus.NDR32])], alter=True, call_id=4, first_context=1))
    used.reply(pdus.bind_ack(pdus.ACCEPTED_32, "", alter=True, call_id=4))
    sink = pdus.objref(SINK, OXID, ["ADMINPC", CLIENT])
    stub = pdus.orpcthis() + bytes(16) + pdus.pointed(sink)
    asked = used.send(pdus.request(EXEC_QUERY_ASYNC, stub, call_id=5, context=1, instance=ipid, auth=SIGNATURE))
    recording.wait(3 * MS)
    resolver = Tcp(recording, SERVER, 61010, CLIENT, 135)
    mapper = resolver.open()
    resolver.send(pdus.bind([(pdus.OXID_RESOLVER, "0.0", [pdus.NDR32])], auth=(10, 5, NTLM1)))
    resolver.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, 5, NTLM2)))
    question = resolver.send(pdus.request(4, pdus.resolve_request(OXID), auth=SIGNATURE))
    answer = resolver.reply(
        pdus.response(pdus.resolve_response(["ADMINPC[50911]", f"{CLIENT}[50911]"]), auth=SIGNATURE)
    )
    recording.wait(2 * MS)
    tries = Tcp(recording, SERVER, 61011, CLIENT, 50911).syns((0, 3, 9), until=20)
    more = pdus.extended_error("WMISRV", 2, UNAVAILABLE, 500, time_ns=recording.now)
    failed = used.reply(pdus.fault(UNAVAILABLE, call_id=5, context=1, extended=more))
    used.close()
    recording.wait(2 * SECOND)
    must = {
        "exit": 1,
        "only_errors": ["callback-blocked"],
        "rules": {
            "callback-blocked": {"severity": "error", "confidence": "established", "client": CLIENT, "server": SERVER,
                                 "direction": "server-to-client", "packets": [asked, *tries, failed]},
        },
        "remedies": {"callback-blocked": [CLIENT, "unsecapp.exe", "wbemFlagReturnImmediately", f"-RemoteAddress {SERVER}"]},
        "not_in_remedies": ["50911", "49670"],
        "referrals": [
            {"request_packet": activated.request, "response_packet": activated.response, "kind": "activation",
             "status": "0x00000000", "ports": [49670]},
            {"request_packet": asked, "response_packet": asked, "kind": "object_reference", "status": None,
             "ports": [None]},
            {"request_packet": question, "response_packet": answer, "kind": "resolve_oxid", "status": "0x00000000",
             "ports": [50911]},
        ],
        "flows": [
            {"first_packet": 1, "outcome": "midstream", "origin": "mapper", "kind": "dcom-on-135"},
            {"first_packet": syn, "outcome": "established", "origin": "activation", "kind": "dcom-follow-up"},
            {"first_packet": mapper, "outcome": "established", "origin": "mapper", "kind": "dcom-on-135"},
            {"first_packet": tries[0], "outcome": "unanswered", "origin": "resolve_oxid", "kind": "dcom-follow-up"},
        ],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
