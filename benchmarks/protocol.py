"""What a measured program speaks: one JSON object a line, a question and its answer. Needs Python alone."""

import json
import os
import sys
import traceback


def speak(program: object) -> None:
    """Answer questions until there are none: `{"do": method, ...}` calls that method with the rest.

    Whatever else the program prints goes to standard error, so a library's log spoils no answer.
    """
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                answer = {"is": getattr(program, asked.pop("do"))(**asked)}
            except Exception as error:  # noqa: BLE001  told to who asked
                traceback.print_exc()
                answer = {"failed": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)
