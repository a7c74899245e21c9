"""Rows as firewalls of many vendors write them, with what must be read from them."""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """`ends` are source, port, destination, port as text; `more` holds other values of the entry, as text as well."""

    format: str
    text: str
    action: str
    protocol: str
    ends: tuple[str, str, str, str]
    more: dict[str, Any]


CLIENT, SERVER = "198.51.100.20", "10.0.0.9"
ENDS = (CLIENT, "50211", SERVER, "49670")
MAPPER = (CLIENT, "50211", SERVER, "135")
_PAN = (
    "<14>Sep 16 10:00:00 fw1 1,2026/09/16 10:00:05,001,TRAFFIC,{sub},2049,2026/09/16 10:00:04,198.51.100.20,10.0.0.9,"
    "{nat},203.0.113.9,{rule},,,msrpc,vsys1,untrust,trust,ae1,ae2,log,2026/09/16 10:00:04,{session},1,50211,49670,{sport},"
    "49670,0x400000,tcp,{action},284,284,0,3,2026/09/16 10:00:01,3,any,0,1,0x0,Spain,Spain,0,3,0,{reason},0,0,0,0,,fw1"
)
_PAN_DENY = _PAN.format(
    sub="drop", nat="0.0.0.0", rule='"deny, all"', session=0, sport=0, action="deny", reason="policy-deny"
)
_PAN_END = _PAN.format(
    sub="end", nat="203.0.113.1", rule="rpc", session=7, sport=6001, action="allow", reason="aged-out"
)
_FORTI = (
    'date=2026-02-21 time=15:45:26 devname="FW" devid="F0" logid="{id}" type="traffic" subtype="forward" '
    'srcip=198.51.100.20 srcport=50211 srcintf="wan" dstip=10.0.0.9 dstport=49670 dstintf="srv" sessionid=5 proto=6 '
)
_SRX = (
    "<14>1 2026-01-19T15:18:20.573Z srx RT_FLOW - RT_FLOW_SESSION_{kind} [junos@2636.1.1.1.2.41 {reason}"
    'source-address="198.51.100.20" source-port="50211" destination-address="10.0.0.9" destination-port="49670" '
    'service-name="None" nat-source-address="203.0.113.1" nat-source-port="6001" nat-destination-address="10.0.0.9" '
    'nat-destination-port="49670" protocol-id="6" policy-name="p1" source-zone-name="untrust" '
    'destination-zone-name="trust" session-id-32="28" packets-from-client="3" packets-from-server="0"]'
)
_AWS5 = (
    "5 123456789012 eni-1 198.51.100.20 10.0.0.9 50211 49670 6 3 156 1771685126 1771685180 {action} OK vpc-1 subnet-1 - "
    "{bits} IPv4 198.51.100.20 10.0.0.10 eu-west-1 euw1-az2 - - - - ingress -"
)
_GCP = (
    '{"jsonPayload":{"connection":{"src_ip":"198.51.100.20","src_port":50211,"dest_ip":"10.0.0.9","dest_port":49670,'
    '"protocol":6},%s"instance":{"vm_name":"srv","zone":"europe-west1-b"}},"timestamp":"2026-02-21T14:45:26.123456789Z"}'
)
_CEF = (
    "<134>Feb 21 15:45:26 fw1 CEF:0|Vendor|NGFW|1.0|4711|{name}|5|{did} src=198.51.100.20 spt=50211 dst=10.0.0.9 dpt=49670 "
    "proto=TCP rt=1771685126000 cs1Label=Rule Name cs1=deny all cs2Label=Other cs2=x\\=y sourceTranslatedAddress=203.0.113.1 "
    "sourceTranslatedPort=6001 deviceDirection=0"
)
_ASA = "<166>Nov 21 2026 02:44:48 fw1 : %ASA-6-"
_BOTH = "outside:198.51.100.20/50211 (198.51.100.20/50211) to inside:10.0.0.9/135 (203.0.113.9/135)"
_DENIED = 'Deny tcp src outside:198.51.100.20/50211{user} dst inside:10.0.0.9/49670 by access-group "out_in" [0x0, 0x0]'
_USER = "(DOM\\user)"
_XG = (
    'timestamp="2026-03-12T11:03:06-0400" device_name="XGS" log_type="Firewall" log_component="{part}" log_subtype="{did}" '
    'fw_rule_id="{rule}" in_interface="Port1" src_ip="198.51.100.20" dst_ip="10.0.0.9" protocol="TCP" src_port=50211 '
    'dst_port=49670 message="{says}"'
)

ROWS = [
    Row("cisco-asa", f"{_ASA}302013: Built inbound TCP connection 4711 for {_BOTH}", "open", "tcp", MAPPER,
        {"basis": "local", "device": "fw1", "connection": "4711", "translated_destination": "203.0.113.9", "translated_source": None,
         "translated_destination_port": None, "source_zone": "outside", "code": 302013}),
    Row("cisco-asa", "<166>:Nov 21 02:44:48 UTC: %ASA-session-6-302013: Built outbound TCP connection 4712 for outside:"
        "10.0.0.9/135 (10.0.0.9/135)(LOCAL\\u) to inside:198.51.100.20/50211 (203.0.113.1/6001) (LOCAL\\u)", "open", "tcp",
        MAPPER, {"basis": "no_year", "translated_source": "203.0.113.1", "translated_source_port": 6001, "source_zone": "inside"}),
    Row("cisco-asa", f"{_ASA}302014: Teardown TCP connection 4711 for outside:198.51.100.20/50211 to inside:10.0.0.9/49670 "
        "duration 0:00:30 bytes 0 SYN Timeout", "close", "tcp", ENDS, {"code_name": "302014 SYN Timeout"}),
    Row("cisco-asa", f"{_ASA}302015: Built inbound UDP connection 5 for {_BOTH}", "open", "udp", MAPPER, {}),
    Row("cisco-asa", "2026-11-21T02:44:50.123Z fw1 %ASA-6-302016: Teardown UDP connection 5 for outside:198.51.100.20/50211 "
        "to inside:10.0.0.9/135 duration 0:02:01 bytes 99", "close", "udp", MAPPER, {"basis": "utc", "resolution_ns": 10**6}),
    Row("cisco-asa", "%ASA-2-106001: Inbound TCP connection denied from 198.51.100.20/50211 to 10.0.0.9/49670 flags SYN "
        " on interface outside", "drop", "tcp", ENDS, {"flags": "S", "source_zone": "outside"}),
    Row("cisco-asa", "%ASA-2-106006: Deny inbound UDP from 198.51.100.20/50211 to 10.0.0.9/49670 on interface outside",
        "drop", "udp", ENDS, {}),
    Row("cisco-asa", "%ASA-2-106007: Deny inbound UDP from 198.51.100.20/50211 to 10.0.0.9/135 due to DNS Response",
        "drop", "udp", MAPPER, {"code_name": "106007 DNS Response"}),
    Row("cisco-asa", "%ASA-3-106014: Deny inbound icmp src outside:198.51.100.20 dst inside:10.0.0.9 (type 8, code 0)",
        "drop", "icmp", (CLIENT, "", SERVER, ""), {}),
    Row("cisco-asa", "%ASA-6-106015: Deny TCP (no connection) from 198.51.100.20/50211 to 10.0.0.9/49670 flags FIN ACK on "
        "interface inside", "drop", "tcp", ENDS, {"flags": "FA", "code_name": "106015 no connection"}),
    Row("cisco-asa", f"{_ASA}106023: {_DENIED.format(user='')}", "drop", "tcp", ENDS, {"rule": "out_in"}),
    Row("cisco-asa", f"{_ASA}106023: {_DENIED.format(user=_USER)}", "drop", "tcp", ENDS, {"rule": "out_in"}),
    Row("cisco-asa", '%ASA-4-106023: Deny tcp src outside:2001:db8::1/50211 dst inside:2001:db8::9/49670 by access-group "x"',
        "drop", "tcp", ("2001:db8::1", "50211", "2001:db8::9", "49670"), {}),
    Row("cisco-asa", f"{_ASA}106100: access-list out_in denied tcp outside/198.51.100.20(50211)(LOCAL\\u) -> "
        "inside/10.0.0.9(49670) hit-cnt 3 300-second interval [0x1, 0x2]", "drop", "tcp", ENDS,
        {"resolution_ns": 301 * 10**9, "written_ns": 1_795_229_088_000_000_000 - 300 * 10**9}),
    Row("cisco-asa", "%ASA-3-710003: TCP access denied by ACL from 198.51.100.20/50211 to outside:10.0.0.9/135", "drop",
        "tcp", MAPPER, {"path": "in"}),
    Row("cisco-asa", "%ASA-6-305011: Built dynamic TCP translation from inside:10.0.0.9/50000 to outside:203.0.113.9/6001",
        "info", "tcp", (SERVER, "50000", "", ""), {"translated_source": "203.0.113.9", "translated_source_port": 6001}),
    Row("cisco-asa", "%ASA-6-305012: Teardown dynamic TCP translation from inside:10.0.0.9/50000 to outside:203.0.113.9/6001 "
        "duration 0:00:30", "info", "tcp", (SERVER, "50000", "", ""), {}),
    Row("cisco-asa", "%ASA-4-733100: [ Scanning] drop rate-1 exceeded.", "info", "-", ("", "", "", ""), {"code": 733100}),
    Row("cisco-asa", "Feb  4 2020 08:46:00 ftd %FTD-1-430003: EventPriority: Low, FirstPacketSecond: 2020-02-04T08:45:34Z, "
        "ConnectionID: 7, InstanceID: 3, AccessControlRuleAction: <br/>Block with reset, SrcIP: 198.51.100.20, DstIP: 10.0.0.9,"
        " SrcPort: 50211, DstPort: 49670, Protocol: tcp, NAT_InitiatorIP: 203.0.113.1, AccessControlRuleName: deny, rest",
        "reset", "tcp", ENDS, {"basis": "utc", "rule": "deny, rest", "written_ns": 1_580_805_934_000_000_000,
                               "translated_source": "203.0.113.1"}),
    Row("fortigate", f'<189>{_FORTI.format(id="0000000013")}action="deny" policyid=0 eventtime=1771685126000000000', "drop",
        "tcp", ENDS, {"basis": "utc", "rule": "implicit deny (policy 0)", "written_ns": 1_771_685_126_000_000_000}),
    Row("fortigate", f'{_FORTI.format(id="0000000013")}action="timeout" policyid=7 tz="+0100" rcvdpkt=0', "close", "tcp", ENDS,
        {"basis": "offset", "code_name": "timeout, nothing came back", "written_ns": 1_771_685_126_000_000_000}),
    Row("fortigate", f'{_FORTI.format(id="0000000013")}action="server-rst" policyid=7 trandisp="dnat" tranip=10.9.9.9 '
        "tranport=1 transip=203.0.113.1 transport=6001", "close", "tcp", ENDS,
        {"basis": "local", "code_name": "server-rst", "translated_source": "203.0.113.1", "translated_source_port": 6001,
         "translated_destination": "10.9.9.9", "translated_destination_port": 1}),
    Row("fortigate", f'{_FORTI.format(id="0000000013")}action="accept" policyid=7 duration=9', "allow", "tcp", ENDS,
        {"written_ns": (1_771_688_726 - 10) * 10**9, "resolution_ns": 2 * 10**9}),
    Row("fortigate", f'{_FORTI.format(id="0000000020")}action="accept" policyid=7 duration=9', "progress", "tcp", ENDS, {}),
    Row("fortigate", _FORTI.format(id="0000000013").replace(" ", ",") + 'action="deny",policyid=0,policyname="a, b"', "drop",
        "tcp", ENDS, {"rule": "a, b", "written_ns": 1_771_688_726_000_000_000}),
    Row("fortigate", f'{_FORTI.format(id="0000000013")}action="client-rst"', "close", "tcp", ENDS, {}),
    Row("fortigate", f'{_FORTI.format(id="0000000013")}action="close"', "close", "tcp", ENDS, {}),
    Row("panos-traffic", _PAN_DENY, "drop", "tcp", ENDS,
        {"rule": "deny, all", "code_name": "policy-deny", "basis": "local", "connection": None, "translated_source": None,
         "written_ns": 1_789_552_804_000_000_000, "translated_destination": "203.0.113.9"}),
    Row("panos-traffic", _PAN_END + ",,,,2026-09-16T10:00:04.100+02:00", "allow", "tcp", ENDS,
        {"code_name": "aged-out, nothing came back", "basis": "offset", "translated_source": "203.0.113.1", "translated_source_port": 6001,
         "written_ns": 1_789_552_801_000_000_000 - 7200 * 10**9}),
    Row("checkpoint", '<134>1 2026-02-21T14:45:27Z cp1 CheckPoint 1 - [action:"Drop"; ifname:"eth1"; origin:"10.0.0.1"; '
        'time:"1771685126"; dst:"10.0.0.9"; inzone:"External"; proto:"6"; rule:"0"; s_port:"50211"; service:"49670"; '
        'src:"198.51.100.20"; xlatesrc:"203.0.113.1"; xlatedst:"0.0.0.0"; dce-rpc_interface_uuid:"12345778-1234"; x:"a\\]b"]',
        "drop", "tcp", ENDS, {"basis": "utc", "rule": "implied rule (rule 0)", "translated_source": "203.0.113.1",
                              "translated_destination": None, "code_name": "RPC interface 12345778-1234"}),
    Row("checkpoint", "21Feb2026 15:45:26 reject 10.0.0.1 >eth8 rule: 113; src: 198.51.100.20; dst: 10.0.0.9; proto: tcp; "
        "service: 49670; s_port: 50211;", "reject", "tcp", ENDS, {"basis": "local", "rule": "113", "device": "10.0.0.1"}),
    Row("juniper-srx", _SRX.format(kind="CREATE", reason=""), "open", "tcp", ENDS,
        {"basis": "utc", "translated_source": "203.0.113.1", "translated_source_port": 6001, "translated_destination": None, "rule": "p1"}),
    Row("juniper-srx", _SRX.format(kind="CLOSE", reason='reason="TCP SERVER RST" '), "close", "tcp", ENDS,
        {"code_name": "TCP SERVER RST, nothing came back", "connection": "28"}),
    Row("juniper-srx", "Jan 19 15:18:21 srx RT_FLOW: RT_FLOW_SESSION_CREATE: session created 198.51.100.20/50211->10.0.0.9/135 "
        "junos-ms-rpc-tcp 203.0.113.1/6001->10.0.0.9/135 r1 None 6 p1 trust untrust 29 N/A(N/A) fe-0/0/1.0", "open", "tcp",
        MAPPER, {"translated_source_port": 6001, "rule": "p1", "source_zone": "trust", "connection": "29", "basis": "no_year"}),
    Row("juniper-srx", "RT_FLOW: RT_FLOW_SESSION_DENY: session denied 198.51.100.20/50211->10.0.0.9/49670 0x0 None 6(0) "
        "default-deny(global) trust untrust UNKNOWN", "drop", "tcp", ENDS, {"rule": "default-deny", "service": None}),
    Row("juniper-srx", "RT_FLOW_SESSION_CLOSE: session closed TCP CLIENT RST: 198.51.100.20/50211->10.0.0.9/49670 0x0 None "
        "198.51.100.20/50211->10.0.0.9/49670 0x0 N/A N/A N/A N/A 6 p1 trust untrust 29 1(52) 0(0)", "close", "tcp", ENDS,
        {"code_name": "TCP CLIENT RST", "translated_source": None}),
    Row("filterlog", "<134>1 2026-05-02T10:00:01.123456+02:00 fw filterlog 71234 - - 4,,,1000000103,vtnet1,match,block,in,4,"
        "0x0,,127,4711,0,DF,6,tcp,52,198.51.100.20,10.0.0.9,50211,49670,0,S,1234567890,,64240,,mss;nop", "drop", "tcp", ENDS,
        {"sequence": 1234567890, "ip_id": 4711, "ttl": 127, "flags": "S", "basis": "offset", "rule": "4, tracker 1000000103"}),
    Row("filterlog", "Nov  8 12:37:34 filterlog[99]: 5,,,0,em0,match,pass,out,6,0x00,0x00000,64,TCP,6,40,2001:db8::1,"
        "2001:db8::2,50211,135,0,S,77:97,,65535,,mss", "allow", "tcp", ("2001:db8::1", "50211", "2001:db8::2", "135"),
        {"path": "out", "sequence": 77, "ttl": 64, "device": None}),
    Row("filterlog", "Nov  8 12:37:34 fw filterlog: 5,,,7,em0,match,reject,in,4,0x0,,128,24677,0,none,17,udp,186,"
        "198.51.100.20,10.0.0.9,50211,135,166", "reject", "udp", MAPPER, {}),
    Row("linux-netfilter", "2026-02-21T15:45:26.5+01:00 gw kernel: [12.000001] Shorewall:net2fw:DROP:IN=eth0 OUT= MAC=x SRC=198.51.100.20 "
        "DST=10.0.0.9 LEN=60 TTL=63 ID=4711 PROTO=TCP SPT=50211 DPT=49670 SYN", "drop", "tcp", ENDS,
        {"source_zone": "net", "destination_zone": "fw", "rule": "Shorewall:net2fw:DROP", "basis": "offset"}),
    Row("linux-netfilter", "Feb 21 15:45:26 gw ulogd[812]: net-fw REJECT IN=eth0 OUT=eth1 MAC= SRC=198.51.100.20 DST=10.0.0.9 "
        "LEN=60 TTL=63 ID=4711 PROTO=TCP SPT=50211 DPT=49670 SYN", "reject", "tcp", ENDS,
        {"rule": "net-fw REJECT", "source_zone": "net", "device": "gw"}),
    Row("linux-netfilter", "Feb 21 15:45:26 gw kernel: [WAN_IN-default-D]IN=eth0 OUT=eth1 SRC=198.51.100.20 DST=10.0.0.9 "
        "LEN=60 TTL=63 ID=4711 PROTO=TCP SPT=50211 DPT=49670 SYN", "drop", "tcp", ENDS, {"source_zone": None}),
    Row("linux-netfilter", "<4>1 2026-02-21T15:45:26.5+01:00 gw kernel - - - FW-DROP IN=eth0 OUT=eth1 SRC=198.51.100.20 "
        "DST=10.0.0.9 LEN=60 TTL=63 ID=4711 PROTO=TCP SPT=50211 DPT=49670 SYN", "drop", "tcp", ENDS, {"rule": "FW-DROP"}),
    Row("ulogd-json", '{"timestamp": "2026-02-21T15:45:26.123456+0100", "dvc": "gw1", "oob.prefix": "net-fw DROP", '
        '"oob.in": "eth0", "oob.out": "", "ip.protocol": 6, "ip.ttl": 63, "ip.id": 4711, "src_ip": "198.51.100.20", '
        '"dest_ip": "10.0.0.9", "src_port": 50211, "dest_port": 49670, "tcp.seq": 1234567890, "tcp.syn": 1}', "drop", "tcp",
        ENDS, {"sequence": 1234567890, "flags": "S", "path": "in", "source_zone": "net", "ip_id": 4711}),
    Row("ulogd-json", '{"oob.time.sec": 1771685126, "oob.time.usec": 5, "orig.ip.saddr.str": "198.51.100.20", '
        '"orig.ip.daddr.str": "10.0.0.9", "orig.ip.protocol": 6, "orig.l4.sport": 50211, "orig.l4.dport": 49670, '
        '"reply.ip.saddr.str": "10.0.0.9", "reply.ip.daddr.str": "203.0.113.1", "reply.l4.sport": 49670, '
        '"reply.l4.dport": 6001, "ct.event": 1, "ct.id": 99}', "open", "tcp", ENDS,
        {"translated_source": "203.0.113.1", "translated_source_port": 6001, "translated_destination": None, "connection": "99"}),
    Row("aws-flow", "2 123456789012 eni-1 198.51.100.20 10.0.0.9 50211 49670 6 3 156 1771685126 1771685180 REJECT OK", "drop",
        "tcp", ENDS, {"basis": "utc", "resolution_ns": 55 * 10**9, "device": "eni-1"}),
    Row("aws-flow", _AWS5.format(action="ACCEPT", bits=2), "allow", "tcp", (CLIENT, "50211", "10.0.0.10", "49670"),
        {"flags": "S", "path": "in", "translated_destination": "10.0.0.9", "translated_source": None}),
    Row("aws-flow", _AWS5.format(action="ACCEPT", bits=3), "allow", "tcp", (CLIENT, "50211", "10.0.0.10", "49670"),
        {"flags": None}),
    Row("aws-flow", _AWS5.format(action="ACCEPT", bits=0), "progress", "tcp", (CLIENT, "50211", "10.0.0.10", "49670"), {}),
    Row("aws-flow", "2 123456789012 eni-1 - - - - - - - 1771685126 1771685180 - SKIPDATA", "lost", "-", ("", "", "", ""),
        {"lost": 1}),
    Row("aws-flow", "action dstaddr srcaddr dstport srcport protocol start\nREJECT 10.0.0.9 198.51.100.20 49670 50211 6 "
        "1771685126", "drop", "tcp", ENDS, {"resolution_ns": 10**9}),
    Row("azure-flow", '{"records":[{"time":"2026-02-21T14:46:00Z","macAddress":"00224871C205","properties":{"Version":2,'
        '"flows":[{"rule":"DefaultRule_DenyAll","flows":[{"mac":"00224871C205","flowTuples":['
        '"1771685126,198.51.100.20,10.0.0.9,50211,49670,T,I,D,B,,,,"]}]}]}}]}', "drop", "tcp", ENDS,
        {"rule": "DefaultRule_DenyAll", "path": "in", "device": "00224871C205", "basis": "utc"}),
    Row("azure-flow", '{"time":"2026-02-21T14:46:00Z","flowLogVersion":4,"macAddress":"1","flowRecords":{"flows":[{"aclID":'
        '"a","flowGroups":[{"rule":"BlockDyn","flowTuples":["1771685126065,198.51.100.20,10.0.0.9,50211,49670,6,I,D,NX,0,0,0,'
        '0"]}]}]}}', "drop", "tcp", ENDS, {"rule": "BlockDyn", "resolution_ns": 10**6}),
    Row("azure-flow", "1771685126,198.51.100.20,10.0.0.9,50211,49670,T,O,A", "allow", "tcp", ENDS, {"path": "out"}),
    Row("azure-flow", "1771685126,198.51.100.20,10.0.0.9,50211,49670,T,O,A,E,1,2,3,4", "close", "tcp", ENDS, {}),
    Row("gcp-firewall", _GCP % '"disposition":"DENIED","rule_details":{"reference":"net/deny","direction":"INGRESS"},', "drop",
        "tcp", ENDS, {"rule": "net/deny", "path": "in", "device": "srv", "resolution_ns": 1, "basis": "utc"}),
    Row("gcp-firewall", _GCP % '"start_time":"2026-02-21T14:45:20.5Z",', "allow", "tcp", ENDS,
        {"written_ns": 1_771_685_120_500_000_000}),
    Row("cef", _CEF.format(name="Traffic", did="act=Deny"), "drop", "tcp", ENDS,
        {"rule": "deny all", "basis": "utc", "translated_source": "203.0.113.1", "translated_source_port": 6001, "path": "in"}),
    Row("cef", _CEF.format(name="x", did="deviceAction=reset-both"), "reset", "tcp", ENDS, {"device": "fw1"}),
    Row("cef", _CEF.format(name="x", did="outcome=blocked"), "drop", "tcp", ENDS, {}),
    Row("cef", _CEF.format(name="Connection denied", did="cat=traffic"), "drop", "tcp", ENDS, {}),
    Row("cef", _CEF.format(name="Traffic", did="act=frobnicated"), "unknown", "tcp", ENDS, {}),
    Row("leef", "LEEF:1.0|WatchGuard|XTM|12|3000|policy=Unhandled Packet-00#011disp=Deny#011src=198.51.100.20#011srcPort=50211"
        "#011dst=10.0.0.9#011dstPort=49670#011proto=tcp#011tcp_flag=S#011tcp_seq=77#011ip_TTL=49", "drop", "tcp", ENDS,
        {"sequence": 77, "flags": "S", "ttl": 49, "rule": "Unhandled Packet-00"}),
    Row("leef", "Feb 21 15:45:26 fw1 LEEF:2.0|V|P|1|id|^|src=198.51.100.20^dst=10.0.0.9^srcPort=50211^dstPort=49670^proto=6^"
        "action=allow^devTime=Feb 21 2026 15:45:26.250 UTC^srcPostNAT=203.0.113.1", "allow", "tcp", ENDS,
        {"basis": "utc", "resolution_ns": 10**6, "translated_source": "203.0.113.1", "device": "fw1"}),
    Row("leef", "LEEF:2.0|V|P|1|id|x09|src=198.51.100.20\tdst=10.0.0.9\tsrcPort=50211\tdstPort=49670\tproto=tcp\taction=drop",
        "drop", "tcp", ENDS, {}),
    Row("sophos", _XG.format(part="Invalid Traffic", did="Denied", rule="N/A", says="no connection"), "drop", "tcp", ENDS,
        {"code_name": "Invalid Traffic: no connection", "rule": None, "basis": "offset"}),
    Row("sophos", _XG.format(part="Firewall Rule", did="Allowed", rule="7", says=""), "allow", "tcp", ENDS, {"rule": "7"}),
    Row("sophos", '2026:02:21-15:45:26 utm ulogd[4]: id="2001" sub="packetfilter" name="Packet dropped" action="drop" '
        'fwrule="60002" initf="eth1" srcip="198.51.100.20" dstip="10.0.0.9" proto="6" ttl="242" srcport="50211" '
        'dstport="49670" tcpflags="SYN"', "drop", "tcp", ENDS, {"basis": "local", "device": "utm", "path": "in"}),
    Row("sonicwall", '<134>id=firewall sn=C0 time="2026-02-21 14:45:26 UTC" fw=203.0.113.1 pri=5 c=64 m=36 msg="TCP connection '
        'dropped" n=7 src=198.51.100.20:50211:X1 dst=10.0.0.9:49670:X0:srv proto=tcp/49670 rule="12 (WAN->LAN)"', "drop", "tcp",
        ENDS, {"basis": "utc", "rule": "12 (WAN->LAN)", "source_zone": "X1"}),
    Row("netscreen", 'Jan  1 10:02:11 xx ns5gt: NetScreen device_id=ns5gt  [No Name]system-notification-00257(traffic): '
        'start_time="2026-01-01 10:09:38" duration=0 policy_id=31 service=x proto=6 src zone=Null Zone dst zone=self '
        "action=Deny sent=0 rcvd=38 src=198.51.100.20 dst=10.0.0.9 src_port=50211 dst_port=49670 src-xlated ip=203.0.113.1 "
        "port=6001", "drop", "tcp", ENDS, {"source_zone": "Null Zone", "translated_source_port": 6001, "basis": "local"}),
]  # fmt: skip
