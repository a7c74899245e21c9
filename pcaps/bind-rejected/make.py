"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.20"


def build() -> Story:
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 51200, SERVER, exchanges.SVCCTL, 49690)
    tcp = Tcp(recording, CLIENT, 51201, SERVER, 49690)
    tcp.open()
    asked = tcp.send(pdus.bind([(*exchanges.SVCCTL, [pdus.NDR32])]))
    answered = tcp.reply(pdus.bind_ack(pdus.UNSUPPORTED, "49690"))
    tcp.close()
    recording.wait(2 * SECOND)
    must = one_error("bind-rejected", CLIENT, SERVER, [asked, answered], confidence=None)
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
