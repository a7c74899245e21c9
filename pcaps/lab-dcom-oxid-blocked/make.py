"""Says what must be found in this recording. It was made by tests/lab/record.py; each recording has other numbers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build.story import Story, recorded, save

CLIENT, SERVER = "198.51.100.20", "203.0.113.11"


def build() -> Story:
    must = {
        "exit": 1,
        "only_errors": ["dynamic-port-blocked"],
        "rules": {
            "dynamic-port-blocked": {"severity": "error", "confidence": "proven", "client": CLIENT, "server": SERVER,
                                     "direction": "client-to-server", "packets": [10, 12, 13, 15, 16, 17],
                                     "lines": [2, 3, 4, 5], "says": "the firewall log shows the drop"},
            "strict-rpc-violation": {"severity": "note"},
            "ephemeral-port-rule": {"severity": "note"},
        },
        "referrals": [{"request_packet": 10, "response_packet": 12, "kind": "activation", "status": "0x00000000",
                       "ports": [49670]}],
        "flows": [{"first_packet": 13, "outcome": "unanswered", "origin": "activation", "strict": "violation",
                   "kind": "dcom-follow-up"}],
    }  # fmt: skip
    return Story(recorded(__file__, "capture.pcapng", "firewall.log"), must)


if __name__ == "__main__":
    save(build(), __file__)
