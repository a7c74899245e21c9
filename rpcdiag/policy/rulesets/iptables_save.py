"""Plain filters of Linux, as `iptables-save` or `ip6tables-save` prints them: the table `filter`.

Chains are followed. What a module matches that is not known here leaves open whether its rule matches. A host's rules
are those of INPUT and OUTPUT; where FORWARD has rules of somebody's own, the box is taken for a router, and a remark
says that the other two chains are left out.
"""

import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from rpcdiag.policy import written
from rpcdiag.policy.chains import Jump, Match, Return, Step, flat
from rpcdiag.policy.model import Action, Ports, Rule, RuleSet, RuleSetFormat, Scope
from rpcdiag.policy.written import MAX_RULES, Remarks, bounded, lines, short

MAX_LINE = 16_384
MAX_WORDS = 1_024
LOOPBACK = written.scope([written.addresses("127.0.0.0/8"), written.addresses("::1")])
_TARGETS: dict[str, Action | Return] = {
    "ACCEPT": Action.ALLOW,
    "DROP": Action.DROP,
    "REJECT": Action.REJECT,
    "RETURN": Return(),
}
# packets that meet one of these go on with the next rule
_GOES_ON = frozenset(
    [
        "LOG",
        "NFLOG",
        "ULOG",
        "MARK",
        "CONNMARK",
        "SECMARK",
        "CONNSECMARK",
        "TOS",
        "DSCP",
        "TTL",
        "HL",
        "TCPMSS",
        "CLASSIFY",
        "AUDIT",
        "TRACE",
        "SET",
        "CHECKSUM",
        "TEE",
    ]
)
# chains that programs of container and virtual machine hosts make: FORWARD jumps to them on hosts, too
_FOREIGN = re.compile(r"(DOCKER|KUBE|CNI|LIBVIRT|LXC|PODMAN|NETAVARK|cali|cilium|CILIUM|FLANNEL|f2b|ufw).*", re.S)
_VIRTUAL = re.compile(r"(?:not |interface )*(?:docker|br-|virbr|veth|cni|lxc|lxd|cali|flannel|podman|vnet).*", re.S)
_NEW = frozenset(("NEW", "UNTRACKED", "SNAT", "DNAT"))


class _Chain(NamedTuple):
    policy: Action | None
    steps: list[Step]


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    there = [line.strip() for line in lines(head)]
    tables = any(re.fullmatch(r"\*[a-z]{1,16}", line) for line in there)
    if tables and any(re.match(r":\S+ (ACCEPT|DROP|-)(\s|$)", line) for line in there):
        return None
    return "iptables-save: no '*filter' with ':INPUT ACCEPT' or the like"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    chains = _chains(bounded(text, remarks), remarks)
    steps = {name: chain.steps for name, chain in chains.items()}
    router = _own_rules(steps.get("FORWARD", []))
    if router and (steps.get("INPUT") or steps.get("OUTPUT")):
        remarks.add("FORWARD has rules: read as a router; INPUT and OUTPUT are of the box itself and are left out")
    elif not router and steps.get("FORWARD"):
        remarks.add("read as a host: INPUT and OUTPUT; FORWARD has rules of container or virtual machine hosts only")
    found: tuple[Rule, ...]
    if router:
        found = flat(steps, "FORWARD", None, remarks)
    else:
        found = flat(steps, "INPUT", True, remarks) if "INPUT" in steps else ()
        found += flat(steps, "OUTPUT", False, remarks, len(found) + 1) if "OUTPUT" in steps else ()
        policy = chains["OUTPUT"].policy if "OUTPUT" in chains else None
        if policy is not None and policy is not Action.ALLOW:
            found += (Rule("policy of OUTPUT", policy, place=len(found) + 1, inbound=False),)
    default = chains.get("FORWARD" if router else "INPUT")
    return RuleSet(
        RULE_SET.name, found, "linux", default.policy if default else None, remarks=remarks.all(), cut=remarks.cut
    )


def _own_rules(steps: list[Step]) -> bool:
    """Whether one of them is not the work of a program that runs containers or machines."""
    for step in steps:
        target = step.target
        if isinstance(target, Jump) and _FOREIGN.fullmatch(target.chain):
            continue
        if step.match.established or isinstance(target, Return):
            continue
        words = (*step.match.sources.names, *step.match.destinations.names, *step.match.unclear)
        if any(_VIRTUAL.fullmatch(word) for word in words):
            continue
        return True
    return False


def _chains(text: str, remarks: Remarks) -> dict[str, _Chain]:
    chains: dict[str, _Chain] = {}
    table: str | None = None
    seen, count, number = set(), 0, 0
    for number, raw in enumerate(lines(text), start=1):
        line = raw.strip()
        if line.startswith("*"):
            table = line[1:]
            if table != "filter":
                remarks.add(f"table {short(table)!r} is not looked at", number)
            elif table in seen:
                remarks.add("a second table 'filter': left out; give IPv4 and IPv6 a file each", number)
                table = "second"
            seen.add(line[1:])
        elif line == "COMMIT":
            table = None
        elif table == "filter" and line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            chains[name] = _Chain(_policy(rest.split(" ")[0]), [])
        elif table == "filter" and (line.startswith("-A ") or re.match(r"\[[0-9]+:[0-9]+\] -A ", line)):
            count += 1
            if count > MAX_RULES:
                remarks.add(f"only the first {MAX_RULES} rules were read")
                break
            _add(chains, line, number, remarks)
    if table is not None and any(chain.policy is not None for chain in chains.values()) and count <= MAX_RULES:
        remarks.breaks_off("the file ends without COMMIT: rules may be missing", number)
    if "filter" not in seen:
        remarks.add("there is no table 'filter'")
    return chains


def _policy(word: str) -> Action | None:
    target = _TARGETS.get(word)
    return target if isinstance(target, Action) else None


def _add(chains: dict[str, _Chain], line: str, number: int, remarks: Remarks) -> None:
    try:
        words = shlex.split(line[line.index("-A ") :][:MAX_LINE])[:MAX_WORDS]
    except ValueError:
        remarks.add("its quotes do not end: left out, and what follows in its chain is open", number)
        words = ["-A", line.split("-A ")[1].split()[0], "-m", "unread"]
    if len(words) < 2:
        return
    chain = chains.setdefault(words[1], _Chain(None, []))
    read = _Reading(words[2:])
    read.all()
    name = read.comment or f"{words[1]} {len(chain.steps) + 1}"
    target = read.target()
    if target is None:
        return
    if read.match.never:
        remarks.add("matches no packet that begins or continues a connection: left out", number)
        return
    for says in read.match.unclear:
        remarks.add(f"{says}: whether the rule matches is left open", number)
    if isinstance(target, str) and not isinstance(target, Action):
        remarks.add(f"what {short(target)} does is not known: open whether it is a drop", number)
        read.doubt(f"what {short(target)} does")
        target = Action.DROP
    chain.steps.append(Step(read.match, target, number, name))


class _Reading:
    """The words of one rule, read from left to right."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._place = 0
        self._jump: str | None = None
        self._goto = False
        self._reject = ""
        self.match = Match()
        self.comment: str | None = None

    def all(self) -> None:
        """Every word; each option takes what belongs to it."""
        negated = False
        while self._place < len(self._words):
            word = self._next()
            if word == "!":
                negated = True
                continue
            known = _OPTIONS.get(word)
            try:
                if known is not None:
                    known(self, negated)
                else:
                    self._other(word, negated)
            except ValueError as error:
                self.doubt(str(error))
            negated = False

    def target(self) -> Action | Jump | Return | str | None:
        """What happens to packets that match; None: they go on; a text: not known."""
        if self._jump is None or self._jump in _GOES_ON:
            return None
        if self._jump == "REJECT" and self._reject == "tcp-reset":
            return Action.RESET
        known = _TARGETS.get(self._jump)
        if known is not None:
            return known
        unknown = self._jump.isupper() and self._jump in ("NFQUEUE", "QUEUE", "SYNPROXY", "TARPIT", "HMARK", "CT")
        return self._jump if unknown else Jump(self._jump, back=not self._goto)

    def doubt(self, why: str) -> None:
        self.match = self.match._replace(unclear=(*self.match.unclear, why))

    def _next(self) -> str:
        if self._place >= len(self._words):
            raise ValueError("the rule ends in an option")
        self._place += 1
        return self._words[self._place - 1]

    def _other(self, word: str, negated: bool) -> None:
        """An option that is not known: with all that belongs to it."""
        told = [word]
        while self._place < len(self._words) and not self._words[self._place].startswith(("-", "!")):
            told.append(self._next())
        self.doubt(("not " if negated else "") + short(" ".join(told)))

    def _source(self, negated: bool) -> None:
        self._scoped(True, negated)

    def _destination(self, negated: bool) -> None:
        self._scoped(False, negated)

    def _scoped(self, sources: bool, negated: bool) -> None:
        found = [written.addresses(word) for word in self._next().split(",")]
        whole = not negated and any(not isinstance(one, tuple) and one.prefixlen == 0 for one in found)
        if not whole:
            self._put(sources, written.scope(found)._replace(negated=negated))

    def _put(self, sources: bool, scope: Scope) -> None:
        """Where the rule says something of that side already, one of the two is left open."""
        there = self.match.sources if sources else self.match.destinations
        if there.any:
            self.match = self.match.at(sources, scope)
        elif scope.names:
            self.doubt(f"interface {', '.join(scope.names)}")
        else:
            self.match = self.match.at(sources, scope)
            self.doubt(f"interface {', '.join(there.names)}" if there.names else "addresses, twice")

    def _from_interface(self, negated: bool) -> None:
        self._interface(True, negated)

    def _to_interface(self, negated: bool) -> None:
        self._interface(False, negated)

    def _interface(self, sources: bool, negated: bool) -> None:
        """What an interface is connected to is a zone that the person may define; what comes over `lo` is local."""
        name = self._next()
        there = LOOPBACK if name == "lo" else Scope(names=(short(name),))
        self._put(sources, there._replace(negated=negated))

    def _protocol(self, negated: bool) -> None:
        word = self._next()
        known = None if word == "0" else written.protocol(word)
        if negated:
            raise ValueError(f"not {short(word)}")
        if known is not None:
            self.match = self.match._replace(protocols=(known,))

    def _to_ports(self, negated: bool) -> None:
        self.match = self.match._replace(ports=self._ports(negated))

    def _from_ports(self, negated: bool) -> None:
        self.match = self.match._replace(source_ports=self._ports(negated))

    def _ports(self, negated: bool) -> Ports:
        ranges = []
        for word in self._next().split(","):
            first, colon, last = word.partition(":")
            ranges.append(written.port_range(f"{first or 0}:{last or 65535}" if colon else first))
        left = written.without(ranges) if negated else tuple(ranges)
        if not left:
            self.match = self.match._replace(never=True)
        return Ports(left)

    def _states(self, negated: bool) -> None:
        states = set(self._next().split(","))
        if negated:
            raise ValueError(f"not of the state {short(','.join(sorted(states)))}")
        if states <= {"INVALID"}:
            self.match = self.match._replace(never=True)
        elif not states & _NEW:
            self.match = self.match._replace(established=True)
        elif "NEW" not in states:
            raise ValueError(f"state {short(','.join(sorted(states)))}")

    def _flags(self, negated: bool) -> None:
        """`--tcp-flags FIN,SYN,RST,ACK SYN` is `--syn`: what opens a connection, as do the packets that matter here."""
        mask, wanted = self._next(), self._next()
        if negated or wanted != "SYN" or not {"SYN", "ACK"} <= set(mask.split(",")):
            raise ValueError(f"{'not ' if negated else ''}--tcp-flags {short(mask)} {short(wanted)}")

    def _syn(self, negated: bool) -> None:
        if negated:
            self.match = self.match._replace(established=True)

    def _range(self, sources: bool, negated: bool) -> None:
        self._put(sources, written.scope([written.addresses(self._next())])._replace(negated=negated))

    def _source_range(self, negated: bool) -> None:
        self._range(True, negated)

    def _destination_range(self, negated: bool) -> None:
        self._range(False, negated)

    def _set(self, negated: bool) -> None:
        name, sides = self._next(), self._next()
        if sides not in ("src", "dst"):
            raise ValueError(f"the set {short(name)} with {short(sides)}")
        self._put(sides == "src", Scope(names=(short(name),), negated=negated))

    def _module(self, negated: bool) -> None:
        name = self._next()
        if name not in _MODULES:
            self.doubt(f"module {short(name)}")

    def _comment(self, negated: bool) -> None:
        self.comment = self._next()

    def _jump_to(self, negated: bool) -> None:
        self._jump = self._next()

    def _go_to(self, negated: bool) -> None:
        self._jump, self._goto = self._next(), True

    def _reject_with(self, negated: bool) -> None:
        self._reject = self._next()

    def _of_target(self, negated: bool) -> None:
        """An option of a target that only writes something down."""
        if self._place < len(self._words) and not self._words[self._place].startswith("-"):
            self._next()


_MODULES = frozenset(
    [
        "tcp",
        "udp",
        "udplite",
        "sctp",
        "icmp",
        "icmp6",
        "multiport",
        "conntrack",
        "state",
        "comment",
        "iprange",
        "set",
        "limit",
        "hashlimit",
        "recent",
        "mark",
        "connmark",
        "addrtype",
        "mac",
        "owner",
        "physdev",
        "policy",
        "pkttype",
        "string",
        "time",
        "connlimit",
        "statistic",
        "unread",
    ]
) - {"unread"}  # what they ask for are options, which are known or not
_Option = Callable[[_Reading, bool], None]
_OPTIONS: dict[str, _Option] = {
    "-s": _Reading._source, "--source": _Reading._source, "-d": _Reading._destination,
    "--destination": _Reading._destination, "-i": _Reading._from_interface, "-o": _Reading._to_interface,
    "-p": _Reading._protocol, "--dport": _Reading._to_ports, "--dports": _Reading._to_ports,
    "--destination-port": _Reading._to_ports, "--sport": _Reading._from_ports, "--sports": _Reading._from_ports,
    "--source-port": _Reading._from_ports, "--ctstate": _Reading._states, "--state": _Reading._states,
    "--tcp-flags": _Reading._flags, "--syn": _Reading._syn, "--src-range": _Reading._source_range,
    "--dst-range": _Reading._destination_range, "--match-set": _Reading._set, "-m": _Reading._module,
    "--match": _Reading._module, "--comment": _Reading._comment, "-j": _Reading._jump_to, "--jump": _Reading._jump_to,
    "-g": _Reading._go_to, "--goto": _Reading._go_to, "--reject-with": _Reading._reject_with,
    **dict.fromkeys(("--log-prefix", "--log-level", "--nflog-group", "--nflog-prefix", "--log-tcp-options",
                     "--log-ip-options", "--log-uid", "--log-tcp-sequence"), _Reading._of_target),
}  # fmt: skip


RULE_SET = RuleSetFormat("iptables-save", "Linux: iptables-save, ip6tables-save", why_not, parse)
