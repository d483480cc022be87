"""The engine `pool`: the web process takes turns itself, for a service without worker processes."""

from paperlane.engines import Traits
from paperlane.engines.database import Database


class Pool(Database):
    """Pulls as worker processes do; so much may wait for it only, for nobody else helps."""

    traits = Traits("pool", pulled=True)
