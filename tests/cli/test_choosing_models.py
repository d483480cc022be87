"""Which models `paperlane check` asks."""

import json
from pathlib import Path

import pytest

from paperlane.cli.check import _models
from paperlane.errors import BadRequest
from paperlane.settings import models_of

MODELS = json.dumps([{"model": "gpt", "name": "careful"}, {"model": "qwen", "name": "inhouse"}])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a file of settings, and two models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAPERLANE_MODELS", MODELS)


@pytest.mark.parametrize(
    ("named", "chosen"),
    [
        ([], ("careful",)),
        ([""], ("careful",)),
        (["none"], ()),
        (["inhouse"], ("inhouse",)),
        (["inhouse,careful"], ("inhouse", "careful")),
        (["inhouse", "careful", "inhouse"], ("inhouse", "careful")),
        (["o9", "careful"], ("o9", "careful")),
    ],
    ids=str,
)
def test_names_and_lists_of_names_choose_and_another_name_is_a_providers(named: list[str], chosen: tuple[str, ...]):
    settings, models = _models(named, no_model=False)
    assert models == chosen
    assert {*chosen} <= {terms.called for terms in models_of(settings)}


def test_a_providers_name_stands_beside_the_usual_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAPERLANE_MODEL", "usual")
    monkeypatch.setenv("PAPERLANE_MODEL_PRICE_IN", "3")
    settings, models = _models(["usual,o9", "inhouse"], no_model=False)
    assert models == ("usual", "o9", "inhouse")
    assert {terms.called: terms.price_in for terms in models_of(settings)}["usual"] == 3


def test_no_model_is_rules_only():
    assert _models([], no_model=True)[1] == ()


@pytest.mark.parametrize(
    ("named", "no_model"),
    [(["careful"], True), (["none,careful"], False), (["o9", "none"], False), (["o9,o10"], False)],
    ids=str,
)
def test_what_contradicts_itself_is_refused_with_a_hint(named: list[str], *, no_model: bool):
    with pytest.raises(BadRequest) as refused:
        _models(named, no_model=no_model)
    assert refused.value.hint
