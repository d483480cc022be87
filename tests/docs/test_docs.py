"""The documentation keeps step with the code: whatever is added has its line, and every link leads somewhere."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from paperlane import errors
from paperlane.catalog import CODES, WORDS
from paperlane.cli import app
from paperlane.formats import FORMATS
from paperlane.model.tasks import LaneUse, Queue, UserId
from paperlane.reports import REPORTS
from paperlane.reports import WORDS as REPORT_WORDS
from paperlane.settings import Settings
from paperlane.web import answers, problems
from paperlane.web.looks import Look
from paperlane.web.metrics import Figures, OfLedger
from paperlane.work.child import TOO_COMPLEX

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
COMMON = {"help", "version", "install_completion", "show_completion"}
HAN = re.compile(r"[\u3400-\u9fff]")
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


def test_the_page_of_checks_is_the_one_that_the_checks_make():
    told = subprocess.run([sys.executable, ROOT / "tools/checks_page.py", "--show"], capture_output=True, check=True)
    assert told.stdout.decode() == page("checks.md"), "run: python tools/checks_page.py"


def test_the_page_of_alerts_is_the_one_that_the_alerts_make():
    told = subprocess.run([sys.executable, ROOT / "tools/alerts_page.py", "--show"], capture_output=True, check=True)
    assert told.stdout.decode() == page("alerts.md"), "run: python tools/alerts_page.py"


@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_has_its_line(name: str):
    (line,) = [line for line in page("formats.md").splitlines() if line.startswith(f"| {name} ")]
    assert all(f"`{suffix}`" in line for suffix in FORMATS[name].suffixes)


@pytest.mark.parametrize("name", list(REPORTS))
def test_each_report_has_its_line(name: str):
    assert f"| `{name}` |" in page("reports.md")


KINDS = {
    name: kind.code
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.PaperlaneError)
}
MAKERS = {"Notice": 0, "Fault": 0, "_error": 0, "_refuse": 0, "problem": 1}  # and where their code stands


def raised(source: Path) -> Iterator[tuple[str, bool]]:
    """Each code that a file raises or warns of, and whether a hint comes with it."""
    tree = ast.parse(source.read_text())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func).rpartition(".")[2]
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        if name in KINDS:
            yield constant(named.get("code", ast.Constant(KINDS[name]))), "hint" in named
        elif name in MAKERS and len(call.args) > MAKERS[name]:
            yield constant(call.args[MAKERS[name]]), name != "Notice" and len(call.args) > MAKERS[name] + 2


def constant(node: ast.expr) -> str:
    """Its text; "" for what another place decides."""
    if isinstance(node, ast.Constant):
        return node.value
    return TOO_COMPLEX if ast.unparse(node) == "TOO_COMPLEX" else ""


def codes_of(*rooms: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for room in rooms:
        place = ROOT / "src/paperlane" / room
        for source in [place] if place.is_file() else place.rglob("*.py"):
            for code, hint in raised(source):
                found[code] = found.get(code, False) or hint
    return {code: hint for code, hint in found.items() if code}


def test_each_error_code_of_a_document_has_its_line():
    codes = codes_of("formats", "work").keys() - {"misconfigured"}  # no document makes this one
    assert len(codes) > 10
    for code in codes:
        assert f"`{code}`" in page("formats.md"), code


def test_each_code_has_words_and_what_to_do_in_both_languages():
    rooms = ("formats", "work", "checks", "ledger", "records", "rollout", "pipeline", "web", "desk", "checking.py")
    codes = dict.fromkeys([*problems._CODES.values(), *KINDS.values()], False) | codes_of(*rooms)
    assert {"too_complex", "unknown_token", "poison", "issues_cut_off", "method_not_allowed"} <= codes.keys()
    for code, hint in codes.items():
        assert all(CODES[code].message), code
        assert all(CODES[code].hint) or not hint, code


def test_what_a_code_says_is_said_in_two_languages():
    for code, told in CODES.items():
        for english, chinese in (told.message, told.hint, told.filled, told.fuller):
            assert bool(english) == bool(chinese), code
            assert not HAN.search(english), code
            assert not chinese or HAN.search(chinese), code
            assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), code


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


def test_each_field_of_an_issue_has_its_line():
    described = re.findall(r"`(\w+)`", section("http.md", "An issue"))
    assert {*answers.Issue.__annotations__, *answers.Location.__annotations__} <= {*described}


def test_each_field_of_a_comparison_has_its_line():
    described = re.findall(r"`(\w+)`", section("http.md", "A comparison"))
    parts = (answers.Comparison, answers.EngineSide, answers.Measure, answers.Figure, answers.Stratum, answers.Sampled)
    for part in parts:
        fields = {name.removesuffix("_interval") for name in part.__annotations__}
        assert fields <= {*described}, part
    caution = re.findall(
        r"Caution\(\s*\"(\w+)\"",
        "".join((ROOT / "src/paperlane" / name).read_text() for name in ("rollout/comparison.py", "desk/comparing.py")),
    )
    assert len(caution) > 10
    told = (DOCS / "explanation/comparison.md").read_text()
    assert {*caution} <= {*re.findall(r"`(\w+)`", told)}


def test_each_figure_has_its_line():
    nothing = Queue(0, 0, 0.0, 1, 1, 0, lanes=[], engines=[], repairs=0)
    seen = Look(OfLedger(nothing, LaneUse(UserId(0), 0, 0, 0, 0, 0, 0.0), dead=0), at=0.0, took=0.0)
    figures = [metric.name + "_total" * (metric.type == "counter") for metric in Figures(seen, {}).collect()]
    assert len(figures) > 5
    for name in figures:
        assert f"`{name}`" in section("http.md", "Figures"), name


def test_each_test_that_proves_something_is_there():
    files = [path for room in ("tests", "tools") for end in ("*.py", "*.toml") for path in (ROOT / room).rglob(end)]
    named = re.findall(r"`([\w/]+\.(?:py|toml))`", page("proof.md"))
    assert len(named) > 10
    for name in named:
        assert any(ROOT / name == path or name == path.name for path in files), name
    defined = [set(re.findall(r"^ *(?:async )?(?:def|class) (\w+)", path.read_text(), re.MULTILINE)) for path in files]
    proofs = re.findall(r"`(\w+(?:\.\w+)?)`", section("proof.md", "The invariants"))
    assert len(proofs) > 20
    for name in proofs:
        assert name.endswith(".py") or any(defining >= {*name.split(".")} for defining in defined), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path):
    shown = re.sub(r"(?<!`)(`+)(?!`)(?:(?!\1).)*\1", "code", path.read_text())  # an example of a link is none
    for target in LINK.findall(shown):
        assert (path.parent / target).exists(), target


def test_every_page_can_be_found():
    index = (DOCS / "index.md").read_text()
    for path in DOCS.rglob("*.md"):
        assert path.name == "index.md" or str(path.relative_to(DOCS)) in index


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_example_is_what_the_command_prints(name: str):
    (shown,) = re.findall(r"```console\n\$ \.venv/bin/paperlane (check .*?)```", (ROOT / name).read_text(), re.DOTALL)
    command, _, lines = shown.partition("\n")
    done = subprocess.run(
        [sys.executable, "-m", "paperlane", *command.split()],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert lines.removesuffix("...\n") in done.stdout


def test_both_readmes_say_the_same_commands():
    commands = [re.findall(r"`?make (\w+)", (ROOT / name).read_text()) for name in ("README.md", "README.zh-CN.md")]
    assert {"serve", "test"} <= set(commands[0]) == set(commands[1]) <= {"install", "serve", "test"}
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(commands[0]) <= set(targets)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_every_command(name: str):
    (line,) = [line for line in (ROOT / name).read_text().splitlines() if "`doctor`" in line]
    assert sorted(re.findall(r"`(\w+)`", line)) == sorted(get_command(app).commands)  # type: ignore[attr-defined]


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
