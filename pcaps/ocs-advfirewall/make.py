"""Makes the capture and the log of this story; run it to make them again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges, logs
from tests.build.conversation import SECOND, VISTA_RETRIES, Recording, Tcp
from tests.build.story import START, Story, save

FRONT_END, DIRECTOR = "10.20.3.7", "10.30.1.5"
CONSOLE = ("5b1c8d3e-7a42-4f0b-9c6d-2e1f3a4b5c6d", "1.0")  # made up: the console's administration interface
HOURS = 1  # local time of the director is UTC+1
PORT = 49154


def noise(start: int) -> list[tuple[int, str]]:
    """What fills such a log: broadcasts, multicasts, other hosts."""
    rows = []
    for number in range(420):
        ns = start + number * 150_000_000
        host = f"10.30.1.{20 + number % 17}"
        match number % 7:
            case 0 | 1:
                row = logs.pfirewall(ns, "DROP", host, 137, "10.30.1.255", 137, hours=HOURS, protocol="UDP", size=78)
            case 2:
                row = logs.pfirewall(ns, "DROP", host, 138, "10.30.1.255", 138, hours=HOURS, protocol="UDP", size=229)
            case 3:
                row = logs.pfirewall(
                    ns, "DROP", host, 50000 + number, "239.255.255.250", 1900, hours=HOURS, protocol="UDP", size=161
                )
            case 4:
                row = logs.pfirewall(
                    ns, "DROP", "fe80::1:2", 5355, "ff02::1:3", 5355, hours=HOURS, protocol="UDP", size=82
                )
            case 5:
                row = logs.pfirewall(ns, "ALLOW", host, 40000 + number, DIRECTOR, 5061, hours=HOURS)
            case _:
                row = logs.pfirewall(
                    ns, "DROP", host, 30000 + number, DIRECTOR, 3389, hours=HOURS, isn=77_000_000 + number
                )
        rows.append((ns, row))
    date_time = logs.pfirewall(start, "ALLOW", "-", "-", "-", "-", hours=HOURS).split(" ALLOW")[0]
    rows.append((start, f"{date_time} INFO-EVENTS-LOST - - - - - - - - - - - - 7 -\r\n"))
    rows.append((start, f"{date_time} ALLOW ICMP fe80::1 fe80::2 - - 0 - - - - 135 0 - SEND\r\n"))
    return rows


def build() -> Story:
    recording = Recording(START + 300_000_000)
    told = exchanges.lookup(recording, FRONT_END, 56625, DIRECTOR, CONSOLE, PORT, server_ttl=127)
    blocked = Tcp(recording, FRONT_END, 56626, DIRECTOR, PORT)
    tries = blocked.syns(VISTA_RETRIES)
    later = Tcp(recording, FRONT_END, 56700, DIRECTOR, 5061)  # other traffic goes on: the capture outlasts the retries
    later.middle()
    later.stray()

    rows = noise(START - 20 * SECOND)
    mapper = recording.frames[0].time_ns
    rows.append((mapper, logs.pfirewall(mapper, "ALLOW", FRONT_END, 56625, DIRECTOR, 135, hours=HOURS)))
    drops = []
    for number in tries:
        ns = recording.frames[number - 1].time_ns
        row = logs.pfirewall(ns, "DROP", FRONT_END, 56626, DIRECTOR, PORT, hours=HOURS, isn=blocked.isn)
        rows.append((ns, row))
        drops.append(row)
    rows.sort(key=lambda row: row[0])
    text = logs.PFIREWALL + "".join(row for _, row in rows)
    lines = [number for number, line in enumerate(text.split("\n"), start=1) if " 56626 49154 " in line]

    must = {
        "exit": 1,
        "only_errors": ["dynamic-port-blocked"],
        "rules": {
            "dynamic-port-blocked": {"severity": "error", "confidence": "proven", "client": FRONT_END,
                                     "server": DIRECTOR, "direction": "client-to-server",
                                     "packets": [told.response, *tries], "lines": lines},
            "ephemeral-port-rule": {"severity": "note"},
        },
        "clock": {"offset_ns": HOURS * 3600 * SECOND, "basis": "measured"},
        "remedies": {
            "dynamic-port-blocked": [
                "-LocalPort RPC ",
                "-LocalPort RPCEPMap",
                "10.20.3.0/24",
                "-Profile Domain",
                "netsh advfirewall firewall add rule",
                "a stranger, 203.0.113.7, is still refused",
                "a neighbour, 10.20.3.1, passes as well",
                "nothing else changes",
            ]
        },
        "not_in_remedies": [str(PORT)],
        "referrals": [{"kind": "ept_map", "request_packet": told.request, "response_packet": told.response,
                       "status": "0x00000000", "ports": [PORT]}],
        "flows": [{"first_packet": tries[0], "outcome": "unanswered", "origin": "ept_map", "strict": "compliant",
                   "kind": "mapped"}],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng(), "pfirewall.log": text.encode()}, must)


if __name__ == "__main__":
    save(build(), __file__)
