"""Events of Windows logs that stand for an RPC failure, told by number or by what they say."""

import re
from typing import NamedTuple


class Event(NamedTuple):
    """`codes`: the errors it stands for, where it names none itself.

    `words` are found in the text, in lower case; what stands around `...` has to be there both.
    """

    number: int
    source: str
    host: str  # which computer writes it
    says: str
    then: str
    codes: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


_LIMITS = "It is no matter of firewalls: dcomcnfg, COM Security or the AppID's own permissions."
_WEAK = "Raise the program's level to packet integrity, or update it; the registry escape is gone since March 2023."
_VULNERABLE = "A secure channel that is not sealed (CVE-2020-1472, CVE-2022-38023): update that computer or device."

EVENTS: tuple[Event, ...] = (
    Event(10028, "DistributedCOM", "the client", "DCOM could not talk to the computer with any protocol; the event names "
          "the program (PID) that asked.", "It is written about 21 s after the first unanswered SYN: look there.", (1722,),
          (), ("unable to communicate with the computer...requested by pid", "dcom konnte mit dem computer...pid")),
    Event(10009, "DistributedCOM", "the client", "DCOM could not talk to the computer with any protocol (Vista, Server "
          "2008 and 2008 R2).", "Look for SYNs to port 135, or the port it named, without an answer.", (1722,), (),
          ("unable to communicate with the computer", "dcom konnte mit dem computer")),
    Event(10006, "DistributedCOM", "the client", "An activation on another computer ended with an error, which the event gives "
          "in decimal.", "2147944122 (0x800706BA): it was not reached, look there. Any other: it was, and the number "
          "decides.", (), (), ("dcom got error...attempting to activate the server",)),
    Event(10010, "DistributedCOM", "the server", "A COM server was started and did not register in time (120 s).",
          "A local time-out; the network had done its part.", (0x80080005,), (),
          ("did not register with dcom within the required timeout",)),
    Event(10016, "DistributedCOM", "the server", "Permission settings deny launch or activation.",
          "With a local address it is mostly noise; with a client's address it is the reason. " + _LIMITS, (5,), (),
          ("permission settings do not grant",)),
    *(Event(number, "DistributedCOM", "the server", "The machine-wide limits deny access.", _LIMITS, (5,))
      for number in (10015, 10017, 10018, 10019, 10027)),
    Event(10005, "DistributedCOM", "the server", "DCOM could not start the service that hosts a COM server.",
          "The service is disabled or fails at start: no matter of firewalls.", (0x80080005,), (),
          ("dcom got error...attempting to start the service",)),
    Event(10036, "DistributedCOM", "the server", "The server refused an activation below packet integrity "
          "(CVE-2021-26414); the event gives the client's address and account.", _WEAK, (5,), ("dcom-hardening",),
          ("server-side authentication level policy does not allow",)),
    Event(10037, "DistributedCOM", "the client", "A program asks explicitly for a level below packet integrity.", _WEAK,
          (5,), ("dcom-hardening",), ("explicitly set authentication level",)),
    Event(10038, "DistributedCOM", "the client", "A program asks, by default, for a level below packet integrity.", _WEAK,
          (5,), ("dcom-hardening",), ("default activation authentication level",)),
    Event(5157, "Security (WFP)", "the host that blocks", "Windows Firewall blocked a connection: the surest proof there "
          "is.", "Inbound: a rule is missing on this host. Outbound: no SYN was sent. One row per repeated SYN.", (1722,),
          ("dynamic-port-blocked", "mapper-blocked", "outbound-blocked"),
          ("filtering platform has blocked a connection",)),
    Event(5152, "Security (WFP)", "the host that blocks", "Windows Firewall dropped a packet.", "At layer %%14597 and "
          "without a process nothing listens on that port (stealth mode); otherwise a rule is missing.", (1722,),
          ("dynamic-port-blocked", "mapper-blocked"), ("filtering platform has blocked a packet",)),
    Event(5031, "Security (WFP)", "the host that blocks", "Windows Firewall kept a program from accepting connections.",
          "It names no addresses: switch on 5157.", (1722,), ("program-rule-missing",),
          ("blocked an application from accepting incoming connections",)),
    Event(5712, "Security (RPC)", "the server", "A call met an RPC filter that audits: it names the interface.",
          "netsh rpc filter show filter lists the filters.", (5,), ("rpc-filter",),
          ("remote procedure call (rpc) was attempted",)),
    Event(5719, "NETLOGON", "the client", "No secure channel to a domain controller could be made.", "At start-up once: "
          "the network was not ready. Again and again: DNS, ports 88, 135, 389, 445 and the dynamic range.", (1311,), (),
          ("was not able to set up a secure session with a domain controller",
           "keine sichere sitzung mit einem domanencontroller")),
    Event(5783, "NETLOGON", "the client", "The session with a domain controller no longer answers.",
          "The connection broke in use: see what dropped it.", (1726,), (), ("is not responsive",)),
    Event(5820, "NETLOGON", "the domain controller", "Netlogon could not register its RPC endpoint.", "The port range "
          "under Rpc\\Internet, or DCTcpipPort, is invalid or used up.", (1753, 87), ("port-range-exhausted",)),
    *(Event(number, "NETLOGON", "the domain controller", what, _VULNERABLE, (5,), ("netlogon-hardening",))
      for number, what in (
          (5827, "A vulnerable secure channel of a computer was refused."),
          (5828, "A vulnerable secure channel of a trust was refused."),
          (5829, "A vulnerable secure channel of a computer was allowed, for now."),
          (5830, "A vulnerable secure channel of a computer was allowed by policy."),
          (5831, "A vulnerable secure channel of a trust was allowed by policy."),
          (5838, "Netlogon met a client that signs instead of seals."),
          (5839, "Netlogon met a trust that signs instead of seals."),
          (5840, "Netlogon met a secure channel that uses RC4."),
          (5841, "Netlogon refused a secure channel that uses RC4."))),
    Event(1006, "GroupPolicy", "the client", "Group policy could not be read for want of an LDAP bind.",
          "The logon to the domain controller failed: read the code in the details.", (), (), ()),
    Event(4227, "Tcpip", "the client", "A source port could not be used again so soon: ports run out.",
          "netsh int ipv4 show dynamicport tcp; reuse connections.", (1721,), ("source-ports-exhausted",)),
    Event(4231, "Tcpip", "the client", "No free source port was left.",
          "netsh int ipv4 show dynamicport tcp; find the program that holds them.", (1721,), ("source-ports-exhausted",),
          ("all such ports are in use",)),
    Event(1865, "NTDS KCC", "the domain controller", "The topology could not be completed: sites cannot be reached.",
          "repadmin /showrepl tells the code for each partner.", (1722,)),
    Event(31144, "DPM", "the DPM server", "The agent could not be attached.",
          "Membership in the domain and trust first, then the firewall.", (), (), ()),
)  # fmt: skip
# a program's message that stands for an event or code of another
PROGRAMS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("dpm could not communicate with the protection agent", ("System Center DPM: the server cannot reach the agent, or the "
     "agent the server. The agent connects back by DCOM: check both directions (135, dynamic, 5718, 5719)."), (1722,)),
    ("the agent operation failed because it could not communicate with", ("System Center DPM: the server cannot reach the "
     "agent, or the agent the server. Check both directions (135, dynamic, 5718, 5719)."), (1722,)),
    ("pe015", "PRTG: WMI could not be asked; the code beside it decides.", ()),
    ("the mom server failed to perform specified operation", ("SCOM: the agent could not be pushed; the code beside it "
     "decides. Needed: 135, 445, and the dynamic range."), ()),
)  # fmt: skip

_BY_NUMBER = {one.number: one for one in EVENTS}
_SOURCES = r"security|distributedcom|dcom|netlogon|microsoft-windows-(?:distributedcom|security-auditing)|security-auditing|tcpip|dpm"
_NAMED = re.compile(
    rf"(?:\b(?:event|ereignis)(?:\s?-?\s?(?:id|kennung|code))?|\b(?:{_SOURCES})(?:\s+(?:event|error))?)"
    r"(?:\s+(?:is|no\.?))?\s*[:=#]?\s*(\d{4,5})\b",
    re.I,
)
_NUMBER_FIRST = re.compile(rf"\b(\d{{4,5}})\s*[,:;|]?\s*(?:from\s+)?(?:{_SOURCES})\b", re.I)
# fields of the events of the Windows Filtering Platform, and of DCOM's
_FIELDS = {
    "direction": re.compile(r"direction:\s*(\S{1,20})", re.I),
    "source": re.compile(r"source address:\s*([0-9a-f.:]{2,45})", re.I),
    "source_port": re.compile(r"source port:\s*(\d{1,5})", re.I),
    "destination": re.compile(r"destination address:\s*([0-9a-f.:]{2,45})", re.I),
    "destination_port": re.compile(r"destination port:\s*(\d{1,5})", re.I),
    "program": re.compile(r"application name:\s*(\S.{0,200})", re.I),
    "layer": re.compile(r"layer name:\s*(\S.{0,60})", re.I),
    "computer": re.compile(
        r"(?:communicate with|from) the computer\s+\"?([\w.:\-]{1,255}?)\"?\s+(?:using any|when)", re.I
    ),
    "pid": re.compile(r"requested by pid\s+([0-9a-fx]{1,10})", re.I),
    "client": re.compile(r"from address\s+([0-9a-f.:]{2,45}?)\s+to activate", re.I),
}


def of(number: int) -> Event | None:
    """The event of that number."""
    return _BY_NUMBER.get(number)


# programs that use the same numbers, and the label under which Event Viewer and shippers name the writer of an event
_OTHERS = re.compile(r"\b(?:MsiInstaller|(?:Microsoft-Windows-)?Restart\s?Manager)\b", re.I)
_WRITER = re.compile(
    r"\b(?:source(?:name)?|quelle|origen|provider(?:[ _]?name)?)['\"]?\s?[:=]\s?['\"]?([A-Za-z][\w .()-]{1,60})", re.I
)
_WRITERS = {
    "DistributedCOM": ("dcom", "distributedcom"), "DPM": ("dpm", "data protection"), "Security (WFP)": ("security",),
    "Security (RPC)": ("security",), "NTDS KCC": ("ntds", "activedirectory"),
}  # fmt: skip


def is_foreign(text: str, number: int) -> bool:
    """Whether the text says that another program wrote the event: others use the same numbers."""
    event = _BY_NUMBER[number]
    known = _WRITERS.get(event.source, (event.source.lower(),))
    writers = [one[1].lower() for one in _WRITER.finditer(text) if not one[1].lower().startswith(("address", "port"))]
    named = [*writers, *(one[0].lower() for one in _OTHERS.finditer(text))]
    return (
        bool(named)
        and not any(word in name for word in known for name in named)
        and not any(word in text.lower() for word in known)
    )


def numbers(text: str) -> list[tuple[int, int, int]]:
    """(start, end, number) of the events that a text names by number."""
    found = {
        one.start(1): (one.start(1), one.end(1), int(one[1]))
        for pattern in (_NAMED, _NUMBER_FIRST)
        for one in pattern.finditer(text)
    }
    return [one for _, one in sorted(found.items()) if one[2] in _BY_NUMBER and not is_foreign(text, one[2])]


def by_words(folded: str) -> list[Event]:
    """The events whose words a text holds."""
    found = [one for one in EVENTS if any(all(part in folded for part in words.split("...")) for words in one.words)]
    newer = any(one.number == 10028 for one in found)  # says what 10009 does, and who asked
    return [one for one in found if not (newer and one.number == 10009)]


def programs(folded: str) -> list[tuple[str, tuple[int, ...]]]:
    """What programs' own messages mean, and the codes they stand for."""
    return [(says, codes) for words, says, codes in PROGRAMS if words in folded]


def connection(found: dict[str, str]) -> tuple[int, tuple[str, ...]] | None:
    """The port that was asked for, as an event of the Windows Filtering Platform names it, and the rules for it.

    Systems differ in which end of an inbound connection they call the source: a well-known port tells, else the
    destination is taken, as in all genuine rows of 5157.
    """
    ports = [int(found[name]) for name in ("destination_port", "source_port") if name in found]
    if not ports or "direction" not in found:
        return None
    port = next((one for one in ports if one in _SERVICES), ports[0])
    if found["direction"].lower() in ("outbound", "%%14593"):
        return port, ("outbound-blocked",)
    if port in (135, 593):
        return port, ("mapper-blocked",)
    return port, ("dynamic-port-blocked", "program-rule-missing") if port >= 49152 else ()


_SERVICES = frozenset({88, 135, 389, 445, 593, 3268})


def fields(text: str) -> dict[str, str]:
    """Addresses, ports, program and the like, as the event's text names them."""
    return {name: found[1].strip() for name, pattern in _FIELDS.items() if (found := pattern.search(text))}
