"""Rows of the tables out of a diagnosis, as they are made."""

import json
from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.document import parts
from rpcdiag.report.tables import TABLES, Row, Table


def rows(diagnosis: Diagnosis, table: Table) -> Iterator[Row]:
    """Those of one table; every flow is listed."""
    for part in parts(diagnosis, all_flows=True):
        if part.name == table.field:
            for element in part.elements:
                yield from table.rows(json.loads(element))


def all_rows(diagnosis: Diagnosis) -> Iterator[tuple[Table, Row]]:
    """Those of all tables in one go."""
    for part in parts(diagnosis, all_flows=True):
        tables = [table for table in TABLES if table.field == part.name]
        for element in part.elements if tables else ():
            record = json.loads(element)
            for table in tables:
                for row in table.rows(record):
                    yield table, row
