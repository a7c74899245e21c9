"""Kerberos: what stands outside of what is encrypted."""

from struct import pack

import pytest

from rpcdiag.dissect import kerberos
from rpcdiag.dissect.kerberos import Encrypted, Ticket
from rpcdiag.dissect.tables.status import SYMBOLS
from rpcdiag.errors import Malformed, Truncated
from tests.build import tokens

TICKET = Ticket("LAB.EXAMPLE", "RPCSS/dc1", Encrypted(18, 3))
NOON = 1_772_366_400_000_000_000
STATUS = pack("<III", 0xC0000234, 0, 1)


def _error(code: int, data: bytes | None = None) -> kerberos.KrbError:
    message = kerberos.decode(tokens.krb_error(code, data=data))
    assert isinstance(message, kerberos.KrbError)
    return message


def _padata(*pairs: tuple[int, bytes]) -> bytes:
    return tokens.sequence(
        *(
            tokens.sequence(tokens.field(1, tokens.integer(kind)), tokens.field(2, tokens.der(0x04, value)))
            for kind, value in pairs
        )
    )


def test_a_ticket_tells_the_service_and_its_key() -> None:
    message = kerberos.decode(tokens.ap_req())
    assert message == kerberos.ApReq(TICKET, mutual=True, use_session_key=False, authenticator=Encrypted(18, None))
    message = kerberos.decode(tokens.ap_req(0x40000000, server="anna", etype=23, kvno=-1))
    assert message == kerberos.ApReq(
        Ticket("LAB.EXAMPLE", "anna", Encrypted(23, 0xFFFFFFFF)), False, True, Encrypted(18, None)
    )
    assert kerberos.decode(tokens.ap_rep()) == kerberos.ApRep(Encrypted(18, None))


def test_requests_to_the_key_distribution_centre() -> None:
    asked = kerberos.decode(tokens.kdc_req())
    assert isinstance(asked, kerberos.AsReq)
    assert asked == ("LAB.EXAMPLE", "anna", "krbtgt/LAB.EXAMPLE", (18, 17, -135), (2, 128))
    asked = kerberos.decode(tokens.kdc_req(12, client=None, server=None, padata=()))
    assert isinstance(asked, kerberos.TgsReq)
    assert asked == ("LAB.EXAMPLE", None, None, (18, 17, -135), ())


@pytest.mark.parametrize(("kind", "type_"), [(11, kerberos.AsRep), (13, kerberos.TgsRep)])
def test_its_answers(kind: int, type_: type[kerberos.KdcReply]) -> None:
    answer = kerberos.decode(tokens.kdc_rep(kind, 23))
    assert isinstance(answer, type_)
    assert answer == ("LAB.EXAMPLE", "anna", TICKET._replace(server="krbtgt/LAB.EXAMPLE"), Encrypted(23, 2))


def test_user_to_user() -> None:
    head = tokens.field(0, tokens.integer(5))
    names = tokens.field(2, tokens.principal("anna")), tokens.field(3, tokens.text("LAB"))
    asked = tokens.sequence(head, tokens.field(1, tokens.integer(16)), *names)
    assert kerberos.decode(asked) == kerberos.UserToUser("LAB", "anna", None)
    given = tokens.sequence(head, tokens.field(1, tokens.integer(17)), tokens.field(2, tokens.ticket()))
    assert kerberos.decode(given) == kerberos.UserToUser("LAB.EXAMPLE", "RPCSS/dc1", TICKET)
    with pytest.raises(Malformed, match="msg-type"):
        kerberos.decode(tokens.sequence(head, tokens.field(1, tokens.integer(18))))


def test_an_error_tells_the_clock_of_the_server() -> None:
    message = kerberos.decode(tokens.krb_error(37, cname="anna"))
    assert message == kerberos.KrbError(
        37, "KRB_AP_ERR_SKEW", "LAB.EXAMPLE", "RPCSS/dc1", "anna@LAB.EXAMPLE", NOON + 5000, None, None, None, ()
    )


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        (7, "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
        (14, "KDC_ERR_ETYPE_NOSUPP"),
        (24, "KDC_ERR_PREAUTH_FAILED"),
        (37, "KRB_AP_ERR_SKEW"),
        (41, "KRB_AP_ERR_MODIFIED"),
        (-(2**31) + 2, "KDC_ERR_NOT_RUNNING"),
        (57, "error-57"),
    ],
)
def test_errors_have_names(code: int, symbol: str) -> None:
    assert _error(code).symbol == symbol


def test_the_names_are_those_of_the_table_of_statuses() -> None:
    known = SYMBOLS["kerberos"]
    assert {code: kerberos.ERRORS[code] for code in known} == known
    assert set(range(77)) - set(kerberos.ERRORS) == {30, 43, *range(53, 60)}


def test_a_windows_server_adds_its_status() -> None:
    typed = tokens.field(1, tokens.integer(3)), tokens.field(2, tokens.der(0x04, STATUS))
    assert _error(18, tokens.sequence(*typed)).ntstatus == 0xC0000234
    assert _error(18, _padata((2, b""), (3, STATUS))).ntstatus == 0xC0000234


@pytest.mark.parametrize("data", [b"", b"?", b"\x30\x03\x30", _padata((3, b"LAB.COMannas")), _padata((3, b""))])
def test_what_a_server_adds_need_not_be_a_status(data: bytes) -> None:
    message = _error(24, data)
    assert (message.code, message.ntstatus, message.etypes) == (24, None, ())


def test_what_is_offered_for_preauthentication() -> None:
    offered = tokens.sequence(*(tokens.sequence(tokens.field(0, tokens.integer(etype))) for etype in (18, 17, 23)))
    assert _error(25, _padata((2, b""), (19, offered))).etypes == (18, 17, 23)
    assert _error(25, _padata((19, offered[:-1]))).etypes == ()


@pytest.mark.parametrize(
    "stime", [b"20260301120000", b"20261301120000Z", b"20260230120000Z", b"2026030112000\xb2Z", b"00000301120000Z", b""]
)
def test_a_time_that_is_none_is_malformed(stime: bytes) -> None:
    with pytest.raises(Malformed, match="stime"):
        kerberos.decode(tokens.krb_error(37, stime=stime))
    with pytest.raises(Malformed, match="susec"):
        kerberos.decode(tokens.krb_error(37, susec=1_000_000))


def test_lists_are_bounded() -> None:
    with pytest.raises(Malformed, match="etype"):
        kerberos.decode(tokens.kdc_req(etypes=range(65)))
    with pytest.raises(Malformed, match="padata"):
        kerberos.decode(tokens.kdc_req(padata=range(65)))
    with pytest.raises(Malformed, match="sname"):
        kerberos.decode(tokens.ap_req(server="/".join("x" * 17)))


@pytest.mark.parametrize("message", [tokens.ap_req(), tokens.kdc_req(), tokens.kdc_rep(), tokens.krb_error(41)])
def test_a_cut_capture_is_truncated_or_shows_enough(message: bytes) -> None:
    """Only what nobody looks at may be missing: the end of what is encrypted."""
    whole = kerberos.decode(message)
    for kept in range(len(message)):
        try:
            assert kerberos.decode(message[:kept], len(message)) == whole
        except Truncated:
            continue
        assert kept >= len(message) - 308
