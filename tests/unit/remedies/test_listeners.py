"""Whose port it was, by the server's own events: what the finding shows, and what the remedy is for.

The client asks the mapper at START and is never answered at the port that it is told.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from rpcdiag import plugins
from rpcdiag.analysis import analyze
from rpcdiag.dissect.interfaces import service_of
from rpcdiag.model.evidence import Confidence, Logged
from rpcdiag.policy.model import Action, Keyword, Policy, Ports, Rule
from rpcdiag.report.html.page import page
from rpcdiag.report.output import Options
from tests.build import exchanges
from tests.build.conversation import Recording, Tcp
from tests.build.events import OUT, connection, on_port
from tests.build.story import START
from tests.unit.remedies.build import CLIENT, EVENTLOG, PORT, SERVER, Told, silent

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
UNKNOWN = ("5b1c8d3e-7a42-4f0b-9c6d-2e1f3a4b5c6d", "1.0")  # in no table
VOLUME = "\\device\\harddiskvolume2\\"
SVCHOST, LSASS = rf"{VOLUME}windows\system32\svchost.exe", rf"{VOLUME}windows\system32\lsass.exe"
APP, OTHER_APP = rf"{VOLUME}program files\app\app.exe", rf"{VOLUME}program files\other\other.exe"
RULE = "windows-firewall-rpc-rule"
PLACEHOLDER = "<program path>"
# the mapper's connection is let in: this tells the host's address, and the volume that Windows is on
MAPPER = connection(5156, START + SECOND // 10, 40, SVCHOST, 912, (CLIENT, 50500), (SERVER, 135))
LATER = connection(5156, START + 30 * SECOND, 90, LSASS, 700, (CLIENT, 50900), (SERVER, 88))


def _listens(program: str, at_ns: int = START - HOUR, record: int = 17, pid: int = 912, **more: str) -> str:
    return on_port(5154, at_ns, record, program, pid, PORT, **more)


def _told(folder: Path, *events: str, interface: tuple[str, str] = UNKNOWN, policy: Policy | None = None) -> Told:
    recording = Recording(START)
    silent(interface)(recording)
    capture, log = folder / "capture.pcapng", folder / "security.xml"
    capture.write_bytes(recording.pcapng())
    log.write_text("".join(events))
    diagnosis = analyze([str(capture)], [str(log)] if events else [], policy=policy)
    assert not diagnosis.troubles
    found = next(one for one in diagnosis.findings if one.rule == "dynamic-port-blocked")
    return Told(diagnosis, found, diagnosis.remedies[found.id])


def _owners(found: Told) -> list[Logged]:
    return [one for one in found.finding.evidence if isinstance(one, Logged) and one.says.startswith("port ")]


def _as_today(folder: Path, events: Sequence[str], interface: tuple[str, str] = UNKNOWN) -> bool:
    """Whether the events change nothing of what is advised."""
    found = _told(folder, *events, interface=interface)
    without = _told(folder, interface=interface)
    same = [(one.id, one.commands, one.why) for one in found.remedies] == [
        (one.id, one.commands, one.why) for one in without.remedies
    ]
    return same and not _owners(found)


def test_the_ladder_names_the_program_at_the_port(tmp_path: Path) -> None:
    known, unknown = _told(tmp_path, _listens(APP), MAPPER, LATER), _told(tmp_path)
    assert f"SYN to port {PORT} (app.exe, pid 912)" in page(known.diagnosis)
    assert f"SYN to port {PORT}, from port" in page(unknown.diagnosis)


def test_an_event_names_the_program_that_no_table_knows(tmp_path: Path) -> None:
    found = _told(tmp_path, _listens(APP), MAPPER, LATER)
    assert _owners(found) == [Logged(f"port {PORT}: app.exe (pid 912), event 5154", 0, (17,))]
    text = found.text(RULE)
    assert r"-Program '%SystemDrive%\program files\app\app.exe'" in text
    assert r'program="%SystemDrive%\program files\app\app.exe"' in text
    assert PLACEHOLDER not in text
    assert "event 5154, line 17" in found.remedy(RULE).why
    replay = found.remedy(RULE).replay
    assert replay is not None
    assert replay.cures
    assert PLACEHOLDER in _told(tmp_path).text(RULE)


def test_the_reports_show_whose_port_it_was(tmp_path: Path) -> None:
    diagnosis = _told(tmp_path, _listens(APP), MAPPER, LATER).diagnosis
    said = f"port {PORT}: app.exe (pid 912), event 5154"
    outputs = {one.name: one for one in plugins.discover("rpcdiag.report.outputs", "OUTPUT")}
    for name in ("text", "md", "html", "json"):
        text = "\n".join(outputs[name].render(diagnosis, Options()))
        assert said in text, name
    (process,) = [one for one in json.loads(text)["processes"] if one["role"] == "listen"]
    assert (process["port"], process["program"], process["line"]) == (PORT, APP, 17)


def test_a_path_on_a_volume_that_nobody_knows_is_not_guessed(tmp_path: Path) -> None:
    elsewhere = r"\device\harddiskvolume7\apps\app.exe"
    text = _told(tmp_path, _listens(elsewhere), MAPPER, LATER).text(RULE)
    assert PLACEHOLDER in text
    assert "fltmc volumes" in text
    assert f"Event 5154 (line 17) names {elsewhere}" in text
    assert "C:" not in text
    unknown = _told(tmp_path, _listens(elsewhere), MAPPER.replace(SVCHOST, "System"), LATER.replace(LSASS, "System"))
    assert PLACEHOLDER in unknown.text(RULE)


def test_windows_on_two_volumes_is_on_none(tmp_path: Path) -> None:
    both = LATER.replace("harddiskvolume2", "harddiskvolume3")
    assert PLACEHOLDER in _told(tmp_path, _listens(APP), MAPPER, both).text(RULE)


@pytest.mark.parametrize(
    ("events", "program"),
    [
        ((_listens(APP, START - 2 * HOUR), _listens(OTHER_APP, START - HOUR, 18, 1400)), "other.exe"),
        ((_listens(OTHER_APP, START - HOUR, 18, 1400), _listens(APP, START - 2 * HOUR)), "other.exe"),
        ((_listens(APP, START - HOUR), _listens(OTHER_APP, START + HOUR, 18, 1400)), "app.exe"),
        (
            (
                _listens(APP, START - 3 * HOUR),
                _listens(OTHER_APP, START - 2 * HOUR, 18, 1400),
                _listens(APP, START - HOUR, 19),
            ),
            "app.exe",
        ),
    ],
)
def test_of_several_programs_the_one_of_that_time(tmp_path: Path, events: tuple[str, ...], program: str) -> None:
    found = _told(tmp_path, *events, MAPPER, LATER)
    (owner,) = _owners(found)
    assert program in owner.says
    assert rf"\{program}'" in found.text(RULE)


@pytest.mark.parametrize(
    "events",
    [
        # it only listened afterwards
        (_listens(APP, START + HOUR), MAPPER, LATER),
        # two programs, and the clocks cannot tell which was first
        (_listens(APP), _listens(OTHER_APP, START + SECOND, 18, 1400), MAPPER, LATER),
        # somebody else took the port, and was not seen to listen
        (_listens(APP), on_port(5158, START - HOUR // 2, 18, OTHER_APP, 1400, PORT), MAPPER, LATER),
        # the log ends before the time of the connection
        (
            _listens(APP, START - 3 * HOUR),
            connection(5156, START - 2 * HOUR, 40, SVCHOST, 912, (CLIENT, 5), (SERVER, 135)),
        ),
        # another host's port of that number
        (
            _listens(APP, computer="other.example.com"),
            connection(5156, START, 18, SVCHOST, 9, (CLIENT, 5), ("10.30.1.9", 135), computer="other.example.com"),
            MAPPER,
            LATER,
        ),
        # the port of another address of the host
        (_listens(APP, address="10.30.1.77"), MAPPER, LATER),
        # whose address is not known
        (_listens(APP),),
        # another port, another protocol
        (_listens(APP).replace(f">{PORT}<", ">49999<"), MAPPER, LATER),
        (_listens(APP).replace('"Protocol">6<', '"Protocol">17<'), MAPPER, LATER),
        # nobody
        (_listens("-"), MAPPER, LATER),
    ],
)
def test_what_does_not_tell_changes_nothing(tmp_path: Path, events: tuple[str, ...]) -> None:
    assert _as_today(tmp_path, events)
    assert _as_today(tmp_path, events, EVENTLOG)


def test_a_refused_connection_of_the_client_names_the_clients_program(tmp_path: Path) -> None:
    """The same numbers of ports, the same time; but it is the program that asks, on the host that asks."""
    outgoing = connection(
        5157, START + SECOND, 18, APP, 3108, (CLIENT, 50600), (SERVER, PORT), direction=OUT, computer="pc.example.com"
    )
    taken = on_port(5158, START + SECOND, 17, APP, 3108, 50600, computer="pc.example.com")
    found = _told(tmp_path, taken, outgoing, MAPPER, LATER)
    assert not _owners(found)
    assert "app.exe" not in "".join(found.text(one.id) for one in found.remedies)


def test_a_refused_connection_at_the_server_names_the_servers_program(tmp_path: Path) -> None:
    dropped = [
        connection(5157, START + (1 + second) * SECOND // 1, 18 + second, APP, 2100, (CLIENT, 50600), (SERVER, PORT))
        for second in (0, 3, 9)
    ]
    found = _told(tmp_path, *dropped, MAPPER, LATER)
    (owner,) = _owners(found)
    assert owner.says == f"port {PORT}: app.exe (pid 2100), event 5157"
    assert r"\app\app.exe'" in found.text(RULE)


def test_who_took_the_port_is_believed_where_it_was_handed_out_and_no_listening_is_told(tmp_path: Path) -> None:
    taken = on_port(5158, START - HOUR, 17, APP, 2100, PORT)
    found = _told(tmp_path, taken, MAPPER, LATER)
    assert [one.says for one in _owners(found)] == [f"port {PORT}: app.exe (pid 2100), event 5158"]
    others = on_port(5154, START - HOUR, 16, LSASS, 700, 49666)
    assert _as_today(tmp_path, (others, taken, MAPPER, LATER))  # then its listening would be told as well


def test_the_kernels_port_keeps_the_word_of_the_table(tmp_path: Path) -> None:
    kernel = _told(tmp_path, _listens("System", pid=4), MAPPER, LATER, interface=EVENTLOG)
    without = _told(tmp_path, interface=EVENTLOG)
    assert [one.says for one in _owners(kernel)] == [f"port {PORT}: System (pid 4), event 5154"]
    assert kernel.remedy(RULE).commands == without.remedy(RULE).commands
    assert "kernel" in kernel.remedy(RULE).why
    unknown = _told(tmp_path, _listens("System", pid=4), MAPPER, LATER)
    assert PLACEHOLDER in unknown.text(RULE)
    assert "'System'" not in unknown.text(RULE)


def test_a_service_is_named_only_where_it_is_known(tmp_path: Path) -> None:
    known = _told(tmp_path, _listens(SVCHOST), MAPPER, LATER, interface=EVENTLOG)
    assert r"-Program '%SystemRoot%\System32\svchost.exe' -Service EventLog" in known.text(RULE)
    assert known.text(RULE) == _told(tmp_path, interface=EVENTLOG).text(RULE)
    assert "tasklist" not in known.remedy(RULE).price
    unknown = _told(tmp_path, _listens(SVCHOST), MAPPER, LATER)
    assert r"-LocalPort RPC -Program '%SystemRoot%\System32\svchost.exe' " in unknown.text(RULE)
    assert unknown.text(RULE).count("-Service") == 1  # the mapper's
    assert 'tasklist /svc /fi "PID eq 912"' in unknown.remedy(RULE).price


def test_an_event_counts_more_than_the_table(tmp_path: Path) -> None:
    assert service_of(EVENTLOG[0])[1] == "EventLog"
    found = _told(tmp_path, _listens(LSASS, pid=700), MAPPER, LATER, interface=EVENTLOG)
    assert r"-Program '%SystemRoot%\System32\lsass.exe'" in found.text(RULE)
    assert (
        "EventLog" not in found.text(RULE).replace("from 10.20.3.0/24", "").split("-LocalPort RPC ")[1].split("-Rem")[0]
    )
    assert "windows-firewall-built-in-group" not in found.ids  # that is for the other service


@pytest.mark.parametrize("name", ['a"&calc.exe', "%temp%.exe", "..\\a.exe", "a\u202e.exe", "a`b.exe"])
def test_a_hostile_path_is_in_no_command(tmp_path: Path, name: str) -> None:
    found = _told(tmp_path, _listens(rf"{VOLUME}windows\system32\{name}"), MAPPER, LATER)
    for command in found.remedy(RULE).commands:
        if command.shell in ("powershell", "cmd"):
            assert name not in command.text
    assert PLACEHOLDER in found.text(RULE)
    assert "\u202e" not in found.text(RULE)


@pytest.mark.parametrize(
    ("program", "passes"),
    [
        (r"%SystemDrive%\Program Files\App\app.exe", True),
        (r"C:\Program Files\App\app.exe", True),
        (r"%ProgramFiles%\App\app.exe", True),
        (r"%ProgramFiles%\Other\other.exe", False),
        (r"%SystemRoot%\System32\svchost.exe", False),
    ],
)
def test_the_policy_is_judged_with_the_program_of_the_event(tmp_path: Path, program: str, passes: bool) -> None:
    rules = (
        Rule("mapper", Action.ALLOW, inbound=True, ports=Ports(((135, 135),))),
        Rule("for it", Action.ALLOW, inbound=True, ports=Ports(keywords=(Keyword.RPC,)), program=program),
    )
    policy = Policy("the server's", "windows-firewall", rules, profile="domain")
    judged = _told(tmp_path, _listens(APP), MAPPER, LATER, policy=policy).diagnosis.applied
    assert judged is not None
    verdict = judged.verdicts["f2"]
    assert verdict.passes is passes
    assert f"port {PORT}: app.exe (pid 912), event 5154, line 17" in verdict.says
    without = _told(tmp_path, policy=policy).diagnosis.applied
    assert without is not None
    assert without.verdicts["f2"].passes is None


def test_a_program_on_an_unknown_volume_leaves_open_whether_its_rule_matches(tmp_path: Path) -> None:
    rule = Rule("for it", Action.ALLOW, inbound=True, ports=Ports(keywords=(Keyword.RPC,)), program=r"D:\apps\app.exe")
    policy = Policy("the server's", "windows-firewall", (rule,), profile="domain")
    listens = _listens(r"\device\harddiskvolume7\apps\app.exe")
    judged = _told(tmp_path, listens, MAPPER, LATER, policy=policy).diagnosis.applied
    assert judged is not None
    assert judged.verdicts["f2"].passes is None
    other = policy._replace(rules=(rule._replace(program=r"D:\apps\other.exe"),))
    judged = _told(tmp_path, listens, MAPPER, LATER, policy=other).diagnosis.applied
    assert judged is not None
    assert judged.verdicts["f2"].passes is False


def test_a_rule_for_a_service_leaves_it_open_which_service_of_svchost_it_was(tmp_path: Path) -> None:
    rule = Rule("for it", Action.ALLOW, inbound=True, ports=Ports(keywords=(Keyword.RPC,)), service="Schedule")
    policy = Policy("the server's", "windows-firewall", (rule,), profile="domain")
    for program, passes in ((SVCHOST, None), (LSASS, False)):
        judged = _told(tmp_path, _listens(program), MAPPER, LATER, policy=policy).diagnosis.applied
        assert judged is not None
        assert judged.verdicts["f2"].passes is passes


def test_the_servers_own_events_prove_that_its_rule_is_missing(tmp_path: Path) -> None:
    """One client is enough, as with pfirewall.log: the host itself says which program it kept it from."""
    recording = Recording(START)
    exchanges.lookup(recording, CLIENT, 50500, SERVER, EVENTLOG, 49666)
    other = Tcp(recording, CLIENT, 50550, SERVER, 49666)
    other.open()
    exchanges.lookup(recording, CLIENT, 50501, SERVER, UNKNOWN, PORT)
    began = recording.now
    Tcp(recording, CLIENT, 50600, SERVER, PORT).syns()
    capture, log = tmp_path / "capture.pcapng", tmp_path / "security.xml"
    capture.write_bytes(recording.pcapng())
    drops = [
        connection(5157, began + second * SECOND, 18 + second, APP, 2100, (CLIENT, 50600), (SERVER, PORT))
        for second in (0, 3, 9)
    ]
    log.write_text("".join((*drops, MAPPER, LATER)))
    rules = {one.rule: one for one in analyze([str(capture)], [str(log)]).findings}
    found = rules["program-rule-missing"]
    assert found.confidence is Confidence.PROVEN
    assert "lacks a rule for app.exe" in found.summary
    assert "program-rule-missing" not in {one.rule for one in analyze([str(capture)]).findings}
