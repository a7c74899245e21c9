"""How `live` begins, keeps, loses, stops and gives up its rights, on real interfaces."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Lab
from tests.lab.network import CLIENT, SAMBA, python, rpcdiag, until
from tests.lab.watching import packets

pytestmark = pytest.mark.lab
NOBODY = 65534


def _readable_by_others(path: Path) -> bool:
    """Whether tshark and we both read it to its end."""
    if shutil.which("tshark") is not None:
        done = subprocess.run(["tshark", "-n", "-r", str(path)], capture_output=True, text=True, check=False)
        assert "cut short" not in done.stderr
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == len(packets(path))
    return True


def _send(lab: Lab, count: int, *, size: int = 56) -> None:
    lab.network.run("client", *python("datagrams.py", str(count), str(size), "2"))


def _flood(lab: Lab, count: int, size: int) -> "subprocess.Popen[bytes]":
    return lab.network.start("client", *python("datagrams.py", str(count), str(size), "0"), stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_kept_is_whole_when_a_signal_comes(lab: Lab, tmp_path: Path, number: int) -> None:
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-i", "s0", "-w", str(kept))
    flood = _flood(lab, 1_000_000, 900)
    until("packets are kept", lambda: kept.stat().st_size > 200_000)
    assert watch.stop(number) == 130
    lab.network.end(flood)
    assert len(packets(kept)) > 100
    assert _readable_by_others(kept)
    assert lab.analyze(kept)["captures"][0]["cut_short"] is False


def test_a_file_that_was_written_until_the_program_was_killed_is_whole(lab: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-w", str(kept))
    _send(lab, 50)
    until("packets are kept", lambda: len(packets(kept)) >= 50)
    watch.process.kill()
    watch.wait()
    assert len(packets(kept)) >= 50
    assert _readable_by_others(kept)


def test_so_many_packets_and_not_one_more(lab: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "-c", "37", "-w", str(kept), "-f", "udp")
    _send(lab, 100)
    assert watch.wait() == 0
    assert watch.event("end")[1]["packets"] == 37
    assert len(packets(kept)) == 37
    assert _readable_by_others(kept)


def test_a_ring_of_files_and_its_end(lab: Lab, tmp_path: Path) -> None:
    watch = lab.watch(
        "firewall", "-i", "c0", "-f", "udp", "-w", str(tmp_path / "ring.pcapng"), "-b", "packets:20", "-b", "files:3",
        "-a", "packets:130",
    )  # fmt: skip
    _send(lab, 150)
    assert watch.wait() == 0
    files = sorted(tmp_path.iterdir())
    assert [path.name[:10] for path in files] == ["ring_00005", "ring_00006", "ring_00007"]
    assert [len(packets(path)) for path in files] == [20, 20, 10]


def test_it_ends_after_so_many_seconds(lab: Lab) -> None:
    watch = lab.watch("client", "-i", "any", "-a", "duration:1")
    assert watch.wait() == 0
    assert watch.event("end")[1]["interrupted"] is False


def test_any_names_the_interfaces(lab: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "any", "-w", str(kept))
    assert "ncacn_ip_tcp" in lab.does("map", SAMBA, "netlogon")
    watch.event("turn", state="referred")
    watch.event("turn", state="connected")
    watch.stop()
    document = lab.analyze(kept)
    assert len({flow["interface"] for flow in document["flows"]}) == 2


def test_an_interface_that_goes_down_and_comes_back(lab: Lab) -> None:
    watch = lab.watch("firewall", "-i", "c0")
    lab.network.run("firewall", "ip", "link", "set", "c0", "down")
    try:
        assert "c0: the interface went down" in watch.error("went down")
    finally:
        lab.network.run("firewall", "ip", "link", "set", "c0", "up")
    watch.error("c0: the interface is back")
    assert "ncacn_ip_tcp" in lab.does("map", SAMBA, "netlogon")
    watch.event("turn", state="referred")
    assert watch.stop() == 130


def test_a_full_disk_ends_the_writing_and_not_the_watching(lab: Lab, tmp_path: Path) -> None:
    small, copy = tmp_path / "small", tmp_path / "copy.pcapng"
    small.mkdir()
    lab.firewall.load(dynamic="reset")
    prefix = (
        "sh", "-c", f'mount -t tmpfs -o size=64k none {small} && "$@"; code=$?; cp {small}/kept.pcapng {copy}; exit $code',
        "sh",
    )  # fmt: skip
    watch = lab.watch(
        "firewall", "-i", "c0", "-w", f"{small}/kept.pcapng", "-a", "duration:4", "--fail-on", "never", prefix=prefix
    )
    _send(lab, 60, size=1400)
    assert "No space left on device: nothing more is written, the analysis goes on" in watch.error("No space left")
    lab.client("map", SAMBA, "netlogon")
    watch.finding("dynamic-port-rejected")
    assert watch.wait() == 0
    assert 0 < len(packets(copy)) < 120
    assert _readable_by_others(copy)
    assert len([line for line in watch.errors if "No space left" in line]) == 1


def test_what_the_kernel_drops_is_counted(lab: Lab) -> None:
    watch = lab.watch("firewall", "-i", "c0")
    watch.process.send_signal(signal.SIGSTOP)
    _flood(lab, 30_000, 1400).wait(60)
    watch.process.send_signal(signal.SIGCONT)
    watch.error("for want of room")
    watch.event("stats")
    watch.stop()
    lost = [event["interfaces"]["c0"] for _, event in watch.events if event["event_type"] == "stats"][-1]
    assert lost["dropped"] > 0
    assert lost["seen"] > lost["dropped"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can write to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_rights_are_given_up_and_it_still_sees(lab: Lab, open_folder: Path) -> None:
    lab.firewall.load(dynamic="reset")
    kept = open_folder / "kept.pcapng"
    watch = lab.watch("firewall", "-i", "c0", "--user", "nobody", "-w", str(kept))
    status = Path(f"/proc/{watch.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(NOBODY)] * 4
    assert set(fields["Gid"].split()) == {fields["Gid"].split()[0]} != {"0"}
    assert not fields["Groups"].strip()
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    lab.client("map", SAMBA, "netlogon")
    watch.finding("dynamic-port-rejected")
    assert watch.stop() == 130
    assert watch.event("end")[1]["findings"][0]["rule"] == "dynamic-port-rejected"
    assert kept.stat().st_uid == NOBODY
    assert _readable_by_others(kept)
    assert not [line for line in watch.errors if "Traceback" in line]


def test_without_the_right_the_command_is_said(lab: Lab) -> None:
    done = lab.network.run(
        "client",
        "setpriv",
        "--bounding-set",
        "-net_raw",
        *rpcdiag("live", "-i", "eth0", "-f", "tcp port 135"),
        check=False,
    )
    assert done.returncode == 4
    assert "no right to capture on eth0: sudo rpcdiag live -i eth0 -f 'tcp port 135'" in done.stderr


def test_the_summing_up_says_what_analyze_says(lab: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    process = lab.network.start(
        "firewall", *rpcdiag("live", "-i", "c0", "-T", "json", "-w", str(kept), "-a", "duration:6"),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    until("it watches", kept.exists)
    lab.firewall.load(dynamic="reset")
    lab.does("map", SAMBA, "netlogon")
    said, _ = process.communicate(timeout=30)
    lab.network.end(process)
    ours, theirs = json.loads(said), lab.analyze(kept)
    assert [one["summary"] for one in ours["findings"]] == [one["summary"] for one in theirs["findings"]]
    assert [flow["outcome"] for flow in ours["flows"]] == [flow["outcome"] for flow in theirs["flows"]]
    assert ours["findings"][0]["client"] == CLIENT
