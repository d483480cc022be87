"""Checks the types of what needs an engine's library, in the environment that has it: `engine_types.py celery`."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ("engines", "entry")

ENGINE = sys.argv[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]
ENVIRONMENT = ROOT / f"build/engine-{ENGINE}"
PROJECT = ENVIRONMENT / "basedpyright.json"

for other in ("exclude", "venv", "venvPath"):
    SETTINGS.pop(other)
SETTINGS["include"] = [f"../../src/paperlane/{place}/{ENGINE}.py" for place in PLACES]
PROJECT.write_text(json.dumps(SETTINGS))
CHECK = ["basedpyright", "--project", str(PROJECT), "--pythonpath", str(ENVIRONMENT / "bin/python")]
sys.exit(subprocess.run([str(Path(sys.executable).parent / CHECK[0]), *CHECK[1:]], check=False).returncode)
