"""The client asks for a way to log on that the server does not have.

Looks like: bind_nak with reason 8, authentication type not recognized.
Because: Kerberos asked of a host that has no key for it (a workgroup, a service that registered NTLM only), a provider
that is switched off, or Schannel without a certificate.
Not this: bind_nak 9, where the provider is there and does not like the token (bad-credentials).
Needs: the bind and its answer.
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import logon, observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.dissect.auth import type_name
from rpcdiag.model.evidence import Confidence, Seen, Severity

UNKNOWN_SERVICE = 0x800706D3  # RPC_S_UNKNOWN_AUTHN_SERVICE


def check(case: Case) -> Iterator[Finding]:
    clients = logon.Clients.of(case)
    for conversation in case.unsettled:
        near = conversation.near
        for bind in near.rpc.binds if near.rpc else ():
            if bind.answer != "nak" or bind.nak_reason != logon.NO_PROVIDER or bind.answer_packet is None:
                continue
            later = clients.get_on_at(conversation.client, conversation.server, bind.packet)
            provider = type_name(bind.auth_type) if bind.auth_type is not None else "of the client"
            yield Finding(
                rule=RULE.id,
                summary=f"{conversation.server} does not have the security provider {provider} that {conversation.client} "
                "asks for" + ("; with another one it works" if later else ""),
                severity=Severity.NOTE if later else Severity.ERROR,
                confidence=Confidence.ESTABLISHED,
                client=conversation.client,
                server=conversation.server,
                flows=conversation.ids,
                evidence=(
                    Seen(
                        f"bind with provider {provider} is answered by bind_nak: authentication type not recognized",
                        near.flow.capture, (bind.packet, bind.answer_packet),
                    ),
                    *observe.said_more(bind.extended, conversation.server, near.flow.capture, bind.answer_packet),
                ),
                errors=(UNKNOWN_SERVICE,),
                subject=Subject(
                    port=near.flow.server.port, interface=bind.contexts[0].interface if bind.contexts else None
                ),
                next_observation=f"Let the client use Negotiate; 'setspn -L' for the account of the service on "
                f"{conversation.server} shows whether Kerberos could work there.",
            )  # fmt: skip


RULE = Rule(
    id="provider-unknown",
    cause="P11",
    title="The server does not have the security provider",
    check=check,
    errors=(UNKNOWN_SERVICE,),
)
