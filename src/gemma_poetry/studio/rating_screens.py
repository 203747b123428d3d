"""What a rater reads: the texts of the rating page in both languages, and the HTML of a screen.

In: tasks, poems, answers. Out: `Screen`s. Everything that comes from outside is escaped: whatever a poem spells is text.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, ASPECTS, PREFERENCE, Wording
from gemma_poetry.evaluation.human.study import RATE, Item, Task

WELCOME, DONE = "welcome", "done"

TITLE = Wording("诗词评阅", "Reading Poems")
_INVITATION = Wording(
    "请您读一些古典诗词并打分。有些出自古人，有些出自计算机；哪些是哪些，页面不会显示，请只看诗本身。",
    "Please read some classical Chinese poems and rate them. Some are by poets of the past, some by computers; the page does"
    " not say which: judge the poem alone.",
)
_HOW = (
    Wording(
        "共 {tasks} 题，约 {minutes} 分钟。先逐首打分，再两两比较。",
        "{tasks} screens, about {minutes} minutes: poems first, then pairs.",
    ),
    Wording(
        "每次点选立即保存，可以随时关闭，用同一链接回来接着做。",
        "Every click is saved at once. Close at any time; the same link brings you back.",
    ),
    Wording(
        "分数没有对错，凭第一印象即可；个别题目用来核对是否认真阅读。",
        "There are no right answers; first impressions are fine. A few items check attention.",
    ),
    Wording(
        "不收集姓名。公布的数据里没有留言，也认不出您。",
        "No names are collected. Published data hold no comments and do not identify you.",
    ),
)
_TEXTS = {
    "start": Wording("开始", "Begin"),
    "next": Wording("下一题", "Next"),
    "back": Wording("上一题", "Back"),
    "finish": Wording("完成", "Finish"),
    "language": Wording("English", "中文"),
    "background": Wording("您平时读古典诗词吗？", "How often do you read classical Chinese poetry?"),
    "preference": Wording("哪一首更好？", "Which poem is better?"),
    "comment": Wording("想说的话（可不填）", "Anything to add (optional)"),
    "missing": Wording("还没有回答：", "Not answered yet: "),
    "saved": Wording("已保存", "Saved"),
    "unsent": Wording(
        "还没有保存。请勿关闭页面，连上服务器后自动补存。",
        "Not saved yet. Leave this page open: it is saved as soon as the server can be reached.",
    ),
    "open": Wording("点选即保存", "Every click is saved"),
    "rate": Wording("读诗打分", "Rate the poem"),
    "compare": Wording("两首相比", "Compare two poems"),
    "done": Wording("谢谢您！", "Thank you!"),
    "done_more": Wording(
        "全部 {tasks} 题都已保存，现在可以关闭页面。也可以返回修改。",
        "All {tasks} answers are saved. You may close the page now, or go back and change them.",
    ),
    "invalid": Wording("链接无效", "This link is not valid"),
    "invalid_more": Wording(
        "请使用您收到的完整链接，或向组织者询问。", "Please use the whole link that you were given, or ask the organiser."
    ),
}
_SECONDS_A_TASK = 35
_SIDES = (Wording("甲", "A"), Wording("乙", "B"))


def say(name: str, language: str, **values: Any) -> str:
    """One of the texts of the page."""
    return _TEXTS[name].said(language).format(**values)


@dataclass(frozen=True, slots=True)
class Screen:
    """What a rater sees next.

    Attributes:
        place: A task id, `WELCOME`, `DONE`, or empty for a link that is not valid.
        kind: `RATE`, `COMPARE`, or the place.
        head: HTML of the head of the page.
        body: HTML of the poems or texts.
        status: HTML of what is saved.
        answers: Question -> answer given before.
        comment: The comment given before.
        first: Whether nothing comes before it.
        last: Whether it is the last task.
    """

    place: str
    kind: str
    head: str
    body: str
    status: str = ""
    answers: Mapping[str, str] | None = None
    comment: str = ""
    first: bool = False
    last: bool = False


def question_names(task: Task) -> tuple[str, ...]:
    """The questions of a task."""
    return ASPECT_NAMES if task.kind == RATE else (PREFERENCE,)


def unanswered(task: Task, answers: Mapping[str, str]) -> list[str]:
    """The questions of a task that have no answer."""
    return [question for question in question_names(task) if question not in answers]


def question_label(question: str, language: str) -> str:
    """What raters call a question."""
    labels = {aspect.name: aspect.label for aspect in ASPECTS}
    return labels[question].said(language) if question in labels else say(question, language)


def welcome_screen(language: str, tasks: Sequence[Task], given: Mapping[str, Mapping[str, str]]) -> Screen:
    """The first screen: what is asked, and one question."""
    minutes = max(1, round(len(tasks) * _SECONDS_A_TASK / 60))
    rows = "".join(f"<li>{line.said(language).format(tasks=len(tasks), minutes=minutes)}</li>" for line in _HOW)
    body = f'<div class="words"><p class="lead">{_INVITATION.said(language)}</p><ul>{rows}</ul></div>'
    return Screen(WELCOME, WELCOME, head_html(language, tasks, given, WELCOME), body, answers=given.get("", {}), first=True)


def thanks_screen(language: str, tasks: Sequence[Task], given: Mapping[str, Mapping[str, str]]) -> Screen:
    """The screen behind the last task."""
    text = f"<h2>{say('done', language)}</h2><p>{say('done_more', language, tasks=len(tasks))}</p>"
    return Screen(DONE, DONE, head_html(language, tasks, given, DONE), f'<div class="words done">{text}</div>')


def invalid_screen(language: str) -> Screen:
    """The screen of a link that is nobody's; it says nothing of the study."""
    text = f"<h2>{say('invalid', language)}</h2><p>{say('invalid_more', language)}</p>"
    header = f'<header class="top"><span class="name">{TITLE.said(language)}</span></header>'
    return Screen("", "", header, f'<div class="words done">{text}</div>')


def problem_html(text: str) -> str:
    """What keeps a rater from going on."""
    return f'<span class="missing" role="alert">{html.escape(text)}</span>'


def head_html(
    language: str, tasks: Sequence[Task], given: Mapping[str, Mapping[str, str]], place: str, task: Task | None = None
) -> str:
    """The head of the page, with the progress; it tells the browser which place it shows (`rating_page.js`)."""
    done = sum(not unanswered(one, given.get(one.task, {})) for one in tasks)
    share = 100 * done / len(tasks)
    part = f'<span class="part">{say(task.kind, language)}</span>' if task else ""
    return (
        f'<header class="top" lang="{language}" data-place="{html.escape(place)}">'
        f'<span class="name">{TITLE.said(language)}</span>{part}'
        f'<span class="count" data-done="{done}">{done} / {len(tasks)}</span>'
        f'<div class="bar" role="progressbar" aria-valuenow="{done}" aria-valuemin="0" aria-valuemax="{len(tasks)}">'
        f'<i style="width:{share:.1f}%"></i></div></header>'
    )


def status_html(task: Task, answers: Mapping[str, str], language: str) -> str:
    """What of a task is saved."""
    questions = question_names(task)
    count = sum(question in answers for question in questions)
    if not count:
        return f'<span class="open">{say("open", language)}</span>'
    figure = f" {count}/{len(questions)}" if len(questions) > 1 else ""
    return f'<span class="ok" data-saved="{count}">✓ {say("saved", language)}{figure}</span>'


def poems_html(items: Sequence[Item], language: str) -> str:
    """The poem, or the two poems, of a task."""
    if len(items) == 1:
        return f'<div class="poems">{_poem_html(items[0], "")}</div>'
    sides = "".join(_poem_html(item, side.said(language)) for item, side in zip(items, _SIDES))
    return f'<div class="poems two">{sides}</div>'


def _poem_html(item: Item, side: str) -> str:
    """A poem as HTML; whatever it spells is text."""
    lengths = set(map(len, item.lines))
    regular = len(lengths) == 1 and max(lengths, default=0) <= 7
    pieces = [html.escape(line) + f"<s>{html.escape(mark)}</s>" for line, mark in zip(item.lines, item.marks)]
    step = 1 if regular and len(pieces) <= 4 else 2
    if regular:
        rows = ["".join(f"<b>{piece}</b>" for piece in pieces[start : start + step]) for start in range(0, len(pieces), step)]
    else:
        rows = ["".join(f"<b>{piece}</b>" for piece in pieces)]
    mark = f'<span class="side">{side}</span>' if side else ""
    title = html.escape(item.title or item.form)
    form = f'<p class="form">{html.escape(item.form)}</p>' if item.title and item.form else ""
    verse = "".join(f"<p>{row}</p>" for row in rows)
    kind = "running" if not regular else "regular couplets" if step == 2 else "regular"
    if max(lengths, default=0) > 6:
        kind += " wide"
    return f'<article lang="zh" class="{kind}">{mark}<h2>{title}</h2>{form}<div class="verse">{verse}</div></article>'
