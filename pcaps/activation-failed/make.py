"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, referral, save

CLIENT, SERVER = "10.2.0.10", "10.2.0.20"
CLSID = "49b2791a-b1ae-4c90-9b8e-e860ba07f889"


def build() -> Story:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 51000, SERVER, 135)
    tcp.open()
    exchanges.activator(tcp)
    told = exchanges.activate(tcp, CLSID, [], status=0x80040154, delay_ns=40_000_000)
    tcp.close()
    recording.wait(2 * SECOND)
    must = {
        **one_error("activation-failed", CLIENT, SERVER, [told.request, told.response]),
        "referrals": [referral("activation", told.request, told.response, [], 0x80040154)],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
