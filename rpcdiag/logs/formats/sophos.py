"""Sophos: firewall log of XG and XGS, packet filter of UTM.

Told by `log_component=` with `src_ip=`, or by `sub="packetfilter"` with `srcip=`. Of XG the component tells a refusal
by a rule (Firewall Rule) from one because the packet fits no connection (Invalid Traffic). Time is the row's own, with
a zone in newer releases, else that of the envelope, else, in files of UTM, the one at the start of the line.
Cannot tell: the sequence number; of UTM, the year where the envelope has none.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from rpcdiag.logs import moments, syslog, words
from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.record import Ends, made, rows


@cache
def _utm_time() -> re.Pattern[str]:
    return re.compile(r"(\d{4}):(\d\d):(\d\d)-(\d\d:\d\d:\d\d) (\S{1,80}) ")


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if any(_is_xg(line) or _is_utm(line) for line in head.splitlines()[:200]):
        return None
    return 'not sophos: no line with log_component= and src_ip=, or with sub="packetfilter" and srcip='


def _is_xg(line: str) -> bool:
    return "log_component=" in line and "src_ip=" in line


def _is_utm(line: str) -> bool:
    return 'sub="packetfilter"' in line and "srcip=" in line


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    return rows(lines, _row)


def _row(line: int, text: str) -> LogEntry | BadLine:
    if _is_xg(text):
        return _xg(line, text)
    if _is_utm(text):
        return _utm(line, text)
    return BadLine(line, "neither a row of the firewall nor one of the packet filter")


def _xg(line: int, text: str) -> LogEntry:
    fields = words.pairs(text)
    if "timestamp" in fields:
        moment: tuple[int | None, int, str] = moments.any_of(fields["timestamp"])
    elif "date" in fields and "time" in fields:
        moment = moments.iso(f"{fields['date']} {fields['time']}")  # the name of its zone is ambiguous
    else:
        moment = syslog.opened(text)[:3]
    component = fields.get("log_component")
    message = words.value(fields, ("message",))
    rule = words.value(fields, ("fw_rule_name", "fw_rule_id"))
    return made(
        line,
        moment,
        words.action(fields.get("log_subtype") or fields.get("status")),
        fields.get("protocol"),
        Ends(
            *(fields.get("src_ip"), fields.get("src_port"), fields.get("dst_ip"), fields.get("dst_port")),
            *(
                fields.get("src_trans_ip") or fields.get("tran_src_ip"),
                fields.get("src_trans_port") or fields.get("tran_src_port"),
            ),
            *(
                fields.get("dst_trans_ip") or fields.get("tran_dst_ip"),
                fields.get("dst_trans_port") or fields.get("tran_dst_port"),
            ),
        ),
        path="in" if component == "Appliance Access" else "fwd",
        device=words.value(fields, ("device_name", "device_serial_id", "device_id")),
        rule=rule if rule != "0" else None,
        why=f"{component}: {message}" if component and message else component,
        service=words.value(fields, ("app_name", "application")),
        zones=(
            words.value(fields, ("src_zone", "srczone", "in_interface")),
            words.value(fields, ("dst_zone", "dstzone", "out_interface")),
        ),
        connection=words.value(fields, ("con_id", "connid")),
    )


def _utm(line: int, text: str) -> LogEntry:
    fields = words.pairs(text)
    written = _utm_time().match(text)
    if written:
        year, month, day, clock, device = written.groups()
        moment: tuple[int | None, int, str] = moments.iso(f"{year}-{month}-{day} {clock}")
    else:
        envelope = syslog.opened(text)
        moment, device = envelope[:3], envelope.device
    flags = fields.get("tcpflags", "")
    return made(
        line,
        moment,
        words.action(fields.get("action")),
        fields.get("proto"),
        Ends(fields.get("srcip"), fields.get("srcport"), fields.get("dstip"), fields.get("dstport")),
        path="fwd" if fields.get("outitf") and fields.get("initf") else "in" if fields.get("initf") else "out",
        device=device,
        flags="".join(word[0] for word in flags.split()) or None,
        ttl=fields.get("ttl"),
        rule=words.value(fields, ("fwrule",)),
        zones=(fields.get("initf"), fields.get("outitf")),
    )


FORMAT = LogFormat("sophos", "Sophos XG firewall and UTM packet filter", why_not, parse)
