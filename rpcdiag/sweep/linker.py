"""Makes of the compiled object a piece of memory that can stand anywhere: to load it, no library is needed.

Only what our compiler emits for x86-64 is understood (System V ABI, AMD64 supplement, 4.4); everything else is left to
the loader of the compiler.
"""

import struct
from typing import NamedTuple

from rpcdiag.sweep.machine import IMPORTS

STUB = struct.Struct("<2sih")  # jmp *offset(%rip), and filling
_FILE, _SECTION = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ")
_SYMBOL, _RELOCATION = struct.Struct("<IBBHQQ"), struct.Struct("<QQq")
_X86_64, _RELOCATABLE = 62, 1
_PROGBITS, _SYMTAB, _RELA = 1, 2, 4
_WRITE, _ALLOC = 1, 2
_R_64, _R_PC32, _R_PLT32, _R_PC64 = 1, 2, 4, 24


class NotLinked(ValueError):
    """The object has something that is not understood here."""


class Image(NamedTuple):
    """The bytes, and where in them the entry is."""

    code: bytes
    entry: int


class _Section(NamedTuple):
    kind: int
    flags: int
    data: bytes
    link: int
    about: int
    align: int


def linked(code: bytes, name: str) -> Image:
    """The image of the object whose entry has that name.

    Raises:
        NotLinked: it is no object for x86-64, or needs more than is done here.
    """
    try:
        return _linked(code, name)
    except (struct.error, IndexError) as error:
        raise NotLinked(str(error)) from error


def _linked(code: bytes, name: str) -> Image:
    sections = _sections(code)
    image = bytearray(8 * len(IMPORTS))
    stubs = {}
    for number, imported in enumerate(IMPORTS):
        stubs[imported] = len(image)
        image += STUB.pack(b"\xff\x25", 8 * number - (len(image) + 6), 0)
    places: dict[int, int] = {}
    for number, section in enumerate(sections):
        if section.kind == _PROGBITS and section.flags & _ALLOC:
            image += bytes(-len(image) % max(section.align, 1))
            places[number] = len(image)
            image += section.data
    entries = []
    for section in sections:
        if section.kind == _RELA and section.about in places:
            symbols = _symbols(sections, section.link)
            tables = sections[section.about].flags & _WRITE != 0
            for at, what, addend in _RELOCATION.iter_unpack(section.data):
                place = places[section.about] + at
                _resolve(image, place, what & 0xFFFFFFFF, _address(symbols[what >> 32], places, stubs), addend, tables)
        elif section.kind == _SYMTAB:
            for known, where, value in _symbols(sections, sections.index(section)):
                if known == name and where in places:
                    entries.append(places[where] + value)
    if len(entries) != 1:
        raise NotLinked("no entry")
    return Image(bytes(image), entries[0])


def _sections(code: bytes) -> list[_Section]:
    head = _FILE.unpack_from(code)
    if head[0][:6] != b"\x7fELF\x02\x01" or head[1] != _RELOCATABLE or head[2] != _X86_64:
        raise NotLinked("no object for x86-64")
    found = []
    for number in range(head[12]):
        _, kind, flags, _, at, size, link, about, align, _ = _SECTION.unpack_from(code, head[6] + number * head[11])
        found.append(_Section(kind, flags, code[at : at + size], link, about, align))
    return found


def _symbols(sections: list[_Section], number: int) -> list[tuple[str, int, int]]:
    """Name, section and value of each."""
    table = sections[number]
    names = sections[table.link].data
    return [
        (names[name : names.index(b"\0", name)].decode("ascii", "replace"), where, value)
        for name, _, _, where, value, _ in _SYMBOL.iter_unpack(table.data)
    ]


def _address(symbol: tuple[str, int, int], places: dict[int, int], stubs: dict[str, int]) -> int:
    name, where, value = symbol
    if where == 0 and name in stubs:
        return stubs[name]
    if where not in places:
        raise NotLinked(f"{name or where} is elsewhere")
    return places[where] + value


def _resolve(image: bytearray, place: int, kind: int, symbol: int, addend: int, tables: bool) -> None:
    if kind in (_R_PC32, _R_PLT32):
        struct.pack_into("<i", image, place, symbol + addend - place)
    elif kind == _R_PC64:
        struct.pack_into("<q", image, place, symbol + addend - place)
    elif not (kind == _R_64 and tables):  # pointers to the texts of errors, which nobody reads
        raise NotLinked(f"relocation {kind}")
