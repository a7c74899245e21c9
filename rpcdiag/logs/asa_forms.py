"""The forms of the messages of Cisco ASA and its relatives that speak of connections. [Cisco ASA syslog messages]

In a form `@a` and `@b` stand for an end behind the name of its interface, `#a` and `#b` for one without an interface,
`~` for what can stand in brackets behind an end: a user, a group.
"""

import re
from functools import cache

_ADDRESS = r"(?P<X>[0-9A-Fa-f.:]{2,45})(?:\((?:[^()\s\\]{0,64}\\[^()]{0,64}|[A-Za-z][^()]{0,64})\))?"
_PORT = r"(?:/(?P<X_port>\d{1,5}))?"
_INTERFACE = r"(?:(?P<X_if>[^\s:/()]{1,80}): ?)?"
_BRACKETS = r"(?: ?\([^()]{0,80}\)){0,2}"
_MAPPED = r"(?: ?\((?P<X_nat>[0-9A-Fa-f.:]{2,45})/(?P<X_nat_port>\d{1,5})\))?"
_LISTED = r"(?P<X_if>[^\s:/()]{1,80})/(?P<X>[0-9A-Fa-f.:]{2,45})\((?P<X_port>\d{1,5})\)"

_DENIAL = (
    r"(?:Inbound |Deny )?(?P<proto>TCP|UDP|inbound UDP)?.{0,60}? from #a to #b(?: flags (?P<flags>[A-Z ]{1,40}?))?"
    r"(?: due to (?P<due>.{1,60}?))? {0,3}(?:on interface (?P<on>\S+)|$|\()"
)
_CONNECTION = (
    r"(?:Built (?P<way>inbound|outbound)|Teardown|Built) (?P<proto>\S+) connection (?P<id>\d+) (?:for )?"
    r"(?:faddr )?@a+a~ to @b+b~(?: duration \S+ bytes \d+ ?(?P<reason>[^()]{0,80}))?"
)
_ICMP = (
    r"(?:Built (?P<way>inbound|outbound)|Teardown) ICMP connection (?:\d+ )?(?:for )?(?:faddr )?@a~ {1,3}(?:to )?"
    r"(?:gaddr \S{1,60} )?(?:laddr )?@b"
)
_TRANSLATION = r"(?:Built|Teardown) (?:dynamic|static) (?P<proto>\S+) translation from @a~ to @b"
_FORMS = {
    "106001": _DENIAL,
    "106002": r"(?P<proto>\S+) Connection denied by outbound list (?P<rule>\S+) src @a dest @b",
    "106006": _DENIAL,
    "106007": _DENIAL,
    "106010": r"Deny inbound (?P<proto>protocol \d+|\S+) src @a dst @b",
    "106014": r"Deny inbound (?P<proto>icmp) src @a dst @b",
    "106015": _DENIAL,
    "106021": r"Deny (?P<proto>\S+) reverse path check from #a to #b(?: on interface (?P<on>\S+))?",
    "106023": (
        r"Deny (?P<proto>protocol \d+|\S+) src @a~ dst @b~(?: \(type \d+, code \d+\))? "
        r'by access-group "(?P<rule>[^"]{0,200})"'
    ),
    "106100": (
        r"access-list (?P<rule>\S+) (?P<did>permitted|denied|est-allowed) (?P<proto>\S+) =a~ -> =b~ hit-cnt \d+ "
        r"(?:first hit|(?P<interval>\d{1,6})-second interval)"
    ),
    "302013": _CONNECTION,
    "302014": _CONNECTION,
    "302015": _CONNECTION,
    "302016": _CONNECTION,
    "302020": _ICMP,
    "302021": _ICMP,
    "305011": _TRANSLATION,
    "305012": _TRANSLATION,
    "710003": r"(?P<proto>\S+) access denied by ACL from #a to @b",
}
_PARTS = {"@": _INTERFACE + _ADDRESS + _PORT, "#": _ADDRESS + _PORT, "=": _LISTED, "+": _MAPPED}


@cache
def form(number: str) -> re.Pattern[str] | None:
    """What the text of this message looks like; None where it says nothing of a connection."""
    if number not in _FORMS:
        return None
    text = re.sub(r"([@#=+])([ab])", lambda found: _PARTS[found[1]].replace("P<X", f"P<{found[2]}"), _FORMS[number])
    return re.compile(text.replace("~", _BRACKETS))
