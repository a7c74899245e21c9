"""Zeek's dce_rpc.log and conn.log, JSON lines; without a folder to write them to, dce_rpc.log alone.

The same as `-T zeek`, as Zeek writes it with `LogAscii::use_json`.

    rpcdiag analyze capture.pcapng -T zeek-json -o logs
"""

from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report import zeek
from rpcdiag.report.output import Options, Output


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """dce_rpc.log."""
    return zeek.json_lines(zeek.DCE_RPC, zeek.calls(diagnosis, options), diagnosis)


def files(diagnosis: Diagnosis, options: Options) -> Iterator[tuple[str, Iterator[str]]]:
    """Both."""
    return zeek.files(zeek.json_lines, diagnosis, options)


OUTPUT = Output("zeek-json", "Zeek's dce_rpc.log and conn.log, JSON lines", render, files)
