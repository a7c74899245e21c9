"""Firewall logs as the products write them."""

from datetime import UTC, datetime

PFIREWALL = (
    "#Version: 1.5\r\n#Software: Microsoft Windows Firewall\r\n#Time Format: Local\r\n"
    "#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype "
    "icmpcode info path\r\n\r\n"
)
TMG_COLUMNS = (
    "computer\tdate\ttime\tIP protocol\tsource\tdestination\toriginal client IP\tsource network\tdestination network\t"
    "action\tstatus\trule\tapplication protocol\tbidirectional\tbytes sent\tbytes sent intermediate\tbytes received\t"
    "bytes received intermediate\tconnection time\tconnection time intermediate\tsource name\tdestination name\tusername\t"
    "agent\tsession ID\tconnection ID\tinterface\tIP header\tprotocol payload"
)


def _when(ns: int, hours: float = 0) -> tuple[str, str]:
    moment = datetime.fromtimestamp(ns // 1_000_000_000 + int(hours * 3600), UTC)
    return moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")


def pfirewall(
    ns: int, action: str, source: str, sport: object, destination: str, dport: object, *, hours: float,
    protocol: str = "TCP", size: int = 52, flags: str = "S", isn: int = 0, path: str = "RECEIVE",
) -> str:  # fmt: skip
    """One row; `hours` is how far local time is ahead of UTC."""
    date, time = _when(ns, hours)
    if protocol == "TCP":
        tail = f"{size} {flags} {isn} 0 8192 - - - {path}" if action == "DROP" else f"0 - 0 0 0 - - - {path}"
    else:
        tail = f"{size} - - - - - - - {path}"
    return f"{date} {time} {action} {protocol} {source} {destination} {sport} {dport} {tail}\r\n"


def tmg(
    ns: int, source: str, destination: str, zones: tuple[str, str], action: str, status: str, rule: str, *,
    service: str = "RPC (all interfaces)", sent: int = 0, received: int = 0, lasted: str = "-", connection: int = 0,
) -> str:  # fmt: skip
    """One row of a TMG log in W3C form; time is UTC."""
    date, time = _when(ns)
    host = source.rpartition(":")[0]
    values = ["SS-TMG1", date, time, "TCP", source, destination, host, *zones, action, status, rule, service, "N",
              str(sent), str(sent), str(received), str(received), lasted, lasted, "-", "-", "-", "-", "2",
              str(connection), "-", "-", "-"]  # fmt: skip
    return "\t".join(values) + "\r\n"


def tmg_header(ns: int) -> str:
    date, time = _when(ns)
    return f"#Software: Forefront TMG\r\n#Version: 2.0\r\n#Date: {date} {time}\r\n#Fields: {TMG_COLUMNS}\r\n"
