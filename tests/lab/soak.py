"""Whether `live` lasts: python -m tests.lab.soak [SECONDS [PACKETS_PER_S [FLOWS]]]

First mixed traffic on a veth, 20,000 packets/s for ten minutes: memory must not grow after the first minute, drops are
counted, the share of a processor is told. Then a SYN flood of a million connections through a pipe, with RPC cases
before it and in it: memory stays bounded, what is given up is counted, the cases survive.

As root; everything happens in namespaces of its own and ends with it. Ends with 1 where a bound does not hold.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.captures import build
from tests.lab.network import ROOT, Network, missing, python, rpcdiag

MOST_GROWTH_MB, FIRST_S = 20, 60
MOST_FLOOD_MB = 300  # of a flood, in all
MOST_AGAIN = 0.1  # findings that may be told once more, because they became surer or worse
_TICKS = os.sysconf("SC_CLK_TCK")
_STORIES = ("dynamic-port-reset", "not-registered", "access-denied")


class Sample(NamedTuple):
    """Of a process: when, its resident memory, the most that this ever was, the processor's time it took."""

    at: float
    mb: float
    most_mb: float
    cpu_s: float


def sample(pid: int) -> Sample:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Sample(time.monotonic(), now, most, (int(words[11]) + int(words[12])) / _TICKS)


class Said:
    """What comes out of `live`, counted while it comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.counts: dict[str, int] = {}
        self.stats: dict[str, Any] = {}
        self.end: dict[str, Any] = {}
        self.findings: set[tuple[str, ...]] = set()  # by rule, ends and direction: what a finding is about
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            event = json.loads(line)
            kind = event["event_type"]
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind == "stats":
                self.stats = event
            elif kind == "end":
                self.end = event
            elif kind == "finding":
                self.findings.add(tuple(event[name] for name in ("rule", "client", "server", "direction")))

    @property
    def again(self) -> int:
        """Findings that were told although they had been told before."""
        return self.counts.get("finding", 0) - len(self.findings)

    def wait(self) -> None:
        self._thread.join(60)


def mixed(folder: Path, seconds: int, rate: int) -> bool:
    """Traffic on a veth; whether the bounds hold."""
    capture = build("needle", folder, scale=0.05).pcap[0]
    network = Network(number=1)
    try:
        live = network.start(
            "firewall", *rpcdiag("live", "-i", "c0", "-T", "ndjson"), stdout=subprocess.PIPE, text=True
        )
        said = Said(live)
        sender = network.start(
            "client", *python("sending.py", "eth0", str(capture), str(rate), str(seconds)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdout.readline()
        sender.stdin.write("\n")
        sender.stdin.flush()
        samples = []
        while sender.poll() is None:
            samples.append(sample(live.pid))
            time.sleep(1)
            if len(samples) % 30 == 0:
                print(
                    f"  {len(samples)} s: {samples[-1].mb:.0f} MB, at most {samples[-1].most_mb:.0f} MB, "
                    f"{_share(samples[-31:]):.0%} of a processor",
                    flush=True,
                )
        sent = int(sender.stdout.readline())
        time.sleep(2)
        live.send_signal(2)
        live.wait(120)
        said.wait()
    finally:
        network.close()
    return _told(samples, said, sent, seconds)


def _share(samples: list[Sample]) -> float:
    first, last = samples[0], samples[-1]
    return (last.cpu_s - first.cpu_s) / max(last.at - first.at, 0.001)


def _told(samples: list[Sample], said: Said, sent: int, seconds: int) -> bool:
    start = min(FIRST_S, seconds // 3)
    steady = [one for one in samples if one.at - samples[0].at >= start]
    growth = steady[-1].most_mb - steady[0].most_mb  # a look takes some MB for a moment: peaks are compared with peaks
    middle = [median(one.mb for one in some) for some in (steady[:FIRST_S], steady[-FIRST_S:])]
    lost = said.stats["interfaces"]["c0"]
    print(
        f"mixed traffic: {sent} packets sent in {seconds} s ({sent / seconds:.0f}/s), {said.end['packets']} seen, "
        f"{lost['dropped']} dropped by the kernel as it says; {said.end['flows']} connections known at the end, "
        f"{said.end['evicted_flows']} given up before; {said.counts}"
    )
    print(f"  {len(said.findings)} findings, {said.again} of them told once more")
    print(
        f"  memory at most {steady[0].most_mb:.1f} MB in the first {start} s, {steady[-1].most_mb:.1f} MB in all: "
        f"{growth:+.1f} MB (bound {MOST_GROWTH_MB}); as a rule {middle[0]:.0f} MB in the minute after those, "
        f"{middle[1]:.0f} MB in the last; from the lowest then ({min(one.mb for one in steady[:FIRST_S]):.0f}) to the highest "
        f"at any time {steady[-1].most_mb - min(one.mb for one in steady[:FIRST_S]):+.1f} MB; "
        f"{_share(samples):.0%} of a processor"
    )
    whole = said.end["packets"] + lost["dropped"] >= sent
    return growth < MOST_GROWTH_MB and whole and said.again <= MOST_AGAIN * len(said.findings)


def _blocks(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + size]
        at += size


class Tape:
    """A pcapng stream whose clock goes on from one piece to the next."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000
        self.heading = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        self.heading += struct.pack("<IIHHIHHB3xHHI", 1, 32, 1, 0, 65535, 9, 1, 9, 0, 0, 32)

    def packet(self, data: bytes, after_ns: int) -> bytes:
        self.ns += after_ns
        padded = data + bytes(-len(data) % 4)
        size = 32 + len(padded)
        head = struct.pack("<IIIIIII", 6, size, 0, self.ns >> 32, self.ns & 0xFFFFFFFF, len(data), len(data))
        return head + padded + struct.pack("<I", size)

    def story(self, name: str, octet: int) -> bytes:
        """A story of pcaps/, with hosts of its own."""
        found, before = [], None
        for block in _blocks((ROOT / "pcaps" / name / "capture.pcapng").read_bytes()):
            if block[:4] != b"\x06\0\0\0":
                continue
            high, low, kept = struct.unpack_from("<III", block, 12)
            stamp = (high << 32 | low) * (1 if high > 1 << 27 else 1000)
            data = block[28 : 28 + kept].replace(b"\x0a\x01\0", bytes((10, 1, octet)))  # also in what a mapper says
            found.append(self.packet(data, 1_000 if before is None else max(0, stamp - before)))
            before = stamp
        return b"".join(found)

    def flood(self, number: int) -> bytes:
        """One SYN of a connection that nobody else has."""
        address = struct.pack(">I", 0x0B000000 + number // 20_000)
        ports = struct.pack(">HH", 1024 + number % 20_000, 80 if number % 3 else 49152 + number % 1000)
        ip = b"\x45\0\0\x28\0\0\0\0\x40\x06\0\0" + address + b"\xc6\x12\0\x01"
        return self.packet(
            bytes(12) + b"\x08\0" + ip + ports + struct.pack(">IIBBHHH", number, 0, 0x50, 2, 8192, 0, 0), 2_000
        )


def flood(folder: Path, flows: int) -> bool:
    """A flood through a pipe; whether the bounds hold."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    tape = Tape()
    live = subprocess.Popen(
        rpcdiag("live", "-r", str(fifo), "-T", "ndjson"), stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    said = Said(live)
    most, began = 0.0, time.monotonic()
    with open(fifo, "wb") as stream:
        stream.write(tape.heading)
        for place, name in enumerate(_STORIES):
            stream.write(tape.story(name, 200 + place))
        for number in range(flows):
            stream.write(tape.flood(number))
            if number % 1000 == 0:
                most = max(most, sample(live.pid).mb)
            if number == flows // 2:
                for place, name in enumerate(_STORIES):
                    stream.write(tape.story(name, 210 + place))
        stream.flush()
        most = max(most, sample(live.pid).mb)
        cpu = sample(live.pid).cpu_s
    live.wait(120)
    said.wait()
    by_rule = [one["rule"] for one in said.end["findings"]]
    wanted = {"dynamic-port-rejected", "not-registered", "access-denied"}
    survived = all(by_rule.count(rule) >= 2 for rule in wanted)
    print(
        f"flood: {flows} connections in {time.monotonic() - began:.0f} s, {cpu:.0f} s of a processor; at most {most:.0f} MB "
        f"(bound {MOST_FLOOD_MB}); {said.end['flows']} known at the end, {said.end['evicted_flows']} given up; "
        f"of RPC cases before and in it survived: {sorted((rule, by_rule.count(rule)) for rule in wanted)}"
    )
    return most < MOST_FLOOD_MB and survived and said.end["evicted_flows"] > 0


def main() -> int:
    given = [int(word) for word in sys.argv[1:]]
    seconds, rate, flows = (*given, *(600, 20_000, 1_000_000)[len(given) :])
    why = missing(("ip", "ethtool"))
    if why is not None:
        print(why)
        return 4
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as name:
        held = [mixed(Path(name), seconds, rate)] if seconds else []
        held += [flood(Path(name), flows)] if flows else []
    print("all bounds hold" if all(held) else "a bound does not hold")
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
