"""Devices of SRUP against a command and control server and a key service that are not in Python.
Usage: device.py KEY-SERVICE FOLDER. Says what it shows ("shows ID VALUE"), and "done" at the end."""
import hashlib
import sys

from srup_peer import *

service, folder = KeyService(sys.argv[1]), sys.argv[2]


def say(*words):
    print(*words, flush=True)


def device(kind):
    known = Registered(service, kind)
    host, port = known.broker.removeprefix("mqtt://").split(":")
    mqtt = Mqtt(host, int(port), known.text, known.context(folder), [f"SRUP/{known.text}"])
    peer = Peer(known.id, known.key, mqtt, service.key)
    peer.keys[known.server] = known.server_key
    return known, peer


def refused_registrations(known):
    """What the key service must not take."""
    bare = "".join(spki(known.key).decode().strip().splitlines()[1:-1])
    again = {"identity": known.text, "key": bare, "type": "default"}
    assert service.call("POST", "register", again)[0] == 400
    for signature in (pss(known.key, known.text.encode(), 32), pss(newkey(), known.text.encode()), b""):
        asked = {"identity": known.text, "signature": b64mime(signature)}
        assert service.call("POST", "validate", asked)[0] == 400
    for call, status in (("get_key/1", 404), ("get_type/1", 404), ("c2_check/1", 404), ("c2_check/0x1", 400)):
        assert service.call("GET", call)[0] == status, call
    assert service.call("GET", f"c2_check/{known.server}")[0] == 200
    status, body, headers = service.call("GET", f"get_key/{known.text}")
    assert headers["content-type"].startswith("text/html") and all(len(line) <= 76 for line in body.splitlines())
    assert base64.b64decode(body) == spki(known.key).strip()
    assert x509.load_pem_x509_certificate(known.cert).subject.rfc4514_string().startswith(f"CN={known.text},O=SRUP_DEVICE")


def main():
    known, d = device("gateway")
    server, joins = known.server, f"SRUP/servers/{known.server}/{known.text}"
    refused_registrations(known)

    # a join at once, and the update that waits
    token = d.send(joins, server, "JOIN_REQUEST")
    assert d.recv("RESPONSE", status=0x50, token=token)["seq"] == 2
    update = d.recv("INITIATE")
    assert update["url"][-1:] == update["digest"][-1:] == b"\0"
    body = http("GET", update["url"][:-1].decode())[1]
    assert hashlib.sha256(body).hexdigest() == update["digest"][:-1].decode()
    d.send(d.topic, server, "RESPONSE", update["token"], status=0x00)
    d.recv("ACTIVATE", token=update["token"])

    # what it must bear, and what it must not act upon
    last = d.make(server, "ID_REQUEST")
    for cut in range(0, len(last), 13): d.mqtt.publish(d.topic, last[:cut])
    d.mqtt.publish(d.topic, message("ACTION", 2**64 - 1, d.id, b"t", newkey(), action_id=1))
    d.mqtt.publish(d.topic, message("ACTION", 2**64 - 1, d.id, b"t", d.key, version=4, action_id=1))
    d.mqtt.publish(d.topic, last + b"bytes behind the last field")
    d.recv("DATA", data_id=b"IDENTIFICATION_RESPONSE")
    d.mqtt.publish(d.topic, last)
    for status in (0x10, 0x20, 0x3F, 0x50, 0x60, 0x99): d.send(d.topic, server, "RESPONSE", status=status)
    d.send(d.topic, server, "DATA", b"", data_id=b"", data=b"")
    d.seq[server] += 1 << 62
    d.send(d.topic, server, "ID_REQUEST", b"\xff\xfe")
    d.recv("DATA", data_id=b"IDENTIFICATION_RESPONSE")

    # a join that a person confirms
    d.send(d.topic, server, "RESIGN_REQUEST")
    d.send(d.topic, server, "RESIGN_REQUEST")
    token = d.send(joins, server, "HUMAN_JOIN_REQUEST")
    shown = d.recv("HUMAN_JOIN_RESPONSE")
    value = unseal(shown["encrypted"], d.key)
    assert shown["token"] != token and len(value) == 32
    say("shows", known.text, value.decode())
    d.recv("RESPONSE", status=0x50, token=shown["token"])

    # joins that another device confirms
    token = d.send(joins, server, "OBSERVED_JOIN_REQUEST", observer_id=d.id)
    d.recv("RESPONSE", status=0x5F, token=token)
    other, o = device("default")
    token = d.send(joins, server, "OBSERVED_JOIN_REQUEST", observer_id=o.id)
    d.recv("RESPONSE", status=0x5F, token=token)
    o.send(f"SRUP/servers/{server}/whatever", server, "JOIN_REQUEST")
    o.recv("RESPONSE", status=0x50)
    update = o.recv("INITIATE")
    o.send(o.topic, server, "RESPONSE", update["token"], status=0xFE)
    for verdict, status in ((0x60, 0x50), (0x6E, 0x5F), (0x6F, 0x5E)):
        d.send(joins, server, "OBSERVED_JOIN_REQUEST", observer_id=o.id)
        shown = d.recv("OBSERVED_JOIN_RESPONSE")
        asked = o.recv("OBSERVATION_REQUEST", joining_device_id=d.id)
        assert asked["topic"] == o.topic and unseal(asked["encrypted"], o.key) == unseal(shown["encrypted"], d.key)
        d.send(d.topic, server, "RESPONSE", asked["token"], status=0x60)
        d.silence(0.3)
        o.send(o.topic, server, "RESPONSE", asked["token"], status=verdict)
        d.recv("RESPONSE", status=status, token=shown["token"])
    d.send(d.topic, server, "DEREGISTER_REQUEST")
    d.mqtt.close()
    o.mqtt.close()
    say("done")


main()
