"""A report to where it is wanted."""

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what only writes lines starts quickly
    from rpcdiag.analysis import Diagnosis
    from rpcdiag.report.output import Output

CHUNK = 65536  # characters that are written at a time


def show(
    diagnosis: "Diagnosis", output: str, file: str | None, color: str, *, all_flows: bool = False,
    engine: str = "auto", bom: bool = False,
) -> None:  # fmt: skip
    """Render and write the report; an output of several files makes them in the folder `file`.

    Raises:
        OSError: `file` cannot be written.
        InputError: a capture cannot be read again, where the output needs that.
    """
    from rpcdiag.report.output import Options

    chosen: Output = import_module(f"rpcdiag.report.outputs.{output.replace('-', '_')}").OUTPUT
    wanted, width = look(file, color)
    options = Options(color=wanted, width=width, all_flows=all_flows, engine=engine, bom=bom)
    if (chosen.files is None and chosen.save is None) or file is None or file == "-":
        write(chosen.render(diagnosis, options), file)
        return
    from pathlib import Path  # most runs need none

    folder = Path(file)
    folder.mkdir(parents=True, exist_ok=True)
    if chosen.save is not None:
        chosen.save(diagnosis, options, folder)
    elif chosen.files is not None:
        for name, lines in chosen.files(diagnosis, options):
            write(lines, str(folder / name))


def look(file: str | None, color: str) -> tuple[bool, int]:
    """Whether in colour, and how wide."""
    import shutil

    terminal = file is None and sys.stdout.isatty()
    wanted = color == "always" or (color == "auto" and terminal and not os.environ.get("NO_COLOR"))
    return wanted, min(100, max(60, shutil.get_terminal_size((80, 24)).columns)) if terminal else 80


def write(lines: Iterable[str], file: str | None) -> None:
    """Lines to a file, or to standard output."""
    if file is None or file == "-":
        sys.stdout.buffer.writelines(_chunks(lines))
        sys.stdout.buffer.flush()
        return
    with open(file, "wb") as stream:
        stream.writelines(_chunks(lines))


def _chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """The encoded lines, many at a time."""
    gathered: list[str] = []
    size = 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= CHUNK:
            yield _encoded(gathered)
            gathered.clear()
            size = 0
    if gathered:
        yield _encoded(gathered)


def _encoded(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
