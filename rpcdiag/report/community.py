"""Community ID, version 1: the same text for the same conversation, whichever tool saw it.

https://github.com/corelight/community-id-spec
"""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha1
from struct import pack

from rpcdiag.model.packets import Endpoint

TCP, UDP = 6, 17


@lru_cache(1024)
def community_id(one: Endpoint, other: Endpoint, protocol: int = TCP, seed: int = 0) -> str:
    """`1:LQU9qZlK+B5F3KDmev6m5PMibrg=`, whichever end is named first."""
    low, high = sorted(((one.address.packed, one.port), (other.address.packed, other.port)))
    hashed = pack(">H", seed) + low[0] + high[0] + pack(">BBHH", protocol, 0, low[1], high[1])
    return "1:" + b64encode(sha1(hashed, usedforsecurity=False).digest()).decode()
