from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.buckets import Buckets

from paperlane.blobs import Store, s3
from paperlane.blobs.folder import Folder
from paperlane.blobs.s3 import Bucket, open_bucket


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "blobs")


@pytest.fixture
def open_it(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bucket]:
    """Opens a bucket, a new one where none is given, by a port that leads to it; who tries again does so at once."""
    for wait in ("_FIRST_WAIT", "_LONGEST_WAIT"):
        monkeypatch.setattr(s3, wait, timedelta(milliseconds=1))

    def opened(address: str = "", port: int = 0, room: str = "blobs", **more: Any) -> Bucket:
        for name, value in {**buckets.environment(port), **more}.items():
            monkeypatch.setenv(name, value)
        return open_bucket(address or buckets.new(), room)

    return opened


@pytest.fixture(params=["folder", "bucket", "bucket with a prefix"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each place where files may lie, new and empty."""
    if request.param == "folder":
        return request.getfixturevalue("folder")
    address = request.getfixturevalue("buckets").new() + "/some/where" * ("prefix" in request.param)
    return request.getfixturevalue("open_it")(address)
