"""Who asked whom, and which ports were handed out: a tree of clients, servers and ports, with what came of each."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from rpcdiag.analysis import Diagnosis
from rpcdiag.flows.flow import PIPE, TcpOutcome
from rpcdiag.model.evidence import Severity
from rpcdiag.model.packets import Address
from rpcdiag.report import names
from rpcdiag.report.html.drawing import LINE, cut, element, joined, lines, picture, text
from rpcdiag.report.html.messages import failed, silent
from rpcdiag.report.html.scene import Pair, pair_of

MAX_PAIRS = 24
MAX_PORTS = 6  # of one pair
_ROW = 26


class Port(NamedTuple):
    """A leaf: where a server said that something lives, or where a client went without being told."""

    place: str  # port or pipe
    what: str
    handed: bool
    state: str  # ok, bad, idle
    came: str


class Branch(NamedTuple):
    """A client and a server."""

    pair: Pair
    asked: int
    ports: tuple[Port, ...]
    left_out: int


class Atlas(NamedTuple):
    """The drawings, what they show, and how many pairs are left out."""

    wide: Markup
    narrow: Markup
    branches: tuple[Branch, ...]
    left_out: int


_CAME = {
    TcpOutcome.REFUSED: "refused (RST)",
    TcpOutcome.UNANSWERED: "no answer",
    TcpOutcome.PROHIBITED: "refused (ICMP)",
    TcpOutcome.RESET: "cut off (RST)",
    TcpOutcome.IDLE_DROPPED: "lost after a silence",
    TcpOutcome.STALLED: "stalled",
}


def atlas(diagnosis: Diagnosis, called: dict[Address, str]) -> Atlas | None:
    """None where nobody asked anybody."""
    case = diagnosis.case
    pairs = dict.fromkeys(pair_of(one) for one in diagnosis.findings if one.severity is not Severity.NOTE)
    pairs |= dict.fromkeys(Pair(*pair) for pair in sorted(case.told, key=lambda pair: -len(case.told[pair])))
    pairs |= dict.fromkeys(Pair(*pair) for pair in case.between_hosts)
    chosen = [pair for pair in pairs if pair in case.told or pair in case.between_hosts]
    if not chosen:
        return None
    shown = chosen[:MAX_PAIRS]
    order = {client: place for place, client in reversed(list(enumerate(pair.client for pair in shown)))}
    shown.sort(key=lambda pair: order[pair.client])
    branches = tuple(_branch(diagnosis, pair) for pair in shown)
    wide, narrow = _wide(branches, called), _narrow(branches, called)
    return Atlas(wide, narrow, branches, len(chosen) - len(shown))


def _branch(diagnosis: Diagnosis, pair: Pair) -> Branch:
    case = diagnosis.case
    told: dict[str, dict[str, None]] = {}
    for referral in case.told.get(pair, ()):
        for end in referral.referral.endpoints:
            place = str(end.port) if end.port is not None else end.pipe
            if place:
                of = end.interface or referral.referral.interface
                told.setdefault(place, {})[names.interface(of) if of else "DCOM"] = None
    found: dict[str, list[tuple[str, str]]] = {}
    used: dict[str, dict[str, None]] = {}
    for one in case.between(*pair):
        flow = one.near.flow
        place = (flow.pipe or "a pipe") if flow.transport == PIPE else str(flow.server.port)
        broken = failed(flow)
        unheard = silent(one)
        came = _CAME.get(flow.outcome, "connects") if broken else "a bind without answer" if unheard else "connects"
        found.setdefault(place, []).append(("bad" if broken or unheard else "ok", came))
        wanted = [names.interface(use.interface) for use in one.near.rpc.interfaces] if one.near.rpc else []
        used.setdefault(place, {}).update(dict.fromkeys(wanted))
    ports = []
    for place in dict.fromkeys([*told, *found]):
        tries = found.get(place, [])
        state = "bad" if any(one == "bad" for one, _ in tries) else "ok" if tries else "idle"
        came = next((came for one, came in tries if one == state), "never tried")
        if len(tries) > 1:
            times = sum(one == state for one, _ in tries)
            came += f", {times} times" if times == len(tries) else f", {times} of {len(tries)} times"
        what = list(told.get(place, {})) or list(used.get(place, {}))
        ports.append(Port(place, ", ".join(what[:2]) + (" …" if len(what) > 2 else ""), place in told, state, came))
    ports.sort(key=lambda port: (port.state != "bad", not port.handed))
    return Branch(pair, len(case.told.get(pair, ())), tuple(ports[:MAX_PORTS]), max(0, len(ports) - MAX_PORTS))


def _says(port: Port) -> str:
    return f"{port.came}{': ' + port.what if port.what else ''}"


def _mark(x: float, y: float, state: str) -> Markup:
    """Shapes, so that nobody has to tell colours apart: a disc with a tick, a square with a cross, a ring."""
    if state == "bad":
        return joined((
            element("rect", x=x - 7, y=y - 7, width=14, height=14, rx=2, class_="stop"),
            element("path", d=f"M{x - 3:.0f} {y - 3:.0f}l6 6m0-6l-6 6", class_="x"),
        ))  # fmt: skip
    if state == "ok":
        return joined((
            element("circle", cx=x, cy=y, r=7, class_="fine"),
            element("path", d=f"M{x - 3:.0f} {y:.0f}l2 3l4-6", class_="x"),
        ))  # fmt: skip
    return element("circle", cx=x, cy=y, r=6, class_="idle")


def _bend(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    middle = (x1 + x2) / 2
    path = f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return element("path", d=path, class_=f"bend {style}")


def _box(x: float, y: float, width: float, said: Sequence[str]) -> Markup:
    height = LINE * len(said) + 12
    return joined((
        element("rect", x=x, y=y - height / 2, width=width, height=height, rx=6, class_="box"),
        *(
            text(x + 10, y - height / 2 + 17 + LINE * place, line, "host" if place == 0 else "host dim")
            for place, line in enumerate(said)
        ),
    ))  # fmt: skip


def _host(address: Address, called: dict[Address, str], room: float) -> list[str]:
    return [*lines(str(address), room, 2), *(lines(called[address], room, 1) if address in called else [])]


def _leaves(branch: Branch) -> int:
    return max(1, len(branch.ports) + (1 if branch.left_out else 0))


def _wide(branches: Sequence[Branch], called: dict[Address, str]) -> Markup:
    client_x, client_w, server_x, server_w, port_x = 4, 180, 290, 180, 540
    parts = [
        text(client_x, 16, "Who asked", "role"),
        text(server_x, 16, "whom", "role"),
        text(port_x - 8, 16, "Port, and what came of it", "role"),
    ]
    y, tops = 34.0, []
    by_client: dict[Address, list[float]] = {}
    for branch in branches:
        height = max(_leaves(branch) * _ROW, 58)
        middle = y + height / 2
        by_client.setdefault(branch.pair.client, []).append(middle)
        tops.append((branch, y, height, middle))
        y += height + 14
    for branch, top, height, middle in tops:
        centres = by_client[branch.pair.client]
        centre = sum(centres) / len(centres)
        worst = "bad" if any(port.state == "bad" for port in branch.ports) else "ok"
        parts.append(_bend(client_x + client_w, centre, server_x, middle, worst))
        asked = f"asked {branch.asked}×" if branch.asked else "not asked"
        x = (client_x + client_w + server_x) / 2 + 10
        at = centre + (middle - centre) * 0.7  # of several the ends are further apart than the middles
        parts.append(text(x, at - 6, asked, "says halo", "middle"))
        leaf = top + (height - _leaves(branch) * _ROW) / 2 + _ROW / 2
        for port in branch.ports:
            parts += [
                _bend(server_x + server_w, middle, port_x - 8, leaf, port.state + ("" if port.handed else " untold")),
                _mark(port_x, leaf, port.state),
                text(port_x + 14, leaf + 5, port.place, "port" if port.handed else "port dim"),
            ]
            room = 900 - port_x - 30 - 8 * len(port.place)
            parts.append(text(port_x + 24 + 8 * len(port.place), leaf + 5, cut(_says(port), room), "says"))
            leaf += _ROW
        if branch.left_out:
            parts.append(text(port_x, leaf + 5, f"and {branch.left_out} more", "says dim"))
        parts.append(_box(server_x, middle, server_w, _host(branch.pair.server, called, server_w - 14)))
    for client, centres in by_client.items():
        parts.append(_box(client_x, sum(centres) / len(centres), client_w, _host(client, called, client_w - 14)))
    return _finished("wide", 900, y - 12, branches, parts)


def _narrow(branches: Sequence[Branch], called: dict[Address, str]) -> Markup:
    parts: list[Markup] = []
    y, before = 4.0, None
    for branch in branches:
        if branch.pair.client != before:
            said = _host(branch.pair.client, called, 300)
            half = (LINE * len(said) + 12) / 2
            parts.append(_box(4, y + half, 336, said))
            y += 2 * half + 8
            before = branch.pair.client
        said = _host(branch.pair.server, called, 280)
        half = (LINE * len(said) + 12) / 2
        asked = f"asked {branch.asked}× ↓" if branch.asked else "not asked ↓"
        parts.append(text(30, y + 10, asked, "says"))
        y += 18
        parts.append(_box(24, y + half, 316, said))
        y += 2 * half + 6
        for port in branch.ports:
            said = lines(f"{port.place}  {_says(port)}", 268, 3)
            parts.append(_mark(50, y + 11, port.state))
            for place, line in enumerate(said):
                parts.append(text(66, y + 16 + LINE * place, line, "says" if port.handed else "says dim"))
            y += LINE * len(said) + 8
        if branch.left_out:
            parts.append(text(66, y + 16, f"and {branch.left_out} more", "says dim"))
            y += 24
        y += 10
    return _finished("narrow", 344, y, branches, parts)


def _finished(name: str, width: float, height: float, branches: Sequence[Branch], parts: list[Markup]) -> Markup:
    bad = sum(port.state == "bad" for branch in branches for port in branch.ports)
    told = f"{len(branches)} pairs of hosts; {bad} of the ports shown could not be used. The table below says the same."
    title = "Who asked whom, and which ports were handed out"
    return picture(f"map-{name}", width, height + 4, title, told, joined(parts), f"map {name}")
