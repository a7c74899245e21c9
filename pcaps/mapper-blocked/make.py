"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, save

CLIENT, SERVER = "10.4.0.10", "10.4.0.20"


def build() -> Story:
    recording = Recording(START)
    other = Tcp(recording, CLIENT, 50800, SERVER, 445)
    other.open()
    other.close()
    tcp = Tcp(recording, CLIENT, 50801, SERVER, 135)
    tries = tcp.syns()
    later = Tcp(recording, CLIENT, 50802, SERVER, 445)
    later.open()
    later.close()
    recording.wait(2 * SECOND)
    must = {
        **one_error("mapper-blocked", CLIENT, SERVER, tries, there=True),
        "flows": [{"first_packet": tries[0], "outcome": "unanswered", "origin": "mapper", "strict": "not_applicable"}],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
