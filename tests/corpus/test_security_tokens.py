"""Security tokens, Kerberos and names of the captures at hand: all decode, and tshark reads the same in them."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rpcdiag.dissect import dcerpc, dns, kerberos, netlogon_auth, ntlm, spnego
from rpcdiag.dissect.dcerpc import PduType
from rpcdiag.dissect.reader import Reader
from tests.build.sweeping import table_of
from tests.corpus.at_hand import captures
from tests.corpus.second_reader import Row, packets

pytestmark = pytest.mark.corpus

if not captures():
    pytest.skip("the public captures lie in ../shared, outside the repository", allow_module_level=True)

LOGONS = {
    PduType.BIND, PduType.BIND_ACK, PduType.ALTER_CONTEXT, PduType.ALTER_CONTEXT_RESP, PduType.AUTH3,
}  # fmt: skip
OIDS = {
    "1.2.840.48018.1.2.2": "ms-kerberos", "1.2.840.113554.1.2.2": "kerberos", "1.3.6.1.4.1.311.2.2.10": "ntlm",
    "1.3.6.1.4.1.311.2.2.30": "negoex",
}  # fmt: skip
MAX_FRAME = 1 << 20  # bytes of one message over TCP
STATES = {"0": "accept-completed", "1": "accept-incomplete", "2": "reject", "3": "request-mic"}


class Logon(NamedTuple):
    packet: int
    auth_type: int
    token: bytes
    length: int


@pytest.fixture(params=captures(), ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@cache
def logons(path: Path) -> list[Logon]:
    """The tokens of all binds, alterations and third legs over TCP."""
    found = []
    for frame in table_of(path.read_bytes())[1]:
        kind = dcerpc.decode_header(Reader(frame.data, frame.length)).type
        pdu = dcerpc.decode(frame.data, frame.length) if kind in LOGONS else None
        if pdu and not isinstance(pdu, dcerpc.BindNak) and pdu.auth:
            found.append(Logon(frame.packet, pdu.auth.type, pdu.auth.token, pdu.header.auth_length))
    return found


def unwrapped(path: Path) -> Iterator[tuple[int, spnego.Token]]:
    for logon in logons(path):
        yield logon.packet, spnego.unwrap(*logon[1:])


def rpc_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """What tshark says of binds, alterations and third legs over TCP itself."""
    for row in packets(path):
        if {"11", "12", "14", "15", "16"} & set(row["dcerpc.pkt_type"]):
            layers = row["frame.protocols"][0].split(":")
            if "tcp" in layers and "nbss" not in layers and "http" not in layers:
                yield int(row["frame.number"][0]), row


def agree(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> None:
    """Both tell the same of the packets that tshark speaks of.

    It takes what a second capture point saw for retransmissions, and does not know SPNEGO without its beginning.
    """
    spoken_of = {one[0] for one in theirs}
    assert sorted((one for one in ours if one[0] in spoken_of), key=repr) == sorted(theirs, key=repr)


def test_every_token_decodes_to_something_known(path: Path) -> None:
    for number, token in unwrapped(path):
        assert token.kind != "unknown", number
        assert token.inner or (token.spnego and token.spnego.token is None) or (token.spnego and not token.spnego.token)


def test_ntlm(path: Path) -> None:
    ours = [told for number, token in unwrapped(path) for told in _ntlm(number, token.inner)]
    fields = {
        "1": ("negotiate.domain", "negotiate.callingworkstation"),
        "2": (
            "challenge.target_name", "challenge.target_info.nb_computer_name", "challenge.target_info.dns_computer_name",
            "challenge.target_info.dns_tree_name",
        ),
        "3": ("auth.domain", "auth.username", "auth.hostname", "ntlmv2_response.target_name"),
    }  # fmt: skip
    theirs: list[tuple[Any, ...]] = []
    for number, row in rpc_rows(path):
        for kind in row["ntlmssp.messagetype"]:
            told = ("".join(row["ntlmssp." + field]).replace("NULL", "") for field in fields[kind[-1]])
            theirs.append((number, *told, "".join(row["ntlmssp.version.build_number"])))
    agree(ours, theirs)


def _ntlm(number: int, message: object) -> Iterator[tuple[Any, ...]]:
    match message:
        case ntlm.Negotiate():
            names: tuple[str, ...] = (message.domain, message.workstation)
        case ntlm.Challenge():
            info = message.target_info or ntlm.AvPairs()
            names = (message.target_name, info.computer or "", info.dns_computer or "", info.dns_tree or "")
        case ntlm.Authenticate():
            names = (message.domain, message.user, message.workstation, message.client_info.target_name or "")
        case _:
            return
    yield number, *names, (message.version or "").rpartition(".")[2]


def test_kerberos_inside_rpc(path: Path) -> None:
    ours = [
        (number, *_kerberos(token.inner))
        for number, token in unwrapped(path)
        if token.kind == "kerberos" and isinstance(token.inner, kerberos.Message)
    ]
    theirs = [(number, *_their_kerberos(row)) for number, row in rpc_rows(path) if row["kerberos.msg_type"]]
    agree(ours, theirs)


def _their_kerberos(row: Row) -> tuple[Any, ...]:
    realms, names, etypes = row["kerberos.realm"], row["kerberos.SNameString"], row["kerberos.etype"]
    return row["kerberos.msg_type"][-1], realms, "/".join(names), etypes, row["kerberos.kvno"]


def _kerberos(message: kerberos.Message) -> tuple[Any, ...]:
    """As tshark's row: type, realm, server, etypes, versions of keys."""
    match message:
        case kerberos.ApReq(ticket, _, _, authenticator):
            return "14", (ticket.realm,), ticket.server, *_keys(ticket.key, authenticator)
        case kerberos.ApRep(key):
            return "15", (), "", *_keys(key)
        case kerberos.UserToUser(realm, _, None):  # tshark 4.0 has the name under another field
            return "16", (realm,) if realm else (), "", *_keys()
        case kerberos.UserToUser(realm, server, kerberos.Ticket(_, _, key)):
            return "17", (realm,), server, *_keys(key)
    raise AssertionError(message)


def _keys(*keys: kerberos.Encrypted) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(str(key.etype) for key in keys), tuple(str(key.kvno) for key in keys if key.kvno is not None)


def test_spnego(path: Path) -> None:
    ours = [
        (number, token.spnego.mechs or ((token.spnego.mech,) if token.spnego.mech else ()), token.spnego.state)
        for number, token in unwrapped(path)
        if token.spnego
    ]
    theirs: list[tuple[Any, ...]] = []
    for number, row in rpc_rows(path):
        mechs = row["spnego.MechType"] + row["spnego.supportedMech"]
        if mechs or row["spnego.negResult"]:
            theirs.append((number, tuple(OIDS[mech] for mech in mechs), STATES.get("".join(row["spnego.negResult"]))))
    agree(ours, theirs)


def test_netlogon(path: Path) -> None:
    ours = [
        (number, token.inner.domain, token.inner.computer, token.inner.dns_domain)
        for number, token in unwrapped(path)
        if isinstance(token.inner, netlogon_auth.NetlogonAuth) and not token.inner.response
    ]
    name = "netlogon.secchan.nl_auth_message."
    theirs = [
        (number, *("".join(row[name + field]) for field in ("nb_domain", "nb_host_utf8", "dns_domain")))
        for number, row in rpc_rows(path)
        if row[name + "nb_domain"]
    ]
    agree(ours, theirs)


def test_kerberos_of_the_key_distribution_centre(path: Path) -> None:
    ours, theirs = [], []
    for stream in _kdc_streams(path):
        theirs += [_their_exchange(row) for row in stream if row["kerberos.msg_type"]]
        ours += [_exchange(message) for message in _kdc_messages(stream)]
    assert ours == theirs


def _kdc_streams(path: Path) -> list[list[Row]]:
    streams: dict[tuple[str, ...], list[Row]] = {}
    for row in packets(path):
        ports = row["udp.srcport"] + row["udp.dstport"] + row["tcp.srcport"] + row["tcp.dstport"]
        if "88" in ports and "icmp" not in row["frame.protocols"][0]:
            streams.setdefault((*row["tcp.stream"], *ports), []).append(row)
    return list(streams.values())


def _kdc_messages(stream: list[Row]) -> Iterator[kerberos.Message]:
    held, expected = b"", 1
    for row in stream:
        if row["udp.payload"]:
            yield kerberos.decode(bytes.fromhex(row["udp.payload"][0]))
        elif row["tcp.payload"] and int(row["tcp.seq"][0]) == expected:
            held += bytes.fromhex(row["tcp.payload"][0])
            expected += len(row["tcp.payload"][0]) // 2
    while len(held) >= 4:
        end = 4 + int.from_bytes(held[:4], "big")
        if end > MAX_FRAME:  # the capture begins in the middle of the connection
            return
        yield kerberos.decode(held[4:end], end - 4)
        held = held[end:]


def _their_exchange(row: Row) -> tuple[Any, ...]:
    kind = row["kerberos.msg_type"][0]
    realms, name, client = (
        row["kerberos.realm"],
        "/".join(row["kerberos.SNameString"]),
        "/".join(row["kerberos.CNameString"]),
    )
    if "129" in row["kerberos.padata_type"]:  # PA-FOR-USER has a realm of its own
        realms = realms[:1] + realms[2:]
    realm = realms[0]
    if kind in ("10", "12"):
        if kind == "12":  # between the names of two tickets, of which the second is for user-to-user only
            realm, name = realms[1], name.removeprefix("krbtgt/" + realms[0] + "/")
            name = name.removesuffix("/krbtgt/" + realms[2]) if len(realms) > 2 else name
        return kind, realm, client, name, row["kerberos.ENCTYPE"], "".join(row["kerberos.padata_type"][:1])
    if kind == "30":
        return kind, realm, client, name, row["kerberos.error_code"], row["kerberos.etype"]
    return kind, realm, client, name, row["kerberos.etype"][-2:], row["kerberos.kvno"]


def _exchange(message: kerberos.Message) -> tuple[Any, ...]:
    match message:
        case kerberos.AsReq(realm, client, server, etypes, padata) | kerberos.TgsReq(
            realm, client, server, etypes, padata
        ):
            kind = "10" if isinstance(message, kerberos.AsReq) else "12"
            return kind, realm, client or "", server or "", tuple(map(str, etypes)), "".join(map(str, padata[:1]))
        case kerberos.AsRep(_, client, ticket, key) | kerberos.TgsRep(_, client, ticket, key):
            kind = "11" if isinstance(message, kerberos.AsRep) else "13"
            return kind, ticket.realm, client, ticket.server, *_keys(ticket.key, key)
        case kerberos.KrbError():
            client = (message.client or "").partition("@")[0]
            offered = tuple(map(str, message.etypes)) if message.code == 25 else ()  # elsewhere tshark does not look
            return "30", message.realm, client, message.server, (str(message.code),), offered
    raise AssertionError(message)


def _datagrams(path: Path, protocol: str) -> Iterator[tuple[Row, bytes]]:
    for row in packets(path):
        layers = row["frame.protocols"][0].split(":")
        if layers[-1] == protocol and "udp" in layers and "icmp" not in layers:
            yield row, bytes.fromhex(row["udp.payload"][0])


@pytest.mark.parametrize("protocol", ["dns", "llmnr"])
def test_names_become_addresses(path: Path, protocol: str) -> None:
    for row, data in _datagrams(path, protocol):
        answer = dns.decode(data)
        if row["dns.qry.name"] == () or answer is None:
            assert answer is None or answer.name is None
            continue
        records = answer.answers + answer.additional
        assert (f"{answer.id:#06x}", answer.name) == (row["dns.id"][0], row["dns.qry.name"][0].replace("<Root>", ""))
        assert str(answer.type) == row["dns.qry.type"][0]
        assert answer.kind == ("answer" if row["dns.flags.response"][0] in ("1", "True") else "query")
        assert str(answer.rcode) == "".join(row["dns.flags.rcode"] or "0")
        addresses = row["dns.a"] + row["dns.aaaa"]
        assert sorted(str(record.address) for record in records if record.address) == sorted(addresses)
        targets = row["dns.cname"] + row["dns.ptr.domain_name"] + row["dns.srv.target"]
        assert sorted(record.target for record in records if record.target) == sorted(targets)
        assert [str(record.port) for record in records if record.port is not None] == list(row["dns.srv.port"])
        assert answer.answer_count == int(row["dns.count.answers"][0])


def test_netbios_names_become_addresses(path: Path) -> None:
    for row, data in _datagrams(path, "nbns"):
        answer = dns.decode_nbns(data)
        assert (answer is None) == (row["nbns.flags.opcode"] != ("0",))
        if answer:
            shown = row["nbns.name"][0].partition(" ")[0] if answer.suffix else ""
            assert shown in ("", f"{answer.name}<{answer.suffix:02x}>")
            assert f"{answer.id:#06x}" == row["nbns.id"][0]
            assert tuple(map(str, answer.addresses)) == row["nbns.addr"]
            assert str(answer.rcode) == "".join(row["nbns.flags.rcode"] or "0")
