"""Tables as Arrow's: for Parquet, for queries, and for notebooks. pyarrow is loaded here and nowhere else."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from rpcdiag.errors import MissingPiece
from rpcdiag.report.tables import Kind, Row, Table

EXTRA = "pip install 'rpcdiag[data]'"


def need(package: str, what: str) -> None:
    """Raises:
    MissingPiece: the package is not installed.
    """
    if find_spec(package) is None:
        raise MissingPiece(f"{what} needs the package {package}, which is not installed", EXTRA)


def schema(table: Table) -> Any:  # noqa: ANN401  a pyarrow.Schema; pyarrow is optional
    """The columns with their types; what they mean stands in their metadata."""
    import pyarrow as pa

    types = {
        Kind.TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.INTEGERS: pa.list_(pa.int64()),
    }
    fields = [pa.field(one.name, types[one.kind], metadata={"description": one.says}) for one in table.columns]
    return pa.schema(fields, metadata={"description": table.says, "rpcdiag.schema_version": "1"})


def batch(table: Table, rows: Iterable[Row]) -> Any:  # noqa: ANN401  a pyarrow.Table
    """Rows as an Arrow table."""
    import pyarrow as pa

    held = list(rows)
    columns = zip(*held, strict=True) if held else ([] for _ in table.columns)
    wanted = schema(table)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, wanted, strict=True)]
    return pa.Table.from_arrays(arrays, schema=wanted)
