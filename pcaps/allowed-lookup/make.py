"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.20"


def build() -> Story:
    recording = Recording(START)
    told = exchanges.lookup(recording, CLIENT, 50100, SERVER, exchanges.DRSUAPI, 49667)
    tcp = Tcp(recording, CLIENT, 50101, SERVER, 49667)
    first = tcp.open()
    exchanges.session(tcp, exchanges.DRSUAPI, calls=4)
    tcp.close()
    recording.wait(2 * SECOND)
    must = {
        "exit": 0,
        "only_errors": [],
        "rules": {},
        "referrals": [{"kind": "ept_map", "request_packet": told.request, "response_packet": told.response,
                       "status": "0x00000000", "ports": [49667]}],
        "flows": [{"first_packet": first, "outcome": "established", "origin": "ept_map", "strict": "compliant",
                   "kind": "mapped"}],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
