"""A logon with NTLM whose password is known, and PDUs sealed with what comes of it. The cryptography is impacket's."""

import random
from collections.abc import Callable
from struct import pack

from impacket import ntlm

from tests.build import pdus, tokens
from tests.build.conversation import Tcp

DOMAIN, USER, PASSWORD = "LAB", "anna", "Winter-in-Bergen 7#"
TRAILER, SIGNATURE = 8, 16
_FILETIME = 133_500_000_000_000_000


class Logon:
    """The three tokens of a logon, and both directions' keys."""

    def __init__(self, password: str = PASSWORD, *, context: int = 0) -> None:
        random.seed(7)  # impacket takes session keys from there: the same capture every time
        first = ntlm.getNTLMSSPType1("WS1", DOMAIN, True, use_ntlmv2=True)
        names = (
            (2, tokens.wide(DOMAIN)),
            (1, tokens.wide("SRV")),
            (3, tokens.wide("srv.lab.example")),
            (7, pack("<Q", _FILETIME)),
        )
        flags = first["flags"] | tokens.TARGET_INFO | tokens.VERSION
        second = tokens.challenge(DOMAIN, tokens.av_pairs(*names), flags)
        third, key = ntlm.getNTLMSSPType3(first, second, USER, password, DOMAIN, use_ntlmv2=True)
        self.tokens = first.getData(), second, third.getData()
        self._flags = third["flags"]
        self._context = context
        self._numbers = [0, 0]
        self._signing = [ntlm.SIGNKEY(self._flags, key, side) for side in ("Client", "Server")]
        sealing = [ntlm.SEALKEY(self._flags, key, side) for side in ("Client", "Server")]
        self._streams: list[Callable[[bytes], bytes]] = [ntlm.ARC4.new(one).encrypt for one in sealing]
        self._sealing = sealing

    def seal(self, side: int, plain: bytes) -> bytes:
        """A request or response that was made with `AUTH`, its body encrypted. [MS-NLMP] 3.4.4, [MS-RPCE] 2.2.2.11"""
        start = 24 + (16 if plain[3] & 0x80 else 0)
        whole = plain[:-SIGNATURE]
        sealed, signature = ntlm.SEAL(
            self._flags, self._signing[side], self._sealing[side], whole, whole[start:-TRAILER],
            self._numbers[side], self._streams[side],
        )  # fmt: skip
        self._numbers[side] += 1
        return plain[:start] + bytes(sealed) + whole[-TRAILER:] + bytes(signature.getData())


AUTH = (10, 6, bytes(SIGNATURE))


def bound(tcp: Tcp, logon: Logon, interface: tuple[str, str], port: int) -> None:
    """Bind with the logon at packet privacy."""
    first, second, third = logon.tokens
    tcp.send(pdus.bind([(*interface, [pdus.NDR32])], auth=(10, 6, first)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(port), auth=(10, 6, second)))
    tcp.send(pdus.auth3(third, level=6))


def keytab(kind: int, key: bytes, name: str = USER, realm: str = "LAB.EXAMPLE") -> bytes:
    """A file with one key, as MIT's Kerberos keeps it; of kind 23 (RC4) the key is the hash of a password."""
    parts = [realm, *name.split("/")]
    entry = pack(">H", len(parts) - 1) + b"".join(pack(">H", len(one)) + one.encode() for one in parts)
    entry += pack(">IIBHH", 1, 0, 1, kind, len(key)) + key
    return b"\x05\x02" + pack(">i", len(entry)) + entry


def nt_hash(password: str = PASSWORD) -> bytes:
    return bytes(ntlm.compute_nthash(password))
