"""What a filter expression can be made of, as the help prints it. Apart, because every start needs it."""

GRAMMAR = """\
EXPR    not EXPR | EXPR and EXPR | EXPR or EXPR | ( EXPR )       'not' binds closest, then 'and'; also ! && ||
ends    10.1.0.10   10.1.0.0/24   2001:db8::/32                  either end; 'src' or 'dst' before it: that end
ports   port 135   dport 49152-65535   sport 1024-               several: port 135,139,445
action  drop reject reset allow open close fail lost info        'denied': drop, reject or reset
way     in   out   fwd                                           as the device that wrote the row sees it
with    tcp   udp   icmp   proto 47
text    rule TEXT   zone TEXT   service TEXT   device TEXT       part of it, or a pattern with * and ?; quote blanks
        code 0xc0040017   code FWX_E_*   pid 1234
kinds   syn        the first packet of a TCP connection
        dynamic    to a port from 49152 on
        noise      broadcast, multicast, and names of NetBIOS
        handed     to an endpoint that somebody was told of (with --capture, --case, -i or -r)"""
