"""What can stand behind an error code, the most common first: the knowledge that `rpcdiag explain` speaks from."""

from typing import NamedTuple


class Picture(NamedTuple):
    """A cause as it looks on the wire; `rule` is what `rpcdiag analyze` calls it."""

    title: str
    looks: str
    rule: str | None = None


class Meaning(NamedTuple):
    """What an error says, what it does not say, and what can be behind it."""

    says: str
    says_not: str
    pictures: tuple[Picture, ...]


UNAVAILABLE = Meaning(
    says="No usable connection to the RPC server could be made for this call, or the value came back inside an answer.",
    says_not="It does not say that the server is down, nor that port 135 is closed: port 135 often works.",
    pictures=(
        Picture(
            "A dynamic port is filtered",
            "port 135 answers and names a port; SYNs to that port stay unanswered. The most common case",
            "dynamic-port-blocked",
        ),
        Picture("The endpoint mapper is filtered", "SYNs to port 135 stay unanswered", "mapper-blocked"),
        Picture(
            "Name or address",
            "no SYN at all, or SYNs to another address than the server's; DNS answers with an error or the wrong host",
            "binding-unreachable",
        ),
        Picture(
            "A strict RPC filter (ISA, TMG, ALGs)",
            "port 135 opens, mapper binds are answered, DCOM binds are not: silence, FIN or RST",
            "strict-filter",
        ),
        Picture(
            "A callback is filtered",
            "the way there works; the server then connects to the client, port 135 or dynamic, and fails",
            "callback-blocked",
        ),
        Picture(
            "The value was carried in an answer",
            "an activation or call is answered with 0x800706BA: what fails lies behind that server",
            "unavailable-in-reply",
        ),
        Picture(
            "The service moved", "a RST from the server on a port that was right before its restart", "stale-endpoint"
        ),
        Picture("Only local", "no packets at all: the RPC services of the client itself, or its outbound policy"),
    ),
)

NOT_REGISTERED = Meaning(
    says="The endpoint mapper answered: it has no entry for the interface asked for.",
    says_not="It is never a blocked port: an answer came.",
    pictures=(
        Picture("The service is not running", "ept_map is answered with no tower", "not-registered"),
        Picture("The name leads to the wrong host", "other interfaces of the expected role are missing there as well",
                "not-registered"),
        Picture("The service listens on another protocol", "ept_lookup lists it for a pipe and not for TCP"),
        Picture("Anonymous lookups are refused", "a fault, or the same status, until the client authenticates",
                "mapper-refuses-anonymous"),
    ),
)  # fmt: skip

ACCESS_DENIED = Meaning(
    says="The server was reached and refused the caller.",
    says_not="No firewall rule will help: the network did its work.",
    pictures=(
        Picture("Rights", "bind_ack, then fault 5, or HRESULT 0x80070005 in the activation's answer", "access-denied"),
        Picture("DCOM hardening", "the activation is bound below packet integrity; event 10036 on the server",
                "dcom-hardening"),
        Picture("Wrong password", "the first request after the logon is refused", "bad-credentials"),
        Picture("An RPC filter on the server", "one interface or operation is refused, the others work", "access-denied"),
    ),
)  # fmt: skip

CALL_FAILED = Meaning(
    says="The connection was lost after (1726) or before (1727) the call began to run.",
    says_not="The server was reached at first: it is not a question of which ports are open.",
    pictures=(
        Picture("An idle session was forgotten", "a long silence, then repeated data or a RST", "idle-dropped"),
        Picture("A filter kills the connection", "a RST or FIN right after a bind or request", "strict-filter"),
        Picture("Large packets get lost", "small ones are acknowledged, full-size ones are repeated", "path-mtu"),
        Picture("The service crashed", "a RST with the server's own TTL in the middle of a call"),
    ),
)

UNKNOWN_INTERFACE = Meaning(
    says="Something answers at that port, and it does not serve the interface.",
    says_not="The port is open; the process behind it is the wrong one.",
    pictures=(Picture("The port belongs to another process now", "bind_ack rejects the interface", "bind-rejected"),),
)

SINK = Meaning(
    says="The server could not call the client's object.",
    says_not="The way from client to server works.",
    pictures=UNAVAILABLE.pictures[4:5],
)

CLASS_MISSING = Meaning(
    says="The server was reached and could not create the object.",
    says_not="The network did its work.",
    pictures=(Picture("The class is not registered, or does not start", "the activation's answer carries the code",
                      "activation-failed"),),
)  # fmt: skip

# low word of the Win32 code, or the whole HRESULT, to what it means
BY_CODE: dict[int, Meaning] = {
    1722: UNAVAILABLE,
    1753: NOT_REGISTERED,
    0x16C9A0D6: NOT_REGISTERED,
    5: ACCESS_DENIED,
    1726: CALL_FAILED,
    1727: CALL_FAILED,
    1717: UNKNOWN_INTERFACE,
    0x80040202: SINK,
    0x80040154: CLASS_MISSING,
    0x80080005: CLASS_MISSING,
}

# what people copy out of a window, in lower case
SENTENCES: tuple[tuple[str, int], ...] = (
    ("rpc server is unavailable", 1722),
    ("no more endpoints available", 1753),
    ("access is denied", 5),
    ("remote procedure call failed and did not execute", 1727),
    ("remote procedure call failed", 1726),
    ("interface is unknown", 1717),
    ("class not registered", 0x80040154),
    ("server execution failed", 0x80080005),
)

WHERE_TO_LOOK = (
    "Capture while the error is repeated, on the client and on the server at once (both sides of a firewall):",
    "  Windows   netsh trace start capture=yes tracefile=c:\\rpc.etl   (stop: netsh trace stop; then etl2pcapng)",
    "            pktmon start --capture --pkt-size 0   (stop: pktmon stop; then pktmon etl2pcap PktMon.etl)",
    "  Linux     tcpdump -i any -s 0 -w rpc.pcap host SERVER",
    "Log dropped packets, which is off by default, for every profile, on the host that is asked:",
    "  Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked True",
    "  netsh advfirewall set allprofiles logging droppedconnections enable",
    "Then:",
    "  rpcdiag analyze rpc.pcapng --log pfirewall.log",
)
