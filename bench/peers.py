# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts in Python use to read captures, each as a small program: python -m bench.peers NAME CAPTURE.

scapy, whose licence is that of this file, reads each packet with all its layers; pyshark drives tshark and keeps what is
RPC; dpkt reads packets, and for flows sorts them by five-tuple.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def scapy(path: str) -> int:
    """PcapReader over the whole file."""
    import_module("scapy.layers.l2")
    utils: Any = import_module("scapy.utils")
    with utils.PcapReader(path) as reader:
        return sum(1 for _ in reader)


def pyshark(path: str) -> int:
    """FileCapture with the display filter `dcerpc`."""
    library: Any = import_module("pyshark")
    capture = library.FileCapture(path, display_filter="dcerpc", keep_packets=False)
    count = sum(1 for _ in capture)
    capture.close()
    return count


def dpkt_reader(path: str) -> int:
    """Every packet's bytes and time, nothing decoded."""
    pcap: Any = import_module("dpkt.pcap")
    with open(path, "rb") as file:
        return sum(1 for _ in pcap.Reader(file))


def dpkt_flows(path: str) -> int:
    """Ethernet, IP and TCP of every packet; packets and bytes counted by five-tuple."""
    dpkt: Any = import_module("dpkt")
    flows: dict[tuple[bytes, bytes, int, int], list[int]] = {}
    with open(path, "rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            ip = dpkt.ethernet.Ethernet(data).data
            tcp = getattr(ip, "data", None)
            if not isinstance(tcp, dpkt.tcp.TCP):
                continue
            one, other = (ip.src, tcp.sport), (ip.dst, tcp.dport)
            low, high = min(one, other), max(one, other)
            counts = flows.setdefault((low[0], high[0], low[1], high[1]), [0, 0])
            counts[0] += 1
            counts[1] += len(tcp.data)
    return len(flows)


PEERS: dict[str, tuple[str, Callable[[str], int]]] = {
    "scapy": ("scapy", scapy),
    "pyshark": ("pyshark", pyshark),
    "dpkt-reader": ("dpkt", dpkt_reader),
    "dpkt-flows": ("dpkt", dpkt_flows),
}


def installed(name: str) -> bool:
    """Whether the library of this peer is at hand."""
    return find_spec(PEERS[name][0]) is not None


def main(arguments: Sequence[str] | None = None) -> int:
    """Read one capture with one of them."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Read a capture as Python scripts do.")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("capture")
    chosen = parser.parse_args(arguments)
    sys.stdout.write(f"{PEERS[chosen.name][1](chosen.capture)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
