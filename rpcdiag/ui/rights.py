"""Root's rights are needed to open sockets and logs; after that the program becomes somebody else."""

import os
from collections.abc import Callable

from rpcdiag.errors import InputError

Say = Callable[[str], None]


def ordinary(user: str | None) -> tuple[int, int] | None:
    """Who to be instead of root: the one who is named, or who called sudo; None where nothing is to be given up.

    Raises:
        InputError: there is no such user.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    if user is not None:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise InputError(f"--user {user}", "there is no such user") from None
        uid, gid = entry.pw_uid, entry.pw_gid
    elif os.environ.get("SUDO_UID", "").isdigit() and os.environ.get("SUDO_GID", "").isdigit():
        uid, gid = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
    else:
        return None  # a login of root's own: whose files would they be
    return (uid, gid) if uid else None


def become(uid: int, gid: int, complain: Say) -> None:
    """Give them up, for good."""
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        complain(f"rights could not be given up: {error.strerror}")
