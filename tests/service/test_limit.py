"""How `serve` divides the system's limit between the engine `inline` and its workers."""

import pytest

from paperlane.serving import divide_limit
from paperlane.settings import Settings


@pytest.mark.parametrize(
    ("given", "inline", "of_each_worker"),
    [
        ({}, 4, 10),
        ({"system_limit": 24}, 4, 10),
        ({"system_limit": 12}, 2, 5),
        ({"system_limit": 4}, 1, 2),
        ({"system_limit": 2}, 1, 1),
        ({"system_limit": 1}, 0, 1),
        ({"system_limit": 1, "engine": "inline"}, 1, 1),
        ({"system_limit": 100, "workers": 20}, 1, 5),
        ({"system_limit": 4, "workers": 0}, 1, 3),
        ({"system_limit": 4, "workers": 0, "engine": "inline"}, 4, 10),
    ],
)
def test_nobody_takes_what_the_others_need(given: dict[str, object], inline: int, of_each_worker: int):
    assert divide_limit(Settings(**given)) == (inline, of_each_worker)  # type: ignore[arg-type]
