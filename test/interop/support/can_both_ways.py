"""Two python-can programs on one virtual bus: what one sends, the other sees; and an ECU answers both.

usage: can_both_ways.py SOCKETCAND_PORT BUS SLCAN_CHANNEL
Prints one JSON object: what arrived where.
"""
import json
import sys
import time

import can

port, bus_name, channel = int(sys.argv[1]), sys.argv[2], sys.argv[3]
daemon = can.Bus(interface="socketcand", host="127.0.0.1", port=port, channel=bus_name)
serial = can.Bus(interface="slcan", channel=channel, bitrate=500000, sleep_after_open=0.2)
# The adapter answers V once its channel is open and everything before has been handled.
version = serial.get_version(10)


def wait_for(bus, identifier, data=""):
    """The next frame with that identifier whose data begin so."""
    end = time.time() + 20
    while time.time() < end:
        message = bus.recv(0.5)
        if message is not None and message.arbitration_id == identifier and bytes(message.data).hex().startswith(data):
            return {"id": message.arbitration_id, "extended": message.is_extended_id, "data": bytes(message.data).hex()}
    return None


def frame(identifier, data, extended=False):
    return can.Message(arbitration_id=identifier, data=bytes.fromhex(data), is_extended_id=extended)


found = {"version": version}
daemon.send(frame(0x123, "0102030405060708"))
found["standard to slcan"] = wait_for(serial, 0x123)
daemon.send(frame(0x18DA77F1, "aabb", True))
found["extended to slcan"] = wait_for(serial, 0x18DA77F1)
serial.send(frame(0x124, "11"))
found["standard to socketcand"] = wait_for(daemon, 0x124)
serial.send(frame(0x18DA78F1, "", True))
found["extended to socketcand"] = wait_for(daemon, 0x18DA78F1)
serial.send(frame(0x7E0, "023e00cccccccccc"))
found["answer to slcan"] = wait_for(serial, 0x7E8)
daemon.send(frame(0x7E0, "023e01cccccccccc"))
found["answer to socketcand"] = wait_for(daemon, 0x7E8, "037f")
daemon.shutdown()
serial.shutdown()
print(json.dumps(found), flush=True)
