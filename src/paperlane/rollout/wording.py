"""What a guard says, in sentences."""

from math import isfinite

from paperlane.rollout.guarded import Guard
from paperlane.rollout.guards import LEAST_TASKS, LEAST_USERS, Finding, Judgement, State
from paperlane.rollout.sentences import Tongue


def because(engine: str, of: Judgement | None, language: str = "en") -> str:
    """Why an engine is worse; "" where it is not."""
    tongue = Tongue(language)
    if of is None or (worst := of.worst) is None:
        return ""
    return _worse(engine, of.control, worst, tongue) + tongue.say(".")


def _worse(engine: str, control: str, of: Finding, tongue: Tongue) -> str:
    alone = tongue.say("guard hour" if of.hour else "guard day", day=of.day, hour=of.hour) if of.day else ""
    surely = tongue.say(f"guard surely {of.measure}", low=_least(of)) if isfinite(of.low) else ""
    users, tasks = of.users, of.tasks
    had = tongue.say("guard had", b_users=users[1], b_tasks=tasks[1], a_users=users[0], a_tasks=tasks[0])
    return f"{_figures(engine, control, of, tongue)}{alone}{surely}{tongue.say('(x)', x=had)}"


def _figures(engine: str, control: str, of: Finding, tongue: Tongue) -> str:
    shown = ".1%" if of.measure == "failures" else ".1f"
    of_both = {"a": format(of.a, shown), "b": format(of.b, shown), "apart": f"{of.apart:.2f}"}
    return tongue.say(f"guard {of.measure}", engine=engine, control=control, **of_both)


def _least(of: Finding) -> str:
    """By how much it is surely worse."""
    return f"{of.low * 100:.1f}" if of.measure == "failures" else f"{of.low:.2f}"


def said(engine: str, guard: Guard, language: str = "en") -> str:
    """What a guard has found by now, and what follows from it."""
    tongue, of, key = Tongue(language), guard.judgement, f"guard {guard.state.value}"
    match guard.state:
        case State.TOO_LITTLE:
            return tongue.say(key, little=_little(engine, of, tongue))
        case State.WATCHES:
            does = tongue.say(f"guard does {guard.mode.value}")
            return tongue.say(key, watched=_watched(engine, of, tongue), does=does)
        case State.ACKNOWLEDGED | State.WORSE | State.HELD | State.TAKEN_BACK:
            return tongue.say(key, because=tongue.capital(because(engine, of, language))).strip()
        case _:
            return tongue.say(key, engine=engine)


def _little(engine: str, of: Judgement | None, tongue: Tongue) -> str:
    if of is None:
        return tongue.say("guard nothing")
    sides = zip((engine, of.control), reversed(of.users), reversed(of.tasks), strict=True)
    needed = {"least_users": LEAST_USERS, "least_tasks": LEAST_TASKS}
    told = [tongue.say("guard little", users=users, tasks=tasks, engine=name, **needed) for name, users, tasks in sides]
    enough = all(had >= LEAST_USERS for had in of.users) and all(had >= LEAST_TASKS for had in of.tasks)
    return tongue.say("guard between").join(told) + (tongue.say("guard few") if enough else "")


def _watched(engine: str, of: Judgement | None, tongue: Tongue) -> str:
    if of is None:
        return tongue.say("guard unseen")
    return tongue.say("; ").join(_figures(engine, of.control, one, tongue) for one in of.findings if not one.day)
