"""Windows events of the Security log as XML, as `wevtutil qe Security /f:xml` writes them."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

IN, OUT = "%%14592", "%%14593"
_SPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


def event(number: int, ns: int, record: int, computer: str = "srv1.example.com", **values: object) -> str:
    """One event; its time is UTC."""
    time = datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    data = "".join(f'<Data Name="{name}">{escape(str(value))}</Data>' for name, value in values.items())
    return (
        f'<Event xmlns="{_SPACE}"><System><Provider Name="Microsoft-Windows-Security-Auditing"/>'
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
