"""All words of the page, and what each code says, in English and Chinese."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter

LANGUAGES = ("en", "zh")
_ONE = re.compile(r"(?<![\d.,])(1 (?:user|task))s\b")

WORDS: Mapping[str, tuple[str, str]] = {
    # the frame
    "documents": ("Documents", "文档"),
    "queue": ("Queue", "队列"),
    "sign in": ("Sign in", "登录"),
    "sign out": ("Sign out", "退出"),
    "token": ("Token", "令牌"),
    "token hint": (
        "Ask an admin for a token, or make one: paperlane user token NAME. The first admin is named admin.",
        "请向管理员索取令牌，或运行：paperlane user token 用户名。首位管理员名为 admin。",
    ),
    "link spent": (
        "This link was used before or is too old. Sign in with a token.",
        "此链接已使用或已过期，请使用令牌登录。",
    ),
    "other language": ("中文", "English"),
    "connection lost": ("The connection is lost; the page tries again.", "连接已断开，正在重试。"),
    "slow down": (
        "Too many requests; the page goes on in {seconds} s.",
        "请求过于频繁，页面将在 {seconds} 秒后继续。",
    ),
    "back": ("All documents", "全部文档"),
    # uploading
    "again": ("Try again", "重试"),
    "drop": ("Drop documents here", "将文档拖到此处"),
    "choose": ("or choose files", "或选择文件"),
    "formats": (
        "Markdown, reStructuredText, HTML, text, PDF, DOCX, ODT, PPTX, XLSX",
        "支持 Markdown、reStructuredText、HTML、纯文本、PDF、DOCX、ODT、PPTX、XLSX",
    ),
    "profiles": ("What is looked for", "检测方案"),
    "model": ("Reviewed by", "审阅模型"),
    "rules only": ("rules only", "仅按规则检测"),
    "rules": ("rules", "规则"),
    "uploading": ("Uploading…", "正在上传…"),
    "rejected": ("Not accepted", "未接受"),
    "try again in": ("Try again in {seconds} s.", "请在 {seconds} 秒后重试。"),
    "try again at": ("It may work again from {time} on.", "{time} 之后可能可以重试。"),
    "upload failed": ("The upload did not arrive. Try again.", "上传未成功，请重试。"),
    # tasks
    "nothing yet": ("Nothing was uploaded yet.", "还没有上传任何文档。"),
    "nothing such": ("No document here has this status.", "此处没有这种状态的文档。"),
    "uploaded": ("Uploaded", "上传时间"),
    "uploaded together": ("Show what was uploaded together", "显示同一批上传的文档"),
    "more": ("Show more", "显示更多"),
    "cancel": ("Cancel", "取消"),
    "retry": ("Start again", "重新开始"),
    "queued": ("waiting", "排队中"),
    "running": ("testing", "检测中"),
    "completed": ("done", "已完成"),
    "failed": ("failed", "失败"),
    "cancelled": ("cancelled", "已取消"),
    "tried once": ("tried once", "已尝试 1 次"),
    "tried": ("tried {attempt} times", "已尝试 {attempt} 次"),
    "tries again at": ("tries again at {time}", "将于 {time} 重试"),
    "tries again soon": ("tries again soon", "即将重试"),
    "starts at": ("starts at {time}", "将于 {time} 开始"),
    "several ended": ("{count} documents have ended.", "{count} 个文档已结束。"),
    "file_parsing": ("reading the file", "读取文件"),
    "document_processing": ("finding its structure", "分析结构"),
    "section_merge": ("joining sections", "合并章节"),
    "issue_detection": ("looking for issues", "检测问题"),
    "questions": ("preparing questions", "准备提问"),
    "model_review": ("asking the model", "模型审阅"),
    "anchoring": ("finding what the model quotes", "定位模型引文"),
    "report": ("writing the report", "生成报告"),
    "progress page": ("page {at} of {all}", "第 {at}/{all} 页"),
    "progress passage": ("passage {at} of {all}", "第 {at}/{all} 个片段"),
    "cancelling": ("cancelling", "正在取消"),
    "tested": ("{tested} of {all} passages tested", "已检测 {tested}/{all} 个片段"),
    "whole": ("all {all} passages tested", "全部 {all} 个片段均已检测"),
    "whole one": ("the one passage tested", "全文已检测"),
    "nothing tested": ("nothing could be tested", "没有可检测的内容"),
    "error": ("error", "错误"),
    "warning": ("warning", "警告"),
    "info": ("info", "提示"),
    "errors": ("errors", "个错误"),
    "warnings": ("warnings", "个警告"),
    "infos": ("infos", "个提示"),
    "one error": ("error", "个错误"),
    "one warning": ("warning", "个警告"),
    "one info": ("info", "个提示"),
    ", ": (", ", "，"),
    ": ": (": ", "："),
    "and dismissed": ("{n} dismissed", "另有 {n} 个已忽略"),
    "no issues": ("no issues", "未发现问题"),
    "no issues in part": ("no issues in what was tested", "已检测的部分未发现问题"),
    # one document
    "issues": ("Issues", "问题"),
    "download": ("Report", "报告"),
    "severity": ("Severity", "级别"),
    "change": ("Change", "变化"),
    "status": ("Status", "状态"),
    "all": ("All", "全部"),
    "open": ("open", "未处理"),
    "accepted": ("accepted", "已采纳"),
    "dismissed": ("dismissed", "已忽略"),
    "accept": ("Accept", "采纳"),
    "dismiss": ("Dismiss", "忽略"),
    "new": ("new", "新增"),
    "changes": ("{new} new, {solved} since the version before", "与上一版本相比：新增 {new} 个，{solved}"),
    "fixed": ("fixed", "已解决"),
    "fixed ones": ("{fixed} fixed", "解决 {fixed} 个"),
    "reopen": ("Reopen", "重新打开"),
    "reason": ("Why? (optional)", "原因（可选）"),
    "at page": ("page {page}", "第 {page} 页"),
    "at slide": ("slide {page}", "第 {page} 张幻灯片"),
    "at line": ("line {line}", "第 {line} 行"),
    "no such": ("There is no such document.", "没有此文档。"),
    "not ready": ("The document is still being read.", "文档正在读取。"),
    # the queue
    "depth": ("waiting", "等待"),
    "now running": ("running", "运行"),
    "oldest": ("oldest wait", "最长等待"),
    "user": ("User", "用户"),
    "engine": ("Engine", "引擎"),
    "limit": ("Limit", "上限"),
    "weight": ("Share", "权重"),
    "workers": ("Workers", "工作进程"),
    "slots": ("Slots", "槽位"),
    "paused": ("paused", "已暂停"),
    "empty queue": ("Nobody waits.", "没有等待的任务。"),
    "more users": ("Users with less waiting: {count}", "等待较少的其他用户：{count}"),
    # the words of a group
    "words": ("Words", "词表"),
    "groups": ("Groups", "用户组"),
    "words of": ("Words of {group}", "“{group}”的词表"),
    "words are for": (
        "What members of a group upload is tested with its words: a glossary, and what no check shall complain of.",
        "用户组成员上传的文档会按该组的词表检测：术语表，以及不需要报告的词语。",
    ),
    "glossary": ("Glossary", "术语表"),
    "glossary hint": (
        "One a line, as in a file: term: meaning. Acronyms that stand here count as spelled out.",
        "每行一条，可直接粘贴：术语：含义。列在这里的缩写视为已有说明。",
    ),
    "glossary example": ("SLO: service level objective\nPGW: payment gateway", "SLO：服务等级目标\nPGW：支付网关"),
    "ignored": ("Ignored words and phrases", "忽略的词语"),
    "ignored hint": (
        "One a line. In lower case it stands for itself in any case; with a capital it is meant as it is written.",
        "每行一条。全小写的词不区分大小写；含大写字母的词按原样匹配。",
    ),
    "ignored example": ("robust\nFast Track", "尽快\nFast Track"),
    "save": ("Save", "保存"),
    "words saved": (
        "Saved. What is uploaded from now on is tested with these words.",
        "已保存。此后上传的文档将按新词表检测。",
    ),
    "words not saved": ("Nothing is saved yet: look at the lines below.", "尚未保存，请修改下面指出的各行。"),
    "words too often": (
        "Too many requests came, so nothing was saved. Save again in {seconds} s.",
        "请求过于频繁，未保存。请在 {seconds} 秒后再次保存。",
    ),
    "words changed": (
        "Somebody else changed the words meanwhile. See theirs in another tab; saving again puts yours in their place.",
        "词表刚刚被他人修改。请在另一个标签页查看；再次保存将以您的内容覆盖。",
    ),
    "words signed out": (
        "Nobody is signed in any more, and nothing is saved. Sign in in another tab, then save again here.",
        "登录已失效，尚未保存。请在另一个标签页登录后，回到此页再次保存。",
    ),
    "words line": ("Line {line}: {what}", "第 {line} 行：{what}"),
    "words twice": ("“{term}” has another meaning in line {line}.", "“{term}”在第 {line} 行另有含义。"),
    "words of admins": ("Admins change them.", "由管理员修改。"),
    "no words": (
        "There are none yet. With SLO in the glossary no check asks what it means; Fast Track, ignored, may be “fast”.",
        "还没有词条。术语表中的缩写（如 SLO）不再被报告为未说明；忽略的词语（如“尽快”）不再被报告。",
    ),
    "no group": (
        "You are in no group. An admin puts you into one: paperlane user set NAME --group GROUP.",
        "您不属于任何用户组。可请管理员运行：paperlane user set 用户名 --group 组名。",
    ),
    "no groups": (
        "There is no group yet. Put somebody into one: paperlane user set NAME --group GROUP.",
        "还没有用户组。可将用户加入一个组：paperlane user set 用户名 --group 组名。",
    ),
    "no such group": ("There is no such group, or you are not in it.", "没有此用户组，或您不在其中。"),
    # the operators' pages
    "operating": ("Operating", "运维"),
    "viewers look": ("You look on as a viewer; admins change things.", "您以只读身份查看；更改由管理员进行。"),
    "operators only": (
        "Only admins and viewers see how the service does. Ask an admin for the role viewer.",
        "只有管理员和只读用户可以查看服务状况。可请管理员授予只读角色。",
    ),
    "wrong filter": ("{name}={value} in the address makes no sense.", "地址中的 {name}={value} 无效。"),
    "no such page": ("There is no such page.", "没有这样的页面。"),
    "without filters": ("Without filters", "去掉筛选条件"),
    "without it": ("Without it", "去掉它"),
    "overview": ("Overview", "总览"),
    "tasks": ("Tasks", "任务"),
    "failures": ("Errors", "错误"),
    "dead letters": ("Dead letters", "死信"),
    "users": ("Users", "用户"),
    "audit": ("Audit log", "审计日志"),
    "span s": ("{n} s", "{n} 秒"),
    "span min": ("{n} min", "{n} 分钟"),
    "span h": ("{n} h", "{n} 小时"),
    "span d": ("{n} d", "{n} 天"),
    "ago": ("{span} ago", "{span}前"),
    "time": ("Time", "时间"),
    "older": ("Older", "更早的"),
    "act": ("Act", "操作"),
    "asking": ("Asking…", "正在查询…"),
    "changed": ("Done.", "已完成。"),
    "nothing changed": ("Nothing is other than it was.", "没有改动。"),
    # the overview
    "with slots": ("{n} slots", "{n} 个槽位"),
    "busy users": ("busy users", "活跃用户"),
    "no workers": (
        "No worker lives but the service, which runs tasks of inline. Start one: paperlane worker, or serve --workers.",
        "除服务本身（只运行 inline 的任务）外没有存活的工作进程。可启动：paperlane worker，或 serve --workers。",
    ),
    "engine unserved": (
        "{tasks} tasks of {engine} wait, and no worker of it lives. Start one: paperlane worker --engine NAME.",
        "引擎 {engine} 有 {tasks} 个任务在等待，但没有存活的工作进程。可启动：paperlane worker --engine NAME。",
    ),
    "engines paused": ("Paused, so their tasks wait: {engines}.", "已暂停，其任务在等待：{engines}。"),
    "unreadable": (
        "{tasks} of the next tasks of {engine} need a newer worker.",
        "{engine} 接下来的任务中有 {tasks} 个需要更新版本的工作进程。",
    ),
    "open alerts": ("Open alerts", "未关闭的告警"),
    "no alerts": ("Nothing is wrong: no alert is open.", "一切正常，没有未关闭的告警。"),
    "no alerts found": ("There is no such alert.", "没有这样的告警。"),
    "more alerts": ("Here are the newest {n}.", "此处为最新的 {n} 条。"),
    "all alerts": ("All alerts and silences", "全部告警与静默"),
    "alerts": ("Alerts", "告警"),
    "alerts open": ("open", "未关闭"),
    "alerts closed": ("closed", "已关闭"),
    "alerts all": ("all", "全部"),
    "alert": ("Alert", "告警"),
    "subject": ("Subject", "对象"),
    "until": ("Until", "截止"),
    "silences": ("Silences", "静默"),
    "more silences": (
        "And {n} more, which end later: paperlane alerts silences.",
        "另有 {n} 条结束更晚的静默：paperlane alerts silences。",
    ),
    "silences are": (
        "The webhook is told nothing of these. What opened meanwhile and lasts is told when a silence ends.",
        "以下告警不通知 webhook。静默结束时，期间出现且仍在持续的告警会补发通知。",
    ),
    "no silences": ("Nothing is silenced.", "没有静默。"),
    "end silence": ("End", "结束"),
    "acknowledge": ("Acknowledge", "确认"),
    "silence for": ("Silence for {hours} h", "静默 {hours} 小时"),
    "alert since": ("since {time}", "始于 {time}"),
    "alert until": ("until {time}", "止于 {time}"),
    "acknowledged by": ("acknowledged by {name}", "由 {name} 确认"),
    "silenced until": ("silent until {time}", "静默至 {time}"),
    "critical": ("critical", "严重"),
    "over time": ("Over time", "变化趋势"),
    "no samples": (
        "Nothing was sampled yet in this time. The first figures come within a minute of the start.",
        "这段时间内还没有采样。启动后一分钟内会出现最初的数据。",
    ),
    "plot backlog": ("Tasks", "任务数"),
    "plot throughput": ("Ended a minute", "每分钟结束数"),
    "plot waits": ("Waits", "等待时间"),
    "plot answers": ("Answers, 95 of 100 within", "响应时间（95% 以内）"),
    "plot load": ("Load of the machine", "机器负载"),
    "plot slots": ("Slots by engine", "各引擎槽位"),
    "plot worker slots": ("Slots by worker", "各工作进程槽位"),
    "series queued": ("waiting", "等待"),
    "series running": ("running", "运行"),
    "series slots": ("slots", "槽位"),
    "series completed_per_minute": ("done", "完成"),
    "series failed_per_minute": ("failed", "失败"),
    "series oldest": ("oldest", "最长"),
    "series wait_mean": ("mean wait", "平均等待"),
    "series completion_mean": ("mean completion", "平均完成"),
    "series api_p95": ("API", "API"),
    "series page_p95": ("page", "页面"),
    "series batch_p95": ("upload", "上传"),
    "series progress_p99": ("progress (99)", "进度（99%）"),
    "series cpu": ("CPU", "CPU"),
    "series memory": ("memory", "内存"),
    # the queue as operators see it
    "fair is": (
        "By weight: what each user is due while all wait; less has who asks for less, or is at their limit.",
        "权重占比是所有用户都在等待时各自应得的份额；只有需求更少或已达上限的用户会低于它。",
    ),
    "system limit": ("All users together", "全系统上限"),
    "settings say": ("The settings say {n}.", "设置中为 {n}。"),
    "weight of": ("Weight", "权重"),
    "share by weight": ("By weight", "权重占比"),
    "share running": ("Of running", "运行占比"),
    "share served": ("Of service", "服务占比"),
    "bar is": (
        "The bar is the share of the service, its mark that by weight. Service: slot time of the last {minutes} min.",
        "条形为服务占比，竖线为权重占比；服务指最近 {minutes} 分钟的槽位时间。",
    ),
    "seen before": (
        "Many users have work: what waits and runs is as it was seen {ago}.",
        "有任务的用户很多：等待与运行的数字是{ago}看到的。",
    ),
    "users not shown": (
        "Shown are the {each} who wait longest and the {each} with most that could start now; left out: {count}.",
        "显示等待最久的 {each} 个用户和可立即运行的任务最多的 {each} 个用户；另有 {count} 个用户未显示。",
    ),
    "queue teaches": (
        "Nobody waits and nothing runs. As soon as somebody uploads, each user has a line here.",
        "没有等待或运行的任务。有人上传后，每个用户在此占一行。",
    ),
    # tasks
    "task": ("Task", "任务"),
    "step": ("Step", "步骤"),
    "attempts": ("Attempts", "尝试"),
    "error code": ("Error", "错误代码"),
    "batch": ("Batch", "批次"),
    "document": ("Document", "文档"),
    "priority": ("Priority", "优先级"),
    "waited": ("Waited", "等待时间"),
    "ended": ("Ended", "结束时间"),
    "worker": ("Worker", "工作进程"),
    "only theirs": ("Only theirs", "只看此用户"),
    "no tasks found": (
        "None of the tasks looked at is such a one. Take a filter away, or look at older ones.",
        "所查看的任务中没有符合条件的。可去掉筛选条件，或查看更早的任务。",
    ),
    "tasks teach": (
        "No task is there yet. Whatever users upload is listed here, without its name.",
        "还没有任务。用户上传的内容会列在这里（不显示名称）。",
    ),
    "tasks looked": (
        "{looked} tasks were looked at; one page looks at {most} at most, and at all of those that run.",
        "已查看 {looked} 个任务；每页最多查看 {most} 个，运行中的全部查看。",
    ),
    "attempt n": ("Attempt {n}", "第 {n} 次尝试"),
    "no attempts": (
        "It was not tried yet. Each attempt will have a line here, with its steps.",
        "尚未尝试。每次尝试及其步骤会显示在这里。",
    ),
    "after steps": ("after its last finished step", "最后一个完成的步骤之后"),
    "kept before": ("kept from an earlier attempt", "沿用之前的结果"),
    "outcome completed": ("done", "已完成"),
    "outcome failed": ("failed", "失败"),
    "outcome cancelled": ("cancelled", "已取消"),
    "outcome retry": ("failed, to be tried again", "失败，将重试"),
    "outcome crashed": ("the worker was gone", "工作进程中断"),
    "outcome poison": ("its workers crashed too often", "工作进程多次崩溃"),
    "outcome yielded": ("gave its turn back", "让出"),
    "outcome paused": ("went on elsewhere", "转到其他工作进程"),
    # errors and dead letters
    "errors are": (
        "Failures that are alike but for numbers and names: of the latest {dead} dead letters and {most} tasks.",
        "除数字和名称外相同的失败归为一类；查看最近的 {dead} 个死信和最新的 {most} 个任务。",
    ),
    "errors cut": ("There are older tasks than that.", "还有更早的任务未查看。"),
    "no errors": (
        "Nothing failed in this time. What does is grouped here by its cause.",
        "这段时间内没有失败。失败会按原因归类显示在这里。",
    ),
    "count": ("Count", "次数"),
    "message": ("Message", "消息"),
    "first": ("First", "首次"),
    "last": ("Last", "最近"),
    "dead are": (
        "Tasks that failed for good. Mend the cause first; then start them again, or discard those that nobody needs.",
        "最终失败的任务。请先排除原因，再重新开始；不需要的可以丢弃。",
    ),
    "no dead": (
        "There are no such dead letters. A task that fails for good stays here until somebody starts it again.",
        "没有这样的死信。最终失败的任务会留在这里，直到有人重新开始。",
    ),
    "replay all": ("Start all {n} again", "全部重新开始（{n}）"),
    "replay sure": ("Start {n} tasks again?", "重新开始 {n} 个任务？"),
    "discard all": ("Discard all {n}", "全部丢弃（{n}）"),
    "discard sure": (
        "Discard {n} dead letters? They stay failed tasks, and can be started again one by one.",
        "丢弃 {n} 个死信？它们仍是失败的任务，可逐个重新开始。",
    ),
    "replayed": ("{n} start again.", "{n} 个已重新开始。"),
    "discarded": ("{n} are dead letters no more.", "{n} 个不再是死信。"),
    "left over": ("{n} are left:", "剩余 {n} 个："),
    # workers and engines
    "engines": ("Engines", "引擎"),
    "takes tasks": ("starts tasks", "接受任务"),
    "nobody serves": ("no worker serves it", "没有工作进程"),
    "pause": ("Pause", "暂停"),
    "resume": ("Resume", "继续"),
    "engines unused": ("Not in use: {engines}.", "未使用：{engines}。"),
    "host": ("Host, process", "主机、进程"),
    "slots between": ("Least–asked", "最少–申请"),
    "wants n": ("wants {n}", "需要 {n}"),
    "cpu": ("CPU", "CPU"),
    "memory": ("Memory", "内存"),
    "last seen": ("Last seen", "最近心跳"),
    "gone since": ("silent for {span}", "已失联 {span}"),
    # roll-outs
    "rollout": ("Roll-outs", "发布规则"),
    "of their own": ("of their own", "其中单独指定"),
    "rollout unserved": (
        "{engine} carries users, and no worker of it lives: their tasks wait. Start one: paperlane worker.",
        "引擎 {engine} 有用户，但没有存活的工作进程，其任务在等待。可启动：paperlane worker。",
    ),
    "rollout unqueued": (
        "use_database_queue is off: all tasks run on inline, whatever rules say.",
        "use_database_queue 已关闭：无论规则如何，所有任务都在 inline 上运行。",
    ),
    "rollout unbounded": (
        "use_user_semaphore is off: users may run more than their own limit.",
        "use_user_semaphore 已关闭：用户可以超出各自的上限运行。",
    ),
    "rollout moving": (
        "Users are still being moved; that goes on by itself.",
        "仍在迁移用户，会自动继续。",
    ),
    "rules in force": ("Rules in force", "生效的规则"),
    "rules are": (
        (
            "The newest that takes a user in counts; {usual} carries whom none does. Who is moved first stays moved as"
            " the percentage grows."
        ),
        "以最新的适用规则为准；没有规则适用的用户使用 {usual}。比例增大时，先迁移的用户保持不动。",
    ),
    "no rules": (
        "Nothing was rolled out: {usual} carries all tasks but those of users with an engine of their own.",
        "没有发布规则：除单独指定引擎的用户外，所有任务使用 {usual}。",
    ),
    "rule": ("Rule", "规则"),
    "for whom": ("For whom", "对象"),
    "everybody": ("everybody", "全部用户"),
    "set at": ("Set", "设置时间"),
    "take back": ("Take back", "撤回"),
    "take back rule": ("Take back rule {rule}", "撤回规则 {rule}"),
    "retreat": ("Take all back", "全部撤回"),
    "retreat of": ("Take all of {engine} back", "全部撤回 {engine}"),
    "rule hidden": (
        "carries nobody: newer rules of {engine} take the same users",
        "未涉及任何用户：较新的 {engine} 规则已覆盖相同的用户",
    ),
    "acknowledge rule": ("Acknowledge rule {rule}", "确认规则 {rule}"),
    "set rule": ("Set a rule", "设置规则"),
    "set": ("Set", "设置"),
    "share of users": ("Share of the users", "用户比例"),
    "percent of users": ("Percent of the users", "用户百分比"),
    "guard where": ("Where it is worse, the guardrail", "若变差，护栏"),
    "flags": ("Flags", "开关"),
    "on": ("on", "已打开"),
    "off": ("off", "已关闭"),
    "flag off use_database_queue": (
        "Off: everybody's tasks run on inline, beside the web process, whatever rules say.",
        "关闭时：所有人的任务都在 Web 服务旁的 inline 上运行，不受规则影响。",
    ),
    "flag off use_worker_pool": (
        "Off: serve has no worker processes; those that run hand back what has not ended. Others stay.",
        "关闭时：serve 没有工作进程；运行中的会交还未完成的任务后退出，另行启动的不受影响。",
    ),
    "flag off use_user_semaphore": (
        "Off: only the whole system's limit bounds users; their own limits are kept for later.",
        "关闭时：用户只受全系统上限约束；各自的上限保留，打开后生效。",
    ),
    "flag on use_database_queue": (
        "On: users go to the engine that was chosen for them, or that rules say.",
        "打开时：用户使用单独指定或规则规定的引擎。",
    ),
    "flag on use_worker_pool": ("On: serve starts its worker processes.", "打开时：serve 启动其工作进程。"),
    "flag on use_user_semaphore": (
        "On: nothing of a user starts while as much runs as their limit allows.",
        "打开时：用户运行中的任务达到其上限后不再启动新任务。",
    ),
    # what is asked before a roll-out changes, and told after it
    "sure": ("Is that meant?", "确认更改？"),
    "confirm": ("Yes, do it", "确认执行"),
    "force": ("Do it all the same", "仍然执行"),
    "force hint": (
        "Start a worker of it first. Or do it all the same: their tasks wait until one lives.",
        "请先启动其工作进程；也可仍然执行，任务会等到有工作进程为止。",
    ),
    "held hint": (
        "Take all of that engine back, or do it all the same: they get an engine that does worse.",
        "请全部撤回该引擎；也可仍然执行，用户将使用表现较差的引擎。",
    ),
    "whose all": ("all users", "全部用户"),
    "whose group": ("the users in {group}", "用户组“{group}”"),
    "rule will": (
        "{engine} is to carry the tasks of {percent} % of {whose}.",
        "{whose}的 {percent}% 将使用 {engine}。",
    ),
    "rule was": ("Its rule says {percent} % until now.", "该引擎对他们的规则目前为 {percent}%。"),
    "rule was none": ("It has no rule for them until now.", "该引擎目前没有针对他们的规则。"),
    "rule guard act": (
        "Where it does worse, the guardrail takes it back by itself.",
        "若表现变差，护栏会自动撤回。",
    ),
    "rule guard stop": ("Where it does worse, the guardrail lets it grow no more.", "若表现变差，护栏禁止继续扩大。"),
    "rule guard tell": ("Where it does worse, the guardrail only tells.", "若表现变差，护栏仅告警。"),
    "rule guard off": ("No guardrail looks at it.", "不启用护栏。"),
    "rule guard acknowledged": (
        "That it does worse was acknowledged: nobody guards it, until another guard is chosen.",
        "其变差已被确认：在选择其他护栏之前不再检查。",
    ),
    "rule done": (
        "{engine} carries {percent} % of {whose} from now on. Users who were moved: {n}.",
        "自现在起，{whose}的 {percent}% 使用 {engine}；迁移了 {n} 个用户。",
    ),
    "rollback will": (
        "Rule {rule} is taken back: {engine}, {percent} % of {whose}.",
        "将撤回规则 {rule}：{engine}，{whose}的 {percent}%。",
    ),
    "rollback then": (
        "What held before it holds again, and users go where that says. What runs ends where it is; no task is lost.",
        "之前的规则重新生效，用户随之迁移；运行中的任务在原处结束，不会丢失。",
    ),
    "rollback done": (
        "Rule {rule} was taken back. Users who were moved: {n}.",
        "规则 {rule} 已撤回；迁移了 {n} 个用户。",
    ),
    "retreat will": (
        "All that was rolled out of {engine} is taken back. Rules in force that go, and what they replaced: {n}.",
        "将撤回 {engine} 的全部发布，包括 {n} 条生效的规则及其替换的规则。",
    ),
    "retreat from": ("Rule {rule}: {percent} % of {whose}.", "规则 {rule}：{whose}的 {percent}%。"),
    "retreat then": (
        "Users go where other rules say; who has it as an engine of their own stays. What runs ends where it is.",
        "用户按其余规则迁移，单独指定该引擎的用户不变；运行中的任务在原处结束。",
    ),
    "retreat done": (
        "{engine} is rolled out no more. Users who were moved: {n}.",
        "{engine} 的发布已全部撤回；迁移了 {n} 个用户。",
    ),
    "acknowledge will": (
        "You know that {engine} does worse, at {percent} % of {whose}.",
        "您已知悉 {engine}（{whose}的 {percent}%）表现变差。",
    ),
    "acknowledge then": (
        "Nobody guards this rule any more, and it may grow again.",
        "护栏不再检查此规则，并允许继续扩大。",
    ),
    "acknowledge done": ("Rule {rule} is known to be worse, and may grow.", "规则 {rule} 已确认，可以继续扩大。"),
    "flag will on": ("{flag} is switched on.", "将打开 {flag}。"),
    "flag will off": ("{flag} is switched off.", "将关闭 {flag}。"),
    "flag done on": ("{flag} is on. Users who were moved: {n}.", "{flag} 已打开；迁移了 {n} 个用户。"),
    "flag done off": ("{flag} is off. Users who were moved: {n}.", "{flag} 已关闭；迁移了 {n} 个用户。"),
    "changing": ("Users are being moved…", "正在迁移用户…"),
    # comparisons
    "comparisons": ("Comparisons", "引擎比较"),
    "comparisons are": (
        "Two engines by what became of the tasks of a while: what differs, how surely, and what cannot be said.",
        "按一段时间内任务的结果比较两个引擎：有何差异、有多可靠、哪些无法判断。",
    ),
    "engine a": ("A: to compare with", "A：作为对照"),
    "engine b": ("B: to be judged", "B：被评判"),
    "submitted since": ("Submitted since", "提交时间从"),
    "submitted until": ("and before (empty: now)", "到（留空为现在）"),
    "times are": (
        "How long ago, as 90m, 12h, 7d or 2w; or a time, as 2027-01-31T08:00Z.",
        "多久以前，如 90m、12h、7d、2w；或时刻，如 2027-01-31T08:00Z。",
    ),
    "compare": ("Compare", "比较"),
    "compare with": ("Compare with {engine}", "与 {engine} 比较"),
    "comparing": ("Comparing… it may take ten seconds.", "正在比较…可能需要十秒。"),
    "comparison busy": (
        "Other comparisons are waited for, and one is made at a time. Ask again in a minute.",
        "还有其他比较在等待，每次只进行一个。请一分钟后再试。",
    ),
    "comparison plot": ("B beside A", "B 与 A 之比"),
    "cautions": ("To be borne in mind", "注意事项"),
    "the same as": ("The same as", "其他格式："),
    # users
    "role": ("Role", "角色"),
    "role user": ("user", "用户"),
    "role viewer": ("viewer", "只读"),
    "role admin": ("admin", "管理员"),
    "group": ("Group", "用户组"),
    "since": ("Since", "创建于"),
    "pinned": ("chosen", "指定"),
    "name": ("Name", "名称"),
    "add": ("Add", "添加"),
    "add user": ("Add a user", "添加用户"),
    "all users": ("All users", "全部用户"),
    "changes by them": ("What they changed", "其更改记录"),
    "what they may": ("What they may", "权限与上限"),
    "limit is": ("Tasks at once", "同时运行上限"),
    "weight is": ("Share of the turns (1 is usual)", "轮次权重（通常为 1）"),
    "engine auto": ("as roll-outs say (now {engine})", "按发布规则（当前为 {engine}）"),
    "quotas": ("Quotas", "配额"),
    "quotas are": (
        "Empty: as the settings say. 0: no limit. Requests are those that this service counts.",
        "留空：按设置；0：不限。请求数为本服务所计。",
    ),
    "quota usual": ("as set", "按设置"),
    "quota storage_mb": ("Documents kept (MB)", "保留的文档（MB）"),
    "quota requests_a_minute": ("Requests a minute", "每分钟请求数"),
    "quota model_tokens": ("Model tokens a month", "每月模型用量（词元）"),
    "used of": ("{used} of {most} used", "已用 {used}，上限 {most}"),
    "used without limit": ("{used} used, no limit", "已用 {used}，不限"),
    "starts nothing": ("Paused: starts none of their tasks", "已暂停：不启动其任务"),
    "tokens": ("Tokens", "令牌"),
    "tokens are": (
        "A token signs its holder in. It is shown once, when made. Revoking ends all of theirs, and sessions too.",
        "令牌用于登录，仅在创建时显示一次；吊销会使其全部令牌和会话失效。",
    ),
    "new token": ("New token", "新令牌"),
    "revoke all": ("Revoke all", "全部吊销"),
    "revoke sure": ("Revoke all tokens and sessions of {name}?", "吊销 {name} 的全部令牌和会话？"),
    "revoked": ("{n} tokens are of no more use.", "{n} 个令牌已失效。"),
    "token once": ("The new token, shown this once:", "新令牌，仅显示这一次："),
    "token of": ("The token of {name}, shown this once:", "{name} 的令牌，仅显示这一次："),
    # the audit log
    "when": ("When", "时间"),
    "what": ("What", "操作"),
    "details": ("Details", "详情"),
    "command line": ("command line", "命令行"),
    "no audit": (
        "Nothing such was changed. Whatever an admin changes is written down here: who, what and when.",
        "没有这样的更改。管理员的每次更改都会记录在此：何人、何时、何事。",
    ),
    "audit user added": ("user added", "添加用户"),
    "audit user changed": ("user changed", "更改用户"),
    "audit token made": ("token made", "创建令牌"),
    "audit tokens revoked": ("tokens revoked", "吊销令牌"),
    "audit engine paused": ("engine paused", "暂停引擎"),
    "audit engine resumed": ("engine resumed", "恢复引擎"),
    "audit limit changed": ("system limit changed", "更改全系统上限"),
    "audit rollout": ("roll-out", "发布规则"),
    "audit default engine": ("default engine", "默认引擎"),
    "audit flag switched": ("flag switched", "切换开关"),
    "audit rollout taken back": ("roll-out taken back", "撤回发布规则"),
    "audit guardrail": ("guardrail", "发布护栏"),
    "audit guardrail acknowledged": ("guardrail acknowledged", "确认发布护栏"),
    "audit guard changed": ("guardrail changed", "更改发布护栏"),
    "guard": ("Guardrail", "护栏"),
    "guard act": ("takes it back by itself", "自动撤回"),
    "guard stop": ("lets it grow no more", "禁止继续扩大"),
    "guard tell": ("only tells", "仅告警"),
    "guard off": ("off", "关闭"),
    "guard state off": ("nobody guards it", "未启用护栏"),
    "guard state waits": ("not looked at yet", "尚未检查"),
    "guard state no_control": ("nothing to compare with", "没有可比较的对照组"),
    "guard state nobody": ("moves nobody", "未迁移任何用户"),
    "guard state too_little": ("too little yet", "数据不足"),
    "guard state watches": ("not found worse", "未发现变差"),
    "guard state worse": ("found worse", "已变差"),
    "guard state held": ("found worse, grows no more", "已变差，禁止扩大"),
    "guard state taken_back": ("found worse, taken back", "已变差并撤回"),
    "guard state acknowledged": ("acknowledged, not guarded", "已确认，不再检查"),
    "audit task cancelled": ("task cancelled", "取消任务"),
    "audit task replayed": ("task started again", "重新开始任务"),
    "audit dead letters replayed": ("dead letters started again", "重新开始死信"),
    "audit dead letters discarded": ("dead letters discarded", "丢弃死信"),
    "audit schedule changed": ("schedule changed", "更改计划"),
    "audit schedule removed": ("schedule removed", "删除计划"),
    "audit alert acknowledged": ("alert acknowledged", "确认告警"),
    "audit alert silenced": ("alert silenced", "静默告警"),
    "audit silence ended": ("silence ended", "结束静默"),
    "audit words changed": ("words changed", "更改词表"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a code says to people, each in the order of LANGUAGES.

    `filled` is the message with its {params}, said where each of them is known and not empty; `fuller` has one more
    param and goes before it.
    """

    message: tuple[str, str]
    hint: tuple[str, str] = ("", "")
    filled: tuple[str, str] = ("", "")
    fuller: tuple[str, str] = ("", "")


_SPLIT = ("Split the document, or leave out what is very large.", "请拆分文档，或去掉其中特别大的部分。")
_SAVE_ANEW = (
    "Open it in the program that wrote it, save it anew and test that.",
    "请用原来的软件打开，重新保存或导出后再试。",
)
_START_AGAIN = ("Start it again; tell us if it stays.", "请重新开始；若问题依旧，请告知我们。")

CODES: Mapping[str, Told] = {
    # why a file cannot be tested
    "unsupported_type": Told(
        ("Files of this type cannot be tested.", "不支持此类文件，或文件内容与扩展名不符。"),
        (
            "Check that the right file was chosen, or save it as another type.",
            "请确认文件无误，或另存为受支持的格式后再试。",
        ),
    ),
    "password_required": Told(
        ("The file asks for a password.", "文件已加密，需要密码才能打开。"),
        ("Remove the password in the program that wrote it.", "请用原来的软件取消密码保护后再试。"),
    ),
    "damaged_file": Told(("The file is damaged.", "文件已损坏，或不是其扩展名所示的类型。"), _SAVE_ANEW),
    "not_a_pdf": Told(
        ("The file is no PDF.", "该文件不是 PDF。"),
        ("Check that the right file was chosen; save it as PDF anew.", "请确认文件无误，或重新导出为 PDF。"),
    ),
    "needs_ocr": Told(
        ("The pages are pictures without text that can be read.", "页面都是图片，没有可读取的文字。"),
        ("Run text recognition (OCR) on the file first.", "请先对文件做文字识别（OCR）后再试。"),
    ),
    "too_complex": Told(
        ("The document needs too much memory or time.", "文档过于复杂，超出了内存或时间限制。"), _SPLIT
    ),
    "unknown_encoding": Told(
        ("The text is in no encoding that Paperlane knows.", "无法识别文本的编码。"),
        ("Save it as UTF-8.", "请另存为 UTF-8 编码后再试。"),
    ),
    "too_large": Told(
        ("The file or the upload is too large.", "文件或本次上传超出了大小或数量限制。"),
        ("Split the document, or upload in several parts.", "请拆分文档，或分几次上传。"),
    ),
    "cannot_open": Told(
        ("The file cannot be opened.", "无法打开文件。"), ("Check the path and its rights.", "请检查路径和访问权限。")
    ),
    "no_files": Told(
        ("The upload holds no file.", "上传内容中没有文件。"), ("Choose at least one file.", "请至少选择一个文件。")
    ),
    "unknown_field": Told(
        ("The file came in another field than `files`.", "文件不在字段 files 中。"),
        ("Send every file in the field `files`.", "请把每个文件都放在字段 files 中。"),
    ),
    "unreachable": Told(("The service cannot be reached. Try again.", "无法连接服务，请重试。")),
    # warnings beside a result
    "no_text": Told(("The file holds no text, so nothing could be tested.", "文件中没有文字，未能检测任何内容。")),
    "only_invisible": Told(
        (
            "The file holds only characters that do not show: nothing could be tested. Copy or export its text anew.",
            "文件中只有不可见字符（如零宽空格），未能检测任何内容；请重新复制或导出其中的文字。",
        )
    ),
    "low_text": Told(
        (
            "The pages hold very little text; scanned pages need text recognition (OCR) first.",
            "页面中的文字很少；扫描页需要先做文字识别（OCR）。",
        ),
        filled=(
            "The pages {pages} hold very little text; scanned pages need text recognition (OCR) first.",
            "第 {pages} 页的文字很少；扫描页需要先做文字识别（OCR）。",
        ),
    ),
    "unknown_letters": Told(
        (
            "The fonts of some pages do not tell their letters; they need text recognition (OCR) first.",
            "部分页面的字体未说明其文字，需要先做文字识别（OCR）。",
        ),
        filled=(
            "The fonts of the pages {pages} do not tell their letters; they need text recognition (OCR) first.",
            "第 {pages} 页的字体未说明其文字，需要先做文字识别（OCR）。",
        ),
    ),
    "pages_unread": Told(
        ("Some pages could not be read and were not tested.", "部分页面无法读取，未被检测。"),
        filled=(
            "The pages {pages} could not be read and were not tested.",
            "第 {pages} 页无法读取，未被检测。",
        ),
    ),
    "pictures_unread": Told(
        (
            "There is hardly any text beside the pictures; they need text recognition (OCR) first.",
            "图片之外的文字很少；图片需要先做文字识别（OCR）。",
        ),
        filled=(
            "There is hardly any text beside {count} pictures; they need text recognition (OCR) first.",
            "{count} 张图片之外的文字很少；图片需要先做文字识别（OCR）。",
        ),
    ),
    "parts_unread": Told(
        ("The document holds other documents, which were not read.", "文档中嵌入了其他文档，未被读取。"),
        filled=(
            "The document holds other documents ({count}), which were not read.",
            "文档中嵌入了 {count} 个其他文档，未被读取。",
        ),
    ),
    "guessed_encoding": Told(
        ("The encoding of the text was guessed.", "文本编码为推测结果；如有乱码，请另存为 UTF-8 编码后再试。"),
        filled=(
            "The text was read as {encoding}, which is a guess; if it looks wrong, save it as UTF-8.",
            "文本按推测的 {encoding} 编码读取；如有乱码，请另存为 UTF-8 编码后再试。",
        ),
    ),
    "repaired": Told(
        (
            "The file is damaged and was read as far as it could be; parts may be missing.",
            "文件有损坏，已尽量读取，部分内容可能缺失。",
        )
    ),
    "issues_cut_off": Told(
        ("There are more issues than are listed.", "问题过多，仅列出一部分。"),
        filled=(
            "{check}: there are more than {most} issues, the first {most} are listed.",
            "检查项 {check} 发现的问题超过 {most} 个，仅列出前 {most} 个。",
        ),
    ),
    "unknown_remark": Told(
        ("A comment to Paperlane is not understood.", "有一处写给 Paperlane 的注释无法识别。"),
        filled=(
            "The comment “{remark}” in line {line} is not understood, or names no check.",
            "第 {line} 行的注释“{remark}”无法识别，或未写明检查项。",
        ),
    ),
    "unknown_check_in_remark": Told(
        ("A comment names a check that there is not.", "有一处注释提到了不存在的检查项。"),
        filled=(
            "The comment “{remark}” in line {line} names {check}, which is no check.",
            "第 {line} 行的注释“{remark}”提到的 {check} 不是检查项。",
        ),
        fuller=(
            "The comment “{remark}” in line {line} names {check}, which is no check. Did you mean {meant}?",
            "第 {line} 行的注释“{remark}”提到的 {check} 不是检查项。是否想写 {meant}？",
        ),
    ),
    "more_remarks": Told(
        ("More comments to Paperlane were not understood.", "另有写给 Paperlane 的注释无法识别。"),
        filled=(
            "{count} more comments to Paperlane were not understood.",
            "另有 {count} 处写给 Paperlane 的注释无法识别。",
        ),
    ),
    "model_unanswered": Told(
        ("A model did not test all passages.", "有部分片段未经模型检测。"),
        filled=(
            "Passages that {model} did not test: {count} ({why}).",
            "模型 {model} 未能检测 {count} 个片段（{why}）。",
        ),
    ),
    "unknown_alert": Told(
        ("There is no such alert.", "没有这个告警。"),
        ("See: paperlane alerts kinds.", "请运行：paperlane alerts kinds。"),
    ),
    "unknown_model": Told(
        ("There is no such model.", "没有这个模型。"),
        ("Choose one of those in the settings, or none.", "请选择设置中已有的模型，或选择 none。"),
    ),
    "check_failed": Told(
        (
            "A check broke off; issues that it would have found may be missing.",
            "某个检查项运行出错，可能有问题未被发现。",
        ),
        filled=(
            "The check {check} broke off ({error}); issues that it would have found may be missing.",
            "检查项 {check} 运行出错（{error}），可能有问题未被发现。",
        ),
    ),
    "no_copying": Told(
        (
            "The file's author does not permit its text to be copied out; issues quote it.",
            "文件作者禁止复制其中的文字；检测结果会引用原文。",
        )
    ),
    # why a task failed
    "file_lost": Told(("The task's file is lost.", "任务的文件已丢失。"), ("Upload it again.", "请重新上传该文件。")),
    "poison": Told(
        ("The worker died each time it ran this task.", "执行此任务的工作进程每次都异常退出。"),
        (
            "The file may exhaust the machine. Save it anew or split it, then upload it again.",
            "该文件可能会耗尽机器资源，请重新保存或拆分后再上传。",
        ),
    ),
    "crashed": Told(
        ("The worker was gone before the attempt had ended.", "尝试尚未结束，工作进程就已中断。"),
        ("Look at the workers and their memory.", "请检查工作进程及其内存。"),
    ),
    "step_timeout": Told(("A step took too long.", "某个步骤耗时过长，已中止。"), _SPLIT),
    "task_timeout": Told(("The task took too long.", "任务耗时过长，已中止。"), _SPLIT),
    "step_crashed": Told(
        ("The process of a step died.", "处理文件的进程异常退出。"),
        (
            "The file may be broken; save it anew, or upload it in another format.",
            "文件可能有损坏，请重新保存，或换一种格式后再试。",
        ),
    ),
    "step_failed": Told(("A step failed.", "某个步骤出错。"), _START_AGAIN),
    "internal_error": Told(("Something went wrong on our side.", "系统内部错误。"), _START_AGAIN),
    "cancelled": Told(("Somebody cancelled the task.", "任务已被取消。")),
    "stale_lease": Told(("Another attempt owns the task now.", "该任务已由另一次执行接管。")),
    "worker_unknown": Told(
        ("The ledger has given this worker up.", "账本已不再承认此工作进程。"),
        ("It must register under a new id.", "需以新的编号重新登记。"),
    ),
    # why a request was refused
    "user_limit_exceeded": Told(
        ("Too many of your tasks are waiting.", "您排队的任务已达上限。"),
        (
            "Wait until some are done, cancel some, or upload fewer files.",
            "请等部分任务完成、取消一些任务，或减少上传的文件。",
        ),
    ),
    "user_storage_full": Told(
        ("No more of your documents can be kept.", "您的文档存储空间已满。"),
        (
            "Old documents go by themselves. Remove schedules that keep some, upload less, or ask an admin.",
            "旧文档到期后会自动删除。您也可以删除占用文档的定期任务、减少上传，或联系管理员。",
        ),
    ),
    "model_budget_spent": Told(
        (
            "What your documents may use up at models in a month is used up.",
            "您本月的模型用量已用完。",
        ),
        (
            "Upload them with rules only (model=none), or wait until the month has ended (UTC).",
            "请选择“仅按规则检测”（model=none）上传，或等到下个月（UTC）。",
        ),
    ),
    "too_many_requests": Told(
        ("Too many requests came in the last minute.", "最近一分钟内的请求过多。"),
        (
            "Ask less often: the header Retry-After says when the next request may come.",
            "请降低请求频率；响应头 Retry-After 给出了可以再次请求的时间。",
        ),
    ),
    "system_busy": Told(
        ("The whole system's backlog is full.", "系统繁忙，排队已满。"),
        ("Try again in a little while.", "请稍后再试。"),
    ),
    "database_unavailable": Told(
        ("The database cannot be reached at the moment.", "数据库暂时无法访问。"),
        (
            "Try again in a little while; if it stays, tell who runs this service.",
            "请稍后再试；若仍如此，请告知管理员。",
        ),
    ),
    "database_busy": Told(
        ("The database is busy.", "数据库繁忙。"),
        (
            "Try again in a little while; if it stays, tell who runs this service.",
            "请稍后再试；若仍如此，请告知管理员。",
        ),
    ),
    "file_unavailable": Told(
        ("A file cannot be read at the moment.", "某个文件暂时无法读取。"),
        (
            "Try again in a little while; if it stays, tell who runs this service.",
            "请稍后再试；若仍如此，请告知管理员。",
        ),
    ),
    "folder_unavailable": Told(
        ("Files cannot be stored at the moment.", "暂时无法保存文件。"),
        (
            "Try again in a little while; if it stays, tell who runs this service.",
            "请稍后再试；若仍如此，请告知管理员。",
        ),
    ),
    "store_unavailable": Told(
        ("The store of files cannot be used at the moment.", "文件存储暂时无法使用。"),
        (
            "Try again in a little while; if it stays, tell who runs this service.",
            "请稍后再试；若仍如此，请告知管理员。",
        ),
    ),
    "storage_full": Told(
        ("There is no room left to store anything.", "存储空间已满。"),
        (
            "Try again in a little while; if it stays, tell who runs this service.",
            "请稍后再试；若仍如此，请告知管理员释放空间。",
        ),
    ),
    "service_unavailable": Told(
        ("A service that is needed cannot be used at the moment.", "所需的服务暂时无法使用。"),
        (
            "Nothing is lost: the document waits for it. If it stays, tell who runs this service.",
            "文档会等待其恢复，不会丢失；若持续如此，请告知管理员。",
        ),
    ),
    "model_away": Told(
        ("The language model cannot be asked at the moment.", "语言模型暂时无法使用。"),
        (
            "Nothing is lost: the document waits for it. If it stays, tell who runs this service.",
            "文档会等待模型恢复，不会丢失；若持续如此，请告知管理员。",
        ),
    ),
    "model_refused": Told(
        ("The language model does not accept our questions.", "语言模型拒绝了我们的请求。"),
        (
            "Its key, name or address in the settings must be mended; documents wait for it.",
            "请修正设置中的密钥、模型名称或地址；文档会等待。",
        ),
    ),
    "bad_request": Told(("The request makes no sense.", "请求无效。")),
    "invalid_request": Told(
        ("Something in the request makes no sense.", "请求中有无效的内容。"),
        ("See /openapi.json for what is expected.", "请对照 /openapi.json 检查请求；若上传中断，请重新上传。"),
    ),
    "unknown_profile": Told(
        ("There is no such profile of checks.", "没有这个检测方案。"),
        ("See: paperlane checks.", "请运行 paperlane checks 查看可用的方案。"),
    ),
    "unknown_check": Told(
        ("There is no such check.", "没有这个检查项。"),
        ("See: paperlane checks.", "请运行 paperlane checks 查看可用的检查项。"),
    ),
    "invalid_words": Told(
        ("A word of the list makes no sense.", "词表中有无效的词条。"),
        ("Use 1 to 200 characters for each.", "每个词条请使用 1 至 200 个字符。"),
    ),
    "no_term": Told(
        ("A line has no term before its colon.", "有一行的冒号前没有术语。"),
        ("Write the term first, as in SLO: service level objective.", "请先写术语，例如“SLO: 服务水平目标”。"),
    ),
    "too_many_words": Told(
        ("The list of words is too long.", "词表过长。"),
        ("Keep at most 2,000 words, of 65,536 bytes together.", "最多保留 2000 个词条，总计不超过 65536 字节。"),
    ),
    "no_checks": Told(
        ("No check is left to be asked.", "没有选中任何检查项。"),
        ("Choose another profile, or add a check.", "请换一个检测方案，或增加检查项。"),
    ),
    "request_timeout": Told(
        ("The upload stopped coming.", "上传中断，长时间没有收到数据。"), ("Send it again.", "请重新上传。")
    ),
    "method_not_allowed": Told(("This address does not take such a request.", "该地址不支持这种请求方法。")),
    "sign_in_needed": Told(("Nobody is signed in.", "尚未登录。"), ("Sign in with a token.", "请使用令牌登录。")),
    "unknown_token": Told(
        ("This token is not known.", "令牌无效。"),
        ("Ask an admin for one: paperlane user token NAME.", "请向管理员索取令牌：paperlane user token 用户名。"),
    ),
    "not_allowed": Told(
        ("You may not do this.", "您没有此权限。"), ("Ask an admin for another role.", "请联系管理员调整您的角色。")
    ),
    "owner_barred": Told(
        ("Its owner may upload nothing any more.", "所有者已无权上传文档。"),
        ("Ask an admin, who can let it go on or remove it.", "请联系管理员恢复权限或删除该任务。"),
    ),
    "foreign_origin": Told(("The request comes from another site.", "请求来自其他网站，已拒绝。")),
    "not_found": Told(
        ("There is no such thing.", "没有找到，或不属于您。"), ("Check the name or the address.", "请检查名称或地址。")
    ),
    "conflict": Told(("This cannot be done now.", "当前状态下无法执行此操作。")),
    "not_ready": Told(
        ("There is none yet.", "结果尚不可用。"),
        ("Ask again once the task has completed.", "请等任务完成后再试；若任务失败，请查看原因后重新开始。"),
    ),
    "result_lost": Told(
        ("What the task gave cannot be read any more.", "该任务的结果已无法读取。"),
        ("Upload the document again.", "请重新上传该文档。"),
    ),
    "already_ended": Told(("The task has ended already.", "任务已经结束，无法取消。")),
    "not_failed": Told(
        ("Only a failed or cancelled task can be started again.", "只有失败或已取消的任务才能重新开始。")
    ),
    "not_dead": Told(
        ("The task is no dead letter.", "该任务不在失败待处理之列。"),
        ("It did not fail, or was started again or discarded since.", "它没有失败，或之后已重新开始或被丢弃。"),
    ),
    "id_taken": Told(
        ("A batch or a task of this id is there already.", "该编号的批次或任务已存在。"),
        ("Give each one a new id.", "请使用新的编号。"),
    ),
    "engine_unserved": Told(
        (
            "No worker of the engine is running, so their tasks would wait.",
            "该引擎没有运行中的工作进程，任务将一直等待。",
        ),
        (
            'Start one first (serve starts its own within seconds); or insist with --force ("force": true over HTTP).',
            '请先启动一个（serve 会在几秒内自行启动），或使用 --force 强制执行（HTTP 接口用 "force": true）。',
        ),
    ),
    "rollout_changed": Told(
        ("Another roll-out is the newest one by now.", "最新的发布规则已是另一条。"),
        (
            "Somebody has changed the roll-outs meanwhile. Look at them again.",
            "发布规则已被他人更改，请重新查看。",
        ),
    ),
    "rollout_held": Told(
        (
            "A guardrail holds this engine: it does worse than what it replaces.",
            "发布护栏已锁定该引擎：其表现不如被替换的引擎。",
        ),
        (
            "See: paperlane rollout. Then paperlane rollout rollback ENGINE, or: paperlane rollout acknowledge RULE.",
            "请查看：paperlane rollout。然后 rollback ENGINE 全部撤回，或 acknowledge RULE。",
        ),
    ),
    "nothing_to_acknowledge": Told(
        ("No guardrail waits to be acknowledged.", "没有待确认的发布护栏。"),
        ("See: paperlane rollout.", "请查看：paperlane rollout。"),
    ),
    "unknown_guard": Told(
        ("A guard cannot be that.", "没有这种护栏方式。"),
        ("Choose one of act, stop, tell, off.", "请选择 act、stop、tell 或 off。"),
    ),
    "unknown_flag": Told(
        ("There is no such flag.", "没有这个开关。"),
        (
            "Choose one of use_database_queue, use_worker_pool, use_user_semaphore.",
            "请选择 use_database_queue、use_worker_pool 或 use_user_semaphore。",
        ),
    ),
    "same_engine": Told(
        ("An engine cannot be compared with itself.", "引擎不能与自身比较。"),
        ("Name two engines.", "请选择两个不同的引擎。"),
    ),
    "unknown_group": Told(
        ("Nobody is in such a group.", "没有用户属于该用户组。"),
        ("See: paperlane user list.", "请查看：paperlane user list。"),
    ),
    "no_time": Told(
        ("That is no time.", "无法识别该时间。"),
        (
            "Write it as 2027-01-31T08:00:00Z, or as how long ago: 30s, 90m, 12h, 7d, 2w.",
            "请写成 2027-01-31T08:00:00Z，或多久以前：30s、90m、12h、7d、2w。",
        ),
    ),
    "no_period": Told(
        ("The period ends before it begins.", "时间段的结束早于开始。"),
        ("Let it begin earlier: --since 7d.", "请让它更早开始，如 7d。"),
    ),
    "nothing_rolled_out": Told(
        ("There is no roll-out to take back.", "没有可以撤回的发布规则。"),
        ("See: paperlane rollout.", "请查看：paperlane rollout。"),
    ),
    "last_admin": Told(
        ("This is the last admin.", "这是最后一位管理员。"),
        ("Make somebody else an admin first.", "请先将其他人设为管理员。"),
    ),
    "name_taken": Told(("There is a user of this name already.", "该用户名已存在。")),
    "invalid_cron": Told(
        ("This is no cron expression, or it never comes due.", "cron 表达式无效，或永远不会到期。"),
        (
            'Write minute, hour, day of month, month, day of week: "30 6 * * MON-FRI".',
            "请依次写出分、时、日、月、星期，例如 “30 6 * * MON-FRI” 表示工作日 6:30。",
        ),
    ),
    "unknown_timezone": Told(
        ("There is no such time zone.", "没有这个时区。"),
        (
            "Name it as the IANA database does: Europe/Berlin, Asia/Shanghai, UTC.",
            "请使用 IANA 时区名，例如 Asia/Shanghai、Europe/Berlin、UTC。",
        ),
    ),
    "schedule_exists": Told(
        ("There is a schedule of this name already.", "同名的定时任务已存在。"),
        ("Remove it, or take a new name.", "请先删除它，或换一个名称。"),
    ),
    "too_many_schedules": Told(
        ("There are too many schedules already.", "定时任务已达上限。"),
        ("Remove one first.", "请先删除一个。"),
    ),
    "version_gone": Told(
        ("The version before was old and is gone.", "上一版本已过期并被清除。"),
        ("Its counts stay with the task.", "统计数字仍保留在任务中。"),
    ),
    "documents_gone": Told(
        ("Documents of this batch were old and are gone.", "该批次的部分文档已过期并被清除。"),
        ("Upload them again.", "请重新上传。"),
    ),
    "idempotency_key_reused": Told(
        ("This Idempotency-Key was used for another upload.", "此 Idempotency-Key 已用于另一次上传。"),
        ("Use a new key for new content.", "内容不同时请使用新的键值。"),
    ),
    "no_font": Told(
        ("There is no font to print Chinese with.", "服务器上没有可用于排印中文的字体。"),
        (
            "Install one where the service runs, as fonts-noto-cjk on Debian and Ubuntu, or take another format.",
            "请在服务器上安装中文字体（Debian 和 Ubuntu 为 fonts-noto-cjk），或选择其他格式，例如 HTML。",
        ),
    ),
    "misconfigured": Told(
        ("The installation must be mended before this can work.", "安装或配置有误，需先修正。"),
        ("Run: paperlane doctor.", "请运行：paperlane doctor。"),
    ),
}


WHYS: Mapping[str, tuple[str, str]] = {
    "not_json": ("its answer was no JSON", "回答不是 JSON"),
    "wrong_schema": ("its answer had another form than was asked for", "回答的格式不符合要求"),
    "empty": ("its answer was empty", "回答为空"),
    "cut_off": ("its answer was cut off", "回答被截断"),
    "declined": ("it declined to answer", "模型拒绝回答"),
    "not_accepted": ("its provider did not accept the question", "服务商不接受该提问"),
    "unreachable": ("its provider broke down again and again", "服务商多次出错"),
    "too_slow": ("it did not answer in time", "未能及时回答"),
    "too_long": ("too long for it", "超出模型的长度上限"),
    "budget": ("the month's budget is used up", "本月预算已用完"),
    "away": ("it could not be asked", "模型无法使用"),
    "refused": ("it refuses our key, or does not know the model's name", "服务商拒绝密钥，或没有该模型"),
    "unknown_model": ("the workers' settings do not name it", "工作进程的设置中没有该模型"),
}
"""Why a model did not test a passage, by the codes of `paperlane.ai.Why`."""


def of_one(words: str) -> str:
    """English words as they are where it is one: 1 user, 1 task. Only where no other word changes with it."""
    return _ONE.sub(r"\1", words)


def why_in(language: str, code: str) -> str:
    """The same in a language; a code without words is told as it is."""
    return WHYS.get(code, (code,) * len(LANGUAGES))[LANGUAGES.index(language)]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What an alert is called, what it says of an incident, and what its reader can do; English and Chinese."""

    title: tuple[str, str]
    message: tuple[str, str]
    hint: tuple[str, str]


ALARMS: Mapping[str, Alarm] = {
    "queue": Alarm(
        ("Queue", "队列过长"),
        (
            "{value} tasks wait that could run now; the limit is {limit}.",
            "有 {value} 个可运行的任务在等待，上限为 {limit}。",
        ),
        (
            "Add workers or slots, or see whether an engine stands still: paperlane queue.",
            "请增加工作进程或并发数，或检查引擎是否停滞：paperlane queue。",
        ),
    ),
    "user-backlog": Alarm(
        ("Backlog of a user", "用户积压"),
        (
            "{value} tasks of {user} wait that could run now; the limit is {limit}.",
            "用户 {user} 有 {value} 个可运行的任务在等待，上限为 {limit}。",
        ),
        (
            "Others are not held up. Raise the user's limit if it is meant: paperlane user set NAME --limit N.",
            "其他用户不受影响。如属正常，可提高其并发上限：paperlane user set NAME --limit N。",
        ),
    ),
    "oldest-wait": Alarm(
        ("Oldest wait", "等待过久"),
        (
            "The oldest task could run for {value}; the limit is {limit}. {waiting} wait that could run.",
            "最早的可运行任务已等待 {value}，上限为 {limit}；共有 {waiting} 个可运行的任务在等待。",
        ),
        (
            "Add workers or slots; the alert `bottleneck` says what is scarce.",
            "请增加工作进程或并发数；告警 bottleneck 会指出瓶颈资源。",
        ),
    ),
    "dead-letters": Alarm(
        ("Dead letters", "失败任务"),
        (
            "Tasks that failed for good within an hour: {value} ({causes}).",
            "一小时内最终失败的任务：{value} 个（{causes}）。",
        ),
        (
            "Look at them, then start them again or discard them: paperlane queue dead.",
            "请查看后重新开始或丢弃：paperlane queue dead。",
        ),
    ),
    "database-connections": Alarm(
        ("Database connections", "数据库连接"),
        (
            "{used} of {most} connections of the database are in use ({value}); the limit is {limit}.",
            "数据库 {most} 个连接中已使用 {used} 个（{value}），上限为 {limit}。",
        ),
        (
            "Allow the server more connections, or run fewer processes.",
            "请提高数据库服务器的连接数上限，或减少进程数量。",
        ),
    ),
    "memory": Alarm(
        ("Memory", "内存"),
        (
            "{value} of the memory of {host} is in use; the limit is {limit}.",
            "{host} 的内存已使用 {value}，上限为 {limit}。",
        ),
        (
            "Give its workers fewer slots, or the machine more memory.",
            "请减少该机器上的并发数，或增加内存。",
        ),
    ),
    "engine-down": Alarm(
        ("Engine down", "引擎无工作进程"),
        (
            "No worker of {engine} has lived for {value}, and its users have tasks: {tasks}.",
            "引擎 {engine} 有 {tasks} 个任务，但已有 {value} 没有存活的工作进程。",
        ),
        (
            "Start a worker: paperlane worker --engine NAME; or move its users: paperlane rollout.",
            "请启动工作进程：paperlane worker --engine NAME；或迁移其用户：paperlane rollout。",
        ),
    ),
    "engine-silent": Alarm(
        ("Engine silent", "引擎停滞"),
        (
            "{engine} has tasks and room for them, and for {value} none began.",
            "引擎 {engine} 有任务且有空位，但已有 {value} 没有任务开始。",
        ),
        (
            "See its workers' logs and its broker; a restart of its workers delivers anew.",
            "请查看其工作进程日志与消息代理；重启工作进程会重新投递。",
        ),
    ),
    "rollout-worse": Alarm(
        ("Roll-out worse", "发布变差"),
        (
            "{engine} at {percent} % of the users does worse than {control}: {measure} {b} against {a} ({done}).",
            "引擎 {engine}（{percent}% 用户）的表现不如 {control}：{measure} {b}，对照 {a}（{done}）。",
        ),
        (
            "See why: paperlane rollout, and paperlane rollout compare. To go on: paperlane rollout acknowledge.",
            "原因请查看：paperlane rollout 和 paperlane rollout compare。知悉后继续：paperlane rollout acknowledge。",
        ),
    ),
    "no-worker": Alarm(
        ("No worker", "没有工作进程"),
        (
            "No worker of {engine} has lived for {value}, which new users may be given: what they upload waits.",
            "可能分配给新用户的引擎 {engine} 已有 {value} 没有存活的工作进程，其上传的文档只能等待。",
        ),
        (
            "Start one: paperlane worker --engine NAME; or see where roll-outs send new users: paperlane rollout.",
            "请启动：paperlane worker --engine NAME；或查看新用户的分配：paperlane rollout。",
        ),
    ),
    "worker-gone": Alarm(
        ("Worker gone", "工作进程消失"),
        (
            "Workers of {engine} on {host} are gone: {worker}. Others take over what they held ({running}).",
            "{host} 上引擎 {engine} 的工作进程已消失：{worker}；其持有的 {running} 个任务由其他进程接管。",
        ),
        (
            "Was it killed for its memory? See its machine's log. Others that vanish while this lasts are not told of.",
            "请查看该机器的日志：是否因内存不足被终止？告警持续期间再消失的进程不另行通知。",
        ),
    ),
    "database-away": Alarm(
        ("Database away", "数据库不可用"),
        (
            "{host} could not use the database for {value}. {why}",
            "{host} 已有 {value} 无法使用数据库。{why}",
        ),
        (
            "See whether it runs, can be reached, and has room on its disk. Tasks go on by themselves once it is back.",
            "请检查数据库是否运行、能否连接、磁盘是否已满。恢复后任务会自动继续。",
        ),
    ),
    "drift-repaired": Alarm(
        ("Drift repaired", "计数已修正"),
        (
            "Lanes whose counters were wrong, and were put right: {value}.",
            "有 {value} 个队列的计数有误，已修正。",
        ),
        (
            "Nothing is lost, but please report it with the log.",
            "没有任务丢失，但请附日志反馈此问题。",
        ),
    ),
    "batch-creation": Alarm(
        ("Upload slow", "上传响应慢"),
        (
            "95 % of {answers} uploads were answered within {value}; the limit is {limit}.",
            "{answers} 次上传中 95% 的响应时间为 {value}，上限为 {limit}。",
        ),
        (
            "See whether the database or the disk of the files is slow: paperlane doctor.",
            "请检查数据库或文件磁盘是否缓慢：paperlane doctor。",
        ),
    ),
    "api-response": Alarm(
        ("Interface slow", "接口响应慢"),
        (
            "95 % of {answers} answers were given within {value}; the limit is {limit}.",
            "{answers} 次应答中 95% 的响应时间为 {value}，上限为 {limit}。",
        ),
        (
            "See whether the database is slow, or workers leave the web process no processor.",
            "请检查数据库是否缓慢，或工作进程是否占满处理器。",
        ),
    ),
    "page-response": Alarm(
        ("Pages slow", "页面响应慢"),
        (
            "95 % of {answers} pages were answered within {value}; the limit is {limit}.",
            "{answers} 次页面请求中 95% 的响应时间为 {value}，上限为 {limit}。",
        ),
        (
            "See whether the database is slow, or workers leave the web process no processor.",
            "请检查数据库是否缓慢，或工作进程是否占满处理器。",
        ),
    ),
    "progress-delay": Alarm(
        ("Progress late", "进度延迟"),
        (
            "99 % of {frames} frames of progress were sent within {value}; the limit is {limit}.",
            "{frames} 条进度消息中 99% 的延迟为 {value}，上限为 {limit}。",
        ),
        (
            "See whether the database is slow, or workers leave the web process no processor.",
            "请检查数据库是否缓慢，或工作进程是否占满处理器。",
        ),
    ),
    "mean-completion": Alarm(
        ("Completion slow", "完成时间过长"),
        (
            "{tasks} tasks took {value} on average; the limit is {limit}.",
            "{tasks} 个任务平均用时 {value}，上限为 {limit}。",
        ),
        (
            "The alert `bottleneck` says what is scarce.",
            "告警 bottleneck 会指出瓶颈资源。",
        ),
    ),
    "tasks-lost": Alarm(
        ("Tasks lost", "任务丢失"),
        (
            "Tasks that may be lost: {value}; held by nobody {stranded}, killed workers or lost files {failed}.",
            "可能丢失 {value} 个任务：{stranded} 个无人持有，{failed} 个因工作进程崩溃或文件丢失而失败。",
        ),
        (
            "See whether a service or a worker runs that sweeps, and the dead letters: paperlane queue dead.",
            "请检查是否有服务或工作进程在运行，并查看失败任务：paperlane queue dead。",
        ),
    ),
    "recovery": Alarm(
        ("Recovery late", "恢复过慢"),
        (
            "What dead workers held waits to be taken back ({stranded}), the first for {value}; the limit is {limit}.",
            "有 {stranded} 个已消失工作进程的任务等待收回，最早的已等待 {value}，上限为 {limit}。",
        ),
        (
            "See whether any service or worker runs, and whether its log tells of sweeps that failed.",
            "请检查是否有服务或工作进程在运行，日志中是否有回收失败的记录。",
        ),
    ),
    "availability": Alarm(
        ("Availability", "可用性"),
        (
            "{failed} of {answers} answers were failures of ours ({value}); the limit is {limit}.",
            "{answers} 次应答中有 {failed} 次是服务故障（{value}），上限为 {limit}。",
        ),
        (
            "See the log: each failure stands there once.",
            "请查看日志：每次故障都有一条记录。",
        ),
    ),
    "creation-success": Alarm(
        ("Uploads failing", "上传失败"),
        (
            "{failed} of {answers} uploads failed by a fault of ours ({value}); the limit is {limit}.",
            "{answers} 次上传中有 {failed} 次因服务故障失败（{value}），上限为 {limit}。",
        ),
        (
            "See the log, the disk of the files, and the database.",
            "请查看日志、文件磁盘与数据库。",
        ),
    ),
    "bottleneck": Alarm(
        ("Bottleneck", "瓶颈"),
        (
            "Tasks wait for up to {value}, and {resource} bounds how fast they are done: {reasons}.",
            "任务已等待 {value}，瓶颈为 {resource}：{reasons}。",
        ),
        (
            "More of it lets more tasks run; of anything else it would help nothing now.",
            "增加该资源可提高吞吐量；目前增加其他资源没有作用。",
        ),
    ),
}
"""By the alerts' names."""


def alarm_in(language: str, name: str, params: Mapping[str, str]) -> tuple[str, str]:
    """Message and hint of an incident in a language; of an alert that there is no more, its name."""
    told = ALARMS.get(name)
    if told is None:
        return name, ""
    at = LANGUAGES.index(language)
    message = told.message[at]
    if _is_filled(message, params):
        message = message.format_map(params)
    return message, told.hint[at]


def tell(
    code: str, language: str, raised: str, hint: str = "", params: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Message and hint of a code in a language.

    English keeps the sentences that were raised, which have the details; so does a code without words.
    """
    told = CODES.get(code)
    if language == "en" or told is None:
        return raised, hint
    at = LANGUAGES.index(language)
    said = {name: why_in(language, value) if name == "why" else value for name, value in (params or {}).items()}
    given = {name: value.replace(", ", "、") for name, value in said.items() if value}
    filled = (sentence[at] for sentence in (told.fuller, told.filled) if _is_filled(sentence[at], given))
    message = next((sentence.format_map(given) for sentence in filled), told.message[at])
    return message, (told.hint[at] or hint) if hint else ""


def _is_filled(sentence: str, given: Mapping[str, str]) -> bool:
    wanted = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    return bool(wanted) and given.keys() >= wanted


@cache
def words(language: str) -> Mapping[str, str]:
    """Every word of the page in a language; of codes the `code`, the `hint` and, with params, `filled` and `fuller`."""
    at = LANGUAGES.index(language)
    said = {key: word[at] for key, word in WORDS.items()}
    for code, told in CODES.items():
        parts = {"code": told.message[at], "hint": told.hint[at], "filled": told.filled[at], "fuller": told.fuller[at]}
        said |= {f"{part} {code}": sentence for part, sentence in parts.items() if sentence}
    return said | {f"why {code}": why[at] for code, why in WHYS.items()}
