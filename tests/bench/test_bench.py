"""The benchmark captures hold what their truth files say, and the benchmark runs to its end. Nothing here asserts a time."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from bench import captures, measure, run, truth
from bench.captures import Built
from bench.files import PcapngWriter, PcapWriter, read_packets
from bench.pdus import MAX_FRAGMENT, fragmented
from bench.rpc import SEALED
from bench.stories import load
from bench.truth import FlowKey, Truth, differences, found
from rpcdiag.analysis import analyze
from rpcdiag.report.outputs.json import document

TINY = {"needle": 0.003, "dense": 0.02, "ring": 0.003, "medium": 0.1, "small": 1.0}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    folder = tmp_path_factory.mktemp("bench")
    return {name: captures.build(name, folder, scale=scale) for name, scale in TINY.items()}


def _bytes(made: Built) -> Iterator[str]:
    for path in (*made.pcap, *([made.pcapng] if made.pcapng else [])):
        yield f"{path.name} {sha256(path.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("name", sorted(TINY))
def test_the_program_finds_what_was_put_in(built: dict[str, Built], name: str) -> None:
    seen = found(document(analyze([str(path) for path in built[name].pcap])))
    assert differences(built[name].truth, seen) == []


@pytest.mark.parametrize("name", ["needle", "dense"])
def test_another_seed_is_found_as_well(tmp_path: Path, name: str) -> None:
    made = captures.build(name, tmp_path, scale=0.003, seed=5)
    assert made.pcapng is not None
    assert differences(made.truth, found(document(analyze([str(made.pcapng)])))) == []


@pytest.mark.parametrize("name", sorted(TINY))
def test_the_same_seed_gives_the_same_bytes(built: dict[str, Built], tmp_path: Path, name: str) -> None:
    again = captures.build(name, tmp_path, scale=TINY[name])
    assert list(_bytes(again)) == list(_bytes(built[name]))
    assert again.truth == built[name].truth


def test_another_seed_gives_other_bytes(built: dict[str, Built], tmp_path: Path) -> None:
    other = captures.build("small", tmp_path, seed=captures.SEED + 1)
    assert list(_bytes(other)) != list(_bytes(built["small"]))


@pytest.mark.parametrize("name", ["needle", "dense", "medium", "small"])
def test_the_twins_hold_the_same_packets(built: dict[str, Built], name: str) -> None:
    made = built[name]
    assert made.pcapng is not None
    packets = list(read_packets(made.pcap[0]))
    assert packets == list(read_packets(made.pcapng))
    assert len(packets) == made.truth["packets"]
    assert packets == sorted(packets, key=lambda packet: packet.time_us)
    assert packets[-1].time_us - packets[0].time_us < 900_000_000


def test_small_and_medium_have_the_packets_they_are_named_for(built: dict[str, Built]) -> None:
    assert built["small"].truth["packets"] == 100
    assert built["medium"].truth["packets"] == 1000


def test_every_kind_of_origin_is_in_the_needle(built: dict[str, Built]) -> None:
    assert set(built["needle"].truth["flows"]) == {
        "mapper", "ept_map", "ept_lookup", "activation", "resolve_oxid", "well_known", "inferred", "other_client",
        "before_capture",
    }  # fmt: skip


def test_dense_has_flows_to_fold_and_calls_that_fail(built: dict[str, Built]) -> None:
    figures = built["dense"].truth
    assert figures["folded"]["mapper"] > 0
    assert figures["calls"]["faults"] > 0
    assert figures["calls"]["unanswered"] > 0
    assert figures["outcomes"]["refused"] > 0
    assert figures["outcomes"]["unanswered"] > 0
    assert figures["rpc_packets"] > 0.9 * figures["packets"]


def test_the_ring_is_cut_between_rpc_conversations(built: dict[str, Built]) -> None:
    assert len(built["ring"].pcap) > 2
    assert sum(1 for path in built["ring"].pcap for _ in read_packets(path)) == built["ring"].truth["packets"]


def test_a_ring_leaves_no_file_of_an_earlier_one(tmp_path: Path) -> None:
    captures.build("ring", tmp_path, scale=0.004)
    again = captures.build("ring", tmp_path, scale=0.002)
    assert sorted((tmp_path / "ring").iterdir()) == sorted(again.pcap)


def test_a_capture_at_hand_is_taken_as_it_is(built: dict[str, Built]) -> None:
    for name, made in built.items():
        assert captures.at_hand(name, made.pcap[0].parents[1 if name == "ring" else 0]) == made


def test_stories_bring_their_own_truth() -> None:
    stories = {story.name: story for story in load()}
    assert "two-points" not in stories
    lookup = stories["allowed-lookup"]
    assert lookup.referrals == {"ept_map": 1}
    assert [key.origin for key in lookup.flows] == ["mapper", "ept_map"]
    assert lookup.pdus["request"] == lookup.pdus["response"] == 5


def test_nanoseconds_come_back_as_microseconds(tmp_path: Path) -> None:
    for path, writer in (
        (tmp_path / "a", PcapWriter(tmp_path / "a")),
        (tmp_path / "b", PcapngWriter(tmp_path / "b")),
        (tmp_path / "c", PcapngWriter(tmp_path / "c", nanoseconds=True)),
    ):
        writer.write(1_700_000_000_123_456, b"frame")
        writer.close()
        assert list(read_packets(path)) == [(1_700_000_000_123_456, b"frame")]


def test_the_head_of_a_capture(built: dict[str, Built], tmp_path: Path) -> None:
    source = built["medium"].pcapng
    assert source is not None
    assert captures.head(source, tmp_path / "head.pcap", 7) == 7
    assert list(read_packets(tmp_path / "head.pcap")) == list(read_packets(source, 7))


def test_fragments_keep_to_their_size() -> None:
    pieces = fragmented(bytes(20_000), 2, auth=SEALED)
    assert max(map(len, pieces)) <= MAX_FRAGMENT
    assert [piece[3] for piece in pieces] == [1, 0, 0, 2]


def test_alike_flows_are_folded_after_a_hundred() -> None:
    counted = Truth()
    counted.flows[FlowKey("10.0.0.1", "10.0.0.2", 135, (), "mapper", "established", "compliant")] = 130
    counted.flows[FlowKey("10.0.0.1", "10.0.0.2", 49_700, (), "ept_map", "established", "compliant")] = 4
    figures = counted.figures()
    assert figures["listed"] == {"ept_map": 4, "mapper": 100}
    assert figures["folded"] == {"mapper": 30}
    assert figures["flows"] == {"ept_map": 4, "mapper": 130}


def test_a_difference_is_told_in_a_line() -> None:
    figures = Truth().figures()
    seen = {name: figures[name] for name in truth.COMPARED} | {"packets": 3, "referrals": {"ept_map": 1}}
    assert differences(figures, seen) == ["packets: built 0, found 3", "referrals ept_map: built 0, found 1"]


def test_a_process_is_measured() -> None:
    cost = measure.run(["sh", "-c", "echo unseen; echo wrong >&2; exit 3"])
    assert (cost.code, cost.complaint) == (3, "wrong")
    assert cost.peak > 0
    assert measure.run(["a-program-that-is-nowhere"]).code == 127


def test_the_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    report = tmp_path / "out" / "benchmarks.md"
    code = run.main(["--scale", "0.001", "--rounds", "1", "--dir", str(tmp_path), "--report", str(report)])
    assert code == 0
    text = report.read_text()
    for heading in ("## Goals", "## needle", "## dense", "## ring", "## What was found"):
        assert heading in text
    assert "| **`rpcdiag`** |" in text
    assert str(tmp_path) not in text
    assert str(Path(__file__).resolve().parents[2]) not in text


def test_only_what_is_named_is_run(tmp_path: Path) -> None:
    report = tmp_path / "benchmarks.md"
    arguments = ["--rounds", "1", "--dir", str(tmp_path), "--report", str(report), "--only", "small", "rpcdiag", "cat"]
    assert run.main(arguments) == 0
    text = report.read_text()
    assert "## small" in text
    assert "## needle" not in text
    assert "`tshark -Y dcerpc` |" not in text


def test_an_unknown_name_is_a_usage_error(tmp_path: Path) -> None:
    assert run.main(["--dir", str(tmp_path), "--report", str(tmp_path / "r.md"), "--only", "nothing"]) == 2
    assert not (tmp_path / "r.md").exists()
