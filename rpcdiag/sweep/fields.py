"""Numbers in the byte order that their message says."""

from typing import Any

from rpcdiag.sweep.primitives import u32, u32_little


def half(b: Any, at: int, big: bool) -> int:
    return b[at] * 256 + b[at + 1] if big else b[at + 1] * 256 + b[at]


def word(b: Any, at: int, big: bool) -> int:
    return u32(b, at)[0] if big else u32_little(b, at)[0]
