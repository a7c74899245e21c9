"""What stands before the arguments and results of every DCOM call. [MS-DCOM] 2.2.13

Only calls of object interfaces have it: IRemUnknown, IRemoteSCMActivator, IWbemServices; IObjectExporter has not.
"""

from typing import NamedTuple

from rpcdiag.dissect import objref
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed

MAX_EXTENTS = 64
MAX_EXTENT = 1 << 16  # bytes
MAX_TEXT = 1 << 15

# what the extensions are. [MS-DCOM] 1.9, 2.2.21
ERROR_INFORMATION = "0000031c-0000-0000-c000-000000000046"
CONTEXT = "00000334-0000-0000-c000-000000000046"
DEBUGGING = "f1f19680-4d2a-11ce-a66a-0020af6e72f4"  # of a debugger that follows calls; drafts of DCOM 1.0 name it
_ERROR_OBJECT = "0000031b-0000-0000-c000-000000000046"
_PRESENT = 0xFFFFFFFF


class Extension(NamedTuple):
    """ORPC_EXTENT, without the bytes that round it up. [MS-DCOM] 2.2.13.1"""

    id: str
    data: bytes


class OrpcThis(NamedTuple):
    """ORPCTHIS; `version` is the COM version of the caller. [MS-DCOM] 2.2.13.3"""

    version: tuple[int, int]
    flags: int
    causality: str
    extensions: tuple[Extension, ...]


class OrpcThat(NamedTuple):
    """ORPCTHAT. [MS-DCOM] 2.2.13.4"""

    flags: int
    extensions: tuple[Extension, ...]


class ErrorInfo(NamedTuple):
    """What the object says of its failure (IErrorInfo): texts for people, no code. [MS-DCOM] 2.2.21.2"""

    iid: str
    help_context: int
    source: str | None
    description: str | None
    help_file: str | None


def decode_this(ndr: Ndr) -> OrpcThis:
    """ORPCTHIS; the arguments begin where the reader then is.

    Raises:
        DecodeError: as everywhere; a COM version other than 5 is no ORPCTHIS.
    """
    major = ndr.u16("com_version_major")
    if major != 5:
        raise Malformed("com_version_major", ndr.offset - 2, f"COM version {major}")
    minor = ndr.u16("com_version_minor")
    flags = ndr.long("orpcthis_flags")
    ndr.long("reserved")
    causality = ndr.guid("causality_id")
    return OrpcThis((major, minor), flags, causality, _extensions(ndr))


def decode_that(ndr: Ndr) -> OrpcThat:
    """ORPCTHAT; the results begin where the reader then is.

    Raises:
        DecodeError: as everywhere.
    """
    return OrpcThat(ndr.long("orpcthat_flags"), _extensions(ndr))


def _extensions(ndr: Ndr) -> tuple[Extension, ...]:
    """ORPC_EXTENT_ARRAY behind its pointer; the array is rounded up to an even number. [MS-DCOM] 2.2.13.2"""
    if not ndr.pointer("extensions_ptr"):
        return ()
    ndr.long("extent_count")
    ndr.long("reserved")
    if not ndr.pointer("extents_ptr"):
        return ()
    pointers = [ndr.pointer("extent_ptr") for _ in range(ndr.count("extent_max", MAX_EXTENTS))]
    return tuple([_extension(ndr) for pointer in pointers if pointer])


def _extension(ndr: Ndr) -> Extension:
    room = ndr.count("extent_data_max", MAX_EXTENT)
    name, size = ndr.guid("extent_id"), ndr.long("extent_size")
    return Extension(name, ndr.take(room, "extent_data")[:size])


def error_info(extensions: tuple[Extension, ...]) -> ErrorInfo | None:
    """What the error information among the extensions says; None where there is none, or of another make.

    Raises:
        DecodeError: as everywhere.
    """
    for one in extensions:
        if one.id == ERROR_INFORMATION:
            reference = objref.decode(Reader(one.data))
            if reference.clsid == _ERROR_OBJECT and reference.kind == objref.CUSTOM:
                return _error_object(Reader(reference.custom))
    return None


def _error_object(reader: Reader) -> ErrorInfo:
    """[MS-DCOM] 2.2.21.2"""
    if reader.u32("version"):
        raise Malformed("version", reader.offset - 4, "not 0")
    context, iid = reader.u32("help_context"), reader.uuid("iid")
    return ErrorInfo(iid, context, _text(reader, "source"), _text(reader, "description"), _text(reader, "help_file"))


def _text(reader: Reader, field: str) -> str | None:
    """ErrorInfoString behind the word that says whether it is there. [MS-DCOM] 2.2.21.3"""
    mark = reader.u32(field + "_signature")
    if mark not in (0, _PRESENT):
        raise Malformed(field + "_signature", reader.offset - 4, f"{mark:#x}")
    if not mark:
        return None
    reader.skip(8, field + "_max")
    length = reader.u32(field + "_actual")
    if length > MAX_TEXT:
        raise Malformed(field + "_actual", reader.offset - 4, f"{length} characters")
    return reader.take(length * 2, field).decode("utf-16-le", "replace").rstrip("\0")
