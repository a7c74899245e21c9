"""Connections that break, stall or are refused for want of room: who did it, and after what."""

from tests.build import exchanges, logons, logs, pdus
from tests.build.containers import Frame, Interface
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.causes.shown_cause import Build, Shown

C, S = "10.0.0.1", "10.0.0.2"
PORT = 49670
SVCCTL, DRSUAPI = exchanges.SVCCTL, exchanges.DRSUAPI
TOO_BUSY = 0x1C010014
EVENTLOG6 = ("f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "1.0")
WAIT_ASYNC, QUERY = 2, 15


def _open(recording: Recording, port: int = 50001) -> Tcp:
    tcp = Tcp(recording, C, port, S, PORT)
    tcp.open()
    return tcp


def _lookup(recording: Recording) -> None:
    exchanges.lookup(recording, C, 50000, S, DRSUAPI, PORT)


# --- sizes


def _large_bind_lost(recording: Recording) -> None:
    """A bind with a ticket, in a full segment and a small one: nothing of it is acknowledged."""
    _lookup(recording)
    tcp = _open(recording)
    exchanges.bind(tcp, DRSUAPI, PORT)
    large = pdus.bind([(*DRSUAPI, [pdus.NDR32])], alter=True, auth=(9, 6, exchanges.TOKEN[:1300]))
    tcp.send(large, acknowledge=False)
    tcp.repeat(0, large, (0, 1, 2, 4))
    recording.wait(3 * SECOND)


def _large_dcom_bind_lost(recording: Recording) -> None:
    """Its size or its kind: a full-size bind of the activator is lost, a small one of the mapper is answered."""
    _lookup(recording)
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    large = pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(9, 6, exchanges.TOKEN[:1300]))
    tcp.send(large, acknowledge=False)
    tcp.repeat(0, large, (0, 1, 2, 4, 8))


LARGE_BIND = pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(9, 6, exchanges.TOKEN[:1300]))
LONG_BIND = pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(9, 6, exchanges.TOKEN))
SMALL_BIND = pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1))


def _dcom(recording: Recording, port: int = 50002) -> Tcp:
    tcp = Tcp(recording, C, port, S, 135)
    tcp.open()
    return tcp


def _lost(tcp: Tcp, data: bytes = LARGE_BIND, seconds: tuple[int, ...] = (0, 1, 2, 4, 8)) -> None:
    tcp.send(data, acknowledge=False)
    start = tcp.recording.now
    for second in seconds:
        tcp.recording.now = start + second * SECOND
        tcp._packet(0, "PA", data[:1460], seq=tcp.next[0] - len(data))


def _large_elsewhere(*, lost: bool) -> Build:
    """A large bind of DCOM is lost; as large a call on a dynamic port before it passes, or does not."""

    def build(recording: Recording) -> None:
        _lookup(recording)
        other = _open(recording)
        exchanges.bind(other, DRSUAPI, PORT)
        large = pdus.request(3, bytes(1400), context=1)
        if lost:
            _lost(other, large, (0, 1, 2, 4))
        else:
            other.send(large)
            other.reply(pdus.response(bytes(24), context=1))
            other.close()
        _lost(_dcom(recording))

    return build


def _end_arrives(recording: Recording) -> None:
    """The bind is in two segments; the server acknowledges again what it had, for the second has come."""
    _lookup(recording)
    tcp = _dcom(recording)
    tcp.send(LONG_BIND, acknowledge=False)
    tcp.next[0] -= len(LONG_BIND)
    tcp._packet(1, "A")
    tcp.next[0] += len(LONG_BIND)
    start = recording.now
    for second in (0, 1, 2, 4, 8):
        recording.now = start + second * SECOND
        tcp._packet(0, "PA", LONG_BIND[:1460], seq=tcp.next[0] - len(LONG_BIND))


def _small_one(*, answered: bool) -> Build:
    """Beside the large bind of DCOM that is lost, a small one that is answered, or is not."""

    def build(recording: Recording) -> None:
        _lookup(recording)
        small = _dcom(recording, 50004)
        small.send(SMALL_BIND)
        if answered:
            small.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, 5, exchanges.NTLM2)))
            small.close()
        else:
            recording.wait(8 * SECOND)
            small.fin(0)
        _lost(_dcom(recording))

    return build


def _in_pieces(recording: Recording) -> None:
    """The client suspects the path and repeats the bind in small pieces: these are lost as well."""
    _lookup(recording)
    tcp = _dcom(recording)
    _lost(tcp, seconds=(0, 1))
    start = recording.now
    for second in (2, 4, 8):
        recording.now = start + second * SECOND
        tcp._packet(0, "A", LARGE_BIND[:536], seq=tcp.next[0] - len(LARGE_BIND))


def _ended_at_once(recording: Recording) -> None:
    _lookup(recording)
    tcp = _dcom(recording)
    _lost(tcp, seconds=(0, 1, 2, 4))
    tcp.rst(1)


def _too_big(recording: Recording) -> None:
    """A router says that the packets do not fit, and they are repeated as large as they were."""
    _lookup(recording)
    tcp = _dcom(recording)
    tcp.send(LARGE_BIND, acknowledge=False)
    tcp.error("10.0.0.254", 3, 4)
    tcp.repeat(0, LARGE_BIND, (1, 2, 4, 8))


def _activation_lost(recording: Recording) -> None:
    """The bind of the activator is answered, the large call that follows is lost."""
    _lookup(recording)
    tcp = _dcom(recording)
    exchanges.activator(tcp)
    _lost(tcp, pdus.request(4, bytes(1420), auth=exchanges.SIGNATURE))


def _died(recording: Recording) -> None:
    """Large calls pass, one after the other; then nothing does any more."""
    _lookup(recording)
    tcp = _open(recording)
    exchanges.bind(tcp, DRSUAPI, PORT)
    large = pdus.request(3, bytes(1400), context=1)
    for _ in range(2):
        tcp.send(large)
        tcp.reply(pdus.response(bytes(24), context=1))
    tcp.send(large, acknowledge=False)
    tcp.repeat(0, large, (0, 1, 2, 4, 8))


def _dcom_bind_lost(recording: Recording) -> None:
    """A small bind of the activator gets no answer, a bind of the mapper does."""
    _lookup(recording)
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    tcp.send(pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, 5, exchanges.NTLM1)))
    recording.wait(8 * SECOND)
    tcp.fin(0)


def _mapper_bind_lost(recording: Recording) -> None:
    tcp = Tcp(recording, C, 50002, S, 135)
    tcp.open()
    small = pdus.bind(pdus.contexts(pdus.EPM, "3.0"))
    tcp.send(small, acknowledge=False)
    tcp.repeat(0, small, (0, 1, 2, 4, 8))
    tcp.fin(0)


# --- silence


def _keep_alives(count: int, *, rst: bool = False, beside: bool = False) -> Build:
    """Windows sends ten a second apart after two hours, and gives the connection up with RST."""

    def build(recording: Recording) -> None:
        _lookup(recording)
        tcp = _open(recording)
        exchanges.session(tcp, DRSUAPI)
        recording.wait(7200 * SECOND)
        for number in range(count):
            tcp.keep_alive()
            recording.wait(SECOND)
            if beside and number == 5:
                _lookup(recording)
        if rst:
            tcp.rst(0)

    return build


def _kept_alive(recording: Recording) -> None:
    _lookup(recording)
    tcp = _open(recording)
    exchanges.session(tcp, DRSUAPI)
    for number in range(12):
        recording.wait(1800 * SECOND)
        tcp.keep_alive(number % 2, b"\0" * (number % 3 > 0), answered=number % 4 > 0)
    exchanges.session(tcp, DRSUAPI)
    tcp.close()


def _forgotten(*, reset_ttl: int | None = None) -> Build:
    def build(recording: Recording) -> None:
        _lookup(recording)
        tcp = _open(recording)
        exchanges.session(tcp, DRSUAPI)
        recording.wait(3605 * SECOND)
        ask = pdus.request(3, bytes(20), call_id=90, context=1)
        tcp.send(ask, acknowledge=False)
        if reset_ttl is None:
            tcp.repeat(0, ask, (1, 2, 4, 8))
        else:
            tcp.rst(ttl=reset_ttl)
        recording.wait(SECOND)
        again = _open(recording, 50002)
        exchanges.session(again, DRSUAPI)
        again.close()

    return build


def _crashed_while_idle(recording: Recording) -> None:
    _lookup(recording)
    tcp = _open(recording)
    exchanges.session(tcp, DRSUAPI)
    recording.wait(1700 * SECOND)
    tcp.send(pdus.request(3, bytes(20), call_id=90, context=1), acknowledge=False)
    tcp.rst()
    recording.wait(SECOND)
    Tcp(recording, C, 50002, S, PORT).refused()


# --- resets


def _reset_in_a_call(*, ttl: int | None = None, refused_after: bool = False) -> Build:
    def build(recording: Recording) -> None:
        _lookup(recording)
        tcp = _open(recording)
        exchanges.session(tcp, DRSUAPI)
        tcp.send(pdus.request(3, bytes(20), call_id=90, context=1))
        recording.wait(20 * MS)
        tcp.rst(ttl=ttl)
        if refused_after:
            recording.wait(SECOND)
            Tcp(recording, C, 50002, S, PORT).refused()

    return build


def _reset_both_ways(recording: Recording) -> None:
    """Seen on both sides of a device that sends RST to the client as the server, and to the server as the client."""

    def side(*, client: bool) -> Recording:
        seen = Recording(recording.now)
        tcp = Tcp(seen, C, 50001, S, PORT, interface=0 if client else 1)
        tcp.open()
        exchanges.session(tcp, DRSUAPI)
        if client:
            tcp.send(pdus.request(3, bytes(20), call_id=90, context=1))
            tcp.rst(1)
        else:
            seen.wait(MS)
            tcp.rst(0)
        return seen

    near, far = side(client=True), side(client=False)
    recording.interfaces = (Interface("inside"), Interface("outside"))
    recording.frames = [*near.frames, *(Frame(frame.time_ns + 80_000, 1, frame.data) for frame in far.frames)]


def _client_leaves_by_reset(recording: Recording) -> None:
    _lookup(recording)
    tcp = _open(recording)
    exchanges.session(tcp, DRSUAPI)
    tcp.rst(0)


# --- no room


def _busy_nak(recording: Recording) -> None:
    tcp = _open(recording)
    logons.nak(tcp, SVCCTL, 2, kind=0)
    tcp.close()


def _busy_fault(recording: Recording) -> None:
    tcp = _open(recording)
    exchanges.session(tcp, SVCCTL)
    tcp.send(pdus.request(15, bytes(24), call_id=90, context=1))
    tcp.reply(pdus.fault(TOO_BUSY, call_id=90, context=1))
    tcp.close()


def _every_third_syn(recording: Recording) -> None:
    _lookup(recording)
    for number in range(6):
        tcp = Tcp(recording, C, 50010 + number, S, PORT)
        if number % 3 == 2:
            tcp.syns((0, 1, 3), until=4)
        else:
            tcp.open()
            exchanges.session(tcp, DRSUAPI)
            tcp.close()
    tcp = Tcp(recording, C, 50020, S, PORT)
    tcp.open()
    exchanges.session(tcp, DRSUAPI)
    tcp.close()


def _named_anew(recording: Recording) -> None:
    """A port that opens, then does not, and opens again once the mapper has named it again."""
    for number in range(3):
        if number != 1:
            exchanges.lookup(recording, C, 50000 + number, S, DRSUAPI, PORT)
            tcp = _open(recording, 50010 + number)
            exchanges.session(tcp, DRSUAPI)
            tcp.close()
        else:
            recording.wait(65 * SECOND)
            Tcp(recording, C, 50010 + number, S, PORT).syns((0, 1, 3), until=10)


def _no_syn(recording: Recording) -> None:
    _lookup(recording)
    for number in range(3):
        Tcp(recording, C, 50010 + number, S, PORT).syns((0, 1, 3), until=5)


# --- time


def _given_up(interface: tuple[str, str], opnum: int, seconds: int, *, answered: bool = False) -> Build:
    def build(recording: Recording) -> None:
        tcp = _open(recording)
        exchanges.bind(tcp, interface, PORT)
        tcp.send(pdus.request(opnum, bytes(24), context=1))
        recording.wait(seconds * SECOND)
        if answered:
            tcp.reply(pdus.response(bytes(24), context=1))
        tcp.close()

    return build


def _cancelled(seconds: int, *, answered: bool = False) -> Build:
    """co_cancel after so long; then an answer, or orphaned and another call."""

    def build(recording: Recording) -> None:
        tcp = _open(recording)
        exchanges.bind(tcp, SVCCTL, PORT)
        tcp.send(pdus.request(QUERY, bytes(24), call_id=7, context=1))
        recording.wait(seconds * SECOND)
        tcp.send(pdus.pdu(18, b"", call_id=7))
        if answered:
            tcp.reply(pdus.response(bytes(24), call_id=7, context=1))
        else:
            recording.wait(SECOND)
            tcp.send(pdus.pdu(19, b"", call_id=7))
        tcp.send(pdus.request(QUERY, bytes(24), call_id=8, context=1))
        tcp.reply(pdus.response(bytes(24), call_id=8, context=1))
        tcp.close()

    return build


# --- other nodes


def _other_node(reason: int, *, began: bool) -> Build:
    def build(recording: Recording) -> None:
        if began:
            first = _open(recording)
            exchanges.session(first, SVCCTL)
        second = _open(recording, 50002)
        logons.nak(second, SVCCTL, reason, kind=0, group=0x4711)
        second.close()

    return build


def _other_node_says_so(recording: Recording) -> None:
    tcp = _open(recording)
    tcp.send(pdus.bind([(*SVCCTL, [pdus.NDR32])], group=0x4711))
    tcp.reply(pdus.bind_nak(0))
    tcp.close()


# --- ways


def _answer_lost(recording: Recording) -> None:
    """SYN and SYN-ACK in turn, as the server's side sees them."""
    _lookup(recording)
    tcp = Tcp(recording, C, 50001, S, PORT)
    start = recording.now
    for second in (0, 1, 3, 7):
        recording.now = start + second * SECOND
        tcp._packet(0, "S", seq=tcp.isn)
        tcp.next[0] = tcp.isn + 1
        tcp._packet(1, "SA")
    recording.now = start + 21 * SECOND
    Tcp(recording, C, 9, S, 445).open()


def _answer_lost_between(recording: Recording) -> None:
    """The same, seen at two points: nearer to the client there is no answer."""
    near, far = Recording(recording.now), Recording(recording.now)
    exchanges.lookup(near, C, 50000, S, DRSUAPI, PORT)
    Tcp(near, C, 50001, S, PORT).syns()
    exchanges.lookup(far, C, 50000, S, DRSUAPI, PORT, interface_number=1)
    tcp = Tcp(far, C, 50001, S, PORT, interface=1)
    start = far.now
    for second in (0, 1, 3, 7, 15):
        far.now = start + second * SECOND
        tcp._packet(0, "S", seq=tcp.isn)
        tcp.next[0] = tcp.isn + 1
        tcp._packet(1, "SA")
    recording.interfaces = (Interface("inside"), Interface("outside"))
    recording.frames = [*near.frames, *(Frame(frame.time_ns + 80_000, 1, frame.data) for frame in far.frames)]


def _log_of_strays(recording: Recording) -> str:
    _lookup(recording)
    tcp = _open(recording)
    exchanges.session(tcp, DRSUAPI)
    tcp.close()
    return logs.PFIREWALL + logs.pfirewall(recording.now, "DROP", C, 50001, S, PORT, hours=0, flags="A")


# --- other contents


def _another_version(recording: Recording) -> None:
    tcp = _open(recording)
    tcp.send(pdus.bind([(*SVCCTL, [pdus.NDR32])]))
    tcp.reply(pdus.bind_ack(pdus.UNSUPPORTED, str(PORT)))
    tcp.close()


SHOWN = (
    Shown(
        "path-mtu", "A bind with a ticket is lost, smaller packets of the same connection pass.",
        _large_bind_lost, "path-mtu", "likely", "M1", "strict-filter", never=("strict-filter", "idle-dropped"),
    ),
    Shown(
        "large-dcom-bind-lost", "A large bind of DCOM is lost on port 135: for its size or for its kind, nobody can tell.",
        _large_dcom_bind_lost, "strict-filter", "possible", "E6", "path-mtu", runner_up="path-mtu",
        never=("mapper-bind-unanswered",),
    ),
    Shown(
        "large-dcom-bind-lost-others-pass", "A large bind of DCOM is lost, as large a call to another port was acknowledged.",
        _large_elsewhere(lost=False), "strict-filter", "established", "E6", "path-mtu", never=("path-mtu",),
    ),
    Shown(
        "large-dcom-bind-lost-in-pieces", "A large bind of DCOM is repeated in small pieces, and these are lost as well.",
        _in_pieces, "strict-filter", "established", "E6", "path-mtu", never=("path-mtu",),
    ),
    Shown(
        "large-dcom-bind-lost-and-reset", "A few seconds after a large bind of DCOM the server's side resets.",
        _ended_at_once, "strict-filter", "established", "E6", "path-mtu", never=("path-mtu",),
    ),
    Shown(
        "small-dcom-bind-lost-too", "A large bind of DCOM is lost, and a small one gets no answer either.",
        _small_one(answered=False), "strict-filter", "established", "E6", "path-mtu", never=("path-mtu",),
    ),
    Shown(
        "small-dcom-bind-answered", "A large bind of DCOM is lost, a small one was answered: its size is the matter.",
        _small_one(answered=True), "path-mtu", "likely", "M1", "strict-filter",
        never=("strict-filter", "mapper-bind-unanswered"),
    ),
    Shown(
        "end-of-the-bind-arrives", "Of a bind in two segments the small one arrives: the server acknowledges again.",
        _end_arrives, "path-mtu", "likely", "M1", "strict-filter", runner_up="strict-filter", never=("strict-filter",),
    ),
    Shown(
        "large-ones-lost-everywhere", "A large bind of DCOM is lost, and so is a large call to another port.",
        _large_elsewhere(lost=True), "path-mtu", "likely", "M1", "strict-filter", runner_up="strict-filter",
        never=("strict-filter",),
    ),
    Shown(
        "large-activation-lost", "DCOM is bound on port 135, and the large call that follows is lost: no filter of interfaces.",
        _activation_lost, "path-mtu", "likely", "M1", "strict-filter", never=("strict-filter", "mapper-bind-unanswered"),
    ),
    Shown(
        "too-big-says-a-router", "A router says that a large bind of DCOM does not fit, and it is repeated as large.",
        _too_big, "path-mtu", "established", "M1", "strict-filter", never=("strict-filter",),
    ),
    Shown(
        "died-between-large-calls", "Large calls were answered, then nothing passes any more: size is not the matter.",
        _died, None, twin_of="path-mtu", never=("path-mtu",),
    ),
    Shown(
        "small-dcom-bind-lost", "A small bind of DCOM is lost, a bind of the mapper passes: a filter.",
        _dcom_bind_lost, "strict-filter", "established", "E6", "path-mtu", never=("path-mtu",),
    ),
    Shown(
        "small-mapper-bind-lost", "A small bind on port 135 is repeated and never answered: size is not the matter.",
        _mapper_bind_lost, "mapper-bind-unanswered", None, "E5", "path-mtu", never=("path-mtu",),
    ),
    Shown(
        "forgotten-while-idle", "After an hour of silence a call is repeated and never acknowledged; a new connection works.",
        _forgotten(), "idle-dropped", "likely", "H1", "server-reset", never=("server-reset",),
    ),
    Shown(
        "forgotten-while-idle-rst", "After an hour of silence a call is answered by RST with a TTL that is not the server's.",
        _forgotten(reset_ttl=64), "idle-dropped", "likely", "H1", "server-reset",
        never=("server-reset", "reset-by-middlebox"),
    ),
    Shown(
        "keep-alives-unanswered", "After two hours of silence only keep-alives go out, ten without an answer, then RST.",
        _keep_alives(10, rst=True), "idle-dropped", "possible", "H1", "server-reset", never=("server-reset",),
    ),
    Shown(
        "keep-alives-and-the-server-talks-on", "Keep-alives go unanswered while the server serves others.",
        _keep_alives(10, beside=True), "idle-dropped", "likely", "H1", "server-reset", never=("server-reset",),
    ),
    Shown(
        "keep-alives-answered", "An idle connection is kept alive, for hours.",
        _kept_alive, None, cause="H1", twin_of="idle-dropped", never=("idle-dropped",),
    ),
    Shown(
        "keep-alives-at-the-end", "The capture ends soon after the first keep-alives, and shows nothing else of the server.",
        _keep_alives(5), None, cause="H1", twin_of="idle-dropped", never=("idle-dropped",),
    ),
    Shown(
        "crashed-while-idle", "After a silence the server itself answers with RST, and a new connection is refused.",
        _crashed_while_idle, "server-reset", "established", "H3", "idle-dropped",
        never=("idle-dropped", "dynamic-port-closed"),
    ),
    Shown(
        "server-reset", "The server resets the connection in the middle of a call.",
        _reset_in_a_call(), "server-reset", "likely", "H3", "reset-by-middlebox", never=("reset-by-middlebox",),
    ),
    Shown(
        "server-reset-and-gone", "The server resets the connection in the middle of a call; then nothing listens there.",
        _reset_in_a_call(refused_after=True), "server-reset", "established", "H3", never=("reset-by-middlebox",),
    ),
    Shown(
        "reset-by-middlebox", "RST with another TTL answers a call.",
        _reset_in_a_call(ttl=63), "reset-by-middlebox", "established", "H7", "server-reset", never=("server-reset",),
    ),
    Shown(
        "reset-both-ways", "On the client's side the RST is the server's, on the server's side it is the client's.",
        _reset_both_ways, "reset-by-middlebox", "established", "H7", "server-reset", never=("server-reset",),
    ),
    Shown(
        "client-leaves-by-reset", "A client that has its answers closes with RST.",
        _client_leaves_by_reset, None, twin_of="server-reset", never=("server-reset", "reset-by-middlebox"),
    ),
    Shown(
        "server-busy", "bind_nak 2: the server's limit is reached.",
        _busy_nak, "server-busy", "established", "H4", "bind-rejected", never=("bind-rejected",),
    ),
    Shown("server-busy-fault", "A call is answered by nca_s_server_too_busy.", _busy_fault, "server-busy", "established", "H4"),
    Shown(
        "every-third-connection", "Of the connections to one port every third gets no answer.",
        _every_third_syn, "server-busy", "possible", "H4", "dynamic-port-blocked", beside="dynamic-port-blocked",
    ),
    Shown(
        "opens-when-named-anew", "A port opens again only after the mapper has named it once more: no matter of load.",
        _named_anew, "dynamic-port-blocked", None, None, "server-busy", never=("server-busy",),
    ),
    Shown(
        "no-connection-at-all", "No connection to the port opens: it is blocked, the server is not busy.",
        _no_syn, "dynamic-port-blocked", "established", "F1", "server-busy", never=("server-busy", "asymmetric-path"),
    ),
    Shown(
        "call-timed-out", "The client closes the connection 30 seconds after a call that has no answer.",
        _given_up(SVCCTL, QUERY, 30), "call-timed-out", "likely", "H5", "idle-dropped",
        never=("idle-dropped", "server-reset"),
    ),
    Shown(
        "call-cancelled", "The client cancels a call that has no answer after 30 seconds, and goes on with the next.",
        _cancelled(30), "call-timed-out", "likely", "H5", "idle-dropped", never=("idle-dropped", "server-reset"),
    ),
    Shown(
        "cancelled-and-answered", "The answer comes when the client cancels the call.",
        _cancelled(30, answered=True), None, twin_of="call-timed-out", never=("call-timed-out",),
    ),
    Shown(
        "slow-and-answered", "The answer comes after 30 seconds.",
        _given_up(SVCCTL, QUERY, 30, answered=True), None, twin_of="call-timed-out", never=("call-timed-out",),
    ),
    Shown(
        "waiting-by-design", "A subscription to events waits until the client leaves.",
        _given_up(EVENTLOG6, WAIT_ASYNC, 30), None, twin_of="call-timed-out", never=("call-timed-out",),
    ),
    Shown(
        "association-mismatch", "A bind into an association group is refused, one that begins a group was accepted.",
        _other_node(0, began=True), "association-mismatch", "possible", "H6", "bind-rejected", beside="bind-rejected",
    ),
    Shown(
        "another-protocol-version", "bind_nak 4 has nothing to do with the association.",
        _other_node(4, began=True), "bind-rejected", "established", "F7", "association-mismatch",
        never=("association-mismatch",),
    ),
    Shown(
        "nak-without-a-group-before", "Nothing shows that a group was known: the port serves something else.",
        _other_node(0, began=False), "bind-rejected", None, "F7", "association-mismatch", never=("association-mismatch",),
    ),
    Shown(
        "interface-of-another-version", "bind_ack rejects the only context.",
        _another_version, "bind-rejected", "established", "F7",
    ),
    Shown(
        "answer-lost-on-the-way-back", "SYN and SYN-ACK are repeated in turn, the client never goes on.",
        _answer_lost, "asymmetric-path", "likely", "H2", "dynamic-port-blocked", never=("dynamic-port-blocked",),
    ),
    Shown(
        "answer-lost-between-two-points", "The SYN-ACK is seen near the server and never near the client.",
        _answer_lost_between, "asymmetric-path", "established", "H2", "dynamic-port-blocked",
        never=("dynamic-port-blocked",),
    ),
    Shown(
        "strays-in-a-log", "A log drops an ACK of a connection that it no longer knows, which did no harm.",
        _log_of_strays, None, cause="H2", twin_of="asymmetric-path", never=("asymmetric-path",),
    ),
)  # fmt: skip
