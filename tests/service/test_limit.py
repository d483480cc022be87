"""How `serve` divides the system's limit between the engines `inline` and `pool` and its workers."""

import pytest

from paperlane.assembly import span_of
from paperlane.model.tasks import Span
from paperlane.serving import divide_limit
from paperlane.settings import Settings


@pytest.mark.parametrize(
    ("given", "inline", "pool", "of_each_worker"),
    [
        ({}, 4, 0, 10),
        ({"system_limit": 24}, 4, 0, 10),
        ({"system_limit": 12}, 2, 0, 5),
        ({"system_limit": 4}, 1, 0, 2),
        ({"system_limit": 2}, 1, 0, 1),
        ({"system_limit": 1}, 0, 0, 1),
        ({"system_limit": 1, "engine": "inline"}, 1, 0, 1),
        ({"system_limit": 100, "workers": 20}, 1, 0, 5),
        ({"system_limit": 4, "workers": 0}, 1, 0, 3),
        ({"system_limit": 4, "workers": 0, "engine": "inline"}, 4, 0, 10),
        ({"engine": "arq"}, 4, 0, 10),
        ({"engine": "arq", "system_limit": 20}, 1, 0, 3),
        ({"engine": "rq", "system_limit": 24, "workers": 0}, 4, 0, 10),
        ({"engine": "rq", "system_limit": 10, "workers": 0}, 2, 0, 1),
        ({"engine": "pool"}, 4, 10, 10),
        ({"engine": "pool", "workers": 0, "pool_slots": 6}, 4, 6, 10),
        ({"engine": "pool", "system_limit": 17}, 2, 5, 5),
        ({"engine": "pool", "system_limit": 1}, 0, 1, 1),
        ({"pool_slots": 5, "system_limit": 29}, 4, 5, 10),
    ],
)
def test_nobody_takes_what_the_others_need(given: dict[str, object], inline: int, pool: int, of_each_worker: int):
    assert divide_limit(Settings(**given)) == (inline, pool, of_each_worker)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "slots", "most", "span"),
    [
        ({}, 10, 0, Span(10, 2, 10)),
        ({}, 1, 0, Span.fixed(1)),
        ({"slots_min": 10}, 10, 0, Span.fixed(10)),
        ({"slots_min": 1_000}, 3, 0, Span.fixed(3)),
        ({"slots_min": 4}, 10, 50, Span(10, 4, 50)),
    ],
)
def test_a_worker_chooses_between_the_least_and_the_slots_that_it_was_given(
    given: dict[str, int], slots: int, most: int, span: Span
):
    assert span_of(Settings(**given), slots, most) == span  # type: ignore[arg-type]


def test_no_more_slots_at_most_than_it_begins_with_make_no_sense():
    with pytest.raises(ValueError, match="at least 10, the number that PAPERLANE_SLOTS says"):
        Settings(slots_max=9)
