"""Paths of programs: as events of the filtering platform write them, and as rules of Windows Firewall name them.

An event has the kernel's name of a volume, `\\device\\harddiskvolume2\\windows\\system32\\svchost.exe`, and no event says
which drive that is. The volume from which Windows' own programs run is `%SystemDrive%`; of others nothing is known.
"""

import re
from collections.abc import Iterable

KERNEL = "system"
# they run before anybody could install another program of that name
_OF_WINDOWS = frozenset({"svchost.exe", "lsass.exe", "services.exe", "wininit.exe", "spoolsv.exe"})
_ON_VOLUME = re.compile(r"\\device\\harddiskvolume(\d{1,4})\\(.+)", re.I)
_ON_DRIVE = re.compile(r"(?:\\\?\?\\)?([a-z]:\\.+)", re.I)
_OF_ROOT = re.compile(r"(?:\\systemroot|%systemroot%)\\(.+)", re.I)
_WINDOWS, _SYSTEM32 = "windows\\", "system32\\"
_SPOILS = frozenset('"%!^&|<>*?;`/:')  # in no path of Windows, or not safe between the quotes of a command line


def is_kernel(program: str) -> bool:
    """Whether it is none that a rule could be written for by its path."""
    return program.strip().lower() == KERNEL


def system_volume(programs: Iterable[str]) -> str | None:
    """Number of the volume that Windows runs from; None where its programs do not run, or from several."""
    found = set()
    for program in programs:
        on = _ON_VOLUME.fullmatch(program.strip())
        if on is None or not on[2].lower().startswith(_WINDOWS + _SYSTEM32):
            continue
        if on[2][len(_WINDOWS + _SYSTEM32) :].lower() in _OF_WINDOWS:
            found.add(on[1])
    return found.pop() if len(found) == 1 else None


def path_of(program: str, volume: str | None) -> str | None:
    """The path that a rule names, where `volume` holds Windows; None where it cannot be told, or does not look like one."""
    text = program.strip()
    if root := _OF_ROOT.fullmatch(text):
        return _clean("%SystemRoot%\\", _titled(root[1]))
    if drive := _ON_DRIVE.fullmatch(text):
        return _clean(drive[1][:3], drive[1][3:])
    on = _ON_VOLUME.fullmatch(text)
    if on is None or on[1] != volume:
        return None
    rest = on[2]
    if rest.lower().startswith(_WINDOWS):
        return _clean("%SystemRoot%\\", _titled(rest[len(_WINDOWS) :]))
    return _clean("%SystemDrive%\\", rest)


def _titled(rest: str) -> str:
    """As Windows' own rules write it; case means nothing."""
    return "System32\\" + rest[len(_SYSTEM32) :] if rest.lower().startswith(_SYSTEM32) else rest


def _clean(root: str, rest: str) -> str | None:
    parts = rest.split("\\")
    if not rest.isprintable() or _SPOILS & set(rest) or any(part in ("", ".", "..") for part in parts):
        return None
    return root + rest
