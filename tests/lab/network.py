"""Three network namespaces: client, firewall, server. Nothing leaves them: no route leads further.

client 198.51.100.20 --- c0 firewall s0 --- 203.0.113.10 server (Samba)
                                            203.0.113.11 the same host, a DCOM server
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

CLIENT, SAMBA, DCOM = "198.51.100.20", "203.0.113.10", "203.0.113.11"
ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
_PREFIX = "rpcdiag"
_NETNS = Path("/etc/netns")
_HOSTS = f"127.0.0.1 localhost\n{SAMBA} dc1.lab.example dc1\n{DCOM} dcom1.lab.example dcom1\n{CLIENT} client1\n"
_LINKS = (("client", "eth0", "c0"), ("server", "eth0", "s0"))


class LabError(Exception):
    """The lab could not be made, or does not do what it should."""


_NEEDED = ("ip", "nft", "iptables", "ulogd", "samba", "samba-tool", "rpcclient", "setpriv")


def missing(programs: Sequence[str] = _NEEDED) -> str | None:
    """Why there can be no lab here; None when there can."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux"
    if os.geteuid() != 0:
        return "the lab needs root: it makes network namespaces"
    absent = [name for name in programs if shutil.which(name) is None]
    if absent:
        return f"the lab needs programs that are not installed: {', '.join(absent)}"
    name = f"{_PREFIX}-{os.getpid()}-try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespaces here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


class Network:
    """The namespaces and every process that was started in them; `close` ends all of it."""

    def __init__(self, number: int = 0) -> None:
        _remove_stale()
        self._name = f"{_PREFIX}-{os.getpid()}-{number}"
        self._started: list[subprocess.Popen[Any]] = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def namespace(self, where: str) -> str:
        return f"{self._name}-{where}"

    def _make(self) -> None:
        for where in ("client", "firewall", "server"):
            name = self.namespace(where)
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            folder = _NETNS / name
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(_HOSTS)
            (folder / "resolv.conf").write_text(f"nameserver {SAMBA}\noptions timeout:1 attempts:1\n")
            self.run(where, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            # newer kernels repeat the first SYNs every second; Windows and older ones wait longer each time
            self.run(where, "sysctl", "-qw", "net.ipv4.tcp_syn_linear_timeouts=0", check=False)
        firewall = self.namespace("firewall")
        for where, near, far in _LINKS:
            name = self.namespace(where)
            _ip("-n", name, "link", "add", near, "type", "veth", "peer", "name", far, "netns", firewall)
            _ip("-n", name, "link", "set", near, "up")
            _ip("-n", firewall, "link", "set", far, "up")
            for space, link in ((where, near), ("firewall", far)):
                self._plain_segments(space, link)
        _ip("-n", self.namespace("client"), "addr", "add", f"{CLIENT}/24", "dev", "eth0")
        _ip("-n", firewall, "addr", "add", "198.51.100.1/24", "dev", "c0")
        for address in (SAMBA, DCOM):
            _ip("-n", self.namespace("server"), "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", firewall, "addr", "add", "203.0.113.1/24", "dev", "s0")
        _ip("-n", self.namespace("client"), "route", "add", "203.0.113.0/24", "via", "198.51.100.1")
        _ip("-n", self.namespace("server"), "route", "add", "198.51.100.0/24", "via", "203.0.113.1")
        self.run("firewall", "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _plain_segments(self, where: str, link: str) -> None:
        """Segments as a wire would have them: of its size, with their checksums."""
        if shutil.which("ethtool") is not None:
            for feature in ("tso", "gso", "gro", "tx", "rx"):
                self.run(where, "ethtool", "-K", link, feature, "off", check=False)

    def command(self, where: str, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace(where), *arguments]

    def run(
        self, where: str, *arguments: str, check: bool = True, text: str | None = None, timeout: float = 30,
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a command to its end."""
        done = subprocess.run(
            self.command(where, *arguments), input=text, capture_output=True, text=True, timeout=timeout, check=False,
            env=environment,
        )  # fmt: skip
        if check and done.returncode:
            raise LabError(f"{' '.join(arguments)}: {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def start(self, where: str, *arguments: str, **wishes: Any) -> subprocess.Popen[Any]:
        """Start a command; it is ended with the network at the latest."""
        process = subprocess.Popen(self.command(where, *arguments), start_new_session=True, **wishes)
        self._started.append(process)
        return process

    def end(self, process: subprocess.Popen[Any], patience: float = 5) -> None:
        """End a process that was started here, and what it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                try:
                    os.killpg(process.pid, number)
                    process.wait(patience)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        if process in self._started:
            self._started.remove(process)

    def close(self) -> None:
        """End every process and remove everything."""
        for process in list(self._started):
            self.end(process, 2)
        for where in ("client", "firewall", "server"):
            _remove(self.namespace(where))


def python(script: str, *arguments: str) -> list[str]:
    """A script of this folder, with the interpreter that runs the tests."""
    return [sys.executable, "-W", "ignore", str(HERE / script), *arguments]


def rpcdiag(*arguments: str) -> list[str]:
    """The program under test."""
    return [sys.executable, "-m", "rpcdiag", *arguments]


def until(what: str, true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until it is true, a bounded time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _names() -> Sequence[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def _remove(name: str) -> None:
    """A namespace of ours, and whatever still runs in it: nothing else can."""
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    for pid in listed.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    shutil.rmtree(_NETNS / name, ignore_errors=True)
    with suppress(OSError):
        _NETNS.rmdir()  # where nobody else has any


def _remove_stale() -> None:
    """Those that a run left behind that was killed."""
    for name in _names():
        found = re.fullmatch(rf"{_PREFIX}-(\d+)-.*", name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _remove(name)
