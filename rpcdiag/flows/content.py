"""Telling RPC by its first bytes, on any port. [MS-RPCE] 2.2.2.1"""

HEADER = 16

# ptype -> whether the client sends it
_CLIENT_SENDS = {0: True, 11: True, 14: True, 16: True, 18: True, 19: True, 2: False, 3: False, 12: False, 13: False,
                 15: False, 17: False}  # fmt: skip


def looks_like_rpc(b: bytes) -> bool:
    """Whether 16 bytes can be the common header of a connection-oriented PDU: random bytes pass once in 10^10."""
    if len(b) < HEADER or b[0] != 5 or b[1] > 1 or b[2] not in _CLIENT_SENDS:
        return False
    if b[4] & 0xEF or b[5] > 3 or b[6] or b[7]:  # integers big (0x00) or little (0x10) endian, characters ASCII
        return False
    order = "little" if b[4] else "big"
    length = int.from_bytes(b[8:10], order)  # type: ignore[arg-type]  # one of the two words
    token = int.from_bytes(b[10:12], order)  # type: ignore[arg-type]  # as above
    return length >= HEADER and (not token or HEADER + 8 + token <= length)


def sent_by_client(b: bytes) -> bool:
    """Whether the PDU that starts here is one that clients send; only for bytes that look like RPC."""
    return _CLIENT_SENDS[b[2]]
