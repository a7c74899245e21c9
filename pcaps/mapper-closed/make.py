"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.40"


def build() -> Story:
    recording = Recording(START)
    other = Tcp(recording, CLIENT, 51400, SERVER, 445, server_ttl=126)
    other.open()
    other.close()
    tcp = Tcp(recording, CLIENT, 51401, SERVER, 135, server_ttl=126)
    syn, rst = tcp.refused()
    recording.wait(2 * SECOND)
    must = {
        **one_error("mapper-closed", CLIENT, SERVER, [syn, rst]),
        "flows": [{"first_packet": syn, "outcome": "refused", "origin": "mapper", "strict": "not_applicable"}],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
