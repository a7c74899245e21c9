"""The print client does not seal its calls, and the print server demands that it does.

Looks like: calls of the spooler below packet privacy are refused with fault 5, over TCP or through its pipe.
Because: since September 2021 print servers demand privacy (CVE-2021-1678, KB4599464: RpcAuthnLevelPrivacyEnabled).
Not this: sealed calls that are refused, which is a matter of rights on the printer (access-denied).
Needs: the refused call and the level of its bind; an answer at a higher level makes it known.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import levels
from rpcdiag.diagnose.finding import Finding, Rule
from rpcdiag.dissect.interfaces import interface_name

CANNOT_CONNECT, ACCESS_DENIED = 0x0000011B, 0x80070005
# spoolss, IRemoteWinspool, IRPCRemoteObject, IRPCAsyncNotify
_SPOOLER = frozenset({
    "12345678-1234-abcd-ef00-0123456789ab",
    "76f03f96-cdfd-44fc-a22c-64950a001209",
    "ae33069b-a2a8-46ee-a235-ddfd339be281",
    "0b6edbfa-4a24-4fc6-8a23-942b1eca65d1",
})  # fmt: skip


def check(case: Case) -> Iterator[Finding]:
    known = levels.Higher.of(case)
    for one in levels.refused(case):
        if one.interface.uuid not in _SPOOLER or one.level >= levels.PRIVACY:
            continue
        client, server = one.conversation.client, one.conversation.server
        higher = known.than(one)
        how = f"at level {one.level_name}" if one.level > levels.NONE else "without a logon of its own"
        yield one.finding(
            RULE.id,
            summary=f"{client} calls {interface_name(one.interface.uuid) or 'the spooler'} of {server} {how}; the print "
            "server demands packet privacy",
            errors=(CANNOT_CONNECT, ACCESS_DENIED),
            next_observation=rf"'reg query HKLM\SYSTEM\CurrentControlSet\Control\Print /v RpcAuthnLevelPrivacyEnabled' on "
            f"{server} (missing or 1: privacy is demanded), and the update level of {client}.",
            higher=bool(higher),
        )


RULE = Rule(
    id="printing-hardening",
    cause="P3",
    title="The print server demands sealed calls",
    check=check,
    explains=("access-denied", "level-too-low", "rpc-filter"),
    errors=(CANNOT_CONNECT, ACCESS_DENIED),
)
