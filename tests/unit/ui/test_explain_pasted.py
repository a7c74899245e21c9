"""Extended error records, rows of a log, events: what they settle."""

import pytest

from rpcdiag.ui.explain.answer import Answer, answer

DCDIAG = """
   The replication generated an error (1722):
   The RPC server is unavailable.
   Printing RPC Extended Error Info:
   Error Record 1, ProcessID is 2312         (DcDiag)
      System Time is: 1/1/2008 10:00:00:000
      Generating component is 2 (RPC runtime)
      Status is 1722: The RPC server is unavailable.

      Detection location is 1710
      NumberOfParameters is 0
   Error Record 2, ProcessID is 2312         (DcDiag)
      Generating component is 8 (winsock)
      Status is {status}: text
      Detection location is {location}
      NumberOfParameters is 3
      Long val: {port}
      Pointer val: 0
"""
EMPTY_MAPPER = """Error Record 1, ProcessID is 700
  Generating component is 2 (RPC runtime)
  Status is 1753: There are no more endpoints available from the endpoint mapper.
  Detection location is 500
  NumberOfParameters is 4
  Unicode string: ncacn_ip_tcp
  Unicode string: dc2.contoso.com
  Long val: -481213899
  Long val: 4
"""


def settles(found: Answer) -> str:
    assert found.paste.chain is not None
    return found.paste.chain.settles or ""


@pytest.mark.parametrize(
    ("status", "location", "port", "words", "first"),
    [
        (10060, 311, 49667, "port 49667 was not answered", "A dynamic port is filtered"),
        (10060, 318, 135, "port 135 was not answered", "Port 135 is filtered"),
        (10061, 311, 49667, "reset", "The service has moved"),
        (11001, 320, 0, "name did not resolve", "The name does not resolve"),
    ],
)
def test_the_last_record_settles_it(status: int, location: int, port: int, words: str, first: str) -> None:
    found = answer(DCDIAG.format(status=status, location=location, port=port))
    assert words in settles(found)
    assert found.causes[0].title.startswith(first)
    assert found.paste.chain is not None
    assert [one.status for one in found.paste.chain.records] == [1722, status]


def test_an_unpublished_place_stays_a_number() -> None:
    from rpcdiag.ui.explain import records

    chain = records.read(DCDIAG.format(status=10060, location=311, port=135))
    assert chain is not None
    assert "1710, a place that Microsoft has not published" in records.told(chain.records[0])


def test_the_mappers_empty_answer_names_the_interface() -> None:
    from rpcdiag.ui.explain import records

    chain = records.read(EMPTY_MAPPER)
    assert chain is not None
    assert "e3514235-... (drsuapi)" in records.told(chain.records[0])
    assert "version 4.0" in records.told(chain.records[0])


def test_records_as_dotnet_names_them() -> None:
    found = answer("ComputerName: DC2, GeneratingComponent: 8, Status: 10061, DetectionLocation: 311")
    assert found.paste.chain is not None
    assert found.paste.chain.records[0].computer == "DC2"
    assert "reset" in settles(found)


DROPS = """2011-03-02 10:15:40 DROP UDP 10.20.3.9 10.20.3.255 137 137 78 - - - - - - - RECEIVE
2011-03-02 10:15:41 DROP TCP 10.20.3.7 10.30.1.5 56626 49154 52 S 2718281828 0 8192 - - - RECEIVE
2011-03-02 10:15:44 DROP TCP 10.20.3.7 10.30.1.5 56626 49154 52 S 2718281828 0 8192 - - - RECEIVE
"""
NETFILTER = (
    "[  823.970099] [UFW BLOCK] IN=wlan0 OUT= MAC=.. SRC=192.168.2.2 DST=192.168.2.1 LEN=52 TOS=0x00 PREC=0x00 TTL=128 "
    "ID=13493 DF PROTO=TCP SPT=54518 DPT=135 WINDOW=8192 RES=0x00 SYN URGP=0"
)
TMG_NOT_SYN = """Denied Connection SS-TMG1 5/2/2011 10:00:01 AM
Log type: Firewall service
Status: A non-SYN packet was dropped because it was sent by a source without an established connection
Rule: None - see Result Code
Source: Internal (10.0.0.9:56803)
Destination: Local Host (10.0.0.1:445)
Protocol: Microsoft CIFS (TCP)
"""


def log_lines(text: str) -> tuple[Answer, str]:
    found = answer(text)
    assert found.paste.log is not None
    return found, " ".join(says for line in found.paste.log.lines for says in line.says)


def test_the_row_that_decides_is_found_among_noise() -> None:
    found, said = log_lines(DROPS)
    assert "Line 2: TCP 10.20.3.7 port 56626 -> 10.30.1.5 port 49154 was dropped, 2 times" in said
    assert "dynamic" in said
    assert "10.30.1.5 itself dropped it on arrival" in said
    assert "10.20.3.255" not in said
    assert found.causes[0].hinted
    assert "dynamic-port-blocked" in found.causes[0].rules


def test_a_row_that_says_send_blames_the_sender() -> None:
    found, said = log_lines("2020-10-14 06:25:54 DROP TCP 10.0.0.5 10.0.0.9 58396 49670 0 - 0 0 0 - - - SEND")
    assert "10.0.0.5 itself dropped it before anything was sent" in said
    assert found.causes[0].title == "The client sends nothing"


def test_other_formats_are_told_by_content() -> None:
    found, said = log_lines(NETFILTER)
    assert "port 135, the endpoint mapper" in said
    assert "mapper-blocked" in found.causes[0].rules


def test_a_packet_without_session_is_no_missing_rule() -> None:
    found, said = log_lines(TMG_NOT_SYN)
    assert "FWX_E_TCP_NOT_SYN_PACKET_DROPPED" in said
    assert "inbound rule" not in said
    assert "non-syn-dropped" in found.causes[0].rules


def test_ports_and_sizes_of_a_row_are_no_codes() -> None:
    found, _ = log_lines(
        "2020-10-14 09:53:33 ALLOW TCP 10.0.0.5 10.0.0.9 1722 1753 5 S 3458995877 0 8192 - - - RECEIVE"
    )
    assert found.codes == ()


EVENT_5157 = """The Windows Filtering Platform has blocked a connection.
Application Information:
	Process ID:		1180
	Application Name:	\\device\\harddiskvolume2\\windows\\system32\\svchost.exe
Network Information:
	Direction:		{direction}
	Source Address:		10.20.3.7
	Source Port:		51222
	Destination Address:	10.30.1.5
	Destination Port:		{port}
"""


@pytest.mark.parametrize(
    ("direction", "port", "first"),
    [
        ("Inbound", 49670, "A dynamic port is filtered"),
        ("Inbound", 135, "Port 135 is filtered"),
        ("Outbound", 135, "The client sends nothing"),
    ],
)
def test_the_event_of_a_block_says_which_way(direction: str, port: int, first: str) -> None:
    found = answer(EVENT_5157.format(direction=direction, port=port))
    assert found.paste.fields["destination"] == "10.30.1.5"
    assert found.causes[0].title.startswith(first)
    assert [one.hinted for one in found.causes].count(True) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Event ID 10005 MsiInstaller", "RestartManager event 10010", "Source: Microsoft-Windows-RestartManager Event ID: 10010",
        "S-1-5-21-1722-5-1753", "https://example.com/kb/1722", "meeting in room 1753 tomorrow", "room 1722", "Raum 1722",
        "an error in room 1753", "please call 1722 people", "born in 1753", "ticket INC-1722 cannot be opened",
        "error log: 1722 users logged on", "the failure of extension 1753", "10053 rows",
    ],
)  # fmt: skip
def test_what_is_of_others_is_not_known(text: str) -> None:
    found = answer(text)
    assert not found.paste.known


@pytest.mark.parametrize("text", ["Source: DCOM Event ID: 10010", "Log: System Source: DistributedCOM event 10010"])
def test_an_event_of_its_own_writer_is(text: str) -> None:
    assert [one.number for one in answer(text).paste.events] == [10010]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("nca_op_rng_error", 0x1C010002), ("STATUS_RPC_SERVER_UNAVAILABLE", 0xC0020017), ("KRB5KRB_AP_ERR_SKEW", 37),
        ("KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN", 7),
    ],
)  # fmt: skip
def test_names_as_others_write_them(text: str, number: int) -> None:
    (code,) = answer(text).paste.codes
    assert code.number == number


def test_a_row_with_an_interface_before_its_address_of_ipv6() -> None:
    row = '%ASA-4-106023: Deny tcp src out:2001:db8::7/56626 dst in:2001:db8::5/49154 by access-group "IN" [0x0, 0x0]'
    found = answer(row).paste.log
    assert found is not None
    assert [line.entry.destination_port for line in found.lines] == [49154]
