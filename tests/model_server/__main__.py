"""`python -m tests.model_server [--script FILE_OR_JSON] [--port N]`: a model's endpoint on this machine."""

import argparse
import asyncio
import json
from pathlib import Path

from tests.model_server.script import Script
from tests.model_server.server import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model_server", description=__doc__)
    parser.add_argument("--script", default="{}", help="a script's file, or the script itself")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = parser.parse_args()
    words = given.script if given.script.lstrip().startswith("{") else Path(given.script).read_text()
    asyncio.run(run(Script.of(json.loads(words)), given.port))


main()
