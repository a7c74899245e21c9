"""Domain names as labels, with pointers to what stands before. RFC 1035 4.1.4"""

from rpcdiag.dissect.reader import Reader
from rpcdiag.errors import Malformed

MAX_LABELS = 127
MAX_NAME = 255
MAX_POINTERS = 32  # one is what senders write


def decode_name(reader: Reader, field: str) -> str:
    """The name at the reader's place, without the last dot; the root is empty.

    A pointer counts from the first byte of the reader's data, and must point before the labels that it ends.

    Raises:
        DecodeError: as everywhere.
    """
    labels: list[str] = []
    after, start, size, pointers = -1, reader.offset, 0, 0
    while length := reader.u8(field):
        at = reader.offset - 1
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | reader.u8(field)
            pointers += 1
            if target >= start or pointers > MAX_POINTERS:
                raise Malformed(field, at, f"pointer {pointers} to {target}, which is not before")
            if after < 0:
                after = reader.offset
            reader.offset = start = target
            continue
        if length > 0x3F:
            raise Malformed(field, at, f"a label of kind {length >> 6}")
        size += length + 1
        if size > MAX_NAME or len(labels) >= MAX_LABELS:
            raise Malformed(field, at, "longer than a name can be")
        labels.append(_label(reader.take(length, field)))
    if after >= 0:
        reader.offset = after
    return ".".join(labels)


def _label(raw: bytes) -> str:
    """Windows writes UTF-8; a dot inside a label, and bytes that are no text, are shown as what they are."""
    return raw.decode("utf-8", "backslashreplace").replace(".", "\\.")
