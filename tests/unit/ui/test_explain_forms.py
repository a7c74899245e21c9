"""Whatever form a person pastes, it is the same error."""

import pytest

from rpcdiag.ui.explain.answer import answer

UNAVAILABLE, NOT_REGISTERED, DENIED = 1722, 1753, 5

FORMS: list[tuple[str, str]] = [
    *(
        (text, "RPC_S_SERVER_UNAVAILABLE")
        for text in (
            "0x800706BA",
            "0x800706ba.",
            "800706ba",
            "800706BAh",
            "0x800706BAL",
            "&H800706BA",
            "0x6ba",
            "6ba",
            "1722",
            "#1722",
            "-2147023174",
            "\N{MINUS SIGN}2147023174",
            "-2,147,023,174",
            "-2.147.023.174",
            "2147944122",
            "(2147944122)",
            "2\N{NO-BREAK SPACE}147\N{NO-BREAK SPACE}944\N{NO-BREAK SPACE}122",
            "2 147 944 122",
            "2'147'944'122",
            "1,722",
            "0xFFFFFFFF800706BA",
            "0x8007\r\n06BA",
            "> error 0x8007\n> 06BA",
            "-21470\n23174",
            "WBEM_E_UNKNOWN (2147944122)",
            "Exception from HRESULT: 0x800706BA",
            "The RPC server is unavailable. (Exception from HRESULT: 0x800706BA)",
            "Win32 error 1722",
            "Error: (1722)",
            '"error code":1722',
            "rc=1722",
            "DsBindWithSpnEx() failed with error 1722,",
            "RPC_S_SERVER_UNAVAILABLE",
            "rpc_s_server_unavailable",
            "SERVER_UNAVAILABLE",
            "The RPC\n   server is\N{NO-BREAK SPACE}unavailable.",
            "\N{LEFT DOUBLE QUOTATION MARK}The RPC server is unavailable\N{RIGHT DOUBLE QUOTATION MARK}",
            "Der RPC-Server ist nicht verfügbar.",
            "Der RPC-Server ist nicht verf\N{REPLACEMENT CHARACTER}gbar",
            "Le serveur RPC n\N{RIGHT SINGLE QUOTATION MARK}est pas disponible.",
            "El servidor RPC no está disponible.",
            "Il server RPC non è disponibile.",
            "O servidor RPC não está disponível.",
            "De RPC-server is niet beschikbaar.",
            "Serwer RPC jest niedostępny.",
            "Сервер RPC недоступен.",
            "RPC サーバーを利用できません。",
            "RPC 서버를 사용할 수 없습니다.",
            "RPC 服务器不可用。",
            "(1722) The RPC server is unavailable.",
            "dcdiag says 1722",
            "what is 1722?",
            "错误 1722",
            "1722 / 1722",
            "DC2 via RPC\n  Last attempt @ 2024-03-13 08:00:00 was delayed, 1722 (0x6ba):",
            "The printer in room 1753 cannot be reached: 1722",
            "PE015: Connection could not be established (The RPC server is unavailable) (code: PE015)",
            "Get-WmiObject : Der RPC-Server ist nicht verfügbar. (Ausnahme von HRESULT: 0x800706BA)",
        )
    ),
    *(
        (text, "EPT_S_NOT_REGISTERED")
        for text in (
            "0x800706D9",
            "1753",
            "There are no more endpoints available from the endpoint mapper.",
            "Es sind keine weiteren Endpunkte von der Endpunktzuordnung verfügbar.",
            "No hay más extremos disponibles desde el asignador de extremos.",
            "ept_s_not_registered",
        )
    ),
    *(
        (text, "E_ACCESSDENIED")
        for text in ("[0x80070005] Access is denied", "2147942405", "-2147024891", "E_ACCESSDENIED", "0x80070005 (5)")
    ),
    *(
        (text, "ERROR_ACCESS_DENIED")
        for text in (
            "rpc_s_access_denied",
            "DCERPC Runtime Error: code: 0x5 - rpc_s_access_denied",
            "WERR_ACCESS_DENIED",
            "Zugriff verweigert",
            "Accès refusé.",
            "Acceso denegado",
            "System error 5 has occurred.",
        )
    ),
    ("nca_s_fault_access_denied", "ERROR_ACCESS_DENIED"),
    ("nca_s_unk_if", "nca_s_unk_if"),
    ("DCERPC_FAULT_UNK_IF", "nca_s_unk_if"),
    ("NT_STATUS_NET_WRITE_FAULT: DCERPC_NCA_S_OP_RNG_ERROR", "nca_s_op_rng_error"),
    ("0x1c010003", "nca_s_unk_if"),
    ("0x16c9a0d6", "ept_s_not_registered"),
    ("0xC0020017", "RPC_NT_SERVER_UNAVAILABLE"),
    ("NT_STATUS_RPC_CALL_FAILED", "RPC_NT_CALL_FAILED"),
    ("session setup failed: NT_STATUS_LOGON_FAILURE", "STATUS_LOGON_FAILURE"),
    ("Cannot connect to server.  Error was NT_STATUS_IO_TIMEOUT", "STATUS_IO_TIMEOUT"),
    ("Connection to srv failed (Error NT_STATUS_CONNECTION_REFUSED)", "STATUS_CONNECTION_REFUSED"),
    ("SMB SessionError: STATUS_OBJECT_NAME_NOT_FOUND(The object name is not found.)", "STATUS_OBJECT_NAME_NOT_FOUND"),
    ("Le serveur RPC : L'appel de procédure distante a échoué et ne s'est pas exécuté.", "RPC_S_CALL_FAILED_DNE"),
    ("Der Remoteprozeduraufruf ist fehlgeschlagen.", "RPC_S_CALL_FAILED"),
    ("The remote procedure call failed and did not execute.", "RPC_S_CALL_FAILED_DNE"),
    ("Error en la llamada a procedimiento remoto", "RPC_S_CALL_FAILED"),
    ("Klasse nicht registriert", "REGDB_E_CLASSNOTREG"),
    ("KRB_AP_ERR_MODIFIED", "KRB_AP_ERR_MODIFIED"),
    ("KRB error 41", "KRB_AP_ERR_MODIFIED"),
    ("Kerberos error code 0x29", "KRB_AP_ERR_MODIFIED"),
    ("41", "KRB_AP_ERR_MODIFIED"),
    ("KDC_ERR_S_PRINCIPAL_UNKNOWN (7)", "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    ("Event 4771: Kerberos pre-authentication failed. Failure Code: 0x18", "KDC_ERR_PREAUTH_FAILED"),
    ("0x80041003", "WBEM_E_ACCESS_DENIED"),
    ("2147749891", "WBEM_E_ACCESS_DENIED"),
    ("0xc0040017", "FWX_E_TCP_NOT_SYN_PACKET_DROPPED"),
    ("0x80074e24", "FWX_E_CONNECTION_KILLED"),
    ("bind_nak, reason: 8", "authentication_type_not_recognized"),
    ("SocketException (0x80004005): No connection could be made because the target machine actively refused it",
     "WSAECONNREFUSED"),
    ("The target principal name is incorrect.", "SEC_E_WRONG_PRINCIPAL"),
    ("The object invoked has disconnected from its clients. (0x80010108 (RPC_E_DISCONNECTED))", "RPC_E_DISCONNECTED"),
    ("0x0000011b", "no symbol"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), FORMS)
def test_any_form_is_recognised(text: str, name: str) -> None:
    names = [one.name or "no symbol" for one in answer(text).codes]
    assert names[-1] == name


def test_there_are_enough_forms() -> None:
    assert len({text for text, _ in FORMS}) == len(FORMS) >= 60


EVENTS: list[tuple[str, int]] = [
    ("10028", 10028),
    ("DistributedCOM 10028", 10028),
    ("Event ID: 10009", 10009),
    ("Security 5157", 5157),
    ("Ereignis-ID 10016", 10016),
    ("NETLOGON 5719", 5719),
    ("5820 NETLOGON", 5820),
    ("EventID 5829", 5829),
    (("DCOM was unable to communicate with the computer srv1 using any of the configured protocols; requested by PID "
     "    1a30 (C:\\Windows\\system32\\mmc.exe)."), 10028),
    (("The server-side authentication level policy does not allow the user CONTOSO\\svc SID (S-1-5-21-1) from address "
     "10.1.2.3 to activate DCOM server."), 10036),
    (("Application C:\\x.exe with PID 1722 is requesting to activate CLSID {8BC3F05E-D86B-11D0-A075-00C04FB68820} on "
     "computer S with default activation authentication level at 2."), 10038),
    ("The Windows Filtering Platform has blocked a connection.", 5157),
    ("DCOM was unable to communicate with the computer 10.0.0.5 using any of the configured protocols.", 10009),
    ('DCOM got error "2147944122" from the computer SRV1 when attempting to activate the server: {4991D34B}', 10006),
    ('DCOM got error "1058" attempting to start the service wuauserv with arguments "" in order to run the server:', 10005),
    ("DPM error 31144", 31144),
    ("The Windows Firewall Service blocked an application from accepting incoming connections on the network.", 5031),
    (("This computer was not able to set up a secure session with a domain controller in domain CONTOSO due to the "
     "following:\nThe RPC server is unavailable."), 5719),
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), EVENTS)
def test_events_are_told_by_number_and_by_words(text: str, number: int) -> None:
    assert [one.number for one in answer(text).paste.events] == [number]


@pytest.mark.parametrize(
    "text",
    [
        "zzz",
        "",
        "-",
        "99999999999999999999",
        "10.0.0.1:135",
        "2024-05-01 12:00:01",
        "{8bc3f05e-d86b-11d0-a075-00c04fb68820}",
        "took 5 retries and 8 bytes",
        "rpc.pcapng holds 1722 packets",
        "it is 17:22",
        "PID 1722",
        "2.147.94.122",
        "no-such-rule",
    ],
)
def test_it_does_not_guess(text: str) -> None:
    assert not answer(text).known


def test_a_pid_is_no_error_and_the_event_gives_its_own() -> None:
    codes = answer("DistributedCOM 10028: requested by PID     1722 (C:\\x.exe)").codes
    assert [one.code.number for one in codes] == [1722]
    assert codes[0].code.written == ""  # meant by the event, not read out of the text


def test_outer_and_inner_errors_are_a_chain_in_their_order() -> None:
    text = (
        "Replication failed with error 8453. Inner exception: COMException (0x800706BA): The RPC server is unavailable "
        "---> System.Net.Sockets.SocketException (10060)"
    )
    found = answer(text)
    assert [one.name for one in found.codes] == [
        "ERROR_DS_DRA_ACCESS_DENIED",
        "RPC_S_SERVER_UNAVAILABLE",
        "WSAETIMEDOUT",
    ]
    assert found.nearest is not None
    assert "21 seconds" in found.nearest.says


def test_two_forms_of_one_error_are_one() -> None:
    assert len(answer("DCERPC Runtime Error: code: 0x16c9a0d6 - ept_s_not_registered").codes) == 1
    assert len(answer("0x800706BA (2147944122), Win32 error 1722: RPC_S_SERVER_UNAVAILABLE").codes) == 1


def test_an_address_is_not_taken_for_a_number_with_separators() -> None:
    assert not answer("2.147.100.122").known
