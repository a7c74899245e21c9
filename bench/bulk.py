"""Traffic that has nothing to do with RPC: web, shells, file reads, names, scans; payloads are slices of one random pool."""

from collections.abc import Callable
from random import Random
from struct import pack

from bench import smb, tokens
from bench.conversation import CLIENT, MILLISECOND, SERVER, Conversation, Frames
from bench.frames import ACK, RST, SYN, SYN_OPTIONS, Connection, Hosts, arp_request
from bench.truth import FlowKey, Truth

POOL_SIZE = 4 << 20
IPV6_SHARE, VLAN_SHARE = 0.08, 0.03
MAPPER_SCANS = 0.04  # of the scans, those that try port 135
LARGEST_TRANSFER = 3 << 20
FILE_MESSAGES = (65_536, 65_536, 131_072, 262_144, 524_288, 1_048_576)  # bytes of a read or a write


class Bulk:
    """Makes one conversation at a time; `random` is that conversation's own."""

    def __init__(self, truth: Truth, seed: int) -> None:
        self._truth = truth
        self._pool = Random(f"pool {seed}").randbytes(POOL_SIZE)
        self._logon = tokens.ntlm(Random(f"logon {seed}"))

    def _bytes(self, random: Random, count: int) -> bytes:
        if count >= POOL_SIZE:
            return self._pool
        at = random.randrange(POOL_SIZE - count)
        return self._pool[at : at + count]

    @staticmethod
    def _hosts(random: Random, *, six: bool | None = None) -> Hosts:
        vlan = random.choice((10, 42, 310)) if random.random() < VLAN_SHARE else 0
        if six or (six is None and random.random() < IPV6_SHARE):
            client = f"2001:db8:1::{random.randrange(1, 4000):x}"
            return Hosts(
                client, f"2001:db8:{random.randrange(2, 0xFFFF):x}::{random.randrange(1, 0xFFFF):x}", vlan=vlan
            )
        client = f"10.{random.randrange(200, 208)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        return Hosts(
            client, f"198.{random.randrange(18, 20)}.{random.randrange(256)}.{random.randrange(1, 255)}", vlan=vlan
        )

    def _talk(self, random: Random, at: int, port: int) -> Conversation:
        self._truth.tcp_flows += 1
        ports = random.randrange(32768, 65536), port
        return Conversation([], at, self._hosts(random), ports, random, round_trip=random.randrange(300, 30_000))

    @staticmethod
    def _size(random: Random, median: int) -> int:
        return min(LARGEST_TRANSFER, max(200, int(random.lognormvariate(0, 1.4) * median)))

    def tls(self, random: Random, at: int) -> Frames:
        talk = self._talk(random, at, 443)
        talk.open()
        hello = self._bytes(random, random.randrange(250, 550))
        talk.send(pack(">BHHBBHH", 22, 0x301, len(hello) + 6, 1, 0, len(hello) + 2, 0x303) + hello)
        talk.reply(self._record(random, random.randrange(2500, 4500), kind=22))
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            talk.send(self._record(random, random.randrange(200, 1500)))
            talk.reply(self._records(random, self._size(random, 24_000)))
            talk.wait(random.expovariate(1) * 400 * MILLISECOND)
        talk.close()
        return talk.frames

    def _records(self, random: Random, count: int) -> bytes:
        return b"".join(self._record(random, min(16_384, count - at)) for at in range(0, count, 16_384))

    def _record(self, random: Random, count: int, kind: int = 23) -> bytes:
        return pack(">BHH", kind, 0x303, count) + self._bytes(random, count)

    def http(self, random: Random, at: int) -> Frames:
        talk = self._talk(random, at, 80)
        talk.open()
        for _ in range(random.choice((1, 1, 2, 4))):
            size = self._size(random, 24_000)
            talk.send(f"GET /files/{size:x} HTTP/1.1\r\nHost: intranet.example\r\nAccept: */*\r\n\r\n".encode())
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
            talk.reply(head.encode() + self._bytes(random, size))
            talk.wait(random.expovariate(1) * 400 * MILLISECOND)
        talk.close()
        return talk.frames

    def ssh(self, random: Random, at: int) -> Frames:
        talk = self._talk(random, at, 22)
        talk.open()
        talk.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        talk.reply(b"SSH-2.0-OpenSSH_9.6\r\n")
        for _ in range(random.randrange(10, 120)):
            talk.send(self._bytes(random, random.choice((36, 44, 52, 68, 100, 180))), random.choice((CLIENT, SERVER)))
            talk.wait(random.expovariate(1) * 200 * MILLISECOND)
        talk.close()
        return talk.frames

    def file_read(self, random: Random, at: int) -> Frames:
        """SMB2 READ of a file from its beginning."""
        return self._file(random, at, smb.Session.read)

    def file_write(self, random: Random, at: int) -> Frames:
        """SMB2 WRITE of a file."""
        return self._file(random, at, smb.Session.write)

    def _file(self, random: Random, at: int, move: Callable[[smb.Session, smb.Open, bytes, int], None]) -> Frames:
        """A session with one file that is moved in messages of one size, the last one shorter."""
        talk = self._talk(random, at, smb.PORT)
        talk.open()
        session = smb.Session(talk, random.getrandbits(16))
        session.log_on(self._logon)
        size, step = random.randrange(65_536, LARGEST_TRANSFER), random.choice(FILE_MESSAGES)
        tree = session.tree(r"\\files\data", smb.DISK)
        file = session.create(tree, f"reports\\{random.getrandbits(32):08x}.xlsx", size)
        for place in range(0, size, step):
            move(session, file, self._bytes(random, min(step, size - place)), place)
        session.close(file)
        session.log_off()
        talk.close()
        return talk.frames

    def quic(self, random: Random, at: int) -> Frames:
        hosts, ports = self._hosts(random), (random.randrange(32768, 65536), 443)
        frames: Frames = []
        for side in (CLIENT, SERVER):
            frames.append((at, hosts.datagram(side, ports, b"\xc3\x00\x00\x00\x01" + self._bytes(random, 1195))))
            at += 5 * MILLISECOND
        for _ in range(random.randrange(20, 500)):
            frames.append(
                (at, hosts.datagram(SERVER, ports, b"\x41" + self._bytes(random, random.choice((1249, 1349)))))
            )
            if random.random() < 0.25:
                frames.append((at + 100, hosts.datagram(CLIENT, ports, b"\x41" + self._bytes(random, 30))))
            at += int(random.expovariate(1) * 600) + 100
        return frames

    def dns(self, random: Random, at: int) -> Frames:
        hosts, ports = self._hosts(random), (random.randrange(49152, 65536), 53)
        number = random.randbytes(2)
        question = b"\x08" + random.randbytes(4).hex().encode() + b"\x07example\x04test\x00\x00\x01\x00\x01"
        answer = question + b"\xc0\x0c\x00\x01\x00\x01" + pack(">IH", 300, 4) + random.randbytes(4)
        return [
            (at, hosts.datagram(CLIENT, ports, number + b"\x01\x00" + pack(">HHHH", 1, 0, 0, 0) + question)),
            (at + 900, hosts.datagram(SERVER, ports, number + b"\x81\x80" + pack(">HHHH", 1, 1, 0, 0) + answer)),
        ]

    def arp(self, random: Random, at: int) -> Frames:
        low, high = random.randrange(1, 255), random.randrange(1, 255)
        return [(at, arp_request(f"10.200.0.{low}", f"10.200.1.{high}"))]

    def scan(self, random: Random, at: int) -> Frames:
        """A SYN that is refused or goes unanswered; one that tries the mapper is a flow that must be listed."""
        self._truth.tcp_flows += 1
        low = random.randrange(1, 30_000)
        server = f"10.209.{random.randrange(256)}.{random.randrange(1, 255)}"
        hosts = Hosts(f"10.208.{low >> 8}.{low & 0xFF}", server)
        mapper = random.random() < MAPPER_SCANS
        port = 135 if mapper else random.randrange(1024, 49152)
        tcp = Connection(hosts, (random.randrange(32768, 65536), port), random)
        frames = [(at, tcp.segment(CLIENT, SYN, options=SYN_OPTIONS))]
        refused = random.random() < 0.5
        if refused:
            frames.append((at + 400, tcp.segment(SERVER, RST | ACK, sequence=0)))
        if mapper:
            outcome = "refused" if refused else "unanswered"
            key = FlowKey(f"10.208.{low >> 8}.{low & 0xFF}", server, port, (), "mapper", outcome, "not_applicable")
            self._truth.flows[key] += 1
        return frames


BULK: dict[str, Callable[[Bulk, Random, int], Frames]] = {
    "tls": Bulk.tls, "http": Bulk.http, "ssh": Bulk.ssh, "file-read": Bulk.file_read,
    "file-write": Bulk.file_write, "quic": Bulk.quic,
    "dns": Bulk.dns, "arp": Bulk.arp, "scan": Bulk.scan,
}  # fmt: skip
