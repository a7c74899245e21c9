"""`rpcdiag tail`: logs as they are written, filtered, in colours, with what is known of each port beside them."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from rpcdiag.case import Case
from rpcdiag.errors import InputError, MissingPiece, RpcdiagError
from rpcdiag.live.alert import Alert
from rpcdiag.live.history import History, Told, facts_of, facts_of_document
from rpcdiag.live.resolve import Names
from rpcdiag.logs import expression
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.expression import Expression, Subject
from rpcdiag.logs.follow import CHUNK, WINDOW, Followed, FollowedFile, through_pipe
from rpcdiag.logs.opening import rights_kept
from rpcdiag.logs.unpacked import is_pipe
from rpcdiag.model.packets import Address
from rpcdiag.report.names import clean
from rpcdiag.ui.rights import become, ordinary
from rpcdiag.ui.tail_rows import Columns, Look, Row, as_event, history, labels, told_event

if TYPE_CHECKING:  # loaded only where something is captured
    from rpcdiag.capture.live import LiveSource
    from rpcdiag.capture.packet_socket import Sockets

POLL_S = 0.2
ROWS = 10  # shown of what was there before, of each log
MOST_COUNTED = 10_000  # kinds of drops: client, server, port
MOST_SHOWN = 20  # of them
MOST_REMEMBERED = 1000  # dropped rows whose port may still turn out to have been handed out
MAX_DOCUMENT = 1 << 29
ALERT_ON = "denied and not noise"
_LATE = ("_strptime", "codecs", "grp", "gzip", "http.client", "json", "shlex", "encodings.idna", "encodings.latin_1",
         "defusedxml.ElementTree", "evtx")  # fmt: skip
Say = Callable[[str], None]
_Drop = tuple[Address | None, Address | None, int | None, str]


class Wanted:
    """Which rows are shown, which are stressed, and which somebody is told of.

    Raises:
        InputError: an expression that is none.
    """

    def __init__(
        self, text: str | None = None, *, client: str | None = None, server: str | None = None, noise: bool = True,
        highlight: str | None = None, alert_on: str = ALERT_ON,
    ) -> None:  # fmt: skip
        ends = [f"({end} {address})" for end, address in (("src", client), ("dst", server)) if address]
        parts = [*ends, *([f"({text})"] if ends and text else [text] if text else [])]
        self.filter = expression.parse(" and ".join(parts)) if parts else None
        self.noise = noise
        self.highlight = expression.parse(highlight) if highlight else None
        self.alert_on = expression.parse(alert_on)

    @property
    def marks(self) -> Sequence[Expression]:
        return [one for one in (self.filter, self.highlight) if one is not None]


class Counts:
    """What was shown and what was not."""

    def __init__(self) -> None:
        self.rows = self.shown = self.filtered = self.noise = self.bad = self.drops = self.uncounted = 0
        self.first_bad: tuple[str, BadLine] | None = None
        self.by_kind: Counter[_Drop] = Counter()
        self.told: dict[_Drop, Told] = {}

    def unreadable(self, log: str, line: BadLine) -> None:
        self.bad += 1
        self.first_bad = self.first_bad or (log, line)

    def add(self, row: Row) -> None:
        """A row that is shown."""
        entry = row.entry
        self.shown += 1
        if not entry.drops or row.noise:
            return
        self.drops += 1
        kind = entry.source, entry.destination, entry.destination_port, entry.protocol
        if kind not in self.by_kind and len(self.by_kind) >= MOST_COUNTED:
            self.uncounted += 1
            return
        self.by_kind[kind] += 1
        if row.told is not None:
            self.told[kind] = row.told

    def explain(self, row: Row, told: Told) -> None:
        """What was not known yet when the row was shown."""
        entry = row.entry
        kind = entry.source, entry.destination, entry.destination_port, entry.protocol
        if kind in self.by_kind:
            self.told[kind] = told


class Lines:
    """Rows for people."""

    def __init__(self, look: Look, names: Names | None) -> None:
        self._columns, self._names, self._look = Columns(look), names, look

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._put(self._columns.line(row, self._named(row.entry)))
            if row.told is not None:
                self._put(self._columns.history(row.told, row.entry))
        sys.stdout.flush()

    def _named(self, entry: LogEntry) -> str:
        if self._names is None:
            return ""
        found = [self._names.name(entry.source), self._names.name(entry.destination)]
        return " > ".join(one or "?" for one in found) if any(found) else ""

    def later(self, row: Row, told: Told) -> None:
        entry = row.entry
        self._put(f"{entry.source} > {entry.destination}, line {entry.line} above: {history(told, entry)}")
        sys.stdout.flush()

    def end(self, counts: Counts) -> None:
        for line in summary(counts):
            self._put(line)
        sys.stdout.flush()

    def _put(self, text: str) -> None:
        sys.stdout.write(text + "\n")


class Events:
    """Rows for machines: one JSON object a line, `event_type` says which."""

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._put("row", as_event(row))
        sys.stdout.flush()

    def later(self, row: Row, told: Told) -> None:
        self._put("history", {"log": row.log, "line": row.entry.line, "history": told_event(told, row.entry)})
        sys.stdout.flush()

    def end(self, counts: Counts) -> None:
        kinds = [
            {"client": _text(client), "server": _text(server), "port": port, "protocol": protocol, "rows": count}
            for (client, server, port, protocol), count in counts.by_kind.most_common()
        ]
        left = {"filtered": counts.filtered, "noise": counts.noise, "bad_lines": counts.bad}
        self._put("end", {"rows": counts.rows, "shown": counts.shown, **left, "drops": counts.drops, "dropped": kinds})
        sys.stdout.flush()

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({"event_type": kind, **event}) + "\n")


def _text(address: Address | None) -> str | None:
    return None if address is None else str(address)


def summary(counts: Counts) -> Iterator[str]:
    """What was seen in all, and what was dropped how often."""
    hidden = [
        f"{count} {what}"
        for count, what in (
            (counts.filtered, "that the filter leaves out"),
            (counts.noise, "of noise left out"),
            (counts.rows - counts.shown - counts.filtered - counts.noise, "not shown"),
        )
        if count
    ]
    yield ""
    rows = f"{counts.rows} row{'' if counts.rows == 1 else 's'}"
    yield f"{rows}, {counts.shown} shown{''.join(f', {one}' for one in hidden)}; {counts.drops} of them refused"
    if counts.first_bad is not None:
        log, line = counts.first_bad
        yield f"{counts.bad} lines could not be read, the first: {clean(log)}, line {line.line}: {clean(line.why)[:200]}"
    for kind, count in counts.by_kind.most_common(MOST_SHOWN):
        client, server, port, protocol = kind
        text = (
            f"{count:7} x {client or '-'} > {server or '-'}  {clean(protocol)[:6]}{'' if port is None else f' {port}'}"
        )
        known = counts.told.get(kind)
        yield f"{text}  ({known.handed.told} was sent there for {clean(known.handed.what)})" if known else text
    rest = sum(counts.by_kind.values()) - sum(count for _, count in counts.by_kind.most_common(MOST_SHOWN))
    if rest or counts.uncounted:
        yield f"{rest + counts.uncounted:7} x others"


class Tail:
    """Polls logs and shows what is wanted of them; `sleep` and `now_ns` are the only clocks."""

    def __init__(
        self, followed: Sequence[Followed], wanted: Wanted, shown: Lines | Events, histories: History, *,
        alert: Alert | None = None, most: int = 0, before: int | None = ROWS,
        sleep: Callable[[float], None] = time.sleep, now_ns: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self._followed, self._wanted, self._shown, self._histories = followed, wanted, shown, histories
        self._alert, self._most, self._before = alert, most, before
        self._sleep, self._now_ns = sleep, now_ns
        self._version = histories.version
        self._unexplained: deque[Row] = deque(maxlen=MOST_REMEMBERED)
        self.counts = Counts()

    def run(self, *, once: bool = False) -> None:
        """Until all logs have ended, enough rows were shown, or, with `once`, what is there was shown.

        Raises:
            InputError: a log cannot be read.
        """
        for one in self._followed:
            self._present(one, once=once)
        while not once and not self._enough() and not all(one.ended for one in self._followed):
            came = [self._round(one) for one in self._followed]
            self._look_back()
            if not any(came):
                self._sleep(POLL_S)

    def _present(self, one: Followed, *, once: bool) -> None:
        """What is there already: all of it as it comes, or its last rows that are wanted."""
        last: deque[Row] = deque(maxlen=self._before)
        more = True
        while more and not self._enough():
            rows = self._rows(one, one.poll(), backlog=True)
            waits = once and one.piped and not one.ended
            more = one.behind or waits
            if once and not more:
                rows += self._rows(one, one.finish(), backlog=True)
            if self._before is None:
                self._show(rows)
            else:
                last.extend(rows)
            if waits and not one.behind:
                self._sleep(POLL_S)
        if self._before is not None:
            self._show(list(last))

    def _round(self, one: Followed) -> bool:
        if one.ended:
            return False
        found = one.poll()
        if found:
            self._show(self._rows(one, found, backlog=False))
        return bool(found) or one.behind

    def _rows(self, one: Followed, found: Sequence[LogEntry | BadLine], *, backlog: bool) -> list[Row]:
        """Those of them that are wanted."""
        rows, counts = [], self.counts
        now_ns = None if backlog else self._now_ns()
        for entry in found:
            if isinstance(entry, BadLine):
                counts.unreadable(one.path, entry)
                continue
            counts.rows += 1
            noise = expression.is_noise(entry)
            if noise and not self._wanted.noise:
                counts.noise += 1
                continue
            handed = self._histories.knows(entry.destination, entry.destination_port)
            if self._wanted.filter is not None and not self._wanted.filter.test(Subject(entry, handed)):
                counts.filtered += 1
                continue
            told = self._histories.of(one.path, entry, now_ns) if handed else None
            rows.append(Row(one.path, entry, noise, told, backlog))
        return rows

    def _enough(self) -> bool:
        return bool(self._most) and self.counts.shown >= self._most

    def _show(self, rows: list[Row]) -> None:
        if self._most:
            rows = rows[: self._most - self.counts.shown]
        for row in rows:
            self.counts.add(row)
            if row.told is None and row.entry.drops and not row.noise:
                self._unexplained.append(row)
            alarming = self._wanted.alert_on.test(Subject(row.entry, row.told is not None))
            if self._alert is not None and alarming and not row.backlog:
                self._alert(as_event(row))
        if rows:
            self._shown.rows(rows)

    def _look_back(self) -> None:
        """Ports of dropped rows may have been handed out, or the packets been read, after the rows."""
        if self._histories.version == self._version:
            return
        self._version = self._histories.version
        for row in list(self._unexplained):
            entry = row.entry
            if self._histories.knows(entry.destination, entry.destination_port):
                told = self._histories.of(row.log, entry, None if row.backlog else self._now_ns())
                self._unexplained.remove(row)
                if told is not None:
                    self.counts.explain(row, told)
                    self._shown.later(row, told)

    def end(self) -> None:
        """Sum up."""
        self._look_back()
        self._shown.end(self.counts)


def tail(chosen: argparse.Namespace, complain: Say, described: LogFormat | None = None) -> tuple[Counts, bool]:
    """Follow the logs; what was shown, and whether somebody interrupted.

    Raises:
        InputError: an expression, a log, a capture or a document that cannot be used.
        MissingPiece: no right to capture.
    """
    wanted = Wanted(
        _joined(chosen), client=chosen.client, server=chosen.server, noise=not chosen.no_noise,
        highlight=chosen.highlight, alert_on=chosen.alert_on or ALERT_ON,
    )  # fmt: skip
    if chosen.alert_on and not chosen.alert:
        raise InputError("--alert-on", "says when somebody is told; --alert says who")
    alert = Alert(chosen.alert, complain) if chosen.alert else None
    paths = list(dict.fromkeys(chosen.logs))
    who = ordinary(chosen.user)
    with rights_kept([path for path in paths if path != "-"], who):
        return _tailed(chosen, complain, described, wanted, paths, alert, who)


def _tailed(
    chosen: argparse.Namespace, complain: Say, described: LogFormat | None, wanted: Wanted, paths: Sequence[str],
    alert: Alert | None, who: tuple[int, int] | None,
) -> tuple[Counts, bool]:  # fmt: skip
    histories = _histories(chosen, [path for path in paths if path != "-"], described)
    followed = [_followed(path, chosen, complain, described) for path in paths]
    names = Names() if chosen.resolve else None
    shown = Events() if chosen.output == "ndjson" else Lines(_look(chosen, wanted, paths), names)
    running = Tail(followed, wanted, shown, histories, alert=alert, most=chosen.count, before=_before(chosen))
    interrupted = False
    with _interruptible(), _watching(chosen, histories, complain, who):
        try:
            running.run(once=chosen.once)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            for one in followed:
                one.finish()
    running.end()
    if alert is not None:
        alert.finish()
        if alert.left_out:
            complain(f"--alert: {alert.left_out} rows came too fast one after the other and were not told")
    return running.counts, interrupted


def _joined(chosen: argparse.Namespace) -> str | None:
    """The filter: from -f, and what stands behind --."""
    behind = " ".join(getattr(chosen, "expression", None) or [])
    given = [one for one in (chosen.filter, behind) if one]
    return given[0] if len(given) == 1 else " and ".join(f"({one})" for one in given) or None


def _before(chosen: argparse.Namespace) -> int | None:
    """How many rows of what is there already; None: all."""
    if chosen.lines is None:
        return None if chosen.once else ROWS
    return None if chosen.lines == "all" else int(chosen.lines)


def _followed(path: str, chosen: argparse.Namespace, complain: Say, described: LogFormat | None) -> Followed:
    if is_pipe(path):
        return through_pipe(path, complain, described)
    whole = _before(chosen) is None
    window = CHUNK if _before(chosen) == 0 else WINDOW
    return FollowedFile(path, complain, from_start=whole, once=chosen.once, window=window, mapped=described)


def _look(chosen: argparse.Namespace, wanted: Wanted, paths: Sequence[str]) -> Look:
    import shutil

    terminal = sys.stdout.isatty()
    color = chosen.color == "always" or (chosen.color == "auto" and terminal and not os.environ.get("NO_COLOR"))
    width = max(60, shutil.get_terminal_size((80, 24)).columns) if terminal else 0
    return Look(color, width, labels(paths), wanted.marks, wanted.highlight)


def _histories(chosen: argparse.Namespace, logs: Sequence[str], described: LogFormat | None) -> History:
    """What captures and documents know of ports; the offset of each log's clock is measured against the captures."""
    found = History()
    if chosen.captures:
        from rpcdiag.analysis import analyze

        present = [path for path in logs if os.path.isfile(path) and os.path.getsize(path)]  # noqa: PTH202
        diagnosis = analyze(chosen.captures, present, log_format=described)
        unreadable = [one for one in diagnosis.troubles if getattr(one, "path", None) in (None, *chosen.captures)]
        if unreadable:
            raise unreadable[0]
        found.learn("captures", facts_of(diagnosis.case))
    for path in chosen.cases:
        found.learn(path, facts_of_document(path, _document(path)))
    return found


def _document(path: str) -> object:
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_DOCUMENT + 1)
        if len(data) > MAX_DOCUMENT:
            raise InputError(path, f"is larger than {MAX_DOCUMENT >> 20} MiB")
        document: object = json.loads(data)
    except OSError as error:
        raise InputError(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"is no JSON: {error}"[:200]) from None
    return document


@contextmanager
def _watching(
    chosen: argparse.Namespace, histories: History, complain: Say, who: tuple[int, int] | None
) -> Iterator[None]:
    """A capture beside the logs, in a thread of its own. Once its socket is open, root's rights are given up."""
    watching = _Capture(chosen, histories, complain) if chosen.interface or chosen.pipe else None
    if who is not None:
        _load(live=watching is not None)
        become(*who, complain)
    if watching is None:
        yield
        return
    thread = threading.Thread(target=watching.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        watching.stop()
        thread.join(5 if watching.source is not None else 0)
        if not thread.is_alive():
            watching.close()


def _load(*, live: bool) -> None:
    """What is loaded late otherwise: where the program is installed, an ordinary user may not be able to read."""
    if live:
        from rpcdiag.capture.choice import Engine
        from rpcdiag.ui.live import load_everything

        load_everything(Engine("auto", jobs=1))
        return
    from importlib import import_module

    for name in _LATE:
        with suppress(ImportError):
            import_module(name)


def _opened(interfaces: Sequence[str]) -> "tuple[Sockets, LiveSource]":
    if not sys.platform.startswith("linux"):
        raise MissingPiece("this way of capturing is Linux's", "dumpcap -w - -i IFACE | rpcdiag tail LOG -r -")
    from rpcdiag.capture.live import Interfaces
    from rpcdiag.capture.packet_socket import Sockets

    sockets = Sockets(tuple(dict.fromkeys(interfaces)))
    return sockets, Interfaces(sockets.read)


class _Capture:
    """Teaches the histories what is handed out on an interface, or in a pipe, until somebody says stop.

    Raises:
        InputError: no such interface or pipe.
        MissingPiece: no right to capture.
    """

    def __init__(self, chosen: argparse.Namespace, histories: History, complain: Say) -> None:
        self._pipe, self._histories, self._complain = chosen.pipe, histories, complain
        self._name = chosen.pipe or ", ".join(chosen.interface)
        self._stopped = False
        self._sockets: Sockets | None = None
        self.source: LiveSource | None = None
        if chosen.interface and chosen.pipe:
            raise InputError("tail", "-i and -r do not go together: watch an interface, or read a pipe")
        if chosen.pipe:
            if chosen.pipe != "-" and not os.path.exists(chosen.pipe):  # noqa: PTH110  no pathlib here
                raise InputError(chosen.pipe, "No such file or directory")
            return
        self._sockets, self.source = _opened(chosen.interface)

    def run(self) -> None:
        from rpcdiag.analysis import conclude
        from rpcdiag.capture.choice import Engine
        from rpcdiag.capture.live import Pipe
        from rpcdiag.intake import Intake, take_live
        from rpcdiag.live.watcher import Watcher
        from rpcdiag.ui.live import LIVE_FLOWS

        try:
            if self.source is None:
                self.source = Pipe(self._pipe)  # waits for whoever writes
            self.source.stopped = self._stopped
            engine = Engine("auto", max_flows=LIVE_FLOWS, jobs=1)
            taken = take_live(self._name, self.source, engine, Watcher(self.source, self._look))
            self._learn(conclude(Intake((taken,), (), False)).case)
        except RpcdiagError as error:
            self._complain(f"{error}; the logs are followed without it")

    def _look(self, case: Case, *_: object) -> None:
        self._learn(case)

    def _learn(self, case: Case) -> None:
        self._histories.learn("live", facts_of(case, self._name))

    def stop(self) -> None:
        self._stopped = True
        if self.source is not None:
            self.source.stopped = True

    def close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: with the sums."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
