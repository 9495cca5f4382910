"""A second implementation of secure streams over UDP, written from docs/protocols/ssu.md and nothing else.

    peer.py list HOST PORT
    peer.py get HOST PORT NAME OUT
    peer.py put HOST PORT FILE
    peer.py serve CERTIFICATE KEY FILE...   one client after the other; writes its port as the first line
    options: --plain | --ca FILE --name NAME, --loss PERCENT, --seed N
"""

import argparse
import hashlib
import os
import random
import socket
import struct
import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import connection as link
from connection import StreamError
from secure import Secure, client_handshake, server_handshake

PREAMBLE = b"SSUA\x01"
LIST, STAT, GET, PUT, DATA, END, FILES, FILE, READY, STORED, ERROR = (
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x81, 0x82, 0x83, 0x84, 0xFF,
)
PIECE = 65_536


class Frames:
    def __init__(self, stream):
        self.stream, self.pending = stream, b""

    def send(self, kind, body=b""):
        self.stream.write(struct.pack(">BI", kind, len(body)) + body)

    def take(self, count):
        while len(self.pending) < count:
            more = self.stream.read()
            if not more:
                return None
            self.pending += more
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def next(self):
        head = self.take(5)
        if head is None:
            return None, b""
        kind, length = struct.unpack(">BI", head)
        body = self.take(length)
        if kind == ERROR:
            raise StreamError(f"ERROR {body[0]}: {body[1:].decode()}")
        return kind, body

    def due(self, *kinds):
        kind, body = self.next()
        if kind not in kinds:
            raise StreamError(f"MALFORMED: frame {kind} is not due")
        return kind, body


def list_files(frames):
    frames.send(LIST)
    while True:
        kind, body = frames.due(FILES, END)
        if kind == END:
            return
        at = 0
        while at < len(body):
            size, digest, length = struct.unpack_from(">Q32sB", body, at)
            print(digest.hex(), size, body[at + 41 : at + 41 + length].decode())
            at += 41 + length


def get(frames, name, out):
    """Goes on with what is in the file already."""
    frames.send(STAT, name.encode())
    size, digest, _ = struct.unpack(">Q32sQ", frames.due(FILE)[1])
    have = open(out, "rb").read() if os.path.exists(out) else b""
    frames.send(GET, struct.pack(">Q32s", len(have), digest) + name.encode())
    _, _, offset = struct.unpack(">Q32sQ", frames.due(FILE)[1])
    data = bytearray(have[:offset])
    while True:
        kind, body = frames.due(DATA, END)
        if kind == END:
            break
        data += body
    if len(data) != size or hashlib.sha256(data).digest() != digest:
        raise StreamError("DIGEST: not the file that was announced")
    with open(out, "wb") as file:
        file.write(data)


def put(frames, path):
    data = open(path, "rb").read()
    frames.send(PUT, struct.pack(">Q", len(data)) + hashlib.sha256(data).digest() + os.path.basename(path).encode())
    (offset,) = struct.unpack(">Q", frames.due(READY)[1])
    for at in range(offset, len(data), PIECE):
        frames.send(DATA, data[at : at + PIECE])
    frames.send(END)
    print(frames.due(STORED)[1].decode())


def serve(frames, files):
    """files: bytes by name"""
    if frames.take(5) != PREAMBLE:
        raise StreamError("MALFORMED: no preamble")
    while True:
        kind, body = frames.next()
        if kind is None:
            return
        if kind == LIST:
            for name, data in files.items():
                digest = hashlib.sha256(data).digest()
                frames.send(FILES, struct.pack(">Q32sB", len(data), digest, len(name)) + name)
            frames.send(END)
        elif kind in (STAT, GET):
            offset = struct.unpack_from(">Q", body)[0] if kind == GET else 0
            data = files.get(body[40 if kind == GET else 0 :])
            if data is None:
                frames.send(ERROR, b"\x03there is no such file")
                continue
            digest = hashlib.sha256(data).digest()
            frames.send(FILE, struct.pack(">Q32sQ", len(data), digest, offset))
            if kind == GET:
                for at in range(offset, len(data), PIECE):
                    frames.send(DATA, data[at : at + PIECE])
                frames.send(END)
        else:
            frames.send(ERROR, b"\x0dnot here")


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["list", "get", "put", "serve"])
    parser.add_argument("operands", nargs="*")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--ca")
    parser.add_argument("--name", default="localhost")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    way = link.Way(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), args.loss / 100, random.Random(args.seed))
    security = link.PLAIN if args.plain else link.SECURE
    if args.action == "serve":
        way.sock.bind(("127.0.0.1", 0))
        print(way.sock.getsockname()[1], flush=True)
        certificate, key, *paths = args.operands
        chain = [x509.load_pem_x509_certificate(read_file(certificate))]
        private = serialization.load_pem_private_key(read_file(key), None)
        files = {os.path.basename(path).encode(): read_file(path) for path in paths}
        while True:
            connection = link.accept(way, security)
            try:
                stream = connection if args.plain else Secure(connection, server_handshake(chain, private))
                serve(Frames(stream), files)
                stream.finish()
            except StreamError as error:
                print(error, file=sys.stderr)
    host, port, *rest = args.operands
    way.sock.bind(("127.0.0.1", 0))
    connection = link.connect(way, (host, int(port)), security)
    if args.plain:
        stream = connection
    else:
        ca = x509.load_pem_x509_certificate(read_file(args.ca))
        stream = Secure(connection, client_handshake(ca, args.name))
    stream.write(PREAMBLE)
    {"list": list_files, "get": get, "put": put}[args.action](Frames(stream), *rest)
    stream.finish()
    print("resent", connection.resent)


try:
    main()
except StreamError as error:
    print(error)
    sys.exit(1)
