"""The document as text: what `json.dumps` would write, whatever the names in it are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpcdiag.analysis import Diagnosis, analyze
from rpcdiag.case import CaseFlow, CaseReferral
from rpcdiag.report.output import Options
from rpcdiag.report.outputs.json import MAX_ALIKE, document, render
from rpcdiag.track.facts import Referred
from rpcdiag.ui.demo import diagnose, stories
from rpcdiag.ui.show import CHUNK, write
from tests.build import exchanges, pdus
from tests.build.conversation import Recording, Tcp
from tests.build.story import START

HOSTILE = [
    'a "quoted" \\ name',
    "\\pipe\\netlogon/../\\u0041",
    "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "über, 日本語, 😀, \u2028\u2029\ufeff\u202e",
    "lone \ud800 and \udcff",
    "{braces} {{twice}} %s %(name)s }{",
    "",
]


def _elements(diagnosis: Diagnosis, *, all_flows: bool = False) -> Iterator[str]:
    """The JSON of every element of a list, and of every field that is no list."""
    for line in render(diagnosis, Options(all_flows=all_flows)):
        if line.startswith('"'):
            line = line.partition(": ")[2]
        line = line.removesuffix(",")
        if line not in ("{", "}", "[", "]"):
            yield line


def _as_json_dumps_writes_it(diagnosis: Diagnosis, *, all_flows: bool = False) -> bool:
    return all(json.dumps(json.loads(text)) == text for text in _elements(diagnosis, all_flows=all_flows))


@pytest.mark.parametrize("all_flows", [False, True])
@pytest.mark.parametrize("story", stories(), ids=lambda path: path.name)
def test_the_text_is_what_json_dumps_writes(story: Path, all_flows: bool) -> None:
    assert _as_json_dumps_writes_it(diagnose(story), all_flows=all_flows)


@pytest.mark.parametrize("story", stories(), ids=lambda path: path.name)
def test_the_objects_are_those_of_the_text(story: Path) -> None:
    diagnosis = diagnose(story)
    loaded = json.loads("\n".join(render(diagnosis, Options())))
    assert loaded == document(diagnosis)
    assert json.dumps(loaded) == json.dumps(document(diagnosis))


def _with_names(diagnosis: Diagnosis, name: str) -> Diagnosis:
    """The diagnosis with `name` wherever packets, logs and files give one."""
    case = diagnosis.case

    def flow(one: CaseFlow) -> CaseFlow:
        return one._replace(origin=one.origin._replace(why=name), strict=one.strict._replace(reason=name))

    def endpoint(one: Referred) -> Referred:
        return one._replace(protseq=name, host=name, pipe=name, text=name)

    def referral(one: CaseReferral) -> CaseReferral:
        told = one.referral
        return one._replace(
            referral=told._replace(
                endpoints=tuple(map(endpoint, told.endpoints)), iids=(name,), ipid=name, clsid=name or "no class"
            )
        )

    captures = tuple(
        one._replace(path=name, notes=(name,), points={0: name, 1: name, **one.points}) for one in case.captures
    )
    return diagnosis._replace(
        case=case._replace(
            captures=captures, flows=tuple(map(flow, case.flows)), referrals=tuple(map(referral, case.referrals))
        )
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_as_json_dumps_does(name: str) -> None:
    story = next(path for path in stories() if path.name == "wmi-activation")
    diagnosis = _with_names(diagnose(story), name)
    assert _as_json_dumps_writes_it(diagnosis)
    assert all(line.isascii() and line.isprintable() for line in render(diagnosis, Options()))
    said = document(diagnosis)
    assert said["captures"][0]["path"] == name
    assert {flow["origin"]["why"] for flow in said["flows"]} == {name}
    assert {flow["strict_rpc"]["reason"] for flow in said["flows"]} == {name}
    endpoints = [endpoint for referral in said["referrals"] for endpoint in referral["endpoints"]]
    assert endpoints
    for field in ("protseq", "host", "pipe", "text"):
        assert {endpoint[field] for endpoint in endpoints} == {name}


def test_a_capture_of_any_name(tmp_path: Path) -> None:
    path = tmp_path / 'a "b" \\ é \x07 \udcff.pcapng'
    path.write_bytes((stories()[0] / "capture.pcapng").read_bytes())
    diagnosis = analyze([str(path)])
    assert document(diagnosis)["captures"][0]["path"] == str(path)
    assert _as_json_dumps_writes_it(diagnosis)


def test_groups_of_alike_flows(tmp_path: Path) -> None:
    """They are in the order of the flows that stand for them; what they stand for is added up."""
    recording = Recording(START)
    servers = ["10.0.0.3", *["10.0.0.2"] * (MAX_ALIKE + 3), *["10.0.0.3"] * (MAX_ALIKE + 1)]
    for number, server in enumerate(servers):
        tcp = Tcp(recording, "10.0.0.1", 40000 + number, server, 135)
        tcp.open()
        exchanges.bind(tcp, (pdus.EPM, "3.0"), 135)
        tcp.close()
    path = tmp_path / "many.pcapng"
    path.write_bytes(recording.pcapng())
    diagnosis = analyze([str(path)])
    folded, full = document(diagnosis), document(diagnosis, all_flows=True)
    shown = {flow["id"] for flow in folded["flows"]}
    hidden = [flow for flow in full["flows"] if flow["id"] not in shown]
    assert len(full["flows"]) == len(servers)
    assert [(group["like"], group["count"]) for group in folded["flow_groups"]] == [("f1", 2), ("f2", 3)]
    for group, server in zip(folded["flow_groups"], ("10.0.0.3", "10.0.0.2"), strict=True):
        members = [flow for flow in hidden if flow["server"]["address"] == server]
        assert group["first_ns"] == min(flow["start_ns"] for flow in members)
        assert group["last_ns"] == max(flow["end_ns"] for flow in members)
        assert group["calls"] == {
            name: sum(flow["calls"][name] for flow in members)
            for name in ("requests", "responses", "faults", "unanswered")
        }
    assert _as_json_dumps_writes_it(diagnosis)


@pytest.mark.parametrize(
    "lines",
    [[], [""], ["one"], ["", "two", ""], ["é", "\udcff", "x" * (CHUNK + 1), "y"], [str(n) for n in range(CHUNK // 2)]],
    ids=["none", "empty", "one", "with empty ones", "a long one", "many"],
)
def test_every_line_is_written(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], lines: list[str]) -> None:
    wanted = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    write(lines, str(tmp_path / "report"))
    assert (tmp_path / "report").read_bytes() == wanted
    write(lines, "-")
    assert capfdbinary.readouterr().out == wanted
