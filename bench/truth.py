"""What a capture holds, counted while it is built, and the same figures read from the program's JSON document."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

MAX_ALIKE = 100  # alike flows that the document lists one by one

Figures = dict[str, Any]

COMPARED = ("packets", "referrals", "flows", "listed", "folded", "outcomes", "calls")
COMPARED_OF_PIPES = ("flows", "opened", "referrals", "calls")


class FlowKey(NamedTuple):
    """What flows have in common that the document may fold into one entry."""

    client: str
    server: str
    port: int
    interfaces: tuple[str, ...]
    origin: str
    outcome: str
    verdict: str


class Pipes:
    """What is put into pipes of SMB sessions, counted apart: peers that look at ports only find nothing of it."""

    def __init__(self) -> None:
        self.flows: Counter[str] = Counter(ncacn_np=0)  # connections that carry RPC, by transport
        self.opened: Counter[str] = Counter()  # by the pipe's name
        self.pdus: Counter[str] = Counter()
        self.referrals: Counter[str] = Counter()
        self.calls: Counter[str] = Counter(requests=0, responses=0, faults=0, unanswered=0)

    def figures(self) -> Figures:
        names = ("flows", "opened", "pdus", "referrals", "calls")
        return {name: _sorted(getattr(self, name)) for name in names}


class Truth:
    """Counts what is put into a capture."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.tcp_flows = 0
        self.pdus: Counter[str] = Counter()
        self.referrals: Counter[str] = Counter()
        self.flows: Counter[FlowKey] = Counter()
        self.calls: Counter[str] = Counter(requests=0, responses=0, faults=0, unanswered=0)
        self.kinds: Counter[str] = Counter()  # packets of each kind of traffic
        self.rpc_packets = 0
        self.pipes = Pipes()

    def figures(self) -> Figures:
        """What the truth file says."""
        folding = self.flows.total() > MAX_ALIKE
        by: dict[str, Counter[str]] = {name: Counter() for name in ("flows", "listed", "folded", "outcomes")}
        for key, count in self.flows.items():
            listed = min(count, MAX_ALIKE) if folding else count
            by["flows"][key.origin] += count
            by["listed"][key.origin] += listed
            if count > listed:
                by["folded"][key.origin] += count - listed
            by["outcomes"][key.outcome] += count
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "tcp_flows": self.tcp_flows,
            "rpc_packets": self.rpc_packets,
            "pdus": _sorted(self.pdus),
            "referrals": _sorted(self.referrals),
            **{name: _sorted(counter) for name, counter in by.items()},
            "calls": _sorted(self.calls),
            "packets_by_traffic": _sorted(self.kinds),
            "pipes": self.pipes.figures(),
        }

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.figures(), indent=1) + "\n")


def _sorted(counter: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items()))


def found(document: Mapping[str, Any]) -> Figures:
    """The figures of the truth file that the program's document holds."""
    flows, listed, folded, outcomes = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    leaders = {flow["id"]: flow for flow in document["flows"]}
    inside = {flow["id"]: flow for flow in document["flows"] if flow["transport"] == "ncacn_np"}
    for flow in document["flows"]:
        if flow["id"] in inside:
            continue
        listed[flow["origin"]["kind"]] += 1
        outcomes[flow["outcome"]] += 1
    referrals = Counter(one["kind"] for one in document["referrals"] if one["asked_on"] not in inside)
    for group in document.get("flow_groups", ()):
        referrals["ept_map"] += group["referrals"]  # of nothing else are any only counted
        leader = leaders[group["like"]]
        folded[leader["origin"]["kind"]] += group["count"]
        outcomes[leader["outcome"]] += group["count"]
    flows.update(listed)
    flows.update(folded)
    accounting = document["accounting"]
    fates = accounting["request_fates"]
    pipes = Pipes()
    carriers = {
        (flow["client"]["address"], flow["client"]["port"], flow["server"]["address"]) for flow in inside.values()
    }
    pipes.flows["ncacn_np"] = len(carriers)
    for flow in inside.values():
        pipes.opened[str(flow["pipe"]).removeprefix("\\pipe\\")] += 1
        pipes.calls.update(flow["calls"])
    pipes.referrals.update(one["kind"] for one in document["referrals"] if one["asked_on"] in inside)
    return {
        "packets": accounting["packets"],
        "referrals": _sorted(referrals),
        "flows": _sorted(flows),
        "listed": _sorted(listed),
        "folded": _sorted(folded),
        "outcomes": _sorted(outcomes),
        "calls": {
            "faults": fates["fault"] - pipes.calls["faults"],
            "requests": accounting["requests"] - pipes.calls["requests"],
            "responses": fates["response"] - pipes.calls["responses"],
            "unanswered": fates["unanswered"] - pipes.calls["unanswered"],
        },
        "pipes": pipes.figures(),
    }


def differences(truth: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """One line for every figure that is not as it was built."""
    lines = []
    both = [(name, truth[name], seen[name]) for name in COMPARED]
    both += [(f"pipes: {name}", truth["pipes"][name], seen["pipes"][name]) for name in COMPARED_OF_PIPES]
    for name, built, got in both:
        if not isinstance(built, dict):
            built, got = {"": built}, {"": got}
        for part in sorted({*built, *got}):
            expected, actual = built.get(part, 0), got.get(part, 0)
            if expected != actual:
                lines.append(f"{name} {part}".strip() + f": built {expected:,}, found {actual:,}")
    return lines
