"""tshark's reading of a capture: packets as fields, each a tuple of what occurs there."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

FILTER = "ntlmssp || kerberos || spnego || dns || llmnr || nbns || netlogon.secchan.nl_auth_message.message_type || tcp.port == 88"
FIELDS = (
    "frame.number", "frame.protocols", "tcp.stream", "tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.payload",
    "udp.srcport", "udp.dstport", "udp.payload", "dcerpc.pkt_type", "dcerpc.auth_type", "ntlmssp.messagetype",
    "ntlmssp.negotiate.callingworkstation", "ntlmssp.negotiate.domain", "ntlmssp.challenge.target_name",
    "ntlmssp.challenge.target_info.nb_computer_name", "ntlmssp.challenge.target_info.dns_computer_name",
    "ntlmssp.challenge.target_info.dns_tree_name", "ntlmssp.auth.username", "ntlmssp.auth.domain",
    "ntlmssp.auth.hostname", "ntlmssp.ntlmv2_response.target_name", "ntlmssp.version.build_number", "kerberos.realm", "kerberos.crealm",
    "kerberos.SNameString", "kerberos.CNameString", "kerberos.etype", "kerberos.ENCTYPE", "kerberos.kvno",
    "kerberos.error_code", "kerberos.e_text", "kerberos.padata_type", "kerberos.msg_type", "kerberos.stime",
    "kerberos.APOptions.mutual.required", "spnego.MechType", "spnego.negResult", "spnego.supportedMech",
    "netlogon.secchan.nl_auth_message.nb_domain", "netlogon.secchan.nl_auth_message.nb_host",
    "netlogon.secchan.nl_auth_message.dns_domain", "netlogon.secchan.nl_auth_message.nb_host_utf8",
    "dns.id", "dns.flags.response", "dns.flags.rcode", "dns.flags.truncated", "dns.qry.name", "dns.qry.type", "dns.a",
    "dns.aaaa", "dns.cname", "dns.ptr.domain_name", "dns.srv.target", "dns.srv.port", "dns.count.answers",
    "nbns.id", "nbns.name", "nbns.type", "nbns.addr", "nbns.flags.rcode", "nbns.flags.response", "nbns.flags.opcode",
)  # fmt: skip

Row = dict[str, tuple[str, ...]]


@cache
def packets(path: Path) -> tuple[Row, ...]:
    """The packets with security tokens, Kerberos or names; skips where tshark is not there."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    options = [option for field in FIELDS for option in ("-e", field)]
    shape = ["-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-E", "occurrence=a"]
    done = subprocess.run(
        [program, "-n", "-r", str(path), "-Y", FILTER, *shape, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or done.stdout, done.stderr  # it ends with 2 after a capture that is cut
    return tuple(_row(line) for line in done.stdout.splitlines())


def _row(line: str) -> Row:
    values = line.split("\t")
    return {field: tuple(value.split("|")) if value else () for field, value in zip(FIELDS, values, strict=True)}
