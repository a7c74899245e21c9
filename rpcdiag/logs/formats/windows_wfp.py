"""Net events of the Windows Filtering Platform: `netsh wfp show netevents file=...`, or wfpdiag.xml of `netsh wfp capture`.

What `netsh wfp capture stop` writes is a cabinet: `expand wfpdiag.cab -F:* .` takes the XML out of it. Time is UTC in
milliseconds. Own and remote side are named, so the direction is beyond doubt.
Cannot tell: sequence numbers; the name of a filter, only its number (event 5447, or `netsh wfp show filters`).
"""

import re
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from rpcdiag.logs.entry import BadLine, LogEntry, LogFormat
from rpcdiag.logs.fields import SECOND, address, iso, port, protocol
from rpcdiag.logs.xml_pieces import Pieces, element, text_of
from rpcdiag.model.packets import Address

_HEAD = re.compile(r"<(?:netEvents|wfpdiag|netEvent)[\s>]")
_BEGIN = re.compile(r"<(?:netEvent|item)>\s{0,200}<header>")
_END = re.compile(r">\s{0,200}</(?:netEvent|item)>")  # of the event: items inside it hold text
_PREFIX = "FWPM_NET_EVENT_TYPE_"
_ACTIONS = {"CLASSIFY_DROP": "drop", "CAPABILITY_DROP": "drop", "CLASSIFY_DROP_MAC": "drop", "CLASSIFY_ALLOW": "allow",
            "CAPABILITY_ALLOW": "allow"}  # fmt: skip
_DETAILS = ("classifyDrop", "classifyAllow", "capabilityDrop", "capabilityAllow", "classifyDropMac")
_DIRECTIONS = {"IN": "in", "INBOUND": "in", "0x00003900": "in", "14592": "in", "OUT": "out", "OUTBOUND": "out",
               "0x00003901": "out", "14593": "out"}  # fmt: skip


def why_not(head: str) -> str | None:
    """Why a file that starts like this is not ours; None when it is."""
    if head.lstrip().startswith("<") and _HEAD.search(head):
        return None
    return "not windows-wfp: no <netEvents> and no <wfpdiag>"


def parse(lines: Iterable[str]) -> Iterator[LogEntry | BadLine]:
    for line, text in Pieces(_BEGIN, _END).cut(lines):
        if text is None:
            yield BadLine(line, "a net event without its end")
            continue
        try:
            yield _entry(line, element(text))
        except ValueError as error:
            yield BadLine(line, str(error))


def _entry(line: int, one: Element) -> LogEntry:
    header = one.find("header")
    kind = text_of(one, "type").removeprefix(_PREFIX)
    detail = next((found for name in _DETAILS if (found := one.find(name)) is not None), None)
    written, resolution, _ = iso(text_of(header, "timeStamp"))
    name = protocol(text_of(header, "ipProtocol"))
    with_ports = name in ("tcp", "udp")
    own = _address(header, "local"), port(text_of(header, "localPort")) if with_ports else None
    remote = _address(header, "remote"), port(text_of(header, "remotePort")) if with_ports else None
    direction = text_of(detail, "msFwpDirection").upper().removeprefix("MS_").removeprefix("FWP_DIRECTION_")
    path = _DIRECTIONS.get(direction, _DIRECTIONS.get(direction.lower(), "unknown"))
    source, destination = (own, remote) if path == "out" else (remote, own)
    filter_id = text_of(detail, "filterId")
    return LogEntry(
        line=line, written_ns=written, resolution_ns=min(resolution, SECOND), basis="utc",
        action=_ACTIONS.get(kind, "info"), protocol=name, source=source[0], source_port=source[1],
        destination=destination[0], destination_port=destination[1], path=path,
        rule=f"WFP filter {filter_id[:20]}" if filter_id else None, program=_program(header),
    )  # fmt: skip


def _address(header: Element | None, side: str) -> Address | None:
    return address(text_of(header, f"{side}AddrV4")) or address(text_of(header, f"{side}AddrV6"))


def _program(header: Element | None) -> str | None:
    """UTF-16 as hexadecimal digits, or as text with a dot for every zero byte."""
    try:
        return bytes.fromhex(text_of(header, "appId/data")).decode("utf-16-le").rstrip("\x00") or None
    except (ValueError, UnicodeDecodeError):
        return text_of(header, "appId/asString")[::2] or None


FORMAT = LogFormat(
    "windows-wfp", "Windows Filtering Platform net events (netsh wfp)", why_not, parse, whole_lines=False
)
