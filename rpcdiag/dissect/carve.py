"""Towers and string bindings out of the remains of a body that cannot be read from its beginning.

What looks like one may be one of another answer, or of none: nothing that was found so is certain.
"""

import re
from itertools import islice

from rpcdiag.dissect import dcom, epm
from rpcdiag.dissect.dcom import StringBinding
from rpcdiag.dissect.epm import Tower
from rpcdiag.dissect.reader import Reader

MAX_FOUND = 256
MAX_TRIES = 4096  # of towers
# floor count, length and identifier of the first floor. [C706] appendix L
_TOWER = re.compile(rb"[\x04-\x10]\0\x13\0\x0d")
# ncacn_ip_tcp, a host, a port in brackets, the zero that ends it: 16-bit characters. [MS-DCOM] 2.2.19.3
_BINDING = re.compile(rb"\x07\0((?:[-.:%_0-9A-Za-z]\0){1,255}\[\0(?:[0-9]\0){1,5}\]\0)\0\0")


def towers(data: bytes) -> tuple[Tower, ...]:
    """Those with a port or a pipe, at most MAX_FOUND."""
    found = []
    for match in islice(_TOWER.finditer(data), MAX_TRIES):
        tower = epm.decode_floors(Reader(data[match.start() : match.start() + epm.MAX_TOWER]))
        if tower is not None:
            found.append(tower)
            if len(found) == MAX_FOUND:
                break
    return tuple(found)


def bindings(data: bytes) -> tuple[StringBinding, ...]:
    """Those of TCP with a port, at most MAX_FOUND, each once."""
    found: dict[StringBinding, None] = {}
    for match in _BINDING.finditer(data):
        binding = dcom.string_binding(0x07, match[1].decode("utf-16-le"))
        if binding.port is not None:
            found[binding] = None
            if len(found) == MAX_FOUND:
                break
    return tuple(found)
