"""The image of the compiled pass: what of an object goes where, and what is not understood is refused."""

import ctypes
import struct
import sys
from typing import NamedTuple

import pytest

from rpcdiag.sweep import cache
from rpcdiag.sweep.linker import NotLinked, linked
from rpcdiag.sweep.machine import IMPORTS, Machine
from tests.unit.sweep import compiled
from tests.unit.sweep.compiled import home

machine = compiled.machine
PC32, PLT32, PC64, ABSOLUTE, GOT = 2, 4, 24, 1, 9
TEXT, TABLES = 1, 2  # numbers of the sections


class Wanted(NamedTuple):
    """A relocation: section, place in it, kind, symbol, addend."""

    section: int
    at: int
    kind: int
    symbol: str
    addend: int = 0


def _object(relocations: list[Wanted], *, file_type: int = 1, processor: int = 62, entry: str = "entry") -> bytes:
    """An object of 64 bytes of code, 32 bytes of tables that may be written, and a symbol in each."""
    symbols = [("", 0, 0), (entry, TEXT, 16), ("table", TABLES, 8), ("memcpy", 0, 0), ("memmove", 0, 0), ("puts", 0, 0)]
    names, table = b"", b""
    for name, where, value in symbols:
        table += struct.pack("<IBBHQQ", len(names), 0x10, 0, where, value, 0)
        names += name.encode() + b"\0"
    numbers = {name: number for number, (name, _, _) in enumerate(symbols)}
    rows = {TEXT: b"", TABLES: b""}
    for one in relocations:
        rows[one.section] += struct.pack("<QQq", one.at, numbers[one.symbol] << 32 | one.kind, one.addend)
    parts = [  # type, flags, data, link, info, alignment
        (0, 0, b"", 0, 0, 0),
        (1, 6, bytes(range(64)), 0, 0, 16),
        (1, 3, bytes(32), 0, 0, 32),
        (2, 0, table, 4, 0, 8),
        (3, 0, names, 0, 0, 1),
        (4, 0, rows[TEXT], 3, TEXT, 8),
        (4, 0, rows[TABLES], 3, TABLES, 8),
        (1, 0, b"a note that is not loaded", 0, 0, 1),
    ]
    body, heads = b"", b""
    for kind, flags, data, link, about, align in parts:
        heads += struct.pack("<IIQQQQIIQQ", 0, kind, flags, 0, 64 + len(body), len(data), link, about, align, 0)
        body += data
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, file_type, processor, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(parts), 4
    )
    return head + body + heads


def test_sections_stand_behind_the_addresses_and_their_stubs_as_aligned_as_they_want() -> None:
    image = linked(_object([]), "entry")
    text = image.entry - 16
    assert text % 16 == 0
    assert image.code[text : text + 64] == bytes(range(64))
    assert image.code[: 8 * len(IMPORTS)] == bytes(8 * len(IMPORTS))
    assert b"a note" not in image.code


def test_places_are_told_relative_to_where_they_are_used() -> None:
    image = linked(_object([Wanted(TEXT, 4, PC32, "table", -4), Wanted(TEXT, 40, PC64, "entry", 3)]), "entry")
    text = image.entry - 16
    table = -(-(text + 64) // 32) * 32 + 8
    assert struct.unpack_from("<i", image.code, text + 4)[0] == table - 4 - (text + 4)
    assert struct.unpack_from("<q", image.code, text + 40)[0] == 16 + 3 - 40


def test_what_is_imported_is_called_through_its_stub() -> None:
    image = linked(_object([Wanted(TEXT, 0, PLT32, name, -4) for name in ("memcpy",)]), "entry")
    text = image.entry - 16
    stub = text + 4 + struct.unpack_from("<i", image.code, text)[0]
    jump, offset = struct.unpack_from("<2si", image.code, stub)
    assert jump == b"\xff\x25"
    assert stub + 6 + offset == 8 * IMPORTS.index("memcpy")


@pytest.mark.parametrize(
    "bad",
    [
        _object([Wanted(TEXT, 0, PLT32, "puts")]),
        _object([Wanted(TEXT, 0, ABSOLUTE, "table")]),
        _object([Wanted(TEXT, 0, GOT, "table")]),
        _object([Wanted(TABLES, 0, GOT, "table")]),
        _object([Wanted(TEXT, 4000, PC32, "table")]),
        _object([], entry="other"),
        _object([], file_type=3),
        _object([], processor=183),
        _object([])[:300],
        b"MZ" + bytes(500),
        b"",
    ],
)
def test_what_is_not_understood_is_left_to_the_loader_of_the_compiler(bad: bytes) -> None:
    with pytest.raises(NotLinked):
        linked(bad, "entry")


def test_texts_of_errors_may_have_addresses_that_nobody_reads() -> None:
    image = linked(_object([Wanted(TABLES, 8, ABSOLUTE, "entry")]), "entry")
    assert image.code[-24:-16] == bytes(8)


@pytest.mark.skipif(sys.platform != "linux", reason="images are linked for Linux only")
def test_the_pass_is_kept_as_an_image_that_cannot_be_written_once_it_is_loaded(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", home())
    known = cache.read()
    assert known is not None
    name, code, loader = known
    if loader:
        pytest.skip("this processor's object is loaded by llvmlite")
    again = Machine(name, code)
    with open("/proc/self/maps", encoding="ascii") as maps:
        ranges = [line.split()[:2] for line in maps]
    entry = ctypes.cast(again._entry, ctypes.c_void_p).value or 0
    rights = [right for span, right in ranges if int(span.split("-")[0], 16) <= entry < int(span.split("-")[1], 16)]
    assert rights == ["r-xp"]
