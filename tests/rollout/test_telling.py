"""What comparisons and guards say: the same in both languages, and nothing of one in the other."""

import re
from dataclasses import replace
from html import unescape
from math import inf
from string import Formatter

import pytest
from tests.rollout.speaking import FINDINGS, english_in, guard
from tests.rollout.worlds import World, beside

from paperlane.desk.comparing import Comparing
from paperlane.ledger import Kept
from paperlane.rollout import comparison, telling
from paperlane.rollout.comparison import Caution, Figure, Measure, Sampled, Side, Verdict
from paperlane.rollout.guarded import Guard, Mode
from paperlane.rollout.guards import MEASURES, Judgement, State
from paperlane.rollout.resampling import Interval
from paperlane.rollout.sentences import CAUTIONS, SENTENCES, Tongue
from paperlane.rollout.telling import sentence
from paperlane.rollout.wording import because, said

HAN = re.compile(r"[\u3400-\u9fff]")
FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
ALIKE = {"figure p95", "p", "holm", "delta", "guard worse"}  # what is no word of a language, or a name


def fields(sentence: str) -> set[str]:
    return {f"{name}:{form}" for _, name, form, _ in Formatter().parse(sentence) if name}


def cautions() -> list[Caution]:
    """One of each that there is, where there are two forms of it both."""
    few = Side("arq", tasks=60, compared=10, compared_users=3, left_out=5, queued=2, oldest=99.0)
    uneven = Side("arq", tasks=1_000, compared=900, compared_users=20, effective=2.5, completed=9)
    halves = Side("database", tasks=10, cancelled=5), Side("arq", tasks=10)
    kept = Comparing(None, None, None, Kept(finished=7 * 86_400.0, failed=0.0))  # type: ignore[arg-type]
    return [
        *comparison._of_one(Side("arq"), None),
        *comparison._of_one(few, None),
        *comparison._of_one(uneven, 1.0),
        *comparison._of_both(*halves, 0.5, 1, 1),
        *comparison._of_both(*halves, 0.5, 3, 1_200),
        *comparison._of_sample(Sampled(3_000, 200, 1, whole=False)),
        *comparison._of_sample(Sampled(3_000, 200, 4, whole=False)),
        *kept._forgotten(0.0, 30 * 86_400.0),
    ]


class TestBothLanguages:
    def test_each_sentence_is_said_in_chinese_with_all_that_it_is_filled_with(self):
        for key, (english, chinese) in {**SENTENCES, **{f"caution {k}": v for k, v in CAUTIONS.items()}}.items():
            assert not HAN.search(english), key
            said_in_words = re.search(r"[a-zA-Z]{2}", re.sub(r"{\w+}", "", english))
            assert key in ALIKE or HAN.search(chinese) or not said_in_words, key
            assert fields(chinese) == fields(english), key

    def test_there_are_words_for_all_that_can_be_found(self):
        for verdict in Verdict:
            assert {f"verdict {verdict.value}", telling.OVER_ALL[verdict]} <= SENTENCES.keys()
        for state in State:
            assert f"guard {state.value}" in SENTENCES
        for mode in Mode:
            assert f"guard does {mode.value}" in SENTENCES
        for measure in MEASURES:
            assert {f"guard {measure}", f"guard surely {measure}"} <= SENTENCES.keys()

    def test_each_caution_is_told_in_chinese_with_its_figures(self):
        found = cautions()
        assert {one.code for one in found} == CAUTIONS.keys()
        for one in found:
            english, chinese = (Tongue(language).caution(one.code, one.given) for language in ("en", "zh"))
            assert HAN.search(chinese), one
            assert not english_in(chinese), chinese
            figures = [re.findall(FIGURE, words) for words in (english, chinese)]
            assert sorted(figures[0]) == sorted(figures[1]), one
            assert "1 users" not in english

    def test_one_is_said_of_one_and_of_no_other_number(self):
        few = Judgement(State.TOO_LITTLE, "database", (21, 1), (1, 11), [])
        assert said("arq", Guard(1, Mode.ACT, State.TOO_LITTLE, few)) == (
            "Too little yet: 1 user (10 are needed) and 11 tasks (50) on arq, 21 users (10 are needed) and 1 task (50)"
            " on database."
        )
        given = {"engine": "arq", "users": 1, "tasks": 1_001, "least_users": 10, "least_tasks": 50}
        assert Tongue().caution("too_few", given) == (
            "arq has 1 user with 1001 tasks to compare; at least 10 and 50 are needed."
        )


class TestComparisons:
    @pytest.mark.parametrize("verdict", ["worse", "better", "alike", "unclear", "too_small", "no_data"])
    def test_a_comparison_is_told_in_chinese_without_a_word_of_english(self, verdict: str):
        tasks = {
            "worse": World(users=60, slower=4.0, unlike=0.3).made(1),
            "better": World(users=60, slower=0.25, unlike=0.3).made(1),
            "alike": World(users=200, tasks=60, unlike=0.01).made(1),
            "unclear": World(users=24).made(1),
            "too_small": World(users=6).made(1),
            "no_data": [],
        }[verdict]
        found = beside(tasks, 60, group="团队")
        assert found.verdict.value == verdict
        for form in telling.FORMS.values():
            told = re.sub(r"<style>.*?</style>|</?[a-z!][^>]*>", " ", form(found, "zh"), flags=re.DOTALL)
            assert not english_in(unescape(told)), verdict
        assert 'lang="zh-CN"' in telling.html(found, "zh")
        assert 'lang="en"' in telling.html(found)
        for words in telling.said(found):
            assert not HAN.search(words)

    def test_what_is_worse_and_by_how_much_is_the_same_in_both(self):
        found = beside(World(users=60, slower=4.0, unlike=0.3).made(1))
        assert telling.headline(found) == "b does worse than a: worse in completion, wait, cost."
        assert telling.headline(found, "zh") == "b 的表现不如 a：完成时间、等待时间、成本更差。"
        for english, chinese in zip(telling.measured(found), telling.measured(found, "zh"), strict=True):
            assert re.findall(FIGURE, english) == re.findall(FIGURE, chinese), english

    @pytest.mark.parametrize(("chance", "told"), [(0.02, "not sure"), (0.06, "no difference was found")])
    def test_what_only_one_of_several_measures_shows_is_not_called_no_difference(self, chance: float, told: str):
        figure = Figure(ratio=1.7, ratio_interval=Interval(1.06, 2.9), difference=3.0)
        measure = Measure("completion", "s", "median", Verdict.UNCLEAR, {"median": figure}, chance=chance, holm=0.1)
        assert sentence(measure, "database", "arq").startswith(f"Completion: {told}")

    def test_what_is_alike_as_it_is_too_short_to_notice_is_told_in_seconds(self):
        figure = Figure(0.03, 0.07, ratio=2.4, ratio_interval=Interval(2.2, 2.7), difference=0.04,
                        difference_interval=Interval(0.03, 0.05))  # fmt: skip
        measure = Measure("completion", "s", "median", Verdict.ALIKE, {"median": figure})
        assert sentence(measure, "a", "b") == (
            "Completion: a and b are alike (B-A 0.04 s, 95 % interval 0.03 s to 0.05 s)."
        )
        longer = replace(figure, ratio=1.0, ratio_interval=Interval(0.98, 1.02))
        assert "(B/A 1.00" in sentence(replace(measure, figures={"median": longer}), "a", "b")

    def test_times_are_said_in_their_units(self):
        zh, en = Tongue("zh"), Tongue()
        for value, told in (
            (0.5, ("0.50 s", "0.50 秒")),
            (90.0, ("90.0 s", "90.0 秒")),
            (600.0, ("10.0 min", "10.0 分钟")),
            (9_000.0, ("2.5 h", "2.5 小时")),
            (None, ("not known", "未知")),
            (inf, ("not reached", "未达到")),
        ):
            assert (en.seconds(value), zh.seconds(value)) == told
        assert [zh.points(0.012), zh.share(0.5), zh.factor(None), zh.percent(inf), zh.percent(None)] == [
            "1.2 个百分点",
            "50.0%",
            "超出范围",
            "难以估量",
            "",
        ]


class TestGuards:
    @pytest.mark.parametrize("state", list(State))
    def test_each_state_is_told_in_chinese_without_a_word_of_english(self, state: State):
        for measure in FINDINGS:
            for mode in Mode:
                told = said("arq", guard(state, measure, mode=mode), "zh")
                assert HAN.search(told)
                assert not english_in(told), told
        assert because("arq", guard(state, "failures").judgement, "zh").startswith("arq 的任务失败率为 20.0%")

    def test_in_english_a_guard_says_what_it_said_before(self):
        assert said("arq", guard(State.HELD, "failures")) == (
            "Of arq's tasks 20.0% failed, of database's 1.0%, surely 5.0 points more (20 users with 210 tasks against"
            " 21 with 200). It grows no more until somebody acknowledges that."
        )
        assert said("arq", guard(State.WORSE, "wait")) == (
            "Tasks wait 30.0 s on arq and 2.0 s on database on day 3, surely 1.50 times with 10 s added to each (20"
            " users with 210 tasks against 21 with 200)."
        )
        assert said("arq", guard(State.TAKEN_BACK, "completion")) == (
            "Tasks take 2.00 times as long on arq (8.0 s, on database 4.0 s), surely 1.20 times (20 users with 210"
            " tasks against 21 with 200). It was taken back for that."
        )
        assert said("arq", guard(State.TOO_LITTLE, "wait")) == (
            "Too little yet: 20 users (10 are needed) and 210 tasks (50) on arq, 21 users (10 are needed) and 200 tasks"
            " (50) on database, and few users have most of them."
        )
