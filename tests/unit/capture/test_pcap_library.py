"""What libpcap hands on from the loopback is a capture."""

import socket
import time
from ctypes.util import find_library

import pytest

from rpcdiag.capture.live import Interfaces
from rpcdiag.capture.pcap_library import PcapSockets
from rpcdiag.capture.reader import CaptureReader
from rpcdiag.errors import InputError, MissingPiece

pytestmark = pytest.mark.skipif(find_library("pcap") is None, reason="libpcap is not installed")


def _opened(expression: str | None = None, name: str = "lo") -> PcapSockets:
    try:
        return PcapSockets((name,), expression)
    except MissingPiece as missing:
        pytest.skip(str(missing))


def test_a_connection_on_the_loopback_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        opened = _opened(f"tcp port {port}")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"hello")
        source = Interfaces(opened.read)
        reader = CaptureReader("lo", live=source)
        until = time.monotonic() + 10

        def look(_: int) -> None:
            source.stopped = reader.packets >= 3 or time.monotonic() > until

        for _ in reader.events(look):
            pass
        assert reader.packets >= 3
        assert reader.sweep.flows_seen == 1
        assert opened.loss()["lo"].dropped == 0
        opened.close()


def test_what_cannot_be_opened_is_named() -> None:
    _opened().close()
    with pytest.raises(InputError, match="nothing-there"):
        _opened(name="nothing-there")
    with pytest.raises(InputError, match="porty"):
        _opened("tcp porty 5")
