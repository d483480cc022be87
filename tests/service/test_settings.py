"""Settings that would harm are refused before anything starts."""

import pytest

from paperlane.cli.installation import settings_of
from paperlane.errors import Misconfigured


@pytest.mark.parametrize("given", [{"heartbeat_seconds": 10.1}, {"lease_seconds": 29.0}, {"lease_seconds": 0.1}])
def test_heartbeats_too_slow_for_the_lease_are_refused(given: dict[str, float]):
    with pytest.raises(Misconfigured, match=r"heartbeat_seconds makes no sense: .* a third of lease_seconds\.$"):
        settings_of(**given)


def test_a_third_of_the_lease_is_fast_enough():
    assert settings_of(lease_seconds=3, heartbeat_seconds=1).heartbeat_seconds == 1
