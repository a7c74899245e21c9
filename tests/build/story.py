"""A story: files made by its script, and what must be said of them, known to whoever made it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

START = 1_300_000_000_000_000_000  # 2011-03-13 07:06:40 UTC, for all stories


class Story(NamedTuple):
    """`files` by name; `must` is what the report has to hold, derived from how the capture was made."""

    files: dict[str, bytes]
    must: dict[str, Any]


def one_error(
    rule: str, client: str, server: str, packets: Sequence[int], *, confidence: str | None = "established",
    there: bool = False, back: bool = False, notes: Sequence[str] = (), **more: object,
) -> dict[str, Any]:  # fmt: skip
    """What the report of one failure has to hold: `rule` and no other speaks of an error, and proves it by `packets`.

    `there` and `back`: which way the connection that fails goes; `more`: what else is known of the finding.
    """
    said: dict[str, object] = {"severity": "error"}
    if confidence:
        said["confidence"] = confidence
    said |= {"client": client, "server": server}
    if there or back:
        said["direction"] = "server-to-client" if back else "client-to-server"
    said |= {"packets": packets, **more}
    return {
        "exit": 1,
        "only_errors": [rule],
        "rules": {rule: said, **{note: {"severity": "note"} for note in notes}},
    }


def dropped_in_lab(client: str, server: str, packets: Sequence[int], *, notes: Sequence[str]) -> dict[str, Any]:
    """The lab's firewall drops the four SYNs to a dynamic port, and says so."""
    return one_error(
        "dynamic-port-blocked", client, server, packets, confidence="proven", there=True, notes=notes,
        lines=[2, 3, 4, 5], says="the firewall log shows the drop",
    )  # fmt: skip


def referral(kind: str, request: int, response: int, ports: Sequence[int], status: int = 0) -> dict[str, Any]:
    """What a server says of where to go on."""
    return {
        "kind": kind, "request_packet": request, "response_packet": response, "status": f"{status:#010x}",
        "ports": ports,
    }  # fmt: skip


def recorded(script: str, *names: str) -> dict[str, bytes]:
    """Files beside the script that no script can make again."""
    folder = Path(script).resolve().parent
    return {name: (folder / name).read_bytes() for name in names}


def save(story: Story, script: str) -> None:
    """Write the files beside the script."""
    folder = Path(script).resolve().parent
    for name, data in story.files.items():
        (folder / name).write_bytes(data)
    (folder / "must.json").write_text(json.dumps(story.must, indent=1) + "\n", encoding="utf-8")
