"""Names: right ones, or none."""

import subprocess
import sys
from pathlib import Path

import pytest

from rpcdiag.dissect import interfaces, status

ROOT = Path(__file__).resolve().parents[3]


def test_the_generated_modules_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/make_tables.py", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("uuid", "name"),
    [
        ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", "epmapper"),
        ("00000131-0000-0000-c000-000000000046", "IRemUnknown"),
        ("00000143-0000-0000-c000-000000000046", "IRemUnknown2"),
        ("00000134-0000-0000-c000-000000000046", "IRundown"),
        ("000001a0-0000-0000-c000-000000000046", "IRemoteSCMActivator"),
        ("99fcfec4-5260-101b-bbcb-00aa0021347a", "IObjectExporter"),
        ("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57", "IActivation"),
        ("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "drsuapi"),
        ("00000000-0000-0000-0000-000000000000", None),
        ("11111111-2222-3333-4444-555555555555", None),
        ("da6aa17a-d61c-4e9c-8cea-db25dea52a95", None),  # a class is no interface
    ],
)
def test_interface_names(uuid: str, name: str | None) -> None:
    assert interfaces.interface_name(uuid) == name


def test_classes_operations_and_services() -> None:
    assert interfaces.class_name("da6aa17a-d61c-4e9c-8cea-db25dea52a95") == "DPMRA"
    assert interfaces.operation_name(interfaces.EPMAPPER, 3) == "ept_map"
    assert interfaces.operation_name(interfaces.EPMAPPER, 99) is None
    program, service, _ = interfaces.service_of("367abb81-9844-35f1-ad32-98f038001003")
    assert (program, service) == (r"%SystemRoot%\System32\services.exe", None)
    assert interfaces.service_of("11111111-2222-3333-4444-555555555555") == (None, None, None)


@pytest.mark.parametrize(
    ("code", "family", "name"),
    [
        (1722, None, "RPC_S_SERVER_UNAVAILABLE"),
        (0x800706BA, None, "RPC_S_SERVER_UNAVAILABLE"),
        (0x16C9A0D6, None, "ept_s_not_registered"),
        (0x80040154, None, "REGDB_E_CLASSNOTREG"),
        (1, "bind_ack_reason", "abstract_syntax_not_supported"),
        (0xDEADBEEF, None, None),
    ],
)
def test_status_names(code: int, family: str | None, name: str | None) -> None:
    assert status.status_name(code, family) == name


def test_numbers_are_found_in_every_form() -> None:
    text = "WBEM_E_UNKNOWN (2147944122), -2147023174, 0x800706BA, 800706BA"
    assert status.numbers_in(text) == [0x800706BA]
    assert status.icmp_name(3, 13) == "communication administratively prohibited"
