"""RPC traffic with known contents: polls of the mapper and the sessions that follow, DCOM, faults, silence, closed ports."""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple
from uuid import UUID

from bench import pdus, smb, tokens
from bench.conversation import MILLISECOND, SECOND, Conversation, Damage, Frames
from bench.frames import Hosts
from bench.pdus import FEATURES, INTEGRITY, MAPPER, NDR32, NDR64, NTLM, PRIVACY, SPNEGO, Auth, Syntax
from bench.truth import FlowKey, Truth

LOSSES = Damage(repeated=0.005, swapped=0.003)
OWN_SHARE = 0.3  # of the sessions
FAULT_SHARE, SILENT_SHARE = 0.012, 0.004  # of the calls; of the sessions
CLOSED_SHARE, FILTERED_SHARE, MISSING_SHARE = 0.012, 0.008, 0.01  # of the polls
SILENCE = 2 * SECOND  # a client's patience, longer than anybody takes for the end of the capture
FAULTS = (0x00000005, 0x1C010002, 0x1C010003, 0x000006F7)
FIRST_PORT, LAST_PORT = 49_152, 65_535  # of clients
VARIANTS = 4  # of every kind of token
TICKET = 1300
REPLICATION_PORT = 5722  # fixed on Server 2008 and 2008 R2
OXID = 0x4D2A_0000_0000_0000


def _interface(uuid: str, major: int, minor: int = 0) -> Syntax:
    return Syntax(UUID(uuid), major, minor)


SERVICES = (
    _interface("e3514235-4b06-11d1-ab04-00c04fc2dcd2", 4),  # drsuapi
    _interface("12345778-1234-abcd-ef00-0123456789ab", 0),  # lsarpc
    _interface("12345678-1234-abcd-ef00-01234567cffb", 1),  # netlogon
    _interface("12345778-1234-abcd-ef00-0123456789ac", 1),  # samr
    _interface("367abb81-9844-35f1-ad32-98f038001003", 2),  # svcctl
    _interface("86d35949-83c9-4044-b424-db363231fd0c", 1),  # task scheduler
    _interface("f6beaff7-1e19-4fbb-9f8f-b89e2018337c", 1),  # event log
    _interface("50abc2a4-574d-40b3-9d66-ee4fd5fba076", 5),  # DNS server
)
OWN_SERVICES = tuple(
    _interface(f"5a7c1e0{number}-93d4-4f06-8b2a-6d0c5e9f1a34", 1) for number in range(4)
)  # of a product
CLOSED = _interface("76f03f96-cdfd-44fc-a22c-64950a001209", 1)  # print: registered by a process that is gone
FILTERED = _interface("91ae6020-9e3c-11cf-8d7c-00aa00c091be", 0)  # certificates: its port is blocked on the way
MISSING = _interface("6bffd098-a112-3610-9833-46c3f87e345a", 1)  # workstation: not registered over TCP
REPLICATION = _interface("897e2e5f-93f3-4376-9c9c-fd2277495c27", 1)  # DFS replication

PIPES = {  # by their names
    "svcctl": SERVICES[4],
    "lsarpc": SERVICES[1],
    "samr": SERVICES[3],
    "srvsvc": _interface("4b324fc8-1670-01d3-1278-5a47bf6ee188", 3),
}
PIPE_FRAGMENT = 4280  # of an answer in a pipe

PLAIN, WINDOWS = (NDR32,), (NDR32, NDR64, FEATURES)
CLSID = UUID("8bc3f05e-d86b-11d0-a075-00c04fb68820")  # WMI
SIGNED, SEALED = Auth(NTLM, INTEGRITY, bytes(16)), Auth(NTLM, PRIVACY, bytes(16))
SEALED_KERBEROS = Auth(SPNEGO, PRIVACY, bytes.fromhex("050406ff0000001c00000000") + bytes(64))


class Server(NamedTuple):
    """A server and what its mapper hands out."""

    address: str
    ports: dict[Syntax, int]
    group: int


BROKEN_CLIENTS = 2


class Session(NamedTuple):
    """What a connection to a service is meant to be."""

    origin: str
    verdict: str
    calls: int
    bulk: int = 0  # calls that are answered in fragments
    batch: int = 1  # calls that travel together


class Shape(NamedTuple):
    """How sessions of an estate look."""

    clients: int
    servers: int
    short: tuple[int, int] = (1, 5)  # calls of a short session
    long_share: float = 0.05
    long: tuple[int, int] = (5, 15)
    bulk: tuple[int, int] = (1, 4)
    batch: int = 4
    fragments: tuple[int, int] = (1, 4)
    patient: bool = True  # also what takes seconds: SYNs without an answer, requests without one
    steady: bool = False  # a client polls one service, and what goes wrong goes wrong for the last clients only


class Tokens(NamedTuple):
    """What the legs of a logon carry."""

    ntlm: tuple[bytes, ...]
    kerberos: tuple[bytes, ...]


class Bound(NamedTuple):
    """What calls need to know of the bind: the context, and the trailer of calls where there was a logon."""

    context: int
    auth: Auth | None


class Wire:
    """One connection of a scenario: a conversation that counts its PDUs."""

    def __init__(self, talk: Conversation, truth: Truth) -> None:
        self.talk = talk
        self._truth = truth

    def send(self, *sent: tuple[str, bytes]) -> None:
        self._truth.pdus.update(kind for kind, _ in sent)
        self.talk.send(b"".join(data for _, data in sent))

    def reply(self, *sent: tuple[str, bytes]) -> None:
        self._truth.pdus.update(kind for kind, _ in sent)
        self.talk.reply(b"".join(data for _, data in sent))


class Pipe:
    """An open pipe: PDUs go by writes and reads, or both in one exchange; they are counted apart."""

    def __init__(self, session: smb.Session, tree: int, name: str, truth: Truth, *, transceive: bool) -> None:
        self._session = session
        self._truth = truth.pipes
        self._transceive = transceive
        self._open = session.create(tree, name)
        self._truth.opened[name] += 1

    def exchange(self, sent: tuple[str, bytes], told: Sequence[tuple[str, bytes]], *, wait: bool = False) -> None:
        """A PDU and the PDUs that answer it; with `wait` the read waits for them."""
        self._truth.pdus.update(kind for kind, _ in (sent, *told))
        if self._transceive:
            self._session.transceive(self._open, sent[1], told[0][1])
        else:
            self._session.write(self._open, sent[1])
            self._session.read_message(self._open, told[0][1], wait=wait)
        for _, data in told[1:]:
            self._session.read_message(self._open, data)

    def write(self, sent: tuple[str, bytes]) -> None:
        """A PDU that has no answer."""
        self._truth.pdus[sent[0]] += 1
        self._session.write(self._open, sent[1])

    def close(self) -> None:
        self._session.close(self._open)


class Estate:
    """Clients that poll a few servers over and over, some more than others; every method makes one scenario."""

    def __init__(self, truth: Truth, seed: int, shape: Shape) -> None:
        random = Random(f"estate {seed}")
        self._truth = truth
        self._shape = shape
        self._tokens = [
            Tokens(
                tokens.ntlm(random),
                (tokens.kerberos_request(random, TICKET), *(tokens.kerberos_reply(random) for _ in range(3))),
            )
            for _ in range(VARIANTS)
        ]
        self._stubs = random.randbytes(1 << 18)
        self._servers = [self._server(f"10.150.0.{number + 10}", random) for number in range(shape.servers)]
        self._clients = [f"10.160.{number >> 7}.{number % 128 + 10}" for number in range(shape.clients)]
        self._weights = [1 / (1 + number) for number in range(max(shape.clients, shape.servers))]
        self._next_port: dict[str, int] = {}
        self._strangers = 0

    @staticmethod
    def _server(address: str, random: Random) -> Server:
        services = (*SERVICES, *OWN_SERVICES, CLOSED, FILTERED)
        ports = random.sample(range(49_664, 49_900), len(services))
        return Server(address, dict(zip(services, ports, strict=True)), random.randrange(0x1000, 0x1020))

    def _stranger(self) -> str:
        """An address that nothing else has."""
        self._strangers += 1
        return f"10.170.{self._strangers >> 7}.{self._strangers % 128 + 1}"

    def _lone_server(self, random: Random) -> Server:
        return self._server(self._stranger(), random)

    def _port(self, client: str) -> int:
        port = self._next_port.get(client, FIRST_PORT)
        self._next_port[client] = port + 1 if port < LAST_PORT else FIRST_PORT
        return port

    def _wire(
        self, frames: Frames, at: int, client: str, server: str, port: int, random: Random, vlan: int = 0
    ) -> Wire:
        self._truth.tcp_flows += 1
        hosts = Hosts(client, server, vlan=vlan)
        round_trip = random.randrange(150, 2500)
        ports = self._port(client), port
        return Wire(Conversation(frames, at, hosts, ports, random, round_trip=round_trip, damage=LOSSES), self._truth)

    def _flow(
        self, client: str, server: str, port: int, interfaces: Sequence[Syntax], origin: str, verdict: str,
        outcome: str = "established",
    ) -> None:  # fmt: skip
        names = tuple(str(one.uuid) for one in interfaces)
        self._truth.flows[FlowKey(client, server, port, names, origin, outcome, verdict)] += 1

    def _close(self, wire: Wire, random: Random) -> None:
        if random.random() < 0.45:
            wire.talk.abort()
        else:
            wire.talk.close()

    # --- the mapper

    def _bind_mapper(self, wire: Wire, random: Random, server: Server) -> bool:
        """Whether NDR64 was agreed on."""
        wide = random.random() < 0.6
        offered = WINDOWS if wide else PLAIN
        wire.send(("bind", pdus.bind(MAPPER, offered)))
        answer = pdus.bind_ack(offered, NDR64 if wide else NDR32, 135, group=server.group)
        wire.reply(("bind_ack", answer))
        return wide

    def _lookup(
        self, frames: Frames, at: int, client: str, server: Server, interface: Syntax, random: Random, vlan: int = 0
    ) -> int:
        """One ept_map on a connection of its own; returns the time after it."""
        wire = self._wire(frames, at, client, server.address, 135, random, vlan)
        wire.talk.open()
        wide = self._bind_mapper(wire, random, server)
        context = 1 if wide else 0
        wire.send(("request", pdus.request(pdus.EPT_MAP, pdus.map_request(interface, wide=wide), 2, context=context)))
        port = server.ports.get(interface)
        address = "0.0.0.0" if ":" in server.address or random.random() < 0.2 else server.address
        towers = [] if port is None else [pdus.tower(interface, port, address)]
        status = 0 if towers else pdus.NOT_REGISTERED
        stub = pdus.map_response(towers, wide=wide, status=status)
        wire.reply(("response", pdus.response(stub, 2, context=context)))
        self._close(wire, random)
        self._truth.calls.update(requests=1, responses=1)
        self._truth.referrals["ept_map"] += 1
        self._flow(client, server.address, 135, (MAPPER,), "mapper", "compliant")
        return wire.talk.now

    # --- sessions on other ports

    def _session(
        self, frames: Frames, at: int, client: str, server: Server, interface: Syntax, port: int, random: Random,
        session: Session, vlan: int = 0,
    ) -> None:  # fmt: skip
        wire = self._wire(frames, at, client, server.address, port, random, vlan)
        wire.talk.open()
        bound = self._bind_service(wire, random, interface, port, server.group)
        call, left = 2, session.calls
        while left:
            count = min(left, session.batch)
            self._calls(wire, random, call, count, bound)
            call, left = call + count, left - count
        for number in range(session.bulk):
            self._bulk_call(wire, random, call + number, bound)
        if self._shape.patient and random.random() < SILENT_SHARE:
            self._unanswered_call(wire, random, call + session.bulk, bound)
        else:
            self._close(wire, random)
        self._flow(client, server.address, port, (interface,), session.origin, session.verdict)

    def _bind_service(self, wire: Wire, random: Random, interface: Syntax, port: int, group: int) -> Bound:
        """Without a logon for the product's own services; else NTLM in three legs, or Kerberos with an alter_context."""
        if interface in OWN_SERVICES:
            return self._bind_plainly(wire, random, interface, port, group)
        if random.random() < 0.7:
            self._bind_ntlm(wire, random, interface, port, group, PRIVACY)
            return Bound(0, SEALED)
        legs = [Auth(SPNEGO, PRIVACY, token) for token in random.choice(self._tokens).kerberos]
        wire.send(("bind", pdus.bind(interface, WINDOWS, auth=legs[0])))
        wire.reply(("bind_ack", pdus.bind_ack(WINDOWS, NDR64, port, group=group, auth=legs[1])))
        context, again = WINDOWS.index(NDR64), (NDR64,)
        wire.send(("alter", pdus.bind(interface, again, context=context, alter=True, auth=legs[2])))
        wire.reply(("alter_ack", pdus.bind_ack(again, NDR64, port, alter=True, group=group, auth=legs[3])))
        return Bound(context, SEALED_KERBEROS)

    @staticmethod
    def _bind_plainly(wire: Wire, random: Random, interface: Syntax, port: int, group: int) -> Bound:
        transfers = random.choice((PLAIN, WINDOWS))
        accepted = NDR64 if NDR64 in transfers else NDR32
        wire.send(("bind", pdus.bind(interface, transfers)))
        wire.reply(("bind_ack", pdus.bind_ack(transfers, accepted, port, group=group)))
        return Bound(transfers.index(accepted), None)

    def _bind_ntlm(self, wire: Wire, random: Random, interface: Syntax, port: int, group: int, level: int) -> None:
        legs = [Auth(NTLM, level, token) for token in random.choice(self._tokens).ntlm]
        wire.send(("bind", pdus.bind(interface, PLAIN, auth=legs[0])))
        wire.reply(("bind_ack", pdus.bind_ack(PLAIN, NDR32, port, group=group, auth=legs[1])))
        wire.send(("auth3", pdus.auth3(legs[2])))

    def _stub(self, random: Random, size: int) -> bytes:
        at = random.randrange(len(self._stubs) - size)
        return self._stubs[at : at + size]

    def _calls(self, wire: Wire, random: Random, first: int, count: int, bound: Bound) -> None:
        """Small calls that travel together, each answered or faulted."""
        calls = range(first, first + count)
        wire.send(*(
            ("request", pdus.request(random.randrange(40), self._stub(random, random.choice((24, 60, 120))), call,
                                     context=bound.context, auth=bound.auth))
            for call in calls
        ))  # fmt: skip
        answers = []
        for call in calls:
            if random.random() < FAULT_SHARE:
                answers.append(("fault", pdus.fault(random.choice(FAULTS), call, context=bound.context)))
            else:
                stub = self._stub(random, random.choice((16, 48, 120, 220)))
                answers.append(("response", pdus.response(stub, call, context=bound.context, auth=bound.auth)))
        faults = sum(kind == "fault" for kind, _ in answers)
        self._truth.calls.update(requests=count, responses=count - faults, faults=faults)
        wire.reply(*answers)

    def _bulk_call(self, wire: Wire, random: Random, call: int, bound: Bound) -> None:
        """A call whose answer takes fragments of 5,840 bytes."""
        wire.send(("request", pdus.request(3, self._stub(random, 200), call, context=bound.context, auth=bound.auth)))
        size = random.randint(*self._shape.fragments) * pdus.room(bound.auth)
        for piece in pdus.fragmented(self._stub(random, size), call, context=bound.context, auth=bound.auth):
            wire.reply(("response", piece))
        self._truth.calls.update(requests=1, responses=1)

    def _unanswered_call(self, wire: Wire, random: Random, call: int, bound: Bound) -> None:
        """A request that is acknowledged and never answered, until the client gives up."""
        wire.send(("request", pdus.request(7, self._stub(random, 64), call, context=bound.context, auth=bound.auth)))
        wire.talk.acknowledge(1)
        wire.talk.wait(SILENCE)
        wire.talk.abort()
        self._truth.calls.update(requests=1, unanswered=1)

    @staticmethod
    def _service(random: Random) -> Syntax:
        return random.choice(OWN_SERVICES if random.random() < OWN_SHARE else SERVICES)

    def _typical(self, random: Random, origin: str = "ept_map", verdict: str = "compliant") -> Session:
        shape = self._shape
        if random.random() < shape.long_share:
            return Session(origin, verdict, random.randint(*shape.long), random.randint(*shape.bulk), shape.batch)
        return Session(origin, verdict, random.randint(*shape.short), batch=random.choice((1, 2)))

    # --- scenarios

    def poll(self, random: Random, at: int) -> Frames:
        """A client asks the mapper and goes where it was sent; now and then nobody is there."""
        client = random.choices(self._clients, self._weights[: len(self._clients)])[0]
        server = random.choices(self._servers, self._weights[: len(self._servers)])[0]
        return self._poll(random, at, client, server)

    def _poll(self, random: Random, at: int, client: str, server: Server) -> Frames:
        frames: Frames = []
        vlan = 42 if hash_of(client) % 20 == 0 else 0
        healthy = self._shape.steady and client not in self._clients[-BROKEN_CLIENTS:]
        chance = 1.0 if healthy else random.random()
        if chance < MISSING_SHARE:
            self._lookup(frames, at, client, server, MISSING, random, vlan)
            return frames
        if chance < MISSING_SHARE + CLOSED_SHARE:
            return self._dead_end(random, at, client, server, CLOSED, vlan)
        if self._shape.patient and chance < MISSING_SHARE + CLOSED_SHARE + FILTERED_SHARE:
            return self._dead_end(random, at, client, server, FILTERED, vlan)
        interface = SERVICES[hash_of(client) % len(SERVICES)] if healthy else self._service(random)
        then = self._lookup(frames, at, client, server, interface, random, vlan) + random.randrange(300, 20_000)
        for _ in range(random.choice((1, 1, 1, 2))):
            session = self._typical(random)
            self._session(frames, then, client, server, interface, server.ports[interface], random, session, vlan)
            then = frames[-1][0] + random.randrange(300, 20_000)
        return frames

    def _dead_end(self, random: Random, at: int, client: str, server: Server, interface: Syntax, vlan: int) -> Frames:
        """A lookup that sends the client to a port that refuses it, or swallows its SYNs."""
        frames: Frames = []
        then = self._lookup(frames, at, client, server, interface, random, vlan) + MILLISECOND
        port = server.ports[interface]
        wire = self._wire(frames, then, client, server.address, port, random, vlan)
        if interface is CLOSED:
            wire.talk.refused(random.choice((1, 2, 3)))
        else:
            wire.talk.unanswered()
        outcome = "refused" if interface is CLOSED else "unanswered"
        self._flow(client, server.address, port, (), "ept_map", "compliant", outcome)
        return frames

    def poll_ipv6(self, random: Random, at: int) -> Frames:
        """The same between two hosts that speak IPv6: the towers name 0.0.0.0."""
        self._strangers += 1
        server = self._server(f"2001:db8:aa::{self._strangers:x}", random)
        return self._poll(random, at, f"2001:db8:bb::{self._strangers:x}", server)

    def listing(self, random: Random, at: int) -> Frames:
        """A client lists the mapper's database and connects to an entry."""
        client, server, frames = self._stranger(), self._lone_server(random), Frames()
        wire = self._wire(frames, at, client, server.address, 135, random)
        wire.talk.open()
        wire.send(("bind", pdus.bind(MAPPER, PLAIN)))
        wire.reply(("bind_ack", pdus.bind_ack(PLAIN, NDR32, 135, group=server.group)))
        wire.send(("request", pdus.request(pdus.EPT_LOOKUP, pdus.lookup_request(), 2)))
        towers = [pdus.tower(interface, port, server.address) for interface, port in server.ports.items()]
        wire.reply(("response", pdus.response(pdus.lookup_response(towers), 2)))
        wire.talk.close()
        self._truth.calls.update(requests=1, responses=1)
        self._truth.referrals["ept_lookup"] += 1
        self._flow(client, server.address, 135, (MAPPER,), "mapper", "compliant")
        interface = self._service(random)
        session = self._typical(random, "ept_lookup")
        then = wire.talk.now + MILLISECOND
        self._session(frames, then, client, server, interface, server.ports[interface], random, session)
        return frames

    def hearsay(self, random: Random, at: int) -> Frames:
        """One client is told of a port, another one uses it."""
        told, other, server, frames = self._stranger(), self._stranger(), self._lone_server(random), Frames()
        interface = self._service(random)
        then = self._lookup(frames, at, told, server, interface, random) + MILLISECOND
        session = self._typical(random, "other_client", "indeterminate")
        self._session(frames, then, other, server, interface, server.ports[interface], random, session)
        return frames

    def cached(self, random: Random, at: int) -> Frames:
        """A client uses a port that it was told of before the capture."""
        client, server, frames = self._stranger(), self._lone_server(random), Frames()
        interface = self._service(random)
        session = self._typical(random, "before_capture", "indeterminate")
        self._session(frames, at, client, server, interface, server.ports[interface], random, session)
        return frames

    def fixed(self, random: Random, at: int) -> Frames:
        """A service whose port is known to everybody."""
        client, server, frames = self._stranger(), self._lone_server(random), Frames()
        session = self._typical(random, "well_known", "not_applicable")
        self._session(frames, at, client, server, REPLICATION, REPLICATION_PORT, random, session)
        return frames

    def activation(self, random: Random, at: int) -> Frames:
        """DCOM: an object is made, its process is called on the port that the answer names."""
        return self._activate(random, at, SIGNED)

    def sealed_activation(self, random: Random, at: int) -> Frames:
        """The same with an answer that nobody else can read."""
        return self._activate(random, at, SEALED)

    def _activate(self, random: Random, at: int, auth: Auth) -> Frames:
        client, server, frames = self._stranger(), self._lone_server(random), Frames()
        port = server.ports[SERVICES[0]]
        wire = self._wire(frames, at, client, server.address, 135, random)
        wire.talk.open()
        self._bind_ntlm(wire, random, pdus.ACTIVATOR, 135, server.group, auth.level)
        readable = auth is SIGNED
        failed = readable and random.random() < 0.1
        bindings = [f"SRV{random.randrange(10, 99)}[{port}]", f"{server.address}[{port}]"]
        asked = pdus.create_instance(CLSID)
        answer = pdus.not_created(pdus.CLASS_NOT_REGISTERED) if failed else pdus.created(bindings, OXID)
        if not readable:
            asked, answer = self._stub(random, len(asked)), self._stub(random, len(answer))
        wire.send(("request", pdus.request(pdus.CREATE_INSTANCE, asked, 2, auth=auth)))
        wire.reply(("response", pdus.response(answer, 2, auth=auth)))
        self._truth.calls.update(requests=1, responses=1)
        self._truth.referrals["activation"] += 1
        self._flow(client, server.address, 135, (pdus.ACTIVATOR,), "mapper", "violation")
        if not failed:
            origin = "activation" if readable else "inferred"
            self._object_calls(frames, wire.talk.now + MILLISECOND, client, server, port, random, origin, auth)
        wire.talk.now = frames[-1][0] + MILLISECOND
        wire.talk.close()
        return frames

    def _object_calls(
        self, frames: Frames, at: int, client: str, server: Server, port: int, random: Random, origin: str, auth: Auth
    ) -> None:
        wire = self._wire(frames, at, client, server.address, port, random)
        wire.talk.open()
        self._bind_ntlm(wire, random, pdus.REM_UNKNOWN2, port, server.group, auth.level)
        count = random.randint(1, 6)
        for call in range(2, 2 + count):
            stub = pdus.orpc_this() + bytes(40)
            wire.send(("request", pdus.request(3, stub, call, instance=pdus.instance(call), auth=auth)))
            wire.reply(("response", pdus.response(pdus.orpc_that() + bytes(52), call, auth=auth)))
        self._truth.calls.update(requests=count, responses=count)
        self._close(wire, random)
        self._flow(client, server.address, port, (pdus.REM_UNKNOWN2,), origin, "violation")

    def resolution(self, random: Random, at: int) -> Frames:
        """DCOM: a client that holds a reference asks the resolver where its process listens."""
        client, server, frames = self._stranger(), self._lone_server(random), Frames()
        port = server.ports[SERVICES[1]]
        wire = self._wire(frames, at, client, server.address, 135, random)
        wire.talk.open()
        wire.send(("bind", pdus.bind(pdus.OXID_RESOLVER, PLAIN)))
        wire.reply(("bind_ack", pdus.bind_ack(PLAIN, NDR32, 135, group=server.group)))
        wire.send(("request", pdus.request(pdus.SERVER_ALIVE2, b"", 2)))
        wire.reply(("response", pdus.response(pdus.alive(["SRV", server.address]), 2)))
        wire.send(("request", pdus.request(pdus.RESOLVE_OXID2, pdus.resolve_request(OXID), 3)))
        wire.reply(("response", pdus.response(pdus.resolved([f"{server.address}[{port}]"]), 3)))
        wire.talk.close()
        self._truth.calls.update(requests=2, responses=2)
        self._truth.referrals["resolve_oxid"] += 1
        self._flow(client, server.address, 135, (pdus.OXID_RESOLVER,), "mapper", "violation")
        self._object_calls(frames, wire.talk.now + MILLISECOND, client, server, port, random, "resolve_oxid", SIGNED)
        return frames

    # --- pipes

    def pipe(self, random: Random, at: int) -> Frames:
        """RPC through pipes of an SMB session, by writes and reads."""
        return self._pipes(random, at, transceive=False)

    def pipe_transceive(self, random: Random, at: int) -> Frames:
        """The same by FSCTL_PIPE_TRANSCEIVE."""
        return self._pipes(random, at, transceive=True)

    def _pipes(self, random: Random, at: int, *, transceive: bool) -> Frames:
        client, server, frames = self._stranger(), self._lone_server(random), Frames()
        wire = self._wire(frames, at, client, server.address, smb.PORT, random)
        wire.talk.open()
        session = smb.Session(wire.talk, random.getrandbits(16))
        session.log_on(random.choice(self._tokens).ntlm)
        tree = session.tree(rf"\\{server.address}\IPC$", smb.PIPE)
        for name in random.sample(sorted(PIPES), random.choice((1, 1, 2))):
            if random.random() < 0.3:
                mapper = Pipe(session, tree, "epmapper", self._truth, transceive=transceive)
                self._pipe_lookup(mapper, PIPES[name], name, server)
            opened = Pipe(session, tree, name, self._truth, transceive=transceive)
            self._pipe_session(opened, random, PIPES[name], name, server.group)
        session.log_off()
        wire.talk.close()
        self._truth.pipes.flows["ncacn_np"] += 1
        return frames

    def _pipe_lookup(self, pipe: Pipe, interface: Syntax, name: str, server: Server) -> None:
        """ept_map that names another pipe."""
        tower = pdus.pipe_tower(interface, rf"\PIPE\{name}", rf"\\{server.address}")
        asked = pdus.map_request(interface, wide=False, wanted=tower)
        pipe.exchange(("bind", pdus.bind(MAPPER, PLAIN)),
                      [("bind_ack", pdus.bind_ack(PLAIN, NDR32, r"\pipe\epmapper", group=server.group))])  # fmt: skip
        pipe.exchange(("request", pdus.request(pdus.EPT_MAP, asked, 2)),
                      [("response", pdus.response(pdus.map_response([tower], wide=False), 2))])  # fmt: skip
        pipe.close()
        self._truth.pipes.referrals["ept_map"] += 1
        self._truth.pipes.calls.update(requests=1, responses=1)

    def _pipe_session(self, pipe: Pipe, random: Random, interface: Syntax, name: str, group: int) -> None:
        """Bind, with a logon of its own or without, and calls; now and then an answer takes fragments."""
        auth = SEALED if random.random() < 0.4 else None
        legs = [Auth(NTLM, PRIVACY, token) for token in random.choice(self._tokens).ntlm] if auth else [None] * 3
        bound = pdus.bind_ack(PLAIN, NDR32, rf"\PIPE\{name}", group=group, auth=legs[1])
        pipe.exchange(("bind", pdus.bind(interface, PLAIN, auth=legs[0])), [("bind_ack", bound)])
        if legs[2]:
            pipe.write(("auth3", pdus.auth3(legs[2])))
        calls = self._truth.pipes.calls
        for call in range(2, 2 + random.randint(2, 12)):
            asked = pdus.request(
                random.randrange(40), self._stub(random, random.choice((24, 60, 120))), call, auth=auth
            )
            if random.random() < 4 * FAULT_SHARE:
                told = [("fault", pdus.fault(random.choice(FAULTS), call))]
            else:
                stub = self._stub(random, random.choice((16, 48, 220, 6000)))
                pieces = pdus.fragmented(stub, call, auth=auth, largest=PIPE_FRAGMENT)
                told = [("response", piece) for piece in pieces]
            fault = told[0][0] == "fault"
            calls.update(requests=1, responses=not fault, faults=fault)
            pipe.exchange(("request", asked), told, wait=random.random() < 0.2)
        pipe.close()


def hash_of(text: str) -> int:
    """A number that is the same in every run, unlike `hash`."""
    return sum(text.encode())


SCENARIOS: dict[str, Callable[[Estate, Random, int], Frames]] = {
    "poll": Estate.poll, "poll-ipv6": Estate.poll_ipv6, "listing": Estate.listing, "hearsay": Estate.hearsay,
    "cached": Estate.cached, "fixed": Estate.fixed, "activation": Estate.activation,
    "sealed-activation": Estate.sealed_activation, "resolution": Estate.resolution,
    "pipe": Estate.pipe, "pipe-transceive": Estate.pipe_transceive,
}  # fmt: skip
