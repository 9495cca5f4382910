"""A peer of SRUP, written from a description of the protocol and not from our code: messages, envelopes, key exchange, and as
much of MQTT 3.1.1 as is needed. It is as strict as the original: a message whose number is not above the shared counter is
dropped, and whatever is not signed by its sender is an error."""
import base64, json, os, socket, ssl, struct, threading, time, uuid, urllib.request, urllib.error, queue
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography import x509
from cryptography.x509.oid import NameOID

LAYOUT = {}
for line in """
0x01 INITIATE url:lv digest:lv
0x02 RESPONSE status:u8
0x03 ACTIVATE
0x04 ACTION action_id:u8
0x05 DATA data_id:lv data:lv
0x06 ID_REQUEST
0x09 JOIN_REQUEST
0x0a JOIN_COMMAND device_id:u64
0x0b HUMAN_JOIN_REQUEST
0x0c HUMAN_JOIN_RESPONSE encrypted:lv
0x0d OBSERVED_JOIN_REQUEST observer_id:u64
0x0e OBSERVED_JOIN_RESPONSE encrypted:lv
0x0f OBSERVATION_REQUEST joining_device_id:u64 encrypted:lv
0x10 RESIGN_REQUEST
0x11 TERMINATE_COMMAND
0x12 DEREGISTER_REQUEST
0x13 DEREGISTER_COMMAND
0x21 SYNDICATION_INIT url:lv encrypted:lv
0x24 SYNDICATED_ACTION action_id:u8 target_id:u64
0x25 SYNDICATED_DATA data_id:lv data:lv source_id:u64
0x26 SYNDICATED_ID_REQUEST target_id:u64
0x27 SYNDICATED_DEVICE_COUNT count:u32
0x28 SYNDICATED_DEVICE_LIST device_sequence:u32 device_id:u64
0x29 SYNDICATION_REQUEST encrypted:lv
0x2c SYNDICATED_C2_REQUEST data:lv req_id:u8 pad:zero2
0x2e SYNDICATED_END_REQUEST
0x2f SYNDICATED_TERMINATE
""".strip().splitlines():
    code, name, *fields = line.split()
    LAYOUT[name] = (int(code, 16), [tuple(f.split(":")) for f in fields])
BY_CODE = {code: name for name, (code, _) in LAYOUT.items()}

def lv(b): return struct.pack(">H", len(b)) + b

def body(name, fields):
    out = b""
    for f, kind in LAYOUT[name][1]:
        if kind == "lv": out += lv(fields[f])
        elif kind == "u8": out += struct.pack("<B", fields[f])
        elif kind == "u32": out += struct.pack("<I", fields[f])
        elif kind == "u64": out += struct.pack("<Q", fields[f])
        else: out += b"\0\0"
    return out

def header(code, seq, sender, token, version=5):
    return bytes([version, code]) + struct.pack("<QQ", seq, sender) + lv(token)

def pkcs1(key, data): return key.sign(data, padding.PKCS1v15(), hashes.SHA256())

def message(name, seq, sender, token, key, version=5, **fields):
    h, b = header(LAYOUT[name][0], seq, sender, token, version), body(name, fields)
    return h + lv(pkcs1(key, h + b)) + b

class Bad(Exception): pass

def parse(data):
    if len(data) < 1: raise Bad("truncated")
    if data[0] != 5: raise Bad("version")
    at = 1
    def take(n):
        nonlocal at
        if at + n > len(data): raise Bad("truncated")
        at += n
        return data[at - n:at]
    def tlv(): return take(struct.unpack(">H", take(2))[0])
    code = take(1)[0]
    m = {"code": code, "seq": struct.unpack("<Q", take(8))[0], "sender": struct.unpack("<Q", take(8))[0]}
    m["token"] = tlv()
    head = data[:at]
    if code not in BY_CODE: raise Bad("type")
    m["type"] = BY_CODE[code]
    m["signature"] = tlv()
    start = at
    for f, kind in LAYOUT[m["type"]][1]:
        if kind == "lv": m[f] = tlv()
        elif kind == "u8": m[f] = take(1)[0]
        elif kind == "u32": m[f] = struct.unpack("<I", take(4))[0]
        elif kind == "u64": m[f] = struct.unpack("<Q", take(8))[0]
    pad = b"\0\0" if m["type"] == "SYNDICATED_C2_REQUEST" else b""
    m["signed"] = head + data[start:at] + pad
    m["rest"] = data[at + len(pad):]
    return m

def verify(m, public):
    try:
        public.verify(m["signature"], m["signed"], padding.PKCS1v15(), hashes.SHA256())
        return True
    except Exception:
        return False

def seal(plain, public):
    key, iv = os.urandom(32), os.urandom(16)
    ek = public.encrypt(key, padding.PKCS1v15())
    n = 16 - len(plain) % 16
    e = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    c = e.update(plain + bytes([n]) * n) + e.finalize()
    return struct.pack("<i", len(ek)) + ek + iv + struct.pack("<ii", len(c), len(plain)) + c

def unseal(b, private):
    k = struct.unpack_from("<i", b)[0]
    key = private.decrypt(b[4:4 + k], padding.PKCS1v15())
    iv = b[4 + k:20 + k]
    c, p = struct.unpack_from("<ii", b, 20 + k)
    d = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    plain = d.update(b[28 + k:28 + k + c]) + d.finalize()
    assert c == 16 * (p // 16 + 1) and len(b) == 28 + k + c and set(plain[p:]) == {c - p}
    return plain[:p]

def newkey(bits=2048): return rsa.generate_private_key(65537, bits)
def spki(key): return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
def pkcs1pem(key): return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
def pss(key, data, salt=padding.PSS.MAX_LENGTH):
    return key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), salt), hashes.SHA256())
def b64mime(b): return base64.encodebytes(b).decode()

def http(method, url, body=None, headers=None):
    data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    req = urllib.request.Request(url, data=data, method=method, headers=headers or ({"Content-Type": "application/json"} if data else {}))
    try:
        with urllib.request.urlopen(req, timeout=20) as r: return r.status, r.read(), r.headers
    except urllib.error.HTTPError as e: return e.code, e.read(), e.headers

def new_identity(): return uuid.uuid4().int >> 64

class KeyService:
    def __init__(self, url): self.base = url.rstrip("/") + "/KeyEx/register/"
    def call(self, method, path, body=None): return http(method, self.base + path, body)
    def key(self, ident):
        s, b, _ = self.call("GET", "get_key/" + ident)
        if s != 200: return None
        return serialization.load_pem_public_key(base64.b64decode(b))

class Registered:
    """What pySRUP's client does: status, register, validate, access."""
    def __init__(self, ks, kind="default", ident=None):
        self.ks, self.id = ks, ident if ident is not None else new_identity()
        self.text = format(self.id, "x")
        self.key, self.tls_key = newkey(), newkey()
        s, b, _ = ks.call("GET", "status"); assert s == 200 and json.loads(b)["active"], (s, b)
        bare = "".join(spki(self.key).decode().strip().splitlines()[1:-1])
        s, b, _ = ks.call("POST", "register", {"identity": self.text, "key": bare, "type": kind}); assert s == 201, (s, b)
        r = json.loads(b)
        self.broker, self.server = r["broker"], r["default_c2"]
        self.server_key = serialization.load_pem_public_key(base64.b64decode(r["key"]))
        s, b, _ = ks.call("POST", "validate", {"identity": self.text, "signature": b64mime(pss(self.key, self.text.encode()))}); assert s == 200, (s, b)
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "UK"), x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "UNK"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "UNK"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SRUP_DEVICE"),
            x509.NameAttribute(NameOID.COMMON_NAME, self.text)])).sign(self.tls_key, hashes.SHA256())
        pem = csr.public_bytes(serialization.Encoding.PEM)
        s, b, _ = ks.call("POST", "access", {"csr": b64mime(pem), "identity": self.text, "signature": b64mime(pss(self.key, pem))}); assert s == 200, (s, b)
        r = json.loads(b)
        self.cert, self.ca = base64.b64decode(r["certificate"]), base64.b64decode(r["CA_certificate"])
    def context(self, folder):
        return tls_context(self.ca, self.cert, pkcs1pem(self.tls_key), f"{folder}/{self.text}")

def tls_context(ca, cert, key, stem):
    for ext, data in (("ca", ca), ("crt", cert), ("key", key)): open(f"{stem}.{ext}", "wb").write(data)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.load_verify_locations(f"{stem}.ca"); c.load_cert_chain(f"{stem}.crt", f"{stem}.key")
    return c

class Mqtt:
    """MQTT 3.1.1, QoS 1, clean session, as section 8."""
    def __init__(self, host, port, ident, context, topics, keep=60):
        raw = socket.create_connection((host, port), timeout=10)
        self.s = context.wrap_socket(raw, server_hostname=host)
        self.s.settimeout(None)
        self.lock, self.inbox, self.acks, self.pid = threading.Lock(), queue.Queue(), {}, 0
        cid = f"SRUP Client: {ident}".encode()
        self.send(0x10, lv(b"MQTT") + bytes([4, 2]) + struct.pack(">H", keep) + lv(cid))
        t, b = self.packet(); assert t == 0x20 and b[1] == 0, (t, b)
        self.closed = False
        threading.Thread(target=self.loop, daemon=True).start()
        threading.Thread(target=self.ping, args=(keep / 2,), daemon=True).start()
        for t in topics: self.subscribe(t)
    def send(self, first, payload):
        n, out = len(payload), b""
        while True:
            n, d = divmod(n, 128)
            out += bytes([d | (0x80 if n else 0)])
            if not n: break
        with self.lock: self.s.sendall(bytes([first]) + out + payload)
    def exact(self, n):
        b = b""
        while len(b) < n:
            c = self.s.recv(n - len(b))
            if not c: raise EOFError
            b += c
        return b
    def packet(self):
        t, n, shift = self.exact(1)[0], 0, 0
        while True:
            d = self.exact(1)[0]; n |= (d & 127) << shift; shift += 7
            if not d & 128: break
        return t, self.exact(n)
    def loop(self):
        try:
            while True:
                t, b = self.packet()
                if t & 0xF0 == 0x30:
                    n = struct.unpack(">H", b[:2])[0]; topic = b[2:2 + n].decode(); qos = (t >> 1) & 3
                    if qos: self.send(0x40, b[2 + n:4 + n])
                    self.inbox.put((topic, b[2 + n + (2 if qos else 0):], qos, t & 1))
                elif t in (0x40, 0x90, 0xB0): self.acks[struct.unpack(">H", b[:2])[0]] = (t, b)
        except Exception: self.closed = True
    def ping(self, every):
        while not self.closed:
            time.sleep(every)
            try: self.send(0xC0, b"")
            except Exception: return
    def id(self): self.pid = self.pid % 65535 + 1; return self.pid
    def ack(self, p):
        end = time.time() + 10
        while p not in self.acks:
            if time.time() > end or self.closed: raise EOFError("no ack")
            time.sleep(0.005)
        return self.acks.pop(p)
    def subscribe(self, topic):
        p = self.id(); self.send(0x82, struct.pack(">H", p) + lv(topic.encode()) + b"\1"); r = self.ack(p); assert r[1][2] == 1, r
    def publish(self, topic, payload, qos=1, retain=0):
        if qos: p = self.id()
        self.send(0x30 | qos << 1 | retain, lv(topic.encode()) + (struct.pack(">H", p) if qos else b"") + payload)
        if qos: self.ack(p)
    def close(self):
        self.closed = True
        try: self.send(0xE0, b"")
        except Exception: pass
        self.s.close()

class Peer:
    """One identity on one connection, with one counter for each peer and both directions."""
    def __init__(self, ident, key, mqtt, key_of):
        self.id, self.text, self.key, self.mqtt, self.key_of = ident, format(ident, "x"), key, mqtt, key_of
        self.topic = f"SRUP/{self.text}"
        self.seq, self.keys, self.strangers = {}, {}, set()

    def fresh(self):
        return str(uuid.uuid4()).encode()

    def make(self, peer, name, token=None, **fields):
        self.seq[peer] = self.seq.get(peer, 0) + 1
        return message(name, self.seq[peer], self.id, self.fresh() if token is None else token, self.key, **fields)

    def send(self, topic, peer, name, token=None, **fields):
        token = self.fresh() if token is None else token
        self.mqtt.publish(topic, self.make(peer, name, token, **fields))
        return token

    def recv(self, want, timeout=10, **fields):
        """The next message that another one sent; it must be of that type and have these fields."""
        end = time.time() + timeout
        while True:
            try:
                topic, payload, qos, retain = self.mqtt.inbox.get(timeout=max(0.01, end - time.time()))
            except queue.Empty:
                raise AssertionError(f"no {want}")
            try:
                m = parse(payload)
            except Bad:
                continue
            peer = format(m["sender"], "x")
            if m["sender"] in {self.id, *self.strangers} or m["seq"] <= self.seq.get(peer, 0): continue
            if peer not in self.keys: self.keys[peer] = self.key_of(peer)
            if not verify(m, self.keys[peer]): continue
            self.seq[peer] = m["seq"]
            assert qos == 1 and not retain and not m["rest"], (qos, retain, m["rest"])
            assert m["type"] == want, (m["type"], "instead of", want, m.get("status"))
            for name, value in fields.items(): assert m[name] == value, (want, name, m[name], value)
            m["topic"] = topic
            return m

    def silence(self, seconds):
        """Nothing comes that counts."""
        try:
            m = self.recv("nothing", seconds)
        except AssertionError as error:
            if str(error) == "no nothing": return
            raise
