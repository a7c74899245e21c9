"""What stories have in common: a lookup, an activation, a session on a dynamic port."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.build import pdus
from tests.build.conversation import MS, Recording, Tcp

DRSUAPI = ("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "4.0")
LSARPC = ("12345778-1234-abcd-ef00-0123456789ab", "0.0")
SVCCTL = ("367abb81-9844-35f1-ad32-98f038001003", "2.0")
NTLM1, NTLM2, NTLM3 = b"NTLMSSP\x00\x01" + bytes(31), b"NTLMSSP\x00\x02" + bytes(47), b"NTLMSSP\x00\x03" + bytes(79)
TOKEN = b"NTLMSSP\x00\x01" + bytes(1691)  # a Kerberos ticket is about this long: two segments
IUNKNOWN = "00000000-0000-0000-c000-000000000046"
SIGNATURE = (10, 5, bytes(16))


class Told(NamedTuple):
    """Packet numbers of the question and its answer."""

    request: int
    response: int


def bind(tcp: Tcp, interface: tuple[str, str], port: int) -> None:
    """A bind as Windows makes it: NDR64 accepted, NDR32 turned down, features acknowledged."""
    tcp.send(pdus.bind(pdus.contexts(*interface)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_64, str(port)))


def ask(tcp: Tcp, interface: tuple[str, str], towers: Sequence[bytes], status: int = 0, *, call_id: int = 2) -> Told:
    """ept_map, in NDR64."""
    wanted = pdus.tower(*interface, 135, tcp.ends[1][0])
    request = tcp.send(pdus.request(3, pdus.map_request(wanted, wide=True), call_id=call_id, context=1))
    response = tcp.reply(pdus.response(pdus.map_response(towers, status, wide=True), call_id=call_id, context=1))
    return Told(request, response)


def lookup(
    recording: Recording, client: str, port: int, server: str, interface: tuple[str, str], told_port: int, *,
    interface_number: int = 0, client_ttl: int = 128, server_ttl: int = 128,
) -> Told:  # fmt: skip
    """A whole conversation with the mapper that names one port."""
    tcp = Tcp(recording, client, port, server, 135, client_ttl=client_ttl, server_ttl=server_ttl,
              interface=interface_number)  # fmt: skip
    tcp.open()
    bind(tcp, (pdus.EPM, "3.0"), 135)
    told = ask(tcp, interface, [pdus.tower(*interface, told_port, server)])
    recording.wait(2 * MS)
    tcp.close()
    return told


def session(tcp: Tcp, interface: tuple[str, str], calls: int = 3) -> None:
    """Bind and calls on a dynamic port that is open already."""
    bind(tcp, interface, tcp.ends[1][1])
    for number in range(calls):
        tcp.send(pdus.request(number, bytes(24), call_id=2 + number, context=1))
        tcp.reply(pdus.response(bytes(32), call_id=2 + number, context=1))


def activator(tcp: Tcp, level: int = 5) -> None:
    """Bind the activator with NTLM: three legs."""
    tcp.send(pdus.bind([(pdus.SCM, "0.0", [pdus.NDR32])], auth=(10, level, NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, "135", auth=(10, level, NTLM2)))
    tcp.send(pdus.auth3(NTLM3, level=level))


def activate(tcp: Tcp, clsid: str, bindings: Sequence[str], *, status: int = 0, delay_ns: int = 0) -> Told:
    """RemoteCreateInstance, signed."""
    request = tcp.send(pdus.request(4, pdus.create_instance_request(clsid, [IUNKNOWN]), auth=SIGNATURE))
    tcp.recording.wait(delay_ns)
    response = tcp.reply(pdus.response(pdus.create_instance_response(bindings, status=status), auth=SIGNATURE))
    return Told(request, response)


def exporter(tcp: Tcp) -> str:
    """The first words with an object's process: IRemUnknown2, RemQueryInterface; returns an IPID."""
    tcp.send(pdus.bind([(pdus.REM_UNKNOWN2, "0.0", [pdus.NDR32])], auth=(10, 5, NTLM1)))
    tcp.reply(pdus.bind_ack(pdus.ACCEPTED_32, str(tcp.ends[1][1]), auth=(10, 5, NTLM2)))
    tcp.send(pdus.auth3(NTLM3))
    ipid = "0000c000-0530-0000-7d85-1122334455aa"
    tcp.send(pdus.request(3, pdus.orpcthis() + bytes(40), instance=ipid, auth=SIGNATURE))
    tcp.reply(pdus.response(pdus.orpcthat() + bytes(48) + bytes(4), auth=SIGNATURE))
    return ipid
