"""What these tests share: a desk over an empty database of each kind."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from paperlane import assembly
from paperlane.desk import Desk
from paperlane.settings import Settings


@pytest.fixture
def desk(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Desk]:
    settings = Settings(data=tmp_path, database_url=new_database())
    with closing(assembly.open_ledger(settings)) as ledger:
        yield assembly.open_desk(settings, ledger)
