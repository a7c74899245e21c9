"""What can stand behind an error, the most common first: the knowledge that `rpcdiag explain` speaks from.

Every row of the failure catalogue's first table is here. Rules are named by id; one that is not installed is not shown.
"""

from typing import NamedTuple


class Picture(NamedTuple):
    """A cause as it looks on the wire; `rules` are what `rpcdiag analyze` calls it."""

    title: str
    looks: str
    rules: tuple[str, ...] = ()


class Meaning(NamedTuple):
    """What an error says, what it does not say, what can be behind it, and what tells these apart."""

    says: str
    says_not: str
    pictures: tuple[Picture, ...]
    decides: str
    run: tuple[str, ...] = ()


DYNAMIC_PORT = Picture(
    "A dynamic port is filtered",
    "port 135 answers and names a port; SYNs to that port stay unanswered, or a device rejects them. By far the most "
    "common",
    ("dynamic-port-blocked", "dynamic-port-rejected", "program-rule-missing"),
)
MAPPER = Picture(
    "Port 135 is filtered, or the host is down",
    "SYNs to port 135 stay unanswered or are rejected",
    ("mapper-blocked", "mapper-rejected", "mapper-closed", "host-unreachable"),
)
NAME = Picture(
    "The name does not resolve, or to another host",
    "DNS answers with an error or not at all and no SYN follows; or the SYN goes to an address that is not the server's",
    ("name-not-found", "resolver-silent", "wrong-host"),
)
ADDRESS = Picture(
    "DCOM names an address that the client cannot reach",
    "the activation is answered; SYNs then go to a private or foreign address (NAT, second network card, VPN), or the "
    "name in the answer does not resolve",
    ("binding-unreachable", "binding-name-unresolved", "port-forward-without-dynamic-ports"),
)
STRICT = Picture(
    "A strict RPC filter (ISA, TMG, inspection in other firewalls)",
    "port 135 opens and mapper binds are answered, DCOM binds are not: silence, FIN or RST, and no denial in the log",
    ("strict-filter", "shadowed-by-system-rule", "strict-rpc-violation", "mapper-bind-unanswered"),
)
CALLBACK = Picture(
    "The way back is filtered",
    "the way there works; the server then connects to the client, to port 135 or a dynamic one, and fails",
    ("callback-blocked",),
)
IN_REPLY = Picture(
    "The code was carried in an answer",
    "an activation or call is answered, and the code stands in the answer: what fails lies behind that server",
    ("unavailable-in-reply",),
)
MOVED = Picture(
    "The service has moved or died",
    "a RST with the server's own TTL from a port that was right before its restart; a new lookup gives another one",
    ("stale-endpoint", "dynamic-port-closed"),
)
NO_KDC = Picture(
    "No domain controller answers the client",
    "SYNs or datagrams to port 88 stay unanswered before the call",
    ("kdc-unreachable",),
)
NO_SYN = Picture(
    "The client sends nothing",
    "no SYN leaves: its own outbound rule (event 5157), no free source port (events 4227, 4231), or a bad route",
    ("outbound-blocked", "source-ports-exhausted"),
)
INSPECTION = Picture(
    "The firewall's inspection did not learn the port, or forgot it",
    "plain lookups work; the port stays closed for sealed, fragmented or DCOM answers, or a minute after the lookup",
    ("port-not-learnt", "pinhole-expired"),
)
SLOW_SIX = Picture(
    "IPv6 is tried first and goes nowhere", "SYNs over IPv6 are silent for 20 s, then IPv4 works", ("ipv6-first",)
)
LOCAL = Picture(
    "Nothing to do with the network",
    "no packets at all: a local RPC service is stopped (DNS client, firewall service), or the local program has ended",
    ("no-packets",),
)
EVERY_CHECK = ("Test-NetConnection SERVER -Port 135", "portqry -n SERVER -e 135     (lists the ports handed out)")

UNAVAILABLE = Meaning(
    says="No usable connection to the RPC server could be made for this call, or the code came back inside an answer.",
    says_not="It does not say that the server is down, nor that port 135 is closed: port 135 often works.",
    pictures=(
        DYNAMIC_PORT, MAPPER, NAME, ADDRESS, STRICT, CALLBACK, IN_REPLY, MOVED, NO_SYN, NO_KDC, INSPECTION, SLOW_SIX,
        Picture("Only one way is routed", "a SYN-ACK leaves the server and never reaches the client",
                ("asymmetric-path", "non-syn-dropped")),
        LOCAL,
    ),
    decides="Which SYN stays without answer, from whom and to which port? None at all: name, or local. In milliseconds "
    "with complete handshakes: read the answers, it is no port.",
    run=EVERY_CHECK,
)  # fmt: skip

NOT_REGISTERED = Meaning(
    says="The endpoint mapper on port 135 answered: it has no entry for the interface asked for.",
    says_not="It is never a blocked port: an answer came.",
    pictures=(
        Picture("The service is not running there", "the lookup is answered with no port, also after a repeat with "
                "a logon", ("not-registered",)),
        Picture("The name leads to the wrong host", "other interfaces of the expected role are missing there as well; "
                "a stale DNS or hosts entry, an alias, a cluster name", ("wrong-host", "alias-without-spn")),
        Picture("The service listens on another protocol only", "a full listing shows it for a pipe, not for TCP",
                ("other-protocol-only",)),
        Picture("The server has no ports left to register", "many services at once; NETLOGON event 5820, error 87; the "
                "range under Rpc\\Internet is too small or invalid", ("port-range-exhausted",)),
        Picture("Another version of the interface is asked for", "the listing shows the interface with another version",
                ("version-not-registered",)),
        Picture("Anonymous lookups are refused", "a fault, or the same status, until the client logs on",
                ("mapper-refuses-anonymous",)),
        Picture("The local mapper answered", "no packets: the firewall service, for instance, is stopped on this host"),
    ),
    decides="Ask the same host for a full listing: is the interface missing, there on another protocol or version, or "
    "is everything of that role missing (wrong host)?",
    run=("portqry -n SERVER -e 135     (is the interface in the list?)", "nslookup SERVER              (is it that host?)"),
)  # fmt: skip

ACCESS_DENIED = Meaning(
    says="The server was reached and refused the caller.",
    says_not="No firewall rule will help: the network did its work.",
    pictures=(
        Picture("Rights", "the bind succeeds, then fault 5, or 0x80070005 in the activation's answer: DCOM launch and "
                "access limits, group membership, service ACL, UAC filter for local accounts", ("access-denied",)),
        Picture("DCOM hardening (CVE-2021-26414)", "the activation is bound below packet integrity; event 10036 on the "
                "server, 10037 or 10038 on the client", ("dcom-hardening",)),
        Picture("Wrong password, or NTLM is refused", "the first request after the logon is refused, or bind_nak 9; an "
                "address instead of a name forces NTLM", ("bad-credentials", "ntlm-refused")),
        Picture("The level is lower than the interface demands", "the same call at a higher level works; printing, "
                "certificate and Netlogon services demand privacy", ("level-too-low", "level-below-hint",
                "printing-hardening", "certificate-hardening", "netlogon-hardening")),
        Picture("Kerberos failed before it", "error 7, 14, 37 or 41 beside the bind", ("wrong-spn", "clock-skew",
                "encryption-type", "alias-without-spn")),
        Picture("The endpoint mapper refuses anonymous callers", "the lookup on port 135 ends in fault 5",
                ("mapper-refuses-anonymous",)),
        Picture("An RPC filter on the server", "one interface or operation is refused, the others work; event 5712",
                ("rpc-filter",)),
        Picture("The last leg of the logon was lost", "auth3 is sent, the next request is refused", ("third-leg-lost",)),
        Picture("Remote DCOM is switched off", "every activation is refused", ("remote-dcom-off",)),
    ),
    decides="What level was the bind, did the logon succeed, and which call was refused? Level below 5 on an activation: "
    "hardening. Level 5 or 6 and a good logon: rights.",
    run=("wevtutil qe System /q:\"*[System[EventID=10036]]\" /c:3 /rd:true /f:text     (on the server)",
         "klist get host/SERVER     (on the client: is there a Kerberos ticket?)"),
)  # fmt: skip

IDLE = Picture(
    "An idle connection was forgotten on the way",
    "minutes of silence, often a round number, then repeated data without answer or a RST that is not the server's",
    ("idle-dropped",),
)
CRASHED = Picture(
    "The service crashed or was restarted", "a RST with the server's own TTL in the middle of a call", ("server-reset",)
)
KILLED = Picture(
    "A device kills the connection",
    "a RST or FIN right after a bind or request, sometimes both ways at once (inspection, IPS)",
    ("strict-filter", "reset-by-middlebox"),
)
LARGE = Picture(
    "Large packets get lost",
    "small ones are acknowledged, full-size ones (a Kerberos bind, a large answer) are repeated",
    ("path-mtu", "fragments-lost"),
)
CALL_LOST = (
    IDLE, KILLED, CRASHED, LARGE,
    Picture("The old port was used", "the service has restarted; a new lookup then works", ("stale-endpoint",)),
    Picture("The call took too long", "cancel or FIN from the client after a fixed time", ("call-timed-out",)),
    Picture("A load balancer chose another node", "bind_nak, or a fault at the first call of a second connection",
            ("association-mismatch",)),
)  # fmt: skip
CALL_FAILED = Meaning(
    says="The connection was lost after the call may have begun to run.",
    says_not="The server was reached at first: it is not a question of which ports are open.",
    pictures=CALL_LOST,
    decides="What came last before the loss: a long silence, a large packet, a request? And does the RST carry the "
    "server's own TTL?",
    run=("wevtutil qe System /q:\"*[System[(EventID=7031 or EventID=7034)]]\" /c:3 /rd:true /f:text     (a crash?)",),
)  # fmt: skip
CALL_FAILED_DNE = CALL_FAILED._replace(
    says="The connection or the bind was lost before the call began to run: it is safe to repeat it.",
    pictures=(KILLED, IDLE, MOVED, LARGE, CRASHED, CALL_LOST[-1]),
)

BUSY = Meaning(
    says="The server, or the client's own quota, has no room for another call.",
    says_not="The server was reached; opening ports changes nothing.",
    pictures=(
        Picture("The server is overloaded", "bind_nak 1 or 2, or fault 0x1c010014; sometimes every n-th SYN unanswered",
                ("server-busy",)),
        Picture("Too many connections of one client", "the same, from one host only: a program that leaks handles"),
        Picture("A device limits connections", "the limit is a round number, and the server's own counters are low",
                ("reset-by-middlebox",)),
    ),
    decides="Who says it, the server (in a PDU) or the client (no PDU)?",
    run=("netstat -ano | find \"ESTABLISHED\" /c", ),
)  # fmt: skip

PROTOCOL = Meaning(
    says="An unexpected or broken PDU arrived.",
    says_not="The port is open: something answered.",
    pictures=(
        Picture("Not RPC at that port", "the answer does not begin with 05 00: TLS, HTTP, a proxy", ("not-rpc-on-port",)),
        Picture("Something edits the stream", "what leaves one side is not what arrives at the other",
                ("reset-by-middlebox",)),
        Picture("Bind refused for its version", "bind_nak 4, or fault 0x1c01000b", ("bind-rejected",)),
    ),
    decides="Do the first bytes of the answer read 05 00? Capture on both sides: are they the same?",
)  # fmt: skip

BAD_STUB = Meaning(
    says="The arguments or the result could not be decoded.",
    says_not="Network and logon work: the call arrived.",
    pictures=(
        Picture("Client and server are of different versions", "fault 0x6f7 for one operation, others work"),
        Picture("Something edits the stream", "what leaves one side is not what arrives at the other",
                ("reset-by-middlebox",)),
        Picture("Encryption is demanded", "old clients without privacy read this code from some services",
                ("level-too-low",)),
    ),
    decides="Does the same operation work from a client of the server's own version?",
)  # fmt: skip

UNKNOWN_INTERFACE = Meaning(
    says="Something answers at that port, and it does not serve the interface or the operation.",
    says_not="The port is open; the process behind it is the wrong one, or another version.",
    pictures=(
        Picture("The port belongs to another process now", "bind_ack rejects the interface (reason 1), or fault "
                "0x1c010003", ("bind-rejected", "stale-endpoint")),
        Picture("A load balancer or forwarded port leads elsewhere", "the lookup and the connection meet other hosts",
                ("association-mismatch", "port-forward-without-dynamic-ports", "wrong-host")),
        Picture("An older version", "fault 0x1c010002 for one operation, others work", ("version-not-registered",)),
    ),
    decides="Was the port looked up just before, or remembered? A new lookup that names another port settles it.",
    run=("portqry -n SERVER -e 135     (who has that port now?)",),
)  # fmt: skip

TIMED_OUT = Meaning(
    says="The client gave up waiting, or the call was cancelled.",
    says_not="It does not say that nothing was answered: the answer may have come later.",
    pictures=(
        Picture("The method is slow", "the client sends a cancel or FIN after a fixed time; the answer comes later",
                ("call-timed-out",)),
        IDLE, LARGE, DYNAMIC_PORT, SLOW_SIX,
    ),
    decides="Is there an answer after the cancel? Then the server is slow; no acknowledgement at all: the path.",
)  # fmt: skip

SECURITY = Meaning(
    says="The security package failed: the two sides could not agree on who is who.",
    says_not="Server and port were reached. The true reason is beside it, in the Kerberos traffic or the event log.",
    pictures=(
        Picture("The ticket is for another account", "Kerberos error 41 (MODIFIED) in the bind, or 7 from the domain "
                "controller: SPN, stale DNS, computer password", ("wrong-spn", "alias-without-spn", "wrong-host")),
        Picture("Clocks differ", "Kerberos error 37; more than five minutes", ("clock-skew",)),
        NO_KDC,
        Picture("No common encryption type", "Kerberos error 14; RC4 was switched off", ("encryption-type",)),
        Picture("The ticket is too big for UDP", "error 52, then port 88 over TCP is blocked; IP fragments missing",
                ("ticket-too-big", "fragments-lost")),
        Picture("NTLM is refused", "an address instead of a name was used, and policy forbids NTLM", ("ntlm-refused",)),
        Picture("The provider is unknown to the server", "bind_nak 8", ("provider-unknown",)),
        Picture("Wrong password", "Kerberos error 24, or the NTLM logon is refused", ("bad-credentials",)),
    ),
    decides="Which Kerberos error stands beside the bind: 7, 14, 24, 37 or 41?",
    run=("klist purge & klist get host/SERVER", "setspn -Q host/SERVER     (exactly one account?)",
         "w32tm /stripchart /computer:SERVER /samples:3"),
)  # fmt: skip

WRONG_SPN = SECURITY._replace(
    says="The server could not open the ticket, or nobody is registered under the name: the ticket was made for "
    "another account than the one that runs the service.",
    says_not="It is not a wrong user password, and the clock is fine.",
    pictures=(SECURITY.pictures[0],
              Picture("The computer's password is out of step", "one host only, and its secure channel is broken as "
                      "well (events 3210, 5722)"),
              Picture("Two accounts hold the same SPN", "setspn -X lists it")),
    decides="Does the name lead to the right address, and does exactly one account hold the SPN?",
    run=("setspn -Q host/SERVER     (exactly one account?)", "nltest /sc_verify:DOMAIN  (on the server)"),
)  # fmt: skip
SKEW = SECURITY._replace(
    says="The clocks of client and server, or of a domain controller, differ by more than five minutes.",
    says_not="Neither names nor ports are wrong.",
    pictures=(SECURITY.pictures[1],),
    decides="Compare ctime and stime in the Kerberos error.",
    run=("w32tm /stripchart /computer:SERVER /samples:3", "w32tm /resync"),
)
ETYPE = SECURITY._replace(
    says="Client, service account and domain controller have no encryption type in common.",
    says_not="Neither names, clocks nor passwords are wrong.",
    pictures=(SECURITY.pictures[3],),
    decides="Which etypes does the request list, and what does msDS-SupportedEncryptionTypes of the service say?",
    run=("Get-ADComputer SERVER -Properties msDS-SupportedEncryptionTypes",),
)
CREDENTIALS = Meaning(
    says="The logon was refused: the name or the password is wrong, or the account may not log on this way.",
    says_not="The network did its work.",
    pictures=(
        Picture("Wrong name or password", "an NTLM logon is refused, or Kerberos error 24", ("bad-credentials",)),
        Picture("The account may not", "locked, expired, disabled, not allowed over the network"),
        Picture("NTLM is refused by policy", "the same account works with a name instead of an address",
                ("ntlm-refused",)),
    ),
    decides="The status in Security event 4625 on the server, or 4771 and 4776 on the domain controller.",
    run=("wevtutil qe Security /q:\"*[System[EventID=4625]]\" /c:3 /rd:true /f:text     (on the server)",),
)  # fmt: skip
BIG_TICKET = SECURITY._replace(
    says="The answer does not fit into a datagram: the client asks again over TCP.",
    says_not="It is normal, and no failure if the second try over TCP works.",
    pictures=(SECURITY.pictures[4],),
    decides="Does a connection to TCP port 88 follow, and is it answered?",
    run=("Test-NetConnection DC -Port 88",),
)
PREAUTH = SECURITY._replace(
    says="The normal first answer of a domain controller: prove who you are.",
    says_not="It is no failure; the next request carries the proof.",
    pictures=(),
    decides="Read the answer to the request that follows.",
    run=(),
)
NO_LOGON_SERVER = SECURITY._replace(
    says="No domain controller could be found or reached.",
    says_not="It does not say that the server asked for is unreachable.",
    pictures=(NAME, NO_KDC, MAPPER, DYNAMIC_PORT),
    decides="Do the SRV queries for the domain succeed, and do ports 88, 389 and 445 of the controllers answer?",
    run=("nltest /dsgetdc:DOMAIN /force", "nslookup -type=srv _ldap._tcp.dc._msdcs.DOMAIN"),
)
TRUST = SECURITY._replace(
    says="The secure channel between this computer and its domain is broken.",
    says_not="The domain controller was reached.",
    pictures=(
        Picture("The computer's password is out of step", "restored from an image or snapshot, or a name used twice"),
        Picture(
            "Netlogon hardening",
            "an old client's channel is not sealed; events 5827 to 5831, 5838 to 5841",
            ("netlogon-hardening",),
        ),
        WRONG_SPN.pictures[0],
    ),
    decides="nltest on the computer itself says whether the channel is good.",
    run=("nltest /sc_verify:DOMAIN", "Test-ComputerSecureChannel -Verbose"),
)
LEVEL = Meaning(
    says="The level of protection that the client offers is not accepted.",
    says_not="The network did its work, and the password may well be right.",
    pictures=(
        Picture("The interface demands more", "the same call at a higher level works", ("level-too-low",)),
        Picture("DCOM hardening (CVE-2021-26414)", "the activation is bound below packet integrity; event 10036 on the "
                "server", ("dcom-hardening",)),
        Picture("The server's answer asked for more than the client uses", "the activation names a level, the next bind "
                "is below it", ("level-below-hint",)),
        Picture("Printing, certificates, Netlogon", "these demand privacy by default today",
                ("printing-hardening", "certificate-hardening", "netlogon-hardening")),
    ),
    decides="Which level has the bind (auth_level 2 to 6), and what follows at a higher one?",
    run=("wevtutil qe System /q:\"*[System[EventID=10036]]\" /c:3 /rd:true /f:text     (on the server)",),
)  # fmt: skip
PROVIDER = SECURITY._replace(
    says="The server does not know the security provider that the client offers.",
    says_not="It is neither the password nor a port.",
    pictures=(SECURITY.pictures[6], SECURITY.pictures[5]),
    decides="Which auth_type has the bind, and is it bind_nak 8?",
    run=(),
)

DISCONNECTED = Meaning(
    says="The object, or the process that exported it, is gone.",
    says_not="The server's host was reached, and it worked before.",
    pictures=(
        Picture("The server process was restarted", "all references to it die at once; new ones work",
                ("exporter-restarted",)),
        Picture("Pings are lost", "minutes after the start; port 135 was closed later, or is open for the set-up only",
                ("pings-blocked",)),
        Picture("The client kept a stale reference", "only one object is affected"),
    ),
    decides="Do pings (IObjectExporter, port 135) still reach the server, and do all references die at the same time?",
    run=("Test-NetConnection SERVER -Port 135     (it must stay open, not only for the set-up)",),
)  # fmt: skip
EXECUTION = Meaning(
    says="The server's process did not start, or did not register its class in time.",
    says_not="The network did its work: the server answered.",
    pictures=(
        Picture("The process does not start", "the answer is prompt: identity, password of the service, a crash at start",
                ("activation-failed",)),
        Picture("It starts too slowly", "the answer comes after about 120 s; event 10010 on the server",
                ("activation-failed",)),
    ),
    decides="How long did the answer take: at once, or about two minutes?",
    run=("wevtutil qe System /q:\"*[System[EventID=10010]]\" /c:3 /rd:true /f:text     (on the server)",),
)  # fmt: skip
MEMORY = Meaning(
    says="Memory or a quota ran out, at the server, or so it says.",
    says_not="The network did its work: the code came in an answer.",
    pictures=(
        Picture("The server is short of memory, desktop heap or quota", "the answer to the activation or call carries "
                "the code", ("activation-failed",)),
        Picture("The client read an answer wrongly", "the answer on the wire carries another code"),
    ),
    decides="Which code stands in the answer on the wire?",
)  # fmt: skip
CLASS_MISSING = Meaning(
    says="The server was reached and knows no such class or interface.",
    says_not="The network did its work.",
    pictures=(
        Picture("The class or its proxy is not registered", "the activation's answer carries the code: not installed, or "
                "installed for 32 bits only", ("activation-failed",)),
        Picture("The wrong host was asked", "the name leads to another computer", ("wrong-host",)),
    ),
    decides="Is the CLSID in the registry of the host that answered, and for the client's bitness?",
    run=("reg query HKCR\\CLSID\\{...}     (on the server)",),
)  # fmt: skip
REMOTE_OFF = CLASS_MISSING._replace(
    says="Remote DCOM is switched off on the server.",
    says_not="The network did its work: the server answered.",
    pictures=(Picture("EnableDCOM is N", "every activation is refused", ("remote-dcom-off",)),),
    decides="Look at the registry of the host that answered.",
    run=("reg query HKLM\\SOFTWARE\\Microsoft\\Ole /v EnableDCOM     (on the server)",),
)
WMI = Meaning(
    says="WMI itself answered: the connection, DCOM and the logon to it work.",
    says_not="No port is blocked.",
    pictures=(
        Picture("Rights in the WMI namespace", "the session is opened, and the query or its opening is refused",
                ("access-denied",)),
        Picture("The namespace demands encryption", "the call is below packet privacy", ("level-too-low",)),
        Picture("The provider or repository is broken", "the same query fails on the server itself"),
    ),
    decides="Does the same query work locally on the server, under the same account?",
    run=("wmimgmt.msc > Properties > Security     (on the server)", "winmgmt /verifyrepository     (on the server)"),
)  # fmt: skip
SINK = Meaning(
    says="The server could not call the client's object.",
    says_not="The way from client to server works.",
    pictures=(
        CALLBACK,
        Picture("The client refuses the server's account", "the server connects back and gets fault 5",
                ("access-denied",)),
        Picture("The client's addresses mean nothing to the server", "the server sends SYNs to an address that it cannot "
                "reach", ("binding-unreachable", "binding-name-unresolved")),
    ),
    decides="Capture on the client: does the server connect to port 135 of it, and what is the answer?",
    run=("Test-NetConnection CLIENT -Port 135     (from the server)",),
)  # fmt: skip
TRANSACTIONS = Meaning(
    says="Two transaction managers (MSDTC) cannot talk to each other.",
    says_not="It does not say which direction fails: each must reach the other by name, on port 135 and a dynamic port.",
    pictures=(
        CALLBACK,
        Picture("The computer name of the other does not resolve", "queries for its short name fail, no SYN follows",
                ("name-not-found", "binding-name-unresolved")),
        DYNAMIC_PORT, MAPPER,
        Picture("Security settings differ", "the lookup or bind is refused: mutual authentication on one side only",
                ("access-denied", "mapper-refuses-anonymous")),
    ),
    decides="Capture on both: which of the two sends a SYN that stays unanswered?",
    run=("Test-NetConnection OTHER -Port 135     (from each of the two)",),
)  # fmt: skip
RESOURCES = Meaning(
    says="Ports, handles or a quota are used up on the side that says it.",
    says_not="It is not a question of rules.",
    pictures=(
        Picture("The client has no free source ports", "no SYN leaves; events 4227, 4231, thousands of TIME_WAIT",
                ("source-ports-exhausted",)),
        Picture("The RPC port range is used up or invalid", "services register on pipes only; NETLOGON event 5820",
                ("port-range-exhausted",)),
        Picture("A limit of the server", "bind_nak 2", ("server-busy",)),
    ),
    decides="Does a SYN leave the client?",
    run=("netsh int ipv4 show dynamicport tcp", "netsh int ipv4 show excludedportrange protocol=tcp"),
)  # fmt: skip
BAD_RANGE = RESOURCES._replace(
    says="A parameter is wrong. Beside RPC it often means the port range under Rpc\\Internet: services cannot register.",
    says_not="It is no refusal and no lost packet.",
    pictures=(RESOURCES.pictures[1],),
    decides="Do many services fail at once since the last restart?",
    run=("reg query HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet     (on the server)",),
)
SMB = Meaning(
    says="The SMB session that carries an RPC pipe could not be made, or ended.",
    says_not="It says nothing about port 135: pipes go over port 445.",
    pictures=(
        Picture("Port 445 is filtered", "SYNs to port 445 (and 139) stay unanswered"),
        NAME,
        Picture("The connection ended in use", "RST or FIN in the session", ("idle-dropped", "server-reset")),
    ),
    decides="Is the SYN to port 445 answered?",
    run=("Test-NetConnection SERVER -Port 445",),
)  # fmt: skip
NO_PIPE = SMB._replace(
    says="There is no such pipe: SMB works, and the service does not listen on it.",
    says_not="No port is blocked.",
    pictures=(
        Picture("The service is not running", "the open of the pipe is answered with this status"),
        Picture("It listens on TCP only", "a lookup on port 135 names a port for the same interface"),
    ),
    decides="Ask the endpoint mapper: does it list the interface for TCP?",
    run=("portqry -n SERVER -e 135",),
)
CONNECT_SILENT = UNAVAILABLE._replace(
    says="A connection was tried and nothing answered, for about 21 seconds.",
    says_not="Nothing was refused: packets vanish.",
    pictures=(DYNAMIC_PORT, MAPPER, ADDRESS, CALLBACK, SLOW_SIX, INSPECTION),
    decides="To which port did the unanswered SYN go: 135, or one that port 135 had named?",
)
CONNECT_REFUSED = UNAVAILABLE._replace(
    says="A connection was tried, and a reset came back at once.",
    says_not="The packets arrive somewhere: nothing is dropped silently.",
    pictures=(
        MOVED,
        Picture("Nothing listens on port 135", "no Windows host, or a container without a forwarded port",
                ("mapper-closed",)),
        Picture("A firewall sends the reset", "its TTL differs from that of the server's other packets",
                ("dynamic-port-rejected", "mapper-rejected")),
    ),
    decides="Is the TTL of the RST the server's own?",
)  # fmt: skip
NO_ROUTE = UNAVAILABLE._replace(
    says="There is no way to the host or network.",
    says_not="No program and no port has refused anything.",
    pictures=(
        Picture("Routing, or the host is down", "ARP stays unanswered, or a router says so by ICMP",
                ("host-unreachable",)),
        NAME, ADDRESS,
    ),
    decides="Who sends the ICMP error, and about which address?",
    run=("tracert SERVER", "arp -a"),
)  # fmt: skip
CONNECTION_LOST = CALL_FAILED._replace(says="An established connection ended by a reset or abort.")
NO_NAME = UNAVAILABLE._replace(
    says="The name could not be resolved to an address.",
    says_not="No port was tried: nothing was sent to the server.",
    pictures=(NAME, ADDRESS),
    decides="What does DNS answer: no such name, another address, or nothing at all?",
    run=("Resolve-DnsName SERVER", "dcdiag /test:dns     (between domain controllers)"),
)
REPLICATION_RIGHTS = ACCESS_DENIED._replace(
    says="The caller may not replicate: the network and RPC work.",
    pictures=(
        Picture("The replication right is missing", "the call is answered with the code", ("access-denied",)),
        SECURITY.pictures[0],
    ),
    decides="Does dcdiag /test:ncsecdesc complain?",
    run=("dcdiag /test:ncsecdesc",),
)
OUTBOUND = UNAVAILABLE._replace(
    says="This host's own firewall or security software forbade the connection.",
    says_not="Nothing was sent; the other side has no part in it.",
    pictures=(NO_SYN,),
    decides="Security event 5157 with direction Outbound on this host.",
    run=('auditpol /set /subcategory:"{0CCE9226-69AE-11D9-BED3-505054503030}" /failure:enable',),
)
PRINTER = Meaning(
    says="Windows could not connect to a shared printer: an RPC error in the printer's clothes.",
    says_not="The driver is seldom the reason.",
    pictures=(
        Picture("The print server demands privacy (CVE-2021-1678)", "calls to the spooler below level 6 are refused",
                ("printing-hardening", "level-too-low")),
        Picture("Printing goes over TCP since Windows 11 22H2", "the spooler is looked up on port 135, and its dynamic "
                "port is filtered; before, \\pipe\\spoolss on port 445 was used", DYNAMIC_PORT.rules),
        Picture("The server listens on pipes only", "the lookup of the spooler is answered with no port",
                ("other-protocol-only", "not-registered")),
    ),
    decides="Is the spooler looked up on port 135, and does the connection to the port it names open?",
    run=("reg query \"HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\Printers\\RPC\"",),
)  # fmt: skip
AUTO_LEVEL = Meaning(
    says="The header of a DCOM call was not accepted; old Linux WMI clients get it from Windows 10 2004 and later.",
    says_not="Ports and rights are fine.",
    pictures=(
        Picture("The client's DCOM version or message is too old", "the answer to the first activation carries the code",
                ("dcom-hardening", "activation-failed")),
    ),
    decides="Which client library is it, and does a current one work?",
)  # fmt: skip

STALE = DISCONNECTED._replace(
    says="The handle that the client holds means nothing to the server's process any more.",
    says_not="The server was reached, and it worked before.",
    pictures=(
        DISCONNECTED.pictures[0],
        Picture(
            "A load balancer chose another node", "a second connection meets another process", ("association-mismatch",)
        ),
        Picture(
            "The server closed an idle client's handle", "after a long silence on the connection", ("idle-dropped",)
        ),
    ),
    decides="Did the server's process change between the call that opened the handle and the one that failed?",
    run=(),
)
UNSPECIFIC = Meaning(
    says="It says that something failed, and nothing else.",
    says_not="Look for another code or a sentence beside it: paste the whole message, with its inner exceptions.",
    pictures=(),
    decides="The answer on the wire may hold a better code: capture it.",
)

# result codes of ISA Server and TMG
POLICY_DENIED = Meaning(
    says="The firewall's policy denied the connection: a rule forbids it, or none allows it.",
    says_not="It is not the RPC filter: that one leaves opened and closed connections, and no denial.",
    pictures=(Picture("No rule, or one that denies", "the log row names the rule, or none",
                      ("dynamic-port-blocked", "mapper-blocked", "ephemeral-port-rule")),),
    decides="Which rule does the row name? System policy rules come first, and are hidden until shown.",
)  # fmt: skip
NOT_SYN = Meaning(
    says="The firewall dropped a packet that belongs to no connection it knows (rule: none, see result code).",
    says_not="It is neither the RPC filter nor a missing access rule.",
    pictures=(
        Picture("Only one way passes the firewall", "the firewall sees SYN-ACKs or later packets without their SYN",
                ("non-syn-dropped", "asymmetric-path")),
        Picture("The connection was idle for too long", "the drop comes after a long silence", ("idle-dropped",)),
        Picture("The firewall was restarted, or its session is half open", "once, for many connections"),
    ),
    decides="Is there an earlier row with the same ports, and how long before?",
)  # fmt: skip
FILTER_KILLED = Meaning(
    says="The firewall itself ended the connection, for instance by its RPC filter.",
    says_not="It is no denial: a rule had allowed the connection, and the log says Initiated and Closed.",
    pictures=(STRICT,),
    decides="Which rule does the row name, and is 'Enforce strict RPC compliance' set on that one? A system policy rule "
    "comes before your own.",
)  # fmt: skip

_WMI_CODES = (
    *(0x80041001, 0x80041002, 0x80041003, 0x80041004, 0x80041006, 0x80041008, 0x8004100A, 0x8004100E, 0x80041010),
    *(0x80041013, 0x80041017, 0x80041032, 0x80041033, 0x80041062, 0x80041064, 0x8004106C, 0x80041087, 0x80042001),
)

# Win32 code, HRESULT or status to what it means; an HRESULT made of a Win32 code is found by that
BY_CODE: dict[int, Meaning] = {
    5: ACCESS_DENIED,
    6: STALE,
    8: MEMORY,
    14: MEMORY,
    53: SMB,
    64: SMB,
    67: SMB,
    87: BAD_RANGE,
    121: CONNECT_SILENT,
    231: BUSY,
    233: SMB,
    0x11B: PRINTER,
    1130: MEMORY,
    1225: CONNECT_REFUSED,
    1231: NO_ROUTE,
    1232: NO_ROUTE,
    1234: CONNECT_REFUSED,
    1236: CONNECTION_LOST,
    1256: NO_ROUTE,
    1311: NO_LOGON_SERVER,
    1326: CREDENTIALS,
    1331: CREDENTIALS,
    1355: NO_LOGON_SERVER,
    1385: CREDENTIALS,
    1396: WRONG_SPN,
    1397: SECURITY,
    1398: SKEW,
    1460: TIMED_OUT,
    1717: UNKNOWN_INTERFACE,
    1721: RESOURCES,
    1722: UNAVAILABLE,
    1723: BUSY,
    1726: CALL_FAILED,
    1727: CALL_FAILED_DNE,
    1728: PROTOCOL,
    1745: UNKNOWN_INTERFACE,
    1747: PROVIDER,
    1753: NOT_REGISTERED,
    1783: BAD_STUB,
    1786: TRUST,
    1787: TRUST,
    1788: TRUST,
    1789: TRUST,
    1801: PRINTER,
    1818: TIMED_OUT,
    1820: CALL_FAILED,
    1821: LEVEL,
    1825: SECURITY,
    1908: NO_LOGON_SERVER,
    1910: DISCONNECTED,
    1911: DISCONNECTED,
    1912: DISCONNECTED,
    8453: REPLICATION_RIGHTS,
    8524: NO_NAME,
    8589: WRONG_SPN,
    10013: OUTBOUND,
    10048: RESOURCES,
    10051: NO_ROUTE,
    10053: CONNECTION_LOST,
    10054: CONNECTION_LOST,
    10055: RESOURCES,
    10060: CONNECT_SILENT,
    10061: CONNECT_REFUSED,
    10064: NO_ROUTE,
    10065: NO_ROUTE,
    11001: NO_NAME,
    11002: NO_NAME,
    11003: NO_NAME,
    11004: NO_NAME,
    0x16C9A0D6: NOT_REGISTERED,
    0x80004005: UNSPECIFIC,
    0x8000FFFF: UNSPECIFIC,
    0x80010006: DISCONNECTED,
    0x80010007: DISCONNECTED,
    0x80010012: DISCONNECTED,
    0x80010108: DISCONNECTED,
    0x80010110: AUTO_LEVEL,
    0x80010111: AUTO_LEVEL,
    0x80010113: DISCONNECTED,
    0x80010114: DISCONNECTED,
    0x80010118: LEVEL,
    0x8001011A: PROVIDER,
    0x8001011B: ACCESS_DENIED,
    0x8001011C: REMOTE_OFF,
    0x8001011F: TIMED_OUT,
    0x80040154: CLASS_MISSING,
    0x80040155: CLASS_MISSING,
    0x800401FD: DISCONNECTED,
    0x80040202: SINK,
    0x80041015: UNAVAILABLE,
    0x8004D01B: TRANSACTIONS,
    0x8004D02A: TRANSACTIONS,
    0x8004D02B: TRANSACTIONS,
    0x80074E24: FILTER_KILLED,
    0x80080003: UNAVAILABLE,
    0x80080005: EXECUTION,
    0x80080006: EXECUTION,
    0x80080008: EXECUTION,
    0x80090303: WRONG_SPN,
    0x80090308: SECURITY,
    0x8009030C: CREDENTIALS,
    0x8009030E: SECURITY,
    0x8009030F: SECURITY,
    0x80090311: NO_LOGON_SERVER,
    0x80090322: WRONG_SPN,
    0x80090324: SKEW,
    0x80090342: ETYPE,
    0xC000000D: BAD_RANGE,
    0xC0000022: ACCESS_DENIED,
    0xC0000034: NO_PIPE,
    0xC000005E: NO_LOGON_SERVER,
    0xC0000064: CREDENTIALS,
    0xC000006A: CREDENTIALS,
    0xC000006D: CREDENTIALS,
    0xC000006E: CREDENTIALS,
    0xC000006F: CREDENTIALS,
    0xC0000070: CREDENTIALS,
    0xC0000071: CREDENTIALS,
    0xC0000072: CREDENTIALS,
    0xC000009A: RESOURCES,
    0xC00000AC: BUSY,
    0xC00000AE: BUSY,
    0xC00000B0: SMB,
    0xC00000B5: CONNECT_SILENT,
    0xC00000BE: SMB,
    0xC00000C9: SMB,
    0xC00000CC: SMB,
    0xC00000DF: NO_LOGON_SERVER,
    0xC0000133: SKEW,
    0xC000014B: SMB,
    0xC000015B: CREDENTIALS,
    0xC000018B: TRUST,
    0xC000018D: TRUST,
    0xC0000193: CREDENTIALS,
    0xC0000203: SMB,
    0xC0000205: RESOURCES,
    0xC000020C: CONNECTION_LOST,
    0xC000020D: CONNECTION_LOST,
    0xC0000224: CREDENTIALS,
    0xC0000233: NO_LOGON_SERVER,
    0xC0000234: CREDENTIALS,
    0xC0000236: CONNECT_REFUSED,
    0xC000023C: NO_ROUTE,
    0xC000023D: NO_ROUTE,
    0xC000035C: SMB,
    0xC0000418: SECURITY._replace(
        says="NTLM was refused by policy, and Kerberos was not used.",
        says_not="The password may well be right.",
        pictures=(SECURITY.pictures[5],),
        decides="Was the server asked for by its address or by an alias? Then there is no Kerberos.",
        run=("klist get host/SERVER",),
    ),
    0xC0020012: UNKNOWN_INTERFACE,
    0xC0020017: UNAVAILABLE,
    0xC0020018: BUSY,
    0xC002001B: CALL_FAILED,
    0xC002001C: CALL_FAILED_DNE,
    0xC002001D: PROTOCOL,
    0xC0020036: NOT_REGISTERED,
    0xC0020050: TIMED_OUT,
    0xC003000C: BAD_STUB,
    0xC004000D: POLICY_DENIED,
    0xC0040012: POLICY_DENIED._replace(
        says="No network rule of the firewall relates the two networks: it did not come to access rules.",
        says_not="It is neither the RPC filter nor a missing access rule.",
    ),
    0xC0040017: NOT_SYN,
    **dict.fromkeys(_WMI_CODES, WMI),
}

# numbers that mean this only where they are of that family
BY_SYMBOL: dict[str, Meaning] = {
    "KDC_ERR_C_PRINCIPAL_UNKNOWN": CREDENTIALS,
    "KDC_ERR_S_PRINCIPAL_UNKNOWN": WRONG_SPN,
    "KDC_ERR_ETYPE_NOSUPP": ETYPE,
    "KDC_ERR_CLIENT_REVOKED": CREDENTIALS,
    "KDC_ERR_KEY_EXPIRED": CREDENTIALS,
    "KDC_ERR_PREAUTH_FAILED": CREDENTIALS,
    "KDC_ERR_PREAUTH_REQUIRED": PREAUTH,
    "KDC_ERR_SVC_UNAVAILABLE": NO_LOGON_SERVER,
    "KRB_AP_ERR_BAD_INTEGRITY": WRONG_SPN,
    "KRB_AP_ERR_TKT_NYV": SKEW,
    "KRB_AP_ERR_NOT_US": WRONG_SPN,
    "KRB_AP_ERR_SKEW": SKEW,
    "KRB_AP_ERR_MODIFIED": WRONG_SPN,
    "KRB_AP_ERR_BADKEYVER": WRONG_SPN,
    "KRB_ERR_RESPONSE_TOO_BIG": BIG_TICKET,
    "authentication_type_not_recognized": PROVIDER,
    "invalid_checksum": SECURITY,
}
