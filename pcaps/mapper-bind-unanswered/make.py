"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.20"


def build() -> Story:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51300, SERVER, 135)
    first = tcp.open()
    asked = tcp.send(pdus.bind(pdus.contexts(pdus.EPM, "3.0")))
    recording.wait(30 * SECOND)
    tcp.fin(0)
    must = {
        **one_error("mapper-bind-unanswered", CLIENT, SERVER, [asked], confidence=None),
        "flows": [{"first_packet": first, "outcome": "established", "origin": "mapper", "strict": "compliant"}],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
