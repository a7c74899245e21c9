"""placeholder until the tables arrive"""
EPMAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
IOBJECT_EXPORTER = "99fcfec4-5260-101b-bbcb-00aa0021347a"
IREMOTE_SCM_ACTIVATOR = "000001a0-0000-0000-c000-000000000046"
IACTIVATION = "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57"
IREM_UNKNOWN = "00000131-0000-0000-c000-000000000046"
IREM_UNKNOWN2 = "00000143-0000-0000-c000-000000000046"
NDR64 = "71710533-beba-4937-8319-b5dbef9ccc36"
FIXED_TCP_PORTS: dict[int, str] = {5722: "DFSR"}


def interface_name(uuid: str, version: str | None = None) -> str | None:
    return {EPMAPPER: "epmapper", IREMOTE_SCM_ACTIVATOR: "IRemoteSCMActivator"}.get(uuid)


def operation_name(uuid: str, opnum: int) -> str | None: return None
def class_name(clsid: str) -> str | None: return None
def service_of(uuid: str): return (None, None, None)
