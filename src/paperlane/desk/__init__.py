"""The desk: whatever a person can ask for, and the one place that decides whether they may.

Something that belongs to somebody else is answered exactly as something that does not exist. Admins run everybody's
tasks; documents, issues and reports are their owner's alone.
"""

from dataclasses import dataclass

from paperlane.blobs import Blobs
from paperlane.clock import Clock
from paperlane.desk.accounts import Accounts
from paperlane.desk.advising import Advising
from paperlane.desk.alerts import Alerts
from paperlane.desk.choices import ENGINES
from paperlane.desk.comparing import Comparing
from paperlane.desk.dead import DeadLetters, Tally, together
from paperlane.desk.documents import Documents
from paperlane.desk.moments import moment_of
from paperlane.desk.operating import Operating, RolledOut
from paperlane.desk.quotas import Quotas
from paperlane.desk.schedules import Plan, Schedules
from paperlane.desk.tasks import STATES, Order, Submitted, Tasks
from paperlane.desk.uploads import estimated_cost, name_of
from paperlane.desk.watching import Watching
from paperlane.desk.words import GroupWords
from paperlane.ledger import Ledger
from paperlane.rollout import RollOut

__all__ = [
    "ENGINES",
    "STATES",
    "Accounts",
    "Advising",
    "Alerts",
    "Comparing",
    "DeadLetters",
    "Desk",
    "Documents",
    "GroupWords",
    "Operating",
    "Order",
    "Plan",
    "Quotas",
    "RolledOut",
    "Schedules",
    "Submitted",
    "Tally",
    "Tasks",
    "Watching",
    "estimated_cost",
    "moment_of",
    "name_of",
    "together",
]


@dataclass(frozen=True, slots=True)
class Desk:
    """One part for each subject. All their methods are synchronous, and take the account that asks.

    Where None may stand in its place, that is somebody at the machine itself, who may do anything. What the subjects
    share, which comes first, is for what no rights decide.
    """

    ledger: Ledger
    blobs: Blobs
    clock: Clock
    rollout: RollOut
    tasks: Tasks
    documents: Documents
    dead: DeadLetters
    schedules: Schedules
    accounts: Accounts
    operating: Operating
    quotas: Quotas
    watching: Watching
    words: GroupWords
    alerts: Alerts
    comparing: Comparing
    advising: Advising
