"""Which of the two comparisons it is, and that one made."""

from collections.abc import Sequence

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.capture.choice import Engine
from rpcdiag.compare import sides, works
from rpcdiag.compare.datagrams import Meeting
from rpcdiag.compare.result import Comparison, Mode
from rpcdiag.compare.segments import points as described
from rpcdiag.compare.sides import Place, Recorded
from rpcdiag.compare.talks import contradict
from rpcdiag.errors import InputError, RpcdiagError

MAX_NAMES = 8
AT_LEAST = 2  # datagrams in common
SEVERAL, LONG_NS, PACE_NS = 3, 1_000_000_000, 20_000_000  # connections, from the first to the last, difference
SURE = frozenset({"numbers", "ends", "ids", "stamp"})  # what packets have in common only where they are the same


def compare(
    paths: Sequence[str], mode: Mode | None = None, points: Sequence[str] = (), engine: Engine | None = None
) -> Comparison:
    """Compare two captures, or two points of one.

    Raises:
        InputError: one of them cannot be read, or it is not clear what to compare.
        MissingPiece: what reads one of them is not installed.
    """
    if "-" in paths:
        raise InputError("-", "captures are read twice, and standard input can be read once: name a file")
    diagnoses = {path: _diagnosed(path, engine) for path in dict.fromkeys(paths)}
    places = _places([diagnoses[path] for path in paths], points)
    cuts = tuple(cut for diagnosis in diagnoses.values() for cut in diagnosis.cuts)
    one_file = len(paths) == 1
    if one_file or points:
        mode = mode or Mode.SIDES
        if mode is Mode.WORKS and one_file:
            raise InputError(paths[0], "what works is compared with what does not in another capture: name two")
    why = "as asked for" if mode is not None else ""
    recorded: sides.Recorded | None = None
    if mode is None:
        mode, why, recorded = _told_apart(places)
    if mode is Mode.WORKS:
        return works.compare(places[0].diagnosis, places[1].diagnosis, why)._replace(cuts=cuts)
    chosen = _one_point(places[0]), _one_point(places[1])
    return sides.compare(chosen, recorded or sides.record(chosen), why, one_clock=one_file)._replace(cuts=cuts)


def _diagnosed(path: str, engine: Engine | None) -> Diagnosis:
    diagnosis = analyze([path], engine=engine)
    if diagnosis.troubles:
        raise _first(diagnosis.troubles)
    return diagnosis


def _first(troubles: Sequence[RpcdiagError]) -> RpcdiagError:
    return troubles[0]


def _places(diagnoses: Sequence[Diagnosis], points: Sequence[str]) -> tuple[Place, Place]:
    facts = [diagnosis.case.captures[0] for diagnosis in diagnoses]
    if len(diagnoses) == 1:
        known = facts[0].points
        if len(known) < 2 and not points:
            known = described(facts[0].path)
        if not points and len(known) == 2:
            points = tuple(known.values())
        if len(points) != 2:
            raise InputError(
                facts[0].path, f"name two of its capture points after --points, or another capture: {_names(known)}"
            )
        one, other = (_point(facts[0].path, known, name) for name in points)
        if one == other:
            raise InputError(facts[0].path, f"two capture points are compared, not {points[0]} with itself")
        return (
            Place(points[0], diagnoses[0], facts[0], one, points[0]),
            Place(points[1], diagnoses[0], facts[0], other, points[1]),
        )
    if points and len(points) != 2:
        raise InputError(facts[0].path, f"one capture point for each capture after --points, not {len(points)}")
    made = []
    for place, (label, one_fact) in enumerate(zip(("A", "B"), facts, strict=True)):
        point = _point(one_fact.path, one_fact.points, points[place]) if points else None
        made.append(Place(label, diagnoses[place], one_fact, point, points[place] if points else None))
    return made[0], made[1]


def _names(points: dict[int, str]) -> str:
    shown = ", ".join(points.values()) if len(points) <= MAX_NAMES else f"{len(points)} of them"
    return f"it has {shown or 'one'}"


def _point(path: str, points: dict[int, str], name: str) -> int:
    if name not in points.values():
        points = described(path)  # where nothing was recorded
    found = [point for point, known in points.items() if known == name]
    if len(found) != 1:
        raise InputError(path, f"no capture point is called {name}: {_names(points)}")
    return found[0]


def _one_point(place: Place) -> Place:
    """The place, which must not hold every packet more than once."""
    if place.point is None and len(place.facts.points) > 1:
        raise InputError(
            place.facts.path, f"has several capture points: choose with --points ({_names(place.facts.points)})"
        )
    return place


def _same_datagrams(meeting: Meeting) -> int:
    """Datagrams that can only be the same: by their IP ids, or, where there are none, in both directions."""
    found = 0
    for _, pairs in meeting.certain:
        numbered = sum(one.first.ip_id == one.second.ip_id != 0 for one in pairs)
        bare = [one for one in pairs if one.first.ip_id == one.second.ip_id == 0]
        found += numbered + (len(bare) if len({one.side for one in bare}) == 2 else 0)
    return found


def _told_apart(places: tuple[Place, Place]) -> tuple[Mode, str, Recorded | None]:
    """The same packets at two places, or two recordings of the same thing."""
    numbers = [
        {(one.flow.isn, one.flow.server.port) for one in place.flows() if one.flow.isn is not None} for place in places
    ]
    shared = len(numbers[0] & numbers[1])
    if any(len(place.facts.points) > 1 for place in places):
        return Mode.WORKS, "a capture has several capture points, and --points chooses none of them", None
    if not all(place.facts.packets for place in places):
        return Mode.SIDES, "a capture holds no packets", None
    recorded = sides.record(places)
    same = [one for one in recorded.same if one.by in SURE]
    others = sum(contradict(one) for one in same)
    if others:
        return Mode.WORKS, f"connections with the same sequence numbers say other things ({others})", None
    if shared:
        return (
            Mode.SIDES,
            f"{shared} connection{'s' if shared > 1 else ''} with the same sequence numbers are in both",
            recorded,
        )
    if same:
        return (
            Mode.SIDES,
            f"{len(same)} connection{'s of one are' if len(same) > 1 else ' of one is'} in the other",
            recorded,
        )
    datagrams = _same_datagrams(recorded.meeting)
    if datagrams >= AT_LEAST:
        return Mode.SIDES, f"{datagrams} datagrams of one are in the other", recorded
    gap = _same_pace(recorded)
    if gap is not None:
        return (
            Mode.WORKS,
            (
                f"no packet is in both captures; but their connections begin at the same times, {gap / 1e9:+.3f} s apart: if "
                "these are two places of one path, with a proxy or new sequence numbers in between, say --as sides"
            ),
            None,
        )
    return Mode.WORKS, "no packet is in both captures", None


def _same_pace(recorded: Recorded) -> int | None:
    """How far apart the connections of both begin, where that is the same for all: that proves nothing, and is a hint."""
    starts: dict[int, tuple[list[int], list[int]]] = {}
    for place, side in enumerate(recorded.talks):
        for one in side:
            starts.setdefault(one.server.port, ([], []))[place].append(one.first.time_ns)
    same = [
        (here, there)
        for ours, theirs in starts.values()
        if len(ours) == len(theirs)
        for here, there in zip(ours, theirs, strict=True)
    ]
    gaps = [there - here for here, there in same]
    long = bool(same) and max(same)[0] - min(same)[0] >= LONG_NS
    return sum(gaps) // len(gaps) if len(gaps) >= SEVERAL and long and max(gaps) - min(gaps) <= PACE_NS else None
