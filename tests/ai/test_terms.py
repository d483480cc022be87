"""Models in the settings: one by variables, several in the file or as JSON, and keys nowhere but in the environment."""

import json
from pathlib import Path
from typing import Any

import pytest

from paperlane.errors import BadRequest, Misconfigured
from paperlane.settings import ModelTerms, Settings, models_of, settings_of

TWO = """
model = "careful"

[[models]]
name = "quick"
model = "small"
base_url = "http://127.0.0.1:8000/v1/"
key_env = "QUICK_KEY"

[[models]]
name = "careful"
model = "large"
price_in = 2.5
price_out = 10
requests_a_minute = 500
tokens_a_minute = 200000
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
def test_without_a_model_there_is_none():
    assert models_of(settings_of()) == ()


@pytest.mark.usefixtures("elsewhere")
def test_one_model_by_its_variables(monkeypatch: pytest.MonkeyPatch):
    given = {
        "MODEL": "small",
        "MODEL_BASE_URL": "http://[::1]:9/v1",
        "MODEL_PRICE_IN": "2",
        "MODEL_API_KEY": " secret ",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"PAPERLANE_{name}", value)
    settings = settings_of()
    (terms,) = models_of(settings)
    assert (terms.called, terms.base_url, terms.key()) == ("small", "http://[::1]:9/v1", "secret")
    assert terms.cost(1_000_000, 5) == 2.0
    assert "secret" not in repr(settings) + repr(terms) + settings.model_dump_json() + terms.model_dump_json()


def test_several_in_the_file_the_usual_one_first(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    (elsewhere / "paperlane.toml").write_text(TWO)
    monkeypatch.setenv("QUICK_KEY", "k")
    careful, quick = models_of(settings_of())
    assert (careful.called, careful.model, careful.requests_a_minute) == ("careful", "large", 500)
    assert (quick.base_url, quick.key(), careful.key()) == ("http://127.0.0.1:8000/v1", "k", "")


@pytest.mark.usefixtures("elsewhere")
def test_several_as_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAPERLANE_MODELS", json.dumps([{"model": "small"}, {"model": "large"}]))
    assert [terms.called for terms in models_of(settings_of())] == ["small", "large"]
    assert [terms.called for terms in models_of(settings_of(model="tiny"))] == ["tiny", "small", "large"]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([{"model": "a"}, {"model": "a"}], "Two models are called a"),
        ([{"model": "a"}, {"model": "b", "currency": "EUR"}], "the same currency"),
        ([{"name": "a"}], "Field required"),
        ([{"model": ""}], "a name of at most 200 characters"),
        ([{"model": "a\nb"}], "a name of at most 200 characters"),
        ([{"model": "a,b"}], "Give it a name without commas"),
        ([{"model": "a", "name": " b"}], "not in spaces"),
        ([{"model": "none"}], "neither none nor rules"),
        ([{"model": "a", "name": "rules"}], "neither none nor rules"),
        ([{"model": "a", "base_url": "here"}], "Input should be http://HOST/PATH"),
        ([{"model": "a", "base_url": "http://user:secret@host/v1"}], "Input should be http://HOST/PATH"),
        ([{"model": "a", "base_url": "http://host:port/v1"}], "Input should be http://HOST/PATH"),
        ([{"model": "a", "base_url": "http://host/v1?key=secret"}], "ends with its path"),
        ([{"model": "a", "key_env": "sk-secret"}], "not hold a key"),
        ([{"model": "a", "api_key": "sk-secret"}], "Extra inputs are not permitted"),
        ([{"model": "a", "price_in": -1}], "greater than or equal to 0"),
        ([{"model": "a", "in_flight": 0}], "greater than or equal to 1"),
        ([{"model": "a", "context": 100}], "greater than or equal to 4000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_refused_and_shows_no_secret(
    models: list[dict[str, Any]], said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PAPERLANE_MODELS", json.dumps(models))
    with pytest.raises(Misconfigured) as wrong:
        settings_of()
    assert said in wrong.value.message
    assert wrong.value.hint == "See PAPERLANE_MODELS or paperlane.toml."
    assert "secret" not in wrong.value.message


@pytest.mark.usefixtures("elsewhere")
def test_an_address_that_is_none_is_told_by_its_own_setting():
    with pytest.raises(Misconfigured, match="The setting model_base_url makes no sense: Input should be http"):
        assert models_of(settings_of(model="a", model_base_url="ftp://x"))


def test_a_key_in_the_file_is_refused(elsewhere: Path):
    (elsewhere / "paperlane.toml").write_text('model = "a"\nmodel_api_key = "sk-secret"\n')
    with pytest.raises(Misconfigured) as wrong:
        settings_of()
    assert "model_api_key" in wrong.value.message
    assert "secret" not in wrong.value.message


def test_the_usual_model_of_openai_is_where_openai_is():
    assert ModelTerms(model="a").base_url == "https://api.openai.com/v1"


CHOICES = {
    (): ("usual",),
    ("none",): (),
    ("other",): ("other",),
    ("other", "usual"): ("other", "usual"),
}


@pytest.mark.parametrize(("names", "chosen"), CHOICES.items(), ids=[",".join(names) or "nobody" for names in CHOICES])
def test_models_are_chosen_by_name(names: tuple[str, ...], chosen: tuple[str, ...]):
    settings = Settings(models=(ModelTerms(model="usual"), ModelTerms(model="x,y", name="other")))
    assert settings.chosen_models(names) == chosen


@pytest.mark.parametrize("names", [("none", "usual"), ("usual", "none"), ("unheard-of",), ("usual", "x,y")], ids=str)
def test_a_choice_of_models_that_makes_no_sense_is_refused_with_a_hint(names: tuple[str, ...]):
    with pytest.raises(BadRequest) as refused:
        Settings(models=(ModelTerms(model="usual"),)).chosen_models(names)
    assert (refused.value.code, "none" in refused.value.hint) == ("unknown_model", True)
    assert ("cannot be chosen together" in refused.value.message) == ("none" in names)
