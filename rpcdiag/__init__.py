"""rpcdiag: from a capture and a firewall log to the cause of "The RPC server is unavailable".

    import rpcdiag

    diagnosis = rpcdiag.analyze(["capture.pcapng"], logs=["pfirewall.log"])
    for finding in diagnosis.findings:
        print(finding.rule, finding.summary)

What is public is named in `__all__`; it is loaded when it is asked for, so that the import costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for those who check types: at run time, `__getattr__` loads them
    from rpcdiag.diagnose.finding import Finding
    from rpcdiag.errors import InputError, MissingPiece, RpcdiagError
    from rpcdiag.library import Diagnosis, analyze
    from rpcdiag.model.evidence import Confidence, Severity
    from rpcdiag.model.version import __version__
    from rpcdiag.remedies.remedy import Remedy

__all__ = [
    "Confidence",
    "Diagnosis",
    "Finding",
    "InputError",
    "MissingPiece",
    "Remedy",
    "RpcdiagError",
    "Severity",
    "__version__",
    "analyze",
]
_MODULES = {
    "Confidence": "rpcdiag.model.evidence",
    "Diagnosis": "rpcdiag.library",
    "Finding": "rpcdiag.diagnose.finding",
    "InputError": "rpcdiag.errors",
    "MissingPiece": "rpcdiag.errors",
    "Remedy": "rpcdiag.remedies.remedy",
    "RpcdiagError": "rpcdiag.errors",
    "Severity": "rpcdiag.model.evidence",
    "__version__": "rpcdiag.model.version",
    "analyze": "rpcdiag.library",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
