"""`compare` as its users and other programs see it."""

import json
from pathlib import Path

import jsonschema
import pytest

from rpcdiag.compare.result import Comparison, Difference, Mode, Rung, Side
from rpcdiag.report.style import Style
from rpcdiag.ui.cli import main
from rpcdiag.ui.compare import SCHEMA, as_json, as_markdown, as_text
from tests.build.two_sides import Path as Between
from tests.build.two_sides import sides
from tests.unit.compare.test_datagrams import Story, _in_pieces
from tests.unit.compare.test_sides import CLIENT, _failing
from tests.unit.compare.test_works import Made, _good

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
TWO = str(PCAPS / "two-points" / "capture.pcapng")


def _said(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    code = main(["compare", *arguments])
    captured = capfdbinary.readouterr()
    return code, captured.out.decode(), captured.err.decode()


@pytest.fixture
def both(tmp_path: Path) -> tuple[str, str]:
    """Two sides, half a minute apart, with dropped SYNs."""
    recording, syns = _failing()
    made = sides(recording, CLIENT, Between(lost_to_b=syns, offset_ns=37_000_000_000))
    (tmp_path / "a.pcap").write_bytes(made.a)
    (tmp_path / "b.pcap").write_bytes(made.b)
    return str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")


def test_the_text_names_the_packets_and_the_place(
    capfdbinary: pytest.CaptureFixture[bytes], both: tuple[str, str]
) -> None:
    code, out, err = _said(capfdbinary, *both)
    assert (code, err) == (1, "")
    plain = " ".join(out.split())
    assert "were seen at A (packets 15, 16, 17) and never at B: dropped between A and B." in plain
    assert "found there: dynamic-port-blocked" in plain
    assert "that of B is +37.000000 s from that of A" in plain
    assert "3 x SYN #15-17 --x -" in plain
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("mode", ["works", "sides"])
def test_json_keeps_to_its_schema(capfdbinary: pytest.CaptureFixture[bytes], both: tuple[str, str], mode: str) -> None:
    code, out, _ = _said(capfdbinary, *both, "--as", mode, "-T", "json")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert (code, document["kind"], document["mode"], document["why"]) == (1, "compare", mode, "as asked for")
    assert _said(capfdbinary, *both, "--as", mode, "-T", "json")[1] == out


def test_fragments_are_explained_and_remedied(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    story = Story()
    later = _in_pieces(story)
    story.compared(tmp_path, Between(lost_to_b=later, offset_ns=37_000_000_000))
    both = str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")
    _, out, _ = _said(capfdbinary, *both)
    plain = " ".join(out.split())
    assert "FIRST Fragments after the first never reached the other side: of 3 Kerberos datagrams" in plain
    assert "that means: fragments behind the first have no ports" in plain
    assert "likely: have Kerberos use TCP, if TCP port 88 is open: MaxPacketSize 1" in plain
    assert f"fragment #{later[0]} --x -" in plain
    document = json.loads(_said(capfdbinary, *both, "-T", "json")[1])
    jsonschema.validate(document, SCHEMA)
    (one,) = document["differences"]
    assert (one["kind"], one["packets"][0], len(one["remedies"])) == ("lost-fragments", later, 2)
    _, table, _ = _said(capfdbinary, *both, "-T", "md")
    assert "\n- likely: let the firewall put fragments together" in table


def test_markdown_is_a_table(capfdbinary: pytest.CaptureFixture[bytes], both: tuple[str, str]) -> None:
    _, out, _ = _said(capfdbinary, *both, "-T", "md")
    assert "| 1 | lost-syn | the 3 SYNs" in out
    assert "| 3 x SYN \\#15-17 | --x |" in out


def test_exit_codes(capfdbinary: pytest.CaptureFixture[bytes], both: tuple[str, str], tmp_path: Path) -> None:
    assert _said(capfdbinary, both[0], both[0])[0] == 0
    assert _said(capfdbinary, both[0], str(tmp_path / "missing.pcap"))[0] == 2
    assert _said(capfdbinary, both[0], "-")[0] == 2
    assert _said(capfdbinary, *both, both[0])[0] == 2
    assert _said(capfdbinary, TWO, "--points", "inside")[0] == 2
    assert _said(capfdbinary, TWO, "--points", "inside,outside")[0] == 1
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(Path(both[0]).read_bytes()[:-20])
    code, out, err = _said(capfdbinary, both[0], str(cut))
    assert (code, bool(out)) == (3, True)
    assert "byte" in err


def test_nothing_in_common_is_said_plainly(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    other = Made(2, "192.0.2.1", "192.0.2.2")
    other.tcp(7777).syns()
    (tmp_path / "good.pcap").write_bytes(_good().recording.pcap())
    (tmp_path / "bad.pcap").write_bytes(other.recording.pcap())
    code, out, _ = _said(capfdbinary, str(tmp_path / "good.pcap"), str(tmp_path / "bad.pcap"))
    assert code == 1
    assert "The two captures have nothing in common" in out


def _hostile() -> Comparison:
    nasty = "<b>|`x`\x1b[31m\u202e" + "y" * 5000
    one = Side(nasty, nasty, nasty, 1, None, None)
    return Comparison(
        Mode.WORKS, nasty, (one, one), True, nasty,
        tuple(Difference("missing", nasty, True, ((1,), ()), rules=(nasty,)) for _ in range(100)), 0,
        (Rung(nasty, "!", None),) * 100, (nasty,), 0,
    )  # fmt: skip


def test_what_others_wrote_is_harmless_and_bounded() -> None:
    text = "\n".join(as_text(_hostile(), Style(False), 80))
    table = "\n".join(as_markdown(_hostile()))
    for shown in (text, table):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "... and 60 more" in text
    assert "<b>" not in table.replace("\\<b\\>", "")
    jsonschema.validate(json.loads("".join(as_json(_hostile()))), SCHEMA)
