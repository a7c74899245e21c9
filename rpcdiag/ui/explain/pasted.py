"""What a pasted text holds: codes in any form, symbols, sentences, events, extended errors, rows of a log.

Never guesses: a small number counts only where a word beside it says that it is an error, or where it is all there is.
"""

import re
from typing import TYPE_CHECKING, NamedTuple

from rpcdiag.dissect import status
from rpcdiag.ui.explain import events, loglines, phrases
from rpcdiag.ui.explain.causes import BY_CODE

if TYPE_CHECKING:  # loaded only where the text has some
    from rpcdiag.ui.explain import records

MAX_TEXT = 256 * 1024
MAX_PROSE = 64 * 1024  # beyond that only rows of a log are read
MAX_CODES = 8
MAX_SYMBOLS = 24
_RECORD = re.compile(r"error record \d|generating\s?component|detection\s?location", re.I)
_UNSPECIFIC = frozenset({0x80004005, 0x8000FFFF, 0x80041001})  # say nothing but that something failed
_SPECIAL = ("kerberos", "bind_nak_reason", "bind_ack_reason", "bind_ack_result", "eeinfo_location")

_ODD = {
    **dict.fromkeys(
        map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), " "
    ),
    **dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\x00"), None),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u2032\u00b4`"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u2028\u2029\x0b\x0c\r"), "\n"),
}
_SUFFIX = re.compile(r"\b(0x[0-9a-f]{1,8})U?L{1,2}\b", re.I)
_H_FORM = re.compile(r"(?<![\w.])([0-9a-f]{8})h\b", re.I)
_BROKEN_HEX = re.compile(r"\b(0x[0-9a-f]{1,7})[ \t]*\n[ \t>|]*([0-9a-f]{1,7})\b(?![-:.])", re.I)
_BROKEN_DECIMAL = re.compile(r"(?<![\w.])(-?\d{2,9})[ \t]*\n[ \t>|]*(\d{1,8})(?![\w.:-])")
_THOUSANDS = re.compile(r"(?<![\w.,'])-?\d{1,3}(?:([.,' ])\d{3})(?:\1\d{3}){0,2}(?![\w]|[.,']\d)")
_CONTEXT = re.compile(
    r"(?:error|errors|code|status|fehler|fehlercode|erreur|hresult|hr|result|resultat|rc|ret|return|returned|returns|win32|"
    r"exit|failed|failure|err|errno|ntstatus|wsaerror|exception|reason|fault|krb|kerberos|kdc|rueckgabewert)\b"
    r"['\"]?[^\w\n]{0,6}(?:(?:is|was|of|with|no|nr|number|code|value|nummer|error)\b[^\w\n]{0,4}){0,2}$",
    re.I,
)
_SAID = re.compile(
    r"\b(?:what is|what's|mean(?:s|ing of)?|explain|got|gets?|gives?|gave|says?|said|shows?|reads?|see|seeing|throws?|"
    r"reports?|mit|avec|con)\W{1,3}$",
    re.I,
)
# where the text has other words and none of these, a number of four or five digits may count anything
_TROUBLE = re.compile(
    r"rpc|dcom|wmi|win32|hresult|error|fehler|erreur|erro\b|errore|błąd|błęd|\bfout|ошибк|错误|錯誤|エラー|오류|err(?:no)?\b|fail|fault|exception|unavail|"
    r"endpoint|cannot|can't|couldn't|could not|unable|denied|refused|time[d-]? ?-?out|replicat|repl\b|certutil|dcdiag|"
    r"repadmin|socket|winsock|status|\bcode\b|result|unreachable",
    re.I,
)
_UNIT = re.compile(
    r"\s*(?:people|persons|users?|files?|rows?|e?mails|messages|hours?|minutes?|days?|years?|times|bytes?|ms|msec|seconds?|sec|s|kb|mb|packets?|times|lines?|port)\b",
    re.I,
)
_NOT_AN_ERROR = re.compile(
    r"\b(?:pid|process\s?id|thread\s?id|tid|ports?|line|lines)\b\W{0,8}(?:0x)?[0-9a-f]{1,8}\b"
    r"|\b(?:room|raum|zimmer|salle|sala|building|suite|floor|office|desk|rack|slot|ext(?:ension)?|phone|tel|fax|ticket|case|"
    r"incident|change|order|invoice|asset|page|chapter|section|kb|article|vlan|year|since|version|build|badge|street|"
    r"house|box)\b\W{0,3}(?:(?:no|nr|number|id)\b\W{0,3})?[A-Z]{0,3}-?\d{3,5}\b"
    r"|\bS-1-\d{1,15}(?:-\d{1,10}){1,15}\b|\bhttps?://\S{1,2000}",
    re.I,
)
_SYMBOL = re.compile(r"(?<![\w\\/.-])[A-Za-z][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){1,12}(?![\w\\/])")
_BIND_NAK = re.compile(r"\bbind_?\s?nak\b\D{0,24}?(\d{1,2})\b|\b(?:provider_)?reject_reason\D{0,4}(\d{1,2})\b", re.I)
_UUID = re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.I)
_KERBEROS = re.compile(r"krb|kerberos|kdc|\b47(?:68|69|71)\b", re.I)


class Code(NamedTuple):
    """A code, the family it belongs to where only one fits, and how the text wrote it."""

    number: int
    family: str | None
    written: str

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for two forms of one error."""
        return (self.number, self.family) if self.family else tuple(sorted(status.relatives(self.number)))


class Paste(NamedTuple):
    """All that is recognised in a text."""

    codes: tuple[Code, ...]
    events: tuple[events.Event, ...]
    programs: tuple[tuple[str, tuple[int, ...]], ...]
    fields: dict[str, str]
    chain: "records.Chain | None"
    log: loglines.Pasted | None
    names: tuple[tuple[str, str], ...]  # UUIDs and what they are

    @property
    def known(self) -> bool:
        return bool(self.codes or self.events or self.programs or self.chain or self.log)


def read(text: str) -> Paste:
    """What is known in a text, in its order; never raises."""
    plain = _plain(text)
    log = loglines.read(plain)
    text = _whole_numbers(plain)
    chain = _chain(text)
    rest = text
    if log:
        rest = "\n".join(line for line in rest.split("\n") if not loglines.looks_like_a_row(line))
    rest = rest[:MAX_PROSE]
    placed: list[tuple[int, Code]] = []
    if chain:
        rest, placed = _before(rest, chain)
    folded = phrases.folded(text)
    rest, found = _events(rest, folded)
    placed += _numbers(rest)
    placed += _symbols(rest)
    if all(code.number in _UNSPECIFIC for _, code in placed):  # else the sentence says the same as the number
        placed += [(place, Code(code, None, f"'{phrase}'")) for place, phrase, code in phrases.said(rest)]
    placed += _of_log(log)
    placed.sort(key=lambda one: one[0])
    return Paste(
        codes=tuple(_once([code for _, code in placed]))[:MAX_CODES],
        events=tuple(dict.fromkeys(found)),
        programs=tuple(events.programs(folded)),
        fields=events.fields(text),
        chain=chain,
        log=log,
        names=_names(text),
    )


def _once(codes: list[Code]) -> list[Code]:
    """Each error once: whatever its form, and where two families call it by one name (ept_s_not_registered)."""
    once: dict[tuple[object, ...], Code] = {}
    for code in codes:
        once.setdefault(code.same, code)
    named: dict[object, Code] = {}
    for code in once.values():
        name = status.status_name(code.number, code.family)
        named.setdefault(name.lower() if name else code.same, code)
    return list(named.values())


def _before(text: str, chain: "records.Chain") -> tuple[str, list[tuple[int, Code]]]:
    """What stands before the records, and the statuses of these."""
    begins = _RECORD.search(text)
    start = begins.start() if begins else 0
    statuses = dict.fromkeys(one.status for one in chain.records if one.status)
    return text[:start], [(start + n, Code(code, None, f"status {code}")) for n, code in enumerate(statuses)]


def _events(text: str, folded: str) -> tuple[str, list[events.Event]]:
    """The events of a text, and the text without their numbers."""
    named = events.numbers(text)
    found = [event for _, _, number in named if (event := events.of(number))] + events.by_words(folded)
    alone = text.strip(" \n#.:;()[]{}\"'")
    if not found and alone.isdecimal() and len(alone) < 6 and (event := events.of(int(alone))):
        return "", [event]
    for begin, end, _ in named:
        text = text[:begin] + " " * (end - begin) + text[end:]
    return text, found


def _chain(text: str) -> "records.Chain | None":
    if _RECORD.search(text) is None:
        return None
    from rpcdiag.ui.explain import records

    return records.read(text)


def _plain(text: str) -> str:
    """The text without what copying adds: odd blanks, marks and quotes."""
    return text[:MAX_TEXT].replace("\r\n", "\n").translate(_ODD)


def _whole_numbers(text: str) -> str:
    """The text with its numbers in one piece: without broken lines, separators and suffixes in them."""
    text, rest = text[:MAX_PROSE], text[MAX_PROSE:]
    text = _SUFFIX.sub(r"\1", text)
    text = _H_FORM.sub(r"0x\1", text)
    text = _BROKEN_HEX.sub(lambda found: found[1] + found[2] if len(found[1] + found[2]) == 10 else found[0], text)
    text = _BROKEN_DECIMAL.sub(_joined, text)
    return _THOUSANDS.sub(_without_separators, text) + rest


def _joined(found: re.Match[str]) -> str:
    """`-21470` and `23174` on the next line."""
    whole = found[1] + found[2]
    number = int(whole)
    return whole if abs(number) >= 1 << 30 and number < 1 << 32 and _known(number & 0xFFFFFFFF) else found[0]


def _without_separators(found: re.Match[str]) -> str:
    """`2,147,944,122` as one number, where that is a known code and no address."""
    whole = re.sub(r"[.,' ]", "", found[0])
    parts = re.split(r"[.,' ]", found[0].lstrip("-"))
    if found[1] == "." and len(parts) == 4 and all(int(part) < 256 and not _padded(part) for part in parts):
        return found[0]
    number = int(whole)
    big = len(parts) > 2 or found[1] in ".,'"
    return whole if big and -(1 << 31) <= number < 1 << 32 and _known(number & 0xFFFFFFFF) else found[0]


def _padded(part: str) -> bool:
    return len(part) > 1 and part.startswith("0")


def _known(code: int) -> bool:
    return any(one in BY_CODE or status.status_name(one) is not None for one in status.relatives(code))


def _numbers(text: str) -> list[tuple[int, Code]]:
    """Codes among the numbers: those that cannot be anything else; the doubtful ones only if they are alone."""
    text = _NOT_AN_ERROR.sub(lambda found: " " * len(found[0]), text)
    kerberos = _KERBEROS.search(text) is not None
    found: list[tuple[int, Code]] = []
    text, naks = _bind_naks(text)
    found += naks
    whole = text.strip(" \n\t.,:;!?()[]{}<>\"'=#")
    for number in status.numbers(text):
        alone = number.written == whole
        before = text[max(0, number.start - 40) : number.start]
        told = alone or _CONTEXT.search(before) is not None
        if kerberos and told and 0 < number.code < 0x60 and status.status_name(number.code, "kerberos"):
            found.append((number.start, Code(number.code, "kerberos", number.written)))
        elif _known(number.code):
            if told or _unmistakable(number, text):
                found.append((number.start, Code(number.code, None, number.written)))
        elif alone:
            special = [row for row in status.rows(number.code) if row.family in _SPECIAL]
            found += [(number.start, Code(number.code, row.family, number.written)) for row in special[:1]]
    return found


def _unmistakable(number: status.Number, text: str) -> bool:
    """Whether a number is a code even where no word right beside it says so."""
    if number.code == 0 or _UNIT.match(text, number.start + len(number.written)):
        return False
    if number.code > 0xFFFF or ("x" in number.written.lower() and number.code > 0xFF):
        return True
    if not (1700 <= number.code < 1930 or 10048 <= number.code < 11005):
        return False
    return (
        not any(map(str.isalpha, text))
        or _TROUBLE.search(text) is not None
        or _SAID.search(text, max(0, number.start - 12), number.start) is not None
    )


def _bind_naks(text: str) -> tuple[str, list[tuple[int, Code]]]:
    """The reasons of refused binds, and the text without them."""
    found = []
    for one in _BIND_NAK.finditer(text):
        written = one[1] or one[2]
        if status.status_name(int(written), "bind_nak_reason"):
            found.append((one.start(), Code(int(written), "bind_nak_reason", one[0])))
            text = text[: one.start()] + " " * len(one[0]) + text[one.end() :]
    return text, found


def _symbols(text: str) -> list[tuple[int, Code]]:
    """Codes by name: exact, or as Samba and others write them."""
    words = [(one.start(), one[0]) for one in _SYMBOL.finditer(text)][:MAX_SYMBOLS]
    if not words and len(text.split()) == 1:
        words = [(0, text.strip(" \n.,:;()[]\"'"))]
    found = []
    for place, word in words:
        row = next((rows[0] for name in _spellings(word.upper()) if (rows := status.by_symbol(name))), None)
        if row is not None and row.code:
            found.append((place, Code(row.code, row.family if row.family in _SPECIAL else None, word)))
    return found


def _spellings(word: str) -> list[str]:
    """`STATUS_X`, `RPC_NT_X` of Samba's `NT_STATUS_X`; `ERROR_X`, `RPC_S_X` of its `WERR_X`.

    And what is meant by Wireshark's `nca_x`, Samba's `DCERPC_FAULT_X`, and by MIT's `KRB5KDC_X` and `KRB5KRB_X`.
    """
    if word.startswith("NT_STATUS_"):
        bare = word.removeprefix("NT_STATUS_")
        return [f"STATUS_{bare}", bare, bare.replace("RPC_", "RPC_NT_", 1), bare.replace("EPT_", "EPT_NT_", 1)]
    if word.startswith("WERR_"):
        bare = word.removeprefix("WERR_")
        return [f"ERROR_{bare}", bare, bare.replace("RPC_", "RPC_S_", 1)]
    if word.startswith(("STATUS_RPC_", "STATUS_EPT_")):
        return [word, word.removeprefix("STATUS_").replace("_", "_NT_", 1)]
    if word.startswith("KRB5"):  # as MIT writes them: KRB5KDC_ERR_X, KRB5KRB_AP_ERR_X
        return [word.removeprefix("KRB5KRB_"), word.removeprefix("KRB5"), f"KRB_{word.removeprefix('KRB5KRB_')}"]
    if word.startswith("DCERPC_"):  # Samba's dcerpc.idl: DCERPC_FAULT_UNK_IF, later DCERPC_NCA_S_UNKNOWN_IF
        bare = word.removeprefix("DCERPC_")
        return [bare, bare.replace("FAULT_", "NCA_S_", 1), bare.replace("FAULT_", "NCA_S_FAULT_", 1)]
    if word.startswith("NCA_"):
        return [word, word.replace("NCA_", "NCA_S_", 1)]
    return [word]


def _of_log(log: loglines.Pasted | None) -> list[tuple[int, Code]]:
    """Result codes of the decisive rows, and what the client then reads."""
    found = []
    for line in log.lines if log else ():
        code = line.entry.code
        if code and _known(code):
            found.append((MAX_TEXT, Code(code, None, f"line {line.entry.line}")))
        elif line.entry.drops and line.rules and "non-syn-dropped" not in line.rules:
            found.append((MAX_TEXT, Code(1722, None, f"what the client reads after line {line.entry.line}")))
    return found


def _names(text: str) -> tuple[tuple[str, str], ...]:
    uuids = list(dict.fromkeys(one[0].lower() for one in _UUID.finditer(text)))[:8]
    if not uuids:
        return ()
    from rpcdiag.dissect.tables.interfaces import CLASSES, NAMES

    return tuple((uuid, name) for uuid in uuids if (name := CLASSES.get(uuid) or NAMES.get(uuid)))
