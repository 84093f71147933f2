"""What clients and the monitor of a machine say to each other, beside the guest's frames of `guest/wire`.

A client connects to `control.sock` in the machine's directory. It numbers its streams itself: 1 is the
image's program, EXEC makes any other; STDIN, CLOSE_STDIN, RESIZE, SIGNAL, PING and MEASURE go to the guest,
and what the guest answers comes back with the client's number. A process made by EXEC is killed when its
client hangs up, unless it said DETACH with that stream. Only the standard library.
"""

from __future__ import annotations

__all__ = ["ATTACH", "DETACH", "KILL", "LAUNCH", "QMP", "SNAPSHOT", "SOCKET", "STATE", "STOP", "UNDONE"]

SOCKET = "control.sock"

LAUNCH = 30
"""The first frame of the client that started the monitor, which is attached: `marshal` of the `Launch`."""
DETACH = 31
"""From the client. Stream 0: the machine goes on without it. Else: this process does."""
ATTACH = 32
"""From the client: tell me what the image's program writes from now on. Answered by STATE."""
STATE = 33
"""Asked for by a client, with no payload; told, as JSON of `state.json`, to all that are attached whenever
the status changes, and to every client as the last frame of all."""
STOP = 34
"""From the client: pairs signal, timeout_s (either may be missing). The machine is not started again."""
KILL = 35
"""From the client: end QEMU at once; the exit code is 137. The machine is not started again."""
QMP = 36
"""From the client: a command of QEMU's as JSON ({"execute": …}). Answered by QMP with what it returned as
JSON, or by UNDONE. The answer carries the question's stream."""
SNAPSHOT = 37
"""From the client: save the machine to the file that the payload names, which is made; it is paused
meanwhile. Answered by SNAPSHOT when it is complete, or by UNDONE."""
UNDONE = 38
"""From the monitor: what was asked for could not be done; a sentence."""
