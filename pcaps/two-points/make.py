"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges
from tests.build.containers import Frame, Interface
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, referral, save

CLIENT, SERVER = "10.5.0.10", "10.6.0.20"


def build() -> Story:
    near = Recording(START)
    told = exchanges.lookup(near, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153, client_ttl=128, server_ttl=127)
    blocked = Tcp(near, CLIENT, 51101, SERVER, 49153, client_ttl=128, server_ttl=127)
    tries = blocked.syns((0, 1, 3, 7))
    near.wait(2 * SECOND)

    # the other side of the firewall sees the same packets 80 microseconds later or earlier, one hop on
    far = Recording(START)
    exchanges.lookup(
        far, CLIENT, 51100, SERVER, exchanges.DRSUAPI, 49153, client_ttl=127, server_ttl=128, interface_number=1
    )
    frames = [*near.frames, *[Frame(frame.time_ns + 80_000, 1, frame.data) for frame in far.frames]]
    must = {
        **one_error("dynamic-port-blocked", CLIENT, SERVER, [told.response, *tries], count=1),
        "referrals": [referral("ept_map", told.request, told.response, [49153])],
        "flows": [{"first_packet": tries[0], "outcome": "unanswered", "origin": "ept_map", "strict": "compliant"}],
        "missing_at": "outside",
        "remedies": {"dynamic-port-blocked": ["TCP/IP Port", "Permit tcp/50200", "is still refused"]},
        "not_in_remedies": ["49153", "New-NetFirewallRule"],
    }
    recording = Recording(START)
    recording.frames = frames
    return Story({"capture.pcapng": recording.pcapng((Interface("inside"), Interface("outside")))}, must)


if __name__ == "__main__":
    save(build(), __file__)
