"""Makes the capture of this story; run it to make it again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges, pdus
from tests.build.conversation import SECOND, Recording, Tcp
from tests.build.story import START, Story, one_error, referral, save

CLIENT, SERVER = "10.1.0.10", "10.1.0.30"


def build() -> Story:
    recording = Recording(START)
    tcp = Tcp(recording, CLIENT, 50300, SERVER, 135)
    tcp.open()
    exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
    first = exchanges.ask(tcp, exchanges.DRSUAPI, [], pdus.NOT_REGISTERED)
    tcp.send(pdus.bind(pdus.contexts(pdus.EPM, "3.0"), alter=True, call_id=3, auth=(10, 5, exchanges.NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_64, "", alter=True, call_id=3, auth=(10, 5, exchanges.NTLM2)))
    tcp.send(pdus.auth3(exchanges.NTLM3, call_id=3))
    wanted = pdus.map_request(pdus.tower(*exchanges.DRSUAPI, 135, SERVER), wide=True)
    again = tcp.send(pdus.request(3, wanted, call_id=4, context=1, auth=exchanges.SIGNATURE))
    answer = pdus.map_response([], pdus.NOT_REGISTERED, wide=True)
    last = tcp.reply(pdus.response(answer, call_id=4, context=1, auth=exchanges.SIGNATURE))
    tcp.close()
    recording.wait(2 * SECOND)
    must = {
        **one_error(
            "not-registered", CLIENT, SERVER, [first.request, first.response, again, last], confidence=None, count=1
        ),
        "referrals": [referral("ept_map", first.request, last, [], pdus.NOT_REGISTERED)],
    }
    return Story({"capture.pcapng": recording.pcapng()}, must)


if __name__ == "__main__":
    save(build(), __file__)
