"""What stands where in the arrays that the pass works on. All numbers are int64; -1 is "none" unless said otherwise."""

from array import array
from typing import Any, NamedTuple

# --- counters and cursors ------------------------------------------------------------------------------------------
FORMAT = 0  # PCAP, PCAPNG or SINGLE
BIG = 1  # byte order of the file or section
SCALE = 2  # pcap: ns of one unit of the fraction
RECORD_HEADER = 3  # pcap: bytes of a record's header
NUMBER = 4  # packets so far
FIRST_NS = 5
LAST_NS = 6
WHY = 7  # why the pass came back
STOP = 8  # set while a packet is handled: the arrays are nearly full
EVENTS = 9  # where the next event goes
HELD = 10  # where the next bytes go in the arena
FREE = 11  # first free flow record; -1: the next is at FLOWS_TOP
SERIAL = 12  # flows opened so far
IN_FLOWS = 13  # packets in TCP or UDP flows
POINTS = 14  # capture points in use
INTERFACES = 15  # interfaces of the section
SINGLE_NUMBER = 16  # of a datagram that was put together from fragments
SINGLE_NS = 17
SINGLE_POINT = 18
SINGLE_LINK = 19
CLAIMED = 20  # what a damaged record claims
FREE_STREAM = 21  # the heads of the lists of free records and slots; -1: the next is at the top
FREE_WAITING = 22
FREE_SMALL = 23
FREE_LARGE = 24
FLOWS_TOP = 25  # records from here on were never used
STREAMS_TOP = 26
WAITING_TOP = 27
SMALL_TOP = 28
LARGE_TOP = 29
NO_ROOM = 30  # segments and unfinished PDUs for which there was none
FLOWS_END = 31  # size of the flow array
EXPIRED_NS = 32  # when waiting segments were last given up for want of room
TELL_ALL = 33  # every PDU is told, not only those that matter
ALL_PDUS = 34  # PDUs so far
BODIES = 35
NODES = 36
CONTENT_TOP = 37  # where the bytes of the next body go
HTTP_WAITING = 38  # channels of RPC over HTTP whose other half was not seen yet
NAMES_TOLD = 39  # messages of name services and of key distribution centres that were told
SKIPPED = 40  # packets without a row: 16 counters, by reason
HTTP_COUNT = 56
NAMES_UNTOLD = 57
TOKENS_TOLD = 58
TOKENS_UNTOLD = 59
TUNNELS = 60  # packets that IPsec encrypts
UDP_ERRORS = 61  # ICMP errors about datagrams that were told
SEED = 62  # of hashes: whoever makes a capture must not know which keys collide
POINTS_AT = 64  # the capture points stand behind the counters

PCAP, PCAPNG, SINGLE = 0, 1, 2
# WHY
MORE, OTHER_BLOCK, DRAIN, TOO_LONG, TOO_SHORT, OVERRUN, BLOCK_LENGTH = 0, 1, 2, 3, 4, 5, 6

CUT, MALFORMED, FRAGMENT, ARP, IPV6_ODD, LLDP, MPLS, PPPOE, NOT_IP, ICMP_PACKET, NOT_TCP_OR_UDP, NO_INTERFACE = range(
    12
)
UNKNOWN_LINK = 12
REASONS = (
    "cut-header", "malformed-header", "ip-fragment", "arp", "ipv6", "lldp", "mpls", "pppoe-discovery", "not-ip",
    "icmp", "not-tcp-or-udp", "unknown-interface",
)  # fmt: skip

# --- interfaces of the section, and capture points ------------------------------------------------------------------
IF_LINK = 0
IF_POINT = 1
IF_SNAPLEN = 2
IF_MULTIPLY = 3  # time stamp to ns
IF_DIVIDE = 4
IF_OFFSET = 5
IF_SKIPPED = 6  # packets of a link type that is not read
IF_LONGEST = 7  # time stamps beyond this are no times
INTERFACE_WIDTH = 8

POINT_ID = 0
POINT_FIRST = 1
POINT_LAST = 2
POINT_WIDTH = 4
MAX_POINTS = 256
COUNTERS = POINTS_AT + POINT_WIDTH * MAX_POINTS

# --- flows ----------------------------------------------------------------------------------------------------------
# a pair of columns is for side 0, who sent the first packet seen, and side 1
# what nearly every packet touches stands together: it fills four cache lines
END_NS = 0
LAST_PACKET = 1
PACKETS = 2
BYTES = 4
NEXT = 6  # sequence number after the last data
UNACKNOWLEDGED = 8
LARGEST = 10  # segment that waits for its acknowledgement
SILENCE_NS = 12
MATTERS = 13
FIRST_PACKET = 14
STREAM = 15  # offset of its stream record
TTL = 16
COMPLETED = 18  # the client acknowledged a SYN-ACK, which the capture may not hold
CLIENT = 19  # side
CLIENT_HOW = 20  # BY_SYN or BY_CONTENT
PROBES = 21  # keep-alives of one side since the other said anything: twice their number, and the side
REPEATS = 22
QUIET = 24  # the silence before the data that is not acknowledged
LAST_DATA_PACKET = 26
LAST_DATA_NS = 28
LAST_DATA_SIDE = 30
SILENCE_AFTER = 31
SILENCE_BEFORE = 32
PROBE_QUIET = 33  # the silence before the first of the keep-alives
ACKNOWLEDGED = 34  # largest segment that got one
TRIES = 36
REPEATED = 37  # packets noted as repeats
FIRST_REPEATED = 38
KEY = 40  # source high, source low, destination high, destination low, ports, point and family
SERIAL_NUMBER = 46  # -1: the record is free
NEXT_FREE = 47
ELSEWHERE = 49  # the point where its other half was recorded, and family, as in KEY + 5, plus two; 0: nowhere
START_NS = 48
ISN = 50
SYN_COUNT = 52
SYN_KEPT = 53  # SYNs of which packet and time are kept
SYN_PACKET = 54
SYN_NS = 55
SYN_ID = 56
SYN_TTL = 57
LAST_SYN_NS = 58
LAST_SYN_ID = 59
SYN_ACK_PACKET = 60
SYN_ACK_NS = 61
FIN_PACKET = 62
RESET_PACKET = 64
RESET_NS = 65
RESET_SIDE = 66
RESET_TTL = 67
ICMP_ERRORS = 68
CARRIER = 69  # of a pipe: offset of the flow of its SMB session, plus one
PIPE_CLOSED = 70
FLOW_WIDTH = 72
RESERVE = 16  # records beyond the bound, for pipes that are opened in the middle of a packet

BY_SYN, BY_CONTENT = 1, 2
UNDECIDED, YES, NO, MAYBE = 0, 1, 2, 3  # MAYBE: the beginning could be a header, and is too short to tell
SMB, TICKETS = 4, 5  # followed for what they carry: pipes in an SMB session, messages of Kerberos
MAX_SYNS = 16
MAX_REPEATS = 16
MAX_PROBES = 16
MAX_ICMP = 8
MAX_TRIES = 4

# --- streams of the flows that matter ---------------------------------------------------------------------------------
# the columns of side 0, then those of side 1
BASE = 0  # sequence number of the stream's first byte
POSITION = 1  # bytes handed on so far
WAITING = 2  # offset of the first segment that waits for the bytes before it
WAITING_COUNT = 3
WAITING_BYTES = 4
TAIL = 5  # slot of the unfinished PDU
TAIL_LENGTH = 6
TAIL_PACKET = 7  # that brought its first byte
TAIL_LAST = 8  # and its last
TAIL_NS = 9
OWED = 10  # bytes of a PDU whose middle is missing, still to come
LOST = 11  # framing was lost
IN_PDUS = 12
BYTES_SKIPPED = 13
MISSING = 14
GAP_NS = 15
SIDE_WIDTH = 16
OWNER = 32  # offset of the flow
NEXT_STREAM = 33
PDUS = 34
FIRST_PDU = 35
LAST_PDU_NS = 36
REQUESTS = 37
RESPONSES = 38
FAULTS = 39
ORPHAN_ANSWERS = 40  # whose request was not seen
ORPC_CALLS = 41  # requests that name an object
CALLS = 42  # the oldest call that waits for its answer
CALL_COUNT = 43
ORPHANS = 44
ORPHAN_COUNT = 45
CONTEXTS = 46  # the context that was offered last
AFTER_AUTH3 = 47  # the next answer is the first after the third leg of a logon
NODE = 48  # of the tree of steps, see bodies.py; 0 is its root
STEPS = 49  # the first of the records of its steps
STEPS_END = 50
STEP_COUNT = 51
DIRECT = 52  # what follows is told at once, not as steps
MODE = 53  # what its bytes are
PEER = 54  # stream of the other channel of RPC over HTTP: plus one; on the OUT channel its PDUs belong there
CHANNEL = 55  # IN_CHANNEL, OUT_CHANNEL
STREAM_WIDTH = 56
PDU_MODE, SMB_MODE, TICKET_MODE = 0, 1, 2
IN_CHANNEL, OUT_CHANNEL = 1, 2
# a stream that carries others counts no PDUs: it has these instead
FRAME_LEFT = 36  # of side 0 and side 1: bytes of the frame that are still to come, the unfinished message included
LAST_PIPE = 38  # number of the pipe that the request before this one in a compound opened
PIPE_COUNT = 39  # pipes so far
PIPES_OPEN = 40
SMB_TOLD = 41
PENDING = 42  # requests that wait for their answer
PENDING_COUNT = 43
TREES = 44
TREE_COUNT = 45
PIPES = 46
SEALED_SEEN = 47  # bits: a side sent an encrypted or a compressed message
MAX_STEPS = 1024
MAX_PENDING = 256
MAX_ORPHANS = 64

W_NEXT = 0
W_START = 1  # place in the stream
W_SLOT = 2
W_CAPTURED = 3
W_LENGTH = 4
W_PACKET = 5
W_NS = 6
WAITING_WIDTH = 8
# records of the same size hold calls that wait for their answer
O_ID = 1
O_PACKET = 2
O_NS = 3
O_CONTEXT = 4
O_OPNUM = 5
O_BITS = 6  # of calls.ORPC, ONE_WAY, ASKED, PASSED, RETURNED; of an orphan: whether it is a fault
O_GIVEN_UP = 7  # when its client cancelled it or left it behind, 0 where it did not
# and presentation contexts
C_ID = 1
C_CALLS = 2
C_AUTH_TYPE = 3
C_AUTH_LEVEL = 4  # -2: it has one, which the capture lacks
C_CLASS = 5
# and requests of an SMB session
R_ID = 1
R_COMMAND = 2
R_PIPE = 3  # its number, 0 where it is not known
R_HIGH = 4  # file id
R_LOW = 5
# and its trees
T_ID = 1
T_KIND = 2
# and its pipes
P_NUMBER = 1
P_FLOW = 2  # offset of its flow, -1 for none yet
P_SERIAL = 3
P_HIGH = 4
P_LOW = 5
# and channels of RPC over HTTP, by the cookie of their virtual connection
H_HIGH = 1
H_LOW = 2
H_STREAM = 3
H_CHANNEL = 4
# and steps of a connection
S_PACKET = 1
S_NS = 2
S_CALL = 3
S_GROUP = 4  # association group
MAX_WAITING = 64  # segments of one side
MAX_WAITING_BYTES = 1 << 20
MAX_BEFORE_FIRST = 8  # segments of one side that wait for the one that tells what is spoken
PATIENCE_NS = 3_000_000_000  # by then TCP has repeated a lost segment

SMALL = 8192
LARGE = 65536 + 64  # a PDU has at most 65,535 bytes

# --- events ---------------------------------------------------------------------------------------------------------
EVENT_WIDTH = 14
EV_SYN = 1  # flow, side, packet, ns, IP id, TTL: a SYN after the first
# flow, side, packet, ns, 0 for data and else which of the keep-alives that nobody answers, from the second on; of data
# its bytes, and how many bytes that were sent before follow behind it
EV_REPEAT = 2
EV_ICMP = 3  # flow, side, packet, ns, type, code, bytes of an address, arena offset of the sender's
EV_FRAGMENT = 4  # packet, ns, point, arena offset, bytes: an IP fragment from its IP header on
EV_PDU = 5  # flow, side, first packet, packet, ns, arena offset, captured, length
EV_FAULT = (
    6  # flow, request's packet or 0, packet, ns, context, opnum or -1, status, flags, level or -1, after auth3, call
)
EV_CARRIED = 7  # flow, request's packet, packet, ns, context, opnum, result
EV_ASKED = 9  # flow, side, packet, ns, call, flags, BIG_ENDIAN and so on, context, opnum, offset, captured, length
EV_ANSWERED = 10  # the same: a request or response that may hand out an endpoint, or a fragment of one; its stub
# EV_ASKED and EV_ANSWERED with MARSHALS: a call on an object, from the fragment on in which a reference may be
EV_BODY = 11  # number, kind and side and flags and bits and opnum (see calls.py), length and context, offset, captured
EV_NODE = 12  # number, the node before it, body
EV_OPEN = 8  # flow, packet, ns, context, opnum, bits: a call that will stay without an answer

EV_SMB = 13  # flow, side, packet, ns, what, offset, captured, length, serial of the pipe or -1, file id: a message
EV_DATAGRAM = 14  # what, packet, ns, point, bytes of an address, offset, captured, length: ends, then payload
EV_TICKET = 15  # flow, side, packet, ns, offset, captured, length: a message to or from a key distribution centre
EV_TOKEN = 17  # flow, side, packet, ns, type of the PDU, type and level of security, offset, captured, length
EV_HTTP = 16  # flow, side, packet, ns, offset, captured: the beginning of a message of HTTP

BIG_ENDIAN, SEALED_STUB, MARSHALS, UNBOUND = 1, 2, 4, 8  # UNBOUND: its context was agreed where nobody saw it

MAX_SEGMENT = 1 << 16  # longer payloads count as cut there

TCP = 6
UDP = 17
ESP = 50
ICMP = 1
ICMPV6 = 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
OPENS_OR_ENDS = SYN | RST


# hash slots of distinct bodies
B_HASH = 0
B_CONTENT = 1
B_LENGTH = 2
B_META = 3
B_WIRE = 4
B_NUMBER = 5  # plus one
BODY_WIDTH = 8
MAX_BODIES = 1 << 14
# and of nodes
N_PARENT = 0
N_BODY = 1
N_CHILD = 2
NODE_WIDTH = 4
MAX_NODES = 1 << 16

MAX_WAITING_RECORDS = 1 << 20
MAX_SMALL = 1 << 13
MAX_LARGE = 1 << 9
MAX_EVENTS = 1 << 18
ARENA = 1 << 23

# places in the array of numbers: segments that wait, events, streams
EVENTS_AT = WAITING_WIDTH * MAX_WAITING_RECORDS
BODIES_AT = EVENTS_AT + EVENT_WIDTH * MAX_EVENTS
NODES_AT = BODIES_AT + BODY_WIDTH * 2 * MAX_BODIES
STREAMS_AT = NODES_AT + NODE_WIDTH * 2 * MAX_NODES
# places in the store of bytes: a scratch for lost framing, the arena, small and large slots
ARENA_AT = LARGE
SMALL_AT = ARENA_AT + ARENA
LARGE_AT = SMALL_AT + SMALL * MAX_SMALL
CONTENT_AT = LARGE_AT + LARGE * MAX_LARGE
CONTENT_END = CONTENT_AT + (1 << 24)
STORE = CONTENT_END


class State(NamedTuple):
    """The arrays of one pass. `table` finds flows by their ends: a dict interpreted, hash slots compiled.

    Few of them, because compiled functions hand each one on as seven words.
    """

    counters: "list[int] | array[int]"  # lists where it is interpreted: they are quicker to look into
    interfaces: "array[int]"
    flows: "list[int] | array[int]"
    numbers: Any
    store: Any
    table: Any
