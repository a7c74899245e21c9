"""Says what must be found in this recording. It was made by tests/lab/record.py; each recording has other numbers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build.story import Story, dropped_in_lab, recorded, referral, save

CLIENT, SERVER = "198.51.100.20", "203.0.113.10"


def build() -> Story:
    must = {
        **dropped_in_lab(CLIENT, SERVER, [21, 25, 26, 27, 28], notes=["ephemeral-port-rule"]),
        "referrals": [referral("ept_map", 20, 21, [49152])],
        "flows": [
            {"first_packet": 25, "outcome": "unanswered", "origin": "ept_map", "strict": "compliant", "kind": "mapped"}
        ],
    }
    return Story(recorded(__file__, "capture.pcapng", "firewall.log"), must)


if __name__ == "__main__":
    save(build(), __file__)
