"""What is said of comparisons and of guards, in English and in Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

from paperlane.catalog import LANGUAGES, of_one

SENTENCES: Mapping[str, tuple[str, str]] = {
    # what joins others
    ".": (".", "。"),
    ", ": (", ", "，"),
    "list": (", ", "、"),
    "; ": ("; ", "；"),
    ": ": (": ", "："),
    "(x)": (" ({x})", "（{x}）"),
    "to": ("{low} to {high}", "{low} 至 {high}"),
    # measures and their figures
    "completion": ("Completion", "完成时间"),
    "wait": ("Wait", "等待时间"),
    "failures": ("Failures", "失败率"),
    "cost": ("Cost", "成本"),
    "fairness": ("Fairness", "公平性"),
    "what completion": ("from when a task could start to its completion", "从任务可以开始到完成"),
    "what wait": ("from when a task could start to its first begin", "从任务可以开始到首次开始"),
    "what failures": ("tasks that failed, of those that completed or failed", "失败任务占完成与失败任务的比例"),
    "what cost": ("seconds for which the attempts of a task held a slot", "任务各次尝试占用槽位的秒数"),
    "what fairness": (
        "Jain's index of the users' slowdowns: 1 where all fare alike",
        "用户减速比的 Jain 指数：1 表示人人相同",
    ),
    "figure median": ("median", "中位数"),
    "figure p95": ("P95", "P95"),
    "figure mean": ("mean", "平均值"),
    "figure share": ("share", "占比"),
    "figure index": ("index", "指数"),
    "seconds": ("{n} s", "{n} 秒"),
    "minutes": ("{n} min", "{n} 分钟"),
    "hours": ("{n} h", "{n} 小时"),
    "percent": ("{n} %", "{n}%"),
    "points": ("{n} pp", "{n} 个百分点"),
    "not known": ("not known", "未知"),
    "not reached": ("not reached", "未达到"),
    "beyond": ("beyond", "超出范围"),
    "beyond measure": ("beyond measure", "难以估量"),
    # verdicts: of a measure, and over all
    "verdict better": ("better", "更好"),
    "verdict worse": ("worse", "更差"),
    "verdict mixed": ("mixed", "有好有坏"),
    "verdict alike": ("alike", "相当"),
    "verdict unclear": ("unclear", "不明确"),
    "verdict too_small": ("too small", "样本太小"),
    "verdict no_data": ("no data", "无数据"),
    "over all better": ("{b} does better than {a}", "{b} 的表现优于 {a}"),
    "over all worse": ("{b} does worse than {a}", "{b} 的表现不如 {a}"),
    "over all mixed": (
        "{b} does better than {a} in some things and worse in others",
        "{b} 与 {a} 相比有好有坏",
    ),
    "over all alike": ("{a} and {b} do alike", "{a} 与 {b} 表现相当"),
    "over all unclear": (
        "No difference between {a} and {b} was found, nor that there is none",
        "未发现 {a} 与 {b} 之间有差异，也不能断定没有差异",
    ),
    "over all too_small": (
        "The sample is too small to say how {b} does beside {a}",
        "样本太小，无法判断 {b} 与 {a} 相比如何",
    ),
    "over all no_data": ("There is nothing to compare {a} and {b} by", "没有可用来比较 {a} 与 {b} 的数据"),
    "better in": ("better in {names}", "{names}更好"),
    "worse in": ("worse in {names}", "{names}更差"),
    "completion worse": ("{b} takes {by} longer than {a}", "{b} 的用时比 {a} 长 {by}"),
    "completion better": ("{b} takes {by} less time than {a}", "{b} 的用时比 {a} 短 {by}"),
    "wait worse": ("tasks of {b} wait {by} longer than those of {a}", "{b} 的任务等待时间比 {a} 长 {by}"),
    "wait better": ("tasks of {b} wait {by} less than those of {a}", "{b} 的任务等待时间比 {a} 短 {by}"),
    "failures worse": ("tasks of {b} fail more often than those of {a}", "{b} 的任务比 {a} 更常失败"),
    "failures better": ("tasks of {b} fail less often than those of {a}", "{b} 的任务比 {a} 更少失败"),
    "cost worse": ("a task costs {by} more on {b} than on {a}", "任务在 {b} 上的成本比 {a} 高 {by}"),
    "cost better": ("a task costs {by} less on {b} than on {a}", "任务在 {b} 上的成本比 {a} 低 {by}"),
    "fairness worse": ("users of {b} fare less alike than those of {a}", "{b} 的用户之间差别比 {a} 更大"),
    "fairness better": ("users of {b} fare more alike than those of {a}", "{b} 的用户之间差别比 {a} 更小"),
    "says no_data": ("{name}: nothing to compare.", "{name}：没有可比较的数据。"),
    "says too_small": ("{name}: the sample is too small to say.", "{name}：样本太小，无法判断。"),
    "says differs": ("{name}: {differs}{between}.", "{name}：{differs}{between}。"),
    "says alike": ("{name}: {a} and {b} are alike{between}.", "{name}：{a} 与 {b} 相当{between}。"),
    "says unclear": ("{name}: no difference was found{between}{unseen}.", "{name}：未发现差异{between}{unseen}。"),
    "says unsure": (
        "{name}: not sure, for one of several measures may look so by chance{between}{unseen}.",
        "{name}：尚不能确定，多个指标中可能有一个只是偶然如此{between}{unseen}。",
    ),
    "between ratio": (" (B/A {ratio}, 95 % interval {interval})", "（B/A {ratio}，95% 区间 {interval}）"),
    "between difference": (
        " (B-A {difference}, 95 % interval {interval})",
        "（B-A {difference}，95% 区间 {interval}）",
    ),
    "unseen factor": (
        "; a factor of {smallest} would have been found four times in five, less is left open",
        "；若相差 {smallest} 倍，五次中有四次能发现，更小的差异无法排除",
    ),
    "unseen difference": (
        "; a difference of {smallest} would have been found four times in five, less is left open",
        "；若相差 {smallest}，五次中有四次能发现，更小的差异无法排除",
    ),
    # a comparison's title, tables and plot
    "title": ("{b} beside {a}, {since} to {until}{whose}", "{b} 与 {a} 的比较：{since} 至 {until}{whose}"),
    "of group": (", group {group}", "，用户组“{group}”"),
    "figures": ("Figures, in brackets their 95 % intervals", "数值（括号内为 95% 区间）"),
    "measure": ("measure", "指标"),
    "figure": ("figure", "数值"),
    "verdict": ("verdict", "结论"),
    "tests": ("How sure that is", "可信程度"),
    "decides": ("decides", "判定依据"),
    "superiority": ("B better than A", "B 优于 A"),
    "delta": ("Cliff's delta", "Cliff δ"),
    "p": ("p", "p"),
    "holm": ("p (Holm)", "p（Holm）"),
    "smallest": ("smallest to be found", "可发现的最小差异"),
    "a factor of": ("a factor of {n}", "{n} 倍"),
    "given": ("What each engine was given", "各引擎的任务"),
    "given users": ("users", "用户"),
    "given tasks": ("tasks submitted", "提交的任务"),
    "given completed": ("completed", "已完成"),
    "given failed": ("failed", "失败"),
    "given cancelled": ("cancelled", "已取消"),
    "given queued": ("not begun at the end", "期末尚未开始"),
    "given running": ("begun, not ended at the end", "期末已开始但未结束"),
    "given retried": ("tried more than once", "尝试多次"),
    "given compared_users": ("users compared", "参与比较的用户"),
    "given compared": ("tasks compared", "参与比较的任务"),
    "given left_out": ("tasks left out", "未纳入的任务"),
    "given effective": ("users of equal size that these are worth", "折合任务量相等的用户数"),
    "strata": ("Tasks that are compared", "参与比较的任务"),
    "strata left_out": ("Tasks that only one had", "只有一方有的任务"),
    "kind": ("kind", "类型"),
    "any kind": ("any", "不限"),
    "size": ("estimated slot-seconds", "预估槽位秒"),
    "weight": ("weight", "权重"),
    "median a": ("median of A", "A 的中位数"),
    "median b": ("median of B", "B 的中位数"),
    "plot": (
        "B/A: left of the line less on {b}, right of it more",
        "B/A：在虚线左侧表示 {b} 更少，右侧表示更多",
    ),
    "how": (
        (
            "Intervals of {resamples} draws of users, each with all their tasks (seed {seed}); p (Holm) is p"
            " corrected for all measures at once. The method: docs/explanation/comparison.md."
        ),
        (
            "区间由 {resamples} 次重抽用户得出，每个用户带其全部任务（种子 {seed}）；"
            "p（Holm）为针对全部指标校正后的 p 值。"
            "方法见 docs/explanation/comparison.md。"
        ),
    ),
    # why an engine is worse
    "guard failures": (
        "of {engine}'s tasks {b} failed, of {control}'s {a}",
        "{engine} 的任务失败率为 {b}，{control} 为 {a}",
    ),
    "guard wait": (
        "tasks wait {b} s on {engine} and {a} s on {control}",
        "任务在 {engine} 上等待 {b} 秒，在 {control} 上等待 {a} 秒",
    ),
    "guard completion": (
        "tasks take {apart} times as long on {engine} ({b} s, on {control} {a} s)",
        "任务在 {engine} 上的用时是 {control} 的 {apart} 倍（{b} 秒，{control} 为 {a} 秒）",
    ),
    "guard day": (" on day {day}", "（仅第 {day} 天）"),
    "guard hour": (" in hour {hour}, on day {day}", "（仅第 {day} 天，即第 {hour} 小时）"),
    "guard surely failures": (", surely {low} points more", "，可确定至少多 {low} 个百分点"),
    "guard surely wait": (", surely {low} times with 10 s added to each", "，各加 10 秒后可确定至少为 {low} 倍"),
    "guard surely completion": (", surely {low} times", "，可确定至少为 {low} 倍"),
    "guard had": (
        "{b_users} users with {b_tasks} tasks against {a_users} with {a_tasks}",
        "{b_users} 个用户的 {b_tasks} 个任务，对照为 {a_users} 个用户的 {a_tasks} 个任务",
    ),
    # what a guard has found, and what follows
    "guard off": ("Nobody guards it.", "未启用护栏。"),
    "guard waits": (
        "It will be looked at within a minute, where `paperlane serve` runs.",
        "只要 `paperlane serve` 在运行，一分钟内就会检查。",
    ),
    "guard no_control": (
        "Nothing to compare with: everybody whom it is about is on {engine}.",
        "没有对照：所涉及的用户都在 {engine} 上。",
    ),
    "guard nobody": ("It moves nobody, so there is nothing to compare.", "没有迁移任何用户，无从比较。"),
    "guard too_little": ("Too little yet: {little}.", "数据不足：{little}。"),
    "guard nothing": ("nothing", "还没有任务"),
    "guard little": (
        "{users} users ({least_users} are needed) and {tasks} tasks ({least_tasks}) on {engine}",
        "{engine} 上有 {users} 个用户（需要 {least_users} 个）、{tasks} 个任务（需要 {least_tasks} 个）",
    ),
    "guard between": (", ", "；"),
    "guard few": (", and few users have most of them", "，且大部分任务属于少数用户"),
    "guard watches": (
        "Not found worse: {watched}. Where it is, the guard {does}.",
        "未发现变差：{watched}。若变差，护栏{does}。",
    ),
    "guard unseen": ("nothing yet", "还没有数据"),
    "guard does act": ("takes the roll-out back", "会撤回该发布规则"),
    "guard does stop": ("lets the roll-out grow no more", "会禁止其继续扩大"),
    "guard does tell": ("tells of it", "会发出告警"),
    "guard does off": ("does nothing", "不采取行动"),
    "guard acknowledged": (
        "Somebody knows, and nobody guards it any more. {because}",
        "已有人确认，护栏不再检查。{because}",
    ),
    "guard worse": ("{because}", "{because}"),
    "guard held": (
        "{because} It grows no more until somebody acknowledges that.",
        "{because}在有人确认之前不能继续扩大。",
    ),
    "guard taken_back": ("{because} It was taken back for that.", "{because}因此已被撤回。"),
}
"""By a name of our own."""

CAUTIONS: Mapping[str, tuple[str, str]] = {
    "no_tasks": ("{engine} was given no task in this time.", "这段时间内 {engine} 没有任务。"),
    "too_few": (
        (
            "{engine} has {users} users with {tasks} tasks to compare; at least {least_users} and {least_tasks} are"
            " needed."
        ),
        "{engine} 只有 {users} 个用户的 {tasks} 个任务可比较，至少需要 {least_users} 个用户和 {least_tasks} 个任务。",
    ),
    "few_have_most": (
        (
            "Few users have most tasks on {engine}: as many of equal size would be {worth:.1f}, and"
            " at least {least:g} are needed."
        ),
        "{engine} 上的大部分任务属于少数用户：折合任务量相等的用户只有 {worth:.1f} 个，至少需要 {least:g} 个。",
    ),
    "none_completed": ("No task completed on {engine}.", "{engine} 上没有完成的任务。"),
    "left_out": (
        "{tasks:,} of {all:,} tasks of {engine} are left out: of their kind and size the other engine had none.",
        "{engine} 的 {all:,} 个任务中有 {tasks:,} 个未纳入：另一引擎没有同类型、同大小的任务。",
    ),
    "open": (
        (
            "{tasks:,} tasks of {engine} had not ended, the oldest after {seconds:,.0f} s: they count"
            " as longer than what they took by then."
        ),
        "{engine} 有 {tasks:,} 个任务尚未结束，最久的已有 {seconds:,.0f} 秒：按用时更长计算。",
    ),
    "cancelled": (
        (
            "{a_share:.0%} of {a}'s and {b_share:.0%} of {b}'s tasks were cancelled, and are left"
            " out: perhaps those that took long."
        ),
        "{a} 有 {a_share:.0%}、{b} 有 {b_share:.0%} 的任务被取消，未纳入比较：可能正是耗时较长的任务。",
    ),
    "other_times": (
        (
            "{share:.0%} of an engine's tasks came when the other was given none: the time may be what differs, and"
            " not the engine."
        ),
        "某一引擎有 {share:.0%} 的任务是在另一引擎没有任务时提交的：差异可能来自时段，而非引擎。",
    ),
    "moved": (
        "{n:,} users had tasks on both engines; each of them is drawn with the tasks of both.",
        "有 {n:,} 个用户在两个引擎上都有任务；每次抽取时带其在两边的任务。",
    ),
    "not_by_chance": (
        "{n:,} users were given their engine by choice and not by chance: they may differ by more than their engine.",
        "有 {n:,} 个用户的引擎是人为指定而非随机分配的：其差异可能不只来自引擎。",
    ),
    "sampled": (
        (
            "There is more than is compared at once: these are the tasks of {asked:,} of {users:,} users, chosen by"
            " chance."
        ),
        "数据量超过一次比较的上限：此处为 {users:,} 个用户中随机选出的 {asked:,} 个用户的任务。",
    ),
    "cut": (
        "Of {n:,} users with very many tasks only the latest are compared.",
        "有 {n:,} 个用户的任务过多，只比较其最近的任务。",
    ),
    "forgotten": (
        (
            "Tasks that ended are kept for {days:g} days: before that some are missing, and of an outcome that is kept"
            " longer too many are left."
        ),
        "已结束的任务只保留 {days:g} 天：更早的任务已有缺失，而保留更久的那种结果则偏多。",
    ),
}
"""By the code of a caution."""

_OF_ONE: Mapping[str, str] = {
    "moved": "1 user had tasks on both engines, and is drawn with the tasks of both.",
    "not_by_chance": "1 user was given their engine by choice and not by chance, and may differ by more than that.",
    "cut": "Of 1 user with very many tasks only the latest are compared.",
}
"""How English says it of one; in Chinese it is the same."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """How words and figures are said in a language, "en" or "zh"."""

    language: str = "en"

    def say(self, key: str, **given: object) -> str:
        """One of `SENTENCES`, with what it is filled with."""
        return self._told(SENTENCES[key][LANGUAGES.index(self.language)].format(**given))

    def _told(self, words: str) -> str:
        return of_one(words) if self.language == "en" else words

    def capital(self, words: str) -> str:
        """As a sentence begins; a Chinese one begins as it is, maybe with an engine's name."""
        return words[:1].upper() + words[1:] if self.language == "en" else words

    def caution(self, code: str, given: Mapping[str, str | float]) -> str:
        """What a caution says."""
        if self.language == "en" and given.get("n") == 1:
            return _OF_ONE[code]
        return self._told(CAUTIONS[code][LANGUAGES.index(self.language)].format(**given))

    def percent(self, ratio: float | None) -> str:
        """How far a factor is from 1."""
        if ratio is None:
            return ""
        return self.say("percent", n=f"{abs(ratio - 1) * 100:,.0f}") if isfinite(ratio) else self.say("beyond measure")

    def factor(self, value: float | None) -> str:
        """B/A."""
        return self.say("beyond") if value is None or value == inf else f"{value:.2f}"

    def points(self, value: float | None) -> str:
        """A difference of shares."""
        return self.say("not known") if value is None else self.say("points", n=f"{value * 100:.1f}")

    def seconds(self, value: float | None) -> str:
        """A time; inf: so many had not come so far that it is beyond all that was seen."""
        if value is None:
            return self.say("not known")
        if not isfinite(value):
            return self.say("not reached")
        size = abs(value)
        for unit, one in (("hours", 3_600.0), ("minutes", 60.0)):
            if size >= 2 * one:
                return self.say(unit, n=f"{value / one:.1f}")
        return self.say("seconds", n=f"{value:.1f}" if size >= 10 else f"{value:.2f}")  # noqa: PLR2004  digits

    def share(self, value: float | None) -> str:
        """A share of 1."""
        return self.say("not known") if value is None else self.say("percent", n=f"{value * 100:.1f}")

    def index(self, value: float | None) -> str:
        """An index from 0 to 1."""
        return self.say("not known") if value is None else f"{value:.3f}"
