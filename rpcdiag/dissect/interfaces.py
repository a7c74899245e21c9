"""Names of interfaces, classes and operations, for what the tables know; never a wrong one."""

from functools import cache
from typing import NamedTuple

from rpcdiag.dissect.tables.interfaces import CLASSES, NAMES, SYNTAXES

EPMAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
IOBJECT_EXPORTER = "99fcfec4-5260-101b-bbcb-00aa0021347a"
IREMOTE_SCM_ACTIVATOR = "000001a0-0000-0000-c000-000000000046"
IACTIVATION = "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57"
IREM_UNKNOWN = "00000131-0000-0000-c000-000000000046"
IREM_UNKNOWN2 = "00000143-0000-0000-c000-000000000046"
NDR32 = "8a885d04-1ceb-11c9-9fe8-08002b104860"
NDR64 = "71710533-beba-4937-8319-b5dbef9ccc36"
# the low eight bytes are flags. [MS-RPCE] 3.3.1.5.3
FEATURE_NEGOTIATION_PREFIX = "6cb71c2c-9812-4540-"

# services whose TCP port is fixed, so that a rule for the number is right
FIXED_TCP_PORTS: dict[int, str] = {
    1688: "KMS",
    2103: "Message Queuing",
    2105: "Message Queuing",
    2107: "Message Queuing, management",
    5040: "Windows Deployment Services",
    5722: "DFS Replication on Server 2008 and 2008 R2",
    6001: "Exchange information store",
    6002: "Exchange directory referral",
    6004: "Exchange address book",
    24158: "WMI, set by winmgmt /standalonehost",
}

_SYSTEM32 = r"%SystemRoot%\System32"
_SVCHOST = rf"{_SYSTEM32}\svchost.exe"
_WMI = "Windows Management Instrumentation (WMI)"
_DTC = "Distributed Transaction Coordinator"

_Service = tuple[str | None, str | None, str | None]
_UNKNOWN: _Service = (None, None, None)

# a process as the table calls it, without remarks -> program, service, built-in firewall group.
# svchost alone is no answer: a rule for it would admit every service
_SERVICES: dict[str, _Service] = {
    "svchost RpcEptMapper/RpcSs": (_SVCHOST, "RpcSs", None),
    "svchost Winmgmt": (_SVCHOST, "winmgmt", _WMI),
    "svchost EventLog": (_SVCHOST, "EventLog", "Remote Event Log Management"),
    "svchost Schedule": (_SVCHOST, "Schedule", "Remote Scheduled Tasks Management"),
    "lsass.exe": (rf"{_SYSTEM32}\lsass.exe", None, None),
    "services.exe": (rf"{_SYSTEM32}\services.exe", None, "Remote Service Management"),
    "wininit.exe": (rf"{_SYSTEM32}\wininit.exe", None, None),
    "spoolsv.exe": (rf"{_SYSTEM32}\spoolsv.exe", "Spooler", None),
    "msdtc.exe": (rf"{_SYSTEM32}\msdtc.exe", "MSDTC", _DTC),
    "vds.exe": (rf"{_SYSTEM32}\vds.exe", "vds", "Remote Volume Management"),
    "certsrv.exe": (rf"{_SYSTEM32}\certsrv.exe", "CertSvc", None),
    "dfsrs.exe": (rf"{_SYSTEM32}\dfsrs.exe", "Dfsr", None),
    "dfssvc.exe": (rf"{_SYSTEM32}\dfssvc.exe", "Dfs", None),
    "dns.exe": (rf"{_SYSTEM32}\dns.exe", "DNS", None),
    "mqsvc.exe": (rf"{_SYSTEM32}\mqsvc.exe", "MSMQ", None),
    "ntfrs.exe": (rf"{_SYSTEM32}\ntfrs.exe", "NtFrs", None),
    "sppsvc.exe": (rf"{_SYSTEM32}\sppsvc.exe", "sppsvc", None),
    "wins.exe": (rf"{_SYSTEM32}\wins.exe", "WINS", None),
    "clussvc.exe": (r"%SystemRoot%\Cluster\clussvc.exe", "ClusSvc", None),
}


class Interface(NamedTuple):
    """What the table says of a UUID; an empty text is what it does not say."""

    uuid: str
    version: str
    name: str
    kind: str  # rpc, com, clsid, syntax
    process: str  # the program or service behind it, in words
    transports: str  # `tcp dynamic, \pipe\svcctl`; COM is always at a dynamic TCP port

    def operations(self) -> dict[int, str]:
        """Names by opnum, of those that the table lists."""
        return operations(self.uuid)


def describe(uuid: str) -> Interface | None:
    """All that the table says of an interface, class or syntax."""
    from rpcdiag.dissect.tables.details import DETAILS

    name = NAMES.get(uuid) or CLASSES.get(uuid) or SYNTAXES.get(uuid)
    if name is None:
        return None
    version, kind, process, transports = DETAILS[uuid]
    return Interface(uuid, version, name, kind, process, transports)


def interface_name(uuid: str, version: str | None = None) -> str | None:
    """Short name of an interface, such as `drsuapi`; None where the table has none.

    The version does not change the name: no UUID of the table is called differently in another version.
    """
    return NAMES.get(uuid)


def program_of(uuid: str) -> str | None:
    """The program behind an interface that has no published name: `rpcss.dll`; None where the table has none."""
    from rpcdiag.dissect.tables.programs import PROGRAMS

    return PROGRAMS.get(uuid)


def class_name(clsid: str) -> str | None:
    """Short name of a COM class."""
    return CLASSES.get(clsid)


def operations(uuid: str) -> dict[int, str]:
    """Names by opnum, of those that the table lists."""
    from rpcdiag.dissect.tables.operations import OPERATIONS

    return OPERATIONS.get(uuid, {})


def operation_name(uuid: str, opnum: int) -> str | None:
    """Name of an operation, where the table lists it."""
    return operations(uuid).get(opnum)


def service_of(uuid: str) -> tuple[str | None, str | None, str | None]:
    """Program, Windows service and built-in firewall group behind an interface or class; None for what is not known."""
    row = describe(uuid)
    if row is None:
        return _UNKNOWN
    process = row.process.partition(" (")[0]
    known = _SERVICES.get(process)
    if known is None and process.startswith("svchost ") and process[len("svchost ") :].isalnum():
        return _SVCHOST, process[len("svchost ") :], None
    return known or _UNKNOWN


@cache
def rpc_pipes() -> frozenset[str]:
    """Names, in lower case and without `\\pipe\\`, of the pipes behind which the table knows an RPC server."""
    from rpcdiag.dissect.tables.details import DETAILS

    names = {"epmapper", "ntsvcs", "lsass", "browser"}
    for _, _, _, transports in DETAILS.values():
        for word in transports.split(","):
            name = word.strip().partition("(")[0].strip().lower()
            if name.startswith("\\pipe\\"):
                names.add(name[6:].split()[0])
    return frozenset(names)


def pipe_endpoint(name: str) -> str:
    """The endpoint of a pipe as string bindings write it: `\\pipe\\svcctl`; SMB names it `svcctl` or `\\svcctl`."""
    plain = name.lstrip("\\")
    if plain.lower().startswith("pipe\\"):
        plain = plain[5:]
    return "\\pipe\\" + plain


def all_interfaces() -> list[Interface]:
    """The whole table, by name."""
    from rpcdiag.dissect.tables.details import DETAILS

    found = [row for uuid in DETAILS if (row := describe(uuid))]
    return sorted(found, key=lambda one: (one.name.lower(), one.uuid))
