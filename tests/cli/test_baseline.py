"""With a baseline only new issues count, whatever was there before and wherever it stands now."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests import forking

TEXT = "# One\n\nThe system shall be fast.\n\nIt is TBD.\n"


def made(folder: Path) -> Path:
    (folder / "docs").mkdir()
    (folder / "docs/old.md").write_text(TEXT)
    (folder / "docs/same.md").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a baseline of the two documents says."""
    folder = made(tmp_path_factory.mktemp("base"))
    assert check("--write-baseline", "base.json", cwd=folder).returncode == 1
    return (folder / "base.json").read_text()


@pytest.fixture
def folder(tmp_path: Path, base: str) -> Path:
    (tmp_path / "base.json").write_text(base)
    return made(tmp_path)


def check(*arguments: object, cwd: Path, what: str = "docs") -> Any:
    return forking.run(["check", what, *map(str, arguments)], cwd)


def test_what_is_in_the_baseline_does_not_count(folder: Path):
    done = check("--baseline", "base.json", "--fail-on", "info", cwd=folder)
    assert done.returncode == 0
    assert "shall" not in done.stdout
    assert done.stdout.splitlines() == [
        f"docs/{name}.md: no new issues; 0 new, 0 fixed, 2 unchanged; the one passage tested"
        " (rules only, profile requirements)"
        for name in ("old", "same")
    ] + ["0 new, 0 fixed, 4 unchanged"]


def test_only_new_issues_are_shown_and_make_the_exit_code(folder: Path):
    text = "# None\n\nAll is well.\n\n" + TEXT.replace("fast", "quick") + "\nIt is TODO.\n"
    (folder / "docs/old.md").write_text(text)
    done = check("--baseline", "base.json", cwd=folder)
    assert done.returncode == 1
    assert "TODO" in done.stdout
    assert "quick" in done.stdout
    assert "»TBD«" not in done.stdout
    assert "docs/old.md: 1 error, 1 warning; 2 new, 1 fixed, 1 unchanged; " in done.stdout
    assert done.stdout.splitlines()[-1] == "2 new, 1 fixed, 3 unchanged"
    (folder / "docs/old.md").write_text(text.replace("It is TODO.", ""))
    assert check("--baseline", "base.json", cwd=folder).returncode == 0  # a warning
    assert check("--baseline", "base.json", "--fail-on", "warning", cwd=folder).returncode == 1


def test_json_marks_each_issue_and_lists_what_is_fixed(folder: Path):
    (folder / "docs/old.md").write_text("# One\n\nIt is TBD.\n\nIt is TODO.\n")
    old, _ = json.loads(check("--baseline", "base.json", "--format", "json", cwd=folder).stdout)["documents"]
    assert [(issue["quote"], issue["change"]) for issue in old["issues"]] == [("TBD", "unchanged"), ("TODO", "new")]
    assert old["changes"] == {"new": 1, "fixed": 1, "unchanged": 1}
    assert [(known["rule"], known["quote"]) for known in old["fixed"]] == [("vague-term", "fast")]
    assert old["counts"] == {"error": 1, "warning": 0, "info": 0}


def test_html_leaves_unchanged_issues_out_and_lists_what_is_fixed(folder: Path):
    (folder / "docs/old.md").write_text("# One\n\nIt is TBD.\n\nIt is TODO.\n")
    page = check("--baseline", "base.json", "--format", "html", "--lang", "zh", cwd=folder).stdout
    assert "<mark>TODO</mark>" in page
    assert "<mark>TBD</mark>" not in page
    assert "新增 1 个，解决 1 个，未变 1 个" in page
    assert "<li>fast <code>vague-term</code></li>" in page


def test_an_issue_counts_as_often_as_it_was_there(folder: Path):
    row = "| TBD |\n"
    (folder / "docs/old.md").write_text(f"| A |\n|---|\n{row * 2}")
    check("--write-baseline", "base.json", cwd=folder)
    (folder / "docs/old.md").write_text(f"| A |\n|---|\n{row * 3}")
    assert "1 new, 0 fixed, 2 unchanged" in check("--baseline", "base.json", cwd=folder, what="docs/old.md").stdout
    (folder / "docs/old.md").write_text(f"| A |\n|---|\n{row}")
    assert "0 new, 1 fixed, 1 unchanged" in check("--baseline", "base.json", cwd=folder, what="docs/old.md").stdout


def test_a_report_of_before_is_a_baseline_and_paths_may_be_written_in_any_way(folder: Path):
    check("--format", "json", "-o", "report.json", cwd=folder)
    for what in ("./docs/", folder / "docs"):
        done = check("--baseline", folder / "report.json", cwd=folder, what=str(what))
        assert done.stdout.endswith("0 new, 0 fixed, 4 unchanged\n")
    (folder / "docs/same.md").rename(folder / "docs/other.md")
    assert check("--baseline", "report.json", cwd=folder).stdout.endswith("2 new, 0 fixed, 2 unchanged\n")


def test_a_baseline_of_another_folder_is_told(folder: Path):
    english, chinese = (
        check("--baseline", "../base.json", "--lang", lang, cwd=folder / "docs", what=".") for lang in ("en", "zh")
    )
    assert english.stdout.endswith("4 new, 0 fixed, 0 unchanged\n")
    assert english.stderr.startswith(
        "The baseline knows no old.md and 1 more; it holds docs/old.md and 1 more. So every issue is new."
        " Start in the folder where the baseline was written, or "
    )
    assert chinese.stderr.startswith("基线中没有 old.md 等 2 个文件，只有 docs/old.md 等 2 个文件，")
    (folder / "docs/fine.md").write_text("# One\n\nAll is well.\n")
    for what in ("docs", "docs/old.md", "docs/fine.md"):
        assert check("--baseline", "base.json", cwd=folder, what=what).stderr == ""


def test_a_check_that_is_not_asked_has_fixed_nothing(folder: Path):
    done = check("--baseline", "base.json", "--no-check", "tbd", cwd=folder, what="docs/old.md")
    assert "0 new, 0 fixed, 1 unchanged" in done.stdout


def test_a_baseline_has_a_line_an_issue_that_edits_elsewhere_leave_as_it_is(folder: Path):
    before = (folder / "base.json").read_text()
    (folder / "docs/old.md").write_text("# None\n\nAll is well.\n\n" + TEXT)
    check("--write-baseline", "base.json", cwd=folder)
    assert (folder / "base.json").read_text() == before
    assert len(before.splitlines()) == 2 + 2 * (2 + 2)
    assert [one["document"]["name"] for one in json.loads(before)["documents"]] == ["docs/old.md", "docs/same.md"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: base.json: No such file"),
        (b"", "makes no sense: base.json"),
        (b"[]", "makes no sense: base.json"),
        (b'{"runs": []}', "base.json: documents: Field required"),
        (
            b'{"documents": [{"document": {"name": "a"}, "issues": [{"rule": "x"}]}]}',
            "documents.0.issues.0.fingerprint",
        ),
        (b"\xff\xfe", "is no UTF-8"),
    ],
)
def test_a_baseline_that_is_none_is_wrong_usage(folder: Path, content: bytes | None, said: str):
    (folder / "base.json").unlink()
    if content is not None:
        (folder / "base.json").write_bytes(content)
    done = check("--baseline", "base.json", cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert "--" in done.stderr or "UTF-8" in done.stderr


def test_a_baseline_is_not_written_over_a_document(folder: Path):
    done = check("--write-baseline", "docs/old.md", cwd=folder)
    assert done.returncode == 2
    assert "The baseline would be written over a document: docs/old.md." in done.stderr
    assert (folder / "docs/old.md").read_text() == TEXT
