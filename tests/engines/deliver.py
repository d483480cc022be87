"""Hands leases over as a dispatcher does, so many times: `python -m tests.engines.deliver ENGINE --times 10`."""

import asyncio
import json
import sys

from tests.engines.counting_host import options, settings_of

from paperlane.carriers import carrier_of
from paperlane.engines.door import lease_of


async def main() -> None:
    """Deliver what comes on standard input, a JSON list."""
    asked = options()
    asked.add_argument("--times", type=int, default=1)
    given = asked.parse_args()
    leases = [lease_of(words) for words in json.load(sys.stdin)]
    async with carrier_of(settings_of(given), given.engine) as carrier:
        for _ in range(given.times):
            await carrier.deliver(leases)


if __name__ == "__main__":
    asyncio.run(main())
