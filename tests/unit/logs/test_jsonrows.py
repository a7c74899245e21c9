"""Objects of JSON out of lines and pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.logs import jsonrows
from rpcdiag.logs.entry import BadLine
from rpcdiag.logs.jsonrows import objects

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
OBJECTS = st.dictionaries(st.text(max_size=5), st.lists(LEAVES, max_size=3) | LEAVES, max_size=4)


@given(st.lists(OBJECTS, max_size=6), st.integers(1, 40), st.booleans(), st.sampled_from([None, 1]))
def test_objects_are_the_same_however_they_are_laid_out(
    records: list[dict[str, object]], size: int, in_document: bool, indent: int | None
) -> None:
    whole = json.dumps({"records": records} if in_document else records, indent=indent)
    if indent is None:
        filled = whole.replace(", ", "," + " " * jsonrows.PIECE)  # so that pieces are as long as those of the reader
        lines = [filled[at : at + jsonrows.PIECE * size] for at in range(0, len(filled), jsonrows.PIECE * size)]
    else:
        lines = [line + "\n" for line in whole.split("\n")]
    found = list(objects(lines))
    if "\\" not in whole and ", " not in "".join(map(repr, records)).replace("', '", ""):
        assert [one for _, one in found] == records
    else:
        assert all(not isinstance(one, BadLine) for _, one in found)


def test_a_broken_line_is_told_and_costs_at_most_itself() -> None:
    found = list(objects(['{"a":1}\n', '{"b":\n', '{"c":1}\n', "x\n", '{"d":"\n', '{"e":1}']))
    assert [(line, "bad" if isinstance(one, BadLine) else one) for line, one in found] == [
        (1, {"a": 1}), (2, "bad"), (3, {"c": 1}), (4, "bad"), (5, "bad"), (6, {"e": 1}),
    ]  # fmt: skip


def test_an_object_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonrows, "MAX_OBJECT", 10_000)
    held = 0
    bad = 0
    for _, one in objects(['{"a":[\n', *["1,\n"] * 50_000]):
        assert isinstance(one, BadLine)
        bad += 1
        held = max(held, len(one.why))
    assert bad > 1
    assert held < 200


def test_brackets_without_end_are_no_recursion_error() -> None:
    assert all(isinstance(one, BadLine) for _, one in objects(['{"a":' + "[" * 100_000]))


@given(st.lists(st.text(alphabet='{}[]",:1a\\ \n', max_size=30), max_size=8))
def test_any_text_is_objects_or_bad_lines(lines: list[str]) -> None:
    for line, one in objects(lines):
        assert 1 <= line <= "\n".join(lines).count("\n") + 1
        assert isinstance(one, (dict, BadLine))


def test_a_line_that_is_too_long_is_one_line() -> None:
    long = "x" * (3 * jsonrows.MAX_LINE + 7)
    text = f"a\n{long}\nb\n"
    cut = [text[at : at + jsonrows.PIECE] for at in range(0, len(text), jsonrows.PIECE)]
    assert list(jsonrows.lines(cut)) == ["a", "x" * jsonrows.MAX_LINE, "b"]
