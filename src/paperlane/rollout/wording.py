"""What a guard says, in sentences."""

from math import isfinite

from paperlane.rollout.guarded import Guard, Mode
from paperlane.rollout.guards import LEAST_TASKS, LEAST_USERS, Finding, Judgement, State

_DOES = {
    Mode.ACT: "takes the roll-out back",
    Mode.STOP: "lets the roll-out grow no more",
    Mode.TELL: "tells of it",
    Mode.OFF: "does nothing",
}


def because(engine: str, of: Judgement | None) -> str:
    """Why an engine is worse; "" where it is not."""
    return "" if of is None or (worst := of.worst) is None else f"{_worse(engine, of.control, worst)}."


def _worse(engine: str, control: str, of: Finding) -> str:
    surely = f", surely {_more(of)}" if isfinite(of.low) else ""
    alone = f" on day {of.day}" if of.day else ""
    had = f"{of.users[1]} users with {of.tasks[1]} tasks against {of.users[0]} with {of.tasks[0]}"
    return f"{_figures(engine, control, of)}{alone}{surely} ({had})"


def _figures(engine: str, control: str, of: Finding) -> str:
    match of.measure:
        case "failures":
            return f"of {engine}'s tasks {of.b:.1%} failed, of {control}'s {of.a:.1%}"
        case "wait":
            return f"tasks wait {of.b:.1f} s on {engine} and {of.a:.1f} s on {control}"
        case _:
            return f"tasks take {of.apart:.2f} times as long on {engine} ({of.b:.1f} s, on {control} {of.a:.1f} s)"


def _more(of: Finding) -> str:
    if of.measure == "failures":
        return f"{of.low * 100:.1f} points more"
    return f"{of.low:.2f} times" + (" with 10 s added to each" if of.measure == "wait" else "")


def said(engine: str, guard: Guard) -> str:
    """What a guard has found by now, and what follows from it."""
    of = guard.judgement
    match guard.state:
        case State.OFF:
            return "Nobody guards it."
        case State.WAITS:
            return "It will be looked at within a minute, where `paperlane serve` runs."
        case State.NO_CONTROL:
            return f"Nothing to compare with: everybody whom it is about is on {engine}."
        case State.NOBODY:
            return "It moves nobody, so there is nothing to compare."
        case State.TOO_LITTLE:
            return f"Too little yet: {_little(engine, of)}."
        case State.WATCHES:
            return f"Not found worse: {_watched(engine, of)}. Where it is, the guard {_DOES[guard.mode]}."
        case State.ACKNOWLEDGED:
            return f"Somebody knows, and nobody guards it any more. {_capital(because(engine, of))}".rstrip()
        case State.WORSE:
            return _capital(because(engine, of))
        case State.HELD:
            return f"{_capital(because(engine, of))} It grows no more until somebody acknowledges that."
        case State.TAKEN_BACK:
            return f"{_capital(because(engine, of))} It was taken back for that."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _little(engine: str, of: Judgement | None) -> str:
    if of is None:
        return "nothing"
    sides = zip((engine, of.control), reversed(of.users), reversed(of.tasks), strict=True)
    told = [
        f"{users} users ({LEAST_USERS} are needed) and {tasks} tasks ({LEAST_TASKS}) on {name}"
        for name, users, tasks in sides
    ]
    enough = all(had >= LEAST_USERS for had in of.users) and all(had >= LEAST_TASKS for had in of.tasks)
    return ", ".join(told) + (", and few users have most of them" if enough else "")


def _watched(engine: str, of: Judgement | None) -> str:
    if of is None:
        return "nothing yet"
    return "; ".join(_figures(engine, of.control, one) for one in of.findings if not one.day)
