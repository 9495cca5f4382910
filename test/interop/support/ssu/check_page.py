"""Works the examples of docs/protocols/ssu.md, 9, again: packets, key schedule, records, signature, ticket.

Usage: check_page.py PAGE CA
"""

import re
import sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x25519

import packet as wire
import secure
from secure import Keys, derive, expand_label, finished, mac, sha256

page, ca_path = sys.argv[1:3]
with open(page, encoding="utf8") as file:
    text = file.read().split("<!-- examples -->")[1]
with open(ca_path, "rb") as file:
    ca = x509.load_pem_x509_certificate(file.read())

checked = 0


def section(number):
    part = text.split(f"### {number} ")[1].split("### ")[0]
    found = {}
    for title, lines in re.findall(r"^(\S.*):\n\n((?:    [0-9a-f]+\n)+)", part, re.M):
        found[title] = bytes.fromhex("".join(lines.split()))
    return found


def same(what, made, told):
    global checked
    checked += 1
    if made != told:
        sys.exit(f"{what}: {made.hex()} is not {told.hex()}")


def body(record, keys=None):
    plain = keys.open(record[:3], record[3:]) if keys else record[3:]
    return plain


def shared_secrets(early, transcript, shared):
    secret = mac(derive(early, "derived", b""), shared)
    client, server = (derive(secret, f"{who} hs traffic", transcript) for who in "cs")
    return client, server, mac(derive(secret, "derived", b""), secure.ZEROS)


packets = section("9.1")
decoded = {title: wire.decode(data) for title, data in packets.items()}
for title, each in decoded.items():
    made = wire.Packet(each.flags, each.to, each.seq, each.ack, each.window, each.options, each.payload)
    same(title, made.encode(), packets[title])
syn, syn_ack = list(decoded.values())[:2]

full = section("9.2")
transcript = sha256(syn.options) + sha256(syn_ack.options)
same("transcript", transcript, full["begin of the transcript"])
hello = body(full["ClientHello, for localhost, in its record"])
answer = body(full["ServerHello, in its record"])
private = x25519.X25519PrivateKey.from_private_bytes(full["the client's private key"])
same("share", private.public_key().public_bytes(*secure.RAW), hello[35:67])
shared = private.exchange(x25519.X25519PublicKey.from_public_bytes(answer[35:67]))
same("shared secret", shared, full["shared secret"])
transcript += hello + answer
client, server, master = shared_secrets(mac(secure.ZEROS, secure.ZEROS), transcript, shared)
same("client", client, full["client handshake traffic"])
same("server", server, full["server handshake traffic"])
same("key", expand_label(client, "key", b"", 32), full["client handshake traffic: record key"])
same("iv", expand_label(server, "iv", b"", 12), full["server handshake traffic: record IV"])
down, up = Keys(server), Keys(client)
extensions = body(full["EncryptedExtensions, encrypted"], down)
same("EncryptedExtensions", extensions, b"\x08\0\x01\0")
certificate = body(full["Certificate, encrypted (server.pem of fixtures/vectors/ssu)"], down)
transcript += extensions + certificate
chain = secure.certificates(certificate[3:])
secure.check_chain(chain, ca, "localhost")
proof = body(full["CertificateVerify, encrypted"], down)
scheme = int.from_bytes(proof[3:5], "big")
secure.check_signature(chain[0].public_key(), scheme, proof[7:], secure.SIGNED + sha256(transcript))
transcript += proof
own = body(full["Finished of the server, encrypted"], down)
same("Finished of the server", own, b"\x14\0\x20" + finished(server, transcript))
transcript += own
data = [derive(master, f"{who} ap traffic", transcript) for who in "cs"]
same("client data", data[0], full["client data traffic"])
same("server data", data[1], full["server data traffic"])
theirs = body(full["Finished of the client, encrypted"], up)
same("Finished of the client", theirs, b"\x14\0\x20" + finished(client, transcript))
transcript += theirs
up = Keys(data[0])
same("hello", body(full["the client's first record of data, \"hello\""], up), b"hello")
same("close_notify", body(full["its next one, close_notify"], up), b"\x01\0")
packet_key = expand_label(client, "packet", b"", 32)
same("packet key", packet_key, full["packet key of the client"])
same("packet key", expand_label(server, "packet", b"", 32), full["packet key of the server"])
tagged = wire.decode(full["an ACK of the client with its tag"])
same("tag", tagged.tag, mac(packet_key, tagged.covered)[:16])
resumption = derive(master, "res master", transcript)
same("resumption", resumption, full["resumption"])
ticket = body(full["NewSessionTicket, the server's first record of data keys"], Keys(data[1]))
nonce_length = ticket[11]
psk = expand_label(resumption, "resumption", ticket[12 : 12 + nonce_length], 32)
same("PSK", psk, full["PSK of the ticket"])
opaque = ticket[14 + nonce_length :]

again = section("9.3")
transcript = sha256(syn.options) + sha256(syn_ack.options)
hello = body(again["ClientHello with the ticket, in its record"])
same("ticket", hello[-32 - len(opaque) : -32], opaque)
early = mac(secure.ZEROS, psk)
same("binder", finished(derive(early, "res binder", b""), transcript + hello[:-32]), hello[-32:])
transcript += hello
early_traffic = derive(early, "c e traffic", transcript)
same("early traffic", early_traffic, again["client early traffic"])
same("early data", body(again["early data, the frame LIST (8.1)"], Keys(early_traffic)), b"\x01\0\0\0\0")
answer = body(again["ServerHello, in its record"])
transcript += answer
private = x25519.X25519PrivateKey.from_private_bytes(bytes(range(0x60, 0x80)))
shared = private.exchange(x25519.X25519PublicKey.from_public_bytes(answer[35:67]))
client, server, master = shared_secrets(early, transcript, shared)
same("client", client, again["client handshake traffic"])
same("server", server, again["server handshake traffic"])
down, up = Keys(server), Keys(client)
extensions = body(again["EncryptedExtensions, encrypted"], down)
same("EncryptedExtensions", extensions, b"\x08\0\x01\x01")
transcript += extensions
own = body(again["Finished of the server, encrypted"], down)
same("Finished of the server", own, b"\x14\0\x20" + finished(server, transcript))
transcript += own
end = body(again["EndOfEarlyData, encrypted"], up)
same("EndOfEarlyData", end, b"\x05\0\x04\0\0\0\x01")
transcript += end
theirs = body(again["Finished of the client, encrypted"], up)
same("Finished of the client", theirs, b"\x14\0\x20" + finished(client, transcript))

same("FILE", section("9.4")["FILE"][5:13], (100_000).to_bytes(8, "big"))
print(f"{checked} values are right")
