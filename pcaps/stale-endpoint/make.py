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
    old = Tcp(recording, CLIENT, 50900, SERVER, 49670)
    syn, rst = old.refused(times=3)
    told = exchanges.lookup(recording, CLIENT, 50901, SERVER, exchanges.SVCCTL, 49712)
    new = Tcp(recording, CLIENT, 50902, SERVER, 49712)
    new.open()
    exchanges.session(new, exchanges.SVCCTL)
    new.close()
    recording.wait(2 * SECOND)
    must = {
        "exit": 0,
        "only_errors": [],
        "rules": {"stale-endpoint": {"severity": "warning", "client": CLIENT, "server": SERVER,
                                     "packets": [syn, rst, told.response]}},
        "flows": [{"first_packet": syn, "outcome": "refused", "origin": "before_capture", "strict": "indeterminate"}],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
