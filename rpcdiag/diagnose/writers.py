"""Which host of the captures wrote an event: logs name computers, packets have addresses."""

from typing import TYPE_CHECKING

from rpcdiag.case import Case
from rpcdiag.diagnose import named
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
        self._names = _named_addresses(case)
        self._of: dict[tuple[int, str | None], _Addresses] = {}
        self._itself: dict[Address, frozenset[str]] = {}

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
        if one.host is None:
            return None
        itself = self._calls_itself(host)
        return False if itself and not any(same_host(name, one.host) for name in itself) else None

    def is_called(self, host: Address, name: str) -> bool:
        """Whether that is one of the host's names, as far as they are known."""
        return any(address == host and same_host(known, name) for known, address in self._names)

    def addresses(self, one: "Statement") -> _Addresses:
        """Those of the host that wrote it, as far as they are known."""
        key = one.log, one.host
        if key not in self._of:
            self._of[key] = self._addresses(one)
        return self._of[key]

    def _addresses(self, one: "Statement") -> _Addresses:
        from rpcdiag.logs.match import own_addresses

        if one.host is None:
            return own_addresses(self._case.logs[one.log].file)
        writers = {
            (log.number, entry.device)
            for log in self._case.logs
            for entry in log.file.entries
            if entry.device is not None and same_host(entry.device, one.host)
        }
        found = [own_addresses(self._case.logs[log].file, device) for log, device in sorted(writers)]
        found += [frozenset({address}) for name, address in self._names if same_host(name, one.host)]
        return frozenset().union(*found)

    def _calls_itself(self, host: Address) -> frozenset[str]:
        if host not in self._itself:
            client = {name for name, address in self._names if address == host}
            self._itself[host] = frozenset({*named.calls_itself(self._case, host), *client})
        return self._itself[host]


def _named_addresses(case: Case) -> frozenset[tuple[str, Address]]:
    """Names of computers as they call themselves, and as name services call them, with their addresses."""
    found: set[tuple[str, Address]] = set()
    for one in case.logons:
        logon = one.logon
        if logon.mechanism in ("ntlm", "netlogon") and logon.workstation:
            found.add((logon.workstation, one.client))
        name = logon.server_dns_name or logon.server_name
        if name and logon.mechanism == "ntlm":
            found.add((name, one.server))
    for answer in case.names:
        found.update((answer.fact.name, address) for address in answer.fact.addresses)
    return frozenset(found)
