"""The screen: draws the latest snapshot at most four times a second, and asks the view for what its keys want."""

import asyncio
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input

from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.packets import Address
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report.names import clean
from rpcdiag.ui.tui import drawing
from rpcdiag.ui.tui.details import Paragraph, of_finding, of_line, of_step
from rpcdiag.ui.tui.drawing import Cell, Cells
from rpcdiag.ui.tui.ladder import Step, steps
from rpcdiag.ui.tui.lookup import Names
from rpcdiag.ui.tui.sieve import Shown, sieve
from rpcdiag.ui.tui.snapshot import CaseRow, EndpointRow, Line, Snapshot
from rpcdiag.ui.tui.table import Bar, Row, Table
from rpcdiag.ui.tui.view import View

EVERY_S = 0.25
WIDE, HIGH = 130, 32  # from there on all panes are shown
MESSAGE_S = 8.0
PANES = ("ladder", "timeline", "endpoints", "findings")
KEYS = " 1-4 pane / filter  p pause  s save  n names  f expr  Enter more  ? help  q quit"

HELP: tuple[Paragraph, ...] = (
    ("MOVE", "up, down, PgUp, PgDn, Home, End, or j, k, g, G; Tab goes to the next list.", ""),
    ("PANES", "1 ladder of the selected case, 2 timeline, 3 endpoints handed out, 4 findings of the case.", ""),
    ("Enter", "on a case or finding: cause, proof, cure. On an endpoint: its case's ladder. Elsewhere: the row in full.", ""),
    ("o", "timeline and endpoints of the selected case only, or of all.", ""),
    ("/", ("filter; all words must fit: text, 10.1.0.10, 10.1.0.0/16, 135, port:49152-65535, state:refused, "
     "case:c1; ! before a word: must not fit. Enter keeps it, Escape clears it."), ""),
    ("p", "or space: pause. The capture goes on, the screen stands still.", ""),
    ("s", "save the packets of the selected case as pcapng in the current folder.", ""),
    ("n", "names instead of addresses: first those in the capture, else the system's resolver is asked aside.", ""),
    ("f", "the selected case as a display filter of Wireshark and a capture filter.", ""),
    ("q", "end the capture, give the screen back, print the summary. Ctrl-C: the same, with exit code 130.", ""),
    ("", "", ""),
    ("LADDER", ("──> and <── were seen; 'x · ·' should have come and did not; '═X' was dropped, says a log. "
     "The number is that of the packet."), ""),
)  # fmt: skip


class Reader(ModalScreen[None]):
    """Something to read, over the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,question_mark", "app.pop_screen", show=False)]
    CSS = "Reader { layout: vertical; } Reader Table { height: 1fr; } Reader Bar { height: 1; }"

    def __init__(self, title: str, text: Iterable[Paragraph]) -> None:
        super().__init__()
        self._title, self._text = title, list(text)

    def compose(self) -> ComposeResult:
        yield Table("text", _as_drawn, reads=True)
        yield Bar("keys")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self.query_one(Bar).show([[(" Escape or q goes back; up, down, PgUp, PgDn scroll", "tab")]])

    def on_resize(self) -> None:
        lines = drawing.wrapped(self._text, max(20, min(110, self.size.width - 2)))
        rows = [Row(place, line) for place, line in enumerate(lines)]
        self.query_one(Table).show([(f" {self._title} ", "title")], rows)


def _as_drawn(what: object, width: int) -> Cells:
    assert isinstance(what, list)  # an invariant, not input
    return what


class LiveApp(App[str]):
    """Ends with `quit`, or `interrupted` where somebody pressed Ctrl-C or sent a signal."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; background: ansi_default; }
    #top { height: 2; }
    #foot { height: 1; }
    #filter { height: 1; border: none; padding: 0 1; display: none; }
    #filter:focus { border: none; }
    #body { height: 1fr; layout: vertical; }
    #cases { height: 33%; }
    #body .pane { height: 1fr; display: none; }
    #body .pane.current { display: block; }
    #body.wide { layout: grid; grid-size: 2 6; grid-gutter: 0 1; }
    #body.wide Table { height: 100%; display: block; }
    #body.wide #cases { row-span: 2; }
    #body.wide #ladder { row-span: 3; }
    #body.wide #timeline { row-span: 4; }
    #body.wide #endpoints { row-span: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "end('quit')", show=False),
        Binding("ctrl+c", "end('interrupted')", show=False, priority=True),
        Binding("ctrl+q", "end('quit')", show=False, priority=True),
        Binding("p,space", "pause", show=False),
        Binding("slash", "filter", show=False),
        Binding("s", "save", show=False),
        Binding("n", "names", show=False),
        Binding("f", "expression", show=False),
        Binding("o", "only", show=False),
        Binding("question_mark", "help", show=False),
        Binding("escape", "clear", show=False),
        *(Binding(str(place + 1), f"pane('{name}')", show=False) for place, name in enumerate(PANES)),
    ]

    def __init__(self, view: View, lookup: Names | None = None, folder: str = ".") -> None:
        super().__init__(ansi_color=True, watch_css=False)
        self.theme = "ansi-dark"
        self._view, self._folder = view, folder
        self._names = lookup or Names()
        self.snapshot: Snapshot | None = None
        self.selected: CaseRow | None = None
        self._current = PANES[0]
        self._paused = self._only = self.is_wide = False
        self._filter = ""
        self._version = 0  # of the snapshot
        self._drawn: tuple[object, ...] = ()
        self._longest_pair = self._longest_end = 15  # columns
        self._message, self._message_until = "", 0.0
        self._said = 0

    def compose(self) -> ComposeResult:
        yield Bar("top")
        with Container(id="body"):
            yield Table("cases", self._draw_case, empty="no RPC yet, or the filter hides it")
            for table in (
                Table("ladder", self._draw_step, empty="no case is selected"),
                Table("timeline", self._draw_line, follows=1, empty="nothing has turned yet, or the filter hides it"),
                Table("findings", self._draw_finding, empty="no rule has found anything in this case"),
                Table(
                    "endpoints", self._draw_endpoint, follows=-1, empty="no port was handed out, or the filter hides it"
                ),
            ):
                table.add_class("pane")
                yield table
        yield Input(id="filter", placeholder="text, address, subnet, port, state:refused, case:c1, !not")
        yield Bar("foot")

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, ValueError, RuntimeError):  # not Windows, not elsewhere than the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.action_end, "interrupted")
        self.query_one("#cases").focus()
        self._show_pane(self._current)
        self.query_one("#body").set_class(self.is_wide, "wide")
        self.set_interval(EVERY_S, self.tick)
        self.tick()

    def on_resize(self, event: Resize) -> None:
        self.is_wide = event.size.width >= WIDE and event.size.height >= HIGH
        if self._is_whole:
            self.screen_stack[0].query_one("#body").set_class(self.is_wide, "wide")
        self._drawn = ()
        self.call_after_refresh(self.tick)

    @property
    def _is_whole(self) -> bool:
        """Not while the screen is still built, or taken apart already."""
        return bool(self.screen_stack) and len(self.screen_stack[0].query("Table, Bar")) == len(PANES) + 3

    def _table(self, name: str) -> Table:
        return self.screen_stack[0].query_one(f"#{name}", Table)

    # ---- what is shown

    def tick(self) -> None:
        """Look whether something is new; nothing else draws."""
        if not self._is_whole:
            return
        if self._view.finished.is_set() and self._view.latest is None:
            self.exit("quit")
            return
        if self._view.said != self._said and self._view.messages:
            self._said = self._view.said
            self._say(self._view.messages[-1])
        if not self._paused and self._view.latest is not self.snapshot and self._view.latest is not None:
            self.snapshot = self._view.latest
            self._version += 1
            self._names.learn(self.snapshot.case)
        self._draw()
        self._draw_bars()

    def _draw(self) -> None:
        known = self.snapshot
        state = (
            self._version, self._filter, self._only, self._names.wanted, self._names.changes, self._current, self.is_wide,
        )  # fmt: skip
        if known is None or state == self._drawn:
            return
        self._drawn = state
        self._show_cases(known)
        self._show_panes(known)

    def _show_cases(self, known: Snapshot) -> None:
        fits = sieve(self._filter)
        rows = [row for row in known.rows if fits(self._shown_case(row))]
        longest = max(
            (len(drawing.hosts(self._called(row.client), self._called(row.server))) for row in rows), default=15
        )
        self._longest_pair = longest
        more = f", {known.more} more" if known.more else ""
        of = f" of {len(known.rows)}" if len(rows) < len(known.rows) else ""
        table = self._table("cases")
        table.styles.height = None if self.is_wide else max(4, min(len(rows) + 2, self.size.height // 3))
        table.show(
            [(f" cases {len(rows)}{of}{more} ", "title")],
            [Row(row.pair, row) for row in rows],
            lambda width: drawing.heads(drawing.case_columns(longest, width), width),
        )
        self._follow_cursor()

    def _shown_case(self, row: CaseRow) -> Shown:
        texts = (row.name, row.last, self._called(row.client), self._called(row.server))
        return Shown((row.client, row.server), row.ports, row.state, row.name, texts)

    def _show_panes(self, known: Snapshot) -> None:
        """Those that are seen."""
        wanted = PANES if self.is_wide else (self._current,)
        for name in wanted:
            getattr(self, f"_show_{name}")(known, self._table(name))

    def _title(self, name: str, more: str = "") -> list[Cell]:
        """The pane's own name; where only one is seen, all of them as tabs."""
        labels = {
            one: f"{place + 1} {one}{more if one == name else ''}" for place, one in enumerate(PANES)
        }  # fmt: skip
        if self.is_wide:
            return [(f" {labels[name]} ", "title")]
        return [
            (f"[{labels[one]}]" if one == name else f" {labels[one]} ", "title" if one == name else "dim")
            for one in PANES
        ]

    def _show_ladder(self, known: Snapshot, table: Table) -> None:
        chosen = self.selected
        if chosen is None:
            table.show(self._title("ladder"), [])
            return
        found, left_out = steps(known.case, chosen.client, chosen.server)
        more = f" {chosen.name}" + (f" ({left_out} earlier left out)" if left_out else "")
        left, right = self._called(chosen.client), self._called(chosen.server)
        rows = [Row((chosen.pair, step.time_ns, step.packet, step.way, step.text), step) for step in found]
        table.show(self._title("ladder", more), rows, lambda width: drawing.ladder_head(left, right, width))

    def _show_timeline(self, known: Snapshot, table: Table) -> None:
        fits = sieve(self._filter)
        rows = [
            Row((one.time_ns, one.case, one.state, one.port, one.packet, one.text), one)
            for one in known.lines
            if self._is_wanted(one.client, one.server)
            and fits(
                Shown(
                    (one.client, one.server), () if one.port is None else (one.port,), one.state, one.case, (one.text,)
                )
            )
        ]
        table.show(self._title("timeline", self._only_word), rows, partial(drawing.heads, drawing.LINE_COLUMNS))

    def _show_endpoints(self, known: Snapshot, table: Table) -> None:
        fits = sieve(self._filter)
        rows = [
            Row((one.time_ns, one.packet, one.port, one.server, one.told), one)
            for one in known.endpoints
            if self._is_wanted(one.told, one.server)
            and fits(Shown((one.told, one.server), (one.port,), one.state, self._case_of(one), (one.purpose,)))
        ]
        ends = (address for row in known.endpoints for address in (row.server, row.told))
        self._longest_end = max((len(self._called(address)) for address in ends), default=15)
        table.show(
            self._title("endpoints", self._only_word), rows,
            lambda width: drawing.heads(drawing.endpoint_columns(self._longest_end, width), width),
        )  # fmt: skip

    def _show_findings(self, known: Snapshot, table: Table) -> None:
        found = known.findings_of(self.selected.pair) if self.selected else ()
        rows = [Row((one.rule, one.client, one.server, one.direction, one.summary), one) for one in found]
        more = f" {self.selected.name}: {len(found)}" if self.selected else ""
        table.show(self._title("findings", more), rows, partial(drawing.heads, drawing.FINDING_COLUMNS))

    @property
    def _only_word(self) -> str:
        return f" {self.selected.name}" if self._only and self.selected else ""

    def _is_wanted(self, client: Address, server: Address) -> bool:
        return not self._only or self.selected is None or frozenset((client, server)) == self.selected.pair

    def _case_of(self, row: EndpointRow) -> str:
        pair = frozenset((row.told, row.server))
        return next((one.name for one in self.snapshot.rows if one.pair == pair), "") if self.snapshot else ""

    def _called(self, address: Address) -> str:
        return self._names.of(address)

    def _draw_case(self, what: object, width: int) -> Cells:
        assert isinstance(what, CaseRow)  # an invariant, as below
        assert self.snapshot is not None
        cells = drawing.case_cells(what, self._called, self.snapshot.now_ns)
        return drawing.columns(drawing.case_columns(self._longest_pair, width), cells, width)

    def _draw_step(self, what: object, width: int) -> Cells:
        assert isinstance(what, Step)
        return drawing.rung(what, width)

    def _draw_line(self, what: object, width: int) -> Cells:
        assert isinstance(what, Line)
        return drawing.columns(drawing.LINE_COLUMNS, drawing.line_cells(what, self._called), width)

    def _draw_endpoint(self, what: object, width: int) -> Cells:
        assert isinstance(what, EndpointRow)
        return drawing.columns(
            drawing.endpoint_columns(self._longest_end, width), drawing.endpoint_cells(what, self._called), width
        )

    def _draw_finding(self, what: object, width: int) -> Cells:
        assert isinstance(what, Finding)
        word = what.severity.value.upper()
        cells = (
            (word, {"ERROR": "bad", "WARNING": "warn"}.get(word, "note")), (what.rule, ""),
            (what.confidence.value, ""), (clean(what.summary), ""),
        )  # fmt: skip
        return drawing.columns(drawing.FINDING_COLUMNS, cells, width)

    def _draw_bars(self) -> None:
        """The two lines above and the one below."""
        latest = self._view.latest
        over = latest is not None and latest.ended is not None
        word = "PAUSED" if self._paused else "ENDED" if over else "LIVE"
        waiting = 0
        if self._paused and latest and self.snapshot:
            waiting = latest.counters.packets - self.snapshot.counters.packets
        worst = self._view.worst()
        top: list[Cell] = [(f" {word} ", "title"), (f" {worst}", "bad" if "error" in worst else "")]
        if waiting:
            top.append((f"  {waiting:,} packets came since", "warn"))
        if self._filter:
            top.append((f"  filter: {clean(self._filter)}", "warn"))
        top.append((f"  {clean(self._view.what)}", ""))
        count = drawing.counters(self.snapshot.counters) if self.snapshot else [(" waiting for packets", "dim")]
        base = self.screen_stack[0]
        base.query_one("#top", Bar).show([top, count])
        said = time.monotonic() < self._message_until
        base.query_one("#foot", Bar).show([[(f" {self._message}", "strong") if said else (KEYS, "dim")]])

    def _say(self, text: str) -> None:
        """In the last line, for some seconds."""
        self._message, self._message_until = text, time.monotonic() + MESSAGE_S
        if self._is_whole:
            self._draw_bars()

    # ---- what keys do

    def on_table_moved(self, message: Table.Moved) -> None:
        if message.table.id == "cases" and self.snapshot is not None:
            self._follow_cursor()
            self._table("ladder").to_top()
            self._table("findings").to_top()
            self._show_panes(self.snapshot)

    def on_table_chosen(self, message: Table.Chosen) -> None:
        row = message.table.row
        if row is None or self.snapshot is None:
            return
        match row.what:
            case CaseRow():
                self._read_case(row.what)
            case Finding():
                self._read(row.what.rule, self._paragraphs([row.what]))
            case Step():
                self._read("step", of_step(row.what, self._view.what))
            case Line():
                if self._table("cases").go_to(frozenset((row.what.client, row.what.server))):
                    self._follow_cursor()
                self._read(row.what.case, of_line(row.what, self._view.what))
            case EndpointRow():
                self._select(frozenset((row.what.told, row.what.server)))

    def _follow_cursor(self) -> None:
        """The case under the cursor is the selected one."""
        row = self._table("cases").row
        self.selected = row.what if row is not None and isinstance(row.what, CaseRow) else None

    def _select(self, pair: frozenset[Address]) -> None:
        table = self._table("cases")
        if not table.go_to(pair):
            self._say("that case is not in the list: it is filtered out, or no more remembered")
            return
        self._follow_cursor()
        self._table("ladder").to_top()
        self.action_pane("ladder")

    def _read_case(self, row: CaseRow) -> None:
        assert self.snapshot is not None
        found = self.snapshot.findings_of(row.pair)
        title = f"{row.name}  {drawing.hosts(self._called(row.client), self._called(row.server))}  {row.state}"
        if found:
            self._read(title, self._paragraphs(found))
        else:
            self._read(title, [("", f"No rule has found anything. What turned last: {row.last}", "")])

    def _paragraphs(self, found: Iterable[Finding]) -> Iterable[Paragraph]:
        assert self.snapshot is not None
        shown: set[Remedy] = set()
        for number, finding in enumerate(found):
            if number:
                yield "", "", ""
            yield from of_finding(self.snapshot.case, finding, self.snapshot.remedies.get(finding.id, ()), shown)

    def _read(self, title: str, text: Iterable[Paragraph]) -> None:
        self.push_screen(Reader(clean(title), text))

    def action_pane(self, name: str) -> None:
        self._show_pane(name)
        self._table(name).focus()
        self.tick()

    def _show_pane(self, name: str) -> None:
        self._current = name
        for one in PANES:
            self._table(one).set_class(one == name, "current")

    def action_pause(self) -> None:
        self._paused = not self._paused
        self.tick()

    def action_only(self) -> None:
        self._only = not self._only
        self.tick()

    def action_names(self) -> None:
        self._names.wanted = not self._names.wanted
        self._say("names are looked up aside; n shows addresses again" if self._names.wanted else "addresses")
        self.tick()

    def action_help(self) -> None:
        self._read("keys", HELP)

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_clear(self) -> None:
        """Escape: no filter, and back to the cases."""
        box = self.query_one("#filter", Input)
        box.value = ""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).display = False
        self._table("cases").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._filter = event.value
        self.tick()

    def on_input_submitted(self) -> None:
        self._close_filter()

    def action_expression(self) -> None:
        if self.selected is None or self.snapshot is None:
            self._say("no case is selected")
            return
        shown, captured = expressions(self.selected)
        self.copy_to_clipboard(shown)
        self._read(
            f"{self.selected.name} as a filter",
            [
                ("SHOW", "Wireshark, tshark -Y (copied to the clipboard, where the terminal allows that):", ""),
                ("", shown, "command"), ("CAPTURE", "tcpdump, rpcdiag live -f:", ""), ("", captured, "command"),
            ],
        )  # fmt: skip

    def action_save(self) -> None:
        if self.selected is None:
            self._say("no case is selected")
            return
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path = str(Path(self._folder, f"rpcdiag-{self.selected.name}-{stamp}.pcapng"))
        self.run_worker(partial(self._save, path, self.selected), thread=True, group="save", exit_on_error=True)

    def _save(self, path: str, row: CaseRow) -> None:
        """In a thread: a file of -w can be large."""
        try:
            done = self._view.cut(path, row.client, row.server)
        except OSError as error:
            self.call_from_thread(self._say, f"{clean(path)}: {error.strerror or error}")
            return
        lost = f"; {done.lost:,} older ones are no more at hand (-w keeps all)" if done.lost else ""
        if not done.packets:
            with suppress(OSError):
                Path(path).unlink()
            text = f"nothing saved: no packet of {row.name} among the {done.of:,} that are kept{lost}"
        else:
            text = f"saved {done.packets:,} of {done.of:,} packets: {clean(path)}{lost}"
        self.call_from_thread(self._say, text)

    def action_end(self, how: str) -> None:
        """What happens after the capture has ended interrupts nothing."""
        over = self._view.finished.is_set()
        self._view.stop()
        self.exit("quit" if over else how)


def expressions(row: CaseRow) -> tuple[str, str]:
    """A display filter, and a capture filter."""
    name = "ip" if row.client.version == 4 else "ipv6"
    shown = f"{name}.addr == {row.client} && {name}.addr == {row.server}"
    return shown, f"host {row.client} and host {row.server}"
