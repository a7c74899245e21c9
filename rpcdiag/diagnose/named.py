"""Names: what a client asked for, what it was told, and how a server calls itself."""

from collections.abc import Iterator
from typing import NamedTuple

from rpcdiag.case import Case, CaseName
from rpcdiag.diagnose import observe
from rpcdiag.model.evidence import Evidence, Missing, Seen
from rpcdiag.model.packets import Address
from rpcdiag.track.surroundings import NO_ANSWER, same_host

NO_SUCH_NAME = frozenset({"NXDOMAIN", "NAME_ERROR", "NAM_ERR"})
EMPTY = "NOERROR"
_HOST_TYPES = frozenset({"A", "AAAA", "CNAME", "<00>", "<20>"})
_NOISE = frozenset({"wpad", "isatap", "localhost", "teredo"})


class Asked(NamedTuple):
    """A name that a client asked for and got no address for: answers that say so, and questions without an answer."""

    client: Address
    name: str
    refused: tuple[CaseName, ...]
    silent: tuple[CaseName, ...]

    @property
    def all(self) -> tuple[CaseName, ...]:
        return self.refused + self.silent


def label(name: str) -> str:
    """What is left of a name when its domain is taken off: search lists put several domains behind one name."""
    return name.lower().rstrip(".").partition(".")[0]


def unresolved(case: Case) -> Iterator[Asked]:
    """Names of hosts that clients got no address for from anybody; the domains of a search list are one name."""
    got = {(one.fact.client, label(one.fact.name)) for one in case.names if one.fact.addresses}
    groups: dict[tuple[Address, str], list[CaseName]] = {}
    for one in (*case.names, *case.unanswered):
        fact = one.fact
        key = fact.client, label(fact.name)
        if fact.type in _HOST_TYPES and key not in got and key[1] not in _NOISE and not fact.name.startswith("_"):
            groups.setdefault(key, []).append(one)
    for (client, _), found in groups.items():
        found.sort(key=lambda one: (one.capture, one.fact.packet))
        silent = tuple(one for one in found if one.fact.result == NO_ANSWER)
        yield Asked(client, found[0].fact.name, tuple(one for one in found if one not in silent), silent)


def says(asked: tuple[CaseName, ...], case: Case) -> tuple[Evidence, ...]:
    """The answers and silences as evidence."""
    return tuple(_says(case, one) for one in asked[: observe.MAX_SHOWN])


def _says(case: Case, one: CaseName) -> Evidence:
    fact = one.fact
    times = f", {fact.times} times" if fact.times > 1 else ""
    if fact.result == NO_ANSWER:
        waited = max(0, (case.captures[one.capture].last_ns or 0) - fact.time_ns)
        if fact.error is not None:
            what = f"{fact.error.sender} answers the question for {fact.name} ({fact.type}) with ICMP"
            return Seen(
                f"{what}: {observe.icmp_text(fact.error)}{times}", one.capture, (fact.packet, fact.error.packet)
            )
        what = f"{fact.server} never answers {fact.kind.upper()} for {fact.name} ({fact.type}){times}"
        return Missing(what, one.capture, fact.packet, waited)
    result = "no address" if fact.result == EMPTY else fact.result
    return Seen(f"{fact.server} answers for {fact.name} ({fact.type}): {result}{times}", one.capture, (fact.packet,))


def resolved_as(case: Case, client: Address, server: Address) -> dict[str, Seen]:
    """Names for which the client was told the server's address, and those that they stand for."""
    return {
        name: Seen(f"{one.fact.name} becomes {server}", one.capture, (one.fact.packet,))
        for one in reversed(case.names)
        if one.fact.client == client and server in one.fact.addresses and one.fact.type in _HOST_TYPES
        for name in (one.fact.name, *one.fact.aliased)
    }


def asked_as(case: Case, client: Address, server: Address) -> dict[str, Seen]:
    """Names under which the client knows the server: for which it was told that address, or asked for a ticket."""
    found = resolved_as(case, client, server)
    for logon in case.logons:
        host = host_of(logon.logon.spn)
        if (logon.client, logon.server) == (client, server) and host and not _is_address(host):
            found.setdefault(host, Seen(f"the client means {logon.logon.spn}", logon.capture, logon.logon.packets[-1:]))
    return found


def calls_itself(case: Case, server: Address) -> dict[str, Seen]:
    """Names that the server gives itself: in its NTLM challenge, in the bindings of its resolver."""
    found: dict[str, Seen] = {}
    for one in case.logons:
        name = one.logon.server_dns_name or one.logon.server_name
        if one.server == server and name and one.logon.mechanism == "ntlm":
            packets = one.logon.packets[1:2] or one.logon.packets[:1]
            found.setdefault(name, Seen(f"the server calls itself {name} (NTLM challenge)", one.capture, packets))
    for referral in case.resolvers:
        told = referral.referral
        for endpoint in told.endpoints if referral.teller == server else ():
            if endpoint.address is None and endpoint.host and not _is_address(endpoint.host):
                seen = Seen(
                    f"the server calls itself {endpoint.host} (ServerAlive2)",
                    referral.asked_on.flow.capture, (told.response_packet,),
                )  # fmt: skip
                found.setdefault(endpoint.host, seen)
    return found


def is_another(asked: dict[str, Seen], own: dict[str, Seen]) -> bool:
    """Whether none of the names asked for can be one of the server's own."""
    return bool(asked and own) and not any(same_host(one, other) for one in asked for other in own)


def host_of(spn: str | None) -> str | None:
    """The host in `RPCSS/dc1.lab.example:port`, or None."""
    parts = (spn or "").split("/")
    return parts[1].partition(":")[0] if len(parts) > 1 and parts[1] else None


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()


def speaks_rpc(case: Case, host: Address) -> bool:
    """Whether the host reached an RPC server while the capture ran, or was reached as one."""
    return any(
        host in (one.client, one.server) and one.near.rpc is not None and bool(one.near.rpc.interfaces)
        for one in case.conversations
    )


def resolves(case: Case, client: Address) -> bool:
    """Whether the client got an address for any name at all."""
    return any(one.fact.client == client and one.fact.addresses for one in case.names)
