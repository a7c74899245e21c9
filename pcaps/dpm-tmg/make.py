"""Makes the capture and the log of this story; run it to make them again, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.build import exchanges, logs, pdus
from tests.build.conversation import MS, SECOND, Recording, Tcp
from tests.build.story import START, Story, save

TMG, TOOLS = "10.0.0.1", "10.0.0.9"
DPM = "da6aa17a-d61c-4e9c-8cea-db25dea52a95"
OWN, SYSTEM = "DPM All <=> SS-TMG1", "[System] Allow RPC from Forefront TMG to trusted servers"
INBOUND, OUTBOUND = ("Internal", "Local Host"), ("Local Host", "Internal")
GRACEFUL, KILLED, NOT_SYN = "0x80074e20", "0x80074e24", "0xc0040017"


class Log:
    """The firewall's rows, with the numbers of those that matter."""

    def __init__(self, start: int) -> None:
        self.text = logs.tmg_header(start)
        self.system: list[int] = []
        self.own: list[int] = []
        self.connection = 4700

    def pair(self, tcp: Tcp, opened: int, closed: int, zones: tuple[str, str], rule: str, code: str = GRACEFUL) -> None:
        self.connection += 1
        ends = [f"{address}:{port}" for address, port in tcp.ends]
        for ns, action, status in ((opened, "Establish", "0x0"), (closed, "Terminate", code)):
            self.row(logs.tmg(ns, *ends, zones, action, status, rule, connection=self.connection))
            (self.system if rule == SYSTEM else self.own).append(self.text.count("\n"))

    def row(self, text: str) -> None:
        self.text += text


def build() -> Story:
    recording = Recording(START)
    log = Log(START)

    # inbound: the DPM server activates the agent on the firewall host; all of it works
    opened = recording.now
    tcp = Tcp(recording, TOOLS, 52110, TMG, 135)
    tcp.open()
    exchanges.activator(tcp)
    inbound = exchanges.activate(tcp, DPM, ["SS-TMG1[50120]", f"{TMG}[50120]"])
    agent = Tcp(recording, TOOLS, 52111, TMG, 50120)
    agent_first = agent.open()
    exchanges.exporter(agent)
    recording.wait(400 * MS)
    agent.close()
    tcp.close()
    log.pair(tcp, opened, recording.now, INBOUND, OWN)
    log.pair(agent, opened, recording.now, INBOUND, OWN)

    # a segment without a session on another port: what people mistake for the cause
    recording.wait(2 * SECOND)
    stray = Tcp(recording, TOOLS, 56803, TMG, 445)
    stray.middle()
    stray.stray()
    log.row(
        logs.tmg(
            recording.now,
            f"{TOOLS}:56803",
            f"{TMG}:445",
            INBOUND,
            "Denied",
            NOT_SYN,
            "-",
            service="Microsoft CIFS (TCP)",
        )
    )
    stray_line = log.text.count("\n")

    # outbound, by the mapper: works
    recording.wait(2 * SECOND)
    opened = recording.now
    mapper = Tcp(recording, TMG, 50501, TOOLS, 135)
    mapper.open()
    exchanges.bind(mapper, (pdus.EPM, "3.0"), 135)
    told = exchanges.ask(mapper, exchanges.LSARPC, [pdus.tower(*exchanges.LSARPC, 49155, TOOLS)])
    lsa = Tcp(recording, TMG, 50502, TOOLS, 49155)
    lsa_first = lsa.open()
    exchanges.session(lsa, exchanges.LSARPC)
    lsa.close()
    mapper.close()
    log.pair(mapper, opened, recording.now, OUTBOUND, SYSTEM)
    log.pair(lsa, opened, recording.now, OUTBOUND, SYSTEM)
    log.system.clear()

    # outbound, by DCOM: opens and dies, three times
    binds = []
    firsts = []
    for port, interface in ((50503, pdus.SCM), (50504, pdus.SCM), (50505, pdus.OXID_RESOLVER)):
        recording.wait(3 * SECOND)
        opened = recording.now
        dcom = Tcp(recording, TMG, port, TOOLS, 135)
        firsts.append(dcom.open())
        binds.append(dcom.send(pdus.bind([(interface, "0.0", [pdus.NDR32])], auth=(9, 5, exchanges.TOKEN))))
        recording.wait(30 * MS)
        dcom.fin(1)
        dcom.rst(0)
        log.pair(dcom, opened, recording.now, OUTBOUND, SYSTEM, KILLED)
    recording.wait(8 * SECOND)
    tail = Tcp(recording, TOOLS, 52200, TMG, 3389)
    tail.middle()
    tail.stray()

    must = {
        "exit": 1,
        "only_errors": ["strict-filter", "shadowed-by-system-rule", "strict-rpc-violation"],
        "rules": {
            "strict-filter": {"severity": "error", "client": TMG, "server": TOOLS, "direction": "client-to-server",
                              "confidence": "proven", "packets": binds[:1]},
            "shadowed-by-system-rule": {"severity": "error", "client": TMG, "server": TOOLS, "confidence": "proven",
                                        "lines": log.system[:2], "says": SYSTEM},
            "non-syn-dropped": {"client": TOOLS, "server": TMG, "lines": [stray_line]},
            "strict-rpc-violation": {"severity": "error", "client": TMG, "server": TOOLS},
        },
        "remedies": {"shadowed-by-system-rule": ["Authentication Services", "Active Directory",
                                                 "Enforce strict RPC compliance", "after, they pass",
                                                 "nothing else changes"]},
        "referrals": [
            {"kind": "activation", "request_packet": inbound.request, "response_packet": inbound.response,
             "status": "0x00000000", "ports": [50120]},
            {"kind": "ept_map", "request_packet": told.request, "response_packet": told.response,
             "status": "0x00000000", "ports": [49155]},
        ],
        "flows": [
            {"first_packet": agent_first, "outcome": "established", "origin": "activation", "strict": "violation",
             "kind": "dcom-follow-up"},
            {"first_packet": lsa_first, "outcome": "established", "origin": "ept_map", "strict": "compliant",
             "kind": "mapped"},
            {"first_packet": firsts[0], "origin": "mapper", "strict": "violation", "kind": "dcom-on-135"},
        ],
    }  # fmt: skip
    return Story({"capture.pcapng": recording.pcapng(), "tmg.log": log.text.encode()}, must)


if __name__ == "__main__":
    save(build(), __file__)
