"""The form of references: 32 hex digits, so that none leads out of the place where files lie."""

import re
import secrets

_FORM = re.compile(r"[0-9a-f]{32}")


def new_reference(beside: str = "") -> str:
    """A reference that nobody has; it begins like the one that it is to lie beside."""
    return (beside[:2] or secrets.token_hex(1)) + secrets.token_hex(15)


def is_reference(name: str) -> bool:
    """May a file of ours be called so?"""
    return _FORM.fullmatch(name) is not None


def checked(reference: str) -> str:
    """The same; FileNotFoundError for what no file of ours is called."""
    if not is_reference(reference):
        raise FileNotFoundError(reference)
    return reference
