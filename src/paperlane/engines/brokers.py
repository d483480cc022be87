"""What every address of a broker must be."""

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from paperlane.errors import Misconfigured

SCHEMES: Mapping[str, Collection[str]] = {
    "arq": ("redis", "rediss"),
    "celery": ("redis", "rediss", "amqp", "amqps"),
    "rq": ("redis", "rediss", "unix"),
}
"""Of the brokers that each engine goes through."""

_OVER_TLS = ("rediss", "amqps")
_NUMBERED, _NUMBER = ("redis", "rediss"), re.compile("[0-9]*")


def checked(url: str, schemes: Collection[str], setting: str) -> SplitResult:
    """The parts of a broker's address. Misconfigured for one that is none, or that anybody on the network could use."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  whether it is a number is looked at only here
    except ValueError as error:
        raise _no_address(setting, schemes) from error
    if parts.scheme not in schemes or not (parts.hostname or parts.scheme == "unix"):
        raise _no_address(setting, schemes)
    if parts.scheme in _NUMBERED and not _NUMBER.fullmatch(parts.path.strip("/")):  # one client would take it for 0
        raise Misconfigured(
            f"The Redis database in {setting} is no number.", hint=f"Write {parts.scheme}://HOST:6379/0."
        )
    if not parts.password and parts.hostname and not _is_here(parts.hostname):
        raise Misconfigured(
            f"The broker on {parts.hostname} would be used without a password.",
            hint=f"Set one there, and name it in {setting}: {parts.scheme}://:PASSWORD@{parts.hostname}/...",
        )
    return parts


def unusable(url: str, why: str, setting: str) -> Misconfigured:
    """What is told of a broker that does not let us in: `why`, in whoever's words, within a sentence of ours."""
    said = why.partition("\n")[0].rstrip(".?! ") or "it does not answer"
    scheme = urlsplit(url).scheme
    speaks = f" It must speak TLS, as the address begins with {scheme}." if scheme in _OVER_TLS else ""
    return Misconfigured(
        f"The broker at {without_password(url)} cannot be used: {said}.",
        hint=f"Start it, or correct its address in {setting}.{speaks}",
    )


def without_password(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{where}{parts.path}"


def _no_address(setting: str, schemes: Collection[str]) -> Misconfigured:
    return Misconfigured(f"{setting} is no address of a broker.", hint=f"Write {' or '.join(map(_form, schemes))}.")


def _form(scheme: str) -> str:
    return f"{scheme}://{'/PATH' if scheme == 'unix' else 'HOST'}"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
