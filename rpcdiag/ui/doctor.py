"""`rpcdiag doctor`: what this machine can do, and the command that mends what is missing."""

import ctypes
import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

OK, MISSING, UNKNOWN = "ok", "missing", "unknown"
_FIREWALL_LOG = r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log"
_CLOCK_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)


class Check(NamedTuple):
    """One thing: `needed_for` what, how it is, and the command that mends it where it is not."""

    name: str
    needed_for: str
    state: str
    says: str
    mend: str | None = None


def checks() -> Iterator[Check]:
    """All of them; none changes anything."""
    yield _python()
    yield _capture()
    yield _filters()
    yield _program("tshark", "verify, --keytab, --nt-password", "apt install tshark (Windows: install Wireshark)")
    yield _compiled()
    yield _package("zstandard", "captures ending in .zst", "pip install zstandard")
    yield _package("rich", "progress on a terminal", "pip install rich")
    yield _package("yaml", "--policy with a file", "pip install pyyaml", distribution="pyyaml")
    yield _package("defusedxml", "policies and events exported as XML", "pip install defusedxml")
    yield _package("evtx", "Windows events from .evtx files", "pip install evtx")
    yield _package("textual", "live --tui", "pip install 'rpcdiag[tui]'")
    yield _package("pyarrow", "-T parquet, query", "pip install 'rpcdiag[data]'")
    yield _package("duckdb", "query", "pip install 'rpcdiag[data]'")
    yield _package("impacket", "probe", "pip install impacket")
    yield _firewall_log()
    yield _clock()


def _python() -> Check:
    return Check("python", "everything", OK, f"Python {platform.python_version()} on {platform.system()}")


def _capture() -> Check:
    needed = "live -i"
    if sys.platform.startswith("linux"):
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0):
                names = ", ".join(name for _, name in socket.if_nameindex())
                return Check("capture", needed, OK, f"may capture on {names}, any")
        except OSError as error:
            return Check(
                "capture", needed, MISSING, f"no right to open packet sockets ({error.strerror})",
                f"sudo rpcdiag live ..., or for good: sudo setcap cap_net_raw+ep {os.path.realpath(sys.executable)}",
            )  # fmt: skip
    if sys.platform == "win32":
        npcap = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "Npcap", "wpcap.dll")
        if npcap.exists():
            return Check("capture", needed, OK, "Npcap is installed")
        mend = "install Npcap from https://npcap.com, or: pktmon start --capture; pktmon etl2pcap"
        return Check("capture", needed, MISSING, "Npcap is not installed", mend)
    from ctypes.util import find_library

    if find_library("pcap"):
        return Check("capture", needed, OK, "libpcap is installed; the right to capture is root's")
    return Check("capture", needed, MISSING, "libpcap is not installed", "tcpdump -U -w - ... | rpcdiag live -r -")


def _filters() -> Check:
    from ctypes.util import find_library

    needed = "live -f"
    if sys.platform.startswith("linux") and find_library("pcap") is None:
        return Check("libpcap", needed, MISSING, "filter expressions cannot be compiled", "apt install libpcap0.8")
    return Check("libpcap", needed, OK, "filter expressions can be compiled")


def _program(name: str, needed: str, mend: str) -> Check:
    path = shutil.which(name)
    return Check(name, needed, OK, path) if path else Check(name, needed, MISSING, "not found", mend)


def _package(name: str, needed: str, mend: str, distribution: str = "") -> Check:
    if find_spec(name) is None:
        return Check(name, needed, MISSING, "not installed", mend)
    try:
        return Check(name, needed, OK, version(distribution or name))
    except PackageNotFoundError:
        return Check(name, needed, OK, "installed")


def _compiled() -> Check:
    from rpcdiag.sweep import cache
    from rpcdiag.sweep.machine import machine

    needed = "captures of gigabytes at full speed"
    if machine() is not None:
        return Check("compiled pass", needed, OK, f"compiled: {cache.object_path()}")
    if not cache.can_build():
        return Check("compiled pass", needed, MISSING, "no compiler", "pip install 'rpcdiag[fast]' && rpcdiag warm")
    return Check("compiled pass", needed, MISSING, "not compiled yet: the first large capture does it", "rpcdiag warm")


def _firewall_log() -> Check:
    needed = "proof of a drop"
    if sys.platform != "win32":
        return Check(
            "firewall log", needed, UNKNOWN,
            "drops stand in the log of the firewall that made them; of nftables in the kernel's, where a rule says log",
            "nft insert rule inet filter input tcp dport 1024-65535 log prefix '\"DROP \"' (before the rule that drops)",
        )  # fmt: skip
    path = Path(os.path.expandvars(_FIREWALL_LOG))
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    if size:
        return Check("firewall log", needed, OK, f"{path}, {size} bytes")
    mend = "Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked True -LogMaxSizeKilobytes 32767"
    return Check("firewall log", needed, MISSING, f"dropped packets are not logged; they would be in {path}", mend)


def _clock() -> Check:
    needed = "joining captures and logs of several machines"
    state = _clock_state()
    if state is None:
        mend = "w32tm /query /status" if sys.platform == "win32" else "timedatectl"
        return Check("clock", needed, UNKNOWN, "whether it is synchronised cannot be told from here", mend)
    if state:
        return Check("clock", needed, OK, "synchronised")
    return Check("clock", needed, MISSING, "not synchronised with a time server", "timedatectl set-ntp true")


def _clock_state() -> bool | None:
    """Whether the kernel says that it is synchronised; None where it does not say."""
    if not sys.platform.startswith("linux"):
        return None
    room = (ctypes.c_long * 64)()  # struct timex, larger than it is; modes 0: only read
    try:
        result = ctypes.CDLL(None, use_errno=True).adjtimex(room)
    except (OSError, AttributeError):
        return None
    if result < 0:
        return None
    status = ctypes.c_int.from_buffer(room, 5 * ctypes.sizeof(ctypes.c_long)).value if _wide() else None
    return None if status is None else not status & _CLOCK_UNSYNCHRONISED


def _wide() -> bool:
    """Whether longs have 64 bits: modes, offset, freq, maxerror, esterror, then status."""
    return ctypes.sizeof(ctypes.c_long) == 8


def doctor(write: Callable[[list[str]], None], *, as_json: bool) -> None:
    """Tell all."""
    found = list(checks())
    if as_json:
        write([json.dumps({"schema_version": 1, "checks": [one._asdict() for one in found]}, indent=1)])
    else:
        write(list(_lines(found)))


def _lines(found: list[Check]) -> Iterator[str]:
    for one in found:
        mark = {OK: "ok", MISSING: "--", UNKNOWN: "??"}[one.state]
        yield f"{mark}  {one.name:14} {one.says}"
        if one.state != OK:
            yield from wrap(f"for: {one.needed_for}", 100, initial_indent=" " * 19, subsequent_indent=" " * 19)
            if one.mend:
                yield f"{'':19}mend: {one.mend}"
    missing = [one.name for one in found if one.state == MISSING]
    yield ""
    if missing:
        yield f"analyze and explain work without them; missing for the rest: {', '.join(missing)}."
    else:
        yield "Nothing is missing."
