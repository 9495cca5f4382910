"""A program on a terminal of its own, and somebody who types.

usage: terminal_session.py COMMAND...
Standard input: a JSON list of [WHAT TO WAIT FOR, WHAT TO TYPE THEN]. Prints one JSON object: all that the screen showed,
whether the terminal would have echoed when each was typed and after the end, and the exit code.
"""

import json
import os
import pty
import select
import sys
import termios
import time

dialogue = json.load(sys.stdin)
process, terminal = pty.fork()
if process == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

screen = b""
deadline = time.time() + 60


def echoes():
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def read_some():
    """False when nobody is at the other end any more."""
    global screen
    if time.time() > deadline:
        raise TimeoutError(screen.decode(errors="replace"))
    ready, _, _ = select.select([terminal], [], [], 0.5)
    if not ready:
        return True
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return False
    screen += data
    return len(data) > 0


echo = []
seen = 0
for wanted, typed in dialogue:
    while (at := screen.find(wanted.encode(), seen)) < 0:
        if not read_some():
            raise EOFError(screen.decode(errors="replace"))
    seen = at + len(wanted.encode())  # what is waited for next may have come with it
    echo.append(echoes())
    os.write(terminal, typed.encode())
while read_some():
    pass
_, status = os.waitpid(process, 0)
result = {"screen": screen.decode(), "echo": echo, "code": os.waitstatus_to_exitcode(status)}
print(json.dumps(result), flush=True)
