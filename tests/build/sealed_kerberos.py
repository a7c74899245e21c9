# SPDX-License-Identifier: GPL-2.0-or-later
"""A logon with Kerberos whose service key is known. Tickets and tokens are made by scapy, whose licence is that of
this file."""

from datetime import UTC, datetime

from scapy.asn1.asn1 import ASN1_BIT_STRING, ASN1_GENERALIZED_TIME
from scapy.layers.gssapi import GSS_C_FLAGS, SSP
from scapy.layers.kerberos import (
    EncryptedData,
    EncryptionKey,
    EncTicketPart,
    KerberosSSP,
    KRB_Ticket,
    PrincipalName,
    TransitedEncoding,
)
from scapy.libs.rfc3961 import EncryptionType, Key

from tests.build import pdus
from tests.build.conversation import Tcp

REALM, SERVICE, USER = "LAB.EXAMPLE", "host/srv.lab.example", "anna"
AES256 = int(EncryptionType.AES256_CTS_HMAC_SHA1_96)
SERVICE_KEY = bytes(range(32))
KERBEROS, PRIVACY = 16, 6
TOKEN = 76  # bytes that a Wrap token has beside the data: two headers, filler, confounder, checksum
_FLAGS = (
    GSS_C_FLAGS.GSS_C_MUTUAL_FLAG | GSS_C_FLAGS.GSS_C_DCE_STYLE | GSS_C_FLAGS.GSS_C_CONF_FLAG
    | GSS_C_FLAGS.GSS_C_INTEG_FLAG | GSS_C_FLAGS.GSS_C_REPLAY_FLAG | GSS_C_FLAGS.GSS_C_SEQUENCE_FLAG
)  # fmt: skip


def _ticket(session: Key) -> KRB_Ticket:
    now = ASN1_GENERALIZED_TIME(datetime.now(UTC))
    flags = ASN1_BIT_STRING("0" * 32)
    inside = EncTicketPart(
        flags=flags, key=EncryptionKey.fromKey(session), crealm=REALM, cname=PrincipalName.fromUPN(f"{USER}@{REALM}"),
        transited=TransitedEncoding(), authtime=now, starttime=now, endtime=now,
    )  # fmt: skip
    ticket = KRB_Ticket(realm=REALM, sname=PrincipalName.fromSPN(SERVICE), encPart=EncryptedData(kvno=1))
    ticket.encPart.encrypt(Key(EncryptionType.AES256_CTS_HMAC_SHA1_96, key=SERVICE_KEY), inside)
    return KRB_Ticket(bytes(ticket))


class Logon:
    """The tokens of a logon in three legs, and both sides' contexts."""

    def __init__(self) -> None:
        session = Key(EncryptionType.AES256_CTS_HMAC_SHA1_96, key=bytes(range(32, 64)))
        service = Key(EncryptionType.AES256_CTS_HMAC_SHA1_96, key=SERVICE_KEY)
        client = KerberosSSP(ST=_ticket(session), KEY=session, UPN=f"{USER}@{REALM}", SPN=SERVICE)
        server = KerberosSSP(SPN=SERVICE, KEY=service)
        mine, first, _ = client.GSS_Init_sec_context(None, None, req_flags=_FLAGS)
        theirs, second, _ = server.GSS_Accept_sec_context(None, first)
        mine, third, _ = client.GSS_Init_sec_context(mine, second)
        server.GSS_Accept_sec_context(theirs, third)
        self.tokens = bytes(first), bytes(second), bytes(third)
        self._sides = (client, mine), (server, theirs)

    def seal(self, side: int, plain: bytes) -> bytes:
        """A request or response that was made with `AUTH`, its body encrypted."""
        ssp, context = self._sides[side]
        head, body, trailer = plain[:24], plain[24 : -8 - TOKEN], bytearray(plain[-8 - TOKEN : -TOKEN])
        padding = -len(body) % 16  # as Windows does it: a token is then always as long
        trailer[2] += padding
        length = len(plain) + padding
        head = head[:8] + length.to_bytes(2, "little") + head[10:]
        parts = (head, False), (body + bytes(padding), True), (bytes(trailer), False)
        messages = [SSP.WRAP_MSG(conf_req_flag=secret, sign=True, data=data) for data, secret in parts]
        sealed, token = ssp.GSS_WrapEx(context, messages)
        return b"".join(one.data for one in sealed) + bytes(token)


AUTH = (KERBEROS, PRIVACY, bytes(TOKEN))


def bound(tcp: Tcp, logon: Logon, interface: tuple[str, str], port: int) -> None:
    """Bind with the logon at packet privacy; the third leg is an alter_context."""
    first, second, third = logon.tokens
    offers = [(*interface, [pdus.NDR32])]
    tcp.send(_signing(pdus.bind(offers, auth=(KERBEROS, PRIVACY, first))))
    tcp.reply(_signing(pdus.bind_ack(pdus.ACCEPTED_32, str(port), auth=(KERBEROS, PRIVACY, second))))
    tcp.send(pdus.bind(offers, alter=True, auth=(KERBEROS, PRIVACY, third)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "", alter=True, auth=(KERBEROS, PRIVACY, b"")))


def _signing(pdu: bytes) -> bytes:
    """With the flag that says that headers are signed too. [MS-RPCE] 2.2.2.3, PFC_SUPPORT_HEADER_SIGN"""
    return pdu[:3] + bytes([pdu[3] | 0x04]) + pdu[4:]
