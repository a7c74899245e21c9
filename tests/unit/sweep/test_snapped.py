"""Captures with a short snap length: packets end in the middle of a header, also the last one of a block."""

from pathlib import Path

import pytest

from rpcdiag.capture import blocks
from rpcdiag.sweep.machine import Machine
from tests.build import containers, frames, pdus
from tests.build.containers import Frame
from tests.properties.two_forms import Chosen, compare_ends, outcome

A, B = "192.0.2.1", "192.0.2.2"
NOPS = b"\x01" * 12  # as long as the time stamps that every segment of many systems has


def _with_options(datagram: bytes) -> bytes:
    """The TCP segment of a datagram of version 4 with options."""
    head, segment = bytearray(datagram[:20]), bytearray(datagram[20:])
    head[2:4] = (len(datagram) + len(NOPS)).to_bytes(2, "big")
    segment[12] = 0x50 + (len(NOPS) << 2)
    return bytes(head + segment[:20] + NOPS + segment[20:])


def _packets() -> list[bytes]:
    bind, request = pdus.bind(pdus.contexts(pdus.EPM, "3.0")), pdus.request(1, bytes(400))
    return [
        frames.tcp(A, 50000, B, 135, flags=frames.SYN, seq=0),
        frames.tcp(B, 135, A, 50000, flags=frames.SYN | frames.ACK, seq=100),
        frames.tcp(A, 50000, B, 135, seq=1, data=bind),
        frames.tcp(A, 50000, B, 135, seq=1 + len(bind) + 10, data=request),  # waits for ten bytes that are missing
        frames.tcp(A, 50001, B, 445, seq=1, data=b"\0\0\x01\0\xfeSMB" + bytes(300)),
    ]


@pytest.mark.parametrize("snap", [54, 58, 60, 64, 96])
def test_a_packet_that_is_cut_in_its_options_may_be_the_last_of_a_block(
    snap: int, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiled pass takes it, and is not given up for the interpreter."""
    packets = [frames.ethernet(_with_options(one)) for one in _packets()]
    path = tmp_path / "snapped.pcap"
    path.write_bytes(
        containers.pcap([Frame(number * 1000, 0, one[:snap], len(one)) for number, one in enumerate(packets)])
    )
    interpreted = outcome(str(path), Chosen(None))
    assert interpreted.diagnosis.case.accounting.packets == len(packets)
    for size in range(path.stat().st_size - 5 * snap, path.stat().st_size, 2):
        monkeypatch.setattr(blocks, "BLOCK", size)
        compare_ends(interpreted, outcome(str(path), Chosen(machine)))
