"""Names out of captures cannot do anything in a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcdiag.remedies import shell

HOSTILE = (
    "'; Remove-Item C:\\ -Recurse; '",
    "\u2019; calc.exe; \u2018",
    '" & del /q c:\\ & "',
    "%COMSPEC%",
    "a\nshutdown /r /t 0",
    "$(id)",
    "`id`",
    "-f /etc/shadow",
    "/add",
    "\x1b]0;title\x07",
    "a\u202eb",
    "",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_powershell_never_leaves_its_quotes(name: str) -> None:
    quoted = shell.powershell(name)
    inside = quoted[1:-1]
    for quote in "'\u2018\u2019\u201a\u201b":
        assert inside.replace(quote * 2, "").count(quote) == 0
    assert quoted.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_cmd_has_nothing_left_to_expand_or_to_chain(name: str) -> None:
    inside = shell.cmd(name)[1:-1]
    assert not set(inside) & set('"%!^&|<>\r\n')
    assert not inside.endswith("\\")


@given(st.text(max_size=400))
def test_a_bare_name_is_a_word_and_no_option(text: str) -> None:
    name = shell.name(text)
    assert name
    assert name[0] not in "-/@$"
    assert all(one.isascii() and (one.isalnum() or one in "._:@/$-?") for one in name)


def test_ordinary_names_stay_as_they_are() -> None:
    assert shell.name("HOST/dc1.contoso.com") == "HOST/dc1.contoso.com"
    assert shell.name("_ldap._tcp.dc._msdcs.contoso.com") == "_ldap._tcp.dc._msdcs.contoso.com"
    assert shell.powershell("O'Neill") == "'O''Neill'"
    assert shell.cmd("DPM All") == '"DPM All"'
