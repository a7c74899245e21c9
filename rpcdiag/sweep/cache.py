"""Where the compiled pass is kept, and how it comes there without anybody waiting for it.

The object lies in the user's cache folder under a name made of our sources, the processor and the Python version. It
is machine code that we run: the folder must be the user's own and writable by nobody else.
"""

import os
import sys
from typing import NamedTuple

_SOURCES = (
    "columns",
    "native",
    "pool",
    "bodies",
    "fields",
    "rts",
    "tokens",
    "calls",
    "slots",
    "followed",
    "framing",
    "pipes",
    "smb1",
    "smb2",
    "carried",
    "channels",
    "streams",
    "conversation",
    "packets",
    "records",
    "linker",
    "compiler",
)
_aside: list[object] = []  # processes that outlive us: nobody waits for them
KEPT = 6  # objects
STALE_S = 600  # a build that takes longer than this has died


class Warmth(NamedTuple):
    """What `warm` did: where the object is, and how long that took."""

    path: str
    seconds: float
    size: int


def folder() -> str:
    """The cache folder; it need not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "rpcdiag")


def object_path() -> str:
    """The object for these sources on this processor."""
    return os.path.join(folder(), f"pass-{_key()}.o")


def _key() -> str:
    from hashlib import sha256

    digest = sha256(f"{sys.version_info[:3]} {sys.platform} {_processor()}".encode())
    here = os.path.dirname(__file__)
    for name in _SOURCES:
        with open(os.path.join(here, f"{name}.py"), "rb") as source:
            digest.update(source.read())
    return digest.hexdigest()[:24]


def _processor() -> str:
    """What decides which instructions may be used."""
    wanted = ("model name", "flags", "CPU part", "Features")
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
            lines = info.read(16384).splitlines()
        return " ".join(sorted({line for line in lines if line.startswith(wanted)}))
    except OSError:
        import platform

        return f"{platform.machine()} {platform.processor()}"


def trusted(path: str) -> bool:
    """Whether only this user can have written the file and the folder it is in."""
    if sys.platform == "win32":
        return True  # the profile's own access list says so
    for place in (path, os.path.dirname(path)):
        try:
            status = os.stat(place)
        except OSError:
            return False
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return False
    return True


def read() -> tuple[str, bytes, str] | None:
    """Name of the entry, the code, and the version of the loader that it needs, if any; None where there is none."""
    path = object_path()
    if not trusted(path):
        return None
    try:
        with open(path, "rb") as file:
            head, _, code = file.read().partition(b"\n\n")
    except OSError:
        return None
    words = head.decode("ascii", "replace").split("\n")
    if len(words) != 3 or words[2] != _digest(code):
        return None
    return words[0], code, words[1].removeprefix("-")


def _digest(code: bytes) -> str:
    """What a damaged object does not have."""
    from hashlib import sha256

    return sha256(code).hexdigest()


def write(name: str, code: bytes, loader: str) -> str:
    """Keep an object; returns where."""
    path = object_path()
    os.makedirs(folder(), mode=0o700, exist_ok=True)
    fresh = f"{path}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"{name}\n{loader or '-'}\n{_digest(code)}\n\n".encode() + code)
    os.replace(fresh, path)
    _forget_others(path)
    return path


def _forget_others(path: str) -> None:
    """Objects of other versions of this program, but for the newest: several may be in use side by side."""
    times = []
    for name in os.listdir(folder()):
        other = os.path.join(folder(), name)
        if name.startswith("pass-") and name.endswith(".o") and other != path:
            try:
                times.append((os.path.getmtime(other), other))
            except OSError:
                continue
    for _, other in sorted(times, reverse=True)[KEPT - 1 :]:
        try:
            os.remove(other)
        except OSError:
            continue


def can_build() -> bool:
    """Whether the compiler is installed."""
    from importlib.util import find_spec

    return find_spec("numba") is not None and find_spec("llvmlite") is not None


def build_aside() -> bool:
    """Start a process that builds the object for the next run; false where that cannot be, is being done, or helps nothing."""
    known = read()
    if not can_build() or (known is not None and not known[2]):  # an image that the system does not let us run
        return False
    lock = f"{object_path()}.lock"
    try:
        os.makedirs(folder(), mode=0o700, exist_ok=True)
        if os.path.exists(lock):
            import time

            if time.time() - os.path.getmtime(lock) < STALE_S:
                return False
            os.remove(lock)
        os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:
        return False
    import subprocess

    nothing = subprocess.DEVNULL
    command = [sys.executable, "-m", "rpcdiag.sweep.compiler", lock]
    try:
        _aside.append(subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True))
    except OSError:
        os.remove(lock)
        return False
    return True
