from collections.abc import Iterator

import pytest
from tests.databases import opened
from tests.monitor.receiver import Receiver, receiving

from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def ledger() -> Iterator[SqlLedger]:
    made = SqlLedger(opened("sqlite://"), Rules())
    yield made
    made.close()
