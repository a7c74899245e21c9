"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from struct import pack

from tests.build import exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, save

CLIENT, SERVER = "10.3.0.10", "10.3.0.20"
OPC = "f8582cf2-88fb-11d0-b850-00c0f0104305"
CONNECTION_POINT = "b196b286-bab4-101a-b69c-00aa00341d07"


def build() -> Story:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50600, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    exchanges.activate(tcp, OPC, ["OPCSRV[49712]", f"{SERVER}[49712]"])
    used = Tcp(recording, CLIENT, 50601, SERVER, 49712)
    used.open()
    ipid = exchanges.exporter(used)
    used.send(pdus.bind([(CONNECTION_POINT, "0.0", [pdus.NDR32])], alter=True, call_id=4, first_context=1))
    used.reply(pdus.bind_ack(pdus.ACCEPTED_32, "", alter=True, call_id=4))
    advise = pdus.request(
        5, pdus.orpcthis() + bytes(120), call_id=5, context=1, instance=ipid, auth=exchanges.SIGNATURE
    )
    asked = used.send(advise)
    recording.wait(3_000_000)
    back = Tcp(recording, SERVER, 61000, CLIENT, 135)
    tries = back.syns((0, 3, 9), until=20)
    stub = pdus.orpcthat() + bytes(4) + pack("<I", 0x800706BA)
    answered = used.reply(pdus.response(stub, call_id=5, context=1, auth=exchanges.SIGNATURE))
    used.close()
    tcp.close()
    recording.wait(2 * SECOND)
    must = {
        **one_error(
            "callback-blocked", CLIENT, SERVER, [*tries, asked, answered], back=True, notes=["strict-rpc-violation"]
        ),
        "remedies": {"callback-blocked": [CLIENT, "RPCEPMap", f"-RemoteAddress {SERVER}"]},
        "flows": [{"first_packet": tries[0], "outcome": "unanswered", "origin": "mapper", "strict": "not_applicable"}],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
