"""Says what must be found in this recording. It was made by tests/lab/record.py; each recording has other numbers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build.story import Story, dropped_in_lab, recorded, referral, save

CLIENT, SERVER = "198.51.100.20", "203.0.113.11"


def build() -> Story:
    must = {
        **dropped_in_lab(
            CLIENT, SERVER, [10, 12, 13, 15, 16, 17], notes=["strict-rpc-violation", "ephemeral-port-rule"]
        ),
        "referrals": [referral("activation", 10, 12, [49670])],
        "flows": [
            {
                "first_packet": 13,
                "outcome": "unanswered",
                "origin": "activation",
                "strict": "violation",
                "kind": "dcom-follow-up",
            }
        ],
    }
    return Story(recorded(__file__, "capture.pcapng", "firewall.log"), must)


if __name__ == "__main__":
    save(build(), __file__)
