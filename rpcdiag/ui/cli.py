"""The command line. Data goes to standard output, everything else to standard error.

Exit codes: 0 done; 1 done, with a finding at or above --fail-on; 2 usage, or an input that cannot be read;
3 an input was cut short; 4 something that the request needs is missing; 130 interrupted.
"""

import argparse
import atexit
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from rpcdiag.model.version import __version__

if TYPE_CHECKING:  # to start quickly: --help loads nothing else
    from rpcdiag.analysis import Diagnosis
    from rpcdiag.logs.entry import LogFormat
    from rpcdiag.policy.model import Policy
    from rpcdiag.unseal import Keys

OK, FOUND, UNREADABLE, CUT, MISSING, INTERRUPTED = 0, 1, 2, 3, 4, 130
_SEVERITIES = ("note", "warning", "error")
OUTPUTS = ("text", "json")
REPORTS = (*OUTPUTS, "html", "ndjson", "csv", "md", "mermaid", "sarif", "parquet", "zeek", "zeek-json")
DOCUMENTS = (  # that `schema` describes; rpcdiag/ui/schemas.py has them
    "json", "ndjson", "tables", "calls", "compare", "doctor", "endpoints", "explain", "live", "probe", "query", "simulate",
    "tail", "verify",
)  # fmt: skip
READS_TWICE = frozenset({"zeek", "zeek-json"})  # the capture, a second time
BRIEF = frozenset({"json", "ndjson", "md", "mermaid", "sarif"})  # plain connections that are alike are only counted
NEED_FOLDER = frozenset({"parquet"})
NEED_PACKAGES = frozenset({"parquet"})


_CAPTURE_HELP = "pcap or pcapng, also .gz .xz .zst; - for stdin"
_POLICY_HELP = "the firewall in the path: a product ('rpcdiag policies' lists them) or a file with its rules"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    gc.disable()  # facts have no cycles: looking for them took a third of a large run
    given, behind = _parted(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(given[0] if given and given[0] in _commands() else None)
    _check_command(parser, given)
    chosen, unknown = parser.parse_known_args(given)
    if unknown:
        chosen.parser.refuse(unknown)
    chosen.expression = behind
    from rpcdiag.errors import InputError, MissingPiece

    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        return run(chosen)
    except MissingPiece as error:
        complain(error)
        return MISSING
    except InputError as error:
        complain(error)
        return UNREADABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has had enough; Python would complain once more when it closes it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        complain(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return UNREADABLE


def program() -> NoReturn:
    """What the command runs. The memory of a large case goes back to the system at once, not object by object."""
    _stand_in()
    code = main()
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        if code != UNREADABLE:  # else it has been said
            complain(f"standard output: {error.strerror or error}")
        code = UNREADABLE
    atexit._run_exitfuncs()
    os._exit(code)


def _stand_in() -> None:
    """For standard streams that whoever started us has closed: else a file that is opened would get their numbers.

    Nothing can be written to the one that stands in for the output, which is then said like any other trouble.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            if descriptor != number:
                os.dup2(descriptor, number)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115  until the end


def _parted(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What stands behind `--` of `tail` is a filter."""
    if "--" not in arguments or arguments[0] != "tail":
        return arguments, ()
    place = list(arguments).index("--")
    return arguments[:place], arguments[place + 1 :]


def complain(text: object) -> None:
    """One line to standard error."""
    from rpcdiag.report.harmless import clean

    print(f"rpcdiag: {clean(str(text))}", file=sys.stderr)  # noqa: T201  the one place that talks to standard error


class _Parser(argparse.ArgumentParser):
    """A usage error is one line, which says what was meant as far as that can be told."""

    def error(self, message: str) -> NoReturn:
        from rpcdiag.report.harmless import clean

        end = "" if message.endswith("?") else "."
        self.exit(UNREADABLE, f"{self.prog}: {clean(message)}{end} See {self.prog} --help\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """What no argument takes."""
        option = next((one for one in unknown if one.startswith("-")), None)
        if option is None:
            self.error(f"{unknown[0]!r} is too much: {self.prog.split()[-1]} takes no more")
        name = option.partition("=")[0]
        self.error(f"{name} is no option{_meant(name, self._option_string_actions)}")


def _meant(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f": did you mean {near[0]}?" if near else ""


def _check_command(parser: _Parser, given: Sequence[str]) -> None:
    """The first word is a command, or asks for help."""
    if not given:
        parser.print_help(sys.stderr)
        sys.exit(UNREADABLE)
    first = given[0]
    if first in _commands() or first in ("-h", "--help", "--version"):
        return
    if first.startswith("-"):
        parser.error("the command comes first, as in rpcdiag analyze CAPTURE --log FILE")
    if os.path.exists(first):  # noqa: PTH110  no pathlib here
        parser.error(f"{first!r} is a file: name the command first, as in rpcdiag analyze")
    parser.error(f"no command is called {first!r}{_meant(first, _commands())}")


_EPILOGS = {
    "analyze": "example: rpcdiag analyze capture.pcapng --log pfirewall.log --policy windows-firewall. "
    "Exit: 0 nothing found, 1 findings from --fail-on up, 2 an input cannot be read, 3 an input was cut short, "
    "4 something is missing, 130 interrupted.",
    "simulate": "example: rpcdiag simulate capture.pcapng --policy tmg-strict. rpcdiag policies lists the products; "
    "docs/policies.md and docs/rule-sets.md say what a file may hold.",
    "explain": "example: rpcdiag explain 0x800706BA --capture capture.pcapng",
    "endpoints": "example: rpcdiag endpoints capture.pcapng",
    "query": 'example: rpcdiag analyze capture.pcapng -T json -o report.json; rpcdiag query "SELECT rule, count(*) FROM '
    'findings GROUP BY rule" report.json',
    "compare": "example: rpcdiag compare works.pcapng fails.pcapng",
    "verify": "Needs tshark. Example: rpcdiag verify capture.pcapng",
    "live": "example: sudo rpcdiag live -i eth0 -w kept.pcapng. Ends at Ctrl-C with what was found.",
    "probe": "example: rpcdiag probe dc1.contoso.com",
    "interfaces": "example: rpcdiag interfaces drsuapi",
    "policies": "example: rpcdiag policies tmg",
}


def _parser(command: str | None) -> _Parser:
    """With the arguments of that command alone, where it is one: those of all take longer than many a command."""
    parser = _Parser(
        prog="rpcdiag",
        description="Why does Windows say 'The RPC server is unavailable'? Reads captures and firewall logs and says "
        "which hop failed, in which direction, who had handed out the port, and what to change.",
        epilog="Exit: 0 nothing found, 1 findings, 2 unreadable input, 3 an input was cut short, 4 something is missing. "
        "rpcdiag COMMAND --help says more of each.",
    )
    parser.add_argument("--version", action="version", version=f"rpcdiag {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (what, fill) in _commands().items():
        if command is None or name == command:
            own = commands.add_parser(
                name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=_EPILOGS.get(name)
            )
            own.set_defaults(parser=own)
            fill(own)
    return parser


def _commands() -> "dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]":
    """What each does, and what adds its arguments."""
    return {
        "analyze": ("diagnose captures, with firewall logs beside them", _analyze_arguments),
        "simulate": ("what a firewall's policy would do to the connections of captures", _simulate_arguments),
        "explain": ("what an error code, an error text or a rule means", _explain_arguments),
        "endpoints": ("every endpoint that any server handed out in a capture", _endpoints_arguments),
        "query": ("SQL over the tables of reports: a folder of -T parquet, or -T json", _query_arguments),
        "calls": ("every call in a capture, a line each, with its level of security", _calls_arguments),
        "compare": ("where two captures differ: one that works and one not, or two places", _compare_arguments),
        "verify": ("read captures as tshark does, PDU by PDU, and say where the two differ", _verify_arguments),
        "live": ("watch an interface: what is asked, referred, tried and refused", _live_arguments),
        "tail": ("follow firewall logs: filter, colour, alert, who handed out the port", _tail_arguments),
        "probe": ("ask a host's endpoint mapper, and connect to what it names", _probe_arguments),
        "doctor": ("what this machine can do, and how to mend what is missing", _doctor_arguments),
        "demo": ("run the main job on the captures that ship with the program", _demo_arguments),
        "warm": ("compile the pass for this processor now, for captures of gigabytes", _warm_arguments),
        "rules": ("the ways to fail that are known", partial(_listing_arguments, "rules")),
        "formats": (
            "the captures and firewall logs that can be read, and the outputs that are written",
            partial(_listing_arguments, "formats"),
        ),
        "policies": (
            "the firewalls whose treatment of RPC is known, with every parameter and how sure it is",
            partial(_listing_arguments, "policies"),
        ),
        "interfaces": (
            "the RPC interfaces and COM classes that are known by name", partial(_listing_arguments, "interfaces"),
        ),
        "schema": (
            "the JSON Schema of what analyze -T json writes, or another output or command",
            partial(_listing_arguments, "schema"),
        ),
    }  # fmt: skip


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help=_CAPTURE_HELP)
    parser.add_argument("--policy", required=True, metavar="NAME|FILE", help=_POLICY_HELP)
    parser.add_argument("-T", dest="output", choices=OUTPUTS, default="text")
    _looks(parser)
    parser.set_defaults(run=_simulate)


def _endpoints_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help=_CAPTURE_HELP)
    parser.add_argument("-T", dest="output", choices=OUTPUTS, default="text")
    parser.set_defaults(run=_endpoints)


def _query_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sql", metavar="SELECT", help="over flows, referrals, endpoints, log_matches, findings, evidence ..."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a folder or file of -T parquet, json or ndjson")
    parser.add_argument("-T", dest="output", choices=("text", "csv", "json"), default="text")
    parser.add_argument("--rows", type=_count, default=1000, metavar="N", help="show so many rows at most (1000)")
    parser.set_defaults(run=_query)


def _calls_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help=_CAPTURE_HELP)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_calls)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help=_CAPTURE_HELP)
    parser.add_argument("-T", dest="output", choices=OUTPUTS, default="text")
    parser.add_argument("--json", dest="output", action="store_const", const="json", help="the same as -T json")
    parser.set_defaults(run=_verify)


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-T", dest="output", choices=OUTPUTS, default="text")
    parser.set_defaults(run=_doctor)


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("story", nargs="?", help="one of them, dpm-tmg for instance; all of them without")
    _looks(parser)
    parser.set_defaults(run=_demo)


def _warm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_warm)


def _listing_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    if name == "interfaces":
        parser.add_argument("text", nargs="?", help="part of a name or UUID")
    if name == "schema":
        parser.add_argument(
            "text", nargs="?", choices=DOCUMENTS, default="json",
            help="json and ndjson are those of analyze, tables those of csv and parquet, else a command",
        )  # fmt: skip
    if name == "policies":
        parser.add_argument("text", nargs="?", metavar="NAME", help="one of them, with its options")
    parser.set_defaults(run=_list, what=name)


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captures", nargs="+", metavar="GOOD BAD", help="two captures, or one with two capture points")
    parser.add_argument(
        "--as", dest="mode", choices=("works", "sides"),
        help="the same thing, working and not; or the two sides of one path (told apart by content)",
    )  # fmt: skip
    parser.add_argument("--points", metavar="NAME,NAME", help="the capture point of each, where a file has several")
    parser.add_argument("-T", dest="output", choices=("text", "json", "md"), default="text")
    _looks(parser)
    parser.set_defaults(run=_compare)


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "text", nargs="*", metavar="CODE|TEXT|RULE",
        help="in any form: 0x800706BA, 1722, -2147023174, a symbol, a message, an event, lines of a log; - for stdin",
    )  # fmt: skip
    parser.add_argument("--file", metavar="FILE", help="the text to explain")
    parser.add_argument(
        "--capture", dest="captures", action="append", default=[], metavar="FILE",
        help="say which of the causes fits this capture; may be repeated",
    )  # fmt: skip
    parser.add_argument("--log", action="append", default=[], metavar="FILE", help="a firewall log beside the capture")
    parser.add_argument("--full", action="store_true", help="every cause, and every way to capture and to log")
    parser.add_argument("-T", dest="output", choices=OUTPUTS, default="text", help="the kind of answer")
    parser.set_defaults(run=_explain)


def _fail_on(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-on", choices=("error", "warning", "note", "never"), default="error",
        help="from which severity on a finding makes the exit code 1 (error)",
    )  # fmt: skip


def _looks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set",
    )


def _analyze_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help=_CAPTURE_HELP)
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="FILE",
        help="a firewall log, also .gz .xz .bz2; may be repeated; - for stdin",
    )
    parser.add_argument(
        "--log-map", metavar="FILE", help="how to read logs of separated values that no format knows (YAML or JSON)"
    )
    parser.add_argument(
        "--log-offset", type=float, metavar="SECONDS", help="what the log's clock is ahead of the capture's, if known"
    )
    parser.add_argument("--policy", metavar="NAME|FILE", help=_POLICY_HELP)
    parser.add_argument(
        "-T", dest="output", choices=REPORTS, default="text", help="the kind of report (text); docs/outputs.md"
    )
    parser.add_argument(
        "-o", dest="file", metavar="FILE",
        help="write the report there (csv, mermaid, parquet, zeek: the folder for their files)",
    )  # fmt: skip
    parser.add_argument("--bom", action="store_true", help="csv: begin with a byte-order mark, as spreadsheets like it")
    parser.add_argument(
        "-w", dest="write", metavar="FILE",
        help="write the packets of the findings, with the findings as comments, for Wireshark (pcapng)",
    )  # fmt: skip
    parser.add_argument(
        "--case", dest="cases", action="append", default=[], metavar="ID", type=_case,
        help="with -w: the packets of this finding (n1), flow (f3) or referral (r1) only; may be repeated",
    )  # fmt: skip
    parser.add_argument("--all-packets", action="store_true", help="with -w: every packet")
    parser.add_argument(
        "--decode-as", metavar="FILE", help="write Wireshark's decode_as_entries for the ports that were handed out"
    )
    _fail_on(parser)
    parser.add_argument("--all-flows", action="store_true", help="list every flow, also where many are alike")
    parser.add_argument(
        "--engine", choices=("auto", "python", "compiled"), default="auto",
        help="which form of the pass reads the captures: both say the same (see 'rpcdiag warm')",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=_count, default=0, metavar="N", help="captures read at the same time (all cores)"
    )
    parser.add_argument(
        "--max-flows", type=_count, default=0, metavar="N",
        help="connections remembered at a time; beyond that the oldest that do not matter are given up, and counted",
    )  # fmt: skip
    _key_arguments(parser)
    _looks(parser)
    parser.set_defaults(run=_analyze)


def _live_arguments(parser: argparse.ArgumentParser) -> None:
    several: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument(
        "-i", dest="interface", metavar="IFACE", help="watch there; may be repeated; 'any': all", **several
    )
    parser.add_argument("-r", dest="pipe", metavar="PIPE", help="read a capture that is still written; - for stdin")
    parser.add_argument("-f", dest="filter", metavar="FILTER", help="what the kernel hands on, as tcpdump writes it")
    parser.add_argument("-w", dest="write", metavar="FILE", help="keep what was seen (pcapng)")
    parser.add_argument(
        "-b", dest="ring", metavar="WHEN", help="begin another file: filesize:KB, duration:S, packets:N; files:N are kept",
        **several,
    )  # fmt: skip
    parser.add_argument(
        "-a", dest="autostop", metavar="WHEN", help="stop after duration:S, packets:N, filesize:KB, files:N", **several
    )
    parser.add_argument("-c", dest="packets", type=_count, default=0, metavar="N", help="stop after so many packets")
    parser.add_argument("-s", dest="snaplen", type=_count, default=0, metavar="BYTES", help="of each packet at most")
    parser.add_argument("-p", dest="no_promiscuous", action="store_true", help="only what is for this machine")
    parser.add_argument("--tui", action="store_true", help="on the whole screen, until q (pip install 'rpcdiag[tui]')")
    parser.add_argument("-q", dest="quiet", action="store_true", help="findings only")
    parser.add_argument("-T", dest="output", choices=("text", "json", "ndjson"), default="text")
    parser.add_argument(
        "--log", action="append", default=[], metavar="FILE", help="a firewall log, read while it is written"
    )
    parser.add_argument(
        "--alert",
        metavar="COMMAND|URL",
        help="tell findings to a command (JSON on its input) or http://127.0.0.1:PORT/",
    )
    parser.add_argument("--user", help="who to be once the interface is open (with sudo: who called it)")
    _fail_on(parser)
    parser.add_argument("--engine", choices=("auto", "python", "compiled"), default="auto")
    parser.add_argument("--max-flows", type=_count, default=0, metavar="N", help="connections remembered at a time")
    _looks(parser)
    parser.set_defaults(run=_live)


def _tail_arguments(parser: argparse.ArgumentParser) -> None:
    from rpcdiag.logs.grammar import GRAMMAR

    several: dict[str, Any] = {"action": "append", "default": []}
    parser.usage = "%(prog)s [options] LOG... [-- EXPR]"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"EXPR is put together from\n\n{GRAMMAR}"
    parser.add_argument("logs", nargs="+", metavar="LOG", help="of any known format (rpcdiag formats); - for stdin")
    parser.add_argument("--log-map", metavar="FILE", help="how to read logs of separated values (YAML or JSON)")
    parser.add_argument("-f", dest="filter", metavar="EXPR", help="show these rows; see below")
    parser.add_argument("--client", metavar="ADDRESS", help="rows from this address or subnet")
    parser.add_argument("--server", metavar="ADDRESS", help="rows to this address or subnet")
    parser.add_argument("--no-noise", action="store_true", help="leave out broadcast, multicast, NetBIOS names")
    parser.add_argument("--highlight", metavar="EXPR", help="stress these rows")
    parser.add_argument("-n", dest="lines", type=_rows, metavar="N|all", help="rows of what is there already (10)")
    parser.add_argument("-c", dest="count", type=_count, default=0, metavar="N", help="end after so many rows")
    parser.add_argument("--once", action="store_true", help="show what is there and end; exit 1 where drops were shown")
    parser.add_argument("-F", action="store_true", help=argparse.SUPPRESS)  # what it always does
    parser.add_argument(
        "--capture", dest="captures", metavar="FILE", help="say who handed a port out in this capture; may be repeated",
        **several,
    )  # fmt: skip
    parser.add_argument("--case", dest="cases", metavar="JSON", help="the same from 'analyze -T json'", **several)
    parser.add_argument("-i", dest="interface", metavar="IFACE", help="the same from what is seen there", **several)
    parser.add_argument("-r", dest="pipe", metavar="PIPE", help="the same from a capture that is still written")
    parser.add_argument("--user", help="who to be once all is open (with sudo: who called it; root: stay root)")
    parser.add_argument("--alert", metavar="COMMAND|URL", help="tell rows to a command or http://127.0.0.1:PORT/")
    parser.add_argument("--alert-on", metavar="EXPR", help="which rows ('denied and not noise')")
    parser.add_argument("--resolve", action="store_true", help="show names of addresses once they are looked up")
    parser.add_argument("-T", dest="output", choices=("text", "ndjson"), default="text")
    _looks(parser)
    parser.set_defaults(run=_tail)


def _rows(text: str) -> str:
    """A number of rows, or all."""
    if text != "all" and not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor 'all'")
    return text


def _probe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="its name or address: packets are sent to it")
    parser.add_argument("-T", dest="output", choices=OUTPUTS, default="text")
    parser.add_argument("-w", dest="write", metavar="FILE", help="keep what was sent and what came back (pcapng)")
    parser.add_argument("--port", type=_port, default=135, help="of its endpoint mapper, where it is not 135")
    parser.set_defaults(run=_probe)


def _key_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keytab", metavar="FILE", help="open what is sealed with these Kerberos keys (tshark decrypts)"
    )
    parser.add_argument(
        "--nt-password", metavar="SOURCE",
        help="the same with the password of an NTLM logon: 'prompt', 'env:NAME', or a file whose first line it is; "
        "never the password itself",
    )  # fmt: skip


def _case(text: str) -> str:
    """What the report calls a finding, a flow or a referral."""
    if text[:1] not in ("n", "f", "r") or not text[1:].isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no finding (n1), flow (f1) or referral (r1)")
    return text


def _count(text: str) -> int:
    """A positive number."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _port(text: str) -> int:
    """The number of a TCP port."""
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)


class _Patience:
    """Who interrupts while captures are read gets what is known; what follows is brief, and only a second try ends it."""

    def __init__(self) -> None:
        self.tried = False
        self._before: Any = None

    def begin(self) -> None:
        """From now on, not at the first."""
        import signal
        import threading

        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupted)

    def end(self) -> None:
        """As it was before."""
        if self._before is not None:
            import signal

            signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, *_: object) -> None:
        if self.tried:
            raise KeyboardInterrupt
        self.tried = True


def _analyze(chosen: argparse.Namespace) -> int:
    patience = _Patience()
    try:
        return _analyzed(chosen, patience)
    finally:
        patience.end()


def _analyzed(chosen: argparse.Namespace, patience: _Patience) -> int:
    from rpcdiag.analysis import analyze
    from rpcdiag.capture.choice import Engine
    from rpcdiag.sweep.engine import MAX_FLOWS
    from rpcdiag.ui.progress import shown

    wrong = _wrong(chosen)
    if wrong:
        complain(wrong)
        return UNREADABLE
    engine = Engine(chosen.engine, max_flows=chosen.max_flows or MAX_FLOWS, jobs=chosen.jobs)
    _check(chosen.output)
    keys = _keys(chosen)
    policy = _policy(chosen.policy)
    described = _described(chosen.log_map)
    offset = None if chosen.log_offset is None else round(chosen.log_offset * 1_000_000_000)
    with shown(chosen.captures) as watch:
        diagnosis = analyze(
            chosen.captures,
            chosen.log,
            log_offset_ns=offset,
            log_format=described,
            engine=engine,
            watch=watch,
            brief=chosen.output in BRIEF and not chosen.all_flows and not chosen.write,
            keys=keys,
            policy=policy,
            after_reading=patience.begin,
        )
    if patience.tried:
        diagnosis = diagnosis._replace(interrupted=True)
    for trouble in diagnosis.troubles:
        complain(trouble)
    for cut in diagnosis.cuts:
        complain(cut)
    for remark in diagnosis.remarks:
        complain(remark)
    if diagnosis.case.captures:
        from rpcdiag.ui.show import show

        try:
            show(
                diagnosis, chosen.output, chosen.file, chosen.color,
                all_flows=chosen.all_flows, engine=chosen.engine, bom=chosen.bom,
            )  # fmt: skip
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            complain(f"{error.filename or chosen.file or 'standard output'}: {error.strerror or error}")
            return UNREADABLE
        if not _for_wireshark(chosen, diagnosis):
            return UNREADABLE
    return _exit_code(diagnosis, chosen.fail_on)


def _check(output: str) -> None:
    """Raises:
    MissingPiece: a package that the output needs is not installed.
    """
    if output not in NEED_PACKAGES:
        return
    from importlib import import_module

    check = import_module(f"rpcdiag.report.outputs.{output}").OUTPUT.check
    if check is not None:
        check()


def _wrong(chosen: argparse.Namespace) -> str | None:
    """What is wrong with the arguments taken together."""
    if "-" in chosen.captures and (chosen.output in READS_TWICE or chosen.write):
        what = "-w" if chosen.write else f"-T {chosen.output}"
        return f"{what} reads the capture twice, and standard input can be read once: name a file"
    if chosen.output in NEED_FOLDER and chosen.file in (None, "-"):
        return f"-T {chosen.output} writes several files: name the folder for them with -o"
    if (chosen.cases or chosen.all_packets) and not chosen.write:
        return "--case and --all-packets say what -w writes: name its file"
    if chosen.cases and chosen.all_packets:
        return "--case and --all-packets: one of the two"
    inputs = [path for path in (*chosen.captures, *chosen.log, chosen.policy, chosen.keytab) if path not in (None, "-")]
    written = [("-w", chosen.write), ("--decode-as", chosen.decode_as), ("-o", chosen.file)]
    given = [(option, path) for option, path in written if path is not None]
    for option, path in given:
        if path == "-" and option != "-o":
            return f"{option}: standard output is for the report: name a file"
        if any(_same_file(path, read) for read in inputs):
            return f"{option} {path}: that is an input, and inputs are not written over"
    if len({os.path.realpath(path) for _, path in given}) < len(given):
        return "-w, --decode-as and -o: each needs a file of its own"
    return None


def _same_file(one: str, other: str) -> bool:
    from pathlib import Path

    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _for_wireshark(chosen: argparse.Namespace, diagnosis: "Diagnosis") -> bool:
    """Write the files that are asked for beside the report; whether that went well."""
    written = None
    try:
        if chosen.decode_as:
            from rpcdiag.report.wireshark import decode_as
            from rpcdiag.ui.show import write

            written = chosen.decode_as
            write(decode_as(diagnosis.case), written)
        if chosen.write:
            from rpcdiag.report import annotated

            written = chosen.write
            count = annotated.write(diagnosis, written, chosen.cases, everything=chosen.all_packets)
            if not count.packets:
                complain(f"{written}: there are no findings, so no packets: name a --case, or --all-packets")
    except OSError as error:
        complain(f"{written}: {error.strerror or error}")
        return False
    return True


def _live(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.live import live

    gc.enable()
    diagnosis, _ = live(chosen, complain)
    for trouble in (*diagnosis.troubles, *diagnosis.cuts):
        complain(trouble)
    if chosen.output == "json":
        from rpcdiag.ui.show import show

        show(diagnosis, "json", None, chosen.color)
    return _exit_code(diagnosis, chosen.fail_on)


def _tail(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.tail import tail

    gc.enable()
    counts, interrupted = tail(chosen, complain, _described(chosen.log_map))
    if interrupted:
        return INTERRUPTED
    return FOUND if counts.drops else OK


def _policy(wanted: str | None) -> "Policy | None":
    """The policy that was named.

    Raises:
        InputError: it cannot be used.
    """
    if wanted is None:
        return None
    from rpcdiag.policy.load import load

    return load(wanted)


def _simulate(chosen: argparse.Namespace) -> int:
    from rpcdiag.analysis import analyze
    from rpcdiag.report.style import Style
    from rpcdiag.ui import simulate
    from rpcdiag.ui.show import look, write

    diagnosis = analyze(chosen.captures, policy=_policy(chosen.policy))
    for trouble in (*diagnosis.troubles, *diagnosis.cuts):
        complain(trouble)
    applied = diagnosis.applied
    if diagnosis.case.captures and applied is not None:
        if chosen.output == "json":
            write(simulate.as_json(diagnosis, applied), None)
        else:
            colored, width = look(None, chosen.color)
            write(simulate.as_text(diagnosis, applied, Style(colored), width), None)
    return _exit_code(diagnosis, "never")


def _described(path: str | None) -> "LogFormat | None":
    """The log format of a mapping file.

    Raises:
        InputError: the file cannot be used.
    """
    if path is None:
        return None
    from rpcdiag.logs.logmap import load

    return load(path)


def _keys(chosen: argparse.Namespace) -> "Keys | None":
    """What sealed bodies may be opened with.

    Raises:
        InputError: the keys cannot be used, or the capture cannot be read twice.
        MissingPiece: tshark is not installed.
    """
    if chosen.keytab is None and chosen.nt_password is None:
        return None
    from rpcdiag.errors import InputError
    from rpcdiag.ui.secret import secret
    from rpcdiag.unseal import Keys

    if "-" in chosen.captures:
        raise InputError("-", "what is sealed is read a second time, and standard input can be read once: name a file")
    keys = Keys(chosen.keytab, None if chosen.nt_password is None else secret("--nt-password", chosen.nt_password))
    keys.check()
    return keys


def _exit_code(diagnosis: "Diagnosis", fail_on: str) -> int:
    from rpcdiag.errors import MissingPiece

    if diagnosis.interrupted:
        return INTERRUPTED
    if diagnosis.troubles:
        return MISSING if all(isinstance(one, MissingPiece) for one in diagnosis.troubles) else UNREADABLE
    if diagnosis.cuts:
        return CUT
    if fail_on == "never":
        return OK
    least = _SEVERITIES.index(fail_on)
    return FOUND if any(_SEVERITIES.index(one.severity) >= least for one in diagnosis.findings) else OK


def _explain(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.explain.command import Asked, explain

    if chosen.log and not chosen.captures:
        complain("--log is read beside a capture: add --capture FILE, or paste the log's lines")
        return UNREADABLE
    asked = Asked(chosen.text, chosen.file, chosen.captures, chosen.log, chosen.full, chosen.output == "json")
    return explain(asked, complain)


def _endpoints(chosen: argparse.Namespace) -> int:
    from rpcdiag.analysis import analyze
    from rpcdiag.ui.listings import endpoints
    from rpcdiag.ui.show import write

    diagnosis = analyze(chosen.captures)
    for trouble in (*diagnosis.troubles, *diagnosis.cuts):
        complain(trouble)
    if diagnosis.case.captures:
        write(endpoints(diagnosis.case, as_json=chosen.output == "json"), None)
    return _exit_code(diagnosis, "never")


def _query(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.query import query
    from rpcdiag.ui.show import write

    write(query(chosen.sql, chosen.files, complain, output=chosen.output, limit=chosen.rows), None)
    return OK


def _calls(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.calls import calls

    return calls(chosen.captures, complain, as_json=chosen.json)


def _compare(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.compare import Asked, compare

    asked = Asked(chosen.captures, chosen.mode, chosen.points, chosen.output, chosen.color)
    return compare(asked, complain)


def _verify(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.verify import verify

    return verify(chosen.captures, complain, as_json=chosen.output == "json")


def _probe(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.probe import probe

    return OK if probe(chosen, complain) else FOUND


def _doctor(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.doctor import doctor
    from rpcdiag.ui.show import write

    doctor(lambda lines: write(lines, None), as_json=chosen.output == "json")
    return OK


def _demo(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui.demo import demo

    return demo(chosen.story, chosen.color, complain)


def _warm(chosen: argparse.Namespace) -> int:
    from rpcdiag.sweep import cache
    from rpcdiag.ui.show import write

    if not cache.can_build():
        complain("the compiler is not installed: pip install 'rpcdiag[fast]'")
        return MISSING
    from rpcdiag.sweep.machine import machine

    if machine() is not None:
        write([f"compiled already: {cache.object_path()}"], None)
        return OK
    from rpcdiag.sweep.compiler import warm

    done = warm()
    write([f"compiled in {done.seconds:.0f} s, {done.size // 1024} KB: {done.path}"], None)
    return OK


def _list(chosen: argparse.Namespace) -> int:
    from rpcdiag.ui import listings
    from rpcdiag.ui.show import write

    match chosen.what:
        case "policies":
            lines = listings.policies(chosen.text)
        case "rules":
            lines = listings.rules()
        case "formats":
            lines = listings.formats()
        case "interfaces":
            found = list(listings.interfaces(chosen.text))
            if not found:
                complain(f"no interface or class that is known has {chosen.text!r} in its name, UUID or process")
            lines = iter(found)
        case _:
            lines = listings.schema(chosen.text)
    write(lines, None)
    return OK
