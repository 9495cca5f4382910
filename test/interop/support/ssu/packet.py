"""Packets of secure streams over UDP. Written from docs/protocols/ssu.md, 3, and nothing else."""

import struct
import zlib

FIN, SYN, RST, ACK, AUTH = 0x01, 0x02, 0x04, 0x10, 0x80
PAD, SOURCE_ID, MAX_DATAGRAM, SECURITY, COOKIE, SACK, REASON = range(7)

HEADER = struct.Struct(">IBBHQQQIHH")
TAG_LENGTH = 16
NUMBER_MAX = 2**53


class BadPacket(Exception):
    """A datagram to be dropped."""


def encode_options(options):
    """options: list of (type, value)"""
    return b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in options)


def decode_options(data):
    options, at = {}, 0
    while at < len(data):
        if at + 3 > len(data):
            raise BadPacket("options")
        kind, length = struct.unpack_from(">BH", data, at)
        value = data[at + 3 : at + 3 + length]
        at += 3 + length
        if len(value) < length or kind in options:
            raise BadPacket("options")
        options[kind] = value
    for kind, length in ((SOURCE_ID, 8), (MAX_DATAGRAM, 2), (SECURITY, 1), (REASON, 1)):
        if kind in options and len(options[kind]) != length:
            raise BadPacket("options")
    blocks = options.get(SACK)
    if blocks is not None and (len(blocks) % 16 != 0 or not 16 <= len(blocks) <= 64):
        raise BadPacket("options")
    return options


class Packet:
    def __init__(self, flags, to, seq, ack=0, window=0, options=b"", payload=b""):
        self.flags, self.to, self.seq, self.ack, self.window = flags, to, seq, ack, window
        self.options, self.payload = options, payload
        self.covered = self.tag = b""

    def option(self, kind):
        return decode_options(self.options).get(kind)

    def encode(self, mac=None):
        flags = self.flags | (AUTH if mac else 0)
        sizes = len(self.options), len(self.payload)
        head = HEADER.pack(0, 1, flags, sizes[0], self.to, self.seq, self.ack, self.window, sizes[1], 0)
        body = (head + self.options + self.payload)[4:]
        if mac:
            body += mac(body)
        return struct.pack(">I", zlib.crc32(body)) + body


def decode(datagram):
    if len(datagram) < HEADER.size:
        raise BadPacket("short")
    check, version, flags, o, to, seq, ack, window, p, _ = HEADER.unpack_from(datagram)
    if version != 1:
        raise BadPacket("version")
    end = HEADER.size + o + p
    if len(datagram) != end + (TAG_LENGTH if flags & AUTH else 0):
        raise BadPacket("length")
    if zlib.crc32(datagram[4:]) != check:
        raise BadPacket("checksum")
    kinds = [flag for flag in (FIN, SYN, RST) if flags & flag]
    if flags & ~0x97 or len(kinds) > 1 or (p and flags & (SYN | RST)) or not flags & (ACK | SYN | RST):
        raise BadPacket("flags")
    if seq >= NUMBER_MAX or ack >= NUMBER_MAX:
        raise BadPacket("number")
    options = datagram[HEADER.size : HEADER.size + o]
    decode_options(options)
    packet = Packet(flags, to, seq, ack, window, options, datagram[HEADER.size + o : end])
    packet.covered, packet.tag = datagram[4:end], datagram[end:]
    return packet
