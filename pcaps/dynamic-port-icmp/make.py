"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.20"


def build() -> Story:
    recording = Recording(START)
    told = exchanges.lookup(recording, CLIENT, 50200, SERVER, exchanges.DRSUAPI, 49667, server_ttl=126)
    tcp = Tcp(recording, CLIENT, 50201, SERVER, 49667, server_ttl=126)
    syn, answer = tcp.prohibited("10.1.0.1")
    recording.wait(2 * SECOND)
    must = {
        **one_error("dynamic-port-rejected", CLIENT, SERVER, [told.response, syn, answer], there=True),
        "remedies": {"dynamic-port-rejected": ["TCP/IP Port", "is still refused"]},
        "not_in_remedies": ["49667", "New-NetFirewallRule"],
        "flows": [
            {"first_packet": syn, "outcome": "prohibited", "origin": "ept_map", "strict": "compliant", "kind": "mapped"}
        ],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
