"""The command: one screen, the whole, data; rules that exist; hostile text; captures beside it."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpcdiag.diagnose.judge import rules
from rpcdiag.dissect import status
from rpcdiag.ui.cli import main
from rpcdiag.ui.explain import capturing, causes, data, events, text
from rpcdiag.ui.explain.answer import answer, behind, rule_ids
from tests.unit.ui.test_explain_forms import EVENTS, FORMS
from tests.unit.ui.test_explain_pasted import DCDIAG, DROPS

PCAPS = Path(__file__).resolve().parents[3] / "pcaps"
SCREEN = 46
# rules that may be named before they are there: an id that is neither is a slip of the pen
PLANNED = frozenset({
    "fragments-lost", "no-packets", "name-not-found", "resolver-silent", "wrong-host", "binding-name-unresolved", "ipv6-first", "alias-without-spn",
    "port-forward-without-dynamic-ports", "other-protocol-only", "port-range-exhausted", "version-not-registered",
    "port-not-learnt", "pinhole-expired", "program-rule-missing", "not-rpc-on-port",
    "outbound-blocked", "pings-blocked", "exporter-restarted", "level-below-hint", "remote-dcom-off",
    "level-too-low", "wrong-spn", "clock-skew", "encryption-type", "kdc-unreachable", "ticket-too-big",
    "ntlm-refused", "provider-unknown", "third-leg-lost", "rpc-filter", "asymmetric-path", "server-reset",
    "server-busy", "call-timed-out", "association-mismatch", "reset-by-middlebox", "netlogon-hardening",
    "printing-hardening", "certificate-hardening",
})  # fmt: skip


def said(capture: pytest.CaptureFixture[bytes]) -> str:
    return capture.readouterr().out.decode()


def shown(pasted: str, *, full: bool = False) -> list[str]:
    return list(text.lines(answer(pasted, full=full), full=full))


# rules


def test_the_rules_are_listed_without_loading_them() -> None:
    assert rule_ids() == sorted(rule.id for rule in rules())


def test_every_rule_that_is_named_exists_or_is_planned() -> None:
    meanings = [*causes.BY_CODE.values(), *causes.BY_SYMBOL.values()]
    named = {rule for meaning in meanings for picture in meaning.pictures for rule in picture.rules}
    named |= {rule for event in events.EVENTS for rule in event.rules} | capturing.LOGGED
    assert named <= PLANNED | set(rule_ids())


@pytest.mark.parametrize(("pasted", "_name"), FORMS)
def test_only_rules_that_exist_are_shown(pasted: str, _name: str) -> None:
    existing = set(rule_ids())
    assert [rule for cause in answer(pasted).causes for rule in cause.rules if rule not in existing] == []


def test_every_rule_is_reached_from_a_code_or_by_its_name() -> None:
    for rule in rules():
        card = answer(rule.id).rule
        assert card is not None
        assert card.title == rule.title
        for error in rule.errors:
            causes_of = answer(f"0x{error:08x}", full=True).causes
            assert rule.id in [id for cause in causes_of for id in cause.rules], (rule.id, hex(error))


def test_a_rule_says_behind_which_codes_it_can_stand() -> None:
    assert 1722 in behind("dynamic-port-blocked")
    assert "RPC_S_SERVER_UNAVAILABLE" in "\n".join(shown("dynamic-port-blocked"))


# the catalogue


@pytest.mark.parametrize(
    "code",
    [
        1722, 1753, 5, 1723, 1726, 1727, 1728, 1783, 1717, 1745, 1818, 0x8001011F, 1825, 1396, 1397, 1398, 0x80010108, 1910,
        1911, 1912, 0x80080005, 0x8007000E, 0x80040154, 0x80040155, 0x80041003, 0x80040202, 0x8004D02A, 0x8004D02B, 1721,
    ],
)  # fmt: skip
def test_every_row_of_the_catalogue_has_causes(code: int) -> None:
    found = answer(str(code))
    assert found.causes
    assert found.nearest is not None
    assert found.nearest.says_not
    assert found.nearest.decides


def test_every_code_with_causes_has_a_name() -> None:
    unnamed = [hex(code) for code in causes.BY_CODE if not any(map(status.status_name, status.relatives(code)))]
    assert unnamed == ["0x11b"]  # printing shows it, and no header names it


def test_symbols_with_causes_are_in_the_table() -> None:
    assert [symbol for symbol in causes.BY_SYMBOL if not status.by_symbol(symbol)] == []


def test_a_status_without_causes_of_its_own_leads_to_what_the_client_reads() -> None:
    (code,) = answer("0x1c010014").codes
    assert code.client == 1723
    assert code.meaning is causes.BUSY


# what is shown


@pytest.mark.parametrize("pasted", [*(form for form, _ in FORMS), *(event for event, _ in EVENTS),
                                    DCDIAG.format(status=10060, location=311, port=49667), DROPS,
                                    "DSA error 8453, inner 0x800706BA, SocketException (10060), 0x80070005"])  # fmt: skip
def test_the_answer_fits_on_a_screen(pasted: str) -> None:
    lines = shown(pasted)
    assert len(lines) <= SCREEN
    assert [line for line in lines if len(line) > 80 and not line.startswith("  ")] == []


def test_the_most_common_cause_comes_first_and_the_rest_is_counted() -> None:
    lines = shown("0x800706BA")
    assert "1. A dynamic port is filtered" in "\n".join(lines)
    assert any(line.startswith("  and 8 more") for line in lines)
    assert any(line.startswith(f"  {text.BRIEF_CAUSES}. ") for line in lines)
    assert not any(line.startswith(f"  {text.BRIEF_CAUSES + 1}. ") for line in lines)


def test_the_whole_answer_tells_every_cause_and_every_way_to_see_it() -> None:
    said_ = "\n".join(shown("1722", full=True))
    for picture in causes.UNAVAILABLE.pictures:
        assert picture.title in said_.replace("\n     ", " ")
    for words in ("pktmon start", "netsh trace start", "tcpdump", "dumpcap", "Set-NetFirewallProfile", "domainprofile",
                  "publicprofile", "auditpol", "Show System Policy", "Log dropped packets", "Where to stand"):  # fmt: skip
        assert words in said_


def test_where_no_firewall_can_help_its_log_is_not_asked_for() -> None:
    assert "LogBlocked" in "\n".join(shown("1722"))
    assert "LogBlocked" not in "\n".join(shown("0x80080005"))


def test_hostile_text_is_made_harmless() -> None:
    evil = (
        "DCOM was unable to communicate with the computer srv\x1b[31m1 using any of the configured protocols 0x800706BA"
    )
    for pasted in (
        evil,
        "\x1b]0;x\x07 1722",
        "1722 \u202e",
        "ComputerName: a\x9b2J Detection location is 311 Status is 5",
    ):
        assert all(line.isprintable() for line in shown(pasted, full=True))


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(max_size=400),
        st.lists(
            st.sampled_from(
                ["0x", "800706BA", "-", "1722", "\n", " ", ".", ",", "'", "Event ID ", "10028", "error ", "bind_nak ", "krb ",
                 "Error Record 1", "Generating component is ", "Detection location is ", "Status is ", "Long val: ", "500",
                 "10.0.0.1", " 135", "DROP TCP ", "2011-03-02 10:15:41 ", "SRC=", "IN=", "DST=", "PROTO=TCP", "\x00", "9" * 12,
                 "#Fields: date time c-ip r-ip action\n", "\t", "Denied Connection\nLog type: x", "(10.0.0.1:135)", "0xc0040017",
                 "Direction: Inbound", "Destination Port: 99999", "NT_STATUS_", "A_B", "\u00a0", "e1af8308-5d1f-11c9-91a4-08002b14a0fa"]
            ),
            max_size=40,
        ).map("".join),
    )
)  # fmt: skip
def test_any_text_is_answered_or_unknown(pasted: str) -> None:
    for full in (False, True):
        found = answer(pasted, full=full)
        lines = list(text.lines(found, full=full))
        assert all(line.isprintable() for line in lines)
        assert found.known or not found.causes
        json.dumps(data.document(found), default=str)


def test_long_texts_end(capsys: pytest.CaptureFixture[str]) -> None:
    for piece in (
        "1,234,",
        "a_",
        "0x8\n",
        "Error Record 1 Detection location is 5 ",
        "10.0.0.1 ",
        "error ",
        "- ",
        "9",
        "krb 41 ",
    ):
        assert main(["explain", piece * 30_000]) in (0, 2)


# the command


def test_exit_codes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["explain", "1722"]) == 0
    assert main(["explain", "zzz"]) == 2
    assert main(["explain", "--log", "x.log", "1722"]) == 2
    assert main(["explain", "--file", "no-such-file"]) == 2


def test_a_code_of_others_is_told_where_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "error -2147023838"]) == 2
    assert "net helpmsg 1058" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["explain", "-"], ["explain"]])
def test_standard_input(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Exception from HRESULT: 0x800706D9\r\n")))
    assert main(arguments) == 0
    assert "EPT_S_NOT_REGISTERED" in said(capfdbinary)


@pytest.mark.parametrize(
    "raw",
    [
        "Der RPC-Server ist nicht verfügbar".encode(),
        "Der RPC-Server ist nicht verfügbar".encode("cp1252"),
        b"\xff\xfe" + "Der RPC-Server ist nicht verfügbar".encode("utf-16-le"),
        "0x800706BA\r\n".encode("utf-16-le"),
    ],
)
def test_a_file_as_windows_writes_it(raw: bytes, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "pasted.txt"
    path.write_bytes(raw)
    assert main(["explain", "--file", str(path)]) == 0
    assert "RPC_S_SERVER_UNAVAILABLE" in said(capfdbinary)


def test_as_data(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["explain", "-T", "json", "0x800706BA"]) == 0
    found = json.loads(said(capfdbinary))
    assert found["codes"][0]["symbol"] == "RPC_S_SERVER_UNAVAILABLE"
    assert found["codes"][0]["forms"] == ["0x800706BA", "1722 (0x6ba)", "2147944122", "-2147023174"]
    assert found["causes"][0]["rules"][0] == "dynamic-port-blocked"
    assert len(found["causes"]) >= len(causes.UNAVAILABLE.pictures)
    assert found["fits"] is None
    assert main(["explain", "-T", "json", "zzz"]) == 2
    assert json.loads(said(capfdbinary))["known"] is False


# beside a capture


def fits(arguments: list[str], capture: pytest.CaptureFixture[bytes]) -> dict[str, Any]:
    assert main(["explain", "-T", "json", *arguments]) == 0
    found: dict[str, Any] = json.loads(said(capture))["fits"]
    return found


def test_a_capture_says_which_case_fits_and_what_is_ruled_out(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    story = PCAPS / "ocs-advfirewall"
    found = fits(
        ["0x800706BA", "--capture", str(story / "capture.pcapng"), "--log", str(story / "pfirewall.log")], capfdbinary
    )
    assert [one["rule"] for one in found["findings"]] == ["dynamic-port-blocked"]
    assert found["findings"][0]["direction"] == "client-to-server"
    out = {str(one["title"]): str(one["why"]) for one in found["ruled_out"]}
    assert out["Port 135 is filtered, or the host is down"] == "port 135 is answered in packet 2"
    assert found["remark"] is None


def test_what_is_found_is_never_ruled_out(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for story in sorted(PCAPS.glob("*/capture.pcapng")):
        for code in ("1722", "5", "1753", "0x800706BE", "0x80040202", "0x80080005"):
            found = fits([code, "--capture", str(story)], capfdbinary)
            seen = {one["rule"] for one in (*found["findings"], *found["others"])}
            for one in found["ruled_out"]:
                assert not seen.intersection(one["rules"]), (story, code)


def test_another_error_than_the_one_asked_for_is_told_as_such(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    found = fits(["1722", "--capture", str(PCAPS / "access-denied" / "capture.pcapng")], capfdbinary)
    assert found["findings"] == []
    assert [one["rule"] for one in found["others"]] == ["access-denied"]
    assert "nothing in it leads to this code" in str(found["remark"])


def test_no_packets_between_hosts_is_said(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    import struct

    path = tmp_path / "empty.pcap"
    frame = bytes(12) + b"\x88\xcc" + bytes(50)
    path.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1, 0, 64, 64) + frame
    )
    assert main(["explain", "1722", "--capture", str(path)]) == 0
    shown_ = said(capfdbinary).replace("\n", " ")
    assert "no RPC packets between hosts in the capture" in shown_
    assert "also produced locally" in shown_


def test_a_capture_that_cannot_be_read(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["explain", "1722", "--capture", "no-such.pcap"]) == 2


def test_the_display_filters_are_known_to_tshark() -> None:
    import shutil
    import subprocess

    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    for expression, _ in ((filter_.replace("SERVER", "10.0.0.1"), what) for what, filter_ in capturing.DISPLAY):
        done = subprocess.run(
            ["tshark", "-r", str(PCAPS / "ocs-advfirewall" / "capture.pcapng"), "-Y", expression],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, expression


def test_the_guide_is_up_to_date() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "tools/make_error_codes.py", "--check"], cwd=PCAPS.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
