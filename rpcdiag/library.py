"""The program as a library: what `import rpcdiag` offers. docs/library.md tells it by examples.

Everything that the command line does is done by the same code; what is public here keeps its names and meanings as the JSON document
does. What lies behind `Diagnosis.case` are the facts as the rules see them: richer, and free to change.
"""

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from rpcdiag import analysis
from rpcdiag.capture.choice import Engine
from rpcdiag.case import Case
from rpcdiag.diagnose.finding import Finding
from rpcdiag.diagnose.judge import rule_of
from rpcdiag.errors import RpcdiagError
from rpcdiag.model.evidence import Severity
from rpcdiag.remedies.remedy import Remedy
from rpcdiag.report.document import display_filter, document
from rpcdiag.report.names import clean
from rpcdiag.report.output import Options, Output

if TYPE_CHECKING:  # optional packages
    import pandas
    import pyarrow

PathLike = str | os.PathLike[str]
MAX_SHOWN = 20  # findings in a notebook
_LEFT = 'style="text-align:left;vertical-align:top"'


class Diagnosis:
    """What is known of the captures, what is wrong, and what to change.

    In a notebook it shows itself as a table of its findings.
    """

    def __init__(self, found: analysis.Diagnosis) -> None:
        self._found = found

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the worst first."""
        return self._found.findings

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings of severity `error`."""
        return tuple(one for one in self.findings if one.severity is Severity.ERROR)

    @property
    def case(self) -> Case:
        """The facts: captures, flows, referrals, logs."""
        return self._found.case

    @property
    def troubles(self) -> tuple[RpcdiagError, ...]:
        """Inputs that could not be read, and those that were read up to a place."""
        return (*self._found.troubles, *self._found.cuts)

    def remedies(self, finding: Finding) -> tuple[Remedy, ...]:
        """What to change, the narrowest first."""
        return self._found.remedies[finding.id]

    def display_filter(self, finding: Finding) -> str:
        """A display filter for Wireshark that shows the finding's packets."""
        return display_filter(self.case, finding)

    def document(self, *, all_flows: bool = True) -> dict[str, Any]:
        """The JSON document; `rpcdiag schema` prints its schema."""
        return document(self._found, all_flows=all_flows)

    def report(self, output: str = "text", *, width: int = 80, all_flows: bool = True) -> str:
        """The text that `-T OUTPUT` prints.

        Raises:
            ValueError: there is no such output.
            InputError: the output has several files and no text, or the captures cannot be read again.
        """
        options = Options(width=width, all_flows=all_flows)
        return "".join(f"{line}\n" for line in _output(output).render(self._found, options))

    def save(self, output: str, path: PathLike, *, all_flows: bool = True) -> None:
        """What `-T OUTPUT -o PATH` writes: a file, or a folder of files where the output has several.

        Raises:
            ValueError: there is no such output.
            MissingPiece: a package that it needs is not installed.
            OSError: it cannot be written.
        """
        chosen, options = _output(output), Options(all_flows=all_flows)
        if chosen.check is not None:
            chosen.check()
        if chosen.save is None and chosen.files is None:
            Path(path).write_text(self.report(output, all_flows=all_flows), encoding="utf-8", errors="backslashreplace")
            return
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.save is not None:
            chosen.save(self._found, options, folder)
        elif chosen.files is not None:
            for name, lines in chosen.files(self._found, options):
                with (folder / name).open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                    file.writelines(f"{line}\n" for line in lines)

    def write_packets(self, path: PathLike, cases: Sequence[str] = (), *, everything: bool = False) -> int:
        """Write the packets of `cases` (`n1`, `f3`, `r1`; of all findings without) with comments, as pcapng; how many.

        Raises:
            InputError: no such case; `path` is one of the captures, or a capture cannot be read again.
            OSError: it cannot be written.
        """
        from rpcdiag.report import annotated

        return annotated.write(self._found, os.fspath(path), cases, everything=everything).packets

    def to_arrow(self, table: str = "findings") -> "pyarrow.Table":
        """One of the tables of `-T parquet`: findings, flows, referrals, endpoints, log_matches, evidence ...

        Raises:
            ValueError: there is no such table.
            MissingPiece: pyarrow is not installed.
        """
        from rpcdiag.report import arrow, tables
        from rpcdiag.report.rows import rows

        chosen = tables.table(table)
        if chosen is None:
            raise ValueError(f"no table {table!r}; there are {', '.join(one.name for one in tables.TABLES)}")
        arrow.need("pyarrow", "to_arrow")
        return arrow.batch(chosen, rows(self._found, chosen))

    def to_pandas(self, table: str = "findings") -> "pandas.DataFrame":
        """The same as a data frame.

        Raises:
            ValueError: there is no such table.
            MissingPiece: pyarrow or pandas is not installed.
        """
        from rpcdiag.report import arrow

        arrow.need("pandas", "to_pandas")
        return self.to_arrow(table).to_pandas()

    def __repr__(self) -> str:
        counts = {one: sum(finding.severity is one for finding in self.findings) for one in Severity}
        said = ", ".join(
            f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts.items() if count
        )
        names = ", ".join(PurePath(one.path).name for one in self.case.captures)
        return f"<rpcdiag.Diagnosis of {clean(names)}: {said or 'no findings'}>"

    def _repr_html_(self) -> str:
        """A table that holds nothing but text: no script, no style sheet, no address."""
        rows = [self._row(finding) for finding in self.findings[:MAX_SHOWN]]
        more = len(self.findings) - len(rows)
        if more:
            rows.append(f'<tr><td colspan="4">and {more} more</td></tr>')
        if not rows:
            rows = ['<tr><td colspan="4">nothing is wrong, as far as these packets tell</td></tr>']
        heads = "".join(f'<th scope="col" {_LEFT}>{name}</th>' for name in ("", "who", "what", "change"))
        caption, body = _html(repr(self)[1:-1]), "".join(rows)
        return (
            f"<table><caption {_LEFT}>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _row(self, finding: Finding) -> str:
        remedies = self.remedies(finding)
        change = f"{remedies[0].where}: {remedies[0].why}" if remedies else ""
        cells = (
            f"{_html(finding.severity)}<br>{_html(finding.confidence)}",
            f"{_html(str(finding.client))}<br>→ {_html(str(finding.server))}",
            f"<b>{_html(rule_of(finding.rule).title)}</b><br>{_html(finding.summary)}<br><code>{_html(finding.rule)}</code>",
            _html(change),
        )
        return "<tr>" + "".join(f"<td {_LEFT}>{cell}</td>" for cell in cells) + "</tr>"


def _html(text: str) -> str:
    return escape(clean(text)[:1000])


def analyze(
    captures: PathLike | Iterable[PathLike],
    logs: PathLike | Iterable[PathLike] = (),
    *,
    policy: PathLike | None = None,
    log_offset_s: float | None = None,
    engine: str = "auto",
    jobs: int = 0,
) -> Diagnosis:
    """Diagnose captures with the firewall logs beside them.

    Args:
        captures: one or several files: pcap or pcapng, also compressed. All of them are one case.
        logs: firewall logs of the same time.
        policy: the firewall in the path: a product (`rpcdiag policies` lists them), or a file with its rules.
        log_offset_s: what the logs' clock is ahead of the captures', in seconds, if known; it is measured otherwise.
        engine: which form of the pass reads the captures: `auto`, `python` or `compiled`.
        jobs: how many captures are read at the same time; 0 for as many as there are cores.

    Raises:
        InputError: no capture could be read, or the policy cannot be used. Where some can be read, the others are in
            `Diagnosis.troubles`, as are logs that cannot.
        MissingPiece: a package that an input needs is not installed.
    """
    paths = _paths(captures)
    if not paths:
        raise ValueError("no captures")
    rules = None
    if policy is not None:
        from rpcdiag.policy.load import load

        rules = load(os.fspath(policy))
    found = analysis.analyze(
        paths,
        _paths(logs),
        log_offset_ns=None if log_offset_s is None else round(log_offset_s * 1_000_000_000),
        engine=Engine(engine, jobs=jobs),
        policy=rules,
    )
    if not found.case.captures and found.troubles:
        raise found.troubles[0]
    return Diagnosis(found)


def _paths(given: PathLike | Iterable[PathLike]) -> list[str]:
    """Names of files, whether one is given or several."""
    if isinstance(given, str | os.PathLike):
        return [os.fspath(given)]
    return [os.fspath(one) for one in given]


def _output(name: str) -> Output:
    """Raises:
    ValueError: there is no such output.
    """
    from rpcdiag import plugins

    known: dict[str, Output] = {one.name: one for one in plugins.discover("rpcdiag.report.outputs", "OUTPUT")}
    if name not in known:
        raise ValueError(f"no output {name!r}; there are {', '.join(known)}")
    return known[name]
