"""A file that contradicts itself."""


class Damaged(Exception):
    """At byte `offset` of the block."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(offset, why)
        self.offset = offset
        self.why = why
