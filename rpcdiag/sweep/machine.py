"""The compiled pass: an image or an object from the cache, called through ctypes. An object needs llvmlite."""

import ctypes
import mmap
import os
import sys
from array import array
from typing import Any

from rpcdiag.sweep import cache
from rpcdiag.sweep.columns import State

WALK, CLOSE, GIVE_UP, DONE_WITH, FILL_TABLE, COPY_TABLE = range(6)
IMPORTS = ("memcpy", "memmove")  # their addresses are put at the beginning of an image when it is loaded
_ARRAYS = 6  # of a State
_ARGUMENTS = 5 + 2 * _ARRAYS + 2


class MachineError(Exception):
    """The compiled code met something that cannot be; the capture must be read again by the interpreter."""


class Machine:
    """One loaded object. It keeps no state: many passes, in many threads, may use it.

    `name` is that of its entry; of an image that was linked, where in it the entry is.
    """

    def __init__(self, name: str, code: bytes) -> None:
        address, self._held = _imaged(int(name), code) if name.isdecimal() else _loaded_by_compiler(name, code)
        kinds: list[Any] = [
            ctypes.POINTER(ctypes.c_int64),
            ctypes.POINTER(ctypes.c_void_p),
            *[ctypes.c_int64] * _ARGUMENTS,
        ]
        self._entry = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(address)

    def call(self, what: int, x: int, y: int, b: Any, state: State, other: Any = None) -> int:
        """Run one of the entry's functions.

        Raises:
            MachineError: an index out of its bounds.
        """
        held: list[Any] = []  # keeps the addresses valid
        arguments = [what, x, y, *_place(b, held)]
        for part in state:
            arguments += _place(part, held)
        arguments += _place(other, held)
        result, trouble = ctypes.c_int64(), ctypes.c_void_p()
        if self._entry(ctypes.byref(result), ctypes.byref(trouble), *arguments) != 0:
            raise MachineError
        return result.value


def _imaged(entry: int, code: bytes) -> tuple[int, object]:
    """Put an image into memory of its own, which then can be run and no more be written.

    Raises:
        OSError: the system does not let us.
    """
    library = ctypes.CDLL(None, use_errno=True)
    memory = mmap.mmap(-1, len(code), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[: len(code)] = code
    for number, name in enumerate(IMPORTS):
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        memory[8 * number : 8 * number + 8] = address.to_bytes(8, sys.byteorder)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protection = ctypes.c_int(mmap.PROT_READ | mmap.PROT_EXEC)
    if library.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(len(code)), protection) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    return start + entry, memory


def _loaded_by_compiler(name: str, code: bytes) -> tuple[int, object]:
    """The address of the entry of an object, and what keeps it loaded."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine.get_function_address(name), engine


_loaded: list[Machine | None] = []


def machine() -> Machine | None:
    """The compiled pass, where it is in the cache and can be loaded; looked for once."""
    if not _loaded:
        _loaded.append(_load())
    return _loaded[0]


def look_again() -> Machine | None:
    """The same, for those who know that it is being built."""
    if _loaded and _loaded[0] is None and os.path.exists(cache.object_path()):
        _loaded.clear()
    return machine()


def _load() -> Machine | None:
    known = cache.read()
    if known is None:
        return None
    name, code, loader = known
    try:
        if loader:
            import llvmlite

            if llvmlite.__version__ != loader:
                return None
        return Machine(name, code)
    except (ImportError, OSError, RuntimeError):
        return None


def _place(part: Any, held: list[Any]) -> tuple[int, int]:
    if part is None:
        return 0, 0
    if isinstance(part, array):
        return part.buffer_info()
    cells = ctypes.c_char.from_buffer(part)
    held.append(cells)
    return ctypes.addressof(cells), len(part)
