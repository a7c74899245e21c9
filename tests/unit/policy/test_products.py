"""Every parameter file is read, says where it knows what it says, and can be put to work."""

from pathlib import Path

import pytest

from rpcdiag.errors import InputError
from rpcdiag.policy.load import fresh
from rpcdiag.policy.model import Sure
from rpcdiag.policy.product import (
    FOLDER,
    PARAMETERS,
    PARSED,
    UNSAID,
    Learns,
    _parsed,
    from_mapping,
    load_yaml,
    names,
    product,
)
from rpcdiag.policy.verdict import Reason
from tests.unit.policy.wire import lookup, verdicts
from tools import make_products

PROMISED = {
    "tmg", "tmg-strict", "isa", "asa", "asa-9.4", "asa-9.7", "ftd", "fortigate", "check-point", "srx", "stormshield",
    "barracuda", "pan-os", "windows-firewall", "linux", "security-group", "network-acl", "azure-nsg", "none",
}  # fmt: skip


def test_all_that_are_promised_are_there() -> None:
    assert set(names()) == PROMISED


@pytest.mark.parametrize("name", names())
def test_a_product_is_complete_and_says_where_from(name: str) -> None:
    one = product(name)
    assert one.title
    assert set(one.parameters) == set(PARAMETERS)
    for known, parameter in one.parameters.items():
        if parameter is not UNSAID[known]:
            assert parameter.source, known
            assert str(FOLDER) not in parameter.source, f"{known} says no source"
    for option in one.options.values():
        assert option.says
        assert option.changes


@pytest.mark.parametrize("name", names())
def test_a_product_set_up_fresh_judges_a_lookup(name: str) -> None:
    found = verdicts(lookup(), fresh(name))
    assert found["f1"].passes is (name != "windows-firewall")
    learns = Learns.MAP in product(name).value("learn")
    assert found["f2"].passes is (learns or name == "none")


@pytest.mark.parametrize("name", names())
def test_a_file_names_every_key_once(name: str) -> None:
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    of_parameters = [line.split(":")[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]
    keys = [key for key in of_parameters if key.strip() in PARAMETERS]
    assert len(keys) == len(set(keys))


def test_what_is_known_of_a_product_is_no_surer_than_its_source() -> None:
    assert product("pan-os").sure("learn") is Sure.UNCERTAIN
    assert product("tmg").sure("learn_not_strict") is Sure.UNCERTAIN
    assert product("fortigate").sure("needs_unfragmented") is Sure.DOCUMENTED
    assert product("asa").sure("learn", "needs_clear") is Sure.KNOWLEDGE


def test_one_product_may_be_like_another() -> None:
    text = "title: Mine\nlike: asa\nparameters: {pinhole_ttl: 5}\n"
    mine = from_mapping(load_yaml(text, "mine.yaml"), "mine.yaml")
    assert mine.value("pinhole_ttl") == 5
    assert mine.value("learn") == product("asa").value("learn")
    assert "low" in mine.options


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("parameters: {colour: red}", "parameters", "unknown key 'colour'"),
        ("parameters: {learn: [everything]}", "parameters.learn", "resolve_oxid"),
        ("parameters: {alg: 1}", "parameters.alg", "true or false"),
        ("parameters: {idle_tcp: soon}", "parameters.idle_tcp", "seconds or null"),
        ("parameters: {idle_tcp: .nan}", "parameters.idle_tcp", "seconds or null"),
        ("parameters: {idle_tcp: true}", "parameters.idle_tcp", "seconds or null"),
        ("parameters: {control_ports: [135]}", "parameters.control_ports", "tcp/135"),
        ("parameters: {control_ports: [tcp/70000]}", "parameters.control_ports", "tcp/135"),
        ("parameters: {default: maybe}", "parameters.default", "allow, drop, reject, reset"),
        ("parameters: {alg: {value: true, sure: quite}}", "parameters.alg.sure", "documented, knowledge, uncertain"),
        ("parameters: {alg: {sure: documented}}", "parameters.alg", "no value"),
        ("parameters: []", "parameters", "must be a mapping"),
        ("notes: hello", "notes", "list of texts"),
        ("options: [a]", "options", "mapping"),
        ("extra: 1", "product", "unknown key 'extra'"),
        ("[]", "product", "must be a mapping"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(text: str, place: str, why: str) -> None:
    with pytest.raises(InputError) as raised:
        from_mapping(load_yaml(text, "mine.yaml"), "mine.yaml")
    assert raised.value.path == "mine.yaml"
    assert raised.value.place == place
    assert why in raised.value.why


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: &x [1]\nb: *x",
        "[" * 5000,
        "{" * 5000,
        "a: !!python/object:os.system {}",
        "2001-99-99",
        "\x00",
        "a: b: c",
    ],
)
def test_hostile_yaml_is_an_error_and_nothing_else(text: str) -> None:
    with pytest.raises(InputError):
        from_mapping(load_yaml(text, "bad.yaml"), "bad.yaml")


def test_every_parameter_and_product_is_described() -> None:
    said = (Path(__file__).resolve().parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")
    for name, spec in PARAMETERS.items():
        assert f"| `{name}` |" in said
        assert f"{spec.says} ({spec.allowed})" in said
    for name in names():
        assert f"`{name}`" in said, name
    for reason in Reason:
        assert f"`{reason}`" in said or f"`{reason.removeprefix('not_learnt')}`" in said, reason


def test_what_is_read_quickly_is_what_the_files_say() -> None:
    assert (FOLDER / PARSED).read_text(encoding="utf-8") == make_products.text(), "run python tools/make_products.py"


def test_a_file_that_was_changed_since_is_read_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("linux.yaml", PARSED):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    changed = (tmp_path / "linux.yaml").read_text(encoding="utf-8").replace("Linux netfilter", "Changed")
    (tmp_path / "linux.yaml").write_text(changed, encoding="utf-8")
    monkeypatch.setattr("rpcdiag.policy.product.FOLDER", tmp_path)
    for kept in (names, product, _parsed):
        kept.cache_clear()
    try:
        assert product("linux").title.startswith("Changed")
    finally:
        for kept in (names, product, _parsed):
            kept.cache_clear()
