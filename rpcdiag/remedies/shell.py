"""Text out of packets and logs, made fit for a command line.

Whoever sends packets chooses names; whoever reads the report pastes commands. A name that a shell cannot be given
safely loses what is dangerous in it: the command then fails, visibly, and does nothing else.
"""

import re

_UNSAFE = "?"
_CMD = re.compile(r'["%!^&|<>()@`;\r\n]')
# PowerShell ends a quoted text at any of these, and takes a doubled one for itself
_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
MAX_NAME = 256


def plain(text: str) -> str:
    """On one line, printable, of bearable length."""
    if len(text) <= MAX_NAME and text.isprintable():
        return text
    return "".join(one if one.isprintable() else _UNSAFE for one in text[:MAX_NAME])


def powershell(text: str) -> str:
    """In single quotes: nothing in there is expanded. [about_Quoting_Rules]"""
    return "'" + _QUOTES.sub(r"\1\1", plain(text)) + "'"


def cmd(text: str) -> str:
    """In double quotes for cmd, which expands %names% even there and knows no escape for them at the prompt."""
    safe = _CMD.sub(_UNSAFE, plain(text))
    return '"' + (safe[:-1] + _UNSAFE if safe.endswith("\\") else safe) + '"'


def name(text: str) -> str:
    """A host, principal or account as a bare word for any shell: what does not belong into one becomes `?`."""
    safe = re.sub(r"[^A-Za-z0-9._:@/$-]", _UNSAFE, plain(text))
    return _UNSAFE + safe[1:] if safe[:1] in ("-", "/", "@", "$") else safe or _UNSAFE
