"""Zeek's dce_rpc.log and conn.log, tab-separated; without a folder to write them to, dce_rpc.log alone.

Fields have Zeek's names and meanings; ours begin with `rpcdiag_`. Community IDs are those of the specification. The capture is
read a second time, so standard input cannot be.

    rpcdiag analyze capture.pcapng -T zeek -o logs
"""

from collections.abc import Iterator

from rpcdiag.analysis import Diagnosis
from rpcdiag.report import zeek
from rpcdiag.report.output import Options, Output


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """dce_rpc.log."""
    return zeek.tsv(zeek.DCE_RPC, zeek.calls(diagnosis, options), diagnosis)


def files(diagnosis: Diagnosis, options: Options) -> Iterator[tuple[str, Iterator[str]]]:
    """Both."""
    return zeek.files(zeek.tsv, diagnosis, options)


OUTPUT = Output("zeek", "Zeek's dce_rpc.log and conn.log, tab-separated", render, files)
