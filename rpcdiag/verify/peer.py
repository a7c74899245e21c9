"""tshark's reading of every PDU: one run over the capture, read as it is written.

Its PDML says which field stands in which PDU, also where several share a frame; the flat field lists do not. The run
knows nothing of the user's own settings, so that everybody gets the same reading.
"""

import re
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

from rpcdiag import tshark
from rpcdiag.dissect.interfaces import pipe_endpoint
from rpcdiag.errors import InputError
from rpcdiag.verify.reading import HTTP, NIL, PIPE, TCP, UDP, Fields, Reading, end, kind, listed, plain

PREFERENCES = (
    "ip.defragment:TRUE", "tcp.desegment_tcp_streams:TRUE", "tcp.reassemble_out_of_order:FALSE",
    "tcp.try_heuristic_first:TRUE", "dcerpc.desegment_dcerpc:TRUE", "dcerpc.reassemble_dcerpc:TRUE",
)  # fmt: skip
_LAYERS = "ip ipv6 tcp udp smb smb_pipe smb2 dcerpc epm epm4 oxid remact isystemactivator dcom"
_BELOW = frozenset({"ip", "ipv6", "tcp", "udp", "smb", "smb_pipe", "smb2", "http"})
_BODIES = frozenset({"epm", "epm4", "oxid", "remact", "isystemactivator", "dcom"})
_WITH_PORT = re.compile(r"\[\d{1,5}\]$")
_PORT_FIELDS = frozenset({"epm.proto.tcp_port", "epm.proto.udp_port", "epm.proto.http_port", "epm.proto.named_pipe"})
_HANDLE = "GUID handle File: "


class Peer:
    """One run over one capture; `trouble` says, once `readings` has ended, where tshark found the file cut.

    Raises:
        MissingPiece: it is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.trouble: str | None = None
        arguments = [*tshark.reading(path), "-Y", "dcerpc", "-T", "pdml", "-J", _LAYERS]
        for preference in PREFERENCES:
            arguments += ["-o", preference]
        self._run = tshark.Run(arguments)

    def readings(self) -> Iterator[Reading]:
        """Every PDU that tshark finds in the capture, by frame.

        Raises:
            InputError: it cannot read the capture, or failed on it.
        """
        broken: ElementTree.ParseError | None = None
        with self._run as run:
            try:
                yield from _frames(run.output)
            except ElementTree.ParseError as error:
                broken = error
        if tshark.CUT_SHORT in run.said:
            self.trouble = run.said
        elif run.code or broken:
            raise InputError(self.path, f"tshark: {run.said or broken or f'ended with code {run.code}'}")


def _frames(stream: IO[bytes]) -> Iterator[Reading]:
    root = None
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        if root is None:
            root = element
        elif event == "end" and element.tag == "packet":
            yield from _frame(element)
            root.clear()


class _Layers:
    """What the layers below the PDU said last."""

    def __init__(self) -> None:
        self.addresses = ["", ""]
        self.ports = ["0", "0"]
        self.transport = TCP
        self.stream = 0
        self.pipe: str | None = None

    def take(self, proto: ElementTree.Element) -> None:
        name = proto.get("name", "")
        if name in ("ip", "ipv6"):
            self.addresses = [_first(proto, f"{name}.src") or "", _first(proto, f"{name}.dst") or ""]
        elif name in ("tcp", "udp"):
            self.transport = TCP if name == "tcp" else UDP
            self.pipe = None
            self.ports = [_first(proto, f"{name}.srcport") or "0", _first(proto, f"{name}.dstport") or "0"]
            self.stream = int(_first(proto, f"{name}.stream") or 0)
        elif name in ("smb", "smb2"):
            self.transport = PIPE
            self.pipe = _pipe(proto)
        elif name == "smb_pipe":
            self.pipe = _pipe(proto) or self.pipe
        elif name == "http":
            self.transport = HTTP


def _frame(packet: ElementTree.Element) -> Iterator[Reading]:
    """The PDUs of one frame; a body's own layer belongs to the PDU before it."""
    layers, number = _Layers(), 0
    current: Reading | None = None
    for proto in packet.iter("proto"):
        name = proto.get("name", "")
        if name == "geninfo":
            number = int(_first(proto, "num") or 0)
        elif name == "dcerpc":
            if current is not None:
                yield current
            current = _pdu(proto, number, layers)
        elif current is None or name in _BELOW:
            if current is not None:
                yield current
                current = None
            layers.take(proto)
        elif name in _BODIES:
            _body(proto, current)
        elif name == "_ws.malformed":
            current.fields["malformed"] = "yes"
    if current is not None:
        yield current


def _first(element: ElementTree.Element, name: str) -> str | None:
    found = element.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def _pipe(proto: ElementTree.Element) -> str | None:
    """The name of the pipe that a message of SMB is about, where tshark saw it opened."""
    for field in proto.iter("field"):
        name, show = field.get("name", ""), field.get("show", "")
        if name == "smb.file" and show:
            return pipe_endpoint(show)
        if not name and show.startswith(_HANDLE):
            return pipe_endpoint(show[len(_HANDLE) :])
    return None


def _pdu(proto: ElementTree.Element, number: int, layers: _Layers) -> Reading:
    seen: dict[str, list[str]] = {}
    for field in proto.iter("field"):
        name = field.get("name", "")
        if name.startswith("dcerpc."):
            seen.setdefault(name[7:], []).append(field.get("show", ""))

    def one(name: str) -> str | None:
        return seen[name][0] if name in seen else None

    words = kind(int(one("pkt_type") or 255))
    old = one("ver") == "4"
    fields = _of_datagram(words, seen) if old else _fields(words, seen)
    if layers.transport == PIPE and layers.pipe is not None:
        fields["pipe"] = plain(layers.pipe)
    return Reading(
        number, UDP if old else layers.transport, _end(layers, 0), _end(layers, 1), words,
        int(one("dg_seqnum" if old else "cn_call_id") or -1), int(one("dg_frag_len" if old else "cn_frag_len") or 0),
        fields, layers.stream,
    )  # fmt: skip


def _end(layers: _Layers, side: int) -> str:
    return end(layers.addresses[side], layers.ports[side]) if layers.addresses[side] else ""


def _fields(words: str, seen: dict[str, list[str]]) -> Fields:
    found: Fields = {}
    if words in ("bind", "alter_context"):
        versions = zip(seen.get("cn_bind_if_ver", ()), seen.get("cn_bind_if_ver_minor", ()), strict=False)
        offers = zip(seen.get("cn_ctx_id", ()), seen.get("cn_bind_to_uuid", ()), versions, strict=False)
        found["contexts"] = listed([f"{one}={uuid}v{major}.{minor}" for one, uuid, (major, minor) in offers])
    elif words in ("bind_ack", "alter_context_resp"):
        found["results"] = listed(seen.get("cn_ack_result", []))
        if seen.get("cn_sec_addr", [""])[0]:
            found["secondary_address"] = plain(seen["cn_sec_addr"][0])
    elif "cn_ctx_id" in seen:
        found["context"] = seen["cn_ctx_id"][0]
    for name, field in (("opnum", "opnum"), ("cn_reject_reason", "reason")):
        if name in seen:
            found[field] = seen[name][0]
    if words == "request" and "obj_id" in seen:  # to answers it adds that of the request, which is not in them
        found["object"] = seen["obj_id"][0]
    if "cn_status" in seen:
        found["status"] = f"{int(seen['cn_status'][0], 0):#010x}"
    if "auth_type" in seen and "auth_level" in seen:
        found["auth"] = f"{seen['auth_type'][0]}/{seen['auth_level'][0]}"
    return found


def _of_datagram(words: str, seen: dict[str, list[str]]) -> Fields:
    version = int(seen.get("dg_if_ver", ["0"])[0], 0)
    found = {"interface": f"{seen.get('dg_if_id', [''])[0]}v{version & 0xFFFF}.{version >> 16}"}
    for name, field in (("activity", "dg_act_id"), ("opnum", "opnum"), ("fragment", "dg_frag_num")):
        if field in seen:
            found[name] = seen[field][0]
    for name, field, nothing in (("object", "obj_id", NIL), ("auth", "dg_auth_proto", "0")):
        if seen.get(field, [nothing])[0] != nothing:
            found[name] = seen[field][0]
    if words in ("fault", "reject") and "dg_status" in seen:
        found["status"] = f"{int(seen['dg_status'][0], 0):#010x}"
    return found


def _network_address(field: ElementTree.Element) -> str:
    """What does not print is shown as hexadecimal digits: then the bytes themselves are read."""
    show, value = field.get("show", ""), field.get("value", "")
    if not value.upper().startswith(show) or "[" in show or len(value) % 4:
        return show
    try:
        return bytes.fromhex(value).decode("utf-16-le", "replace").rstrip("\x00")
    except ValueError:
        return show


def _body(proto: ElementTree.Element, pdu: Reading) -> None:
    """Towers and bindings of an answer."""
    if pdu.kind != "response":
        return
    towers: list[str] = []
    bound: set[str] = set(pdu.fields.get("bindings", "").split())
    for field in proto.iter("field"):
        name, show = field.get("name", ""), field.get("show", "")
        if name in _PORT_FIELDS:
            towers.append(plain(show))
        elif name == "epm.rc":
            pdu.fields["mapper_status"] = f"{int(show, 0):#010x}"
        elif name == "dcom.dualstringarray.network_addr":
            text = _network_address(field)
            if _WITH_PORT.search(text):
                bound.add(plain(text))
    if proto.get("name") in ("epm", "epm4"):
        pdu.fields["towers"] = listed(sorted(towers))
    if bound:
        pdu.fields["bindings"] = listed(sorted(bound))
