"""`rpcdiag live`: what happens on an interface, as it happens."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from rpcdiag.analysis import Diagnosis, conclude
from rpcdiag.capture.choice import Engine
from rpcdiag.capture.first import FirstPackets
from rpcdiag.capture.live import Interfaces, LiveSource, Pipe
from rpcdiag.capture.packet_socket import Sockets
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.errors import InputError
from rpcdiag.intake import Intake, Reading, take_live
from rpcdiag.live.alert import Alert
from rpcdiag.live.keep import Keeper, Ring
from rpcdiag.live.logs import LogsBeside
from rpcdiag.live.turns import Turn, Turns
from rpcdiag.live.watcher import BEHIND_NS, Watcher
from rpcdiag.logs.opening import rights_kept
from rpcdiag.model.evidence import Severity
from rpcdiag.model.packets import Address
from rpcdiag.plugins import discover
from rpcdiag.report import names
from rpcdiag.report.community import community_id
from rpcdiag.report.names import clean
from rpcdiag.report.style import Style
from rpcdiag.sweep.engine import MAX_FLOWS
from rpcdiag.ui.rights import become, ordinary

if TYPE_CHECKING:  # loaded only where there are no packet sockets
    from rpcdiag.capture.pcap_library import PcapSockets

LIVE_FLOWS = 16_000  # connections on interfaces: they are half a KB each
PIPE_FLOWS = min(MAX_FLOWS, 50_000)
LOSSES_EVERY_S = 1.0
MOST_LINES = 40  # of one look; the rest is counted
_BAD = frozenset({"logged", "silent 1 s", "silent 3 s", "refused", "prohibited", "reset", "stalled", "idle-dropped"})
_NEVER_NEEDED = frozenset(
    {"rpcdiag.__main__", "rpcdiag.sweep.compiler", "rpcdiag.sweep.linker", "rpcdiag.sweep.native"}
)
Say = Callable[[str], None]
Naming = Callable[[Address, Address], str]


class Limits:
    """When to stop: `-c`, and `-a` as dumpcap has it."""

    def __init__(self, packets: int = 0, seconds: float = 0, size: int = 0, files: int = 0) -> None:
        self.packets, self.seconds, self.size, self.files = packets, seconds, size, files
        self._began = time.monotonic()

    @property
    def first(self) -> FirstPackets | None:
        """What ends the stream behind the last packet that is wanted."""
        return FirstPackets(self.packets) if self.packets else None

    def reached(self, keeper: Keeper | None) -> bool:
        return bool(
            (self.seconds and time.monotonic() - self._began >= self.seconds)
            or (keeper and self.size and keeper.written >= self.size)
            or (keeper and self.files and keeper.files > self.files)
        )


def limits(packets: int, wishes: list[str]) -> Limits:
    """From `-c N` and `-a duration:60`, `-a packets:N`, `-a filesize:KB`, `-a files:N`.

    Raises:
        InputError: what they are not.
    """
    given = _numbers("-a", wishes, ("duration", "packets", "filesize", "files"))
    least = min((number for number in (packets, int(given.get("packets", 0))) if number), default=0)
    return Limits(least, given.get("duration", 0), int(given.get("filesize", 0) * 1000), int(given.get("files", 0)))


def ring(wishes: list[str]) -> Ring:
    """From `-b filesize:KB`, `-b duration:S`, `-b packets:N`, `-b files:N`.

    Raises:
        InputError: what they are not.
    """
    given = _numbers("-b", wishes, ("filesize", "duration", "packets", "files"))
    made = Ring(
        int(given.get("filesize", 0) * 1000), given.get("duration", 0), int(given.get("packets", 0)),
        int(given.get("files", 0)),
    )  # fmt: skip
    if wishes and not made.several:
        raise InputError(
            "-b", "says how many files are kept, not when one is full: add filesize:, duration: or packets:"
        )
    return made


def _numbers(letter: str, wishes: list[str], allowed: tuple[str, ...]) -> dict[str, float]:
    given: dict[str, float] = {}
    for wish in wishes:
        word, _, number = wish.partition(":")
        try:
            given[word] = float(number)
        except ValueError:
            given[word] = -1
        if word not in allowed or given[word] <= 0:
            raise InputError(f"{letter} {wish}", f"is none of {', '.join(f'{one}:NUMBER' for one in allowed)}")
    return given


class Teller(Protocol):
    """Who is told, in this order: `start`, at each look `turns`, `stats` and `known`, at last `end`.

    `known` has all that is known, with what the case of two hosts is called; without a reading nothing follows.
    """

    def start(self, what: str) -> None: ...

    def turns(self, turns: list[Turn]) -> None: ...

    def stats(self, packets: int, loss: dict[str, tuple[int, int]]) -> None: ...

    def known(
        self, case: Case, findings: tuple[Finding, ...], now_ns: int, name: Naming, reading: Reading | None
    ) -> None: ...

    def end(self, diagnosis: Diagnosis, color: str) -> None: ...


class Printer:
    """Turns and findings as lines, at most so many of one look."""

    def __init__(self, style: Style, *, findings_only: bool) -> None:
        self._style, self._only = style, findings_only

    def start(self, what: str) -> None:
        self.line(f"watching {clean(what)}; Ctrl-C ends it and sums up")

    def turns(self, turns: list[Turn]) -> None:
        plain = [turn for turn in turns if turn.finding is None and not self._only]
        for turn in plain[:MOST_LINES]:
            self.line(self._turn(turn))
        if len(plain) > MOST_LINES:
            self.line(f"{'':12} ... and {len(plain) - MOST_LINES} more")
        for turn in turns:
            if turn.finding is not None:
                for text in self._finding(turn, turn.finding):
                    self.line(text)

    def _turn(self, turn: Turn) -> str:
        at = f"  (packet {turn.packet})" if turn.packet else ""
        text = (
            f"{names.time_of_day(turn.time_ns)} {turn.case:>4} {turn.client} > {turn.server}  {turn.state:10} "
            f"{clean(turn.says)}{at}"
        )
        return self._style.bad_line(text) if turn.state in _BAD else text

    def _finding(self, turn: Turn, finding: Finding) -> Iterator[str]:
        head = f"{names.time_of_day(turn.time_ns)} {turn.case:>4} {finding.severity.value.upper()}: {finding.rule}"
        yield self._style.cause(f"{head} ({finding.confidence.value})", finding.severity)
        yield f"{'':17} {clean(finding.summary)}"
        if finding.next_observation:
            yield f"{'':17} next: {clean(finding.next_observation)}"

    def line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def stats(self, packets: int, loss: dict[str, tuple[int, int]]) -> None:
        """Drops are told when they grow, nothing otherwise."""

    def known(
        self, case: Case, findings: tuple[Finding, ...], now_ns: int, name: Naming, reading: Reading | None
    ) -> None:
        """Only what turned is told."""

    def end(self, diagnosis: Diagnosis, color: str) -> None:
        from rpcdiag.ui.show import show

        self.line("")
        show(diagnosis, "text", None, color)


class Events:
    """The same for machines: one JSON object a line, `event_type` says which."""

    def start(self, what: str) -> None:
        self._put("start", {"time_ns": time.time_ns(), "source": what})

    def turns(self, turns: list[Turn]) -> None:
        for turn in turns:
            event: dict[str, Any] = {
                "time_ns": turn.time_ns, "case_id": turn.case, "client": str(turn.client), "server": str(turn.server),
                "port": turn.port,
            }  # fmt: skip
            if turn.finding is not None:
                self._put("finding", event | described(turn.finding))
                continue
            flow = turn.flow
            event |= {
                "state": turn.state,
                "packet": turn.packet,
                "says": turn.says,
                "community_id": community_id(flow.client, flow.server) if flow is not None else None,
            }
            if turn.logged is not None:
                log, entry = turn.logged
                event |= {"log": log, "line": entry.line, "action": entry.action, "rule": entry.rule}
            self._put("turn", event)

    def stats(self, packets: int, loss: dict[str, tuple[int, int]]) -> None:
        dropped = {name: {"seen": seen, "dropped": lost} for name, (seen, lost) in loss.items()}
        self._put("stats", {"time_ns": time.time_ns(), "packets": packets, "interfaces": dropped})

    def known(
        self, case: Case, findings: tuple[Finding, ...], now_ns: int, name: Naming, reading: Reading | None
    ) -> None:
        """As above."""

    def end(self, diagnosis: Diagnosis, color: str) -> None:
        case = diagnosis.case
        self._put(
            "end",
            {
                "time_ns": time.time_ns(),
                "packets": sum(one.packets for one in case.captures),
                "flows": len(case.flows) + sum(one.flows for one in case.folded),
                "evicted_flows": case.accounting.evicted_flows,
                "interrupted": diagnosis.interrupted,
                "findings": [described(finding) for finding in diagnosis.findings],
            },
        )

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({"event_type": kind, **event}) + "\n")
        sys.stdout.flush()


def described(finding: Finding) -> dict[str, Any]:
    """A finding without the ids of flows, which mean something within one document only."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "direction": finding.direction.value,
        "client": str(finding.client),
        "server": str(finding.server),
        "summary": finding.summary,
        "times": finding.times,
        "next_observation": finding.next_observation,
    }


def live(chosen: argparse.Namespace, complain: Say) -> tuple[Diagnosis, bool]:
    """Watch until a limit is reached, the source ends or somebody interrupts; whether somebody did.

    Raises:
        InputError: no such interface or pipe; no capture comes out of it; an option that means nothing.
        MissingPiece: no right to capture.
    """
    until, wanted = limits(chosen.packets, chosen.autostop), ring(chosen.ring)
    printer, view = _printer(chosen), None
    if chosen.tui:
        from rpcdiag.ui.tui.run import on_screen
        from rpcdiag.ui.tui.run import view as made

        view = made(chosen)
    say = view.complain if view is not None else complain
    alert = Alert(chosen.alert, say) if chosen.alert else None
    engine = Engine(chosen.engine, max_flows=chosen.max_flows or (PIPE_FLOWS if chosen.pipe else LIVE_FLOWS), jobs=1)
    kept = ExitStack()
    try:
        sockets, source, keeper = _opened(chosen, wanted, until, engine, say, kept)
    except BaseException:
        kept.close()
        raise
    try:
        if view is None:
            return _watched(chosen, until, engine, printer, alert, sockets, source, keeper, say)
        view.watch(source, keeper)
        diagnosis, interrupted = on_screen(
            view, partial(_watched, chosen, until, engine, view, alert, sockets, source, keeper, say)
        )
        for message in view.messages:
            complain(message)
        if chosen.output != "json":
            printer.end(diagnosis, chosen.color)
        return diagnosis, interrupted
    finally:
        if keeper is not None:
            keeper.close(sockets.ending(time.time_ns() - BEHIND_NS) if sockets is not None else b"")
        if sockets is not None:
            sockets.close()
        if alert is not None:
            alert.finish()
        kept.close()


def _watched(
    chosen: argparse.Namespace, until: Limits, engine: Engine, printer: Teller, alert: Alert | None, sockets: "Sockets | PcapSockets | None",
    source: LiveSource, keeper: Keeper | None, complain: Say,
) -> tuple[Diagnosis, bool]:  # fmt: skip
    """The capture, from the first packet to the last; signals end it only where it runs in the main thread."""
    turns = Turns()
    name = chosen.pipe or ", ".join(chosen.interface)
    losses = _Losses(sockets, complain)

    def tell(case: Case, findings: tuple[Finding, ...], now_ns: int) -> None:
        turned = turns.look(case, findings, now_ns)
        printer.turns(turned)
        for turn in turned:
            if alert is not None and turn.finding is not None and turn.finding.severity is not Severity.NOTE:
                alert({"case_id": turn.case, **described(turn.finding)})

    def look(case: Case, findings: tuple[Finding, ...], now_ns: int, reading: Reading) -> None:
        tell(case, findings, now_ns)
        if losses.grown():
            printer.stats(reading.packets, losses.by_name)
        printer.known(case, findings, now_ns, turns.name, reading)

    logs = LogsBeside(chosen.log, complain, from_start=not source.clocked) if chosen.log else None
    watcher = Watcher(source, look, logs)

    def watch(reading: Reading) -> None:
        if until.reached(keeper):
            source.stopped = True
        losses.now_and_then()
        watcher(reading)

    printer.start(name)
    with _stopped_by_signals(source) as signalled:
        taken = take_live(name, source, engine, watch)
    if logs is not None:
        logs.close()
    interrupted = bool(signalled) or taken.interrupted
    diagnosis = conclude(Intake((taken,), (), interrupted), chosen.log, brief=False)
    tell(diagnosis.case, diagnosis.findings, taken.last_ns or 0)
    losses.look()
    printer.stats(taken.packets, losses.by_name)
    printer.known(diagnosis.case, diagnosis.findings, taken.last_ns or 0, turns.name, None)
    if chosen.output != "json":
        printer.end(diagnosis, chosen.color)
    return diagnosis, interrupted


class _Losses:
    """What the kernel had no room for, and interfaces that go down; told once a second at most, when it is new."""

    def __init__(self, sockets: "Sockets | PcapSockets | None", complain: Say) -> None:
        self._sockets, self._complain = sockets, complain
        self.by_name: dict[str, tuple[int, int]] = {}
        self._next = self._told = 0.0

    def now_and_then(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LOSSES_EVERY_S
            self.look()

    def grown(self) -> bool:
        """Whether more was lost since somebody asked."""
        before, self._told = self._told, sum(dropped for _, dropped in self.by_name.values())
        return self._told > before

    def look(self) -> None:
        if self._sockets is None:
            return
        for said in self._sockets.troubles():
            self._complain(said)
        before = sum(dropped for _, dropped in self.by_name.values())
        self.by_name = {name: (loss.seen, loss.dropped) for name, loss in self._sockets.loss().items()}
        dropped = sum(lost for _, lost in self.by_name.values())
        if dropped > before:
            self._complain(f"the kernel dropped {dropped - before} packets for want of room; {dropped} in all")


def _opened(
    chosen: argparse.Namespace, wanted: Ring, until: Limits, engine: Engine, complain: Say, kept: ExitStack
) -> tuple["Sockets | PcapSockets | None", LiveSource, Keeper | None]:
    if bool(chosen.interface) == bool(chosen.pipe):
        raise InputError("live", "name an interface with -i, or a pipe with -r")
    if chosen.pipe:
        return _opened_pipe(chosen, wanted, until, complain)
    sockets = _sockets(chosen)
    try:
        who = ordinary(chosen.user)
        if who is not None:
            kept.enter_context(rights_kept(chosen.log, who))
            load_everything(engine)
            become(*who, complain)
        keeper = Keeper(chosen.write, sockets.heading, wanted, complain) if chosen.write else None
    except OSError as error:
        sockets.close()
        raise InputError(chosen.write or "live", error.strerror or str(error)) from None
    except BaseException:
        sockets.close()
        raise
    return sockets, Interfaces(sockets.read, keeper, until.first), keeper


def _sockets(chosen: argparse.Namespace) -> "Sockets | PcapSockets":
    """Packet sockets on Linux; elsewhere the library that the system has for it."""
    names = tuple(dict.fromkeys(chosen.interface))
    promiscuous = not chosen.no_promiscuous
    if sys.platform.startswith("linux"):
        return Sockets(names, chosen.filter, chosen.snaplen, promiscuous=promiscuous)
    from rpcdiag.capture.pcap_library import PcapSockets

    return PcapSockets(names, chosen.filter, chosen.snaplen, promiscuous=promiscuous)


def _opened_pipe(
    chosen: argparse.Namespace, wanted: Ring, until: Limits, complain: Say
) -> tuple[None, LiveSource, Keeper | None]:  # fmt: skip
    if chosen.filter or wanted.several:
        raise InputError("live", "-f and -b are for interfaces: what comes through a pipe is taken as it is")
    try:
        keeper = Keeper(chosen.write, b"", wanted, complain) if chosen.write else None
    except OSError as error:
        raise InputError(chosen.write, error.strerror or str(error)) from None
    return None, Pipe(chosen.pipe, keeper, until.first), keeper


def load_everything(engine: Engine) -> None:
    """Load what is loaded late otherwise: where the program is installed, an ordinary user may not be able to read."""
    import pkgutil
    from importlib import import_module

    import rpcdiag
    from rpcdiag.diagnose.judge import rules
    from rpcdiag.policy.product import products
    from rpcdiag.remedies.advise import advisers

    for found in pkgutil.walk_packages(rpcdiag.__path__, "rpcdiag."):
        if found.name not in _NEVER_NEEDED and not found.name.startswith("rpcdiag.verify"):
            with suppress(ImportError):
                import_module(found.name)
    for name in ("_strptime", "codecs", "grp", "gzip", "http.client", "shlex", "encodings.idna", "encodings.latin_1"):
        import_module(name)
    rules(), advisers(), tuple(products()), discover("rpcdiag.logs.formats", "FORMAT")
    engine.endless = True
    _ = engine.compiled


@contextmanager
def _stopped_by_signals(source: LiveSource) -> Iterator[list[int]]:
    """The first signal ends the stream, and what is known is told; a second one ends the program."""
    came: list[int] = []

    def handle(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        source.stopped = True

    if threading.current_thread() is not threading.main_thread():
        yield came  # whoever has the main thread sees to them
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def _printer(chosen: argparse.Namespace) -> Teller:
    if chosen.output == "text":
        wanted = chosen.color == "always" or (
            chosen.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        )
        return Printer(Style(wanted), findings_only=chosen.quiet)
    return Events() if chosen.output == "ndjson" else _Silent()


class _Silent(Events):
    """Only the document at the end is wanted."""

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        return
