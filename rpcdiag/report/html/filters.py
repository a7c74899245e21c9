"""Display filters for packet viewers."""

from collections.abc import Iterable

from rpcdiag.case import Case
from rpcdiag.report.document import flow_filter

MAX_TERMS = 8


def of_packets(packets: Iterable[int]) -> str:
    """`frame.number == 74`, `frame.number in {74, 82}`"""
    wanted = list(packets)
    if len(wanted) == 1:
        return f"frame.number == {wanted[0]}"
    return f"frame.number in {{{', '.join(map(str, wanted))}}}"


def of_flows(case: Case, flows: Iterable[str]) -> str:
    """Their conversations; empty where there are none."""
    terms = dict.fromkeys(flow_filter(case.flow(id).flow) for id in list(flows)[:MAX_TERMS])
    return " || ".join(terms)
