"""The documentation keeps step with the code: whatever is added has its line, and every link leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from paperlane.catalog import WORDS
from paperlane.checks import CHECKS
from paperlane.cli import app
from paperlane.formats import FORMATS
from paperlane.reports import REPORTS
from paperlane.reports import WORDS as REPORT_WORDS
from paperlane.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
COMMON = {"help", "version", "install_completion", "show_completion"}
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def section(name: str, heading: str) -> str:
    """What stands under a heading of a reference page."""
    _, found, rest = page(name).partition(f"## {heading}\n")
    assert found, (name, heading)
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_each_setting_has_its_line(name: str):
    field = Settings.model_fields[name]
    (line,) = [line for line in page("settings.md").splitlines() if f"`PAPERLANE_{name.upper()}`" in line]
    assert field.description
    assert field.description in line
    assert not field.default or f"`{field.default}`" in line


@pytest.mark.parametrize("name", list(CHECKS))
def test_each_check_has_its_entry(name: str):
    check, entry = CHECKS[name], section("checks.md", name)
    assert (
        f"; {check.severity.value}{f' ({check.worse})' if check.worse else ''}, {check.category}. {check.why}" in entry
    )
    for example in (*check.flags, *check.passes):
        assert "- `" + " ⏎ ".join(filter(None, example.split("\n"))) + "`" in entry, example


@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_has_its_line(name: str):
    (line,) = [line for line in page("formats.md").splitlines() if line.startswith(f"| {name} ")]
    assert all(f"`{suffix}`" in line for suffix in FORMATS[name].suffixes)


@pytest.mark.parametrize("name", list(REPORTS))
def test_each_report_has_its_line(name: str):
    assert f"| `{name}` |" in page("reports.md")


def test_each_error_code_of_a_document_has_its_line_and_its_words():
    sources = [*(ROOT / "src/paperlane/formats").rglob("*.py"), *(ROOT / "src/paperlane/work").rglob("*.py")]
    text = "\n".join(source.read_text() for source in sources)
    codes = set(re.findall(r'(?:code=|Notice\(|Fault\()"([a-z_]+)"', text)) - {"worker_unknown"}
    assert len(codes) > 10
    for code in codes:
        assert f"`{code}`" in page("formats.md"), code
        assert f"code {code}" in WORDS, code


def test_each_command_and_option_has_its_line():
    def walk(name: str, command: object) -> None:
        for parameter in command.params:  # type: ignore[attr-defined]
            if not getattr(parameter, "hidden", False) and parameter.name not in COMMON:
                for option in parameter.opts if parameter.param_type_name == "option" else ():
                    (line,) = [line for line in section("commands.md", name).splitlines() if f"`{option}`" in line]
                    assert line.endswith(f": {parameter.help}"), (name, option)
        for inside, deeper in getattr(command, "commands", {}).items():
            walk(f"{name} {inside}", deeper)

    walk("paperlane", get_command(app))


def test_each_call_of_the_interface_has_its_line():
    text = page("http.md")
    for source in (ROOT / "src/paperlane/web").glob("*.py"):
        prefix = re.search(r'APIRouter\(prefix="([^"]+)"', source.read_text())
        if prefix is None:
            continue
        for verb, path in re.findall(r'@router\.(get|post|patch|put|delete)\(\s*"([^"]*)"', source.read_text()):
            assert f"`{verb.upper()} {prefix[1]}{path}`" in text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path):
    for target in LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_page_can_be_found():
    index = (DOCS / "index.md").read_text()
    for path in DOCS.rglob("*.md"):
        assert path.name == "index.md" or str(path.relative_to(DOCS)) in index


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_example_is_what_the_command_prints(name: str):
    (shown,) = re.findall(r"```console\n\$ paperlane (check .*?)```", (ROOT / name).read_text(), re.DOTALL)
    command, _, lines = shown.partition("\n")
    done = subprocess.run(
        [sys.executable, "-m", "paperlane", *command.split()],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert lines.removesuffix("...\n") in done.stdout


def test_both_readmes_say_the_same_commands():
    commands = [re.findall(r"`?make (\w+)", (ROOT / name).read_text()) for name in ("README.md", "README.zh-CN.md")]
    assert set(commands[0]) == set(commands[1]) == {"serve", "test"}
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(commands[0]) <= set(targets)


def test_the_pages_words_are_there_in_both_languages_and_used():
    static = ROOT / "src/paperlane/web"
    text = "\n".join(p.read_text() for p in [*static.glob("templates/*.html"), *static.glob("static/*.js")])
    for name in re.findall(r'\bt\.(\w+)|\bt\["([^"]+)"\]|say\("([^"]+)"', text):
        assert next(filter(None, name)) in WORDS, name
    assert all(english and chinese for english, chinese in WORDS.values())
    assert REPORT_WORDS["en"].keys() == REPORT_WORDS["zh"].keys()


def test_the_how_to_of_ones_own_pipeline_runs(tmp_path: Path):
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "how-to/your-own-pipeline.md").read_text(), re.DOTALL)
    (tmp_path / "squares.py").write_text(program)
    for _ in ("the first time", "again"):
        done = subprocess.run(
            [sys.executable, "squares.py"], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        lines = [line for line in done.stdout.splitlines() if "completed" in line]
        assert lines == [f"{n} completed {n * n}" for n in range(10)], done.stdout + done.stderr
