"""A few rows of each log format, as its product writes them, for the pages and for a test that reads them."""

from tests.build import logs
from tests.unit.logs.vendor_rows import ROWS

MAP = """\
delimiter: ";"
time: {column: [Date, Time], format: "%d.%m.%Y %H:%M:%S", zone: "+01:00"}
source: Src
source_port: SPort
destination: Dst
destination_port: DPort
protocol: Proto
action: Verdict
actions: {verworfen: drop}
rule: Rule
"""
_EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
    "<Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>5157</EventID>"
    "<TimeCreated SystemTime='2020-08-05T07:48:29.2241234Z'/><EventRecordID>331012</EventRecordID>"
    "<Computer>srv</Computer></System><EventData><Data Name='ProcessId'>732</Data>"
    "<Data Name='Application'>\\device\\harddiskvolume2\\windows\\system32\\services.exe</Data>"
    "<Data Name='Direction'>%%14592</Data><Data Name='SourceAddress'>10.0.0.1</Data><Data Name='SourcePort'>50000</Data>"
    "<Data Name='DestAddress'>10.0.0.9</Data><Data Name='DestPort'>49670</Data><Data Name='Protocol'>6</Data>"
    "<Data Name='FilterRTID'>69408</Data><Data Name='LayerName'>%%14610</Data></EventData></Event>"
)
_FLAT = (
    '{"EventID": 5157, "SourceName": "Microsoft-Windows-Security-Auditing", "Hostname": "srv.example", '
    '"EventTime": "2020-08-05 03:48:29", "Application": "\\\\device\\\\harddiskvolume2\\\\windows\\\\system32\\\\services.exe", '
    '"Direction": "%%14592", "SourceAddress": "10.0.0.1", "SourcePort": "50000", "DestAddress": "10.0.0.9", '
    '"DestPort": "49670", "Protocol": "6", "FilterRTID": "69408"}'
)
_NET_EVENT = """\
<netEvents numItems="1">
 <item><header><timeStamp>2024-05-02T08:00:01.250Z</timeStamp><ipProtocol>6</ipProtocol>
  <localAddrV4>10.0.0.9</localAddrV4><remoteAddrV4>10.0.0.1</remoteAddrV4><localPort>49670</localPort>
  <remotePort>50000</remotePort></header>
  <type>FWPM_NET_EVENT_TYPE_CLASSIFY_DROP</type>
  <classifyDrop><filterId>69408</filterId><layerId>44</layerId>
   <msFwpDirection>MS_FWP_DIRECTION_IN</msFwpDirection></classifyDrop></item>
</netEvents>"""
_TMG = logs.tmg_header(1_300_000_000_000_000_000) + logs.tmg(
    1_300_000_004_000_000_000, "10.0.0.1:50501", "10.0.0.9:135", ("Local Host", "Internal"), "Terminate", "0x80074e20",
    "[System] Allow RPC from Forefront TMG to trusted servers", connection=4703,
)  # fmt: skip
_OF_VENDORS = {
    row.format: row.text
    for row in reversed(ROWS)  # the first refusal of each, else its first row
    if row.protocol == "tcp" and row.action in ("drop", "reject", "reset")
}
SAMPLES: dict[str, str] = _OF_VENDORS | {
    "cisco-asa": next(row.text for row in ROWS if row.format == "cisco-asa" and "106023" in row.text),
    "csv-by-map": "Date;Time;Verdict;Proto;Src;SPort;Dst;DPort;Rule\n"
    '21.02.2026;15:45:26;verworfen;TCP;198.51.100.20;50211;10.0.0.9;49670;"deny; all"',
    "isa-tmg-native": "TMG01, 2011-05-02, 10:00:01, TCP, 10.0.0.1:50123, 10.0.0.9:135, 10.0.0.1, Local Host, Internal, "
    "Terminate, 0x80074e24, Allow RPC, all of it, RPC (all interfaces), N, 212, 212, 60, 60, 31, 31, -, -, -, 2, 4711, -, -, -, "
    "2011-05-02 08:00:01, -, -, ::, -, -, -, Trusted, -, -, -, -, -, 0, -, -",
    "isa-tmg-viewer": "Denied Connection TMG01 13.05.2011 10:00:01\nLog type: Firewall service\n"
    "Status: A non-SYN packet was dropped\nRule: None - see Result Code\nSource: Internal (10.0.0.1:56803)\n"
    "Destination: Local Host (10.0.0.9:445)\nProtocol: Microsoft CIFS (TCP)",
    "isa-tmg-viewer-table": "Log Time\tGMT Log Time\tClient IP\tSource Port\tDestination IP\tDestination Port\tProtocol\t"
    "Action\tRule\tResult Code\n5/13/2011 12:00:01 PM\t5/13/2011 10:00:01 AM\t10.0.0.1\t50123\t10.0.0.9\t135\t"
    "RPC (all interfaces)\tDenied Connection\tDefault rule\t0xc004000d",
    "isa-tmg-w3c": _TMG.replace("\r\n", "\n").strip(),
    "w3c-filter": "#Fields: date time s-proto c-ip c-port r-ip r-port action rule filter-info\n"
    "2026-11-21 03:09:31.679 TCP 198.51.100.20 38922 203.0.113.10 135 Denied strict bind-interface=000001a0",
    "windows-events-json": _FLAT,
    "windows-events-xml": _EVENT,
    "windows-firewall": logs.PFIREWALL.replace("\r\n", "\n")
    + "2011-03-13 08:06:40 DROP TCP 10.20.3.7 10.30.1.5 56626 49154 52 S 2718281828 0 8192 - - - RECEIVE",
    "windows-wfp": _NET_EVENT,
}
