"""Which models `paperlane check` asks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import forking
from tests.ai.endpoint import Endpoint

from paperlane.cli.check import _models
from paperlane.cli.installation import said
from paperlane.errors import BadRequest, Misconfigured
from paperlane.settings import models_of

HOUSE = "http://127.0.0.1:1/v1"
MODELS = json.dumps(
    [
        {"model": "gpt", "name": "careful", "key_env": "CAREFUL_KEY"},
        {"model": "qwen", "name": "inhouse", "base_url": HOUSE},
    ]
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a file of settings, and two models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAPERLANE_MODELS", MODELS)
    monkeypatch.setenv("CAREFUL_KEY", "k")
    monkeypatch.delenv("PAPERLANE_MODEL_API_KEY", raising=False)


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model in the settings."""
    monkeypatch.delenv("PAPERLANE_MODELS")


@pytest.mark.parametrize(
    ("named", "chosen"),
    [
        ([], ("careful",)),
        ([""], ("careful",)),
        (["none"], ()),
        (["inhouse"], ("inhouse",)),
        (["inhouse,careful"], ("inhouse", "careful")),
        (["inhouse", "careful", "inhouse"], ("inhouse", "careful")),
    ],
    ids=str,
)
def test_names_and_lists_of_names_choose(named: list[str], chosen: tuple[str, ...]):
    settings, models = _models(said(), named, no_model=False)
    assert models == chosen
    assert {*chosen} <= {terms.called for terms in models_of(settings)}


def test_no_model_is_rules_only():
    assert _models(said(), [], no_model=True)[1] == ()


@pytest.mark.parametrize(
    ("named", "no_model"),
    [(["careful"], True), (["none,careful"], False), (["inhouse", "none"], False)],
    ids=str,
)
def test_what_contradicts_itself_is_refused_with_a_hint(named: list[str], *, no_model: bool):
    with pytest.raises(BadRequest) as refused:
        _models(said(), named, no_model=no_model)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        (["carefull"], "Did you mean careful? Choose one of careful, inhouse, none."),
        (["inhouse,carefull"], "Did you mean careful? Choose one of careful, inhouse, none."),
        (["o9"], "Choose one of careful, inhouse, none."),
    ],
    ids=str,
)
def test_a_name_that_is_none_of_the_models_is_refused_and_nobody_is_asked(named: list[str], hint: str):
    with pytest.raises(BadRequest, match=r"There is no model '(carefull|o9)'") as refused:
        _models(said(), named, no_model=False)
    assert (refused.value.code, refused.value.hint) == ("unknown_model", hint)


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize(("name", "value"), [("MODEL_BASE_URL", HOUSE), ("MODEL_API_KEY", "k")])
def test_where_none_is_set_a_name_is_its_providers(name: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"PAPERLANE_{name}", value)
    settings, models = _models(said(), ["o9"], no_model=False)
    assert models == ("o9",)
    (terms,) = models_of(settings)
    assert terms.base_url == (HOUSE if value == HOUSE else "https://api.openai.com/v1")
    for several in (["o9,o10"], ["o9", "none"]):
        with pytest.raises(BadRequest):
            _models(said(), several, no_model=False)


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("usual", ["", "o9"], ids=["by --model", "by PAPERLANE_MODEL"])
def test_nothing_is_sent_to_openai_without_a_key(usual: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAPERLANE_MODEL", usual)
    with pytest.raises(Misconfigured, match=r"The model o9 would be asked at https://api\.openai\.com/v1") as refused:
        _models(said(), [] if usual else ["o9"], no_model=False)
    assert refused.value.hint == (
        "Set PAPERLANE_MODEL_API_KEY; where the model is elsewhere, as in your own house, set PAPERLANE_MODEL_BASE_URL."
    )
    assert _models(said(), ["none"], no_model=False)[1] == ()


def test_a_model_of_several_without_its_key_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CAREFUL_KEY")
    with pytest.raises(Misconfigured) as refused:
        _models(said(), [], no_model=False)
    assert refused.value.hint.startswith("Set CAREFUL_KEY; ")
    assert refused.value.hint.endswith(" set base_url of this model.")
    assert _models(said(), ["inhouse"], no_model=False)[1] == ("inhouse",)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint.start()
    yield made
    made.close()


@pytest.mark.usefixtures("unset")
def test_where_a_model_gives_no_answer_stderr_tells_its_address_and_why_and_the_report_stays_json(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    endpoint.does(down=401)
    monkeypatch.setenv("PAPERLANE_MODEL_BASE_URL", endpoint.url)
    (tmp_path / "a.md").write_text("# One\n\nThe gate shall open.\n\n# Two\n\nThe gate shall close.\n")
    done = forking.run(["check", "a.md", "--model", "judge", "--format", "json"], tmp_path)
    assert done.stderr == (
        f"paperlane: No answer from the model judge: {endpoint.url}: the key is refused (HTTP 401)\n"
    )
    assert len(json.loads(done.stdout)["documents"]) == 1


def test_the_doctor_tells_of_each_model_whether_it_has_a_key_and_can_be_reached(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    endpoint.does()
    here = {"model": "o9", "base_url": endpoint.url, "key_env": "CAREFUL_KEY"}
    away = {"model": "qwen", "name": "inhouse", "base_url": HOUSE}
    monkeypatch.setenv("PAPERLANE_MODELS", json.dumps([here, away]))
    done = forking.run(["doctor", "--json"], tmp_path)
    found = {row["what"]: (row["state"], row["detail"]) for row in json.loads(done.stdout)}
    assert found["model o9"] == ("ok", f"{endpoint.url}; CAREFUL_KEY is set")
    assert found["model inhouse"] == (
        "warning", f"{HOUSE}: connection refused; PAPERLANE_MODEL_API_KEY is not set"
    )  # fmt: skip
    assert endpoint.calls() == []
