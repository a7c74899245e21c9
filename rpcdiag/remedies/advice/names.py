"""Name resolution: names that are not there, lead elsewhere, or have no service principal."""

from collections.abc import Callable, Iterator

from rpcdiag.remedies import shell
from rpcdiag.remedies.remedy import Advice, Command, Remedy
from rpcdiag.remedies.situation import Situation

_NO_NAME = "<name>"


def make(s: Situation) -> Iterator[Remedy]:
    yield from _MAKERS[s.finding.rule](s)


def _failed_name(s: Situation) -> str:
    """The name that the client asked for in vain, where an answer says so."""
    client = s.finding.client
    for one in s.case.names:
        if one.fact.client == client and not one.fact.addresses and one.fact.name:
            return shell.name(one.fact.name)
    return _NO_NAME


def _called(s: Situation) -> str:
    """A name of the server."""
    for one in s.case.names:
        if s.finding.server in one.fact.addresses and one.fact.type != "SRV":
            return shell.name(one.fact.name)
    return _NO_NAME


def _missing(s: Situation) -> Iterator[Remedy]:
    name = _failed_name(s)
    steps = f"Add or mend the record of {name}, or correct the name that the client was given."
    if "._msdcs." in name.lower():
        steps = (
            "It is the record by which domain controllers find one another: on the one that is sought, 'nltest /dsregdns' "
            "registers it again; then 'dcdiag /test:dns'."
        )
    yield Remedy(
        id="mend-the-record",
        where=f"the DNS zone of {name}, or {s.finding.client}",
        why="without an address there is no connection, and no firewall rule will help",
        commands=(Command("cmd", f"nslookup {name}\nipconfig /flushdns"), Command("steps", steps)),
        price="none",
    )


def _resolver(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="right-resolver",
        where=f"DNS client settings of {s.finding.client}",
        why="it asks a resolver that does not answer, or one that does not know the zone",
        commands=(
            Command("powershell", "Get-DnsClientServerAddress -AddressFamily IPv4,IPv6"),
            Command("powershell", "Set-DnsClientServerAddress -InterfaceAlias '<name of the interface>' -ServerAddresses "
                                  "<resolver of the domain>"),
            Command("steps", "Members of a domain ask its DNS servers only. If the resolver is right, udp/53 and tcp/53 have "
                             "to reach it."),
        ),
        price="none",
    )  # fmt: skip


def _stale(s: Situation) -> Iterator[Remedy]:
    name = _called(s)
    yield Remedy(
        id="delete-stale-record",
        where=f"the DNS zone of {name}, and the hosts file of {s.finding.client}",
        why=f"the name leads to {s.finding.server}, which is another computer than the one that is meant",
        commands=(
            Command("cmd", f"nslookup {name}\nping -a -n 1 {s.finding.server}\nfindstr {s.finding.server} "
                           "%SystemRoot%\\System32\\drivers\\etc\\hosts\nipconfig /flushdns"),
            Command("steps", "Delete the stale A, AAAA or CNAME record or hosts entry, register the right host "
                             "('ipconfig /registerdns' on it), and switch scavenging on for the zone."),
        ),
        price="none",
    )  # fmt: skip


def _binding(s: Situation) -> Iterator[Remedy]:
    name = _failed_name(s)
    yield Remedy(
        id="resolve-binding-name",
        where=f"name resolution of {s.finding.client}",
        why=f"{s.finding.server} names itself by a name that {s.finding.client} cannot resolve",
        commands=(
            Command("cmd", f"nslookup {name}"),
            Command("powershell", "Set-DnsClientGlobalSetting -SuffixSearchList @('<domain of the server>')",
                    "Windows: search list"),
            Command("steps", f"Give the client the server's DNS suffix, or add a hosts entry '{s.finding.server} {name}'."),
        ),
        price="a hosts entry has to be kept up by hand",
    )  # fmt: skip


def _alias(s: Situation) -> Iterator[Remedy]:
    name = _called(s)
    known = s.finding.subject.spn
    spn = shell.name(known) if known else f"HOST/{name}"
    yield Remedy(
        id="register-alias",
        where="Active Directory, as a domain administrator",
        why="nobody has a key for the name by which the client calls the server: Kerberos fails, and NTLM follows or nothing",
        commands=(
            Command("cmd", f"setspn -Q {spn}\nnetdom computername <computer> /add:{name}"),
            Command("cmd", f"setspn -S {spn} <account of the service>", "for a service account"),
            Command("steps", "For a cluster use the name of its client access point, not of a node."),
        ),
        price="setspn -S refuses a name that somebody has already: find out who",
    )


_MAKERS: dict[str, Callable[[Situation], Iterator[Remedy]]] = {
    "name-not-found": _missing,
    "resolver-silent": _resolver,
    "wrong-host": _stale,
    "binding-name-unresolved": _binding,
    "alias-without-spn": _alias,
}

ADVICE = Advice(id="names", rules=tuple(_MAKERS), make=make)
