"""A tester that is none of ours writes an image into an ECU and reads back the new version.

usage: scapy_flash.py WAY IMAGE ADDRESS (hexadecimal); WAY as in scapy_link.py
Prints one JSON object: the answers by step, and the version before and after. Key = seed.
"""
import json
import os
import struct
import sys
import time

from scapy_link import UDS, connect

way, path, address = sys.argv[1], sys.argv[2], int(sys.argv[3], 16)
socket = connect(way)
doip = way.startswith("doip")


def heard(wait):
    """The next UDS message, or None."""
    if doip:
        packet = socket.recv()
        return bytes(packet) if isinstance(packet, UDS) else None
    packets = socket.sniff(timeout=wait, count=1)
    return bytes(packets[0]) if packets else None


def ask(request, wait=60):
    """The final answer to a request."""
    request = bytes.fromhex(request) if isinstance(request, str) else request
    socket.send(UDS(request))
    end = time.time() + wait
    while time.time() < end:
        answer = heard(end - time.time())
        if not answer:
            continue
        if answer[:2] == bytes([0x7F, request[0]]):
            if answer[2] != 0x78:
                raise SystemExit("%s was answered %s" % (request[:8].hex(), answer.hex()))
        elif answer[0] == request[0] | 0x40:
            return answer
    raise SystemExit("%s was not answered" % request[:8].hex())


image = open(path, "rb").read()
place = struct.pack(">II", address, len(image))
found = {"before": ask("22f195")[3:].decode(), "size": len(image)}
found["extended"] = ask("1003").hex()
found["programming"] = ask("1002").hex()
seed = ask("2701")[2:]
found["key"] = ask(b"\x27\x02" + seed).hex()
found["erase"] = ask(b"\x31\x01\xff\x00\x44" + place).hex()
answer = ask(b"\x34\x00\x44" + place)
block = int.from_bytes(answer[2 : 2 + (answer[1] >> 4)], "big") - 2
blocks = [image[at : at + block] for at in range(0, len(image), block)]
found["blocks"] = [ask(bytes([0x36, (n + 1) & 0xFF]) + data).hex() for n, data in enumerate(blocks)]
found["exit"] = ask("37").hex()
found["check"] = ask("3101ff02").hex()
found["dependencies"] = ask("3101ff01").hex()
found["reset"] = ask("1101").hex()
time.sleep(1)
for attempt in range(10):
    try:
        found["after"] = ask("22f195", 2)[3:].decode() if not doip else ask("22f195")[3:].decode()
        break
    except SystemExit:
        continue
print(json.dumps(found), flush=True)
os._exit(0)  # scapy's threads would keep the program alive
