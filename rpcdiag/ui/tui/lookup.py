"""Names of addresses, as the screen has room for them: asked for only once somebody wants names."""

from collections.abc import Callable
from functools import cached_property

from rpcdiag.case import Case
from rpcdiag.live import resolve
from rpcdiag.model.packets import Address
from rpcdiag.report.names import clean

LONGEST = 64  # characters of a name


class Names:
    """Off until somebody wants names. What the capture itself says of names goes first, without asking anybody."""

    def __init__(self, ask: Callable[[Address], str | None] = resolve.system_name) -> None:
        self._ask = ask
        self._seen: dict[Address, str] = {}
        self.wanted = False

    @property
    def changes(self) -> int:
        """Grows with every name that is found."""
        return self._asked.found if self.wanted else 0

    @cached_property
    def _asked(self) -> resolve.Names:
        def ask(address: Address) -> str | None:
            name = self._ask(address)
            return _short(name) if name else None

        return resolve.Names(ask)

    def learn(self, case: Case) -> None:
        """Names that the capture shows."""
        found = {
            address: one.fact.name
            for one in case.names
            if one.fact.type in ("A", "AAAA")
            for address in one.fact.addresses
        }
        self._seen = {address: _short(name) for address, name in list(found.items())[: resolve.MOST]}

    def of(self, address: Address) -> str:
        """Its name where one is wanted and known; asks for it in passing."""
        if not self.wanted:
            return str(address)
        return self._seen.get(address) or self._asked.name(address) or str(address)

    def settle(self) -> None:
        """Wait until everything asked so far is answered; the screen never does."""
        self._asked.settled()


def _short(name: str) -> str:
    name = clean(name)
    return name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."
