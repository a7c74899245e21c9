"""A report to where it is wanted."""

import os
import shutil
import sys
from collections.abc import Iterable
from importlib import import_module

from rpcdiag.analysis import Diagnosis
from rpcdiag.report.output import Options, Output


def show(diagnosis: Diagnosis, output: str, file: str | None, color: str, *, all_flows: bool = False) -> None:
    """Render and write the report.

    Raises:
        OSError: `file` cannot be written.
    """
    chosen: Output = import_module(f"rpcdiag.report.outputs.{output}").OUTPUT
    terminal = file is None and sys.stdout.isatty()
    wanted = color == "always" or (color == "auto" and terminal and not os.environ.get("NO_COLOR"))
    width = min(100, max(60, shutil.get_terminal_size((80, 24)).columns)) if terminal else 80
    write(chosen.render(diagnosis, Options(color=wanted, width=width, all_flows=all_flows)), file)


def write(lines: Iterable[str], file: str | None) -> None:
    """Lines to a file, or to standard output."""
    if file is None or file == "-":
        sys.stdout.buffer.writelines(f"{line}\n".encode("utf-8", "backslashreplace") for line in lines)
        sys.stdout.buffer.flush()
        return
    with open(file, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)
