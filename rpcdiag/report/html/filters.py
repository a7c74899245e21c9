"""Display filters for packet viewers."""

from collections.abc import Iterable

from rpcdiag.case import Case
from rpcdiag.flows.flow import UDP, Flow

MAX_TERMS = 8


def of_packets(packets: Iterable[int]) -> str:
    """`frame.number == 74`, `frame.number in {74, 82}`"""
    wanted = list(packets)
    if len(wanted) == 1:
        return f"frame.number == {wanted[0]}"
    return f"frame.number in {{{', '.join(map(str, wanted))}}}"


def of_flow(flow: Flow) -> str:
    """The conversation, in both directions."""
    ip = "ip" if flow.client.address.version == 4 else "ipv6"
    over = "udp" if flow.transport == UDP else "tcp"
    return (
        f"({ip}.addr == {flow.client.address} && {ip}.addr == {flow.server.address}"
        f" && {over}.port == {flow.client.port} && {over}.port == {flow.server.port})"
    )


def of_flows(case: Case, flows: Iterable[str]) -> str:
    """Their conversations; empty where there are none."""
    terms = dict.fromkeys(of_flow(case.flow(id).flow) for id in list(flows)[:MAX_TERMS])
    return " || ".join(terms)
