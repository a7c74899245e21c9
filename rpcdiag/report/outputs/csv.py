"""Comma-separated values (RFC 4180, UTF-8): `-o FOLDER` gets one file a table; without a folder, the findings alone.

The files are those of the tables (`docs/outputs/tables.md`): `flows.csv`, `referrals.csv`, `endpoints.csv`,
`log_matches.csv`, `findings.csv`, `evidence.csv`, `captures.csv`, `logs.csv`, `flow_groups.csv`. Every flow is listed, also
where many are alike. Lists stand in one cell, with semicolons between. A cell that a spreadsheet would take for a formula
has an apostrophe before it; so has text behind a semicolon, which begins a cell where the comma is for decimals. `--bom`
begins every file with a byte-order mark, which Excel needs to read UTF-8.

    rpcdiag analyze capture.pcapng --log pfirewall.log -T csv -o report
"""

from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.output import Options, Output
from rpcdiag.report.rows import rows
from rpcdiag.report.sheet import lines
from rpcdiag.report.tables import FINDINGS, TABLES, Table


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The findings."""
    return _sheet(FINDINGS, diagnosis, options)


def files(diagnosis: Diagnosis, options: Options) -> Iterator[tuple[str, Iterator[str]]]:
    """All tables."""
    for table in TABLES:
        yield f"{table.name}.csv", _sheet(table, diagnosis, options)


def _sheet(table: Table, diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    return lines([column.name for column in table.columns], rows(diagnosis, table), bom=options.bom)


OUTPUT = Output("csv", "tables of flows, referrals, log rows and findings, for spreadsheets", render, files)
