"""Runs what every engine promises on each of them, and prints which case holds on which: `make engines`.

What has a long form takes it here (`--whole`): each engine's broker is away for two minutes, not for seconds.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
SUITES = (
    "tests/engines/test_contract.py",
    "tests/engines/test_programs.py::test_documents_are_tested_on_a_host_that_has_none_of_the_services_folders",
    "tests/engines/test_programs.py::test_a_batch_moves_from_engine_to_engine_while_it_runs",
)
BEYOND = "PostgreSQL"
"""The database of what is asked beside the contract, whose cases name theirs."""
_HOLDS, _FAILS, _SKIPPED = "holds", "FAILS", "not run"


def results_of(report: Path) -> dict[str, dict[str, str]]:
    """What became of each case: by case, then by engine and database; and why something was not run."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for case in ET.parse(report).iter("testcase"):  # written by pytest a moment ago
        name, _, parameters = case.get("name", "").partition("[")
        given = [part for part in parameters.rstrip("]").split("-") if part not in {"", "postgresql"}]
        engine = next((part for part in given if " over " in part), "")
        if not engine:
            engine = f"{given.pop(0) if given else 'one after the other'} over {BEYOND}"
        more = [part for part in given if part != engine]
        words = " ".join([re.sub(r"^test_", "", name).replace("_", " "), *more])
        about = case.get("classname", "").partition(".Test")[2] or "Documents"
        fate = _FAILS if case.find("failure") is not None or case.find("error") is not None else _HOLDS
        if (skipped := case.find("skipped")) is not None:
            fate = f"{_SKIPPED}: {skipped.get('message', '')}"
        found[f"{about}: {words}"][engine] = fate
    return found


def table(found: dict[str, dict[str, str]]) -> str:
    """One line a case, one column an engine on a database; "" where a case is not asked of an engine."""
    columns = sorted({column for fates in found.values() for column in fates})
    reasons = sorted({fate for fates in found.values() for fate in fates.values() if fate.startswith(_SKIPPED)})
    lines = [f"| case | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for case, fates in found.items():
        lines.append(f"| {case} | {' | '.join(fates.get(column, '').split(':')[0] for column in columns)} |")
    return "\n".join([*lines, *(["", *reasons] if reasons else [])])


def main() -> int:
    """The table; what pytest's exit code is."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--whole",
            *SUITES,
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit2",
        ]
        code = subprocess.run([*command, *sys.argv[1:]], cwd=ROOT, env=os.environ, check=False).returncode
        if report.exists():
            print(table(results_of(report)))
    return code


if __name__ == "__main__":
    sys.exit(main())
