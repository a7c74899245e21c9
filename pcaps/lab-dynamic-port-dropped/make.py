"""Says what must be found in this recording. It was made by tests/lab/record.py; each recording has other numbers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build.story import Story, recorded, save

CLIENT, SERVER = "198.51.100.20", "203.0.113.10"


def build() -> Story:
    must = {
        "exit": 1,
        "only_errors": ["dynamic-port-blocked"],
        "rules": {
            "dynamic-port-blocked": {"severity": "error", "confidence": "proven", "client": CLIENT, "server": SERVER,
                                     "direction": "client-to-server", "packets": [21, 25, 26, 27, 28],
                                     "lines": [2, 3, 4, 5], "says": "the firewall log shows the drop"},
            "ephemeral-port-rule": {"severity": "note"},
        },
        "referrals": [{"request_packet": 20, "response_packet": 21, "kind": "ept_map", "status": "0x00000000",
                       "ports": [49152]}],
        "flows": [{"first_packet": 25, "outcome": "unanswered", "origin": "ept_map", "strict": "compliant",
                   "kind": "mapped"}],
    }  # fmt: skip
    return Story(recorded(__file__, "capture.pcapng", "firewall.log"), must)


if __name__ == "__main__":
    save(build(), __file__)
