"""The screen: what it shows at two sizes, what its keys do, and that nothing of others is read as markup."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from rpcdiag.analysis import analyze
from rpcdiag.live.turns import Turns
from rpcdiag.model.packets import Address
from rpcdiag.ui.tui.app import KEYS, LiveApp
from rpcdiag.ui.tui.lookup import Names
from rpcdiag.ui.tui.view import View
from tests.build import exchanges, smb2
from tests.build.carrying import called
from tests.build.conversation import Recording, Tcp
from tests.build.screens import LARGE, SMALL, screens, story, tell
from tests.build.story import START

HOSTILE = "evil\x1b]0;owned\x07\x1b[2J\u202etxt.exe\u2066[bold red]x[/][link=http://x]y[/link][/nosuch]"


def _line(screen: Sequence[str], text: str) -> str:
    """The one line that holds it."""
    found = [line for line in screen if text in line]
    assert len(found) == 1, (text, found, screen)
    return found[0]


def _harmless(screen: Sequence[str]) -> bool:
    return all(line.isprintable() for line in screen)


def test_the_small_screen_shows_the_case_and_its_ladder() -> None:
    (screen,) = screens(story("ocs-advfirewall"), SMALL)
    assert len(screen) == 24
    assert all(len(line) <= 80 for line in screen)
    assert screen[0].startswith(" ENDED  1 error, 1 note")
    assert "18 packets" in screen[1]
    assert "dropped 0  evicted 0" in screen[1]
    assert _line(screen, "dynamic-port-blocked:").startswith(">c1    10.20.3.7 > 10.30.1.5 ERROR ")
    assert "│─ SYN :49154, told in #10 ─" in _line(screen, "#15 ")
    assert "│<─ told :49154 ─" in _line(screen, "#10 │")
    assert "x · · no SYN-ACK, no RST in 21.0 s · ·│" in "\n".join(screen)
    assert "│═ DROP :49154 (log line 145) ═X" in "\n".join(screen)
    assert screen[-1] == KEYS
    assert "q quit" in screen[-1]


def test_a_missing_answer_stands_behind_the_request_and_the_drop_of_the_log() -> None:
    (screen,) = screens(story("ocs-advfirewall"), LARGE)
    steps = [line[line.index("│") :] for line in screen if "│" in line]
    first = next(n for n, step in enumerate(steps) if "line 145" in step)
    third = next(n for n, line in enumerate(steps) if "log line 207" in line)
    assert "again" in steps[third - 1]
    assert "no SYN-ACK" in steps[third + 1]
    assert first < third


def test_the_large_screen_shows_all_panes() -> None:
    (screen,) = screens(story("dpm-tmg"), LARGE)
    text = "\n".join(screen)
    assert len(screen) == 50
    for title in ("cases 1", "1 ladder c1", "2 timeline", "3 endpoints", "4 findings c1: 5"):
        assert title in text
    assert "│─ activate DPMRA ─" in text
    assert "strict-filter" in text
    assert "49155 10.0.0.9" in text


@pytest.mark.parametrize(
    ("story_name", "step"),
    [
        ("dynamic-port-closed", "│<─ RST :49667 refused ─"),
        ("dynamic-port-icmp", "│<─ ICMP from 10.1.0.1: type 3 code 13 ─"),
        ("not-registered", "│<─ 0x16c9a0d6 ept_s_not_registered ─"),
        ("mapper-bind-unanswered", "x · · no answer to the bind · ·│"),
        ("callback-blocked", "│· · no SYN-ACK, no RST in 20.0 s · · x"),
        ("access-denied", "│<─ fault 0x00000005"),
    ],
)
def test_what_went_wrong_is_on_the_ladder(story_name: str, step: str) -> None:
    view = story(story_name)
    shown = screens(view, LARGE, ["1", "G"])
    assert any(step in line for screen in shown for line in screen), shown[-1]


def test_keys_choose_the_pane_and_the_row() -> None:
    timeline, endpoints, findings, read, back = screens(story("ocs-advfirewall"), SMALL, ["2", "3", "4", "enter", "q"])[
        1:
    ]
    assert "[2 timeline]" in _line(timeline, "3 endpoints")
    assert "silent 3 s port 49154" in _line(timeline, "silent 3 s")
    assert "log drop   drop port 49154 (log line 166)" in _line(timeline, "line 166")
    assert _line(endpoints, ">49154 10.30.1.5").endswith(" no answer")
    assert _line(findings, "ERROR   dynamic-port-blocked").startswith(">")
    assert read[0].startswith(" dynamic-port-blocked ")
    assert "PROOF   packets 8, 10: 10.30.1.5 names port 49154" in "\n".join(read)
    assert "New-NetFirewallRule" in "\n".join(read)
    assert back == findings


def test_enter_on_a_case_reads_cause_proof_cure_and_what_to_look_at_next() -> None:
    text = "\n".join(screens(story("dynamic-port-closed"), LARGE, ["enter"])[-1])
    for label in (" ERROR ", " PROOF ", " CURE ", " NEXT "):
        assert label in text
    assert "Price:" in text


def _many(folder: Path, hosts: int) -> View:
    """So many clients of one server, every third of them refused."""
    recording = Recording(START)
    for number in range(hosts):
        client = f"10.0.0.{number + 1}"
        exchanges.lookup(recording, client, 50000, "10.9.9.9", exchanges.DRSUAPI, 49667)
        tcp = Tcp(recording, client, 50001, "10.9.9.9", 49667)
        if number % 3:
            tcp.open()
        else:
            tcp.refused()
    path = folder / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    view = View("many")
    view.recent(path.read_bytes())
    tell(view, analyze([str(path)]))
    return view


def test_the_selection_moves_and_the_ladder_goes_with_it(tmp_path: Path) -> None:
    first, second, last = screens(_many(tmp_path, 30), SMALL, ["down", "end"])
    assert "[1 ladder c1]" in "\n".join(first)
    assert "[1 ladder c4]" in "\n".join(second)  # what is wrong stands first
    assert "refused" in "\n".join(second)
    assert "[1 ladder c30]" in "\n".join(last)
    assert "connects :49667" in "\n".join(last)
    assert " of 30" in _line(last, "cases 30")


def test_the_selection_stays_with_its_case_when_rows_change(tmp_path: Path) -> None:
    view = _many(tmp_path, 5)

    def worse(app: LiveApp, view: View) -> None:
        known = view.latest
        assert known is not None
        view.latest = known._replace(rows=(*known.rows[2:], *known.rows[:2]))

    screen = screens(view, SMALL, ["down", worse])[-1]
    assert "[1 ladder c4]" in "\n".join(screen)
    assert _line(screen, ">c4").startswith(">c4 ")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("10.0.0.4", {"c4"}),
        ("10.0.0.0/30", {"c1", "c2", "c3"}),
        ("state:ok !10.0.0.2", {"c3", "c5"}),
        ("49667 case:c5", {"c5"}),
        (":1-100", set()),
        ("CLOSED", {"c1", "c4"}),
        ("nothing like it", set()),
    ],
)
def test_the_filter_leaves_what_fits(words: str, kept: set[str], tmp_path: Path) -> None:
    def type_in(app: LiveApp, view: View) -> None:
        app.query_one("#filter").value = words  # type: ignore[attr-defined]  # an Input

    shown = screens(_many(tmp_path, 5), SMALL, ["slash", type_in, "enter", "escape"])
    names = {line[1:].split()[0] for line in shown[3] if line[1:2] == "c" and line[2:3].isdecimal()}
    assert names == kept
    assert f"filter: {words}" in shown[3][0]
    assert "cases 5 " in "\n".join(shown[4])


def test_letters_go_into_the_filter_box_while_it_is_open(tmp_path: Path) -> None:
    shown = screens(_many(tmp_path, 5), SMALL, ["slash", "q", "p", "s"])
    assert "filter: qps" in shown[-1][0]
    assert "PAUSED" not in shown[-1][0]


def test_pause_stops_the_screen_and_not_the_capture(tmp_path: Path) -> None:
    view = _many(tmp_path, 3)

    def more(app: LiveApp, view: View) -> None:
        known = view.latest
        assert known is not None
        counters = known.counters._replace(packets=known.counters.packets + 1000)
        view.latest = known._replace(rows=known.rows[:1], counters=counters)

    before, paused, still, again = screens(view, SMALL, ["p", more, "space"])
    assert paused[0].startswith(" PAUSED ")
    assert still[2:] == before[2:]
    assert "1,000 packets came since" in still[0]
    assert "cases 1 " in "\n".join(again)
    assert "PAUSED" not in again[0]


def test_the_slice_holds_the_case_and_gives_the_same_finding(tmp_path: Path) -> None:
    screen = screens(_many(tmp_path, 5), SMALL, ["down", "s"], folder=str(tmp_path))[-1]
    (saved,) = tmp_path.glob("rpcdiag-c4-*.pcapng")
    assert " saved " in screen[-1]
    diagnosis = analyze([str(saved)])
    assert {str(one.client) for one in diagnosis.case.conversations} == {"10.0.0.4"}
    assert diagnosis.findings[0].rule == "dynamic-port-closed"


def test_it_is_said_that_nothing_is_kept(tmp_path: Path) -> None:
    view = _many(tmp_path, 2)
    view.recent = type(view.recent)()
    screen = screens(view, SMALL, ["s"], folder=str(tmp_path))[-1]
    assert "nothing saved: no packet of c1 among the 0 that are kept" in screen[-1]
    assert not list(tmp_path.glob("rpcdiag-*"))


def test_names_are_asked_aside_and_shown_when_they_come(tmp_path: Path) -> None:
    asked: list[Address] = []

    def ask(address: Address) -> str | None:
        asked.append(address)
        return f"host-{int(address) & 255}.test"

    names = Names(ask)

    def wait(app: LiveApp, view: View) -> None:
        names.settle()

    before, _, after, gone = screens(_many(tmp_path, 2), SMALL, ["n", wait, "n"], names)
    assert "host-1.test" not in "\n".join(before)
    assert "host-1.test > host-9.test" in "\n".join(after)
    assert "host-1.test" not in "\n".join(gone)
    assert len(asked) == len(set(asked))


def test_the_case_as_an_expression() -> None:
    text = "\n".join(screens(story("dynamic-port-closed"), SMALL, ["f"])[-1])
    assert "ip.addr == 10.1.0.10 && ip.addr == 10.1.0.20" in text
    assert "host 10.1.0.10 and host 10.1.0.20" in text


def test_help_names_every_key() -> None:
    text = "\n".join(screens(story("dynamic-port-closed"), LARGE, ["question_mark"])[-1])
    for key in ("/", "p", "s", "n", "f", "o", "q"):
        assert f"\n {key}  " in text


def test_other_cases_can_be_left_out_of_the_timeline(tmp_path: Path) -> None:
    every, only = screens(_many(tmp_path, 4), SMALL, ["2", "o"])[1:]
    assert any(" c2 " in line for line in every)
    rows = [line for line in only[only.index(_line(only, "[2 timeline c1]")) + 2 :] if " c" in line]
    assert rows
    assert all(" c1 " in line for line in rows[:-1])


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_hostile_names_of_hosts_are_harmless(size: tuple[int, int], tmp_path: Path) -> None:
    names = Names(lambda address: HOSTILE)

    def wait(app: LiveApp, view: View) -> None:
        names.settle()

    screen = screens(_many(tmp_path, 1), size, ["n", wait], names)[-1]
    assert _harmless(screen)
    assert r"evil\x1b]0;owned\x07" in "\n".join(screen)


def test_hostile_rules_of_logs_are_harmless(tmp_path: Path) -> None:
    folder = Path(__file__).resolve().parents[4] / "pcaps" / "dpm-tmg"
    log = tmp_path / "tmg.log"
    rule = "[bold]DPM[/] \x1b[31m\u202e[link=http://x]All[/link] [/nosuch]"
    log.write_text((folder / "tmg.log").read_text("utf-8").replace("DPM All <=> SS-TMG1", rule), "utf-8")
    view = View("\x1b[2J[bold]capture")
    tell(view, analyze([str(folder / "capture.pcapng")], [str(log)]))
    first, timeline, *_, read = screens(view, LARGE, ["2", "home", "4", "enter"])
    for screen in (first, timeline, read):
        assert _harmless(screen)
    assert r"\x1b[2J[bold]capture" in first[0]
    assert r"by [bold]DPM[/] \x" in "\n".join(timeline)
    assert r"[bold]DPM[/] \x1b[31m\u202e[link=http://x]All[/link] [/nosuch]" in " ".join("\n".join(read).split())


def test_hostile_names_of_pipes_are_harmless(tmp_path: Path) -> None:
    recording = Recording(START)
    session = smb2.logged_on()
    called(session, HOSTILE, tree=session.tree())
    tcp = Tcp(recording, "10.0.0.1", 50000, "10.0.0.2", 445)
    tcp.open()
    tcp.say(session.messages)
    path = tmp_path / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    view = View("capture")
    tell(view, analyze([str(path)]))
    screen, step = screens(view, LARGE, ["1", "enter"])[::2]
    assert _harmless(screen)
    assert r"evil\x1b]0;owned\x07\x1b[2J\u202etxt" in "\n".join(screen)
    assert r"[boldred]x[/][link=http://x]y[/link][/nosuch]" in "".join("".join(step).split(" "))


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    (screen,) = screens(View("eth0"), SMALL)
    assert screen[0] == " LIVE  no findings  eth0"
    assert "waiting for packets" in screen[1]


def test_a_message_comes_up_in_the_last_line(tmp_path: Path) -> None:
    def complain(app: LiveApp, view: View) -> None:
        view.complain("the kernel dropped 5 packets \x1b[2J")

    screen = screens(_many(tmp_path, 1), SMALL, [complain])[-1]
    assert screen[-1] == r" the kernel dropped 5 packets \x1b[2J"


def test_quitting_ends_the_capture_and_an_interrupt_says_so() -> None:
    async def drive(key: str, over: bool) -> str | None:
        view = story("dynamic-port-closed")
        if over:
            view.finished.set()
        app = LiveApp(view)
        async with app.run_test(size=SMALL) as pilot:
            await pilot.press(key)
        return app.return_value

    assert asyncio.run(drive("q", False)) == "quit"
    assert asyncio.run(drive("ctrl+c", False)) == "interrupted"
    assert asyncio.run(drive("ctrl+c", True)) == "quit"


def test_what_a_host_says_to_itself_is_drawn_once(tmp_path: Path) -> None:
    recording = Recording(START)
    exchanges.lookup(recording, "127.0.0.1", 50000, "127.0.0.1", exchanges.DRSUAPI, 49667)
    Tcp(recording, "127.0.0.1", 50001, "127.0.0.1", 49667).refused()
    path = tmp_path / "capture.pcapng"
    path.write_bytes(recording.pcapng())
    view = View("lo")
    tell(view, analyze([str(path)]))
    (screen,) = screens(view, LARGE)
    assert "connects :135" in _line(screen, "#1 │")
    assert "told :49667" in _line(screen, "#10 │")


def test_lists_stay_where_the_news_are(tmp_path: Path) -> None:
    view, turns = View("growing"), Turns()
    recording = Recording(START)
    path = tmp_path / "capture.pcapng"

    def more(app: LiveApp | None, view: View) -> None:
        for number in range(20):
            exchanges.lookup(recording, f"10.0.0.{number + 1}", 50000 + recording.number, "10.9.9.9",
                             exchanges.DRSUAPI, 50000 + recording.number)  # fmt: skip
        path.write_bytes(recording.pcapng())
        tell(view, analyze([str(path)]), turns)

    more(None, view)
    first, *_, last = screens(view, SMALL, ["2", more, "3"])
    assert ">c1 " in "\n".join(first)
    assert ">c1 " in "\n".join(last)  # the selection stays
    endpoints = screens(view, SMALL, ["3", more])[-1]
    title = _line(endpoints, "[3 endpoints]")
    assert " 1-" in title
    assert title.endswith(" of 60")
    timeline = screens(view, SMALL, ["2", more])[-1]
    assert _line(timeline, "[2 timeline]").strip().endswith("-80 of 80")


def test_the_screen_follows_the_size_of_the_terminal() -> None:
    view = story("dpm-tmg")
    small, large = screens(view, SMALL)[0], screens(view, LARGE)[0]
    assert screens(view, SMALL, [LARGE, SMALL])[1:] == [large, small]
    for size in ((20, 5), (1, 1), (400, 100)):
        assert len(screens(view, SMALL, [size, "2", "enter", "q", "4"])[-1]) == size[1]
