"""What two sides of a connection say, before it is packets."""

from collections.abc import Iterable, Iterator
from itertools import cycle, groupby

CLIENT, SERVER = 0, 1

Message = tuple[int, bytes]  # side, bytes


def segments(messages: Iterable[Message], sizes: Iterable[int]) -> Iterator[tuple[int, bytes, int, bool]]:
    """Side, bytes, how many messages end in them, and whether the side falls silent; of these sizes in turn.

    Messages of one side in a row are one run of bytes: a segment may end one and begin the next.
    """
    lengths = cycle(sizes)
    for side, group in groupby(messages, key=lambda message: message[0]):
        run = [data for _, data in group]
        data, at, ended, told = b"".join(run), 0, 0, 0
        while at < len(data):
            piece = data[at : at + next(lengths)]
            at += len(piece)
            before = told
            while told < len(run) and ended + len(run[told]) <= at:
                ended += len(run[told])
                told += 1
            yield side, piece, told - before, at == len(data)
