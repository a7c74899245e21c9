"""What the program knows, as lists to read."""

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from rpcdiag.case import Case
from rpcdiag.report import names
from rpcdiag.track.facts import ReferralKind, Referred

if TYPE_CHECKING:  # loaded only where the policies are listed
    from rpcdiag.policy.model import Parameter


MAX_OPTIONS = 30
CAPTURES = (
    "pcap       both byte orders, microseconds and nanoseconds",
    "pcapng     several sections and interfaces, each with its own clock resolution",
    "either one plain, or compressed with gzip, xz or zstd, or on standard input (-)",
    "link types: Ethernet (VLAN, QinQ, PPPoE), raw IP, Linux cooked v1 and v2, BSD loopback",
)


def rules() -> Iterator[str]:
    """Every rule: its name, the cause in the catalogue, its title, its prose."""
    import sys

    from rpcdiag.diagnose.judge import rules as all_rules

    for rule in sorted(all_rules(), key=lambda rule: (rule.cause, rule.id)):
        yield f"{rule.id}  ({rule.cause})  {rule.title}"
        for line in (sys.modules[rule.check.__module__].__doc__ or "").strip().splitlines():
            yield f"    {line}".rstrip()
        yield ""


def formats() -> Iterator[str]:
    """Captures and logs that can be read, and outputs that can be written."""
    import sys

    from rpcdiag import plugins

    yield "Captures (told by content):"
    yield from (f"    {line}" for line in CAPTURES)
    yield ""
    yield "Firewall logs (told by content; plain, packed with gzip, xz or bzip2, or through a pipe):"
    for one in plugins.discover("rpcdiag.logs.formats", "FORMAT"):
        yield f"    {one.name:18} {one.title}"
        for line in (sys.modules[one.parse.__module__].__doc__ or "").strip().splitlines()[2:]:
            yield f"        {line}".rstrip()
    yield ""
    yield "Outputs (-T NAME; docs/outputs/NAME.md tells more of each):"
    for output in plugins.discover("rpcdiag.report.outputs", "OUTPUT"):
        yield f"    {output.name:18} {output.title}"


def policies(wanted: str | None = None) -> Iterator[str]:
    """Every product: what it does with RPC, how sure that is, and where it is known from."""
    from rpcdiag.policy import product as known

    if wanted is None:
        yield from wrap(
            "Products for --policy, each with what it does with RPC, how sure that is and where from; what is not listed "
            "for a product is as docs/policies.md says. A file of your own may name one of them and change any of it.",
            80,
        )
    for one in [known.product(wanted)] if wanted is not None else known.products():
        yield ""
        yield f"{one.id}  {one.title}"
        for note in one.notes:
            yield from wrap(note, 80, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
        for name, parameter in one.parameters.items():
            if parameter != known.UNSAID[name]:
                yield from _parameter(f"{name:22} {shown_value(parameter.value)}", parameter)
        for option in one.options.values():
            yield from wrap(
                f"option {option.name}: {option.says}", 80, initial_indent="    ", subsequent_indent="        "
            )
            if wanted is not None:
                for name, parameter in option.changes.items():
                    yield from _parameter(f"    {name:22} {shown_value(parameter.value)}", parameter)


def _parameter(head: str, parameter: "Parameter") -> list[str]:
    return wrap(
        f"    {head}  [{parameter.sure}: {parameter.source}]", 80, subsequent_indent=" " * 27, drop_whitespace=True,
        break_on_hyphens=False,
    )  # fmt: skip


def shown_value(value: object) -> str:
    """A parameter of a product, in words."""
    if isinstance(value, frozenset):
        several = sorted(f"{one[0]}/{one[1]}" if isinstance(one, tuple) else str(one) for one in value)
        return ", ".join(several) or "nothing"
    if value is None:
        return "never"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def interfaces(text: str | None) -> Iterator[str]:
    """The table of names, or the rows that hold `text`."""
    from rpcdiag.dissect.interfaces import all_interfaces

    wanted = (text or "").lower()
    for one in all_interfaces():
        if wanted in f"{one.uuid} {one.name} {one.process}".lower():
            yield f"{one.uuid}  {one.version or '-':8} {one.kind:6} {one.name}" + (
                f"  ({one.process})" if one.process else ""
            )


def schema(what: str = "json") -> Iterator[str]:
    """Of the JSON document, of a line of NDJSON, of the tables of CSV and Parquet, or of what another command writes."""
    from rpcdiag.ui.schemas import SCHEMAS

    yield json.dumps(SCHEMAS[what](), indent=1)


def endpoints(case: Case, *, as_json: bool) -> Iterator[str]:
    """What every server handed out, each endpoint once, with the packets that say so."""
    found: dict[tuple[str, str, str, str], tuple[list[int], list[str]]] = {}
    for referral in case.referrals:
        for endpoint in referral.referral.endpoints:
            if referral.referral.kind is ReferralKind.OBJECT_REFERENCE and endpoint.port is None:
                continue  # the address of a resolver
            syntax = endpoint.interface or referral.referral.interface
            key = (
                str(referral.teller),
                endpoint.protseq,
                _place(endpoint),
                names.interface(syntax) if syntax else "",
            )
            packets, clients = found.setdefault(key, ([], []))
            if endpoint.packet not in packets:
                packets.append(endpoint.packet)
            if str(referral.told) not in clients:
                clients.append(str(referral.told))
    if as_json:
        rows = [
            {"server": server, "protseq": protseq, "endpoint": place, "interface": interface or None,
             "packets": packets, "told_to": clients}
            for (server, protseq, place, interface), (packets, clients) in found.items()
        ]  # fmt: skip
        yield json.dumps({"schema_version": 1, "endpoints": rows}, indent=1)
        return
    if not found:
        yield "No endpoint was handed out in these packets."
        return
    before = ("", "")
    for (server, protseq, place, interface), (packets, clients) in sorted(
        found.items(), key=lambda item: (item[0][0], item[1], item[0])
    ):
        told = f"told to {', '.join(clients[:3])} in packet {names.numbers(tuple(packets), 4)}"
        if (server, told) != before:
            yield from wrap(f"{server}, {told}:", 80, subsequent_indent="    ")
        before = (server, told)
        yield f"  {protseq:12} {names.clean(place):30} {interface or 'object exporter'}"
    yield from _decoded(case)


def _decoded(case: Case) -> Iterator[str]:
    """How a packet viewer is told that these ports are RPC."""
    from rpcdiag.report.wireshark import decode_options

    options = decode_options(case)
    if options:
        yield ""
        yield "tshark and Wireshark read these ports as RPC with (analyze --decode-as writes a file of them):"
        for place in range(0, min(len(options), MAX_OPTIONS), 3):
            yield "    " + " ".join(options[place : place + 3])
        if len(options) > MAX_OPTIONS:
            yield f"    and {len(options) - MAX_OPTIONS} more"


def _place(endpoint: Referred) -> str:
    if endpoint.port is not None:
        return f"{endpoint.host + ' ' if endpoint.host else ''}{endpoint.port}"
    return endpoint.pipe or endpoint.text
