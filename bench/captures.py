"""Captures for the benchmarks, the same bytes for the same seed, with a file beside each that says what must be found.

    python -m bench.captures needle FOLDER --scale 0.01

needle: ordinary traffic with one percent of RPC; dense: nearly all RPC; ring: needle in 500 files; needle2: twice the
needle; medium and small: 10,000 and 100 packets.
"""

import argparse
import heapq
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.bulk import BULK, Bulk
from bench.conversation import SECOND, Frames
from bench.files import PcapngWriter, PcapWriter, Ring, Twins, Writer, read_packets
from bench.frames import Hosts, arp_request
from bench.rpc import SCENARIOS, Estate, Shape
from bench.stories import Replicas
from bench.truth import Figures, Truth

SEED = 20_240_611
START_US = 1_700_000_000 * SECOND
LAST_RPC = 45 * SECOND  # before the end: the longest story takes half a minute
QUIET_END = 3 * SECOND  # between the last packet and the end mark, so that a request without answer has none
RING_FILES, RING_FILE_SIZE = 500, 3_000_000

STORIES = "stories"


class Recipe(NamedTuple):
    """How many conversations of each kind begin in `seconds`, at scale 1."""

    seconds: int
    bulk: Mapping[str, int]
    rpc: Mapping[str, int]
    shape: Shape
    packets: int | None = None  # filled up to this number
    nanoseconds: bool = False  # of the pcapng twin's clock
    longest_story: int | None = None
    scaled: bool = True
    twin: bool = True  # as pcapng, too


class Start(NamedTuple):
    """A conversation to be made when its time has come."""

    time_us: int
    serial: int
    kind: str
    make: Callable[[Random, int], Frames]
    rpc: bool


class Mixed(NamedTuple):
    """A packet of the mixture; `open_rpc` counts the RPC conversations that have packets to come."""

    time_us: int
    data: bytes
    start: Start
    open_rpc: int


class Built(NamedTuple):
    """The files of a capture."""

    pcap: tuple[Path, ...]
    pcapng: Path | None
    truth: Figures


BULK_MIX = {
    "tls": 4400,
    "http": 1750,
    "ssh": 700,
    "file-read": 90,
    "file-write": 40,
    "quic": 600,
    "dns": 6000,
    "arp": 9000,
    "scan": 1500,
}
RPC_MIX = {
    STORIES: 270, "poll": 160, "poll-ipv6": 40, "listing": 20, "hearsay": 20, "cached": 20, "fixed": 15, "activation": 40,
    "sealed-activation": 25, "resolution": 25,
}  # fmt: skip
FEW_RPC = {kind: max(1, count // 20) for kind, count in RPC_MIX.items()}
RPC_MIX |= {"pipe": 12, "pipe-transceive": 12}
QUICK_RPC_MIX = RPC_MIX | {STORIES: 200}
POLLERS = Shape(clients=60, servers=8)
DENSE_POLLERS = Shape(
    clients=12,
    servers=2,
    short=(1, 5),
    long_share=0.08,
    long=(12, 45),
    bulk=(3, 12),
    batch=5,
    fragments=(1, 2),
    steady=True,
)

RECIPES = {
    "needle": Recipe(600, BULK_MIX, RPC_MIX, POLLERS),
    "needle2": Recipe(
        780,
        {kind: 2 * count for kind, count in BULK_MIX.items()},
        {kind: 2 * count for kind, count in RPC_MIX.items()},
        POLLERS,
        twin=False,
    ),
    "dense": Recipe(
        600,
        {"dns": 1000, "arp": 1000},
        {kind: count // 2 for kind, count in RPC_MIX.items()} | {"poll": 25_000},
        DENSE_POLLERS,
        nanoseconds=True,
    ),
    "ring": Recipe(600, BULK_MIX, QUICK_RPC_MIX, POLLERS._replace(patient=False), longest_story=SECOND // 2),
    "medium": Recipe(120, {"dns": 400, "arp": 400, "scan": 100}, FEW_RPC, POLLERS, packets=10_000),
    "small": Recipe(60, {"dns": 10, "arp": 10}, {"activation": 1}, POLLERS, packets=100, scaled=False),
}


def build(
    name: str, folder: Path, *, scale: float = 1.0, seed: int = SEED, progress: Callable[[int], None] | None = None
) -> Built:
    """Write a capture, its pcapng twin and its truth file."""
    recipe = RECIPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    truth = Truth()
    seed += sorted(RECIPES).index(name)
    factor = scale if recipe.scaled else 1.0
    mixed = _exact(recipe, truth, seed, factor) if recipe.packets else _mixture(recipe, truth, seed, factor)
    if name == "ring":
        files = max(3, round(RING_FILES * scale))
        size = RING_FILE_SIZE if scale >= 1 else max(20_000, round(RING_FILE_SIZE * RING_FILES * scale / files))
        ring = Ring(folder / name, name, size)
        _write(mixed, ring, truth, ring.cut, progress)
        built = Built(tuple(ring.paths), None, truth.figures())
    else:
        pcap, pcapng = folder / f"{name}.pcap", folder / f"{name}.pcapng" if recipe.twin else None
        writers: list[Writer] = [PcapWriter(pcap)]
        if pcapng is not None:
            writers.append(PcapngWriter(pcapng, nanoseconds=recipe.nanoseconds))
        _write(mixed, Twins(writers), truth, None, progress)
        built = Built((pcap,), pcapng, truth.figures())
    truth.save(folder / f"{name}.truth.json")
    return built


def at_hand(name: str, folder: Path) -> Built | None:
    """The capture as an earlier run left it; the truth file is written last."""
    truth = folder / f"{name}.truth.json"
    if not truth.exists():
        return None
    figures: Figures = json.loads(truth.read_text())
    if name == "ring":
        return Built(tuple(sorted((folder / name).glob("*.pcap"))), None, figures)
    return Built((folder / f"{name}.pcap",), folder / f"{name}.pcapng" if RECIPES[name].twin else None, figures)


def head(source: Path, target: Path, count: int) -> int:
    """The first packets of a capture as a pcap file of their own; how many there were."""
    writer = PcapWriter(target)
    number = 0
    for number, packet in enumerate(read_packets(source, count), start=1):  # noqa: B007  the count is wanted
        writer.write(packet.time_us, packet.data)
    writer.close()
    return number


def _write(
    mixed: Iterator[Mixed], writer: Writer, truth: Truth, cut: Callable[[], None] | None,
    progress: Callable[[int], None] | None,
) -> None:  # fmt: skip
    for packet in mixed:
        writer.write(packet.time_us, packet.data)
        truth.packets += 1
        truth.bytes += len(packet.data)
        truth.kinds[packet.start.kind] += 1
        truth.rpc_packets += packet.start.rpc
        if cut is not None and not packet.open_rpc:
            cut()
        if progress is not None and truth.packets % 100_000 == 0:
            progress(truth.packets)
    writer.close()


def _mixture(recipe: Recipe, truth: Truth, seed: int, scale: float) -> Iterator[Mixed]:
    """All conversations in the order of their packets' times, and a mark at the end."""
    now = START_US
    for packet in _merged(_starts(recipe, truth, seed, scale), seed):
        yield packet
        now = packet.time_us
    end = max(now + QUIET_END, START_US + recipe.seconds * SECOND)
    yield Mixed(end, arp_request("10.200.0.1", "10.200.0.2"), _MARK, 0)


def _exact(recipe: Recipe, truth: Truth, seed: int, scale: float) -> Iterator[Mixed]:
    """The mixture, filled with datagrams to exactly the number of packets that the recipe names."""
    *packets, mark = _mixture(recipe, truth, seed, scale)
    wanted = recipe.packets or 0
    if recipe.scaled:
        wanted = max(round(wanted * scale), len(packets) + 1)
    missing = wanted - len(packets) - 1
    if missing < 0:
        raise ValueError(f"{len(packets) + 1} packets are more than the {wanted} of the recipe")
    hosts, filling = Hosts("10.200.9.1", "198.18.9.1"), Random(seed).randbytes(1200)
    step = recipe.seconds * SECOND // (missing + 1)
    packets += [
        Mixed(START_US + step * number, hosts.datagram(number % 2, (50_000, 443), b"\x41" + filling), _FILLING, 0)
        for number in range(missing)
    ]
    packets.sort(key=lambda packet: packet.time_us)
    yield from packets
    yield mark


def _nothing(random: Random, at: int) -> Frames:
    return []


_MARK = Start(0, 0, "end mark", _nothing, rpc=False)
_FILLING = Start(0, 0, "filling", _nothing, rpc=False)


def _starts(recipe: Recipe, truth: Truth, seed: int, scale: float) -> list[Start]:
    """What begins when, by time."""
    random = Random(f"plan {seed}")
    shape = recipe.shape
    fewer = min(1.0, scale) ** 0.5  # so that pairs meet as often in a small capture
    shape = shape._replace(clients=max(3, round(shape.clients * fewer)), servers=max(2, round(shape.servers * fewer)))
    bulk, estate = Bulk(truth, seed), Estate(truth, seed, shape)
    last = START_US + recipe.seconds * SECOND - LAST_RPC
    starts: list[Start] = []

    def add(kind: str, make: Callable[[Random, int], Frames], *, rpc: bool) -> None:
        starts.append(Start(random.randrange(START_US, last), len(starts), kind, make, rpc))

    for kind, count in recipe.bulk.items():
        for _ in range(_scaled(count, scale)):
            add(kind, partial(BULK[kind], bulk), rpc=False)
    for kind, count in recipe.rpc.items():
        if kind == STORIES:
            replicas = Replicas(truth, seed, longest_us=recipe.longest_story)
            for number in range(max(len(replicas.stories), _scaled(count, scale))):
                add(kind, partial(_story, replicas, number), rpc=True)
        else:
            for _ in range(_scaled(count, scale)):
                add(kind, partial(SCENARIOS[kind], estate), rpc=True)
    return sorted(starts, key=lambda start: start[:2])


def _story(replicas: Replicas, number: int, random: Random, at: int) -> Frames:
    return replicas.replica(replicas.stories[number % len(replicas.stories)], at)


def _scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale))


def _merged(starts: Sequence[Start], seed: int) -> Iterator[Mixed]:
    """Makes each conversation when its time has come, so that only those under way are in memory."""
    heap: list[tuple[int, int, int, Frames, Start]] = []
    open_rpc = 0
    coming = iter(starts)
    following = next(coming, None)
    while heap or following is not None:
        while following is not None and (not heap or following.time_us <= heap[0][0]):
            frames = following.make(Random(f"{seed} {following.serial}"), following.time_us)
            frames.sort(key=_time)
            heapq.heappush(heap, (frames[0][0], following.serial, 0, frames, following))
            open_rpc += following.rpc
            following = next(coming, None)
        time_us, serial, place, frames, start = heap[0]
        data = frames[place][1]
        if place + 1 < len(frames):
            heapq.heapreplace(heap, (frames[place + 1][0], serial, place + 1, frames, start))
        else:
            heapq.heappop(heap)
            open_rpc -= start.rpc
        yield Mixed(time_us, data, start, open_rpc)


def _time(frame: tuple[int, bytes]) -> int:
    return frame[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build captures from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.captures", description="Build benchmark captures.")
    parser.add_argument("name", nargs="+", choices=RECIPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    for name in chosen.name:
        built = build(name, chosen.folder, scale=chosen.scale, seed=chosen.seed)
        sys.stdout.write(json.dumps({name: built.truth}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
