"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, save

CLIENT, SERVER = "10.2.0.10", "10.2.0.20"
WMI = "8bc3f05e-d86b-11d0-a075-00c04fb68820"


def build() -> Story:
    recording = Recording(START)
    alive = Tcp(recording, CLIENT, 50500, SERVER, 135)
    alive.open()
    alive.send(pdus.bind([(pdus.OXID_RESOLVER, "0.0", [pdus.NDR32])]))
    alive.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135"))
    alive.send(pdus.request(5, b""))
    alive.reply(pdus.response(pdus.alive_response(["SRV20", SERVER])))
    alive.close()
    tcp = Tcp(recording, CLIENT, 50501, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    told = exchanges.activate(tcp, WMI, ["SRV20[49670]", f"{SERVER}[49670]"])
    used = Tcp(recording, CLIENT, 50502, SERVER, 49670)
    first = used.open()
    ipid = exchanges.exporter(used)
    for number in range(3):
        call = pdus.request(6, pdus.orpcthis() + bytes(60), call_id=5 + number, instance=ipid, auth=exchanges.SIGNATURE)
        used.send(call)
        used.reply(pdus.response(pdus.orpcthat() + bytes(24) + bytes(4), call_id=5 + number, auth=exchanges.SIGNATURE))
    used.close()
    tcp.close()
    recording.wait(2 * SECOND)
    must = {
        "exit": 0,
        "only_errors": [],
        "rules": {"strict-rpc-violation": {"severity": "note", "client": CLIENT, "server": SERVER,
                                           "packets": [told.response]}},
        "referrals": [{"kind": "activation", "request_packet": told.request, "response_packet": told.response,
                       "status": "0x00000000", "ports": [49670]}],
        "flows": [{"first_packet": first, "outcome": "established", "origin": "activation", "strict": "violation",
                   "kind": "dcom-follow-up"}],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
