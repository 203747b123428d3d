"""Every word that the studio shows, in Chinese and in English.

In: a key and a language. Out: the text; or an error of ours worded in that language. A test makes sure that both languages
have every key and the same places to fill.
"""

from __future__ import annotations

from typing import Any

from gemma_poetry.errors import GemmaPoetryError, UsageError
from gemma_poetry.languages import Language as Language
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.studio.training_texts import TEXTS as TRAINING_TEXTS

LANGUAGES: dict[Language, str] = {"zh": "中文", "en": "English"}

_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("诗斋", "The Poet's Studio"),
    "subtitle": ("与 Gemma 同作旧体诗词", "classical Chinese verse, written with Gemma"),
    "language": ("语言", "Language"),
    "compose": ("作诗", "Compose"),
    "check": ("校律", "Check"),
    "compare": ("对观", "Compare"),
    "runs": ("训练", "Runs"),
    # compose
    "form": ("体裁 · 词牌", "Form or tune (词牌)"),
    "form_info": ("可键入查找", "type to search"),
    "form_open": ("依留白而定", "as the blanks have it"),
    "poem_title": ("题目", "Title"),
    "poem_title_hint": ("山居秋暝", "e.g. 山居秋暝"),
    "author": ("拟作者（风格）", "In the style of"),
    "author_hint": ("王维", "e.g. 王维"),
    "acrostic": ("藏头", "Acrostic (藏头)"),
    "acrostic_hint": ("各句首字，如 春夏秋冬", "first characters of the lines, e.g. 春夏秋冬"),
    "book": ("韵书", "Rhyme book"),
    "book_usual": ("平水韵 · 词林正韵", "as usual"),
    "rhyme": ("韵部", "Rhyme group"),
    "rhyme_any": ("不限", "any"),
    "template": ("留白（□ 由诗斋补足）", "Blanks (□ are filled in)"),
    "template_hint": ("空山□□□，□□□□秋。", "空山□□□，□□□□秋。"),
    "template_info": ("样式与所选体裁不同时，依留白而定", "decides the form where it has another shape than the one chosen"),
    "couplet": ("对联（答上联）", "couplet (answer an upper line)"),
    "upper": ("上联", "Upper line (上联)"),
    "upper_hint": ("春风得意马蹄疾", "e.g. 春风得意马蹄疾"),
    "first_line": ("首句", "First line"),
    "first_line_hint": ("整句，如 独坐幽篁里", "whole, e.g. 独坐幽篁里"),
    "acrostic_end": ("藏尾", "Last characters (藏尾)"),
    "acrostic_end_hint": ("各句末字", "last characters of the lines"),
    "rhyme_words": ("步韵（韵脚字，依次）", "Rhyme words, in order (步韵)"),
    "rhyme_words_hint": ("秋流楼", "e.g. 秋流楼"),
    "answered": ("和诗（贴入原诗，用其体与韵）", "Answer a poem (和诗): its form and rhyme are taken"),
    "manner": ("和法（步韵依次，用韵不依次，依韵同部）",
               "Its rhyme words in order (步韵), in any (用韵), or others of its rhyme (依韵)"),
    "answered_hint": ("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"),
    "fold_style": ("风格 · 韵脚 · 意象", "Style, rhyme, words"),
    "fold_given": ("首句 · 藏头 · 留白", "Characters given, blanks"),
    "fold_quality": ("格式 · 质量 · 其他", "Pattern, quality, and more"),
    "effort": ("用功（1 一挥而就，5 千锤百炼）", "Effort (1 writes once, 5 chooses among many)"),
    "temperature": ("奔放（低则稳，高则奇）", "Temperature (low is safe, high is bold)"),
    "best_of": ("几中取一（空：依用功）", "Best of (empty: as the effort says)"),
    "distinct": ("不重字", "No character twice"),
    "lenient": ("多音字一读合律即可", "One fitting reading of a polyphone is enough"),
    "examples": ("例", "Try"),
    "example_title": ("七绝", "quatrain"),
    "example_tune": ("浣溪沙", "a tune"),
    "example_words": ("意象", "words"),
    "example_acrostic": ("藏头", "acrostic"),
    "example_blanks": ("留白", "blanks"),
    "example_rhyme": ("步韵", "rhyme words"),
    "example_couplet": ("对联", "couplet"),
    "more_poems": ("再写几首", "A few more"),
    "undo": ("撤销", "Undo"),
    "redo": ("重做", "Redo"),
    "copy": ("复制", "Copy"),
    "copied": ("已复制", "Copied"),
    "picture": ("诗笺", "As a picture"),
    "save_png": ("存为 PNG", "Save PNG"),
    "save_svg": ("存为 SVG", "Save SVG"),
    "close": ("收起", "Close"),
    "picture_of": ("诗笺：{title}", "picture of {title}"),
    "written_by": ("诗斋 {model} 种子 {seed}", "诗斋 {model} seed {seed}"),
    "sitting": ("此坐所作", "Poems of this sitting"),
    "show_draft": ("看第 {number} 首：{text}", "show poem {number}: {text}"),
    "continues": ("向左还有", "more to the left"),
    "poem_region": ("诗", "poem"),
    "pinyin": ("注音", "Pinyin"),
    "pattern": ("格式", "Pattern"),
    "pattern_hint": ("平起、仄起、首句入韵……", "平起, 仄起, 首句入韵 ..."),
    "lines": ("句数（仅古体与排律）", "Lines (古体 and 排律 only)"),
    "script": ("字形", "Script"),
    "simplified": ("简体", "simplified"),
    "traditional": ("繁体", "traditional"),
    "words": ("意象（写到的字词）", "Words to write about"),
    "words_hint": ("千里、窗、明月", "千里、窗、明月"),
    "must": ("必用此诸字词", "Each must stand in the poem"),
    "words_are": ("意象：{words}", "Words: {words}"),
    "free": ("不拘平仄，只守字数", "Free metre: lines and characters only"),
    "seed": ("种子（同种子得同诗）", "Seed (the same seed gives the same poem)"),
    "drafts": ("每次作几首", "Poems at a time"),
    "model": ("模型", "Model"),
    "write": ("落笔", "Write"),
    "rewrite": ("留所锁，重写其余", "Keep the locked, rewrite the rest"),
    "unlock_all": ("全部解锁", "Unlock all"),
    "tap": ("点字", "Tapping a character"),
    "tap_lock": ("锁定", "locks it"),
    "tap_choose": ("换字", "offers others"),
    "layout": ("版式", "Layout"),
    "vertical": ("竖排", "vertical"),
    "horizontal": ("横排", "horizontal"),
    "tones": ("标平仄", "Tone marks"),
    "empty_poem": (
        "选一体裁，写一题目，然后落笔。",
        "Choose a form, give a title, and write.",
    ),
    "hint": (
        "点字以锁，点句末标点锁整句，再重写其余；或选「换字」，点字看何字可代。",
        "Lock characters, or a line by its closing mark, and rewrite the rest; or choose others for one character.",
    ),
    "choosing": ("可代「{char}」者（第 {line} 句第 {position} 字），依全诗可能性排列：", "In place of {char} (line {line}, "
                 "character {position}), likeliest in the whole poem first:"),
    "no_others": ("格律、押韵与前后文之下，没有别的字可用。", "No other character keeps form, tones and rhyme here."),
    "now": ("今用", "now"),
    "waiting": ("前面还有 {ahead} 位，请稍候……", "{ahead} before you, please wait ..."),
    "loading": ("正在载入模型……", "Loading the model ..."),
    "writing": ("正在落笔……", "Writing ..."),
    "weighing": ("正在推敲……", "Weighing characters ..."),
    "draft_of": ("第 {number} 首，共 {count} 首", "poem {number} of {count}"),
    "locked_count": ("已锁 {count} 字", "{count} locked"),
    "locked": ("已锁", "locked"),
    "given": ("题中指定", "asked for"),
    "rhyme_word": ("韵脚", "rhyme word"),
    "line_lock": ("锁第 {line} 句", "lock line {line}"),
    "in_style": ("拟{author}", "after {author}"),
    "rhyme_is": ("韵 {group}", "rhyme {group}"),
    "seed_is": ("种子 {seed}", "seed {seed}"),
    "legend_level": ("平", "level"),
    "legend_oblique": ("仄", "oblique"),
    "legend_open": ("两读", "either"),
    "legend_rhyme": ("韵脚", "rhyme"),
    "legend_fault": ("出律", "fault"),
    "legend_licence": ("拗而合律", "allowed"),
    "legend_locked": ("已锁", "locked"),
    # check
    "check_text": ("诗稿", "Poem"),
    "check_hint": (
        "静夜思　李白\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。",
        "静夜思　李白\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。",
    ),
    "check_info": ("可一次贴入数首，以空行分隔", "several poems may be pasted, empty lines between them"),
    "check_form": ("依何体裁", "Judged as"),
    "auto": ("自动判断", "what it suggests"),
    "check_go": ("校律", "Check"),
    "faults": ("出律处", "Faults"),
    "licences": ("拗而合律处", "Departures that are allowed"),
    "passes_by": ("按{title}合律。", "It passes by {title}."),
    "remarks": ("附识", "Remarks"),
    "spot": ("第 {line} 句第 {position} 字「{char}」", "line {line}, character {position} ({char})"),
    "spot_line": ("第 {line} 句", "line {line}"),
    "expected_found": ("应为 {expected}，今为 {actual}", "expected {expected}, found {actual}"),
    "usual_found": ("常格 {expected}，今为 {actual}", "usual {expected}, found {actual}"),
    "mend": ("可改：第 {line} 句第 {position} 字作 {characters}", "mend: line {line}, character {position}: {characters}"),
    "mend_advice": ("可改：{advice}", "mend: {advice}"),
    "unknown": ("{spot}：未知其音，故不论", "{spot}: no reading is known, so nothing is said of it"),
    "readings_all": ("诸读皆合", "with every reading"),
    "readings_some": ("依所取之读", "with the readings taken"),
    "tap_to_mend": ("点字可看何字可代，依模型推断排列；或重写其句、其联，余者不动。",
                    "Tap a character to see what else could stand there, or to have its line or couplet rewritten."),
    "tap_line": ("重写此句", "rewrites its line"),
    "tap_couplet": ("重写此联", "rewrites its couplet"),
    "polish_all": ("推敲全诗", "Polish the whole"),
    "polishing": ("正在改写……", "Rewriting ..."),
    "no_better": ("没有找到更好的写法，原句不动。", "Nothing better was found; the lines stay."),
    "changes": ("改动", "Changes"),
    "ppl_change": ("每字困惑度 {before} → {after}", "perplexity a character {before} → {after}"),
    "mending": ("可代「{char}」而合律者（第 {line} 句第 {position} 字）：",
                "In place of {char} (line {line}, character {position}), without a new fault:"),
    "no_mends": ("单换此字，无合律之字可用。", "No other character alone keeps the rules here."),
    "no_faults": ("无出律处。", "No faults."),
    "empty_check": ("贴入一首诗词，查其平仄、押韵与对粘。", "Paste a poem: its tones, rhyme and structure are read back."),
    # compare
    "left": ("左", "Left"),
    "right": ("右", "Right"),
    "compare_go": ("同题各作", "Write both"),
    "empty_compare": ("同一题目，同一种子，两个模型各作一首。", "One title, one seed, two models."),
    "one_model": (
        "现在只有一个模型。以 --run 指定一次训练，便可与原模型对观。",
        "There is only one model. Start the studio with --run RUN to set a run beside its base.",
    ),
    "not_new": (
        "此模型未带训练语料之句表：句或已见于语料",
        "the model carries no list of known lines: a line may stand in its corpus",
    ),
    "ppl": ("每字困惑度 {value}（依所作模型）", "perplexity {value} a character, under the model that wrote it"),
    # runs
    "runs_choose": ("训练", "Runs"),
    "no_runs": (
        "启动时未指定训练。例：gemma-poetry studio --run RUN",
        "No run was named at the start. For example: gemma-poetry studio --run RUN",
    ),
    "no_curve": ("此训练没有曲线文件。", "This run has no curve."),
    "loss": ("损失（每词元，自然对数）", "Loss (nats a token)"),
    "perplexity": ("验证困惑度（每字）", "Validation perplexity a character"),
    "training_curve": ("训练", "training"),
    "validation_curve": ("验证", "validation"),
    "steps": ("步", "steps"),
    "curve": ("曲线", "curve"),
    "fact_base": ("基座模型", "base model"),
    "fact_steps": ("步数", "steps"),
    "fact_poems": ("训练诗数", "poems trained on"),
    "fact_lora": ("可训参数", "trainable parameters"),
    "fact_time": ("用时", "wall time"),
    "fact_recipe": ("配方", "recipe"),
    "fact_ppl_token": ("验证困惑度（每词元）", "validation perplexity a token"),
    "fact_ppl_char": ("验证困惑度（每字）", "validation perplexity a character"),
    "minutes": ("{value} 分钟", "{value} min"),
    # errors
    "problem": ("未能如愿", "That did not work"),
    "expected": ("应当", "Expected"),
    "action": ("可以", "What to do"),
    "failure": (
        "诗斋内部出错，已记入日志。请再试一次；若仍如此，请告知维护者。",
        "The studio failed inside; the log has the details. Try again, and tell whoever runs it if it happens again.",
    ),
    "busy": ("您已有一首正在写", "one of your requests is still being worked on"),
    "busy_action": ("等它写完再试", "wait until it is done"),
    "often": ("一分钟内已有 {count} 次请求", "{count} requests within a minute"),
    "often_expected": ("每分钟至多 {limit} 次", "at most {limit} a minute"),
    "often_action": ("{seconds} 秒后再试", "try again in {seconds} seconds"),
    "crowded": ("等候的人已有 {count} 位", "{count} visitors are waiting"),
    "crowded_action": ("过一会儿再试", "try again in a while"),
    "long": ("输入了 {count} 字", "the input has {count} characters"),
    "long_expected": ("至多 {limit} 字", "at most {limit} characters"),
    "long_action": ("删短一些", "make it shorter"),
    "many": ("要求一次作 {count} 首", "{count} poems at a time are asked for"),
    "many_expected": ("1 至 {limit} 首", "1 to {limit} poems"),
    "best_of_range": ("要求每首从 {count} 首中取一", "the best of {count} poems is asked for"),
    "best_of_range_expected": ("1 至 {limit}", "1 to {limit}"),
    "no_model": ("没有名为 {name} 的模型", "no model is called {name}"),
    "no_model_expected": ("启动时指定的模型：{names}", "one of those named at the start: {names}"),
    "no_memory": ("内存不足，装不下此模型或写不完此诗", "the memory is too small for this model or this request"),
    "no_memory_action": ("换小一点的模型，或一次少求几首", "choose a smaller model, or ask for fewer poems at a time"),
    "no_draft": ("还没有诗", "there is no poem yet"),
    "no_draft_action": ("先落笔作一首", "write one first"),
    "all_locked": ("全诗都已锁定", "every character is locked"),
    "all_locked_action": ("至少解锁一字，再重写", "unlock at least one, then rewrite"),
    "is_given": ("此字是题中指定的", "this character was asked for"),
    "is_given_action": ("改动所求，或点别的字", "change what is asked for, or tap another"),
    "many_words": ("意象写了 {count} 个", "{count} words to write about are asked for"),
    "many_words_expected": ("至多 {limit} 个", "{limit} at most"),
    "many_words_action": ("删去几个，或勾选「必用此诸字词」", "leave some out, or say that each must stand in the poem"),
    "bound_lines": ("第 {line} 句与别句相叠，不能独改", "line {line} shares words with another, which would change too"),
    "bound_lines_expected": ("第 {lines} 句一同改", "lines {lines} rewritten together"),
    "bound_lines_action": ("请点「推敲全诗」", "press “Polish the whole”"),
    "bad_place": ("诗中没有这个位置", "the poem has no such place"),
    "nothing_pasted": ("还没有贴入诗稿", "nothing is pasted yet"),
    "nothing_pasted_action": ("贴入一首诗，例如四句五言", "paste a poem, e.g. four lines of five characters"),
    "choose_form": ("还没有选体裁", "no form is chosen yet"),
    "choose_form_action": ("选一种体裁或词牌，或在「留白」里给出样式", "choose a form or tune, or give a template with blanks"),
    "no_upper": ("还没有上联", "there is no upper line yet"),
    "no_upper_action": ("写一句上联，由诗斋对下联", "give an upper line; the studio answers it"),
    "bad_seed": ("种子 {value} 不是整数", "the seed {value} is no whole number"),
    "bad_seed_expected": ("0 至 4294967295 的整数，或留空", "a whole number from 0 to 4294967295, or nothing"),
    "password": ("请输入口令（用户名任填）", "Enter the password (any user name)"),
    **TRAINING_TEXTS,
}  # fmt: skip

_VERDICTS: dict[Verdict, tuple[str, str]] = {
    Verdict.STRICT: ("合律", "passes, strict"),
    Verdict.MINOR: ("合律（小拗）", "passes, with minor departures"),
    Verdict.RESCUED: ("合律（拗救）", "passes, with mended departures"),
    Verdict.FAIL: ("出律", "fails"),
    Verdict.NOT_JUDGED: ("不判", "not judged"),
}


def say(key: str, language: Language, **values: Any) -> str:
    """A text in one language, its places filled."""
    text = _TEXTS[key][language != "zh"]
    return text.format(**values) if values else text


def verdict_text(verdict: Verdict, language: Language) -> str:
    """A verdict in one language."""
    return _VERDICTS[verdict][language != "zh"]


def complaint(key: str, language: Language, **values: Any) -> GemmaPoetryError:
    """The error that a key names: its text, with `KEY_expected` and `KEY_action` where they exist."""

    def part(name: str) -> str:
        return say(name, language, **values) if name in _TEXTS else ""

    return UsageError(part(key), expected=part(f"{key}_expected"), action=part(f"{key}_action"))


def preferred_language(accepted: str) -> Language:
    """The language that a browser's `Accept-Language` puts first among ours; Chinese where it names neither."""
    ranked: list[tuple[float, int, Language]] = []
    for place, part in enumerate(accepted.lower().split(",")):
        name, _, weight = part.strip().partition(";q=")
        known: Language | None = "zh" if name.startswith("zh") else "en" if name.startswith("en") else None
        if known:
            try:
                ranked.append((-float(weight or 1), place, known))
            except ValueError:
                continue
    return min(ranked)[2] if ranked else "zh"
