"""Names of interfaces, classes and operations, for what the tables know; never a wrong one."""

from typing import NamedTuple

EPMAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
IOBJECT_EXPORTER = "99fcfec4-5260-101b-bbcb-00aa0021347a"
IREMOTE_SCM_ACTIVATOR = "000001a0-0000-0000-c000-000000000046"
IACTIVATION = "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57"
IREM_UNKNOWN = "00000131-0000-0000-c000-000000000046"
IREM_UNKNOWN2 = "00000143-0000-0000-c000-000000000046"
NDR32 = "8a885d04-1ceb-11c9-9fe8-08002b104860"
NDR64 = "71710533-beba-4937-8319-b5dbef9ccc36"

# services whose TCP port is fixed, so that a rule for the number is right
FIXED_TCP_PORTS: dict[int, str] = {
    1688: "KMS",
    2103: "Message Queuing",
    2105: "Message Queuing",
    5040: "Windows Deployment Services",
    5722: "DFS Replication on Server 2008 and 2008 R2",
    6001: "Exchange information store",
    6002: "Exchange directory referral",
    6004: "Exchange address book",
    24158: "WMI, set by winmgmt /standalonehost",
}

_SVCHOST = r"%SystemRoot%\System32\svchost.exe"
_SYSTEM32 = r"%SystemRoot%\System32"

# interface name -> program, service, built-in firewall group
_SERVICES: dict[str, tuple[str, str | None, str | None]] = {
    "epmapper": (_SVCHOST, "RpcSs", None),
    "drsuapi": (rf"{_SYSTEM32}\lsass.exe", None, None),
    "netlogon": (rf"{_SYSTEM32}\lsass.exe", None, None),
    "lsarpc": (rf"{_SYSTEM32}\lsass.exe", None, None),
    "samr": (rf"{_SYSTEM32}\lsass.exe", None, None),
    "svcctl": (rf"{_SYSTEM32}\services.exe", None, "Remote Service Management"),
    "IEventService": (_SVCHOST, "EventLog", "Remote Event Log Management"),
    "ITaskSchedulerService": (_SVCHOST, "Schedule", "Remote Scheduled Tasks Management"),
    "FrsTransport": (rf"{_SYSTEM32}\dfsrs.exe", "Dfsr", None),
    "frsrpc": (rf"{_SYSTEM32}\ntfrs.exe", "NtFrs", None),
    "DnsServer": (rf"{_SYSTEM32}\dns.exe", "DNS", None),
    "spoolss": (rf"{_SYSTEM32}\spoolsv.exe", "Spooler", None),
    "IRemoteWinspool": (rf"{_SYSTEM32}\spoolsv.exe", "Spooler", None),
    "IXnRemote": (rf"{_SYSTEM32}\msdtc.exe", None, "Distributed Transaction Coordinator"),
    "ICertPassage": (rf"{_SYSTEM32}\certsrv.exe", "CertSvc", None),
    "dhcpsrv": (_SVCHOST, "DHCPServer", None),
    "IWbemLevel1Login": (_SVCHOST, "winmgmt", "Windows Management Instrumentation (WMI)"),
    "IWbemServices": (_SVCHOST, "winmgmt", "Windows Management Instrumentation (WMI)"),
    "IWbemLoginClientID": (_SVCHOST, "winmgmt", "Windows Management Instrumentation (WMI)"),
}


class Interface(NamedTuple):
    """What the table says of a UUID."""

    uuid: str
    version: str
    name: str
    kind: str  # rpc, com, clsid, syntax
    process: str


def describe(uuid: str) -> Interface | None:
    """The table's row, or None."""
    from rpcdiag.dissect.tables.interfaces import NAMES

    row = NAMES.get(uuid)
    return Interface(uuid, *row) if row else None


def interface_name(uuid: str, version: str | None = None) -> str | None:
    """Short name of an interface, such as `drsuapi`; None where the table has none.

    The version does not change the name: no UUID of the table is called differently in another version.
    """
    row = describe(uuid)
    return row.name if row and row.kind != "clsid" else None


def class_name(clsid: str) -> str | None:
    """Short name of a COM class."""
    row = describe(clsid)
    return row.name if row and row.kind == "clsid" else None


def operation_name(uuid: str, opnum: int) -> str | None:
    """Name of an operation, where the table lists it."""
    from rpcdiag.dissect.tables.operations import OPERATIONS

    for item in OPERATIONS.get(uuid, "").split(";"):
        number, _, name = item.strip().partition(" ")
        if number == str(opnum):
            return name.partition(" ")[0] or None
    return None


def service_of(uuid: str) -> tuple[str | None, str | None, str | None]:
    """Program, Windows service and built-in firewall group behind an interface; None each where it is not known."""
    return _SERVICES.get(interface_name(uuid) or "", (None, None, None))


def all_interfaces() -> list[Interface]:
    """The whole table, by name."""
    from rpcdiag.dissect.tables.interfaces import NAMES

    found = [Interface(uuid, *row) for uuid, row in NAMES.items()]
    return sorted(found, key=lambda one: (one.name.lower(), one.uuid))
