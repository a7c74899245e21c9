"""Names of security providers and levels. [MS-RPCE] 2.2.1.1.7, 2.2.1.1.8"""

_TYPES = {0: "none", 9: "spnego", 10: "ntlm", 14: "schannel", 16: "kerberos", 68: "netlogon"}
_LEVELS = {
    0: "default",
    1: "none",
    2: "connect",
    3: "call",
    4: "packet",
    5: "packet-integrity",
    6: "packet-privacy",
}


def type_name(number: int) -> str:
    return _TYPES.get(number, f"type-{number}")


def level_name(number: int) -> str:
    return _LEVELS.get(number, f"level-{number}")
