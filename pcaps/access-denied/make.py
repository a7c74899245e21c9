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
    exchanges.lookup(recording, CLIENT, 50400, SERVER, exchanges.SVCCTL, 49680)
    tcp = Tcp(recording, CLIENT, 50401, SERVER, 49680)
    tcp.open()
    exchanges.bind(tcp, exchanges.SVCCTL, 49680)
    asked = tcp.send(pdus.request(15, bytes(40), call_id=2, context=1))
    denied = tcp.reply(pdus.fault(5, call_id=2, context=1))
    tcp.close()
    recording.wait(2 * SECOND)
    must = one_error("access-denied", CLIENT, SERVER, [asked, denied])
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
