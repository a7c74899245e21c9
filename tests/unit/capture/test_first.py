"""The first packets of a stream are cut off to the byte, however it comes in pieces."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.capture.first import FirstPackets
from rpcdiag.capture.packet_socket import Loss, enhanced, interface, section, statistics

PACKETS = [bytes([number]) * (number * 7 % 50) for number in range(1, 9)]
PCAPNG_HEAD = section() + interface("lab0", 1, 65535)
PCAPNG = [enhanced(0, 10**18, data, len(data)) for data in PACKETS]


def _pcap(order: str) -> tuple[bytes, list[bytes]]:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head, [struct.pack(order + "IIII", 1, 2, len(data), len(data)) + data for data in PACKETS]


STREAMS = [(PCAPNG_HEAD, PCAPNG), _pcap("<"), _pcap(">"), (PCAPNG_HEAD, [statistics(0, 1, Loss(0, 0)) + PCAPNG[0]] * 8)]


@given(st.sampled_from(STREAMS), st.integers(1, 9), st.lists(st.integers(1, 40)))
def test_they_end_behind_the_last_one(stream: tuple[bytes, list[bytes]], count: int, steps: list[int]) -> None:
    head, packets = stream
    data, at, passed = head + b"".join(packets), 0, b""
    first = FirstPackets(count)
    for step in [*steps, len(data)]:
        piece = data[at : at + step]
        passed += piece[: first.of(piece)]
        at += step
    assert passed == head + b"".join(packets[:count])
    assert first.reached is (count <= len(packets))


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n" * 9, section()[:24] + b"\xff" * 200])
def test_what_is_no_capture_is_passed_on(data: bytes) -> None:
    assert FirstPackets(1).of(data) == len(data)
