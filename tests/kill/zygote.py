"""A process that has imported everything and forks for each task: `python -m tests.kill.zygote HOME`.

Orders and answers are lines of JSON: {"task": name} → {"pid": …}; the child waits for the line "go" after
that; then → {"code": wait status, "answer": what the task returned, or null when it was killed}.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
from typing import Any

from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from tests.kill import scenarios

_PATIENCE_S = 20


def main() -> None:
    """Serve until standard input ends."""
    scenarios.preload()
    for line in sys.stdin:
        order = json.loads(line)
        go_read, go_write = os.pipe()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            os.close(read)
            os.read(go_read, 1)
            _child(order, write)
        os.close(go_read)
        os.close(write)
        _say({"pid": pid})
        sys.stdin.readline()
        os.write(go_write, b"g")
        os.close(go_write)
        with os.fdopen(read, "rb") as file:
            answer = file.read()
        _, status = os.waitpid(pid, 0)
        _say({"code": status, "answer": json.loads(answer) if answer else None})


def _say(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def _child(order: dict[str, Any], output: int) -> None:
    faulthandler.dump_traceback_later(_PATIENCE_S, exit=True)
    try:
        with Engine(sys.argv[1]) as engine:
            answer = {"value": scenarios.perform(order["task"], engine, order.get("about", {}))}
    except LabError as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    except BaseException:
        answer = {"error": "crash", "text": traceback.format_exc()}
    os.set_blocking(output, True)
    os.write(output, json.dumps(answer).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
