"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.20"
IPID = "0000c000-0530-0000-7d85-1122334455aa"


def build() -> Story:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50700, SERVER, 60283)
    tcp.middle()
    first = recording.number + 1
    for number in range(5):
        tcp.send(pdus.request(3, pdus.orpcthis() + bytes(30), call_id=40 + number, instance=IPID))
        tcp.reply(pdus.response(pdus.orpcthat() + bytes(20), call_id=40 + number))
    tcp.close()
    recording.wait(2 * SECOND)
    must = {
        "exit": 0,
        "only_errors": [],
        "rules": {},
        "flows": [{"first_packet": first, "outcome": "midstream", "origin": "before_capture", "strict": "indeterminate",
                   "kind": "cached-or-late-capture"}],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
