"""Envelopes of syslog, and the times in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.logs import moments, syslog

SAID = "%ASA-6-302013: Built"
IN_2026 = 1_795_229_088  # 21 November 2026, 02:44:48


@pytest.mark.parametrize(
    ("envelope", "seconds", "basis", "device"),
    [
        ("", None, "local", None),
        ("<166>", None, "local", None),
        ("<166>Nov 21 2026 02:44:48 fw1 : ", IN_2026, "local", "fw1"),
        ("Nov 21 2026 02:44:48: ", IN_2026, "local", None),
        ("Nov 21 02:44:48 fw1 ", None, "no_year", "fw1"),
        ("<166>:Nov 21 2026 02:44:48 UTC: ", IN_2026, "utc", None),
        ("<166>:Nov 21 2026 02:44:48 CET: ", IN_2026, "local", None),
        ("2026-11-21T02:44:48Z fw1.example.com ", IN_2026, "utc", "fw1.example.com"),
        ("2026-11-21T03:44:48.000+01:00 2001:db8::1 ", IN_2026, "offset", "2001:db8::1"),
        ("2026-11-21 02:44:48,000 fw1 ", IN_2026, "local", "fw1"),
        ("<134>1 2026-11-21T02:44:48.000000Z fw1 ", IN_2026, "utc", "fw1"),
        ("<134>1 2026-11-21T02:44:48Z - ", IN_2026, "utc", None),
        ("117 <134>1 2026-11-21T02:44:48Z fw1 ", IN_2026, "utc", "fw1"),
        ("Nov 21 10:00:00 relay Nov 21 2026 02:44:48 fw1 ", IN_2026, "local", "fw1"),
        ("<13>Nov 21 10:00:00 relay <166>Nov 21 2026 02:44:48: ", IN_2026, "local", "relay"),
        ("<13>1 2026-11-21T10:00:00Z relay app 12 - - <166>Nov 21 2026 02:44:48 fw1 ", IN_2026, "local", "fw1"),
        ("<13>1 2026-11-21T10:00:00Z relay app 12 id [a@1 b=\"c\"] <166>Nov 21 2026 02:44:48 fw1 ", IN_2026, "local", "fw1"),
        ("2026-11-21 02:44:48\tLocal4.Info\t192.0.2.9\t", IN_2026, "local", "192.0.2.9"),
        ("2026-11-21 10:00:00\tLocal4.Info\trelay\tNov 21 2026 02:44:48 fw1 : ", IN_2026, "local", "fw1"),
    ],
)  # fmt: skip
def test_the_innermost_envelope_counts(envelope: str, seconds: int | None, basis: str, device: str | None) -> None:
    found = syslog.opened(envelope + SAID)
    assert (found.basis, found.device) == (basis, device)
    assert (envelope + SAID)[found.end :].lstrip() == SAID
    if seconds is not None:
        assert found.ns == seconds * 10**9


def test_what_only_looks_like_a_time_is_an_error() -> None:
    for text in ("Feb 31 2026 02:44:48 fw1 x", "Nov 21 02:99:48 fw1 x", "2026-13-01T00:00:00Z fw1 x"):
        with pytest.raises(ValueError, match=r"time|day|month"):
            syslog.opened(text)


def test_a_tag_is_no_host() -> None:
    text = "Nov  8 12:37:34 filterlog: 5,,,"
    found = syslog.opened(text)
    assert (found.device, text[found.end :]) == (None, "filterlog: 5,,,")


def test_envelopes_without_end_are_bounded() -> None:
    found = syslog.opened("Nov 21 10:00:00 relay " * 2000)
    assert found.end < 200


@given(st.text(max_size=60), st.sampled_from(["<1>", "<166>1 ", "Nov 21 ", "2026-11-21T", "Nov 21 02:44:48 ", ""]))
def test_any_text_has_an_envelope_or_a_time_that_is_none(text: str, before: str) -> None:
    try:
        found = syslog.opened(before + text)
    except ValueError:
        return
    assert 0 <= found.end <= len(before + text)


@pytest.mark.parametrize(
    ("text", "ns", "resolution", "basis"),
    [
        ("1771685126", 1_771_685_126 * 10**9, 10**9, "utc"),
        ("1771685126.25", 1_771_685_126_250_000_000, 10**7, "utc"),
        ("1771685126000", 1_771_685_126 * 10**9, 10**6, "utc"),
        ("1771685126000001", 1_771_685_126_000_001_000, 1000, "utc"),
        ("1771685126000000001", 1_771_685_126_000_000_001, 1, "utc"),
        ("2026-02-21T14:45:26.5Z", 1_771_685_126_500_000_000, 10**8, "utc"),
        ("2026-02-21 15:45:26 +0100", 1_771_685_126 * 10**9, 10**9, "offset"),
        ("2026/02/21 14:45", 1_771_685_100 * 10**9, 60 * 10**9, "local"),
        ("Feb 21 2026 14:45:26 GMT", 1_771_685_126 * 10**9, 10**9, "utc"),
        ("Feb 21 2026 14:45:26.123", 1_771_685_126_123_000_000, 10**6, "local"),
        ("21 Feb 2026 14:45:26", 1_771_685_126 * 10**9, 10**9, "local"),
        ("21/Feb/2026:15:45:26 +0100", 1_771_685_126 * 10**9, 10**9, "offset"),
    ],
)
def test_times_of_every_kind(text: str, ns: int, resolution: int, basis: str) -> None:
    assert moments.any_of(text) == (ns, resolution, basis)


@pytest.mark.parametrize(
    "text", ["", "-", "yesterday", "9" * 25, "2026-02-30 00:00:00", "21 Foo 2026 14:45:26", "²", "1.2.3"]
)
def test_what_is_no_time_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moments.any_of(text)
