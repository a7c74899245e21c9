"""tables/*.tsv to the Python modules under rpcdiag/dissect/tables, which load in a millisecond.

    python tools/make_tables.py [--check]

With --check nothing is written; the exit code says whether the modules are up to date.
"""

import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tables"
TARGET = ROOT / "rpcdiag" / "dissect" / "tables"
UNNAMED = "(unnamed)"


def rows(name: str) -> list[dict[str, str]]:
    with (SOURCE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def short(name: str) -> str:
    """The name without the explanation in brackets behind it."""
    text = name.removeprefix("CLSID ").partition(" (")[0].strip()
    return text.partition(" / ")[0]


def interfaces() -> dict[str, str]:
    named: dict[str, tuple[str, str, str, str]] = {}
    operations: dict[str, str] = {}
    for row in rows("interfaces.tsv"):
        uuid, name = row["uuid"].lower(), row["name"]
        if name == UNNAMED:
            continue
        if row["opnums"]:
            operations.setdefault(uuid, row["opnums"])
        named.setdefault(uuid, (row["version"], short(name), row["kind"], row["process_service"]))
    head = '"""{} Made by tools/make_tables.py out of tables/interfaces.tsv."""\n\n'
    names = [f"    {uuid!r}: {entry!r},\n" for uuid, entry in sorted(named.items())]
    listed = [f"    {uuid!r}: {text!r},\n" for uuid, text in sorted(operations.items())]
    return {
        "interfaces.py": head.format("UUID: version, name, kind, process.")
        + "NAMES: dict[str, tuple[str, str, str, str]] = {\n"
        + "".join(names)
        + "}\n",
        "operations.py": head.format("UUID: `number name; number name; ...`.")
        + "OPERATIONS: dict[str, str] = {\n"
        + "".join(listed)
        + "}\n",
    }


def status() -> dict[str, str]:
    lines = []
    for row in rows("status_codes.tsv"):
        if row["family"] == "icmp":
            key = row["hex"]
        else:
            key = int(row["hex"], 16 if row["hex"].lower().startswith("0x") else 10)
        entry = (key, row["symbol"], row["family"], row["meaning"], row["seen_in"], row["client_error"].strip("-"))
        lines.append(f"    {entry!r},\n")
    return {
        "status.py": '"""code, symbol, family, meaning, where it is seen, what the client then reports. '
        'Made by tools/make_tables.py out of tables/status_codes.tsv."""\n\n'
        "CODES: tuple[tuple[int | str, str, str, str, str, str], ...] = (\n" + "".join(lines) + ")\n"
    }


def main() -> int:
    stale = []
    for name, text in {**interfaces(), **status()}.items():
        path = TARGET / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("out of date: " if "--check" in sys.argv else "written: ") + ", ".join(stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
