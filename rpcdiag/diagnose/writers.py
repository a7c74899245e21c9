"""Which host of the captures wrote an event: logs name computers, packets have addresses."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from rpcdiag.case import Case
from rpcdiag.diagnose.once import once
from rpcdiag.model.packets import Address
from rpcdiag.track.surroundings import same_host

if TYPE_CHECKING:  # loaded only where there is a log
    from rpcdiag.logs.host import Statement

_Addresses = frozenset[Address]


class Writers:
    """The addresses of computers that logs name, and the names that hosts give themselves: each looked up once."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._of: dict[tuple[int, str | None], _Addresses] = {}

    @staticmethod
    @once
    def of(case: Case) -> "Writers":
        """The one that all rules ask."""
        return Writers(case)

    def is_by(self, one: "Statement", host: Address) -> bool | None:
        """Whether the host wrote it; None where nothing tells."""
        known = self.addresses(one)
        if known:
            return host in known
        itself = self._called.get(host, set())
        if one.host is None or not itself:
            return None
        return None if any(same_host(name, one.host) for name in itself) else False

    def is_called(self, host: Address, name: str) -> bool:
        """Whether the host calls itself that."""
        return any(same_host(known, name) for known in self._called.get(host, ()))

    def addresses(self, one: "Statement") -> _Addresses:
        """Those of the host that wrote it, as far as they are known."""
        key = one.log, one.host
        if key not in self._of:
            self._of[key] = self._addresses(one)
        return self._of[key]

    def _addresses(self, one: "Statement") -> _Addresses:
        from rpcdiag.logs.match import own_addresses

        name = one.host
        if name is None:
            return own_addresses(self._case.logs[one.log].file)
        known = [addresses for device, addresses in self._devices if same_host(device, name)]
        known += [frozenset({address}) for called, address in self._names if same_host(called, name)]
        return frozenset().union(*known)

    @cached_property
    def _devices(self) -> list[tuple[str, _Addresses]]:
        """The addresses that logs show of the computers that wrote them."""
        from rpcdiag.logs.match import own_by_device

        return [
            (device, addresses)
            for log in self._case.logs
            for device, addresses in own_by_device(log.file).items()
            if device is not None and addresses
        ]

    @cached_property
    def _called(self) -> dict[Address, set[str]]:
        """The names that hosts give themselves."""
        found: dict[Address, set[str]] = {}
        for name, address in _own_names(self._case):
            found.setdefault(address, set()).add(name)
        return found

    @cached_property
    def _names(self) -> list[tuple[str, Address]]:
        """These, and those that name services and clients have for them."""
        answers = {(one.fact.name, address) for one in self._case.names for address in one.fact.addresses}
        meant = {(_host(one.logon.spn), one.server) for one in self._case.logons if one.logon.spn}
        return sorted({*_own_names(self._case), *answers, *meant}, key=str)


def _host(spn: str) -> str:
    """Whom a service principal name is of: `RPCSS/srv.lab.example`, `HTTP/srv:593`."""
    return spn.partition("/")[2].partition("/")[0].partition("@")[0].partition(":")[0] or spn


def _own_names(case: Case) -> Iterator[tuple[str, Address]]:
    """A client's in NTLM and Netlogon, a server's in its NTLM challenge and in the bindings of its resolver."""
    for one in case.logons:
        logon = one.logon
        if logon.mechanism in ("ntlm", "netlogon") and logon.workstation:
            yield logon.workstation, one.client
        name = logon.server_dns_name or logon.server_name
        if name and logon.mechanism == "ntlm":
            yield name, one.server
    for referral in case.resolvers:
        for endpoint in referral.referral.endpoints:
            if endpoint.address is None and endpoint.host and not endpoint.host.replace(".", "").isdigit():
                yield endpoint.host, referral.teller
