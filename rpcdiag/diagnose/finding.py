"""What a rule claims, and what a rule is."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.case import Case
from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.model.evidence import Confidence, Evidence, Severity
from rpcdiag.model.packets import Address

if TYPE_CHECKING:  # loaded only where the policy in force is given
    from rpcdiag.policy.verdict import Applied


class Direction(StrEnum):
    """Which way the failing connection goes between the finding's client and server."""

    CLIENT_TO_SERVER = "client-to-server"
    SERVER_TO_CLIENT = "server-to-client"


class Subject(NamedTuple):
    """What a remedy needs to know of a finding, beyond its ends."""

    port: int | None = None
    interface: Syntax | None = None
    clsid: str | None = None
    dynamic: bool = False  # the port is one that may change at the next start
    dcom: bool = False
    log_rule: str | None = None  # the rule that a log names
    log_format: str | None = None  # of the log that shows the drop
    device_zones: tuple[str, str] | None = None
    status: int | None = None
    local_host: bool = False  # the client is the firewall itself
    level: int | None = None  # of authentication, that the client used
    needed_level: int | None = None  # that the server wants
    spn: str | None = None  # the service whose ticket is the matter


class Finding(NamedTuple):
    """A claim with its evidence. `flows` and `referrals` are ids; the judge adds `id` and `times`."""

    rule: str
    summary: str
    severity: Severity
    confidence: Confidence
    client: Address
    server: Address
    evidence: tuple[Evidence, ...]
    flows: tuple[str, ...] = ()
    referrals: tuple[str, ...] = ()
    direction: Direction = Direction.CLIENT_TO_SERVER
    errors: tuple[int, ...] = ()
    next_observation: str | None = None
    subject: Subject = Subject()
    id: str = ""
    times: int = 1  # that it was found between these two; 0: says once more what another one says


class Rule(NamedTuple):
    """A plug-in of `diagnose/rules`. `cause` is the id in the failure catalogue.

    `explains`: rules whose findings on the same flows say the same thing less well.
    `errors`: what the user is likely to have read. `under`: what it finds where the policy in force is known, besides.
    """

    id: str
    cause: str
    title: str
    check: Callable[[Case], Iterator[Finding]]
    explains: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    under: "Callable[[Case, Applied], Iterator[Finding]] | None" = None
