"""What tshark's expert information says of the captures that show a cause.

    python tools/make_expert_information.py

What stands between the two marks in docs/expert-information.md is written anew; the rest of the page is for people.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rpcdiag.diagnose.finding import Finding
from rpcdiag.model.evidence import Missing, Seen
from rpcdiag.tshark import version
from tests.causes.shown_cause import Shown, all_shown, diagnose

PAGE = Path(__file__).resolve().parents[1] / "docs" / "expert-information.md"
BEGIN, END = "<!-- printed: tools/make_expert_information.py -->", "<!-- end -->"
NOTE = 0x400000  # severities below are what a healthy connection has as well
# what an expert message would have to hold to name the cause, generously; a rule that is not here has no such message
NAMES = {
    "access-denied": "access_denied",
    "activation-failed": "HRESULT|CLASSNOTREG|SERVER_EXEC_FAILURE",
    "bad-credentials": "logon|access_denied|authentication_type_not_recognized|invalid_checksum",
    "bind-rejected": "bind.*(nak|not ack|reject)|provider.reject",
    "certificate-hardening": "access_denied",
    "checksum-offload": "checksum",
    "clock-skew": "skew",
    "dcom-hardening": "access_denied",
    "encryption-type": "etype",
    "fragments-lost": "fragment|reassembl",
    "host-unreachable": "unreachable",
    "level-too-low": "access_denied|authn_level",
    "mapper-refuses-anonymous": "access_denied",
    "netlogon-hardening": "access_denied",
    "not-registered": "not.?registered",
    "ntlm-refused": "logon|access_denied",
    "path-mtu": "mtu|fragmentation needed",
    "printing-hardening": "access_denied",
    "provider-unknown": "authentication_type_not_recognized|bind.*nak",
    "rpc-filter": "access_denied",
    "server-busy": "busy|zero.?window",
    "unavailable-in-reply": "server_unavailable|HRESULT",
    "wrong-spn": "modified|principal_unknown",
}


class Compared(NamedTuple):
    """One capture: our finding's rule, and of tshark's expert messages those from severity note on."""

    shown: Shown
    messages: tuple[str, ...]  # each once, in the order of packets
    points: bool  # one of them stands on a packet that our finding names
    names: bool
    capture: bytes  # a digest: some differ in their logs only


def compared(shown: Shown, folder: Path) -> Compared:
    capture = folder / "capture.pcapng"
    finding = next(one for one in diagnose(folder, shown).findings if one.rule == shown.rule)
    experts = tuple(_experts(capture))
    ours = set(_packets(finding))
    pattern = NAMES.get(finding.rule)
    return Compared(
        shown,
        tuple(dict.fromkeys(message for _, message in experts)),
        any(packet in ours for packet, _ in experts),
        pattern is not None and any(re.search(pattern, message, re.IGNORECASE) for _, message in experts),
        sha256(capture.read_bytes()).digest(),
    )


def _packets(finding: Finding) -> Iterator[int]:
    for one in finding.evidence:
        if isinstance(one, Seen):
            yield from one.packets
        elif isinstance(one, Missing):
            yield one.after


def _experts(capture: Path) -> Iterator[tuple[int, str]]:
    """Packet and message of everything that tshark finds worth a note, a warning or an error."""
    fields = ("frame.number", "_ws.expert.severity", "_ws.expert.message")
    command = ["tshark", "-r", str(capture), "-Y", "_ws.expert", "-T", "fields", "-E", "aggregator=\x1f"]
    for field in fields:
        command += ["-e", field]
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        number, severities, messages = line.split("\t")
        for severity, message in zip(severities.split("\x1f"), messages.split("\x1f"), strict=True):
            if int(severity) >= NOTE:
                yield int(number), message


def lines() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _beside_tshark([compared(one, Path(folder)) for one in all_shown() if one.rule is not None])


def _beside_tshark(found: list[Compared]) -> Iterator[str]:
    different = list({(one.shown.rule, one.capture): one for one in found}.values())
    names, points = sum(one.names for one in different), sum(one.points for one in different)
    said = {one.shown.rule for one in found}
    named = {one.shown.rule for one in found if one.names}
    yield (
        f"{version().partition(' (Git')[0]}, messages of severity note, warning and error. Of {len(different)} different captures with "
        f"a cause it marks a packet that our finding names too in {points}, and names the cause in {names}; of "
        f"{len(said)} causes it names {len(named)}. What counts as naming stands in `tools/make_expert_information.py`, generously: "
        "a fault that says *access denied* counts for every rule that explains why access was denied."
    )
    yield ""
    yield "| capture | our rule | marks a packet of ours | names the cause | its messages |"
    yield "| --- | --- | --- | --- | --- |"
    for one in found:
        messages = "; ".join(message.replace("|", "\\|") for message in one.messages[:3]) or "none"
        more = f"; {len(one.messages) - 3} more" if len(one.messages) > 3 else ""
        marks = "yes" if one.points else "no"
        yield f"| {one.shown.name} | [{one.shown.rule}](rules/{one.shown.rule}.md) | {marks} | {'yes' if one.names else 'no'} | {messages}{more} |"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{chr(10).join(lines())}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
