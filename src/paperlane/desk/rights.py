"""Who may do what."""

from paperlane.errors import NotAllowed
from paperlane.model.tasks import UserId
from paperlane.records.accounts import Account, Role


def runs(by: Account | None, owner: UserId) -> bool:
    """Are the owner's tasks theirs to run? One's own are, and everybody's for admins and at the machine itself."""
    return by is None or by.operates or by.id == owner


def only_own(by: Account | None) -> UserId | None:
    """Whose figures alone they see; None for who sees everybody's: viewers look at all that admins look at."""
    return None if by is None or by.looks else by.id


def check_may_see_use(by: Account | None, user: UserId) -> None:
    """NotAllowed for who asks what somebody else uses, and sees only their own."""
    if only_own(by) != user:
        check_looks(by)


def check_looks(by: Account | None) -> None:
    """NotAllowed for who sees nobody's figures but their own."""
    if only_own(by) is not None:
        raise NotAllowed("Only admins and viewers look at this.", hint="Ask an admin for the role viewer.")


def check_may_change(account: Account) -> None:
    """NotAllowed for who only looks."""
    if account.role is Role.VIEWER:
        raise NotAllowed("A viewer changes nothing.", hint="Ask an admin for the role user.")
