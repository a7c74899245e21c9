"""How to see it: where to capture and with what, and how to make the firewalls write down what they drop."""

# rules whose causes a firewall's log can show
LOGGED = frozenset({
    "dynamic-port-blocked", "dynamic-port-rejected", "mapper-blocked", "mapper-rejected", "callback-blocked",
    "strict-filter", "kdc-unreachable", "outbound-blocked", "non-syn-dropped", "idle-dropped", "pinhole-expired",
})  # fmt: skip

BRIEF_CAPTURE = (
    "Capture while the error is repeated, on client and server at once:",
    "  netsh trace start capture=yes maxsize=512 filemode=circular tracefile=c:\\r.etl",
    "  netsh trace stop   then   etl2pcapng c:\\r.etl c:\\rpc.pcapng",
    "  tcpdump -i any -C 100 -W 10 -w rpc.pcap host SERVER or port 53 or port 88",
)
BRIEF_LOG = (
    "Log what is dropped (off by default), on the host that is asked:",
    "  Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked True",
)

BRIEF_TMG = (
    "Log live on the firewall: Logs & Reports > Logging > Edit Filter, Client IP =",
    "  the opener of the connection; Firewall Policy > View > Show System Policy Rules",
)

WHERE = (
    (
        "On the client and on the server at once: a SYN that leaves one and never reaches the other was lost between them; "
        "one that arrives and stays unanswered was dropped by the server's own firewall. On a firewall: at both interfaces."
    ),
    (
        "Start before the failing program does: what decides is the answer on port 135 just before the failure, and a program "
        "that runs already remembers it. Restart the program, not the host, and note the time of the attempt."
    ),
    (
        "Never filter by port 135, nor by one direction: the port that fails is another one, and callbacks come from the "
        "server. Names (port 53) and tickets (port 88) belong to it. A ring of files keeps the disk from filling."
    ),
)
CAPTURE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("netsh trace", "Windows, nothing to install; stop ends the file", (
        "netsh trace start capture=yes report=no maxsize=512 filemode=circular overwrite=yes tracefile=c:\\r.etl",
        "netsh trace stop",
        "etl2pcapng c:\\r.etl c:\\rpc.pcapng",
    )),
    ("pktmon", "Windows 10 2004, Server 2019 and later; ring of 512 MB", (
        "pktmon filter add rpc -i SERVER",
        "pktmon filter add names -p 53",
        "pktmon filter add tickets -p 88",
        "pktmon start --capture --pkt-size 0 --file-size 512 --file-name c:\\r.etl",
        "pktmon stop",
        "pktmon etl2pcap c:\\r.etl --out c:\\rpc.pcapng",
        "pktmon filter remove",
    )),
    ("tcpdump", "Linux, firewalls, appliances; ring of 10 files of 100 MB", (
        "tcpdump -i any -s 0 -C 100 -W 10 -w rpc.pcap 'host SERVER or port 53 or port 88'",
    )),
    ("dumpcap", "Wireshark's recorder; the same ring", (
        "dumpcap -i 1 -f \"host SERVER or port 53 or port 88\" -b filesize:100000 -b files:10 -w rpc.pcapng",
    )),
)  # fmt: skip
DISPLAY = (
    ("who is asked to connect, and not answered", "tcp.flags.syn == 1 && ip.addr == SERVER"),
    ("lookups and activations", "epm || isystemactivator || oxid"),
    ("refusals", "dcerpc.pkt_type == 3 || dcerpc.pkt_type == 13"),
    ("names and tickets", "dns.flags.rcode != 0 || kerberos.error_code"),
)
LOGGING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Windows Firewall, PowerShell, every profile", "powershell", (
        "Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked True -LogMaxSizeKilobytes 32767",
        "Get-NetConnectionProfile     (which profile is active?)",
        "Set-NetFirewallProfile -Profile Domain,Private,Public -LogBlocked False     (afterwards)",
    )),
    ("Windows Firewall, netsh, one profile each", "cmd", (
        "netsh advfirewall set domainprofile logging droppedconnections enable",
        "netsh advfirewall set privateprofile logging droppedconnections enable",
        "netsh advfirewall set publicprofile logging droppedconnections enable",
        "netsh advfirewall set allprofiles logging maxfilesize 32767",
    )),
    ("Windows Firewall, group policy", "steps", (
        ("Computer Configuration > Policies > Windows Settings > Security Settings > Windows Defender Firewall with "
        "Advanced Security > Properties > each profile's tab > Logging > Customize > Log dropped packets: Yes"),
        "The file is %SystemRoot%\\System32\\LogFiles\\Firewall\\pfirewall.log; the service must be able to write there.",
    )),
    ("Event 5157, with program and filter (the GUID works in every language)", "cmd", (
        'auditpol /set /subcategory:"{0CCE9226-69AE-11D9-BED3-505054503030}" /failure:enable',
        'auditpol /set /subcategory:"{0CCE9226-69AE-11D9-BED3-505054503030}" /failure:disable     (afterwards)',
    )),
    ("TMG and ISA Server, live log", "steps", (
        ("Logs & Reports (ISA: Monitoring) > Logging > Edit Filter: Log Time = Live, Client IP = the host that OPENS the "
        "connection > Start Query. Ask for both directions, one after the other."),
        "Firewall Policy > View > Show System Policy Rules: they decide before your own.",
    )),
    ("Where RPC itself saw it (extended error information)", "steps", (
        ("Computer Configuration > Administrative Templates > System > Remote Procedure Call > Propagate RPC extended "
        "error information: On. repadmin and dcdiag then print records; paste them here."),
    )),
)  # fmt: skip
