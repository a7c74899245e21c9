"""The firewall in the middle: nftables with its own log through ulogd, and a filter that reads RPC."""

import re
import subprocess
from pathlib import Path
from typing import Any, Literal

from tests.lab.network import LabError, Network, python, until

Verdict = Literal["accept", "drop", "reset", "admin-prohibited", "port-unreachable"]
_GROUP = 5
_ULOGD = """\
[global]
logfile="{folder}/ulogd.log"
loglevel=3
{plugins}
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,print1:PRINTPKT,emu1:LOGEMU
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,mac1:HWHDR,json1:JSON
[log1]
group={group}
[emu1]
file="{folder}/firewall.log"
sync=1
[json1]
file="{folder}/firewall.jsonl"
sync=1
device="fw1"
"""
_PLUGINS = (
    "inppkt_NFLOG", "raw2packet_BASE", "filter_IFINDEX", "filter_IP2STR", "filter_HWHDR", "filter_PRINTPKT",
    "output_LOGEMU", "output_JSON",
)  # fmt: skip


class Firewall:
    """Rules of the lab's firewall; every decision on a new connection is logged, as text and as JSON."""

    def __init__(self, network: Network, folder: Path) -> None:
        self._network, self.folder = network, folder
        self.text, self.json = folder / "firewall.log", folder / "firewall.jsonl"
        self._filter: subprocess.Popen[Any] | None = None
        self.load()
        found = sorted(Path("/usr/lib").glob("*/ulogd/ulogd_output_LOGEMU.so"))
        if not found:
            raise LabError("ulogd has no LOGEMU plugin")
        plugins = [found[0].parent / f"ulogd_{name}.so" for name in _PLUGINS]
        with_json = plugins[-1].exists()
        config = _ULOGD.format(
            folder=folder, group=_GROUP, plugins="\n".join(f'plugin="{one}"' for one in plugins if one.exists())
        )
        if not with_json:
            config = re.sub(r"(?m)^stack=.*JSON\n", "", config)
        (folder / "ulogd.conf").write_text(config)
        # LOGEMU writes the name of the host
        self._logger = network.start(
            "firewall", "unshare", "--uts", "sh", "-c", f"hostname fw1; exec ulogd -c {folder}/ulogd.conf",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until("ulogd opens its log", self.text.exists)
        until("ulogd listens", self._listens)

    def _listens(self) -> bool:
        bound = self._network.run("firewall", "cat", "/proc/net/netfilter/nfnetlink_log", check=False).stdout
        return bool(re.search(rf"(?m)^ *{_GROUP} ", bound))

    def load(
        self, *, mapper: Verdict = "accept", dynamic: Verdict = "accept", back: Verdict = "accept",
        dynamic_ports: str = "49152-65535",
    ) -> None:  # fmt: skip
        """What becomes of new connections to port 135, to dynamic ports, and from the server to the client."""
        rules = f"""
flush ruleset
table ip lab {{
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "c0" tcp dport {{ 135, 593 }} ct state new {_action("EPM", mapper)}
    iifname "c0" tcp dport {{ {dynamic_ports} }} ct state new {_action("DYN", dynamic)}
    iifname "c0" tcp dport 49152-65535 ct state new accept
    iifname "s0" tcp dport 1-65535 ct state new {_action("BACK", back)}
    {_log("DEFAULT-DROP")} drop
  }}
}}
"""
        self._network.run("firewall", "nft", "-f", "-", text=rules)

    def read_rpc(self, log: Path) -> None:
        """From now on, binds on port 135 to interfaces other than the mapper's never arrive."""
        self._network.run(
            "firewall", "iptables", "-I", "FORWARD", "-i", "c0", "-p", "tcp", "--dport", "135",
            "-j", "NFQUEUE", "--queue-num", "1",
        )  # fmt: skip
        self._filter = self._network.start(
            "firewall", *python("strict_filter.py", str(log), "1"), stdout=subprocess.PIPE, text=True
        )
        if self._filter.stdout is None or self._filter.stdout.readline() != "ready\n":
            raise LabError("the filter did not start")

    def read_rpc_no_more(self) -> None:
        if self._filter is not None:
            self._network.run("firewall", "iptables", "-F", "FORWARD", check=False)
            self._network.end(self._filter)
            self._filter = None

    def lines(self) -> list[str]:
        """What was logged so far."""
        return self.text.read_text().splitlines()

    def forget(self) -> None:
        """Begin with empty logs: ulogd adds to their ends."""
        for path in (self.text, self.json):
            if path.exists():
                with open(path, "r+") as file:
                    file.truncate(0)


def _log(word: str) -> str:
    return f'log prefix "FW-{word} " group {_GROUP} queue-threshold 1'


def _action(what: str, verdict: Verdict) -> str:
    if verdict == "accept":
        return f"{_log(f'ALLOW-{what}')} accept"
    if verdict == "drop":
        return f"{_log(f'DROP-{what}')} drop"
    if verdict == "reset":
        return f"{_log(f'REJECT-{what}')} reject with tcp reset"
    return f"{_log(f'REJECT-{what}')} reject with icmp type {verdict}"
