"""Addresses of brokers: what is none, or could be used by anybody on the network, is refused with a sentence."""

import pytest

from paperlane.engines.brokers import checked, unusable, without_password
from paperlane.errors import Misconfigured

SCHEMES = ("redis", "rediss", "unix")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://127.0.0.1:6379/0",
        "redis://[::1]:6379/3",
        "redis://localhost/",
        "redis://:word@broker.example:6379/0",
        "rediss://user:word@broker.example",
        "unix:///run/redis.sock",
    ],
)
def test_a_good_one_is_taken(url: str):
    assert checked(url, SCHEMES, "PAPERLANE_REDIS_URL").scheme == url.partition(":")[0]


@pytest.mark.parametrize(
    "url", ["", "redis", "redis:", "redis://", "http://127.0.0.1:6379", "redis://127.0.0.1:port/0", "redis://[::1/0"]
)
def test_what_is_none_is_refused(url: str):
    with pytest.raises(Misconfigured, match="PAPERLANE_REDIS_URL is no address of a broker") as refused:
        checked(url, SCHEMES, "PAPERLANE_REDIS_URL")
    assert "redis://HOST" in refused.value.hint


@pytest.mark.parametrize("url", ["redis://localhost/papers", "redis://localhost/-1", "rediss://localhost:6379/0/1"])
def test_a_database_of_redis_is_a_number(url: str):
    """RQ's client would take 0 instead, which may be another installation's."""
    with pytest.raises(Misconfigured, match="The Redis database in PAPERLANE_REDIS_URL is no number") as refused:
        checked(url, SCHEMES, "PAPERLANE_REDIS_URL")
    assert refused.value.hint == f"Write {url.partition(':')[0]}://HOST:6379/0."


@pytest.mark.parametrize("why", ["Connection refused", "Connection refused.", "Connection refused?\nAnd more."])
def test_why_it_cannot_be_used_is_one_sentence(why: str):
    told = unusable("redis://:word@127.0.0.1:1/0", why, "PAPERLANE_REDIS_URL")
    assert told.message == "The broker at redis://127.0.0.1:1/0 cannot be used: Connection refused."
    assert told.hint == "Start it, or correct its address in PAPERLANE_REDIS_URL."


@pytest.mark.parametrize("url", ["redis://broker.example:6379/0", "redis://user@10.0.0.7", "redis://user:@10.0.0.7"])
def test_one_elsewhere_needs_a_password(url: str):
    with pytest.raises(Misconfigured, match="would be used without a password") as refused:
        checked(url, SCHEMES, "PAPERLANE_REDIS_URL")
    assert "PAPERLANE_REDIS_URL" in refused.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:word@broker.example:6379/0?password=word", "redis://broker.example:6379/0"),
        ("amqp://guest:word@127.0.0.1//#word", "amqp://127.0.0.1//"),
        ("unix://:word@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str):
    assert without_password(url) == shown


def test_who_does_not_answer_is_told_so_and_what_it_must_speak():
    told = unusable("rediss://:word@127.0.0.1:1/0", "", "PAPERLANE_REDIS_URL")
    assert told.message == "The broker at rediss://127.0.0.1:1/0 cannot be used: it does not answer."
    assert told.hint.endswith("in PAPERLANE_REDIS_URL. It must speak TLS, as the address begins with rediss.")
