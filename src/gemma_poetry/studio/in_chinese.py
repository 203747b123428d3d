"""What the engine says to a terminal in English, as the page says it: in Chinese on the Chinese page.

In: a message of an error, a remark, an advice. Out: the same in Chinese, where its wording is known here; else as it is, for
a message that is read with effort is better than none.
"""

from __future__ import annotations

import re

from gemma_poetry.studio.texts import Language

_REFUSAL = re.compile(r"(?P<form>\S+) cannot be written so: (?P<reasons>.+)")
_PATTERNS = re.compile(r"(?P<reason>.+?) \((?P<patterns>[^()]*[起韵字体][^()]*)\)")
_WISHES = {
    "the first line": "首句",
    "the acrostic": "藏头",
    "the acrostic of last characters": "藏尾",
    "the template": "留白",
    "the rhyme words": "韵脚字",
}
_WISH = "(" + "|".join(sorted(map(re.escape, _WISHES), key=len, reverse=True)) + ")"

# Each message whole, its changing parts as groups.
_TABLE: tuple[tuple[str, str], ...] = (
    # wishes
    (f"{_WISH} has (\\d+) characters, (\\S+) has (\\d+) lines", r"\1有 \2 字，\3 只有 \4 句"),
    (f"{_WISH} has '(.+)' at character (\\d+)", r"\1第 \3 字「\2」不是汉字"),
    (f"line (\\d+), character (\\d+): {_WISH} asks for (.), {_WISH} for (.)", r"第 \1 句第 \2 字：\3要「\4」，\5要「\6」"),
    (r"the first line has (\d+) characters, line 1 of (\S+) has (\d+)", r"首句有 \1 字，\2 首句应有 \3 字"),
    (r"the word '(.*)' is asked for", r"所求之词「\1」不是汉字"),
    (r"words of Han characters only", "只用汉字之词"),
    (r"(\S) has no known reading, so no tone can be kept with it", r"「\1」音读未详，无从合律"),
    (r"the word (\S+) is longer than every line of (\S+)", r"「\1」比 \2 每一句都长"),
    (r"the word (\S+) fits no place of (\S+): its tones \((.*)\) do not go there under every reading",
     r"「\1」在 \2 中无处可放：其平仄（\3）依各种读音皆不合"),
    (r"every place of (\S+) whose tones the word (\S+) has is taken or rhymes otherwise by what else is asked",
     r"\1 中合「\2」平仄之处已为他求所占，或韵脚不同"),
    (r"no pattern of (\S+) has a place for each of (.+)", r"\1 没有一种格式容得下 \2"),
    (r"(\S+) has a place for each of (.+), but not for all of them together", r"\1 容得下 \2 之任一，却容不下全部"),
    (r"words that the form has a place for|words that one pattern has places for|words that leave room for each other",
     "换用此体裁容得下的字词"),
    (r"choose another word, form or pattern.*|ask for fewer words, or .*", "少求几词，或换词、换体裁"),
    (r"(\S) of the word (\S+) is no character of the model's vocabulary", r"「\2」之「\1」不在模型词表中"),
    (r"words that the model can write", "换用模型写得出的字词"),
    (r"ask with byte_characters \(--byte-characters\), or choose another word", "换一个词"),
    (r"the template has (\d+) lines, (\S+) has (\d+)", r"留白有 \1 句，\2 只有 \3 句"),
    (r"line (\d+) of the template has (\d+) characters, (\S+) has (\d+) there", r"留白第 \1 句有 \2 字，\3 此句应有 \4 字"),
    (r"the template is empty", "留白是空的"),
    (r"(\d+) rhyme words are given, (\S+) rhymes (\d+) times", r"给了 \1 个韵脚字，\2 有 \3 个韵脚"),
    (r"line (\d+) repeats line (\d+), but other characters or tones are asked of them", r"第 \1 句叠第 \2 句，所求却不相同"),
    # what a form allows
    (r"line (\d+), character (\d+): (.) is read 平 and 仄, the tone (.) is asked for .*",
     r"第 \1 句第 \2 字：「\3」平仄两读，此处须\4"),
    (r"line (\d+), character (\d+): (.) does not have the tone (.)", r"第 \1 句第 \2 字：「\3」不是\4声，此处须\4"),
    (r"line (\d+), character (\d+): (.) does not have a rhyme", r"第 \1 句第 \2 字：「\3」不能入韵"),
    (r"line (\d+), character (\d+): (.) has readings in several rhymes .*", r"第 \1 句第 \2 字：「\3」有数读，分属不同的韵"),
    (r"line (\d+), character (\d+): (.) has no known reading, .* is asked for", r"第 \1 句第 \2 字：未知「\3」之音"),
    (r"line (\d+), character (\d+): no character at hand has .*", r"第 \1 句第 \2 字：没有合用的字"),
    (r"line (\d+), character (\d+): '(.)' cannot be written with the model's vocabulary",
     r"第 \1 句第 \2 字：模型的字表里没有「\3」"),
    (r"lines ([\d, ]+): a rhyme word comes twice in (.+)", r"第 \1 句：韵脚字重复（\2）"),
    (r"lines ([\d, ]+): no rhyme group has words for all of them with (.+)", r"第 \1 句：\2 不在同一韵部"),
    (r"lines ([\d, ]+): no rhyme group has words for all of them", r"第 \1 句：没有一个韵部够用"),
    (r"lines ([\d, ]+): cannot rhyme in (\S+): (.+) is not in it", r"第 \1 句：\3 不属 \2"),
    (r"lines ([\d, ]+): cannot rhyme in (\S+): it has too few words at hand", r"第 \1 句：\2 可用的字太少"),
    (r"(\S+) is no level rhyme", r"\1 不是平声韵"),
    (r"a level rhyme, as (\S+) has", r"平声韵，如 \1 所用"),
    (r"choose one of (一东 .+)", r"在平声三十韵中选一个：\1"),
    (r"(\d+) rhymes are asked for, (\S+) has (\d+)", r"求 \1 个韵，\2 只有 \3 个"),
    (r"(\S+) has no group '(.+)'", r"\1 没有名为「\2」的韵部"),
    (r"no rhyme book is called '(.+)'", r"没有名为「\1」的韵书"),
    (r"no pattern is called '(.+)'", r"没有名为「\1」的格式"),
    (r"choose one of these, or a word of its name", "选其中之一，或其名中的一个词"),
    (r"a pattern is asked for, and free metre too", "既求格式，又求不拘平仄"),
    (r"leave one of them out", "去掉其中一项"),
    (r"wishes that at least one pattern of the form can meet", "所求至少合于此体裁的一种格式"),
    (r"change the wish that is named, or choose another form or pattern", "改动上述所求，或换体裁、格式"),
    (r"a poem of (-?\d+) lines is asked for", r"求 \1 句的诗"),
    (r"1 to (\d+) lines", r"1 至 \1 句"),
    (r"(\S+) has no shape of its own", r"\1 没有固定的样式"),
    (r"a form with a shape, a 词牌, or a template that gives the shape", "有固定样式的体裁、词牌，或以留白给出样式"),
    (r"no form or tune \(词牌\) is called '(.+)'", r"没有名为「\1」的体裁或词牌"),
    (r"one of (.+), or one of (\d+) tunes", r"\1，或 \2 个词牌之一"),
    (r"the tune (\S+) has no template: (\d+) poems, too few or too unlike each other",
     r"词牌 \1 没有格律：语料中只有 \2 首，太少或不齐"),
    (r"a tune with at least (\d+) poems of a common pattern", r"至少有 \1 首同格之词的词牌"),
    (r"did you mean (.+)\?", r"是不是 \1？"),
    (r"Han characters only", "只用汉字"),
    (r"Han characters, □ for blanks, ， and 。", "汉字，□ 表空白，以及，。"),
    (r"e\.g\. (.+)", r"例：\1"),
    (r"at most (\d+)", r"至多 \1"),
    (r"at least one line", "至少一句"),
    (r"leave (?:some|the rhyme) out", "去掉一些韵"),
    (r"(\S+) met a dead end (\d+) times", r"\1 写了 \2 次都走到死路"),
    (r"a way to finish the poem under all that was asked of it", "在所有要求之下能写完此诗"),
    (r"ask for less at once, try another seed, or allow more characters or known lines", "少求一些，或换一个种子再试"),
    # poems to check
    (r"line (\d+) \((.+)\) has (\d+) characters", r"第 \1 句（\2）有 \3 字"),
    (r"(\d+) characters in each line, as (\S+) has", r"每句 \1 字，如 \2"),
    (r"the poem has (\d+) lines", r"全诗有 \1 句"),
    (r"(\d+) lines, as (\S+) has", r"\1 句，如 \2"),
    (r"there is one line only \((.+)\)", r"只有一句（\1）"),
    (r"a poem of two lines at least", "至少两句的诗"),
    (r"give the whole poem, its lines apart by punctuation or white space", "贴入全诗，各句以标点或空格分开"),
    (r"mend the (?:line|poem), or name another form", "改好它，或另选体裁"),
    (r"it cannot be read: .*", "读不出诗句"),
    (r"lines of Chinese characters, apart by punctuation or white space", "汉字诗句，以标点或空格分开"),
    (r"take everything else out", "去掉其他内容"),
    # remarks and advice
    (r"as ancient verse \(古体\), which asks for rhyme alone, it passes", "若作古体论（只论押韵），则合"),
    (r"(\S+) has no rule to judge by", r"\1 无格律可依"),
    (r"(\d+) lines are too few to tell a rhyme", r"只有 \1 句，看不出韵"),
    (r"no tune \(词牌\) fits the lines: name one", "没有词牌与句式相合，请指定一个"),
    (r"(\S+) has (\d+) poems in the corpus, fewer than the (\d+) that a template needs",
     r"语料中 \1 只有 \2 首，不足 \3 首，故不判"),
    (r"the (\d+) poems of (\S+) in the corpus have no pattern in common", r"语料中 \2 的 \1 首没有共同格律，故不判"),
    (r"对仗 of lines (\d+) and (\d+): parallel, (\d+) of (\d+) places", r"第 \1、\2 句对仗：工整，\4 处中 \3 处相对"),
    (r"对仗 of lines (\d+) and (\d+): hardly parallel, (\d+) of (\d+) places", r"第 \1、\2 句对仗：不甚工，\4 处中 \3 处相对"),
    (r"对仗: (\d+) of (\d+) middle couplets are parallel", r"对仗：中间 \2 联有 \1 联相对"),
    (r"line (\d+), position (\d+): (\d+)% of (\d+) poems have (.) here", r"第 \1 句第 \2 字：\4 首中百分之 \3 此处用\5"),
    (r"build lines (\d+) and (\d+) as (\S+) (\S+), or those before them on the other pattern",
     r"第 \1、\2 句改作 \3 \4，或改其前两句"),
    (r"build line (\d+) as (\S+)", r"第 \1 句改作 \2"),
    (r"put (.) there", r"此处用「\1」"),
    # models that cannot be loaded
    (r"no model is called '(.+?)'(?: \(.+\))?", r"没有名为「\1」的模型"),
    (r"`mini`, a RUN folder, a model folder, a GGUF file, (\S+), or a Hub id such as (.+)",
     r"mini、RUN 文件夹、模型文件夹、GGUF 文件、\1，或 Hub 上的名称（如 \2）"),
    (r"check the name; a folder or file must exist", "检查名称；文件夹或文件必须存在"),
    (r"the folder has no readable config\.json(?: \(.+\))?", "文件夹里没有可读的 config.json"),
    (r"a Gemma checkpoint folder", "Gemma 模型的文件夹"),
    (r"name the folder that config\.json lies in, or download the checkpoint again",
     "指定 config.json 所在的文件夹，或重新下载模型"),
    (r"the model is of type '(.*)'", r"此模型的类型是「\1」，不是 Gemma"),
    (r"one of (gemma.*)", r"\1 之一"),
    (r"name a Gemma checkpoint", "改用 Gemma 模型"),
    (r"the configuration asks for code from its repository \(auto_map\)", "此模型的配置要运行它自带的代码（auto_map），已拒绝"),
    (r"a model class that transformers itself has", "transformers 自有的模型类"),
    (r"use the original Gemma checkpoint", "改用原版 Gemma 模型"),
    (r"config\.json cannot be read as a (.+) configuration \((.+)\)", r"config.json 不是可用的 \1 配置（\2）"),
    (r"download config\.json again", "重新下载 config.json"),
    (r"the folder is a KerasHub preset, in the format of Keras", "此文件夹是 KerasHub 的 Keras 格式"),
    (r"a checkpoint in the format of transformers", "transformers 格式的模型"),
    (r"train on it with --backend keras: RUN/merged is then such a checkpoint",
     "用 --backend keras 训练之后，RUN/merged 即是此种模型"),
    (r"the folder has no weights", "文件夹里没有权重"),
    (r"model\.safetensors, or its shards with their index", "model.safetensors，或其分片与索引"),
    (r"(\d+) of (\d+) shards are missing: (.+)", r"权重缺 \1 个分片（共 \2 个）：\3"),
    (r"(\d+) tensors that (\S+) promises are not in it: (.+)", r"\2 所列的张量缺 \1 个：\3"),
    (r"all shards of the checkpoint", "全部分片"),
    (r"the file has no readable safetensors header(?: \(.+\))?", "权重文件开头损坏"),
    (r"the file has (\d+) bytes", r"权重文件只有 \1 字节"),
    (r"(\d+) bytes", r"\1 字节"),
    (r"the weights are pickled \((.+)\)", r"权重是 pickle 格式（\1），已拒绝"),
    (r"\*\.safetensors; unpickling can run any code", "*.safetensors；读取 pickle 会运行任意代码"),
    (r"convert them with safetensors in a sandbox, or get a safetensors copy",
     "在隔离环境里转成 safetensors，或另取 safetensors 版"),
    (r"the weights are not those of the (.+) model that config\.json describes: (.+)",
     r"权重与 config.json 所述的 \1 模型不符：\2"),
    (r"(\d+) weights are missing \(first: (\S+)\)", r"缺 \1 个（首个 \2）"),
    (r"(\d+) have no place \(first: (\S+)\)", r"多 \1 个（首个 \2）"),
    (r"(\d+) weights are missing \(first: (\S+)\), (\d+) have no place \(first: (\S+)\)",
     r"缺 \1 个（首个 \2），多 \3 个（首个 \4）"),
    (r"config\.json and weights of one and the same checkpoint, complete", "同一模型的、完整的 config.json 与权重"),
    (r"(\d+) of (\d+) weights hold NaN or an infinity, the first of them (.+)", r"\2 个权重中有 \1 个不是有限的数，首个是 \3"),
    (r"finite weights", "有限的权重"),
    (r"download the checkpoint again, or go back to the checkpoint that it was trained from",
     "重新下载模型，或回到训练前的模型"),
    (r"download the (?:whole )?checkpoint again", "重新下载整个模型"),
    (r"download it again", "重新下载此文件"),
    (r"the tokenizer cannot be read \((.+)\)", r"分词器读不出来（\1）"),
    (r"tokenizer\.json or tokenizer\.model of a Gemma checkpoint", "Gemma 模型的 tokenizer.json 或 tokenizer.model"),
    (r"the chat template ends turns with (\S+), which is no piece of the tokenizer",
     r"对话模板以 \1 结束，分词器却没有此符号：二者不是一套"),
    (r"template and tokenizer of one checkpoint", "同一模型的模板与分词器"),
    (r"the tokenizer has no (end|begin)-of-sequence token", "分词器没有句首或句末符号"),
    (r"an? (<\w+>) token, as every Gemma has", r"\1，凡 Gemma 都有"),
    (r"download the checkpoint's tokenizer files again", "重新下载此模型的分词器文件"),
    (r"the run has no manifest that names its base model(?: \(.+\))?", "此次训练没有记下所用的原模型"),
    (r"a run whose training has ended: the manifest is written last", "已经训练完的 RUN：清单在最后写下"),
    (r"end its training \(gemma-poetry train with the same options and --resume\), or name another run",
     "用 --resume 训练到底，或指定别的 RUN 文件夹"),
    (r"the adapter has no weights", "适配器没有权重"),
    (r"resume the training", "继续训练（--resume）"),
    (r"the adapter does not fit the base model '(.+)': (.+)", r"适配器与原模型「\1」不合：\2"),
    (r"the base model's weights are others than those that it was trained on", "原模型的权重已非训练时的权重"),
    (r"(\d+) tensors are missing and (\d+) have no place, the first of them (.+)", r"缺 \1 个张量，多 \2 个，首个是 \3"),
    (r"'(.+)' as it was when the adapter was trained on it", r"训练适配器时的「\1」"),
    (r"put that base model back in its place, or train again on the one that is there",
     "换回当时的原模型，或在现有模型上重新训练"),
    (r"(\S+) is not on the Hub, or is private", r"Hub 上没有 \1，或未公开"),
    (r"a public repository, or one that your token may read", "公开的仓库，或令牌有权读取的仓库"),
    (r"check the spelling; for a private repository set HF_TOKEN to a read token",
     "检查拼写；未公开的仓库须把 HF_TOKEN 设为有读取权的令牌"),
    (r"(\S+) has no revision '(.+)'", r"\1 没有版本「\2」"),
    (r"(\S+) is gated, and no token is set", r"\1 须先同意条款，而此处没有设令牌"),
    (r"(\S+) is gated, and the account of the token in use may not read it", r"\1 须先同意条款，所用令牌的账户无权读取"),
    (r"an account that accepted its terms .*", "已同意其条款的账户（google/gemma-* 为 Google 的 Gemma 使用条款）"),
    (r"accept the terms at (\S+), then set HF_TOKEN to a read token of that account \((\S+)\)",
     r"在 \1 同意条款，再把 HF_TOKEN 设为该账户的读取令牌（\2）"),
    (r"accept the terms at (\S+) with the account that HF_TOKEN belongs to; .*",
     r"用 HF_TOKEN 所属的账户在 \1 同意条款；细分权限的令牌还须有读取受限仓库之权"),
    (r"(\S+) cannot be reached, and is not complete in the cache \((.+)\)", r"连不上 \1，缓存里也不完整（\2）"),
    (r"HF_HUB_OFFLINE is set", "已设 HF_HUB_OFFLINE"),
    (r"a network connection, or the checkpoint in a folder", "网络连接，或放在文件夹里的模型"),
    (r"check the name and the network .*", "检查名称与网络（HF_ENDPOINT 可设镜像），或在别处下载后指定其文件夹"),
)  # fmt: skip
# Advice that speaks of the command line, as the page can follow it: Chinese, English.
_ON_THE_PAGE: dict[str, tuple[str, str]] = {
    "give --template, e.g. □□□□，□□□□□□。, or choose another form": (
        "在「留白」里给出样式，例：□□□□，□□□□□□。，或另选体裁",
        "give a template with blanks, e.g. □□□□，□□□□□□。, or choose another form",
    ),
    "see `gemma-poetry tunes list`": ("在列表里选一个", "choose one of the list"),
    "choose one of `gemma-poetry tunes list`, or induce templates from a larger corpus": (
        "在列表里另选一个词牌",
        "choose another tune of the list",
    ),
    "name a form, e.g. --form 七言绝句": ("选一种体裁，例：七言绝句", "choose a form, e.g. 七言绝句"),
}
_COMPILED = tuple((re.compile(pattern), said) for pattern, said in _TABLE)


def translated(text: str, language: Language) -> str:
    """A message of the engine in the language of the page."""
    if text in _ON_THE_PAGE:
        return _ON_THE_PAGE[text][language != "zh"]
    if language != "zh":
        return text
    if refusal := _REFUSAL.fullmatch(text):
        reasons = [_reason(part) for part in refusal["reasons"].split("; ")]
        return f"{refusal['form']} 不能这样写：" + "；".join(reasons)
    return _said(text)


def _reason(text: str) -> str:
    said = _said(text)
    if said == text and (found := _PATTERNS.fullmatch(text)):
        return f"{_said(found['reason'])}（{found['patterns'].replace(', ', '、')}）"
    return said


def _said(text: str) -> str:
    for pattern, said in _COMPILED:
        if found := pattern.fullmatch(text):
            return re.sub(r"\\(\d)", lambda group: _word(found[int(group[1])]), said)
    return text


def _word(text: str) -> str:
    """A changing part of a message: a wish, a message of its own (a reason within an error), or as it is."""
    return (_WISHES.get(text) or _said(text)).replace(", ", "、")
