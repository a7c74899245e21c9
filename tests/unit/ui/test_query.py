"""SQL over reports: the same answer from every form of them, and nothing but answers."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rpcdiag.report.document import document
from rpcdiag.report.tables import TABLES
from rpcdiag.ui.cli import main
from rpcdiag.ui.demo import diagnose

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rpcdiag[data]'")
pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'rpcdiag[data]'")

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
STORY = PCAPS / "dpm-tmg"
FLOWS = "SELECT id, server_port, outcome, interfaces FROM flows ORDER BY id"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One diagnosis in every form that can be asked."""
    folder = tmp_path_factory.mktemp("reports")
    forms = {"json": "x.json", "ndjson": "x.ndjson", "parquet": "tables"}
    for form, name in forms.items():
        arguments = [str(STORY / "capture.pcapng"), "--log", str(STORY / "tmg.log"), "-T", form]
        assert main(["analyze", *arguments, "-o", str(folder / name)]) == 1
    return {form: str(folder / name) for form, name in forms.items()}


def _asked(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    code = main(["query", *arguments])
    said = capfdbinary.readouterr()
    return code, said.out.decode(), said.err.decode()


@pytest.mark.parametrize("form", ["json", "ndjson", "parquet"])
def test_flows_are_those_of_the_document(
    reports: dict[str, str], form: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, _ = _asked(capfdbinary, FLOWS, reports[form], "-T", "json")
    flows = document(diagnose(STORY))["flows"]
    assert code == 0
    assert json.loads(out)["rows"] == [
        [
            flow["id"],
            flow["server"]["port"],
            flow["outcome"],
            [one["name"] for one in flow["interfaces"] if one["name"]],
        ]
        for flow in flows
    ]


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_every_table_is_the_same_from_every_form(
    reports: dict[str, str], table: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    said = [
        json.loads(_asked(capfdbinary, f"SELECT * EXCLUDE (file) FROM {table}", path, "-T", "json")[1])["rows"]
        for path in reports.values()
    ]
    assert said[0] == said[1] == said[2]
    if table != "flow_groups":
        assert said[0]


def test_log_rows_are_joined_with_their_flows(
    reports: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    sql = "SELECT m.line, f.server_port FROM log_matches m JOIN flows f ON m.flow = f.id WHERE m.line = 5"
    assert json.loads(_asked(capfdbinary, sql, reports["parquet"], "-T", "json")[1])["rows"] == [[5, 135]]


def test_several_files_are_one_table_that_says_which(
    reports: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    sql = "SELECT file, count(*) FROM findings GROUP BY file ORDER BY file"
    rows = json.loads(_asked(capfdbinary, sql, *reports.values(), "-T", "json")[1])["rows"]
    assert rows == [[path, 5] for path in sorted(reports.values())]


def test_text_and_csv(reports: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sql = "SELECT id, '=1+1' AS formula, NULL AS nothing, 7 AS number FROM flows ORDER BY id"
    _, out, _ = _asked(capfdbinary, sql, reports["json"], "-T", "csv")
    head, first, *_ = csv.reader(io.StringIO(out, newline=""), strict=True)
    assert head == ["id", "formula", "nothing", "number"]
    assert first == ["f1", "'=1+1", "", "7"]
    _, out, _ = _asked(capfdbinary, "SELECT chr(27) || 'x' AS a, 12 AS long_name, true AS t", reports["json"])
    assert out.splitlines() == ["a      long_name  t", "-----  ---------  ---", "\\x1bx         12  yes", "1 row"]


def test_rows_are_bounded_and_that_is_said(reports: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _, out, err = _asked(capfdbinary, "SELECT * FROM range(5000) t(n)", reports["json"], "-T", "json")
    assert (len(json.loads(out)["rows"]), json.loads(out)["cut"]) == (1000, True)
    assert "only the first 1000 rows" in err
    _, out, err = _asked(capfdbinary, "SELECT * FROM range(5) t(n)", reports["json"], "-T", "json", "--rows", "5")
    assert (len(json.loads(out)["rows"]), json.loads(out)["cut"], err) == (5, False, "")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled"),
        ("SELECT * FROM '/etc/passwd'", "does not exist"),
        ("SELECT * FROM read_text('/etc/passwd')", "disabled"),
        ("SELECT * FROM glob('/*')", "disabled"),
        ("SELECT getenv('HOME')", "getenv"),
        ("COPY flows TO 'out.csv'", "only SELECT"),
        ("ATTACH 'out.db'", "only SELECT"),
        ("INSTALL httpfs", "only SELECT"),
        ("SET enable_external_access = true", "only SELECT"),
        ("PRAGMA enable_profiling", "only SELECT"),
        ("DROP VIEW flows", "only SELECT"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("", "one statement"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM sys", "does not exist"),
        ("SELECT nothing FROM flows", "nothing"),
    ],
)
def test_nothing_is_reached_or_changed(
    reports: dict[str, str], sql: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, err = _asked(capfdbinary, sql, reports["json"])
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.json", b"{", "no JSON"),
        ("x.json", b'{"captures": 3}', "no document of rpcdiag"),
        ("x.json", b"[" * 100_000, "unknown format"),
        ("x.json", b'{"a": ' * 100_000, "no JSON"),
        ("x.json", b'{"record": "flow"}\n{', "no JSON"),
        ("x.json", b'{"record": "other"}\n', "no document of rpcdiag"),
        ("x.txt", b"text", "unknown format"),
        ("flows.parquet", b"PAR1 and nothing", "no table of a report"),
        ("other.parquet", b"PAR1", "a table is called as its file"),
        ("x.json", b"", "unknown format"),
    ],
)
def test_what_is_no_report_is_told(
    tmp_path: Path, name: str, data: bytes, says: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / name).write_bytes(data)
    code, out, err = _asked(capfdbinary, "SELECT 1", str(tmp_path / name))
    assert (code, out) == (2, "")
    assert says in err
    for path in (str(tmp_path / "absent"), str(tmp_path)):
        if path != str(tmp_path) or not name.startswith("flows"):
            assert _asked(capfdbinary, "SELECT 1", path)[0] == 2


def test_a_parquet_file_with_other_columns_is_told(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"id": [1]}), tmp_path / "flows.parquet")
    code, _, err = _asked(capfdbinary, "SELECT 1", str(tmp_path))
    assert code == 2
    assert "no table of a report" in err


def test_parquet_says_what_its_columns_mean(reports: dict[str, str]) -> None:
    from pyarrow import parquet

    for table in TABLES:
        schema = parquet.read_schema(Path(reports["parquet"]) / f"{table.name}.parquet")
        assert schema.names == [column.name for column in table.columns]
        for column in table.columns:
            assert schema.field(column.name).metadata[b"description"] == column.says.encode()


def test_parquet_needs_a_folder(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["analyze", str(STORY / "capture.pcapng"), "-T", "parquet"]) == 2
    assert b"name the folder" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["analyze", str(STORY / "capture.pcapng"), "-T", "parquet", "-o", "x"], ["query", "SELECT 1", "x"]]
)
def test_what_is_missing_is_said(arguments: list[str], tmp_path: Path) -> None:
    """Without the packages: exit 4, before any capture is read."""
    script = (
        "import importlib.util as u, sys\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name in ('pyarrow', 'duckdb') else found(name, *rest)\n"
        "from rpcdiag.ui.cli import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{script}", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 4
    assert "pip install 'rpcdiag[data]'" in done.stderr
    assert not done.stdout
    assert not list(tmp_path.iterdir())
