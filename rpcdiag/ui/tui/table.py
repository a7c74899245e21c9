"""A list on the screen, of which only the lines that are seen are drawn. Nothing in it is read as markup."""

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rpcdiag.ui.tui.drawing import Cell, Cells

STYLES = {
    "": Style(),
    "bad": Style(color="red", bold=True),
    "warn": Style(color="yellow", bold=True),
    "good": Style(color="green"),
    "note": Style(color="cyan"),
    "command": Style(color="cyan"),
    "strong": Style(bold=True),
    "dim": Style(dim=True),
    "title": Style(bold=True, reverse=True),
    "tab": Style(reverse=True),
}
_CURSOR = Style(reverse=True)


class Row(NamedTuple):
    """`key` stays the same while the row changes; `what` is drawn."""

    key: Hashable
    what: object


Draw = Callable[[object, int], Cells]


def strip(cells: Cells, width: int, over: Style | None = None) -> Strip:
    """Cells as one line of the screen."""
    segments = [Segment(text, STYLES[kind] + over if over else STYLES[kind]) for text, kind in cells]
    return Strip(segments).adjust_cell_length(width, over)


class Bar(Widget):
    """Lines without a list: the top and the bottom of the screen."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._lines: list[list[Cell]] = []

    def show(self, lines: list[list[Cell]]) -> None:
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return strip(self._lines[y] if y < len(self._lines) else [], self.size.width)


class Table(Widget, can_focus=True):
    """Title, heads of columns, rows, and a cursor that stays with its row.

    `follows`: at the end (1) or the start (-1) it stays there instead, whatever comes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "end(-1)", show=False),
        Binding("end,G", "end(1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Moved(Message):
        """The cursor went to another row."""

        def __init__(self, table: "Table") -> None:
            super().__init__()
            self.table = table

    class Chosen(Message):
        """Enter on a row."""

        def __init__(self, table: "Table") -> None:
            super().__init__()
            self.table = table

    def __init__(self, id: str, draw: Draw, *, follows: int = 0, reads: bool = False, empty: str = "") -> None:
        super().__init__(id=id)
        self._draw = draw
        self._follows = follows
        self._reads = reads  # text to read: no cursor, keys scroll
        self._empty = empty  # said where there are no rows
        self._title: list[Cell] = []
        self._heads: Callable[[int], Cells] | None = None
        self._rows: Sequence[Row] = ()
        self._cursor = self._top = 0
        self._at_end = bool(follows)

    @property
    def row(self) -> Row | None:
        """The one under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def count(self) -> int:
        return len(self._rows)

    def show(self, title: list[Cell], rows: Sequence[Row], heads: Callable[[int], Cells] | None = None) -> None:
        """Other rows; drawn anew only where something changed."""
        self._heads = heads
        if title != self._title or rows != self._rows:
            self._title = title
            self._take(rows)
        self.refresh()

    def _take(self, rows: Sequence[Row]) -> None:
        key = self.row.key if self.row else None
        self._rows = rows
        if self._at_end:
            self._cursor = max(0, len(rows) - 1) if self._follows > 0 else 0
        elif key is not None:
            places = (place for place, row in enumerate(rows) if row.key == key)
            self._cursor = next(places, min(self._cursor, max(0, len(rows) - 1)))
        self._scroll()

    def go_to(self, key: Hashable) -> bool:
        """Put the cursor on a row; whether it is there."""
        place = next((place for place, row in enumerate(self._rows) if row.key == key), None)
        if place is not None:
            self._cursor = place
            self._scroll()
            self.refresh()
        return place is not None

    def to_top(self) -> None:
        self._cursor = self._top = 0

    @property
    def _head_lines(self) -> int:
        return bool(self._title) + (self._heads is not None)

    @property
    def _room(self) -> int:
        return max(1, self.size.height - self._head_lines)

    def _scroll(self) -> None:
        """Keep the cursor in view."""
        last = max(0, len(self._rows) - self._room)
        if self._reads:
            self._cursor = self._top = max(0, min(self._cursor, last))
            return
        self._cursor = max(0, min(self._cursor, len(self._rows) - 1))
        self._top = max(0, min(self._top, last, self._cursor))
        self._top = max(self._top, self._cursor - self._room + 1)

    def _move_to(self, place: int) -> None:
        before = self._cursor
        self._cursor = place
        self._scroll()
        end = len(self._rows) - 1 if self._follows > 0 else 0
        self._at_end = bool(self._follows) and self._cursor == end
        if self._cursor != before:
            self.refresh()
            self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        self._move_to(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._move_to(self._cursor + by * max(1, self._room - 1))

    def action_end(self, where: int) -> None:
        self._move_to(0 if where < 0 else len(self._rows) - 1)

    def action_choose(self) -> None:
        if self.row is not None:
            self.post_message(self.Chosen(self))

    def on_resize(self) -> None:
        self._scroll()
        self.refresh()  # lines may have been drawn already where they do not stand any more

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._move_to(self._cursor + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._move_to(self._cursor - 3)

    def on_click(self, event: events.Click) -> None:
        if not self._reads and event.y >= self._head_lines:
            self._move_to(min(self._top + event.y - self._head_lines, len(self._rows) - 1))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self._title and y == 0:
            return self._title_line(width)
        if self._heads is not None and y == self._head_lines - 1:
            return strip([(" ", ""), *self._heads(width - 1)], width)
        place = self._top + y - self._head_lines
        if place >= len(self._rows):
            return strip([(f" {self._empty}", "dim")] if place == 0 else [], width)
        here = place == self._cursor and not self._reads
        cells = [(">" if here else " ", ""), *self._draw(self._rows[place].what, width - 1)]
        return strip(cells, width, _CURSOR if here and self.has_focus else None)

    def _title_line(self, width: int) -> Strip:
        cells = [
            (text, "strong" if colour == "title" and not self.has_focus else colour) for text, colour in self._title
        ]
        if len(self._rows) > self._room:
            where = f" {self._top + 1}-{min(len(self._rows), self._top + self._room)} of {len(self._rows)}"
            used = sum(len(text) for text, _ in cells)
            cells += [("─" * max(1, width - used - len(where)), "dim"), (where, "dim")]
        else:
            cells.append(("─" * width, "dim"))
        return strip(cells, width)
