"""Logs are opened here, also those that only root may read, for a program that has given up root's rights.

A log that is followed is opened again at every rotation, long after the rights are gone; descriptors that were opened
before are of no use then. So a small process stays behind that keeps the rights and does one thing: asked by number, it
opens one of the files that the command line named, read-only, and hands the descriptor over (SCM_RIGHTS). It never reads
what is in them. The other way, a capability to read (CAP_DAC_READ_SEARCH), would let the process that decodes hostile
packets read every file of the machine.

The process opens a name in a folder that it has held open since the beginning, a regular file with no other name, and
follows no link: whoever may write to the folder cannot make it open something else. What its caller can open is opened
without it.
"""

import errno
import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

_REQUEST = 2  # bytes: the number of a file
MAX_FILES = 1 << 15
_LINK, _NOT_PLAIN, _LOOSE, _NO_FOLDER, _ENDED = 250, 251, 252, 253, 254  # beside numbers of the system's errors
_WHY = {
    _LINK: "it is a symbolic link now",
    _NOT_PLAIN: "it is no plain file with one name",
    _LOOSE: "its folder can be changed by whom the program has become",
    _NO_FOLDER: "its folder was not there at the beginning",
    _ENDED: "the process that kept the rights has ended",
}


class Keeper:
    """The process that keeps the rights. `uid` and `gid` are those of whom it hands descriptors to."""

    def __init__(self, paths: Sequence[str], uid: int, gid: int) -> None:
        self._numbers = {path: number for number, path in enumerate(dict.fromkeys(paths[:MAX_FILES]))}
        self._lock = threading.Lock()
        real = [os.path.split(os.path.realpath(path)) for path in self._numbers]
        files = [(_folder(folder), name) for folder, name in real]
        self._socket, its = socket.socketpair()
        self._process = os.fork()
        if self._process == 0:
            _serve(its, files, uid, gid)
        its.close()
        for folder, _ in files:
            if folder is not None:
                os.close(folder)

    def descriptor(self, path: str) -> int:
        """An open descriptor.

        Raises:
            OSError: the file is none of those that were named, or cannot be opened; or we are not to have it.
        """
        number = self._numbers.get(path)
        if number is None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        with self._lock:
            try:
                self._socket.sendall(number.to_bytes(_REQUEST, "big"))
                answer, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
            except OSError:
                answer, descriptors = b"", []
        if descriptors:
            return descriptors[0]
        code = answer[0] if answer else _ENDED
        if code in _WHY:
            raise PermissionError(errno.EACCES, f"only root may read it, and {_WHY[code]}", path)
        raise OSError(code, os.strerror(code), path)

    def close(self) -> None:
        self._socket.close()
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)


_keeper: Keeper | None = None


@contextmanager
def rights_kept(paths: Sequence[str], who: tuple[int, int] | None) -> Iterator[None]:
    """Meanwhile these files are opened with the rights of now, also once the program has become `who`.

    To be called before the rights are given up, and before there are threads. Without `who` nothing is done.
    """
    global _keeper
    if who is None or not paths:
        yield
        return
    _keeper = Keeper(paths, *who)
    try:
        yield
    finally:
        kept, _keeper = _keeper, None
        kept.close()


def open_log(path: str, buffering: int = -1) -> IO[bytes]:
    """The file, to be read.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        return open(path, "rb", buffering=buffering)
    except PermissionError:
        if _keeper is None:
            raise
    return os.fdopen(_keeper.descriptor(path), "rb", buffering=buffering)


def status(path: str) -> os.stat_result:
    """What the name stands for now.

    Raises:
        OSError: nothing, or nobody may know.
    """
    try:
        return os.stat(path)  # noqa: PTH116  no pathlib here
    except PermissionError:
        if _keeper is None:
            raise
    descriptor = _keeper.descriptor(path)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def why_not(path: str, error: OSError) -> str:
    """Why it could not be opened; where rights are missing, also what would give them."""
    why = error.strerror or str(error)
    if not isinstance(error, PermissionError) or not hasattr(os, "geteuid") or os.geteuid() == 0:
        return why
    import shlex

    user = _user()
    try:
        found = os.stat(path)  # noqa: PTH116
        group = _group(found.st_gid) if found.st_mode & stat.S_IRGRP and found.st_gid else None
    except OSError:
        group = None
    if group is not None:
        return f"{why}: 'sudo usermod -aG {group} {user}' lets {user} read it, from the next login on"
    return f"{why}: 'sudo setfacl -m u:{user}:r {shlex.quote(path)}' lets {user} read it, until it is replaced"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _group(gid: int) -> str | None:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None


def _serve(asked: socket.socket, files: Sequence[tuple[int | None, str]], uid: int, gid: int) -> None:
    """The process that stays behind; it ends when whoever asks has ended, and by no signal of the terminal's."""
    try:
        for deaf_to in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(deaf_to, signal.SIG_IGN)
        _close_others([asked.fileno(), *(folder for folder, _ in files if folder is not None)])
        while len(request := asked.recv(_REQUEST, socket.MSG_WAITALL)) == _REQUEST:
            number = int.from_bytes(request, "big")
            if number >= len(files):
                break
            _answer(asked, *files[number], uid, gid)
    finally:
        os._exit(0)


def _close_others(kept: Sequence[int]) -> None:
    """Packet sockets and pipes are not ours to hold open."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2}.difference(kept):  # where the program began without them, they are what we need
        os.dup2(nothing, standard)
    edges = sorted({2, *kept} - {0, 1})
    for low, high in zip(edges, [*edges[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)


def _folder(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def _answer(asked: socket.socket, folder: int | None, name: str, uid: int, gid: int) -> None:
    try:
        code, descriptor = _opened(folder, name, uid, gid)
    except OSError as error:
        code, descriptor = _LINK if error.errno == errno.ELOOP else error.errno or errno.EIO, None
    if descriptor is None:
        asked.sendall(bytes([code]))
        return
    socket.send_fds(asked, [b"\0"], [descriptor])
    os.close(descriptor)


def _opened(folder: int | None, name: str, uid: int, gid: int) -> tuple[int, int | None]:
    if folder is None:
        return _NO_FOLDER, None
    if _loose(os.fstat(folder), uid, gid):
        return _LOOSE, None
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        return _NOT_PLAIN, None
    return 0, descriptor


def _loose(folder: os.stat_result, uid: int, gid: int) -> bool:
    """Whether that user can give another file in it this name: a file that is not for him, perhaps."""
    mode = folder.st_mode
    if folder.st_uid == uid:
        return True
    writable = mode & stat.S_IWOTH or (folder.st_gid == gid and mode & stat.S_IWGRP)
    return bool(writable) and not mode & stat.S_ISVTX
