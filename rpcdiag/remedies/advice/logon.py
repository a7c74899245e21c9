"""Kerberos, NTLM and levels of authentication: what to mend so that the logon succeeds."""

from collections.abc import Callable, Iterator

from rpcdiag.remedies import devices, shell
from rpcdiag.remedies.remedy import Advice, Command, Remedy, Width
from rpcdiag.remedies.situation import Situation

_LOGONS = Command("powershell", "Get-WinEvent -FilterHashtable @{LogName='Security'; Id=4625} -MaxEvents 5")


def make(s: Situation) -> Iterator[Remedy]:
    yield from _MAKERS[s.finding.rule](s)


def _spn(s: Situation) -> str:
    """The principal whose ticket is the matter."""
    known = s.finding.subject.spn
    if known is None:
        refused = (one.fact.spn for one in s.case.tickets if one.fact.client == s.finding.client and one.fact.error)
        known = next((spn for spn in refused if spn), None)
    return shell.name(known) if known else "<service>/<name>"


# what to do where event 4625 has said why. [MS-ERREF] 2.3.1
_MENDED = {
    0xC0000064: "No account has that name: mend the name, or its domain, in the program's settings.",
    0xC000006A: "Type the password anew wherever the program keeps it: service, task, stored credentials (cmdkey /list).",
    0xC0000071: "The password has expired: set a new one, and then wherever a program keeps it.",
    0xC0000072: "The account is disabled: whoever did that had a reason; use another one, or Enable-ADAccount.",
    0xC0000193: "The account has expired: Set-ADAccountExpiration, or another account.",
    0xC0000224: "The password must be changed at the next logon, which a program cannot: set it, without that option.",
    0xC0000234: "The account is locked: first find who tries the old password (events 4740 and 4771 of the domain controllers "
    "name the computer), then Unlock-ADAccount; the other way round it is locked again in minutes.",
    0xC000015B: "The account may not log on from the network: 'Access this computer from the network', and 'Deny access', in the "
    "server's User Rights Assignment.",
    0xC000005E: "The server found no domain controller: nltest /sc_verify:<domain> there, and its ports to one (88, 135, 389, 445).",
    0xC000018D: "Test-ComputerSecureChannel -Repair on the server, as a local administrator.",
}


def _credentials(s: Situation) -> Iterator[Remedy]:
    mended = _MENDED.get(s.finding.subject.status or 0)
    yield Remedy(
        id="check-logon",
        where=f"{s.finding.client}, and the Security log of {s.finding.server}",
        why="the logon fails before any right is asked for",
        commands=(
            *((Command("steps", mended),) if mended else ()),
            _LOGONS,
            Command("steps", "The sub status of event 4625 tells a wrong password (0xC000006A) from an unknown, locked or expired "
                             "account. A local account of another computer has no administrator's rights over the network (UAC)."),
        ),
        price="none",
    )  # fmt: skip


def _level(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="raise-level",
        where=f"the program on {s.finding.client}",
        why="the server wants calls signed or sealed; the client offers less",
        commands=(
            Command("steps", "Update the program, or set its level: CoInitializeSecurity or CoSetProxyBlanket with "
                             "RPC_C_AUTHN_LEVEL_PKT_PRIVACY; RpcBindingSetAuthInfo for plain RPC; scripts: "
                             "impersonation and authentication level in the moniker ({authenticationLevel=pktPrivacy})."),
        ),
        price="some processor time for signing and sealing; firewalls in the path can no longer read what is sealed",
    )  # fmt: skip


def _principal(s: Situation) -> Iterator[Remedy]:
    spn = _spn(s)
    yield Remedy(
        id="mend-spn",
        where="Active Directory, as a domain administrator",
        why="the ticket is for another account than the one that the service runs under, or for nobody",
        commands=(
            Command("cmd", f"setspn -Q {spn}\nsetspn -X"),
            Command("cmd", f"setspn -S {spn} <account of the service>", "where nobody has it"),
            Command("powershell", "Test-ComputerSecureChannel -Repair", "where the computer's own password is stale"),
            Command("steps", "Delete the name from the account that has it wrongly (setspn -D), check that DNS leads to the right "
                             "host, then 'klist purge' on the client."),
        ),
        price="none",
    )  # fmt: skip


def _clock(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="set-the-clock",
        where=f"{s.finding.client} and {s.finding.server}, elevated command prompt",
        why="Kerberos refuses tickets when two clocks differ by more than five minutes",
        commands=(
            Command("cmd", "w32tm /query /status\nw32tm /resync /rediscover"),
            Command(
                "steps",
                "Members follow the domain (w32tm /config /syncfromflags:domhier /update); on virtual machines "
                "switch the host's time off for domain controllers.",
            ),
        ),
        price="none",
    )


def _encryption(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="keys-for-aes",
        where="Active Directory, the account of the service",
        why="client, KDC and service have no type of encryption in common; accounts with old passwords have keys for RC4 only",
        commands=(
            Command("powershell", "Get-ADUser -Filter 'ServicePrincipalName -like \"*\"' -Properties "
                                  "msDS-SupportedEncryptionTypes, PasswordLastSet |\n    Select-Object Name, "
                                  "msDS-SupportedEncryptionTypes, PasswordLastSet"),
            Command("steps", f"Set the password of the account behind {_spn(s)} anew, so that it gets keys for AES, and "
                             "msDS-SupportedEncryptionTypes to 24 (AES128, AES256). Events 201-209 of KDCSVC name accounts "
                             "that still need RC4; allow that for one account and a limited time at most."),
        ),
        price="services with a keytab need a new one",
        restart="the service, where its password was changed",
    )  # fmt: skip


def _kdc(s: Situation) -> Iterator[Remedy]:
    spans = ((88, 88),)
    yield Remedy(
        id="open-kerberos",
        where=s.device,
        why="without a ticket the client falls back to NTLM, or to nothing",
        commands=(
            *devices.permit(s, spans),
            Command("steps", "Permit udp/88 as well, and 464 (tcp, udp) for changes of passwords."),
            Command("cmd", "nltest /dsgetdc:<domain> /kdc /force"),
        ),
        price="none",
        opens=f"tcp/88 and udp/88 of {s.host}, for {', '.join(map(str, devices.hosts(s)))}",
        width=Width.PORT,
        change=devices.simulated(s, spans),
    )


def _big_ticket(s: Situation) -> Iterator[Remedy]:
    spans = ((88, 88),)
    yield Remedy(
        id="kerberos-over-tcp",
        where=s.device,
        why="the ticket does not fit into a datagram; the client is told to use TCP, and port 88 over TCP does not answer",
        commands=devices.permit(s, spans),
        price="none",
        opens=f"tcp/88 of {s.host}, for {', '.join(map(str, devices.hosts(s)))}",
        width=Width.PORT,
        change=devices.simulated(s, spans),
    )


def _ntlm(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="names-for-kerberos",
        where=f"the program on {s.finding.client}",
        why="NTLM is refused by policy, and Kerberos needs a name: to an address the client can only use NTLM",
        commands=(
            Command("steps", "Have the program use the host's full name instead of its address."),
            Command("cmd", f"nslookup {s.finding.server}\nklist get HOST/<full name of the server>"),
            Command("steps", "Computer Configuration > Windows Settings > Security Settings > Local Policies > Security Options > "
                             "Network security: Restrict NTLM: Add remote server exceptions for NTLM authentication",
                    "an exception, for a limited time"),
        ),
        price="none",
    )  # fmt: skip


def _provider(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="negotiate",
        where=f"the program on {s.finding.client}",
        why="the server does not know the security provider that the client names",
        commands=(
            Command(
                "steps", "Set the provider to Negotiate (RPC_C_AUTHN_GSS_NEGOTIATE, 9), which every Windows knows."
            ),
        ),
        price="none",
    )


def _third_leg(s: Situation) -> Iterator[Remedy]:
    yield Remedy(
        id="third-leg",
        where=f"the path between {s.finding.client} and {s.finding.server}, and the Security log of {s.finding.server}",
        why="the third message of the logon (auth3) has no answer of its own: where it is lost or refused, the next call fails",
        commands=(
            Command("steps", f"Capture on {s.finding.server}: does auth3 arrive? If so, event 4625 says why the logon failed; if "
                             "not, look at inspection in the path that rejects PDUs without a body."),
            _LOGONS,
        ),
        price="none",
    )  # fmt: skip


_MAKERS: dict[str, Callable[[Situation], Iterator[Remedy]]] = {
    "bad-credentials": _credentials,
    "level-below-hint": _level,
    "level-too-low": _level,
    "wrong-spn": _principal,
    "clock-skew": _clock,
    "encryption-type": _encryption,
    "kdc-unreachable": _kdc,
    "ticket-too-big": _big_ticket,
    "ntlm-refused": _ntlm,
    "provider-unknown": _provider,
    "third-leg-lost": _third_leg,
}

ADVICE = Advice(id="logon", rules=tuple(_MAKERS), make=make)
