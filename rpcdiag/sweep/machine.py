"""The compiled pass: an object file from the cache, loaded with llvmlite alone, called through ctypes."""

import ctypes
import os
from array import array
from typing import Any

from rpcdiag.sweep import cache
from rpcdiag.sweep.columns import State

WALK, CLOSE, GIVE_UP, DONE_WITH, FILL_TABLE, COPY_TABLE = range(6)
_ARRAYS = 6  # of a State
_ARGUMENTS = 5 + 2 * _ARRAYS + 2


class MachineError(Exception):
    """The compiled code met something that cannot be; the capture must be read again by the interpreter."""


class Machine:
    """One loaded object. It keeps no state: many passes, in many threads, may use it."""

    def __init__(self, name: str, code: bytes) -> None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        kinds: list[Any] = [
            ctypes.POINTER(ctypes.c_int64),
            ctypes.POINTER(ctypes.c_void_p),
            *[ctypes.c_int64] * _ARGUMENTS,
        ]
        self._entry = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(self._engine.get_function_address(name))

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
        import llvmlite

        return Machine(name, code) if llvmlite.__version__ == loader else None
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
