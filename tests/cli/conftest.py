from contextlib import closing
from pathlib import Path

import pytest
from tests.databases import new_file

from paperlane import assembly
from paperlane.records.accounts import Role
from paperlane.settings import Settings


@pytest.fixture
def anns(tmp_path: Path) -> Path:
    """A data folder whose ledger has the account `ann`."""
    new_file(tmp_path / "paperlane.db")
    settings = Settings(data=tmp_path)
    with closing(assembly.open_ledger(settings)) as ledger:
        assembly.open_desk(settings, ledger).accounts.add_user(None, "ann", Role.USER, "", None, None)
    return tmp_path
