"""Windows Firewall rules, as `Get-NetFirewallRule ... | Export-Csv` writes them.

Comma, semicolon or tab; columns by their names, in any order. `Get-NetFirewallRule` alone has no ports, and `Export-Csv`
writes `System.String[]` for a list: remarks say so.
"""

import csv
from collections.abc import Iterator

from rpcdiag.policy import netsecurity, windows
from rpcdiag.policy.model import RuleSet, RuleSetFormat
from rpcdiag.policy.netsecurity import Record
from rpcdiag.policy.written import Remarks, bounded, lines, short

MAX_COLUMNS = 512
_DELIMITERS = ",;\t"


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    _, header = _header(head)
    if netsecurity.is_rule(_columns(header)):
        return None
    return "netfirewallrule-csv: no header with Direction, Action and Enabled"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    rules = netsecurity.rules(_records(bounded(text, remarks), remarks), remarks)
    return RuleSet(RULE_SET.name, rules, product=windows.PRODUCT, remarks=remarks.all())


def _header(text: str) -> tuple[int, str]:
    """Number and text of the first line with something in it, behind the `#TYPE` line of PowerShell 5.1."""
    for number, line in enumerate(lines(text[:131_072])[:64], start=1):
        if line.strip() and not line.startswith("#TYPE"):
            return number, line
    return 0, ""


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _columns(header: str) -> list[str]:
    if len(header) > 65_536 or header.lstrip().startswith(("{", "[", "<")):
        return []
    try:
        return next(csv.reader([header.replace("\0", "")], delimiter=_delimiter(header)), [])[:MAX_COLUMNS]
    except csv.Error:
        return []


def _records(text: str, remarks: Remarks) -> Iterator[Record]:
    number, header = _header(text)
    columns = _columns(header)
    if not columns:
        return
    rows = (line.replace("\0", "") + "\n" for line in lines(text)[number:])
    reader = csv.reader(rows, delimiter=_delimiter(header))
    before = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            remarks.add(short(str(error)), number + before + 1)
            before = reader.line_num
            continue
        line, before = number + before + 1, reader.line_num
        if not any(row):
            continue
        if len(row) != len(columns):
            remarks.add(f"{len(row)} values where {len(columns)} columns are named: left out", line)
            continue
        yield Record(dict(zip(columns, row, strict=True)), line)


RULE_SET = RuleSetFormat(
    "netfirewallrule-csv", "Windows Firewall: Get-NetFirewallRule through Export-Csv", why_not, parse
)
