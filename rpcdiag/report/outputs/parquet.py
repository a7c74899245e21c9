"""Parquet: `-o FOLDER` gets one file a table, for `rpcdiag query`, DuckDB, pandas and all that read it.

The tables and columns are those of `rpcdiag schema tables` (`docs/outputs/tables.md`); what a column means also stands in its
metadata. Every flow is listed, also where many are alike. Rows are written ten thousand at a time. Needs `pip install 'rpcdiag[data]'`.

    rpcdiag analyze capture.pcapng --log pfirewall.log -T parquet -o report
    rpcdiag query "SELECT server, outcome, count(*) FROM flows GROUP BY ALL" report
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rpcdiag.analysis import Diagnosis
from rpcdiag.errors import InputError
from rpcdiag.report import arrow
from rpcdiag.report.output import Options, Output
from rpcdiag.report.rows import all_rows
from rpcdiag.report.tables import TABLES, Row

ROWS_AT_A_TIME = 10_000


def check() -> None:
    """Raises:
    MissingPiece: pyarrow is not installed.
    """
    arrow.need("pyarrow", "-T parquet")


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """Never text.

    Raises:
        InputError: always.
    """
    raise InputError("-T parquet", "writes several files: name the folder for them")


def save(diagnosis: Diagnosis, options: Options, folder: Path) -> None:
    """Write the tables into `folder`.

    Raises:
        OSError: a file cannot be written.
    """
    from pyarrow import parquet

    with ExitStack() as stack:
        writers = {
            table.name: stack.enter_context(
                parquet.ParquetWriter(folder / f"{table.name}.parquet", arrow.schema(table), compression="zstd")
            )
            for table in TABLES
        }
        held: dict[str, list[Row]] = {table.name: [] for table in TABLES}
        for table, row in all_rows(diagnosis):
            waiting = held[table.name]
            waiting.append(row)
            if len(waiting) == ROWS_AT_A_TIME:
                writers[table.name].write_table(arrow.batch(table, waiting))
                waiting.clear()
        for table in TABLES:
            writers[table.name].write_table(arrow.batch(table, held[table.name]))


OUTPUT = Output("parquet", "the same tables in columns, for queries", render, save=save, check=check)
