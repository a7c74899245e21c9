"""A secret from where only its owner can read it: never from the command line, which every process can see."""

import os
import sys

from rpcdiag.errors import InputError

PROMPT, ENVIRONMENT = "prompt", "env:"
MAX_LINE = 4096


def secret(option: str, source: str) -> str:
    """What `source` stands for: `prompt`, `env:NAME`, or a file whose first line it is.

    Raises:
        InputError: there is nothing; the text repeats nothing that could be the secret itself.
    """
    if source == PROMPT:
        return _asked(option)
    if source.startswith(ENVIRONMENT):
        found = os.environ.get(source.removeprefix(ENVIRONMENT))
        if found is None:
            raise InputError(option, "there is no such variable in the environment")
        return found
    if not os.path.isfile(source):
        raise InputError(
            option, "secrets are not taken from the command line: give 'prompt', 'env:NAME' or a file that exists"
        )
    try:
        with open(source, encoding="utf-8") as file:
            return file.readline(MAX_LINE).rstrip("\r\n")
    except OSError as error:
        raise InputError(option, f"the file cannot be read: {error.strerror or 'unknown error'}") from None
    except UnicodeDecodeError:
        raise InputError(option, "the file is no text in UTF-8") from None


def _asked(option: str) -> str:
    from getpass import getpass

    if not sys.stdin.isatty():
        raise InputError(option, "there is no terminal to ask at")
    try:
        return getpass("Password of the NTLM logon: ")
    except EOFError:
        raise InputError(option, "nothing was entered") from None
