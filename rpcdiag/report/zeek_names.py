"""Names as Zeek's tables spell them, where ours spell them otherwise or have none."""

from rpcdiag.dissect.dcerpc import Syntax
from rpcdiag.dissect.interfaces import interface_name, operation_name

SVCCTL = "367abb81-9844-35f1-ad32-98f038001003"
_SAMR = "12345778-1234-abcd-ef00-0123456789ac"
_SRVSVC = "4b324fc8-1670-01d3-1278-5a47bf6ee188"
_WINREG = "338cd001-2244-31f1-aaaa-900038001003"
_SPOOLSS = "12345678-1234-abcd-ef00-0123456789ab"
_NETDFS = "4fc742e0-4a10-11cf-8273-00aa004ae673"
_NETLOGON = "12345678-1234-abcd-ef00-01234567cffb"
_LSARPC = "12345778-1234-abcd-ef00-0123456789ab"
_WKSSVC = "6bffd098-a112-3610-9833-46c3f87e345a"
_DSSETUP = "3919286a-b10c-11d0-9ba8-00c04fd92ef5"
_EVENTLOG = "82273fdc-e32a-18c3-3f78-827929dc23ea"
_TASKS = "86d35949-83c9-4044-b424-db363231fd0c"
_NSPI = "f5cc5a18-4264-101a-8c59-08002b2f8426"
_MESSENGER = "5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc"

ENDPOINTS = {
    "f5cc59b4-4264-101a-8c59-08002b2f8426": "FrsRpc",
    "45f52c28-7f9f-101a-b52b-08002b2efabe": "winspipe",
    "1544f5e0-613c-11d1-93df-00c04fd7bd09": "exchange_rfr",
    "a4f1db00-ca47-1067-b31f-00dd010662da": "exchange_mapi",
    "50abc2a4-574d-40b3-9d66-ee4fd5fba076": "dnsserver",
    "9a653086-174f-11d2-b5f9-00104b703efd": "IWbemClassObject interface",
    "dc12a681-737f-11cf-884d-00aa004b2e24": "IWbemClassObject interface",
    "4590f812-1d3a-11d0-891f-00aa004b2e24": "IWbemClassObject unmarshaler",
    "7c857801-7381-11cf-884d-00aa004b2e24": "IWbemObjectSink interface",
    "027947e1-d731-11ce-a357-000000000001": "IEnumWbemClassObject interface",
    "44aca674-e8fc-11d0-a07c-00c04fb68820": "IWbemContext interface",
    "674b6698-ee92-11d0-ad71-00c04fd8fdff": "IWbemContext unmarshaler",
    "44aca675-e8fc-11d0-a07c-00c04fb68820": "IWbemCallResult interface",
    "1c1c45ee-4395-11d2-b60b-00104b703efd": "IWbemFetchSmartEnum interface",
    "423ec01e-2e35-11d2-b604-00104b703efd": "IWbemWCOSmartEnum interface",
    "f1e9c5b2-f59b-11d2-b362-00105a1f8177": "IWbemRemoteRefresher interface",
    "2c9273e0-1dc3-11d3-b364-00105a1f8177": "IWbemRefreshingServices interface",
    "c49e32c7-bc8b-11d2-85d4-00105a1f8304": "IWbemBackupRestore interface",
    "c49e32c6-bc8b-11d2-85d4-00105a1f8304": "IWbemBackupRestoreEx interface",
    "a359dec5-e813-4834-8a2a-ba7f1d777d76": "IWbemBackupRestoreEx interface",
}


def _from(first: int, names: str) -> dict[int, str]:
    """Names of operations that follow one another; a minus is one that needs none."""
    return {first + place: name for place, name in enumerate(names.split()) if name != "-"}


_OPERATIONS: dict[str, dict[int, str]] = {
    _TASKS: {0x06: "SchRpcEnumFolder"},
    _NSPI: _from(0x05, "NspiGetMatches NspiResortRestriction NspiDNToEph"),
    _MESSENGER: {0x00: "NetrSendMessage"},
    SVCCTL: {
        0x0A: "ScSetServiceBitsW",
        **_from(0x16, """ScSetServiceBitsA ChangeServiceConfigA CreateServiceA EnumDependentServicesA EnumServicesStatusA
            OpenSCManagerA OpenServiceA QueryServiceConfigA QueryServiceLockStatusA StartServiceA GetServiceDisplayNameA
            GetServiceKeyNameA ScGetCurrentGroupStateW - ChangeServiceConfig2A - QueryServiceConfig2A"""),
        **_from(0x29, "EnumServicesStatusExA - ScSendTSMessage CreateServiceWOW64A - ScQueryServiceTagInfo"),
        **_from(0x30, "GetNotifyResult - ControlServiceExA - ScSendPnPMessage ScValidatePnPService"),
        0x36: "ScOpenServiceStatusHandle",
    },
    _SAMR: {
        0x04: "SamrShutdownSamServer",
        **_from(0x2A, "SamrTestPrivateFunctionsDomain SamrTestPrivateFunctionsUser"),
        **_from(0x3B, "SamrSetBootKeyInformation SamrGetBootKeyInformation SamrConnect3 - SamrUnicodeChangePasswordUser3"),
        **_from(0x44, "SamrQueryLocalizableAccountsInDomain SamrPerformGenericOperation"),
    },
    _SRVSVC: {
        **_from(0x00, """NetrCharDevEnum NetrCharDevGetInfo NetrCharDevControl NetrCharDevQEnum NetrCharDevQGetInfo
            NetrCharDevQSetInfo NetrCharDevQPurge NetrCharDevQPurgeSelf"""),
        0x1D: "NetrServerSetServiceBits",
        0x2A: "NetrServerSetServiceBitsEx",
        0x2F: "NetrDfsSetServerInfo",
    },
    _WINREG: {
        0x0E: "BaseRegNotifyChangeKeyValue",
        **_from(0x18, "BaseInitiateSystemShutdown BaseAbortSystemShutdown"),
        **_from(0x1C, "OpenDynData - BaseInitiateSystemShutdownEx"),
    },
    _NETLOGON: {
        0x06: "NetrServerPasswordSet",
        **_from(0x09, "NetrAccountDeltas NetrAccountSync"),
        **_from(0x2F, "unused DsrUpdateReadOnlyServerDnsRecords NetrChainSetClientAttributes"),
    },
    _WKSSVC: {
        **_from(0x03, "NetrWkstaUserGetInfo NetrWkstaUserSetInfo"),
        0x07: "NetrWkstaTransportDel",
        0x0C: "NetrMessageBufferSend",
        **_from(0x0E, """NetrLogonDomainNameAdd NetrLogonDomainNameDel NetrJoinDomain NetrUnjoinDomain NetrValidateName
            NetrRenameMachineInDomain - NetrGetJoinableOUs"""),
        0x1F: "NetrWorkstationResetDfsCache",
    },
    _DSSETUP: _from(0x01, """DsRolerDnsNameToFlatName DsRolerDcAsDc DsRolerDcAsReplica DsRolerDemoteDc
        DsRolerGetDcOperationProgress DsRolerGetDcOperationResults DsRolerCancel DsRolerServerSaveStateForUpgrade
        DsRolerUpgradeDownlevelServer DsRolerAbortDownlevelServerUpgrade"""),
    _EVENTLOG: {
        0x03: "ElfrDeregisterEventSource",
        0x06: "ElfrChangeNotify",
        **_from(0x0C, """ElfrClearELFA ElfrBackupELFA ElfrOpenELA ElfrRegisterEventSourceA ElfrOpenBELA ElfrReadELA
            ElfrReportEventA ElfrRegisterClusterSvc ElfrDeregisterClusterSvc ElfrWriteClusterEvents ElfrGetLogInformation
            ElfrFlushEL ElfrReportEventAndSourceW"""),
    },
    _LSARPC: {
        0x01: "LsarDelete",
        0x05: "LsarChangePassword",
        0x09: "LsarClearAuditLog",
        0x0C: "LsarCreateTrustedDomain",
        **_from(0x15, "LsarGetQuotasForAccount LsarSetQuotasForAccount"),
        **_from(0x19, "LsarOpenTrustedDomain LsarQueryInfoTrustedDomain LsarSetInformationTrustedDomain"),
        **_from(0x27, "LsarQueryTrustedDomainInfo LsarSetTrustedDomainInfo LsarDeleteTrustedDomain"),
        **_from(0x30, "LsarQueryTrustedDomainInfoByName LsarSetTrustedDomainInfoByName"),
        **_from(0x33, "LsarCreateTrustedDomainEx LsarCloseTrustedDomainEx"),
        **_from(0x36, "LsarSetDomainInformationPolicy LsarOpenTrustedDomainByName LsarTestCall"),
        **_from(0x3B, """LsarCreateTrustedDomainEx2 CredrWrite CredrRead CredrEnumerate CredrWriteDomainCredentials
            CredrReadDomainCredentials CredrDelete CredrGetTargetInfo CredrProfileLoaded - CredrGetSessionTypes
            LsarRegisterAuditEvent LsarGenAuditEvent LsarUnregisterAuditEvent - LsarSetForestTrustInformation
            CredrRename"""),
        **_from(0x4E, """LsarOpenPolicySce LsarAdtRegisterSecurityEventSource LsarAdtUnregisterSecurityEventSource
            LsarAdtReportSecurityEvent CredrFindBestCredential LsarSetAuditPolicy LsarQueryAuditPolicy
            LsarEnumerateAuditPolicy LsarEnumerateAuditCategories LsarEnumerateAuditSubCategories
            LsarLookupAuditCategoryName LsarLookupAuditSubCategoryName LsarSetAuditSecurity LsarQueryAuditSecurity
            CredReadByTokenHandle CredrRestoreCredentials CredrBackupCredentials"""),
    },
    _NETDFS: _from(0x00, """NetrDfsManagerGetVersion NetrDfsAdd NetrDfsRemove NetrDfsSetInfo NetrDfsGetInfo NetrDfsEnum
        NetrDfsRename NetrDfsMove NetrDfsManagerGetConfigInfo NetrDfsManagerSendSiteInfo NetrDfsAddFtRoot
        NetrDfsRemoveFtRoot NetrDfsAddStdRoot NetrDfsRemoveStdRoot NetrDfsManagerInitialize NetrDfsAddStdRootForced
        NetrDfsGetDcAddress NetrDfsSetDcAddress NetrDfsFlushFtTable NetrDfsAdd2 NetrDfsRemove2 NetrDfsEnumEx
        NetrDfsSetInfo2"""),
    _SPOOLSS: _from(0x02, """RpcSetJob RpcGetJob RpcEnumJobs RpcAddPrinter RpcDeletePrinter RpcSetPrinter RpcGetPrinter
        RpcAddPrinterDriver - RpcGetPrinterDriver - RpcDeletePrinterDriver RpcAddPrintProcessor RpcEnumPrintProcessors
        RpcGetPrintProcessorDirectory RpcStartDocPrinter RpcStartPagePrinter RpcWritePrinter RpcEndPagePrinter
        RpcAbortPrinter RpcReadPrinter RpcEndDocPrinter RpcAddJob RpcScheduleJob RpcGetPrinterData RpcSetPrinterData
        RpcWaitForPrinterChange - RpcAddForm RpcDeleteForm RpcGetForm RpcSetForm RpcEnumForms RpcEnumPorts
        RpcEnumMonitors RpcAddPort RpcConfigurePort RpcDeletePort RpcCreatePrinterIC RpcPlayGdiScriptOnPrinterIC
        RpcDeletePrinterIC RpcAddPrinterConnection RpcDeletePrinterConnection RpcPrinterMessageBox RpcAddMonitor
        RpcDeleteMonitor RpcDeletePrintProcessor RpcAddPrintProvidor RpcDeletePrintProvidor
        RpcEnumPrintProcessorDatatypes RpcResetPrinter RpcGetPrinterDriver2 RpcClientFindFirstPrinterChangeNotification
        RpcFindNextPrinterChangeNotification RpcFindClosePrinterChangeNotification
        RpcRouterFindFirstPrinterChangeNotificationOld RpcReplyOpenPrinter RpcRouterReplyPrinter RpcReplyClosePrinter
        RpcAddPortEx RpcRemoteFindFirstPrinterChangeNotification RpcSpoolerInit RpcResetPrinterEx -
        RpcRouterReplyPrinterEx RpcRouterRefreshPrinterChangeNotification RpcSetAllocFailCount RpcSplOpenPrinter
        RpcAddPrinterEx RpcSetPort RpcEnumPrinterData RpcDeletePrinterData RpcClusterSplOpen RpcClusterSplClose
        RpcClusterSplIsAlive RpcSetPrinterDataEx RpcGetPrinterDataEx RpcEnumPrinterDataEx RpcEnumPrinterKey
        RpcDeletePrinterDataEx RpcDeletePrinterKey RpcSeekPrinter RpcDeletePrinterDriverEx RpcAddPerMachineConnection
        RpcDeletePerMachineConnection RpcEnumPerMachineConnections RpcXcvData - RpcSplOpenPrinter RpcGetSpoolFileInfo
        RpcCommitSpoolData RpcCloseSpoolFileHandle RpcFlushPrinter RpcSendRecvBidiData RpcAddDriverCatalog
        RpcAddPrinterConnection2 RpcDeletePrinterConnection2 RpcInstallPrinterDriverFromPackage
        RpcUploadPrinterDriverPackage RpcGetCorePrinterDrivers RpcCorePrinterDriverInstalled
        RpcGetPrinterDriverPackagePath RpcReportJobProcessingProgress"""),
}  # fmt: skip


def endpoint(interface: Syntax) -> str:
    """`epmapper`, `exchange_mapi`, or `unknown-<uuid>`."""
    return ENDPOINTS.get(interface.uuid) or interface_name(interface.uuid) or f"unknown-{interface.uuid}"


def operation(interface: Syntax, opnum: int) -> str:
    """`ept_map`, or `unknown-<opnum>`; of svcctl without the R that the specification begins each with."""
    name = _OPERATIONS.get(interface.uuid, {}).get(opnum)
    if name is not None:
        return name
    name = operation_name(interface.uuid, opnum)
    if name is None:
        return f"unknown-{opnum}"
    return name[1:] if interface.uuid == SVCCTL and name[:1] == "R" else name
