"""A story: files made by its script, and what must be said of them, known to whoever made it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

START = 1_300_000_000_000_000_000  # 2011-03-13 07:06:40 UTC, for all stories


class Story(NamedTuple):
    """`files` by name; `must` is what the report has to hold, derived from how the capture was made."""

    files: dict[str, bytes]
    must: dict[str, Any]


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
