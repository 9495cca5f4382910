"""How scapy gets to an ECU of the bench: ISO-TP in software over python-can, or DoIP."""
import time

from scapy.config import conf
from scapy.main import load_contrib

conf.contribs["CANSocket"] = {"use-python-can": True}
conf.contribs["ISOTP"] = {"use-can-isotp-kernel-module": False}
for layer in ("cansocket", "isotp", "automotive.uds", "automotive.doip"):
    load_contrib(layer)
from scapy.contrib.automotive.doip import UDS_DoIPSocket  # noqa: E402
from scapy.contrib.automotive.uds import UDS  # noqa: E402
from scapy.contrib.cansocket_python_can import CANSocket  # noqa: E402
from scapy.contrib.isotp import ISOTPSoftSocket  # noqa: E402


def connect(way):
    """way: slcan:PORT or doip:PORT:ADDRESS (hexadecimal)"""
    kind, port, *rest = way.split(":")
    if kind == "doip":
        return UDS_DoIPSocket("127.0.0.1", port=int(port), source_address=0x0E00, target_address=int(rest[0], 16))
    channel = "socket://127.0.0.1:" + port
    can = CANSocket(bustype="slcan", channel=channel, bitrate=500000, sleep_after_open=0.2)
    time.sleep(0.5)
    return ISOTPSoftSocket(can, tx_id=0x7E0, rx_id=0x7E8, basecls=UDS, padding=True)
