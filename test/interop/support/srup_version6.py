"""A peer of SRUP version 6, written from docs/protocols/srup.md: judges messages, and makes one of its own.

Standard input is JSON: payloads (hexadecimal), keys (what get_key hands out for their sender, decoded), rsaKey (the RSA key of
the peer that this program plays, PEM), sender and token (hexadecimal) and sequence of the ACTION that it signs. Standard
output is JSON: what it found in each message, and its own public keys and message.
"""
import json
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

ACTION = 0x04


def keys_in(text):
    blocks = re.findall(r"-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----", text)
    return [serialization.load_pem_public_key(block.encode()) for block in blocks]


def parts(payload):
    version, kind, sequence, sender = struct.unpack_from("<BBQQ", payload)
    (token_length,) = struct.unpack_from(">H", payload, 18)
    at = 20 + token_length
    (length,) = struct.unpack_from(">H", payload, at)
    signature = payload[at + 2 : at + 2 + length]
    header = {"version": version, "type": kind, "sequence": str(sequence), "sender": f"{sender:x}"}
    return header, signature, payload[:at] + payload[at + 2 + length :]


def verifies(key, signature, data):
    try:
        key.verify(signature, data)
        return True
    except InvalidSignature:
        return False


def judged(payload, key):
    header, signature, signed = parts(payload)
    older = bytes([5]) + signed[1:]
    return {
        **header,
        "signatureLength": len(signature),
        "verifies": verifies(key, signature, signed),
        "verifiesAsVersion5": verifies(key, signature, older),
    }


def own_message(key, sender, token, sequence):
    head = struct.pack("<BBQQ", 6, ACTION, sequence, int(sender, 16)) + struct.pack(">H", len(token)) + token
    body = bytes([7])
    signature = key.sign(head + body)
    return head + struct.pack(">H", len(signature)) + signature + body


def main():
    asked = json.load(sys.stdin)
    rsa, signing = keys_in(asked["keys"])
    own = ed25519.Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    own_rsa = serialization.load_pem_private_key(asked["rsaKey"].encode(), None).public_key()
    own_keys = own_rsa.public_bytes(*form) + own.public_key().public_bytes(*form)
    message = own_message(own, asked["sender"], bytes.fromhex(asked["token"]), asked["sequence"])
    found = [judged(bytes.fromhex(payload), signing) for payload in asked["payloads"]]
    print(json.dumps({"rsaBits": rsa.key_size, "found": found, "keys": own_keys.decode(), "message": message.hex()}))


main()
