"""The corpus on the command line: each file is a report, or says what its manifest allows."""

import json
import subprocess
import sys
from pathlib import Path

from tests.manifests import Ending, assert_as_said


def test_the_command_tests_the_corpus_as_its_manifests_say(corpus: Path):
    folders = (str(corpus / "documents"), str(corpus / "hostile"))
    done = subprocess.run(
        [sys.executable, "-m", "paperlane", "check", *folders, "--format", "json", "--fail-on", "never"],
        check=False, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    found = json.loads(done.stdout)
    endings = {file["name"]: Ending(False, frozenset({file["code"]}), 0, file["hint"]) for file in found["unreadable"]}
    for report in found["documents"]:
        codes = frozenset(warning["code"] for warning in report["warnings"])
        endings[report["document"]["name"]] = Ending(True, codes, report["coverage"]["tested"])
    assert_as_said(corpus, {Path(name).name: ending for name, ending in endings.items()})
