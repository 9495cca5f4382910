"""scapy's UDS scanner looks for sessions and services.

usage: scapy_scan.py WAY SERVICES (hexadecimal, with commas); WAY as in scapy_link.py
Prints one JSON object: by session, what each service and each session was answered: "positive", an NRC, or "nothing".
"""
import json
import os
import sys

from scapy_link import connect
from scapy.contrib.automotive.uds import UDS
from scapy.contrib.automotive.uds_ecu_states import *  # noqa: F401,F403: without it no session is ever entered
from scapy.contrib.automotive.uds_scan import UDS_DSCEnumerator, UDS_Scanner, UDS_ServiceEnumerator, UDS_TPEnumerator

way = sys.argv[1]


def back_to_default():
    """Without it the scanner would take whatever session the ECU is in for the default one."""
    socket = connect(way)
    socket.sr1(UDS(b"\x10\x01"), timeout=5, verbose=False)
    socket.close()


services = [int(text, 16) for text in sys.argv[2].split(",")]
scanner = UDS_Scanner(
    connect(way),
    reset_handler=back_to_default,
    reconnect_handler=lambda: connect(way),
    test_cases=[UDS_ServiceEnumerator, UDS_DSCEnumerator, UDS_TPEnumerator],
    UDS_DSCEnumerator_kwargs={"scan_range": range(1, 6), "delay_state_change": 0, "overwrite_timeout": False},
    UDS_ServiceEnumerator_kwargs={"scan_range": services},
    timeout=2,
)
scanner.scan(timeout=200)


def results(kind, key):
    found = {}
    for case in scanner.configuration.test_cases:
        if not isinstance(case, kind):
            continue
        for result in case.results:
            session = found.setdefault(str(result.state.session), {})
            if result.resp is None:
                said = "nothing"
            elif result.resp.service == 0x7F:
                said = "%02x" % result.resp.negativeResponseCode
            else:
                said = "positive"
            session[key(result.req)] = said
    return found


found = {
    "completed": scanner.scan_completed,
    "services": results(UDS_ServiceEnumerator, lambda request: "%02x" % request.service),
    "sessions": results(UDS_DSCEnumerator, lambda request: "%02x" % request.diagnosticSessionType),
}
print(json.dumps(found), flush=True)
os._exit(0)  # scapy's threads would keep the program alive
