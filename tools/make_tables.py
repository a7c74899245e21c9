"""tables/*.tsv to the Python modules under rpcdiag/dissect/tables, which load in less than a millisecond.

    python tools/make_tables.py [--check]

With --check nothing is written; the exit code says whether the modules are up to date. Names, which every report
needs, are kept apart from descriptions, which few do.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tables"
TARGET = ROOT / "rpcdiag" / "dissect" / "tables"
UNNAMED = "(unnamed)"
KINDS = frozenset({"rpc", "com", "clsid", "syntax"})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NIL = "00000000-0000-0000-0000-000000000000"
PROTSEQS = {"ncacn_ip_tcp": "tcp", "ncacn_http": "http", "ncadg_ip_udp": "udp", "ncalrpc": "local"}

Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (SOURCE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def without_remarks(text: str) -> str:
    return re.sub(r"\s*\([^()]*\)", "", text).strip()


def short(name: str) -> str:
    """`IRemoteSCMActivator` of `IRemoteSCMActivator (ISystemActivator)`; `DPMRA` of `CLSID DPMRA (agent)`."""
    return without_remarks(name.removeprefix("CLSID ").partition(" / ")[0].partition(" transfer syntax")[0])


def transports(row: Row) -> str:
    r"""`tcp dynamic, \pipe\svcctl`; nothing where the sources say nothing, or where it is the way of all of COM."""
    if row["kind"] != "rpc" or row["transports"].startswith("unspecified"):
        return ""
    found = []
    for part in re.split(r"[;,] *(?=nca|\\pipe)", without_remarks(row["transports"])):
        protseq, _, place = part.partition(" ")
        if protseq == "ncacn_np":
            found += [pipe.strip() for pipe in place.split(",")]
        else:
            found.append(f"{PROTSEQS[protseq]} {place}".strip() if protseq in PROTSEQS else part)
    return ", ".join(found)


def operations(text: str) -> dict[int, str]:
    """`3 Advise (carries ...); 4 Unadvise`. What is no single number names no operation."""
    pairs = (item.split()[:2] for item in text.split(";") if item.strip())
    return {int(number): name for number, name in pairs if number.isdigit()}


def interfaces() -> Iterator[tuple[str, str]]:
    table = rows("interfaces.tsv")
    seen: set[str] = set()
    for row in table:
        uuid = row["uuid"]
        if not UUID.fullmatch(uuid) or row["kind"] not in KINDS or uuid in seen or uuid == NIL:
            sys.exit(f"interfaces.tsv: {uuid}: a malformed or repeated UUID, the nil UUID, or an unknown kind")
        seen.add(uuid)
    named = sorted((row for row in table if row["name"] != UNNAMED), key=lambda row: row["uuid"])
    names = {row["uuid"]: short(row["name"]) for row in named if row["kind"] in ("rpc", "com")}
    classes = {row["uuid"]: short(row["name"]) for row in named if row["kind"] == "clsid"}
    syntaxes = {row["uuid"]: short(row["name"]) for row in named if row["kind"] == "syntax"}
    yield (
        "interfaces.py",
        module(
            "Interfaces, classes and syntaxes: UUID to short name.",
            "interfaces.tsv",
            literal("NAMES: dict[str, str]", names),
            literal("CLASSES: dict[str, str]", classes),
            literal("SYNTAXES: dict[str, str]", syntaxes),
        ),
    )
    details = {
        row["uuid"]: (row["version"], row["kind"], "" if row["process_service"] == "-" else row["process_service"],
                      transports(row))
        for row in named
    }  # fmt: skip
    yield (
        "details.py",
        module(
            "UUID to version, kind, process and transports.",
            "interfaces.tsv",
            literal("DETAILS: dict[str, tuple[str, str, str, str]]", details),
        ),
    )
    programs = {
        row["uuid"]: row["process_service"]
        for row in sorted(table, key=lambda row: row["uuid"])
        if row["name"] == UNNAMED and row["process_service"] not in ("", "-")
    }
    yield (
        "programs.py",
        module(
            "UUID of interfaces without a published name to the program that serves them.",
            "interfaces.tsv",
            literal("PROGRAMS: dict[str, str]", programs),
        ),
    )
    listed = {row["uuid"]: operations(row["opnums"]) for row in named}
    for row in rows("operations.tsv"):
        listed.setdefault(row["uuid"], {}).setdefault(int(row["opnum"]), row["name"])
    known = {uuid: dict(sorted(listed[uuid].items())) for uuid in sorted(listed) if listed[uuid]}
    yield (
        "operations.py",
        module(
            "UUID to opnum to name.",
            "interfaces.tsv and operations.tsv",
            literal("OPERATIONS: dict[str, dict[int, str]]", known),
        ),
    )


def symbol(text: str) -> str:
    """`X` of `HRESULT_FROM_WIN32(X)`, and of `X (ALSO_CALLED)`."""
    wrapped = re.fullmatch(r"HRESULT_FROM_WIN32\((\w+)\)", text)
    return wrapped.group(1) if wrapped else without_remarks(text)


def icmp(row: Row) -> tuple[int, int, int]:
    """`3/13` and `v6 1/4` to IP version, type and code."""
    found = re.fullmatch(r"(v6 )?(\d+)/(\d+)", row["hex"])
    if not found:
        sys.exit(f"status_codes.tsv: {row['hex']}: no ICMP type and code")
    return 6 if found[1] else 4, int(found[2]), int(found[3])


def status() -> Iterator[tuple[str, str]]:
    symbols: dict[str, dict[int, str]] = {}
    texts: dict[str, dict[int, tuple[str, str, str]]] = {}
    icmps: dict[tuple[int, int, int], str] = {}
    for row in rows("status_codes.tsv"):
        family = row["family"]
        if family == "icmp":
            icmps[icmp(row)] = row["symbol"]
            continue
        code = int(row["hex"], 16 if row["hex"].startswith("0x") else 10)
        if code in symbols.setdefault(family, {}):
            sys.exit(f"status_codes.tsv: {row['hex']} twice in {family}")
        symbols[family][code] = symbol(row["symbol"])
        texts.setdefault(family, {})[code] = (row["meaning"], row["seen_in"], row["client_error"].strip("-"))
    yield (
        "status.py",
        module(
            "Family to code to symbol.",
            "status_codes.tsv",
            literal("SYMBOLS: dict[str, dict[int, str]]", symbols),
            "# (IP version, type, code)\n" + literal("ICMP: dict[tuple[int, int, int], str]", icmps),
        ),
    )
    yield (
        "meanings.py",
        module(
            "Family to code to what it means, where it is seen, and what the client then reports.",
            "status_codes.tsv",
            literal("MEANINGS: dict[str, dict[int, tuple[str, str, str]]]", texts),
        ),
    )


def literal(head: str, table: Mapping[object, object]) -> str:
    return f"{head} = {{\n{''.join(_lines(table, 1))}}}\n"


def _lines(table: Mapping[object, object], depth: int) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict) and depth == 1:
            yield f"    {key!r}: {{\n{''.join(_lines(value, 2))}    }},\n"
        else:
            yield f"{'    ' * depth}{key!r}: {value!r},\n"


def module(says: str, source: str, *parts: str) -> str:
    return f'"""{says} Made by tools/make_tables.py out of tables/{source}."""\n\n' + "\n".join(parts)


def made() -> Iterable[tuple[str, str]]:
    """File names and contents."""
    yield from interfaces()
    yield from status()


def main() -> int:
    check = "--check" in sys.argv
    stale = []
    for name, text in made():
        path = TARGET / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("out of date: " if check else "written: ") + ", ".join(stale))
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
