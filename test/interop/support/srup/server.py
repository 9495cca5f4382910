"""A command and control server of SRUP, its key service and its file server, against a device that is not in Python.
Usage: server.py FOLDER. Writes ca.pem, broker.pem and broker.key there, says "key-service URL", and reads the broker's port
from standard input; later, on a line, what the device shows. Says "done" at the end."""
import datetime
import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from srup_peer import *

folder = sys.argv[1]
FILE = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(FILE).hexdigest()


def say(*words):
    print(*words, flush=True)


class Authority:
    def __init__(self):
        self.key, self.name = newkey(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Python CA")])
        self.pem = self.certificate(self.name, self.key.public_key(), x509.BasicConstraints(True, None))

    def certificate(self, subject, key, *extensions):
        now = datetime.datetime.utcnow()
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
        made = made.not_valid_after(now + datetime.timedelta(9))
        for extension in extensions: made = made.add_extension(extension, isinstance(extension, x509.BasicConstraints))
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def named(self, name, key, *extensions):
        return self.certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), *extensions)


class Desk(BaseHTTPRequestHandler):
    """The calls of the key exchange, and files."""
    protocol_version = "HTTP/1.1"
    peers, types, calls = {}, {}, []
    authority, own_key, broker, c2 = Authority(), newkey(), None, None

    def log_message(self, *words): pass

    def answer(self, status, body, kind="text/html; charset=utf-8", **headers):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        call, _, operand = self.path.removeprefix("/KeyEx/register/").partition("/")
        if self.path == "/fw.bin": self.answer(200, FILE, "application/octet-stream")
        elif self.path == "/moved": self.answer(302, "", Location="/fw.bin")
        elif self.path == "/round": self.answer(302, "", Location="/round")
        elif call == "status": self.answer(200, json.dumps({"active": True, "identity": "abc"}))
        elif call == "get_key" and operand in self.peers: self.answer(200, b64mime(self.peers[operand].strip()))
        elif call == "get_type" and operand in self.types: self.answer(200, self.types[operand])
        else: self.answer(404, "unknown")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.path.removeprefix("/KeyEx/register/")
        self.calls.append(call)
        assert self.headers["Content-Type"] == "application/json"
        if call == "register":
            assert "\n" not in asked["key"] and "-" not in asked["key"]
            key = serialization.load_der_public_key(base64.b64decode(asked["key"]))
            self.peers[asked["identity"]] = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            self.types[asked["identity"]] = asked["type"]
            server = b64mime(self.peers[self.c2].strip())
            self.answer(201, json.dumps({"broker": self.broker, "key": server, "default_c2": self.c2}))
            return
        data = asked["identity"].encode() if call == "validate" else base64.b64decode(asked["csr"])
        key = serialization.load_pem_public_key(self.peers[asked["identity"]])
        longest = padding.PSS(padding.MGF1(hashes.SHA256()), key.key_size // 8 - 34)
        key.verify(base64.b64decode(asked["signature"]), data, longest, hashes.SHA256())
        if call == "validate":
            self.answer(200, json.dumps({"identity": "abc", "signature": b64mime(pss(self.own_key, b"abc"))}))
            return
        request = x509.load_pem_x509_csr(data)
        assert request.is_signature_valid
        assert request.subject.rfc4514_string() == f"CN={asked['identity']},O=SRUP_DEVICE,L=UNK,ST=UNK,C=UK", request.subject
        certificate = self.authority.certificate(request.subject, request.public_key())
        self.answer(200, json.dumps({"certificate": b64mime(certificate), "CA_certificate": b64mime(self.authority.pem)}))


def serve():
    files = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{files.server_address[1]}"


def server_on(port, identity, key):
    text, access = format(identity, "x"), newkey()
    certificate = Desk.authority.named(text, access)
    context = tls_context(Desk.authority.pem, certificate, pkcs1pem(access), f"{folder}/{text}")
    mqtt = Mqtt("localhost", port, text, context, [f"SRUP/servers/{text}/#"])
    return Peer(identity, key, mqtt, lambda peer: serialization.load_pem_public_key(Desk.peers[peer]))


def updates(s, d, base):
    """Every way in which an update may end."""
    topic = f"SRUP/{d}"

    def ends(url, status, digest=DIGEST.encode() + b"\0", nul=b"\0", token=None):
        token = s.send(topic, d, "INITIATE", token, url=url.encode() + nul, digest=digest)
        s.recv("RESPONSE", status=status, token=token)
        return token

    first = ends(f"{base}/moved", 0x00)
    token = ends(f"{base}/fw.bin", 0x00, nul=b"", digest=DIGEST.encode(), token=b"\xff\xfe\x80")
    ends(f"{base}/gone", 0xFE)
    ends(f"{base}/round", 0xFC)
    ends("file:///etc/passwd", 0xFC)
    ends("", 0xFC)
    ends("http://127.0.0.1:1/", 0xFD)
    ends(f"{base}/fw.bin", 0xFF, digest=DIGEST.upper().encode() + b"\0")
    s.send(topic, d, "ACTIVATE", first)
    s.silence(0.3)
    s.send(topic, d, "ACTIVATE", token)
    s.recv("RESPONSE", status=0x10, token=token)
    s.send(topic, d, "ACTIVATE", token)
    s.silence(0.3)


def main():
    base = serve()
    broker = newkey()
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    for name, data in (("ca.pem", Desk.authority.pem), ("broker.pem", Desk.authority.named("localhost", broker, names)), ("broker.key", pkcs1pem(broker))):
        with open(f"{folder}/{name}", "wb") as file: file.write(data)
    say("key-service", base)
    port = int(sys.stdin.readline())
    identity, key = new_identity(), newkey()
    Desk.broker, Desk.c2 = f"mqtt://localhost:{port}", format(identity, "x")
    Desk.peers[Desk.c2] = spki(key)
    s = server_on(port, identity, key)
    say("ready")

    # a join that a person confirms
    asked = s.recv("HUMAN_JOIN_REQUEST")
    d = format(asked["sender"], "x")
    topic = f"SRUP/{d}"
    assert Desk.calls == ["register", "validate", "access"], Desk.calls
    assert asked["topic"] == f"SRUP/servers/{s.text}/{d}" and asked["seq"] == 1 and len(asked["token"]) == 36
    s.mqtt.subscribe(f"{topic}/#")
    value = uuid.uuid4().hex.encode()
    sealed = seal(value, serialization.load_pem_public_key(Desk.peers[d]))
    token = s.send(topic, d, "HUMAN_JOIN_RESPONSE", encrypted=sealed + b"bytes behind the ciphertext")
    assert sys.stdin.readline().strip() == value.decode()
    s.send(topic, d, "RESPONSE", token, status=0x50)
    updates(s, d, base)

    # forged, replayed and cut messages, and one of a server that is not its own
    last = s.make(d, "ID_REQUEST")
    stranger = newkey()
    other = new_identity()
    s.strangers.add(other)
    Desk.peers[format(other, "x")] = spki(stranger)
    for cut in range(0, len(last), 13): s.mqtt.publish(topic, last[:cut])
    for name in ("ACTION", "ID_REQUEST", "DEREGISTER_COMMAND", "TERMINATE_COMMAND", "ACTIVATE"):
        fields = {"action_id": 1} if name == "ACTION" else {}
        s.mqtt.publish(topic, message(name, 2**64 - 1, s.id, token, stranger, **fields))
        s.mqtt.publish(topic, message(name, 2**64 - 1, other, token, stranger, **fields))
    s.mqtt.publish(topic, message("JOIN_COMMAND", 1, other, token, stranger, device_id=int(d, 16)))
    s.mqtt.publish(topic, message("ID_REQUEST", 2**64 - 1, s.id, token, s.key, version=4))
    s.mqtt.publish(topic, last + b"bytes behind the last field")
    s.recv("DATA", data_id=b"IDENTIFICATION_RESPONSE")
    s.mqtt.publish(topic, last)
    s.silence(0.3)

    # as an observer, and let go, taken, let go again
    token = s.send(topic, d, "OBSERVATION_REQUEST", joining_device_id=0xABC, encrypted=sealed)
    s.recv("RESPONSE", status=0x60, token=token)
    for command in ("TERMINATE_COMMAND", "DEREGISTER_COMMAND"):
        s.send(topic, d, command)
        s.send(topic, d, "ID_REQUEST")
        s.silence(0.3)
        s.send(topic, d, "JOIN_COMMAND", device_id=5)
        s.silence(0.5)  # it asks for our key
        s.send(topic, d, "ID_REQUEST")
        s.recv("DATA", data_id=b"IDENTIFICATION_RESPONSE")
    s.seq[d] += 1 << 62
    s.send(topic, d, "ID_REQUEST")
    s.recv("DATA", data_id=b"IDENTIFICATION_RESPONSE")
    s.mqtt.close()
    say("done")


main()
