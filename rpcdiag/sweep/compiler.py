"""Compiles the pass to machine code with Numba, and saves the object: the only module that imports Numba.

Run as a process of its own, `python -m rpcdiag.sweep.compiler`, because that takes seconds.
"""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from rpcdiag.sweep import (
    bodies,
    cache,
    calls,
    carried,
    channels,
    conversation,
    fields,
    followed,
    framing,
    native,
    packets,
    pipes,
    pool,
    records,
    rts,
    slots,
    smb1,
    smb2,
    streams,
    tokens,
)
from rpcdiag.sweep.columns import IF_LINK, RECORD_HEADER, SCALE, State
from rpcdiag.sweep.engine import Sweep
from rpcdiag.sweep.linker import NotLinked, linked
from rpcdiag.sweep.machine import Machine, MachineError

MODULES: tuple[ModuleType, ...] = (
    native, pool, bodies, fields, rts, tokens, calls, slots, followed, framing, pipes, smb1, smb2, carried, channels, streams,
    conversation, packets, records,
)  # fmt: skip

# what nearly every packet runs through, and is called from few places
HOT = frozenset(
    {"take_tcp", "find", "found_at", "words", "slot_of", "tag_of", "belongs", "octet", "big", "little", "usual"}
)


def entry(
    what, x, y, b, nb, counters, ncounters, interfaces, ninterfaces, flows, nflows, numbers, nnumbers, store, nstore,
    table, ntable, other, nother,
):  # fmt: skip
    """The only function that is called from outside: addresses and lengths in, one number out."""
    s = State(
        view(counters, ncounters),
        view(interfaces, ninterfaces),
        view(flows, nflows),
        view(numbers, nnumbers),
        view(store, nstore),
        view(table, ntable),
    )
    if what == 0:
        return walk(s, view(b, nb), x, y)
    if what == 1:
        return close_streams(s, x, y)
    if what == 2:
        free_flows(s, view(other, nother), x)
        return 0
    if what == 3:
        return done_with(s, view(other, nother))
    if what == 4:
        fill_table(s.table, view(other, nother), s.flows)
        return 0
    copy_table(s.table, view(other, nother), s.flows)
    return 0


def _view() -> Any:
    """An array over memory that is not Numba's, without its reference counting."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    @intrinsic
    def view(typing, pointer, count):
        array = types.Array(pointer.dtype, 1, "C")

        def generate(context, builder, signature, arguments):
            made = context.make_array(array)(context, builder)
            size = context.get_constant(types.intp, array.dtype.bitwidth // 8)
            context.populate_array(
                made,
                data=arguments[0],
                shape=cgutils.pack_array(builder, [arguments[1]]),
                strides=cgutils.pack_array(builder, [size]),
                itemsize=size,
                meminfo=None,
            )
            return made._getvalue()

        return array(pointer, count), generate

    return view


def _move() -> Any:
    """Copies bytes between arrays; the caller has checked the bounds."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    @intrinsic
    def move(typing, to, at, b, start, count):
        def generate(context, builder, signature, arguments):
            target = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            origin = context.make_array(signature.args[2])(context, builder, arguments[2]).data
            cgutils.raw_memcpy(
                builder, builder.gep(target, [arguments[1]]), builder.gep(origin, [arguments[3]]), arguments[4], 1
            )
            return context.get_dummy_value()

        return types.void(to, types.int64, b, types.int64, types.int64), generate

    return move


@contextmanager
def _whole_at_once() -> Iterator[None]:
    """The compiler optimizes the whole, once.

    By itself it optimizes and emits every function together with all that it calls, and does so again in each of its
    callers: with chains of calls as deep as ours that is four fifths of the time (177 s of processor time before, 38 s
    so). Where its inner workings are not as we know them, nothing is changed.
    """
    from numba.core.codegen import CPUCodeLibrary
    from numba.core.cpu import CPUContext

    try:
        optimize, finish = CPUCodeLibrary._optimize_final_module, CPUCodeLibrary._finalize_final_module
        note_globals, executable = CPUCodeLibrary._finalize_dynamic_globals, CPUContext.get_executable
    except AttributeError:
        yield
        return

    def optimized(library: Any) -> None:
        if library.name == entry.__name__:
            optimize(library)

    def finished(library: Any) -> None:
        if library.name == entry.__name__:
            finish(library)
            return
        note_globals(library)
        library._finalized = True

    def made_executable(context: Any, library: Any, *others: Any) -> Any:
        if library.name == entry.__name__:
            return executable(context, library, *others)
        return {}.get  # never called: something that is like no other

    CPUCodeLibrary._optimize_final_module, CPUCodeLibrary._finalize_final_module = optimized, finished
    CPUContext.get_executable = made_executable
    try:
        yield
    finally:
        CPUCodeLibrary._optimize_final_module, CPUCodeLibrary._finalize_final_module = optimize, finish
        CPUContext.get_executable = executable


class Built(NamedTuple):
    """The image and where in it the entry is; or the object, the name of its entry, and the llvmlite that made it."""

    name: str
    code: bytes
    loader: str


def build(*, checked: bool = True) -> Built:
    """Compile the pass."""
    from numba import njit, types

    names: dict[str, Any] = {
        "view": _view(),
        "move": _move(),
        "int64": types.int64,
        "State": State,
        "__builtins__": __builtins__,
    }
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, int) and names.setdefault(name, value) != value:
                raise ValueError(f"{name} is {names[name]} and {value}: modules of the pass share their names")
    options = {
        "nogil": True,
        "boundscheck": checked,
        "error_model": "numpy",
        "_nrt": False,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
    }
    functions: list[Any] = [entry]
    for module in MODULES:
        functions += [
            value
            for value in vars(module).values()
            if isinstance(value, FunctionType) and value.__module__ == module.__name__
        ]
    for function in functions:
        names[function.__name__] = njit(**options, forceinline=function.__name__ in HOT)(
            FunctionType(function.__code__, names, function.__name__, function.__defaults__)
        )
    number, octets, numbers = types.int64, types.CPointer(types.uint8), types.CPointer(types.int64)
    signature = number(
        number, number, number, octets, number, *(numbers, number) * 4, octets, number, *(numbers, number) * 2,
    )  # fmt: skip
    compiled = names["entry"]
    with _whole_at_once():
        compiled.compile(signature)
    result = compiled.overloads[signature.args]
    name = result.fndesc.llvm_func_name
    try:
        image = linked(_relocatable(result.library, name), name)
        return Built(str(image.entry), image.code, "")
    except (NotLinked, AttributeError, RuntimeError):
        import llvmlite

        return Built(name, result.library._get_compiled_object(), llvmlite.__version__)


def _relocatable(library: Any, name: str) -> bytes:
    """The object in a form that can stand anywhere; what the entry does not call is left out."""
    import llvmlite.binding as llvm

    if not (sys.platform.startswith("linux") and sys.maxsize > 1 << 32):
        raise NotLinked(sys.platform)
    module = llvm.parse_assembly(str(library._final_module))
    for one in (*module.functions, *module.global_variables):
        if not one.is_declaration and one.name != name:
            one.linkage = "internal"
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small"
    )
    return bytes(target.emit_object(module))


def warm() -> cache.Warmth:
    """Build the object, try it, and keep it in the cache.

    Raises:
        ImportError: the compiler is not installed.
        MachineError: the object does not do what it should.
    """
    import time

    began = time.monotonic()
    built = build()
    _tried(Machine(built.name, built.code))
    path = cache.write(*built)
    return cache.Warmth(path, time.monotonic() - began, len(built.code))


def _tried(machine: Machine) -> None:
    """One packet through the object and through the interpreter."""
    frame = bytes.fromhex(
        "020000000002020000000001080045000028000140008006000a0000010a00000204d20087000000010000000050022000"
    )
    frame = frame.ljust(60, b"\0")
    record = bytearray(struct.pack("<IIII", 1, 2, 60, 60) + frame)
    rows = []
    for sweep in (Sweep(16), Sweep(16, machine)):
        counters = sweep.state.counters
        counters[RECORD_HEADER], counters[SCALE], sweep.state.interfaces[IF_LINK] = 16, 1000, 1
        sweep.walk(record, 0, len(record))
        rows.append((list(counters), list(sweep.state.flows)))
    if rows[0] != rows[1]:
        raise MachineError


def main(arguments: list[str]) -> int:
    """What the process aside does: low priority, and the lock goes in any case."""
    try:
        if hasattr(os, "nice"):
            os.nice(10)
        warm()
    finally:
        for lock in arguments:
            os.remove(lock)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
