"""The firewall log does not show that dropped packets are logged at all.

Looks like: a connection stays unanswered, a Windows Firewall log is at hand, and it holds not one DROP row.
Because: logging of dropped packets is off by default, and a switch of its own for each profile.
Not this: a log that holds drops, but none of this connection: then this firewall did not drop it.
Needs: a capture with the silent connection, and pfirewall.log of the host (`--log`).
"""

from collections.abc import Iterator

from rpcdiag.case import Case
from rpcdiag.diagnose import observe
from rpcdiag.diagnose.finding import Finding, Rule, Subject
from rpcdiag.flows.flow import TcpOutcome
from rpcdiag.model.evidence import Confidence, Logged, Severity


def check(case: Case) -> Iterator[Finding]:
    silent = [one for one in observe.failed(case, TcpOutcome.UNANSWERED) if observe.silent_long_enough(case, one)]
    if not silent or not case.logs:
        return
    from rpcdiag.logs.match import drops_logged  # loaded only where there is a log

    for log in case.logs:
        if log.file.format != "windows-firewall" or drops_logged(log.file):
            continue
        first = next((one for one in silent if all(row.log != log.number for row in case.rows_of(one))), None)
        if first is None:  # it is not silent about them
            continue
        lines = tuple(entry.line for entry in log.file.entries[:1])
        yield Finding(
            rule=RULE.id,
            summary=f"{log.file.path} holds no dropped packet at all: whether drops are logged there is not proven, so "
            "its silence about the blocked connection means nothing",
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            client=first.client,
            server=first.server,
            flows=first.ids,
            evidence=(
                observe.syns(case, first),
                Logged(f"{log.file.rows} rows, none of them a drop", log.number, lines),
            ),
            subject=Subject(port=first.near.flow.server.port, log_format=log.file.format),
            next_observation="'Get-NetFirewallProfile | Select-Object Name,LogBlocked,LogFileName' on the host of that log; "
            "switch LogBlocked on for the profile in use, and try again.",
        )


RULE = Rule(id="log-not-enabled", cause="F6", title="Dropped packets may not be logged", check=check)
