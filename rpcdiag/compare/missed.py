"""What is said of datagrams that did not arrive: differences, remarks, and rows of the ladder."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rpcdiag.compare.datagrams import Datagram, Delivery, Exchange, Paired
from rpcdiag.compare.order import Order
from rpcdiag.compare.pieces import SERVICES, Piece, Quote, Udp
from rpcdiag.compare.result import Difference, Offset, Rung
from rpcdiag.compare.undelivered import Datagrams, Undelivered
from rpcdiag.model.packets import Address, Endpoint

MAX_PACKETS = 16  # of a difference
MAX_HOSTS = 4  # of a remark
MAX_ROWS = 40  # of an exchange
MAX_QUIET = 5  # exchanges without loss in the ladder
SEVERAL = 2  # one datagram may be lost by chance
TOO_BIG = {(4, 3, 4), (6, 2, 0)}  # [RFC1191] 4, [RFC4443] 3.2
Ends = tuple[Endpoint, Endpoint]
Known = Callable[[int, Iterable[Ends]], tuple[str | None, tuple[str, ...]]]  # flow and rules of a place

NO_PORTS = (
    "fragments behind the first have no ports, so a firewall that judges by ports and does not put fragments together "
    "drops them, and with them the whole datagram"
)
BY_CHANCE = "it was one datagram, which may be chance: " + NO_PORTS
TELL_APART = (
    "a capture without a filter by port, or with 'or (ip[6:2] & 0x1fff != 0)' added to it, tells whether the firewall drops "
    "them or the filter did"
)
WHOLLY = "datagrams to that port which fit into one packet pass: what drops these drops fragments"
PASS_THEM = (
    "likely: let the firewall put fragments together (virtual reassembly), or let fragments of this traffic pass"
)
KERBEROS = (
    "likely: have Kerberos use TCP, if TCP port 88 is open: MaxPacketSize 1 (DWORD) under HKLM\\SYSTEM\\CurrentControlSet\\"
    "Control\\Lsa\\Kerberos\\Parameters on the client"
)
DNS = "likely: DNS over TCP, if TCP port 53 is open, or answers that fit into one packet (EDNS size 1232)"
RPC = "likely: have the program use RPC over TCP (ncacn_ip_tcp)"


class Asked(NamedTuple):
    """What the words need besides: labels of the places, what was kept, who is where, what `analyze` found."""

    labels: tuple[str, str]
    udp: tuple[Udp, Udp]
    order: Order
    known: Known


def differences(asked: Asked, all_: Datagrams, undelivered: Sequence[Undelivered]) -> list[Difference]:
    """One for each kind of loss, way, and pair of ends."""
    groups: dict[tuple[object, ...], list[Undelivered]] = {}
    for one in undelivered:
        if one.how in ("lost", "repeated", "possible"):
            key = one.how, one.what, one.at, one.side, one.exchange.client.address, one.exchange.server
            groups.setdefault(key, []).append(one)
    small: set[tuple[object, ...]] = {
        (at, exchange.client.address, exchange.server, one.side)
        for pair, deliveries in all_.deliveries
        for one in deliveries
        if one.here is not None and one.there is not None and not one.here.fragmented
        for at, exchange in enumerate((pair.first, pair.second))
    }
    return [_difference(asked, group, small) for group in groups.values()]


def _difference(asked: Asked, group: Sequence[Undelivered], small: set[tuple[object, ...]]) -> Difference:
    head = group[0]
    exchange, at = head.exchange, head.at
    if head.what == "datagram":
        says, means, remedies = _whole(asked, group, small)
    else:
        says, means, remedies = _pieces(asked, group)
    if all(one.edge_ns for one in group):
        least = min((one.edge_ns for one in group), key=abs)
        edge, when = ("last", "before") if least > 0 else ("first", "after")
        there = asked.labels[1 - at]
        says += f" - unless {there} was not recording then: its {edge} packet is {abs(least) / 1e9:.3f} s {when}"
    mine = tuple(piece.packet for one in group for piece in one.pieces)[:MAX_PACKETS]
    first = tuple(dict.fromkeys(one.there.packet for one in group if one.there is not None))[:MAX_PACKETS]
    flow, rules = asked.known(at, dict.fromkeys(one.exchange.ends for one in group))
    prefix = {"possible": "possible-lost"}.get(head.how, head.how)
    return Difference(
        f"{prefix}-{head.what}", says, head.how == "lost", (mine, first) if at == 0 else (first, mine),
        (flow, None) if at == 0 else (None, flow), str(exchange.client.address), str(exchange.server), rules,
        sum(len(one.pieces) for one in group), means, remedies,
    )  # fmt: skip


def service(exchange: Exchange) -> str:
    """What goes over it."""
    return SERVICES.get(exchange.server.port, "RPC")


def _ends(one: Undelivered) -> str:
    client, server = one.exchange.client.address, one.exchange.server
    return f"from {client} to {server}" if one.side == 0 else f"from {server} to {client}"


def _whole(
    asked: Asked, group: Sequence[Undelivered], small: set[tuple[object, ...]]
) -> tuple[str, str | None, tuple[str, ...]]:
    head = group[0]
    here, there = asked.labels[head.at], asked.labels[1 - head.at]
    port = head.exchange.server.port
    many = (
        f"the {len(group)} {service(head.exchange)} datagrams"
        if len(group) > 1
        else f"the {service(head.exchange)} datagram"
    )
    were = "were" if len(group) > 1 else "was"
    seen = (
        f"{many} {_ends(head)} {were} seen at {here} ({numbers(piece.packet for one in group for piece in one.pieces)}) and "
        f"never at {there}"
    )
    if head.how == "repeated":
        return f"{seen}: lost between {here} and {there}, and sent again with success", None, ()
    if head.how == "possible":
        return (
            f"{seen}: possibly dropped between {here} and {there}, or left out by a capture filter: {there} holds no "
            f"datagram of port {port}"
        ), None, ()  # fmt: skip
    key = head.at, head.exchange.client.address, head.exchange.server, head.side
    big = all(one.datagram.fragmented for one in group) and key in small
    if big and len(group) >= SEVERAL:
        return f"{seen}: dropped between {here} and {there}, all of them in fragments", WHOLLY, _remedies(head)
    return f"{seen}: dropped between {here} and {there}", None, ()


def _pieces(asked: Asked, group: Sequence[Undelivered]) -> tuple[str, str | None, tuple[str, ...]]:
    head = group[0]
    here, there = asked.labels[head.at], asked.labels[1 - head.at]
    of = (
        f"of {len(group)} {service(head.exchange)} datagrams"
        if len(group) > 1
        else f"of the {service(head.exchange)} datagram"
    )
    mine = numbers(piece.packet for one in group for piece in one.pieces)
    came = numbers(dict.fromkeys(one.there.packet for one in group if one.there is not None))
    what = "the first fragment" if head.what == "fragments" else "a part"
    rest = "the others" if head.what == "fragments" else "the rest"
    seen = f"{of} {_ends(head)} {what} came to {there} ({came}), {rest} were seen at {here} only ({mine})"
    name = (
        "fragments after the first never reached the other side" if head.what == "fragments" else "fragments were lost"
    )
    said = next((one.said for one in group if one.said is not None), None)
    if said is not None:
        seen += f"; {said.sender} says so itself (ICMP type {said.kind} code {said.code}, packet {said.packet})"
    match head.how:
        case "repeated":
            return f"{name}, and the datagram passed when it was sent again: {seen}", None, ()
        case "possible":
            filtered = (
                f"{there} holds no fragment behind a first one at all, as after a capture filter by port, which never lets "
                "them in"
            )
            return f"possibly {name}: {seen} - or not recorded there: {filtered}", TELL_APART, ()
    if head.what == "fragment":
        return f"{name}: {seen}", None, ()
    return f"{name}: {seen}", NO_PORTS if len(group) >= SEVERAL or said else BY_CHANCE, _remedies(head)


def _remedies(one: Undelivered) -> tuple[str, ...]:
    port = one.exchange.server.port
    more = KERBEROS if port == 88 else DNS if port == 53 else None if port in SERVICES and port != 135 else RPC
    return (PASS_THEM,) if more is None else (PASS_THEM, more)


def remarks(asked: Asked, undelivered: Sequence[Undelivered], copies: Sequence[int]) -> Iterable[str]:
    """What is not there and was not counted as lost, and why."""
    for at in (0, 1):
        here, there = asked.labels[at], asked.labels[1 - at]
        mine = [one for one in undelivered if one.at == at]
        whole = sum(one.how == "unrecorded" and one.what == "datagram" for one in mine)
        if whole:
            many = f"{whole} datagrams of {here} are" if whole > 1 else f"a datagram of {here} is"
            yield (
                f"{many} not at {there}, and nothing says that this was a loss: answered at {here}, not asked for again, or "
                f"seen behind {there}"
            )
        pieces = sum(one.how == "unrecorded" and one.what != "datagram" for one in mine)
        if pieces:
            filtered = "" if asked.udp[1 - at].pieced else ": a capture filter by port never lets them in"
            many = f"{pieces} datagrams" if pieces > 1 else "a datagram"
            yield f"fragments of {many} that arrived are not in {there}{filtered}"
        where = dict.fromkeys(str(one.ends[1]) for one in mine if one.how == "elsewhere")
        if where:
            shown = ", ".join(list(where)[:MAX_HOSTS]) + (", ..." if len(where) > MAX_HOSTS else "")
            yield f"nothing says that the way of datagrams at {here} to {shown} leads past {there}: they are not compared"
        if copies[at]:
            yield f"{here} recorded {copies[at]} packets twice; each counts once"
    if any(one.full_ns is not None for one in asked.udp):
        yield "there were more datagrams than are compared: the rest of these captures was not looked at"


def errors(asked: Asked, undelivered: Sequence[Undelivered], edge: Callable[[int, int], int]) -> list[Difference]:
    """ICMP errors about datagrams that only one place saw: made by a device in between, or lost on their way back."""
    lost: dict[tuple[int, Address, Address], list[Undelivered]] = {}
    for each in undelivered:
        if each.how in ("lost", "repeated", "possible"):
            sender, receiver = each.ends
            lost.setdefault((each.at, sender.address, receiver.address), []).append(each)
    seen = [{_kind(one) for one in udp.errors} for udp in asked.udp]
    senders = [{one.sender for one in udp.errors} for udp in asked.udp]
    found: dict[tuple[object, ...], Difference] = {}
    for at, udp in enumerate(asked.udp):
        for one in udp.errors:
            key = at, one.sender, one.source, one.destination, one.kind, one.code
            if key in found or _kind(one) in seen[1 - at] or edge(at, one.time_ns):
                continue
            hurt = lost.get((at, one.source, one.destination))
            if hurt and one.sender != one.destination and one.sender not in senders[1 - at]:
                found[key] = _error(asked, at, one, "made", hurt[0])
            elif _comes_back(asked, at, one):
                found[key] = _error(asked, at, one, "lost", None)
    return list(found.values())


def _kind(one: Quote) -> tuple[object, ...]:
    """What is the same at both places, whatever the addresses."""
    return one.version, one.kind, one.code, one.ip_id or one.ports


def _comes_back(asked: Asked, at: int, one: Quote) -> bool:
    """Whether it had to pass the other place, which holds other packets of that sort."""
    near = asked.order.nearer(one.source, one.destination, at)
    behind = one.sender == one.destination or asked.order.of_host(at, one.sender) == at
    return near == 1 - at and behind and asked.udp[1 - at].others > 0


def _error(asked: Asked, at: int, one: Quote, how: str, hurt: Undelivered | None) -> Difference:
    here, there = asked.labels[at], asked.labels[1 - at]
    ends: tuple[object, object] = one.source, one.destination
    if one.ports is not None:
        ends = Endpoint(one.source, one.ports[0]), Endpoint(one.destination, one.ports[1])
    about = f"{one.sender} says ICMP type {one.kind} code {one.code} about a datagram {ends[0]} -> {ends[1]}"
    if how == "made":
        says = f"{about} (packet {one.packet} at {here}); {there} saw neither: the device is in between"
    else:
        says = f"{about} (packet {one.packet} at {here}), and that never came back to {there}: dropped between {here} and {there}"
    pair = (one.packet,), ()
    flow, rules = asked.known(at, [hurt.exchange.ends]) if hurt else (None, ())
    return Difference(
        f"{how}-icmp", says, how == "made" or (one.version, one.kind, one.code) in TOO_BIG,
        pair if at == 0 else pair[::-1], (flow, None) if at == 0 else (None, flow), str(one.source), str(ends[1]), rules,
    )  # fmt: skip


def ladder(asked: Asked, all_: Datagrams, clock: Offset) -> list[tuple[int, list[Rung]]]:
    """Exchanges with a loss, and the first few without, by the time at the first place."""
    lost = {id(one.datagram): one for one in all_.undelivered if one.how in ("lost", "repeated", "possible")}
    found: list[tuple[int, list[Rung]]] = []
    quiet = 0
    for pair, deliveries in all_.deliveries:
        hurt = any(id(one.here) in lost or id(one.there) in lost for one in deliveries)
        quiet += not hurt
        if hurt or quiet <= MAX_QUIET:
            found.append((pair.first.first.time_ns, _exchange(asked, pair, deliveries, lost, clock)))
    alone: dict[int, list[Undelivered]] = {}
    for one in lost.values():
        alone.setdefault(id(one.exchange), []).append(one)
    for pair, _ in all_.deliveries:
        alone.pop(id(pair.first), None)
        alone.pop(id(pair.second), None)
    for group in alone.values():
        exchange, at = group[0].exchange, group[0].at
        made = [Delivery(one.side, None if at else one.datagram, one.datagram if at else None) for one in group]
        when = clock.back(exchange.first.time_ns) if at else exchange.first.time_ns
        found.append((when, _exchange(asked, (None, exchange) if at else (exchange, None), made, lost, clock)))
    return found


def _exchange(
    asked: Asked, pair: Paired | tuple[Exchange | None, Exchange | None], deliveries: Sequence[Delivery],
    lost: dict[int, Undelivered], clock: Offset,
) -> list[Rung]:  # fmt: skip
    first, second = pair[0], pair[1]
    known = first or second
    if known is None:
        return []
    near = asked.order.nearer(known.client.address, known.server.address, 0 if first else 1)
    right = near != 1  # the client is left
    names = [None if one is None else f"{one.client} -> {one.server} ({service(one)}, UDP)" for one in (first, second)]
    rungs = [Rung(names[0], "", names[1])]

    def when(one: Delivery) -> int:
        there = 0 if one.there is None else clock.back(one.there.time_ns)
        return there if one.here is None else one.here.time_ns

    for one in sorted(deliveries, key=when)[:MAX_ROWS]:
        rungs += _rows(one, (one.side == 0) is right, lost)
    return rungs


def _rows(one: Delivery, goes_right: bool, lost: dict[int, Undelivered]) -> Iterable[Rung]:
    missing = lost.get(id(one.here)) or lost.get(id(one.there))
    if one.here is not None and one.there is not None:
        yield Rung(_shown(one.here, missing), "-->" if goes_right else "<--", _shown(one.there, missing))
        if missing is None:
            return
    elif missing is None:
        yield Rung(_shown(one.here, None), "...", _shown(one.there, None))
        return
    text = _many("fragment" if missing.there else "datagram", missing.pieces)
    if missing.at == 0:
        yield Rung(text, "--x" if goes_right else "<-*", None)
    else:
        yield Rung(None, "*->" if goes_right else "x--", text)


def _shown(one: Datagram | None, missing: Undelivered | None) -> str | None:
    if one is None:
        return None
    gone = {piece.packet for piece in missing.pieces} if missing is not None and one is missing.datagram else set()
    kept = [piece for piece in one.pieces if piece.packet not in gone] or one.pieces
    return _many("fragment" if one.fragmented else "datagram", kept)


def _many(what: str, pieces: Sequence[Piece]) -> str:
    first, last = pieces[0].packet, pieces[-1].packet
    return f"{what} #{first}" if len(pieces) == 1 else f"{len(pieces)} x {what} #{first}-{last}"


def numbers(packets: Iterable[int]) -> str:
    found = list(packets)
    shown = ", ".join(map(str, found[:MAX_PACKETS])) + (", ..." if len(found) > MAX_PACKETS else "")
    return f"packet{'s' if len(found) != 1 else ''} {shown}"
