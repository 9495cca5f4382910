"""The secure handshake and records, either side. Written from docs/protocols/ssu.md, 6 and 7, and nothing else."""

import datetime
import hashlib
import hmac
import ipaddress
import secrets
import struct

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connection import StreamError

ALERT, HANDSHAKE, DATA, EARLY = 0x15, 0x16, 0x17, 0x18
CLIENT_HELLO, SERVER_HELLO, TICKET, EXTENSIONS, CERTIFICATE, VERIFY, FINISHED = 1, 2, 4, 8, 11, 15, 20
CLOSE_NOTIFY, UNEXPECTED, BAD_MAC, BAD_CERTIFICATE, EXPIRED, UNKNOWN_CA, DECRYPT_ERROR, UNRECOGNIZED_NAME = (
    0, 10, 20, 42, 45, 48, 51, 112,
)
ECDSA_P256, RSA_PSS, ED25519 = 0x0403, 0x0804, 0x0807
ZEROS = bytes(32)
SIGNED = b" " * 64 + b"SSU 1, server CertificateVerify\0"
RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw


class Fault(Exception):
    """Ends the stream with that alert."""

    def __init__(self, alert, reason):
        super().__init__(reason)
        self.alert = alert


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand_label(secret, label, context, length):
    name = b"ssu1 " + label.encode()
    info = struct.pack(">HB", length, len(name)) + name + bytes([len(context)]) + context
    return mac(secret, info + b"\x01")[:length]  # never more than one block


def derive(secret, label, messages):
    return expand_label(secret, label, sha256(messages), 32)


class Keys:
    """One direction under one traffic secret."""

    def __init__(self, traffic):
        self.cipher = AESGCM(expand_label(traffic, "key", b"", 32))
        self.iv = int.from_bytes(expand_label(traffic, "iv", b"", 12), "big")
        self.number = 0

    def parts(self, header):
        nonce = (self.iv ^ self.number).to_bytes(12, "big")
        covered = struct.pack(">Q", self.number) + header
        self.number += 1
        return nonce, covered

    def seal(self, header, data):
        nonce, covered = self.parts(header)
        return self.cipher.encrypt(nonce, data, covered)

    def open(self, header, body):
        nonce, covered = self.parts(header)
        try:
            return self.cipher.decrypt(nonce, body, covered)
        except InvalidTag:
            raise Fault(BAD_MAC, "a record is not what was sent there") from None


class Secure:
    """A secure stream over a connection that has settled security. The handshake is over when it is made."""

    def __init__(self, connection, handshake):
        self.connection = connection
        self.send_keys = self.receive_keys = None
        self.raw = self.messages = b""
        self.closed = False
        self.transcript = sha256(connection.syn_options) + sha256(connection.syn_ack_options)
        self.guarded(handshake, self)

    def guarded(self, work, *args):
        try:
            return work(*args)
        except Fault as fault:
            self.record(ALERT, bytes([2, fault.alert]))
            try:
                self.connection.finish()
            except StreamError:
                pass
            raise StreamError(f"ALERT_SENT: {fault.alert} {fault}") from None

    # records

    def record(self, kind, data):
        length = len(data) + (16 if self.send_keys else 0)
        header = struct.pack(">BH", kind, length)
        self.connection.write(header + (self.send_keys.seal(header, data) if self.send_keys else data))

    def bytes(self, count):
        while len(self.raw) < count:
            more = self.connection.read()
            if not more:
                raise StreamError("TRUNCATED: the stream ended without close_notify")
            self.raw += more
        taken, self.raw = self.raw[:count], self.raw[count:]
        return taken

    def next_record(self):
        header = self.bytes(3)
        kind, length = struct.unpack(">BH", header)
        body = self.bytes(length)
        data = self.receive_keys.open(header, body) if self.receive_keys else body
        if kind == ALERT:
            if data != bytes([1, CLOSE_NOTIFY]):
                raise StreamError(f"ALERT: {data[1]}")
            self.closed = True
        return kind, data

    # messages

    def message(self, kind, body):
        whole = struct.pack(">BH", kind, len(body)) + body
        self.transcript += whole
        self.record(HANDSHAKE, whole)

    def next_message(self, kind):
        """The body; the transcript has the message, too."""
        while len(self.messages) < 3 or len(self.messages) < 3 + struct.unpack_from(">H", self.messages, 1)[0]:
            what, data = self.next_record()
            if what != HANDSHAKE:
                raise Fault(UNEXPECTED, f"a record of type {what}")
            self.messages += data
        end = 3 + struct.unpack_from(">H", self.messages, 1)[0]
        whole, self.messages = self.messages[:end], self.messages[end:]
        if whole[0] != kind:
            raise Fault(UNEXPECTED, f"message {whole[0]} instead of {kind}")
        self.transcript += whole
        return whole[3:]

    def tags(self, own, other):
        """From now on our packets have tags, and theirs are checked."""
        own_key, other_key = (expand_label(traffic, "packet", b"", 32) for traffic in (own, other))
        self.connection.mac = lambda covered: mac(own_key, covered)[:16]
        self.connection.check = lambda covered, tag: hmac.compare_digest(mac(other_key, covered)[:16], tag)

    # data

    def write(self, data):
        for at in range(0, len(data), 16_000):
            self.record(DATA, data[at : at + 16_000])

    def read(self):
        while not self.closed:
            kind, data = self.guarded(self.next_record)
            if kind == DATA:
                return data
            if kind not in (HANDSHAKE, ALERT):  # a handshake message by now is a ticket, which we have no use for
                self.guarded(self.unexpected, kind)
        return b""

    def unexpected(self, kind):
        raise Fault(UNEXPECTED, f"a record of type {kind}")

    def finish(self):
        self.record(ALERT, bytes([1, CLOSE_NOTIFY]))
        self.connection.finish()


def finished(traffic, transcript):
    return mac(expand_label(traffic, "finished", b"", 32), sha256(transcript))


def handshake_secrets(stream, shared):
    early = mac(ZEROS, ZEROS)
    secret = mac(derive(early, "derived", b""), shared)
    client, server = (derive(secret, f"{who} hs traffic", stream.transcript) for who in "cs")
    return client, server, mac(derive(secret, "derived", b""), ZEROS)


def client_handshake(ca, name):
    def handshake(stream):
        private = x25519.X25519PrivateKey.generate()
        share = private.public_key().public_bytes(*RAW)
        server_name = name.encode()
        hello = secrets.token_bytes(32) + share + bytes([len(server_name)]) + server_name + b"\0" + b"\0\0"
        stream.message(CLIENT_HELLO, hello)
        answer = stream.next_message(SERVER_HELLO)
        shared = private.exchange(x25519.X25519PublicKey.from_public_bytes(answer[32:64]))
        client, server, master = handshake_secrets(stream, shared)
        stream.tags(client, server)
        stream.receive_keys = Keys(server)
        stream.next_message(EXTENSIONS)
        chain = certificates(stream.next_message(CERTIFICATE))
        signed = SIGNED + sha256(stream.transcript)
        check_chain(chain, ca, name)
        proof = stream.next_message(VERIFY)
        scheme, length = struct.unpack_from(">HH", proof)
        check_signature(chain[0].public_key(), scheme, proof[4 : 4 + length], signed)
        due = finished(server, stream.transcript)
        if not hmac.compare_digest(stream.next_message(FINISHED), due):
            raise Fault(DECRYPT_ERROR, "Finished is wrong")
        stream.connection.must_have_tag = True
        data_up, data_down = (derive(master, f"{who} ap traffic", stream.transcript) for who in "cs")
        stream.send_keys = Keys(client)
        stream.message(FINISHED, finished(client, stream.transcript))
        stream.send_keys, stream.receive_keys = Keys(data_up), Keys(data_down)

    return handshake


def server_handshake(chain, key):
    """chain: certificates, the own one first; key: an Ed25519, ECDSA or RSA private key"""

    def handshake(stream):
        hello = stream.next_message(CLIENT_HELLO)
        private = x25519.X25519PrivateKey.generate()
        shared = private.exchange(x25519.X25519PublicKey.from_public_bytes(hello[32:64]))
        answer = secrets.token_bytes(32) + private.public_key().public_bytes(*RAW) + b"\0"
        whole = struct.pack(">BH", SERVER_HELLO, len(answer)) + answer
        client, server, master = handshake_secrets(Transcript(stream.transcript + whole), shared)
        stream.tags(server, client)
        stream.message(SERVER_HELLO, answer)
        stream.send_keys = Keys(server)
        stream.message(EXTENSIONS, b"\0")
        ders = [each.public_bytes(serialization.Encoding.DER) for each in chain]
        listed = b"".join(struct.pack(">H", len(der)) + der for der in ders)
        stream.message(CERTIFICATE, bytes([len(ders)]) + listed)
        scheme, signature = sign(key, SIGNED + sha256(stream.transcript))
        stream.message(VERIFY, struct.pack(">HH", scheme, len(signature)) + signature)
        stream.message(FINISHED, finished(server, stream.transcript))
        data_up, data_down = (derive(master, f"{who} ap traffic", stream.transcript) for who in "cs")
        stream.receive_keys = Keys(client)
        due = finished(client, stream.transcript)
        if not hmac.compare_digest(stream.next_message(FINISHED), due):
            raise Fault(DECRYPT_ERROR, "Finished is wrong")
        stream.connection.must_have_tag = True
        stream.send_keys, stream.receive_keys = Keys(data_down), Keys(data_up)

    return handshake


class Transcript:
    def __init__(self, transcript):
        self.transcript = transcript


# certificates


def certificates(body):
    chain, at = [], 1
    for _ in range(body[0]):
        (length,) = struct.unpack_from(">H", body, at)
        chain.append(x509.load_der_x509_certificate(body[at + 2 : at + 2 + length]))
        at += 2 + length
    return chain


def check_chain(chain, ca, name):
    for certificate in chain:
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        if not certificate.not_valid_before <= now <= certificate.not_valid_after:
            raise Fault(EXPIRED, "a certificate is not in its time")
    for certificate, issuer in zip(chain, [*chain[1:], ca]):
        if certificate == ca:
            break
        if certificate.issuer != issuer.subject or not is_signed_by(certificate, issuer):
            raise Fault(UNKNOWN_CA, "the chain does not lead to the CA")
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    try:
        there = ipaddress.ip_address(name) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        there = name in names.get_values_for_type(x509.DNSName)
    if not there:
        raise Fault(UNRECOGNIZED_NAME, f"the certificate is not for {name}")


def is_signed_by(certificate, issuer):
    key, signature, covered = issuer.public_key(), certificate.signature, certificate.tbs_certificate_bytes
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, covered)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, covered, ec.ECDSA(certificate.signature_hash_algorithm))
        else:
            key.verify(signature, covered, padding.PKCS1v15(), certificate.signature_hash_algorithm)
        return True
    except InvalidSignature:
        return False


PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def check_signature(key, scheme, signature, signed):
    try:
        if scheme == ED25519 and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif scheme == ECDSA_P256 and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        elif scheme == RSA_PSS:
            key.verify(signature, signed, PSS, hashes.SHA256())
        else:
            raise Fault(DECRYPT_ERROR, "the scheme does not fit the certificate")
    except InvalidSignature:
        raise Fault(DECRYPT_ERROR, "the signature is wrong") from None


def sign(key, data):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ED25519, key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECDSA_P256, key.sign(data, ec.ECDSA(hashes.SHA256()))
    return RSA_PSS, key.sign(data, PSS, hashes.SHA256())
