"""Domain names as labels, with pointers to what stands before. RFC 1035 4.1.4"""

from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed

MAX_LABELS = 127
MAX_NAME = 255
MAX_POINTERS = 32  # one is what senders write

Known = dict[int, tuple[list[str], int]]  # by offset: labels, and their bytes


def decode_name(reader: Reader, field: str, known: Known | None = None) -> str:
    """The name at the reader's place, without the last dot; the root is empty.

    A pointer counts from the first byte of the reader's data, and must point before the labels that it ends. `known`
    keeps what pointers of this message led to, so that a long name is read once however often it is pointed at.

    Raises:
        DecodeError: as everywhere.
    """
    known = {} if known is None else known
    labels: list[str] = []
    jumps: list[tuple[int, int, int]] = []  # where to, and what was read before
    after, start, size = -1, reader.offset, 0
    while length := reader.u8(field):
        at = reader.offset - 1
        if length < 0x40:
            size += length + 1
            labels.append(_label(reader.take(length, field)))
        elif length >= 0xC0:
            target = (length & 0x3F) << 8 | reader.u8(field)
            if target >= start or len(jumps) == MAX_POINTERS:
                raise Malformed(field, at, f"pointer {len(jumps) + 1} to {target}, which is not before")
            after = reader.offset if after < 0 else after
            jumps.append((target, len(labels), size))
            reader.offset = start = target
            if target in known:
                labels += known[target][0]
                size += known[target][1]
        else:
            raise Malformed(field, at, f"a label of kind {length >> 6}")
        if size >= MAX_NAME or len(labels) > MAX_LABELS:
            raise Malformed(field, at, "longer than a name can be")
        if jumps and jumps[-1][0] in known:
            break
    for target, count, before in jumps:
        known[target] = labels[count:], size - before
    reader.offset = after if after >= 0 else reader.offset
    return ".".join(labels)


def _label(raw: bytes) -> str:
    """Windows writes UTF-8; a dot inside a label, and bytes that are no text, are shown as what they are."""
    return raw.decode("utf-8", "backslashreplace").replace(".", "\\.")
