"""`rpcdiag query`: SQL over the tables of reports, by DuckDB; it reads them and can do nothing else."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from rpcdiag.errors import CorruptInput, InputError, UnknownFormat
from rpcdiag.report import arrow, sheet
from rpcdiag.report.names import clean
from rpcdiag.report.schema import RECORDS
from rpcdiag.report.tables import TABLES, Row, table

MAX_ROWS = 1000
MAX_WIDTH = 60  # of a column in text
_BATCH = 10_000
_FIELD_OF = {record: field for field, record in RECORDS.items()}
_LOCKED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "2GB",
    "temp_directory": "",  # nothing is written, not even what does not fit
    "threads": "2",
}


def query(
    sql: str, paths: Sequence[str], complain: Callable[[object], None], *, output: str, limit: int
) -> Iterator[str]:
    """The lines of the answer; `complain` is told where there are more rows than `limit`.

    Raises:
        InputError: a file cannot be read, or the statement is none that may be run.
        MissingPiece: DuckDB or pyarrow is not installed.
    """
    arrow.need("duckdb", "query")
    arrow.need("pyarrow", "query")
    import duckdb

    tables = _tables(paths)
    connection = duckdb.connect(":memory:", config=_LOCKED)
    try:
        for name, data in tables.items():
            connection.register(name, data)
        connection.execute("SET lock_configuration = true")
        _only_asks(connection, sql)
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise InputError("query", _first_lines(error)) from None
    finally:
        connection.close()
    if len(rows) > limit:
        complain(f"only the first {limit} rows are shown: --rows says how many")
    return _written(names, rows[:limit], output, cut=len(rows) > limit)


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def _only_asks(connection: Any, sql: str) -> None:  # noqa: ANN401  a duckdb connection; duckdb is optional
    """Raises:
    InputError: it is not one statement that only reads.
    """
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise InputError("query", f"one statement is wanted, these are {len(statements)}")
    if statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise InputError("query", "only SELECT and its kin are run: tables are read, nothing is changed")


def _tables(paths: Sequence[str]) -> dict[str, Any]:
    """Every table, of all files together, with the file as its last column.

    Raises:
        InputError: a file cannot be read.
    """
    import pyarrow as pa

    found: dict[str, list[Any]] = {one.name: [] for one in TABLES}
    for path in paths:
        for name, data in _read(path):
            column = pa.array([clean(path)] * data.num_rows, pa.string())
            found[name].append(data.append_column("file", column))
    empty = {one.name: arrow.batch(one, ()).append_column("file", pa.array([], pa.string())) for one in TABLES}
    return {name: pa.concat_tables(parts) if parts else empty[name] for name, parts in found.items()}


def _read(path: str) -> Iterator[tuple[str, Any]]:
    """Tables of one folder or file."""
    try:
        if os.path.isdir(path):
            files = [file for file in sorted(Path(path).glob("*.parquet")) if table(file.stem) is not None]
            if not files:
                raise InputError(path, "no table of a report is in this folder: -T parquet -o makes one")
            for file in files:
                yield file.stem, _parquet(file)
            return
        with open(path, "rb") as stream:
            head = stream.read(4)
        if head == b"PAR1":
            if table(Path(path).stem) is None:
                raise InputError(path, f"a table is called as its file: {', '.join(one.name for one in TABLES)}")
            yield Path(path).stem, _parquet(Path(path))
        elif head[:1] == b"{":
            yield from _json(path)
        else:
            reasons = ("not Parquet: no PAR1 at its beginning", "not JSON: no { at its beginning")
            raise UnknownFormat(path, reasons)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from None


def _parquet(path: Path) -> Any:  # noqa: ANN401  a pyarrow.Table
    """The table in a file, with the columns that it must have.

    Raises:
        CorruptInput: it has others.
    """
    import pyarrow as pa
    from pyarrow import parquet

    known = table(path.stem)
    if known is None:
        raise CorruptInput(str(path), "no table of a report")
    try:
        read = parquet.read_table(path, partitioning=None)
        return read.select([one.name for one in known.columns]).cast(arrow.schema(known))
    except (pa.ArrowException, KeyError) as error:
        raise CorruptInput(str(path), f"no table of a report: {_first_lines(error)}") from None


def _json(path: str) -> Iterator[tuple[str, Any]]:
    """Tables of a JSON document, or of NDJSON.

    Raises:
        CorruptInput: it is neither.
    """
    held: dict[str, list[Row]] = {one.name: [] for one in TABLES}
    count = 0
    for field, record in _records(path):
        count += 1
        for one in TABLES:
            if one.field == field:
                held[one.name] += one.rows(record)
                if len(held[one.name]) >= _BATCH:
                    yield one.name, arrow.batch(one, held[one.name])
                    held[one.name].clear()
    if not count:
        raise CorruptInput(path, "no document of rpcdiag: no captures in it")
    for one in TABLES:
        yield one.name, arrow.batch(one, held[one.name])


def _records(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Field and element; line by line where every line is an object."""
    try:
        with open(path, encoding="utf-8") as stream:
            first = stream.readline()
            if first.startswith('{"record"'):
                for line in chain([first], stream):
                    record = json.loads(line)
                    if isinstance(record, dict) and record.get("record") in _FIELD_OF:
                        yield _FIELD_OF[record["record"]], record
                return
            document = json.loads(first + stream.read())
    except (ValueError, RecursionError) as error:
        raise CorruptInput(path, f"no JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("captures"), list):
        raise CorruptInput(path, "no document of rpcdiag: no captures in it")
    for field in dict.fromkeys(one.field for one in TABLES):
        elements = document.get(field)
        for element in elements if isinstance(elements, list) else ():
            if isinstance(element, dict):
                yield field, element


def _written(names: list[str], rows: list[tuple[Any, ...]], output: str, *, cut: bool) -> Iterator[str]:
    if output == "csv":
        return sheet.lines(names, rows)
    if output == "json":
        return _as_json(names, rows, cut=cut)
    return _as_text(names, rows)


def _as_json(names: list[str], rows: list[tuple[Any, ...]], *, cut: bool) -> Iterator[str]:
    """One object; a row is a list, because two columns may have one name."""
    columns = json.dumps(names)
    yield f'{{"schema_version": 1, "columns": {columns}, "cut": {json.dumps(cut)}, "rows": ['
    for number, row in enumerate(rows, start=1):
        yield json.dumps([_plain(value) for value in row]) + ("," if number < len(rows) else "")
    yield "]}"


def _plain(value: Any) -> Any:  # noqa: ANN401  whatever SQL makes
    """The value as JSON has it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return str(value)


def _as_text(names: list[str], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """Columns as wide as they need to be; numbers to the right."""
    cells = [[_shown(value) for value in row] for row in rows]
    heads = [_bounded(name) for name in names]
    widths = [max([len(head), *(len(row[place]) for row in cells)]) for place, head in enumerate(heads)]
    right = [
        bool(rows) and all(row[place] is None or _is_number(row[place]) for row in rows) for place in range(len(names))
    ]
    yield _aligned(heads, widths, right)
    yield "  ".join("-" * width for width in widths)
    for row in cells:
        yield _aligned(row, widths, right)
    yield f"{len(rows)} row{'' if len(rows) == 1 else 's'}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _aligned(cells: Iterable[str], widths: list[int], right: list[bool]) -> str:
    put = (
        one.rjust(width) if to_right else one.ljust(width)
        for one, width, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(put).rstrip()


def _shown(value: Any) -> str:  # noqa: ANN401  whatever SQL makes
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return _bounded(", ".join(_shown(one) for one in value))
    return _bounded(str(value))


def _bounded(text: str) -> str:
    text = clean(text)
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 3] + "..."
