"""The sentences of a verdict: why, and what the user sees of it."""

from rpcdiag.dissect.interfaces import class_name, interface_name
from rpcdiag.model.packets import Address
from rpcdiag.policy.events import Event
from rpcdiag.policy.model import Action, Authentication, Rule
from rpcdiag.policy.product import Learns
from rpcdiag.policy.verdict import Reason

DOES = {Action.ALLOW: "allows", Action.DROP: "drops", Action.REJECT: "rejects", Action.RESET: "resets"}
UNAVAILABLE = "0x800706ba RPC_S_SERVER_UNAVAILABLE (1722)"
CALL_FAILED = "0x800706be RPC_S_CALL_FAILED (1726)"
_ANSWERS = {
    Learns.MAP: "answer of the mapper",
    Learns.LOOKUP: "list of the mapper's entries",
    Learns.CREATE_INSTANCE: "answer to the activation (RemoteCreateInstance)",
    Learns.GET_CLASS_OBJECT: "answer to the activation (RemoteGetClassObject)",
    Learns.REMOTE_ACTIVATION: "answer to the activation (RemoteActivation)",
    Learns.RESOLVE_OXID: "answer of the OXID resolver",
    Learns.SERVER_ALIVE2: "answer of the OXID resolver (ServerAlive2)",
}


def rule(rule: Rule | None) -> str:
    """`rule 22 '[System] Allow RPC ...'`"""
    if rule is None:
        return "the default"
    return f"rule {rule.place} '{rule.name}'" if rule.place is not None else f"rule '{rule.name}'"


def interface(uuid: str) -> str:
    return interface_name(uuid) or class_name(uuid) or uuid


def _answer(told: Event) -> str:
    what = _ANSWERS[told.learns] if told.learns is not None else "answer"
    return f"the {what} in packet {told.packet}"


def admitted(by: str, reads: bool, strict: bool) -> str:
    if strict:
        return f"{by} admits it, reads along, and enforces that it begins with the endpoint mapper"
    return f"{by} admits it" + (" and reads along for the ports that are told" if reads else "")


def pinhole(told: Event, by: str) -> str:
    return f"the port is read out of {_answer(told)}, on the connection that {by} admits, and opened for this client"


def expired(told: Event, until_ns: int | None, syn: Event, *, multi: bool) -> str:
    if not multi:
        return f"the port that was read out of {_answer(told)} is open for one connection, and another has used it"
    late = "" if until_ns is None else f" {(syn.time_ns - until_ns) / 1e9:.0f} s before"
    return (
        f"the port that was read out of {_answer(told)} was closed again{late}: a client that remembers a port without "
        "asking the mapper again is shut out"
    )


def sealed(told: Event) -> str:
    return f"{_answer(told)} is sealed (packet privacy): nothing in the path can read the port out of it"


def fragmented(told: Event) -> str:
    return f"{_answer(told)} comes in {told.fragments} fragments of RPC, which this product does not put together"


def segmented(told: Event) -> str:
    return (
        f"{_answer(told)} takes more than one TCP segment ({told.size} bytes), which this product does not put together"
    )


def wide(told: Event) -> str:
    return f"{_answer(told)} is in NDR64, which this product does not read"


def message_type(told: Event) -> str:
    return f"{_answer(told)} names the port, and this product does not read ports out of such answers"


def damaged(told: Event) -> str:
    return f"{_answer(told)} is damaged in the capture: what the product read in it is not known"


def plain(told: Event, by: str) -> str:
    return f"the connection of packet {told.packet} is admitted by {by}, where the product does not read along"


def never_told(told: Event) -> str:
    return f"{_answer(told)}, which names the port, would not come: its connection is ended or not let in"


def unseen(syn: Event, lifetime: str) -> str:
    return (
        f"nothing in the capture says who told {syn.client} of port {syn.port}: it passes if the client asked the "
        f"mapper through this firewall{lifetime}, and not if the port comes from before"
    )


def denied(event: Event, uuid: str, by: str) -> str:
    return f"packet {event.packet} is about {interface(uuid)} ({uuid}), which {by} does not let through"


def other_uuid(bind: Event, uuid: str, wanted: str | None) -> str:
    wanted_for = f" for {interface(wanted)}" if wanted else ""
    return f"the port was opened{wanted_for}, and packet {bind.packet} binds {interface(uuid)} on it"


def strict(bind: Event, uuid: str, by: str, below: str | None) -> str:
    where = "an alter_context to" if bind.alter else "a bind of"
    shadowed = f"; {below}, which is not strict, comes later and never gets a say" if below is not None else ""
    return (
        f"{by} decides and enforces strict RPC compliance: packet {bind.packet} is {where} {interface(uuid)}, not of "
        f"the endpoint mapper{shadowed}"
    )


def reverse(syn: Event, by: str) -> str:
    return (
        f"the server {syn.client} connects back to its client {syn.server} (callback), which needs rules of its own in "
        f"that direction; {by}"
    )


def not_translated(told: Event, real: Address) -> str:
    return f"{_answer(told)} names {real}, the address behind the translation, which {told.client} cannot reach"


def other_host(told: Event, address: Address | None) -> str:
    return f"{_answer(told)} names {address}, another host than the mapper's: this product opens nothing for it"


def not_authenticated(by: str, rule: Rule, otherwise: str) -> str:
    whom = "" if rule.authentication is Authentication.ANYBODY else f", of listed {rule.authentication.value}"
    return f"{by} would admit it, and wants a connection that IPsec authenticates{whom}: this one is plain; {otherwise}"


def stealth(syn: Event, by: str) -> str:
    return f"nobody listens on port {syn.port} of {syn.server} (the capture shows a RST), and {by}: stealth mode answers nothing"


def return_path(syn: Event, by: str) -> str:
    return (
        f"the filter keeps no state: it lets the SYN through, and the answer from port {syn.port} to port "
        f"{syn.client_port} of {syn.client} meets {by}"
    )


def idle(event: Event, seconds: float) -> str:
    return (
        f"the connection is silent for {event.silence_ns / 1e9:.0f} s before packet {event.packet}; after {seconds:g} s "
        "it is forgotten, and what comes then belongs to no connection"
    )


def sees(syn: Event, passes: bool | None, reason: Reason, action: Action, at: str) -> str:
    """What the user would see."""
    if passes is None:
        return "not known"
    if passes:
        return "it connects"
    if reason is Reason.RETURN_PATH:
        return f"silence for about 21 s, then {UNAVAILABLE}; a capture on the server shows SYNs and SYN-ACKs sent again"
    if reason is Reason.REVERSE_NOT_PERMITTED:
        return f"the call works and what the server should bring back never comes; on the server {UNAVAILABLE}"
    if at == "idle":
        return f"the first call after the pause hangs, then {CALL_FAILED}"
    if at == "bind":
        how = "it connects and is then cut off" if action is not Action.RESET else "it connects, then RST"
        return f"{how}: {UNAVAILABLE} or {CALL_FAILED}"
    if action is Action.DROP:
        return f"silence for about 21 s, then {UNAVAILABLE}"
    return f"{'a RST' if action is Action.RESET else 'an ICMP error'} at once: {UNAVAILABLE}"
