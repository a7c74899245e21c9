"""Nothing of RPC in the capture: where to look next."""

from tests.build import exchanges, smb2
from tests.build.conversation import SECOND, Recording, Tcp, datagram, esp
from tests.causes.shown_cause import Shown

C, S = "10.0.0.1", "10.0.0.2"


def _something_else(recording: Recording) -> None:
    tcp = Tcp(recording, C, 50001, S, 443)
    tcp.open()
    tcp.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
    tcp.reply(b"\x15\x03\x03\x00\x02\x02\x28")
    tcp.close()


def _ipsec(recording: Recording) -> None:
    datagram(recording, C, 500, S, 500, bytes(200))
    for number in range(6):
        esp(recording, *((C, S) if number % 2 == 0 else (S, C)), 100 + number)


def _encrypted_smb(recording: Recording) -> None:
    session = smb2.logged_on(smb2.SMB_3_0_2)
    session.encrypted(200, 180, 300, 90)
    tcp = Tcp(recording, C, 50001, S, 445)
    tcp.open()
    tcp.say(session.messages)
    tcp.close()


def _one_lookup(recording: Recording) -> None:
    _something_else(recording)
    recording.wait(SECOND)
    exchanges.lookup(recording, C, 50002, S, exchanges.SVCCTL, 49670)


SHOWN = (
    Shown("no-rpc", "the capture holds HTTPS and nothing else", _something_else, "no-packets", "open", "L1"),
    Shown("ipsec", "all that the two say to each other is encrypted by IPsec", _ipsec, "no-packets", "open", "L4"),
    Shown("encrypted-smb", "an SMB 3 session is encrypted from its first request on", _encrypted_smb, "no-packets", "open", "L4"),
    Shown(
        "rpc-beside-others", "beside HTTPS there is a lookup that works", _one_lookup, None, twin_of="no-packets",
        never=("no-packets",),
    ),
)  # fmt: skip
