"""Paths of programs as rules name them."""

import pytest

from rpcdiag.logs.programs import path_of, system_volume

SVCHOST = r"\device\harddiskvolume4\windows\system32\svchost.exe"


def test_windows_is_where_its_own_programs_run() -> None:
    assert system_volume([SVCHOST, r"\device\harddiskvolume9\windows\system32\app.exe", "System"]) == "4"
    assert system_volume([SVCHOST, SVCHOST.replace("volume4", "volume5")]) is None
    assert system_volume([r"\device\harddiskvolume4\copy\windows\system32\svchost.exe"]) is None
    assert system_volume([r"\device\harddiskvolume4\windows\system32\sub\svchost.exe"]) is None


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (SVCHOST, r"%SystemRoot%\System32\svchost.exe"),
        (r"\Device\HarddiskVolume4\Windows\Cluster\clussvc.exe", r"%SystemRoot%\Cluster\clussvc.exe"),
        (r"\device\harddiskvolume4\program files (x86)\r & d\x.exe", None),  # not safe in a command line
        (r"\device\harddiskvolume4\program files (x86)\r+d\x.exe", r"%SystemDrive%\program files (x86)\r+d\x.exe"),
        (r"\device\harddiskvolume5\windows\system32\svchost.exe", None),
        (r"\device\harddiskvolume4\windows\..\a.exe", None),
        (r"\device\harddiskvolume4\windows\\a.exe", None),
        (r"\device\mup\server\share\a.exe", None),
        (r"C:\Program Files\App\app.exe", r"C:\Program Files\App\app.exe"),
        (r"\??\D:\app.exe", r"D:\app.exe"),
        (r"C:\a.exe:stream", None),
        (r"\SystemRoot\System32\smss.exe", r"%SystemRoot%\System32\smss.exe"),
        ("svchost.exe", None),
        ("System", None),
        ("", None),
    ],
)
def test_a_path_is_translated_where_its_volume_is_known(written: str, path: str | None) -> None:
    assert path_of(written, "4") == path
    if "volume4" in written.lower():
        assert path_of(written, None) is None
