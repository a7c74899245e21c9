"""What a policy does to a flow."""

from enum import StrEnum
from typing import NamedTuple

from rpcdiag.policy.model import Action, Parameter, Policy, Rule, Sure


class Reason(StrEnum):
    """Why: one word for what decided."""

    RULE = "rule"  # the first matching rule
    SHADOWED = "shadowed"  # so does a rule that comes before one which would decide otherwise
    DEFAULT = "default"  # no rule matches
    PINHOLE = "pinhole"  # the product read the port out of an answer, and lets that client in
    PINHOLE_EXPIRED = "pinhole_expired"
    NOT_LEARNT_SEALED = "not_learnt_sealed"
    NOT_LEARNT_FRAGMENTED = "not_learnt_fragmented"
    NOT_LEARNT_SEGMENTED = "not_learnt_segmented"
    NOT_LEARNT_NDR64 = "not_learnt_ndr64"
    NOT_LEARNT_MESSAGE_TYPE = "not_learnt_message_type"
    NOT_LEARNT_UNSEEN = "not_learnt_unseen"  # the answer with the port is not in the capture
    UUID_DENIED = "uuid_denied"
    STRICT_NON_EPM = "strict_non_epm"
    NAT_BINDING_UNREACHABLE = "nat_binding_unreachable"
    IDLE_FORGOTTEN = "idle_forgotten"
    REVERSE_NOT_PERMITTED = "reverse_not_permitted"  # a callback: the mirror policy is missing
    STEALTH_CLOSED_PORT = "stealth_closed_port"
    NOT_AUTHENTICATED = "not_authenticated"  # the rule wants IPsec, and the flow has none
    RETURN_PATH = "return_path"  # a stateless filter lets the SYN through and not its answer
    NOT_IN_PATH = "not_in_path"  # the policy's firewall does not see the flow
    UNDECIDED = "undecided"  # a rule names what nobody defined


class Change(NamedTuple):
    """The single change of the policy that turns a verdict: `says` for a person; the fields for the machine.

    `rule` is the position in `Policy.rules` of the rule that changes, or None for a new one. `becomes` is what the rule
    is afterwards; a new one goes before position `before`. `parameter`: what the product is told to do differently.
    """

    says: str
    rule: int | None = None
    strict: bool | None = None
    alg: bool | None = None
    becomes: Rule | None = None
    before: int | None = None
    parameter: tuple[str, Parameter] | None = None


class Verdict(NamedTuple):
    """What happens to one flow. `passes` is None where it cannot be known, and `says` tells why.

    `at`: where in the flow it is decided: `syn`, `bind` (packet of a bind) or `idle`.
    `position` is that of the deciding rule in `Policy.rules`; `rule` its name, `place` its number as the product shows it.
    """

    flow: str
    passes: bool | None
    action: Action
    reason: Reason
    at: str
    says: str
    sees: str  # what the user would see
    position: int | None = None
    rule: str | None = None
    place: int | None = None
    setting: str | None = None
    packet: int | None = None  # that decided it
    shadows: str | None = None  # the name of a rule further down that would have decided otherwise
    flips: Change | None = None
    sure: Sure = Sure.DOCUMENTED
    log: str | None = None  # how the product's log shows it, where that is known
    secured: int | None = None  # the rule that would admit it, if IPsec authenticated it


class Applied(NamedTuple):
    """A policy, and what it does to each flow that its firewall sees, by the flow's id."""

    policy: Policy
    verdicts: dict[str, Verdict]
