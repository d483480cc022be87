"""Log lines: whole, also where several processes write to one file."""

import json
import os
import socket
import subprocess
import sys

import pytest

SAYS = """
import logging, structlog
from paperlane import logs
from paperlane.settings import Settings
logs.configure(Settings(log_format="json"))
structlog.get_logger().warning("ours", task="t1")
logging.getLogger("somebody").warning("theirs")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pairs of sockets that keep apart what was written")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_written_as_one_or_processes_that_share_a_log_would_break_each_others(unbuffered: str):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        subprocess.run([sys.executable, "-c", SAYS], stderr=theirs, env=environment, check=True, timeout=60)
        ours.setblocking(False)
        written = [ours.recv(65536).decode() for _ in range(2)]  # each is what was written at once
    assert [line[-1] for line in written] == ["\n", "\n"]
    assert [json.loads(line)["event"] for line in written] == ["ours", "theirs"]
