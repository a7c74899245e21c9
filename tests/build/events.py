"""Windows events of the Security and System logs as XML, as `wevtutil qe Security /f:xml` writes them."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

IN, OUT = "%%14592", "%%14593"
SECURITY = "Microsoft-Windows-Security-Auditing"
_SPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


def event(
    number: int, ns: int, record: int, computer: str = "srv1.example.com", *, provider: str = SECURITY, **values: object
) -> str:
    """One event; its time is UTC."""
    time = datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    data = "".join(f'<Data Name="{name}">{escape(str(value))}</Data>' for name, value in values.items())
    return (
        f'<Event xmlns="{_SPACE}"><System><Provider Name="{provider}"/>'
        f'<EventID>{number}</EventID><TimeCreated SystemTime="{time}.{ns % 1_000_000_000:09}Z"/>'
        f"<EventRecordID>{record}</EventRecordID><Computer>{computer}</Computer></System>"
        f"<EventData>{data}</EventData></Event>\n"
    )


def on_port(
    number: int, ns: int, record: int, program: str, pid: int, port: int, *, address: str = "0.0.0.0",
    computer: str = "srv1.example.com",
) -> str:  # fmt: skip
    """5154, 5158: a program listens on a port, or takes one."""
    return event(
        number, ns, record, computer, ProcessId=pid, Application=program, SourceAddress=address, SourcePort=port,
        Protocol=6,
    )  # fmt: skip


def connection(
    number: int, ns: int, record: int, program: str, pid: int, source: tuple[str, int], destination: tuple[str, int], *,
    direction: str = IN, computer: str = "srv1.example.com",
) -> str:  # fmt: skip
    """5156, 5157: a connection is let through, or refused."""
    return event(
        number, ns, record, computer, ProcessID=pid, Application=program, Direction=direction, SourceAddress=source[0],
        SourcePort=source[1], DestAddress=destination[0], DestPort=destination[1], Protocol=6, FilterRTID=70388,
        LayerName="%%14610" if direction == IN else "%%14611",
    )  # fmt: skip


def numbered(number: int, ns: int, record: int, computer: str, provider: str, *values: object) -> str:
    """An event of a provider that numbers its values: DistributedCOM, NETLOGON."""
    params: dict[str, object] = {f"param{place}": value for place, value in enumerate(values, 1)}
    return event(number, ns, record, computer, provider=provider, **params)


def met_a_filter(
    ns: int, record: int, computer: str, client: str, port: int, interface: str, *, blocked: bool = True
) -> str:  # fmt: skip
    """5712: a call met an RPC filter that audits."""
    text = event(
        5712, ns, record, computer, SubjectUserName="anna", ProcessId=812, ProcessName="services.exe",
        RemoteIpAddress=client, RemotePort=port, InterfaceUuid=f"{{{interface.upper()}}}", AuthenticationLevel=6,
    )  # fmt: skip
    keywords = "0x8010000000000000" if blocked else "0x8020000000000000"
    return text.replace("<TimeCreated", f"<Keywords>{keywords}</Keywords><TimeCreated")


def no_port_left(number: int, ns: int, record: int, computer: str, *, provider: str = "Tcpip") -> str:
    """4227, 4231 of the System log: no source port is left. They name no address."""
    return event(number, ns, record, computer, provider=provider)


def failed_logon(
    ns: int, record: int, computer: str, client: str, port: int | str, inner: int, *, user: str = "anna",
    status: int = 0xC000006D, workstation: str = "WS1", package: str = "NTLM",
) -> str:  # fmt: skip
    """4625: the server tells of a logon that failed; `inner` is the status that says why."""
    return event(
        4625, ns, record, computer, SubjectUserName="-", TargetUserName=user, TargetDomainName="LAB",
        Status=f"{status:#010x}", FailureReason="%%2313", SubStatus=f"{inner:#010x}", LogonType=3,
        LogonProcessName="NtLmSsp", AuthenticationPackageName=package, WorkstationName=workstation,
        ProcessId="0x0", ProcessName="-", IpAddress=client, IpPort=port,
    )  # fmt: skip


def checked(ns: int, record: int, computer: str, user: str, workstation: str, status: int) -> str:
    """4776: a domain controller checked a logon of NTLM. It has no address."""
    return event(
        4776, ns, record, computer, PackageName="MICROSOFT_AUTHENTICATION_PACKAGE_V1_0", TargetUserName=user,
        Workstation=workstation, Status=f"{status:#010x}",
    )  # fmt: skip


def at_centre(number: int, ns: int, record: int, computer: str, client: str, status: int, *, user: str = "anna") -> str:
    """4768, 4769, 4771: what a key distribution centre answered; addresses of IPv4 are written as those of IPv6."""
    return event(
        number, ns, record, computer, TargetUserName=user, TargetSid="S-1-5-21-1-2-3-1104", ServiceName="krbtgt/LAB",
        TicketOptions="0x40810010", Status=f"{status:#x}", PreAuthType=2, IpAddress=f"::ffff:{client}", IpPort=40088,
    )  # fmt: skip
