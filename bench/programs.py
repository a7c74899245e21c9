"""The programs that are measured, and how each is asked to do its work."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from bench import peers

OURS, OURS_PYTHON, OURS_PCAPNG = "rpcdiag", "rpcdiag --engine python", "rpcdiag, pcapng"
CAT, CAPINFOS, TCPDUMP = "cat", "capinfos -c", "tcpdump -w /dev/null"
TSHARK, TSHARK_FEW, PIPE = "tshark -Y dcerpc", "tshark -Y dcerpc, few protocols", "tcpdump | tshark"
RPC_PORTS = "tcp port 135 or tcp port 139 or tcp port 445 or tcp port 593"
FIELDS = ("frame.number", "tcp.stream", "dcerpc.pkt_type", "dcerpc.cn_call_id", "dcerpc.opnum", "dcerpc.cn_status")
NEEDED = frozenset(
    [
        "frame",
        "eth",
        "ethertype",
        "vlan",
        "ip",
        "ipv6",
        "tcp",
        "tcp.segments",
        "dcerpc",
        "dcerpc_cn",
        "epm",
        "epm4",
        "isystemactivator",
        "ioxidresolver",
        "oxid",
        "remact",
        "remunk",
        "remunk2",
        "nbss",
        "smb",
        "smb2",
        "ntlmssp",
        "spnego",
        "gss-api",
        "data",
    ]
)
SLICES = {"scapy": 50_000, "pyshark": 5_000, "dpkt-reader": 50_000, "dpkt-flows": 50_000}


class Program(NamedTuple):
    """`command` makes the command line for capture files; `slice` is how many packets it is given, None for all."""

    name: str
    captures: frozenset[str]
    command: Callable[[Sequence[str]], list[str]]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    pcapng: bool = False
    slice: int | None = None
    library: str | None = None

    @property
    def missing(self) -> str | None:
        """What it needs and this machine does not have."""
        if self.library and not peers.installed(self.library):
            return self.library
        return next((tool for tool in self.needs if shutil.which(tool) is None), None)


LARGE = frozenset({"needle", "dense"})
ALL = frozenset({"needle", "needle2", "dense", "ring", "medium", "small"})
SINGLE = ALL - {"ring"}


def start() -> list[str]:
    """The installed command beside this interpreter, or the module."""
    script = Path(sys.executable).with_name("rpcdiag")
    return [str(script)] if script.exists() else [sys.executable, "-m", "rpcdiag"]


def ours() -> list[str]:
    """The whole analysis, as the document of the contract."""
    return [*start(), "analyze", "-T", "json", "--fail-on", "never"]


def _ours(*more: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda files: [*ours(), *more, *files]


def _tshark(files: Sequence[str]) -> list[str]:
    return [
        "tshark",
        "-n",
        "-r",
        files[0],
        "-Y",
        "dcerpc",
        "-T",
        "fields",
        *(word for f in FIELDS for word in ("-e", f)),
    ]


def _pipe(files: Sequence[str]) -> list[str]:
    left = shlex.join(["tcpdump", "-r", files[0], "-w", "-", RPC_PORTS])
    return ["sh", "-c", f"{left} | {shlex.join(_tshark(['-']))}"]


def _peer(name: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda files: [sys.executable, "-m", "bench.peers", name, files[0]]


def programs(scratch: Path) -> list[Program]:
    """All of them; `scratch` holds what they need to be told in files."""
    few = {"WIRESHARK_CONFIG_DIR": str(_few_protocols(scratch))} if shutil.which("tshark") else {}
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(one for one in (root, os.environ.get("PYTHONPATH")) if one)
    return [
        Program(CAT, ALL, lambda files: ["cat", *files], ("cat",)),
        Program(CAPINFOS, ALL, lambda files: ["capinfos", "-c", *files], ("capinfos",)),
        Program(OURS, ALL, _ours()),
        Program(TCPDUMP, LARGE, lambda files: ["tcpdump", "-r", files[0], "-w", "/dev/null"], ("tcpdump",)),
        Program(TSHARK, SINGLE - {"needle2"}, _tshark, ("tshark",)),
        Program(OURS_PCAPNG, LARGE, _ours(), pcapng=True),
        Program(TSHARK_FEW, LARGE, _tshark, ("tshark",), few),
        Program(PIPE, LARGE, _pipe, ("tcpdump", "tshark"), few),
        Program(OURS_PYTHON, frozenset({"needle", "medium", "small"}), _ours("--engine", "python")),
        *(
            Program(
                name, LARGE | {"small"}, _peer(name), ("tshark",) if name == "pyshark" else (), {"PYTHONPATH": path},
                slice=SLICES[name], library=name,
            )
            for name in peers.PEERS
        ),
    ]  # fmt: skip


def _few_protocols(scratch: Path) -> Path:
    """A configuration in which every protocol that RPC over TCP can do without is disabled."""
    folder = scratch / "few-protocols"
    folder.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["tshark", "-G", "protocols"], capture_output=True, text=True, check=False).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    names = [row[2] for row in rows if len(row) > 2 and row[2] not in NEEDED]
    (folder / "disabled_protos").write_text("".join(f"{name}\n" for name in names))
    return folder


def tshark_pdus(capture: Path) -> int | None:
    """How many RPC PDUs tshark finds; a frame may hold several."""
    if shutil.which("tshark") is None:
        return None
    command = ["tshark", "-n", "-r", str(capture), "-Y", "dcerpc", "-T", "fields", "-e", "dcerpc.pkt_type"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return sum(line.count(",") + 1 for line in done.stdout.splitlines() if line)


def versions() -> dict[str, str]:
    """Versions of what is installed."""
    found = {"Python": sys.version.partition(" ")[0]}
    for tool in ("tshark", "capinfos", "tcpdump"):
        if shutil.which(tool):
            done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
            first = next(iter((done.stdout + done.stderr).splitlines()), "")
            found[tool] = next((word.rstrip(".") for word in first.split() if word[:1].isdigit()), first)
    for library in ("rpcdiag", "scapy", "pyshark", "dpkt"):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
