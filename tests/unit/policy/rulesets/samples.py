"""One file of each format, written for these tests in the shape that its tool gives it."""

import json

NETSH = """
Rule Name:                            Windows Management Instrumentation (WMI-In)
----------------------------------------------------------------------
Description:                          Inbound rule to allow WMI traffic for remote management. [TCP]
Enabled:                              Yes
Direction:                            In
Profiles:                             Domain,Private
Grouping:                             Windows Management Instrumentation (WMI)
LocalIP:                              Any
RemoteIP:                             LocalSubnet
Protocol:                             TCP
LocalPort:                            RPC
RemotePort:                           Any
Edge traversal:                       No
Program:                              C:\\Windows\\system32\\svchost.exe
Service:                              winmgmt
InterfaceTypes:                       Any
Security:                             NotRequired
Rule source:                          Local Setting
Action:                               Allow

Rule Name:                            DPM agent
----------------------------------------------------------------------
Enabled:                              Yes
Direction:                            In
Profiles:                             Domain,Private,Public
Grouping:
LocalIP:                              10.9.0.5/32
RemoteIP:                             10.0.0.0/255.255.0.0,192.168.7.9-192.168.7.20
                                      2001:db8::/64
Protocol:                             TCP
LocalPort:                            135,49154
                                      5718-5719
RemotePort:                           1024-65535
Edge traversal:                       No
InterfaceTypes:                       Any
Security:                             Authenticate
Rule source:                          Group Policy Setting
Action:                               Allow

Rule Name:                            Echo
----------------------------------------------------------------------
Enabled:                              No
Direction:                            Out
Profiles:                             Public
Grouping:                             File and Printer Sharing
LocalIP:                              Any
RemoteIP:                             10.1.1.1/32
Protocol:                             ICMPv4
                                      Type    Code
                                      8       Any
Edge traversal:                       No
InterfaceTypes:                       Any
Security:                             NotRequired
Rule source:                          Local Setting
Action:                               Block

Rule Name:                            Backup: override
----------------------------------------------------------------------
Enabled:                              Yes
Direction:                            In
Profiles:                             Domain
LocalIP:                              Any
RemoteIP:                             Any
Protocol:                             Any
Edge traversal:                       No
InterfaceTypes:                       Wireless
Security:                             AuthEnc
Rule source:                          Local Setting
Action:                               Bypass
Ok.

"""

NETSH_DE = """
Regelname:                            RPC-Zuordnung
----------------------------------------------------------------------
Beschreibung:                         Eingehende Regel
Aktiviert:                            Ja
Richtung:                             Eingehend
Profile:                              Domäne,Privat
Gruppierung:                          Remotedienstverwaltung
Lokales IP:                           Beliebig
Remote-IP:                            10.0.0.0/8
Protokoll:                            TCP
Lokaler Port:                         RPC-EPMap
Remoteport:                           Beliebig
Edgeausnahme:                         Nein
Programm:                             C:\\Windows\\system32\\svchost.exe
Dienst:                               RPCSS
Schnittstellentypen:                  Beliebig
Sicherheit:                           Nicht erforderlich
Regelquelle:                          Lokale Einstellung
Aktion:                               Zulassen
OK.
"""

NETSH_FR = """
Nom de la règle :                     Serveur
----------------------------------------------------------------------
Activé :                              Oui
Direction :                           Actif
Profils :                             Domaine,Privé,Public
Groupement :
LocalIP :                             Tout
RemoteIP :                            Tout
Protocole :                           TCP
LocalPort :                           135
RemotePort :                          Tout
Sécurité :                            NotRequired
Action :                              Autoriser
"""

NETSH_ES = """
Nombre de regla:                      Servidor
----------------------------------------------------------------------
Habilitada:                           Sí
Dirección:                            Fuera
Perfiles:                             Dominio,Privada,Pública
Agrupamiento:                         Pruebas
LocalIP:                              Cualquiera
RemoteIP:                             10.0.0.2/32
Protocolo:                            TCP
LocalPort:                            Cualquiera
RemotePort:                           135
Cruce seguro del perímetro:           No
Seguridad:                            NotRequired
Acción:                               Bloquear
"""

PLAIN_JSON = json.dumps(
    [
        {
            "Name": "{0F7F2A2B-1111-4C1C-9C1F-000000000001}", "DisplayName": "DCOM in", "Description": None,
            "Enabled": 1, "Profile": 3, "Direction": 1, "Action": 2, "EdgeTraversalPolicy": 0, "PrimaryStatus": 1,
            "Status": "The rule was parsed successfully from the store. (65536)", "PolicyStoreSourceType": 1,
        },
        {
            "Name": "block-it", "DisplayName": "No SMB", "Enabled": 2, "Profile": 2147483647, "Direction": 2,
            "Action": 4, "EdgeTraversalPolicy": 0, "PrimaryStatus": 1, "PolicyStoreSourceType": 1,
        },
    ],
    indent=4,
)  # fmt: skip

JOINED_JSON = json.dumps(
    [
        {
            "DisplayName": "WMI in", "Enabled": "True", "Direction": "Inbound", "Action": "Allow",
            "Profile": "Domain, Private", "Protocol": "TCP", "LocalPort": "RPC", "RemotePort": "Any",
            "LocalAddress": "Any", "RemoteAddress": {"value": ["10.0.0.0/255.0.0.0", "192.168.1.5"], "Count": 2},
            "Program": "%SystemRoot%\\system32\\svchost.exe", "Service": "winmgmt", "Authentication": 0,
            "Encryption": 0, "OverrideBlockRules": False, "RemoteMachine": "Any", "RemoteUser": "Any",
            "InterfaceType": 0,
        },
        {
            "displayname": "Pinned", "ENABLED": 1, "direction": 1, "action": 2, "profile": 0, "protocol": "6",
            "localport": ["135", "49154"], "remoteport": None, "localaddress": "Any", "remoteaddress": "Any",
            "program": "Any", "service": "Any", "authentication": "Required", "encryption": "NotRequired",
            "overrideblockrules": True, "remotemachine": "O:LSD:(A;;CC;;;S-1-5-21-1-2-3-515)", "remoteuser": "Any",
            "interfacetype": "Any",
        },
    ],
    indent=2,
)  # fmt: skip

JOINED_CSV = (
    '"DisplayName";"Enabled";"Direction";"Action";"Profile";"Protocol";"LocalPort";"RemotePort";"LocalAddress";'
    '"RemoteAddress";"Program";"Service"\r\n'
    '"RPC in";"True";"Inbound";"Allow";"Domain";"TCP";"RPCEPMap";"Any";"Any";"10.0.0.1-10.0.0.9,LocalSubnet";'
    '"C:\\Windows\\system32\\svchost.exe";"RpcSs"\r\n'
    '"Wide, and\r\nin two lines";"True";"Inbound";"Allow";"Any";"TCP";"1025-65535";"Any";"Any";"Any";"Any";"Any"\r\n'
    '"Array";"True";"Inbound";"Allow";"Any";"TCP";"System.String[]";"Any";"Any";"Any";"Any";"Any"\r\n'
)

PLAIN_CSV = (
    "#TYPE Microsoft.Management.Infrastructure.CimInstance#root/standardcimv2/MSFT_NetFirewallRule\r\n"
    '"Name","DisplayName","Enabled","Profile","Direction","Action"\r\n'
    '"a","DCOM in","True","Domain, Private","Inbound","Allow"\r\n'
)

_EPMAP = (
    r"v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|LPort=RPC-EPMap|RA4=10.0.0.0/255.0.0.0"
    r"|RA4=LocalSubnet|App=%SystemRoot%\\system32\\svchost.exe|Svc=RPCSS|Name=@FirewallAPI.dll,-29257|Desc=x"
    r"|EmbedCtxt=@FirewallAPI.dll,-29252|"
)
_HEX = "v2.10|Action=ByPass|Active=TRUE|Dir=In|Protocol=6|LPort=135|LPort2_10=49152-65535|RMauth=D:(A;;CC;;;BA)|RUAuth=D:(A;;CC;;;BA)|Security=Authenticate|Security2_9=An-NoEncap|Name=Hex|"


def _as_hex(text: str) -> str:
    """As regedit writes a value that is not plain text: bytes, 25 a line."""
    digits = [f"{byte:02x}" for byte in (text + "\0").encode("utf-16-le")]
    lines = [",".join(digits[at : at + 25]) for at in range(0, len(digits), 25)]
    return ",\\\r\n  ".join(lines)


REGISTRY = (
    "Windows Registry Editor Version 5.00\r\n\r\n"
    "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules]\r\n"
    f'"RemoteSvcAdmin-In-TCP"="{_EPMAP}"\r\n'
    f'"{{6D4C2F5B-0000-4444-8888-000000000002}}"=hex(1):{_as_hex(_HEX)}\r\n'
    '"Old"="v2.10|Action=Block|Active=FALSE|Dir=Out|Protocol=6|RPort=135|IFType=Wireless|Name=Old \\"quoted\\"|"\r\n'
)

REG_QUERY = (
    "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\FirewallRules\r\n"
    "    {AAAA}    REG_SZ    v2.26|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=RPC|RA4=10.0.0.1-10.0.0.9|"
    "App=System|Name=By policy|\r\n"
)

BARE = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=135|Name=Bare|\n"

TMG = """<?xml version="1.0" encoding="UTF-16"?>
<fpc4:Root xmlns:fpc4="http://schemas.microsoft.com/isa/config-4" xmlns:dt="urn:schemas-microsoft-com:datatypes"
 StorageName="FPC" StorageType="0">
 <fpc4:Build dt:dt="string">7.0.7734.100</fpc4:Build>
 <fpc4:Arrays StorageName="Arrays" StorageType="0"><fpc4:Array StorageName="{A}" StorageType="1">
  <fpc4:RuleElements StorageName="RuleElements" StorageType="1">
   <fpc4:Computers StorageName="Computers" StorageType="1">
    <fpc4:Computer StorageName="{C1}" StorageType="1">
     <fpc4:IPAddress dt:dt="string">10.1.1.5</fpc4:IPAddress><fpc4:Name dt:dt="string">DPM</fpc4:Name>
    </fpc4:Computer>
   </fpc4:Computers>
   <fpc4:Subnets StorageName="Subnets" StorageType="1">
    <fpc4:Subnet StorageName="{S1}" StorageType="1">
     <fpc4:IPAddress dt:dt="string">10.2.0.0</fpc4:IPAddress><fpc4:IPMask dt:dt="string">255.255.0.0</fpc4:IPMask>
     <fpc4:Name dt:dt="string">Branch</fpc4:Name>
    </fpc4:Subnet>
   </fpc4:Subnets>
   <fpc4:ComputerSets StorageName="ComputerSets" StorageType="1">
    <fpc4:ComputerSet StorageName="{SET}" StorageType="1"><fpc4:Name dt:dt="string">Servers</fpc4:Name>
     <fpc4:AddressRanges StorageName="AddressRanges" StorageType="1">
      <fpc4:AddressRange StorageName="{R}" StorageType="1"><fpc4:Name dt:dt="string">r</fpc4:Name>
       <fpc4:IPFrom dt:dt="string">10.3.0.1</fpc4:IPFrom><fpc4:IPTo dt:dt="string">10.3.0.9</fpc4:IPTo>
      </fpc4:AddressRange>
     </fpc4:AddressRanges>
    </fpc4:ComputerSet>
   </fpc4:ComputerSets>
   <fpc4:Protocols StorageName="Protocols" StorageType="1">
    <fpc4:Protocol StorageName="{P1}" StorageType="1"><fpc4:Name dt:dt="string">RPC (all interfaces)</fpc4:Name>
     <fpc4:ProtocolConnections StorageName="PrimaryConnections" StorageType="1">
      <fpc4:ProtocolConnection StorageName="{X}" StorageType="1"><fpc4:PortHigh dt:dt="int">135</fpc4:PortHigh>
       <fpc4:PortLow dt:dt="int">135</fpc4:PortLow></fpc4:ProtocolConnection>
     </fpc4:ProtocolConnections>
    </fpc4:Protocol>
   </fpc4:Protocols>
  </fpc4:RuleElements>
  <fpc4:NetConfig StorageName="NetConfig" StorageType="1"><fpc4:Networks StorageName="Networks" StorageType="1">
    <fpc4:Network StorageName="{N1}" StorageType="1"><fpc4:Name dt:dt="string">Internal</fpc4:Name></fpc4:Network>
    <fpc4:Network StorageName="{N2}" StorageType="1"><fpc4:Name dt:dt="string">Local Host</fpc4:Name></fpc4:Network>
  </fpc4:Networks></fpc4:NetConfig>
  <fpc4:ArrayPolicy StorageName="ArrayPolicy" StorageType="1">
   <fpc4:PolicyRules StorageName="PolicyRules" StorageType="1">
    <fpc4:PolicyRule StorageName="{R1}" StorageType="1">
     <fpc4:Enabled dt:dt="boolean">1</fpc4:Enabled><fpc4:Name dt:dt="string">Allow all</fpc4:Name>
     <fpc4:Order dt:dt="int">1</fpc4:Order>
     <fpc4:SelectionIPs><fpc4:Refs StorageName="Networks"><fpc4:Ref StorageName="{1}">
       <fpc4:Name dt:dt="string">{N2}</fpc4:Name><fpc4:RefClass dt:dt="string">msFPCNetwork</fpc4:RefClass>
     </fpc4:Ref></fpc4:Refs></fpc4:SelectionIPs>
     <fpc4:AccessProperties><fpc4:SelectionIPs><fpc4:Refs StorageName="Networks"><fpc4:Ref StorageName="{2}">
       <fpc4:Name dt:dt="string">{N1}</fpc4:Name><fpc4:RefClass dt:dt="string">msFPCNetwork</fpc4:RefClass>
     </fpc4:Ref></fpc4:Refs></fpc4:SelectionIPs></fpc4:AccessProperties>
    </fpc4:PolicyRule>
    <fpc4:PolicyRule StorageName="{R2}" StorageType="1">
     <fpc4:Action dt:dt="int">1</fpc4:Action><fpc4:Enabled dt:dt="boolean">0</fpc4:Enabled>
     <fpc4:Name dt:dt="string">Deny branch</fpc4:Name><fpc4:Order dt:dt="int">2</fpc4:Order>
     <fpc4:SelectionIPs><fpc4:Refs StorageName="Subnets"><fpc4:Ref StorageName="{3}">
       <fpc4:Name dt:dt="string">{S1}</fpc4:Name><fpc4:RefClass dt:dt="string">msFPCSubnet</fpc4:RefClass>
     </fpc4:Ref></fpc4:Refs></fpc4:SelectionIPs>
     <fpc4:AccessProperties><fpc4:SelectionIPs><fpc4:Refs StorageName="ComputerSets"><fpc4:Ref StorageName="{4}">
       <fpc4:Name dt:dt="string">{SET}</fpc4:Name><fpc4:RefClass dt:dt="string">msFPCComputerSet</fpc4:RefClass>
     </fpc4:Ref></fpc4:Refs></fpc4:SelectionIPs>
     <fpc4:ProtocolSelectionMethod dt:dt="int">1</fpc4:ProtocolSelectionMethod>
     <fpc4:Refs StorageName="ProtocolsUsed"><fpc4:Ref StorageName="{5}"><fpc4:Name dt:dt="string">{GONE}</fpc4:Name>
       <fpc4:RefClass dt:dt="string">msFPCProtocol</fpc4:RefClass></fpc4:Ref></fpc4:Refs></fpc4:AccessProperties>
    </fpc4:PolicyRule>
    <fpc4:PolicyRule StorageName="{R3}" StorageType="1">
     <fpc4:Enabled dt:dt="boolean">1</fpc4:Enabled>
     <fpc4:Name dt:dt="string">Allow RPC from Forefront TMG to trusted servers</fpc4:Name>
     <fpc4:Order dt:dt="int">22</fpc4:Order><fpc4:System dt:dt="boolean">1</fpc4:System>
     <fpc4:SelectionIPs><fpc4:Refs StorageName="Computers"><fpc4:Ref StorageName="{6}">
       <fpc4:Name dt:dt="string">{C1}</fpc4:Name><fpc4:RefClass dt:dt="string">msFPCComputer</fpc4:RefClass>
     </fpc4:Ref></fpc4:Refs></fpc4:SelectionIPs>
     <fpc4:AccessProperties><fpc4:ProtocolSelectionMethod dt:dt="int">1</fpc4:ProtocolSelectionMethod>
     <fpc4:Refs StorageName="ProtocolsUsed"><fpc4:Ref StorageName="{7}"><fpc4:Name dt:dt="string">{P1}</fpc4:Name>
       <fpc4:RefClass dt:dt="string">msFPCProtocol</fpc4:RefClass></fpc4:Ref></fpc4:Refs></fpc4:AccessProperties>
    </fpc4:PolicyRule>
   </fpc4:PolicyRules>
  </fpc4:ArrayPolicy>
 </fpc4:Array></fpc4:Arrays>
</fpc4:Root>
"""

IPTABLES = """# Generated by iptables-save v1.8.9 (nf_tables)
*mangle
:PREROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [12:3456]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [9:99]
:RPC - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 135 -m comment --comment "endpoint mapper" -j RPC
-A INPUT ! -s 10.9.0.0/16 -p tcp -m multiport --dports 445,49152:65535 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 3389 -m recent --name x --rsource -j ACCEPT
-A INPUT -p tcp -m tcp --dport 139 -j REJECT --reject-with tcp-reset
-A INPUT -m limit --limit 3/min -j LOG --log-prefix "dropped: "
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A RPC -s 10.5.0.0/16 -j DROP
-A RPC -i eth1 -j RETURN
-A RPC -j ACCEPT
COMMIT
"""


def _rule(*expr: dict[str, object], chain: str = "input", comment: str | None = None) -> dict[str, object]:
    rule: dict[str, object] = {"family": "inet", "table": "filter", "chain": chain, "handle": 9, "expr": list(expr)}
    return {"rule": {**rule, "comment": comment} if comment else rule}


def _match(left: object, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": left, "right": right}}


def _payload(protocol: str, field: str) -> dict[str, object]:
    return {"payload": {"protocol": protocol, "field": field}}


_ACCEPT: dict[str, object] = {"accept": None}
NFT = json.dumps(
    {
        "nftables": [
            {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
            {"table": {"family": "inet", "name": "filter", "handle": 1}},
            {
                "chain": {
                    "family": "inet", "table": "filter", "name": "input", "handle": 1, "type": "filter",
                    "hook": "input", "prio": 0, "policy": "drop",
                }
            },
            {"chain": {"family": "inet", "table": "filter", "name": "rpc", "handle": 2}},
            {
                "set": {
                    "family": "inet", "name": "clients", "table": "filter", "type": "ipv4_addr", "handle": 3,
                    "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, "192.168.1.5"], "flags": ["interval"],
                }
            },
            _rule(_match({"ct": {"key": "state"}}, ["established", "related"], "in"), _ACCEPT),
            _rule({"vmap": {"key": {"ct": {"key": "state"}},
                            "data": {"set": [["invalid", {"drop": None}], ["established", _ACCEPT]]}}}),
            _rule(_match({"meta": {"key": "iifname"}}, "lo"), _ACCEPT),
            _rule(_match(_payload("ip", "saddr"), "@clients"), _match(_payload("tcp", "dport"), 135),
                  {"counter": {"packets": 0, "bytes": 0}}, {"jump": {"target": "rpc"}}),
            _rule(_match(_payload("tcp", "dport"), {"set": [445, {"range": [49152, 65535]}]}),
                  _match(_payload("ip", "daddr"), {"range": ["10.0.0.1", "10.0.0.9"]}), _ACCEPT, comment="wide"),
            _rule(_match(_payload("icmp", "type"), "echo-request"), _ACCEPT),
            _rule(_match({"meta": {"key": "l4proto"}}, "tcp"), {"reject": {"type": "tcp reset"}}),
            _rule(_match(_payload("ip", "saddr"), "10.5.0.0/16", "!="), _ACCEPT, chain="rpc"),
        ]
    }
)  # fmt: skip

SAMPLES = {
    "netsh-advfirewall": [NETSH, NETSH_DE, NETSH_FR, NETSH_ES],
    "netfirewallrule-json": [PLAIN_JSON, JOINED_JSON],
    "netfirewallrule-csv": [JOINED_CSV, PLAIN_CSV],
    "registry-rules": [REGISTRY, REG_QUERY, BARE],
    "tmg-xml": [TMG],
    "iptables-save": [IPTABLES],
    "nft-json": [NFT],
}
