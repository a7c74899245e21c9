"""A Samba domain controller that runs nothing but RPC: its endpoint mapper hands out real dynamic ports."""

import subprocess
from pathlib import Path
from typing import Any

from tests.lab.network import SAMBA, LabError, Network, until

USER, PASSWORD, DOMAIN = "Administrator", "Lab-Admin1!", "LAB"
_CONFIG = """\
[global]
netbios name = DC1
workgroup = LAB
realm = LAB.EXAMPLE
server role = active directory domain controller
server services = rpc
private dir = {folder}/private
lock directory = {folder}
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
binddns dir = {folder}/bind-dns
log file = {folder}/log/%m.log
interfaces = {address}/24 127.0.0.1/8
bind interfaces only = yes
disable netbios = yes
load printers = no
printing = bsd
printcap name = /dev/null
[sysvol]
path = {folder}/state/sysvol
read only = No
"""


def provision(network: Network, folder: Path) -> None:
    """Make a new domain in `folder`; some seconds, no network."""
    done = network.run(
        "server", "unshare", "--uts", "sh", "-c", 'hostname dc1; exec "$@"', "sh",
        "samba-tool", "domain", "provision", f"--targetdir={folder}", "--realm=LAB.EXAMPLE", f"--domain={DOMAIN}",
        "--host-name=dc1", f"--host-ip={SAMBA}", "--server-role=dc", "--dns-backend=NONE", f"--adminpass={PASSWORD}",
        "--krbtgtpass=Krb-Lab-Pass-1", "--machinepass=Machine-Lab-Pass-1", "-d0",
        check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"samba-tool domain provision: {done.stderr.strip()[-500:]}")
    for name in ("log", "pid", "ncalrpc"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "lab.conf").write_text(_CONFIG.format(folder=folder, address=SAMBA))


def start(network: Network, folder: Path) -> subprocess.Popen[Any]:
    """Run it; returns when its mapper listens."""
    process = network.start(
        "server", "unshare", "--uts", "sh", "-c", 'hostname dc1; exec "$@"', "sh",
        "samba", "-i", "--no-process-group", "-s", str(folder / "lab.conf"), "-M", "single",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until("Samba listens on port 135", lambda: listens(network, SAMBA, 135), 30)
    return process


def listens(network: Network, address: str, port: int) -> bool:
    """Whether something in the server's namespace listens there."""
    number = ".".join(address.split(".")[::-1])
    wanted = "".join(f"{int(part):02X}" for part in number.split(".")) + f":{port:04X} 00000000:0000 0A"
    return wanted in network.run("server", "cat", "/proc/net/tcp").stdout
