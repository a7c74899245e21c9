"""Somebody is told of a finding: a command, or a web server on this machine. Never oftener than is useful."""

import json
import shlex
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from rpcdiag.errors import InputError

MOST = 10  # in a minute
TIMEOUT_S = 10


class Alert:
    """`target` is a command line, which gets the finding as JSON on its standard input, or `http://127.0.0.1:...`.

    Nothing of a finding becomes part of the command line. `say` is told what went wrong.

    Raises:
        InputError: no command, or a server elsewhere.
    """

    def __init__(self, target: str, say: Callable[[str], None]) -> None:
        self._say = say
        self._times: deque[float] = deque()
        self.left_out = 0
        self._url = target if "://" in target else None
        self._command: list[str] = []
        self._threads: list[threading.Thread] = []
        if self._url is not None:
            _must_be_here(target)
            return
        try:
            self._command = shlex.split(target)
        except ValueError as error:
            raise InputError(f"--alert {target!r}", str(error)) from None
        if not self._command:
            raise InputError("--alert", "names no command")

    def __call__(self, finding: dict[str, Any]) -> None:
        """Tell it, unless it was told too often in this minute; does not wait."""
        now = time.monotonic()
        while self._times and now - self._times[0] > 60:
            self._times.popleft()
        if len(self._times) >= MOST:
            self.left_out += 1
            return
        self._times.append(now)
        text = json.dumps(finding, ensure_ascii=True)
        self._threads = [one for one in self._threads if one.is_alive()]
        thread = threading.Thread(target=self._tell, args=(text,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def finish(self) -> None:
        """Wait for those that are still being told."""
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _tell(self, text: str) -> None:
        try:
            if self._url is not None:
                _post(self._url, text)
                return
            done = subprocess.run(
                self._command, input=text, text=True, timeout=TIMEOUT_S, check=False, stdout=subprocess.DEVNULL
            )
            if done.returncode:
                self._say(f"--alert: {self._command[0]} ended with {done.returncode}")
        except (OSError, subprocess.TimeoutExpired) as error:
            self._say(f"--alert: {error}")


def _must_be_here(url: str) -> None:
    parts = urlsplit(url)
    try:
        here = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        known = parts.port is not None
    except ValueError:
        here = known = False
    if parts.scheme != "http" or not here or not known:
        raise InputError(f"--alert {url}", "only http to this machine, with a port: http://127.0.0.1:8080/path")


def _post(url: str, text: str) -> None:
    from http.client import HTTPConnection, HTTPException

    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", parts.path or "/", text.encode(), {"Content-Type": "application/json"})
        connection.getresponse().read(1 << 16)
    except HTTPException as error:
        raise OSError(str(error)) from None
    finally:
        connection.close()
