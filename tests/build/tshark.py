"""Another dissector's reading of a capture, where it is installed: it proves the builders."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

TSHARK = shutil.which("tshark")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
ERROR, MALFORMED = str(0x0080_0000), str(0x0700_0000)  # severity and group of an expert's remark
REMARKS = ("frame.number", "_ws.malformed", "_ws.unreassembled", "_ws.expert.severity", "_ws.expert.group")


class Reading(NamedTuple):
    """What it saw: the values of the fields asked for, in order, and the numbers of the frames that it calls broken."""

    values: dict[str, list[str]]
    broken: list[str]


def read(capture: bytes, folder: Path, *fields: str) -> Reading:
    """Every value of every field, frame after frame."""
    path = folder / "capture.pcap"
    path.write_bytes(capture)
    return read_file(path, *fields)


def read_file(path: Path, *fields: str) -> Reading:
    """The same of a capture that is a file already."""
    # a connectionless request of whole 16 bytes without flags passes for WireGuard
    command = [TSHARK or "tshark", "-n", "--disable-protocol", "wg", "-r", str(path), "-T", "fields"]
    command += ["-E", "occurrence=a", "-E", "aggregator=;"]
    command += [argument for field in (*REMARKS, *fields) for argument in ("-e", field)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    values: dict[str, list[str]] = {field: [] for field in fields}
    broken = []
    for line in run.stdout.splitlines():
        number, malformed, unreassembled, severity, group, *texts = line.split("\t")
        if malformed or unreassembled or ERROR in severity.split(";") or MALFORMED in group.split(";"):
            broken.append(number)
        for field, text in zip(fields, texts, strict=True):
            values[field] += text.split(";") if text else []
    return Reading(values, broken)
