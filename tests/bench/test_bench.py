"""The benchmark captures hold what their truth files say, and the benchmark runs to its end. Nothing here asserts a time."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from bench import captures, measure, run, truth
from bench.bulk import Bulk
from bench.captures import POLLERS, Built
from bench.conversation import Frames
from bench.files import PcapngWriter, PcapWriter, read_packets
from bench.pdus import MAX_FRAGMENT, fragmented
from bench.rpc import SEALED, Estate
from bench.smb import UNIT
from bench.stories import load
from bench.truth import FlowKey, Truth, differences, found
from rpcdiag.analysis import analyze
from rpcdiag.report.outputs.json import document
from tests.build import tshark

TINY = {"needle": 0.003, "dense": 0.02, "ring": 0.003, "medium": 0.1, "small": 1.0}
KINDS = {0: "request", 2: "response", 3: "fault", 11: "bind", 12: "bind_ack", 16: "auth3"}


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


def _one_after_another(folder: Path, makers: Sequence[Callable[[int], Frames]]) -> Path:
    path, at = folder / "conversations.pcap", captures.START_US
    writer = PcapWriter(path)
    for make in makers:
        for time_us, data in make(at):
            writer.write(time_us, data)
            at = time_us + 1000
    writer.close()
    return path


def test_the_needle_has_pipes(built: dict[str, Built]) -> None:
    pipes = built["needle"].truth["pipes"]
    assert pipes["flows"]["ncacn_np"] == 2
    assert sum(pipes["opened"].values()) == pipes["pdus"]["bind"] == pipes["pdus"]["bind_ack"]
    assert pipes["calls"]["requests"] == pipes["calls"]["responses"] + pipes["calls"]["faults"]
    assert built["dense"].truth["pipes"]["flows"]["ncacn_np"] > 0
    assert "pipes" not in truth.COMPARED


@tshark.needs_tshark
def test_another_dissector_finds_in_the_pipes_what_was_put_in(tmp_path: Path) -> None:
    counted = Truth()
    estate = Estate(counted, 7, POLLERS)
    path = _one_after_another(tmp_path, [partial(estate.pipe, Random(number)) for number in range(12)]
                              + [partial(estate.pipe_transceive, Random(number)) for number in range(12)])  # fmt: skip
    values = tshark.read_file(path, "dcerpc.pkt_type", "smb2.filename", "epm.proto.named_pipe").values
    kinds = Counter(KINDS[int(kind)] for kind in values["dcerpc.pkt_type"])
    assert kinds == counted.pipes.pdus
    assert set(values["smb2.filename"]) >= set(counted.pipes.opened)
    assert len(values["epm.proto.named_pipe"]) == 2 * counted.pipes.referrals["ept_map"] > 0


@tshark.needs_tshark
def test_files_move_in_large_messages(tmp_path: Path) -> None:
    bulk = Bulk(Truth(), 7)
    path = _one_after_another(tmp_path, [partial(bulk.file_read, Random(number)) for number in range(8)]
                              + [partial(bulk.file_write, Random(number)) for number in range(8, 16)])  # fmt: skip
    fields = ("smb2.cmd", "smb2.read_length", "smb2.write_length", "smb2.credit.charge", "smb2.nt_status")
    values, broken = tshark.read_file(path, *fields)
    assert broken == []
    assert all(count % 2 == 0 for count in Counter(values["smb2.cmd"]).values())
    largest = [max(map(int, values[field])) for field in ("smb2.read_length", "smb2.write_length")]
    assert min(largest) > UNIT
    assert max(map(int, values["smb2.credit.charge"])) == -(-max(largest) // UNIT)
    assert Counter(values["smb2.nt_status"])["0xc0000016"] == 16


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
    seen = {name: figures[name] for name in (*truth.COMPARED, "pipes")} | {"packets": 3, "referrals": {"ept_map": 1}}
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
    small = ["--scale", "0.05", "--rounds", "1"]  # too small to compile for
    only = ["--only", "small", "rpcdiag", "cat"]
    assert run.main([*small, "--dir", str(tmp_path), "--report", str(report), *only]) == 0
    text = report.read_text()
    assert "## small" in text
    assert "## needle" not in text
    assert "`tshark -Y dcerpc` |" not in text


def test_an_unknown_name_is_a_usage_error(tmp_path: Path) -> None:
    assert run.main(["--dir", str(tmp_path), "--report", str(tmp_path / "r.md"), "--only", "nothing"]) == 2
    assert not (tmp_path / "r.md").exists()
