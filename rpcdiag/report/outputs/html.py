"""A report to look at: one HTML file that loads nothing, for a ticket, the firewall team, a vendor.

Write it with `-o report.html` and open it in any browser, from disk or out of a mail. It needs Jinja2.
"""

from collections.abc import Iterator
from importlib.util import find_spec

from rpcdiag.analysis import Diagnosis
from rpcdiag.errors import MissingPiece
from rpcdiag.report.output import Options, Output


def render(diagnosis: Diagnosis, options: Options) -> Iterator[str]:
    """The page. Not a generator: what is missing is told before a file is opened.

    Raises:
        MissingPiece: Jinja2 is not installed.
    """
    if find_spec("jinja2") is None:
        raise MissingPiece("-T html needs the package jinja2", "pip install jinja2")
    from rpcdiag.report.html.page import page  # only who wants this report waits for it

    return iter((page(diagnosis),))


OUTPUT = Output("html", "a report to look at: one HTML file that loads nothing", render)
