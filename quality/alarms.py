"""How many alarms well-edited documents raise with the default profile, and how many of a sample are false."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import Figure

from paperlane.model.documents import Issue
from quality.documents import all_tested

JUDGED = Path(__file__).parent / "judged.jsonl"
_SEED = "2026-11-29"
_SAMPLE = 100
_QUOTED = 40  # characters of a document that a verdict may quote


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person made of an alarm: is it `true`, something that its author would want to know of, and why."""

    document: str
    check: str
    fingerprint: str
    quote: str
    true: bool | None = None
    why: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the alarm."""
        return self.document, self.check, self.fingerprint


@dataclass(frozen=True, slots=True)
class Alarm:
    """An issue of a document of the corpus."""

    document: str
    issue: Issue

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it."""
        return self.document, self.issue.rule, self.issue.fingerprint

    @property
    def rank(self) -> bytes:
        """Its place in the sample's order, which other alarms that come or go do not move."""
        return hashlib.sha256("/".join([_SEED, *self.key]).encode()).digest()


def measured(corpus: Path, *, quick: bool = False) -> list[Figure]:
    """Alarms per 1,000 words, of all documents, by document and by check; and the false ones, by the judged sample."""
    alarms, words = _alarms(corpus, quick=quick)
    total = sum(words.values())
    if not total:
        return [Figure("alarms.all", None, "per 1,000 words", note="no corpus")]
    by_document, by_check = Counter(one.document for one in alarms), Counter(one.issue.rule for one in alarms)
    figures = [_rate("alarms.all", len(alarms), total), *_false(alarms, total)]
    figures += [_rate(f"alarms.by document.{name}", by_document[name], count) for name, count in words.items() if count]
    figures += [_rate(f"alarms.by check.{name}", count, total) for name, count in by_check.most_common()]
    return figures


def judge(corpus: Path) -> Iterator[str]:
    """Put the alarms of the sample that nobody judged into the file, and show each with what stands around it."""
    known = {verdict.key: verdict for verdict in verdicts()}
    alarms, _ = _alarms(corpus, quick=False)
    for alarm in _sample(alarms):
        if alarm.key not in known:
            quote = " ".join(alarm.issue.quote.split())[:_QUOTED]
            known[alarm.key] = Verdict(*alarm.key, quote)
            around = f"{alarm.issue.before}⟦{alarm.issue.quote}⟧{alarm.issue.after}"
            yield f"{'/'.join(alarm.key)}\n    {alarm.issue.message}\n    {' '.join(around.split())}"
    lines = [json.dumps(asdict(verdict), ensure_ascii=False) for verdict in known.values()]
    JUDGED.write_text("\n".join(lines) + "\n", encoding="utf-8")


def verdicts() -> list[Verdict]:
    """What was judged, and what waits for it."""
    lines = JUDGED.read_text(encoding="utf-8").splitlines() if JUDGED.exists() else []
    return [Verdict(**json.loads(line)) for line in lines]


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson's score interval, 1927)."""
    z = 1.96
    share, square = part / whole, z * z / whole
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / whole + square / whole / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _alarms(corpus: Path, *, quick: bool) -> tuple[list[Alarm], Mapping[str, int]]:
    alarms: list[Alarm] = []
    words: dict[str, int] = {}
    for name, found in all_tested(corpus, quick=quick):
        words[name] = found.report.words
        alarms += [Alarm(name, issue) for issue in found.report.issues]
    return alarms, words


def _sample(alarms: Sequence[Alarm]) -> list[Alarm]:
    return sorted(alarms, key=lambda alarm: alarm.rank)[:_SAMPLE]


def _false(alarms: Sequence[Alarm], words: int) -> Iterator[Figure]:
    """The share of false ones in the sample, and the rate that it stands for."""
    known = {verdict.key: verdict.true for verdict in verdicts()}
    sample = _sample(alarms)
    judged = [known[alarm.key] for alarm in sample if known.get(alarm.key) is not None]
    if not judged:
        yield Figure("alarms.false", None, "per 1,000 words", note="nobody judged the sample")
        return
    false = judged.count(False)
    low, high = wilson(false, len(judged))
    rate = 1000 * len(alarms) / words
    said = f"{false} of {len(judged)} judged are false; {len(sample) - len(judged)} of the sample wait"
    yield Figure("alarms.false share", false / len(judged), "", settings=f"{said}; 95 %: {low:.2f} to {high:.2f}")
    between = f"95 %: {rate * low:.2f} to {rate * high:.2f}"
    yield Figure("alarms.false", rate * false / len(judged), "per 1,000 words", settings=f"{said}; {between}")


def _rate(name: str, count: int, words: int) -> Figure:
    return Figure(name, 1000 * count / words, "per 1,000 words", settings=f"{count:,} in {words:,} words")
