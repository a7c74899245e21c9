"""What packet viewers need to read the ports that were handed out as RPC."""

from collections.abc import Iterator

from rpcdiag.case import Case

MAPPER = 135
TABLES = {"ncacn_ip_tcp": "tcp.port", "ncadg_ip_udp": "udp.port"}
MAX_PORTS = 4096


def dynamic_ports(case: Case) -> list[tuple[str, int]]:
    """Table and number of every port that was handed out, each once, in order."""
    found = {
        (TABLES[endpoint.protseq], endpoint.port)
        for referral in case.referrals
        for endpoint in referral.referral.endpoints
        if endpoint.port and endpoint.port != MAPPER and endpoint.protseq in TABLES
    }
    return sorted(found)[:MAX_PORTS]


def decode_options(case: Case) -> list[str]:
    """`-d tcp.port==49154,dcerpc`, for each of them."""
    return [f"-d {table}=={port},dcerpc" for table, port in dynamic_ports(case)]


def decode_as(case: Case) -> Iterator[str]:
    """A `decode_as_entries` file, to be put into a profile's folder."""
    yield '# "Decode As" entries for Wireshark: ports that RPC servers handed out in these captures. Copy this file into the'
    yield "# folder of a profile (Help, About, Folders), under the name decode_as_entries."
    for table, port in dynamic_ports(case):
        yield f"decode_as_entry: {table},{port},(none),DCERPC"
