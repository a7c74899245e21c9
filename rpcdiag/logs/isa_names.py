"""How ISA Server and TMG call themselves and their system policy, in the languages that they come in."""

import re

_SYSTEM = re.compile(r"\[\s*(?:s[iy]st[eèé]m\w*|систем\w*|システム|系统|系統|시스템)\s*\]", re.I)
_OF_2004 = "Allow RPC from ISA Server to trusted servers"  # rows of ISA 2004 have no mark before the name
_LOCAL_HOST = frozenset({
    "local host", "lokaler host", "hôte local", "host local", "host locale", "anfitrião local", "локальный узел",
    "ローカル ホスト", "本地主机", "本機主機", "로컬 호스트",
})  # fmt: skip


def is_system(rule: str) -> bool:
    """Whether a rule is one of the system policy."""
    return _SYSTEM.match(rule) is not None or rule.startswith(_OF_2004)


def is_local_host(zone: str | None) -> bool:
    """Whether a network is the firewall itself."""
    return zone is not None and zone.strip().lower() in _LOCAL_HOST
