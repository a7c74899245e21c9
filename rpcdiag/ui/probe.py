"""`rpcdiag probe`: what a host's mapper names, and whether one gets there. Sends packets, to that host only."""

import argparse
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import interface_name
from rpcdiag.errors import InputError, MissingPiece, said_of
from rpcdiag.probe.knock import MOST_PORTS, Knock, State, knock, knock_all
from rpcdiag.probe.mapper import Named, Told, ask
from rpcdiag.report.names import clean

if TYPE_CHECKING:  # loaded only where a capture is wanted
    from rpcdiag.capture.packet_socket import Sockets
    from rpcdiag.live.keep import Keeper

MGMT = "afa8bd80-7d8a-11c9-bef4-08002b102989"  # every server has it
_LINGER_S = 0.4  # until the last packets have come through the capture
_TCP = ("ncacn_ip_tcp", "ncacn_http")
Say = Callable[[str], None]


class Probed(NamedTuple):
    """All that came of it; `told` is None where the mapper's port itself does not answer."""

    host: str
    address: str
    mapper: Knock
    told: Told | None
    knocks: tuple[Knock, ...]
    behind: dict[int, tuple[Named, ...]]  # what is said to be at each port

    @property
    def reached(self) -> bool:
        """The mapper or the resolver answered, and every port that was named does."""
        told = self.told
        answered = told is not None and bool(told.named or told.resolver)
        return answered and all(one.state is State.LISTENING for one in self.knocks)


def probe(chosen: argparse.Namespace, complain: Say) -> bool:
    """Ask, connect, tell; whether everything could be reached.

    Raises:
        InputError: a host that has no address; a file that cannot be written.
        MissingPiece: impacket, or for -w the right to capture.
    """
    address = _address(chosen.host)
    with _recorded(chosen.write, address, complain):
        probed = _probed(chosen.host, address, chosen.port)
    lines = [json.dumps(_document(probed), indent=1)] if chosen.output == "json" else list(_lines(probed))
    sys.stdout.write("\n".join(lines) + "\n")
    return probed.reached


def _address(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(host, f"has no address: {said_of(error)}") from None
    return str(found[0][4][0])


def _probed(host: str, address: str, port: int) -> Probed:
    mapper = knock(address, port)
    if mapper.state is not State.LISTENING:
        return Probed(host, address, mapper, None, (), {})
    told = ask(address, port)
    behind: dict[int, list[Named]] = {}
    for one in told.named:
        if one.tower.protseq in _TCP and one.tower.port and one.tower.port != port:
            behind.setdefault(one.tower.port, []).append(one)
    return Probed(
        host, address, mapper, told, tuple(knock_all(address, behind)),
        {number: _distinct(found) for number, found in behind.items()},
    )  # fmt: skip


def _distinct(found: list[Named]) -> tuple[Named, ...]:
    """One for each interface, in the order in which they were named."""
    by_interface: dict[Syntax | None, Named] = {}
    for one in found:
        by_interface.setdefault(one.tower.interface, one)
    return tuple(by_interface.values())


def _name(one: Named) -> str:
    interface = one.tower.interface
    if interface is None:
        return one.annotation or "?"
    return (
        interface_name(interface.uuid, interface.version) or one.annotation or f"{interface.uuid} v{interface.version}"
    )


def _lines(probed: Probed) -> Iterator[str]:
    shown = probed.host if probed.host == probed.address else f"{probed.host} ({probed.address})"
    yield f"probe of {clean(shown)}, as somebody who has not logged on"
    yield _line(probed.mapper, "endpoint mapper")
    told = probed.told
    if told is None:
        yield "  nothing can be asked: without its mapper nobody learns the host's other ports"
        return
    yield f"  names {len(told.named)} endpoints, {len(probed.behind)} TCP ports"
    if told.listing:
        yield f"  its list is not whole: {clean(told.listing)}"
    if told.unregistered:
        names = ", ".join(interface_name(one.uuid, one.version) or one.uuid for one in told.unregistered)
        yield f"  not registered: {names}"
    if told.resolver_trouble:
        yield f"  no object resolver (DCOM) answers: {clean(told.resolver_trouble)}"
    elif told.resolver:
        yield f"  its object resolver (DCOM) is to be reached at {clean(', '.join(told.resolver))}"
    for one in probed.knocks:
        yield _line(one, ", ".join(clean(_name(named)) for named in _worth_naming(probed.behind[one.port])))
    if len(probed.behind) > MOST_PORTS:
        yield f"  {len(probed.behind) - MOST_PORTS} further ports were not tried"
    filtered = [str(one.port) for one in probed.knocks if one.state is State.FILTERED]
    if filtered:
        yield (
            f"FILTERED: something between here and {clean(probed.host)}, or its own firewall, passes port 135 but not "
            + (", ".join(filtered))
        )


def _worth_naming(found: tuple[Named, ...]) -> list[Named]:
    return [one for one in found if one.tower.interface is None or one.tower.interface.uuid != MGMT] or list(found)


def _line(one: Knock, what: str) -> str:
    return f"TCP port {one.port} ({what}): {one.state}" + (f" ({one.why})" if one.why else "")


def _document(probed: Probed) -> dict[str, Any]:
    told = probed.told
    return {
        "schema_version": 1,
        "host": probed.host,
        "address": probed.address,
        "mapper": _knock(probed.mapper)
        | {
            "endpoints": len(told.named) if told else None,
            "listing_trouble": told.listing if told else None,
            "not_registered": [_syntax(one) for one in told.unregistered] if told else [],
        },
        "resolver": {"bindings": list(told.resolver), "trouble": told.resolver_trouble} if told else None,
        "ports": [
            _knock(one)
            | {
                "interfaces": [
                    _syntax(named.tower.interface) | {"annotation": named.annotation, "how": named.how}
                    for named in probed.behind[one.port]
                ]
            }
            for one in probed.knocks
        ],
        "not_tried": max(0, len(probed.behind) - MOST_PORTS),
    }


def _knock(one: Knock) -> dict[str, Any]:
    return {"port": one.port, "state": one.state.value, "took_ms": one.took_ms, "why": one.why}


def _syntax(one: Syntax | None) -> dict[str, Any]:
    if one is None:
        return {"uuid": None, "version": None, "name": None}
    return {"uuid": one.uuid, "version": one.version, "name": interface_name(one.uuid, one.version)}


@contextmanager
def _recorded(path: str | None, address: str, complain: Say) -> Iterator[None]:
    """Keep what is sent and what comes back as a capture.

    Raises:
        MissingPiece: no right to capture; says the command that has it.
        InputError: the file cannot be written.
    """
    if path is None:
        yield
        return
    if not sys.platform.startswith("linux"):
        raise MissingPiece("this way of capturing is Linux's", f"dumpcap -w {path} -f 'host {address}'")
    from rpcdiag.capture.packet_socket import ANY, Sockets
    from rpcdiag.live.keep import Keeper, Ring

    sockets = Sockets((ANY,), f"host {address}", promiscuous=False)
    try:
        keeper = Keeper(path, sockets.heading, Ring(), complain)
        _give_to_who_called(path)
    except OSError as error:
        sockets.close()
        raise InputError(path, error.strerror or str(error)) from None
    stop = threading.Event()
    thread = threading.Thread(target=_pump, args=(sockets, keeper, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        time.sleep(_LINGER_S)
        stop.set()
        thread.join()
        keeper.close(sockets.ending(time.time_ns()))
        sockets.close()


def _pump(sockets: "Sockets", keeper: "Keeper", stop: threading.Event) -> None:
    sockets.read(1 << 22, 0)  # the heading, which the file has
    while not stop.is_set():
        data = sockets.read(1 << 22, 100)
        if data:
            keeper(data)


def _give_to_who_called(path: str) -> None:
    """A file that was made under sudo belongs to whoever called it."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and uid.isdigit() and gid.isdigit():
        os.chown(path, int(uid), int(gid))
