"""Windows Firewall rules, as `Get-NetFirewallRule ... | ConvertTo-Json` writes them.

Enumerations are numbers (Direction 1 is inbound, Action 4 is block) or words; lists are arrays, or what PowerShell 5.1
makes of them. `Get-NetFirewallRule` alone has no ports: then a remark says so.
"""

import json
from collections.abc import Iterator
from json import JSONDecodeError

from rpcdiag.policy import netsecurity, windows
from rpcdiag.policy.model import RuleSet, RuleSetFormat
from rpcdiag.policy.netsecurity import Record
from rpcdiag.policy.written import Remarks, bounded

_BLANK = " \t\r\n,"


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    start = head.lstrip("\ufeff \t\r\n")
    if not start.startswith(("[", "{")):
        return "netfirewallrule-json: no JSON"
    lower = start.lower()
    if all(f'"{name}"' in lower for name in ("direction", "action", "enabled")):
        return None
    return "netfirewallrule-json: no records with Direction, Action and Enabled"


def parse(text: str) -> RuleSet:
    remarks = Remarks()
    rules = netsecurity.rules(_records(bounded(text, remarks), remarks), remarks)
    return RuleSet(RULE_SET.name, rules, product=windows.PRODUCT, remarks=remarks.all(), cut=remarks.cut)


def _records(text: str, remarks: Remarks) -> Iterator[Record]:
    """Every object, with its line: those of an array, or one after another."""
    decoder = json.JSONDecoder()
    place, counted, line = 0, 0, 1
    if text[:1] == "\ufeff":
        place = 1
    depth = 0
    while place < len(text):
        if text[place] in _BLANK:
            place += 1
        elif text[place] == "[" and depth < netsecurity.MAX_DEPTH:
            place, depth = place + 1, depth + 1
        elif text[place] == "]":
            place, depth = place + 1, max(0, depth - 1)
        else:
            line += text.count("\n", counted, place)
            counted = place
            try:
                value, place = decoder.raw_decode(text, place)
            except (JSONDecodeError, RecursionError, ValueError) as error:
                remarks.breaks_off(f"the JSON breaks off: {type(error).__name__}", line)
                return
            yield from _objects(value, line, remarks)


def _objects(value: object, line: int, remarks: Remarks) -> Iterator[Record]:
    if not isinstance(value, dict):
        remarks.add("a value that is no object: left out", line)
        return
    inside = value.get("value")
    if isinstance(inside, list) and not netsecurity.is_rule(value):
        yield from (Record(one, line) for one in inside if isinstance(one, dict))
    else:
        yield Record(value, line)


RULE_SET = RuleSetFormat(
    "netfirewallrule-json", "Windows Firewall: Get-NetFirewallRule through ConvertTo-Json", why_not, parse
)
