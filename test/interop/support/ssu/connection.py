"""Connections of secure streams over UDP, either side. Written from docs/protocols/ssu.md, 4 and 5, and nothing else.

It waits where a better one would work: a fixed number of packets under way, one retransmission timeout.
"""

import secrets
import select
import struct
import time

import packet as wire
from packet import ACK, AUTH, COOKIE, FIN, MAX_DATAGRAM, REASON, RST, SACK, SECURITY, SOURCE_ID, SYN, BadPacket, Packet

MAX = 1200
WINDOW = 65_536
UNDER_WAY = 16
RTO = 0.3
GIVE_UP = 20.0
PLAIN, SECURE = 0, 1


class StreamError(Exception):
    """The stream is no more; its text begins with a name."""


class Way:
    """A UDP socket that loses some of what is sent and some of what comes."""

    def __init__(self, sock, loss=0.0, rng=None):
        self.sock, self.loss, self.rng = sock, loss, rng

    def lost(self):
        return self.loss > 0 and self.rng.random() < self.loss

    def send(self, datagram, peer):
        if not self.lost():
            self.sock.sendto(datagram, peer)

    def receive(self, seconds):
        """(datagram, peer), or None when nothing has come in that time"""
        if not select.select([self.sock], [], [], max(0.0, seconds))[0]:
            return None
        datagram, peer = self.sock.recvfrom(65_536)
        return None if self.lost() else (datagram, peer)


class Connection:
    def __init__(self, way, peer, opening):
        self.way, self.peer = way, peer
        self.own_id, self.peer_id = opening["own_id"], opening["peer_id"]
        self.security, self.cookie = opening["security"], opening.get("cookie")
        # the options of SYN and SYN-ACK as they came or went: the secure handshake begins with them
        self.syn_options, self.syn_ack_options = opening["syn"], opening["syn_ack"]
        self.size = opening["size"]
        self.una = self.nxt = self.top = opening["iss"] + 1
        self.edge = self.una + opening["window"]
        self.out = bytearray()
        self.fin = None
        self.rcv = opening["irs"] + 1
        self.pieces = {}
        self.inbox = bytearray()
        self.fin_at = None
        self.ack_owed = opening.get("cookie") is not None
        self.resend_at = None
        self.rto = RTO
        self.heard_at = time.monotonic()
        self.resent = 0
        # secure connections: what makes a tag, what checks one, and whether one must be there
        self.mac = self.check = None
        self.must_have_tag = False

    # what the layer above asks for

    def write(self, data):
        self.out += data
        while len(self.out) > 4 * WINDOW:
            self.work()

    def read(self):
        """Some bytes; none at the end."""
        while not self.inbox and not self.at_end():
            self.work()
        data = bytes(self.inbox)
        self.inbox.clear()
        return data

    def at_end(self):
        return self.fin_at is not None and self.rcv > self.fin_at

    def finish(self):
        """Ends our direction, waits for the other's, and stays a moment for a FIN that comes again."""
        self.fin = self.una + len(self.out)
        while self.una <= self.fin or not self.at_end():
            self.work()
            self.inbox.clear()
        until = time.monotonic() + 2 * RTO
        while time.monotonic() < until:
            self.work(until - time.monotonic())

    def reset(self):
        self.emit(RST | ACK, self.top, options=wire.encode_options([(REASON, b"\x5a")]))

    # one turn

    def work(self, seconds=60.0):
        self.transmit()
        now = time.monotonic()
        if now - self.heard_at > GIVE_UP:
            raise StreamError("TIMEOUT: the peer is silent")
        waits = [seconds, GIVE_UP]
        if self.resend_at is not None:
            waits.append(self.resend_at - now)
        if self.cookie is not None:
            waits.append(1.0)
        came = self.way.receive(min(waits))
        if came is not None and came[1] == self.peer:
            try:
                self.handle(wire.decode(came[0]))
            except BadPacket:
                pass  # dropped
        elif came is None and self.cookie is not None:
            self.ack_owed = True
        now = time.monotonic()
        if self.resend_at is not None and now >= self.resend_at:
            self.nxt = self.una
            self.rto = min(2 * self.rto, 5.0)
            self.resend_at = now + self.rto
            self.resent += 1

    # sending

    def room(self):
        return self.size - 40 - (16 if self.security == SECURE else 0) - (3 + len(self.cookie) if self.cookie else 0)

    def emit(self, flags, seq, payload=b"", options=b""):
        if self.cookie is not None:
            options += wire.encode_options([(COOKIE, self.cookie)])
        packet = Packet(flags, self.peer_id, seq, self.rcv, WINDOW, options, payload)
        self.way.send(packet.encode(self.mac), self.peer)
        self.ack_owed = False

    def transmit(self):
        limit = min(self.edge, self.una + UNDER_WAY * self.room())
        while True:
            at = self.nxt - self.una
            length = min(self.room(), len(self.out) - at, limit - self.nxt)
            if length <= 0:
                break
            self.emit(ACK, self.nxt, bytes(self.out[at : at + length]))
            self.advance(length)
        # a window of 0 is probed with one byte
        if self.out and self.edge <= self.una and self.nxt == self.una:
            self.emit(ACK, self.nxt, bytes(self.out[:1]))
            self.advance(1)
        if self.nxt == self.fin:
            self.emit(FIN | ACK, self.nxt)
            self.advance(1)
        if self.ack_owed:
            blocks = self.sack_blocks()
            self.emit(ACK, self.top, options=wire.encode_options([(SACK, blocks)]) if blocks else b"")

    def advance(self, length):
        self.nxt += length
        self.top = max(self.top, self.nxt)
        if self.resend_at is None:
            self.resend_at = time.monotonic() + self.rto

    def sack_blocks(self):
        blocks = []
        for start in sorted(self.pieces):
            end = start + len(self.pieces[start])
            if blocks and blocks[-1][1] == start:
                blocks[-1][1] = end
            else:
                blocks.append([start, end])
        return b"".join(struct.pack(">QQ", *block) for block in blocks[:4])

    # receiving: the checks of 4.3, in their order

    def handle(self, packet):
        if packet.to != self.own_id:
            return
        if packet.flags & AUTH:
            if self.check is not None and not self.check(packet.covered, packet.tag):
                return
        elif self.must_have_tag:
            return
        length = len(packet.payload) + (1 if packet.flags & FIN else 0)
        edge = self.rcv + WINDOW
        if packet.flags & SYN:
            self.ack_owed = True
            return
        if packet.flags & RST:
            if packet.seq == self.rcv:
                reason = packet.option(REASON)
                raise StreamError(f"RESET: reason {reason[0] if reason else 'unknown'}")
            self.ack_owed = self.rcv < packet.seq < edge
            return
        inside = packet.seq == self.rcv or (
            self.rcv < packet.seq < edge if length == 0 else packet.seq < edge and packet.seq + length > self.rcv
        )
        if not inside or packet.ack > self.top or packet.ack < self.una - 2**32:
            self.ack_owed = True
            return
        self.heard_at = time.monotonic()
        self.cookie = None
        self.acknowledged(packet)
        if length:
            self.ack_owed = True
            self.take(packet)

    def acknowledged(self, packet):
        if packet.ack > self.una:
            count = packet.ack - self.una
            self.una = packet.ack
            del self.out[:count]
            self.nxt = max(self.nxt, self.una)
            self.rto = RTO
            self.resend_at = None if self.una == self.top else time.monotonic() + self.rto
        self.edge = max(self.edge, packet.ack + packet.window)

    def take(self, packet):
        start, payload = packet.seq, packet.payload
        if packet.flags & FIN and self.fin_at is None:
            self.fin_at = start + len(payload)
        if start < self.rcv:
            payload = payload[self.rcv - start :]
            start = self.rcv
        if payload and len(self.pieces.get(start, b"")) < len(payload):
            self.pieces[start] = payload
        while True:
            ready = [each for each in self.pieces if each <= self.rcv]
            if not ready:
                break
            piece = self.pieces.pop(ready[0])[self.rcv - ready[0] :]
            self.inbox += piece
            self.rcv += len(piece)
        if self.fin_at == self.rcv:
            self.rcv += 1


def opening_options(own_id, security, cookie=None):
    options = [
        (SOURCE_ID, struct.pack(">Q", own_id)),
        (MAX_DATAGRAM, struct.pack(">H", MAX)),
        (SECURITY, bytes([security])),
    ]
    return options + ([(COOKIE, cookie)] if cookie else [])


def settled(packet):
    """What SYN or SYN-ACK say: (id, largest datagram, security)"""
    values = [packet.option(kind) for kind in (SOURCE_ID, MAX_DATAGRAM, SECURITY)]
    if None in values:
        raise BadPacket("options")
    return tuple(int.from_bytes(value, "big") for value in values)


def connect(way, peer, security):
    own_id, iss = secrets.randbits(64) | 1, secrets.randbits(32)
    options = wire.encode_options(opening_options(own_id, security))
    options += struct.pack(">BH", wire.PAD, 256 - 40 - len(options) - 3) + bytes(256 - 40 - len(options) - 3)
    syn = Packet(SYN, 0, iss, 0, WINDOW, options).encode()
    wait, until = 1.0, time.monotonic() + 30
    while time.monotonic() < until:
        way.send(syn, peer)
        again = time.monotonic() + wait
        wait *= 2
        while time.monotonic() < again:
            came = way.receive(again - time.monotonic())
            if came is None or came[1] != peer:
                continue
            try:
                answer = wire.decode(came[0])
                if answer.to != own_id or answer.ack != iss + 1:
                    continue
                if answer.flags & RST:
                    reason = answer.option(REASON)
                    raise StreamError(f"REFUSED: reason {reason[0] if reason else 'unknown'}")
                if answer.flags & 0x7F != SYN | ACK:
                    continue
                peer_id, size, what = settled(answer)
            except BadPacket:
                continue
            if what != security:
                raise StreamError("DOWNGRADE: that is not what was asked for")
            return Connection(way, peer, {
                "own_id": own_id, "peer_id": peer_id, "security": what, "size": min(size, MAX),
                "iss": iss, "irs": answer.seq, "window": answer.window, "cookie": answer.option(COOKIE),
                "syn": options, "syn_ack": answer.options,
            })
    raise StreamError("UNREACHABLE: no answer")


def accept(way, security):
    """One client, without cookies: SYN-ACK is said again until something comes for our id."""
    while True:
        came = way.receive(60)
        try:
            syn = wire.decode(came[0]) if came else None
            if syn is None or syn.flags != SYN or syn.to != 0 or len(came[0]) < 256:
                continue
            peer_id, size, asked = settled(syn)
        except BadPacket:
            continue
        peer = came[1]
        if asked != security and asked != 2:
            refusal = wire.encode_options([(REASON, bytes([71 if asked == PLAIN else 40]))])
            way.send(Packet(RST | ACK, peer_id, 0, syn.seq + 1, 0, refusal).encode(), peer)
            continue
        own_id, iss = secrets.randbits(64) | 1, secrets.randbits(32)
        options = wire.encode_options(opening_options(own_id, security))
        answer = Packet(SYN | ACK, peer_id, iss, syn.seq + 1, WINDOW, options).encode()
        for _ in range(30):
            way.send(answer, peer)
            came = way.receive(1.0)
            try:
                first = wire.decode(came[0]) if came and came[1] == peer else None
            except BadPacket:
                continue
            if first is None or first.to != own_id:
                continue
            connection = Connection(way, peer, {
                "own_id": own_id, "peer_id": peer_id, "security": security, "size": min(size, MAX),
                "iss": iss, "irs": syn.seq, "window": syn.window, "syn": syn.options, "syn_ack": options,
            })
            connection.handle(first)
            connection.ack_owed = True
            return connection
