"""Six poems that every model can be asked about: what a run, its base and an export of it make of the same lines.

In: a model and its tokenizer. Out: nats a token of each poem, all its conditions given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.tokenization import encode_poems

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gemma_poetry.model.scoring import CompletionScore


def _quatrain(title: str, author: str, text: str) -> Poem:
    lines = tuple(text.split())
    return Poem(lines, "，。，。", title, author, form=f"{'五七'[len(lines[0]) == 7]}言绝句")


FIXED_POEMS = (
    _quatrain("静夜思", "李白", "床前明月光 疑是地上霜 举头望明月 低头思故乡"),
    _quatrain("登鹳雀楼", "王之涣", "白日依山尽 黄河入海流 欲穷千里目 更上一层楼"),
    _quatrain("鹿柴", "王维", "空山不见人 但闻人语响 返景入深林 复照青苔上"),
    _quatrain("早发白帝城", "李白", "朝辞白帝彩云间 千里江陵一日还 两岸猿声啼不住 轻舟已过万重山"),
    _quatrain("枫桥夜泊", "张继", "月落乌啼霜满天 江枫渔火对愁眠 姑苏城外寒山寺 夜半钟声到客船"),
    _quatrain("江雪", "柳宗元", "千山鸟飞绝 万径人踪灭 孤舟蓑笠翁 独钓寒江雪"),
)


def score_fixed_poems(model: Any, tokenizer: PreTrainedTokenizerBase) -> tuple[float, ...]:
    """Nats a token of each fixed poem."""
    from gemma_poetry.model.scoring import score_completions

    scores: Sequence[CompletionScore] = score_completions(model, list(encode_poems(tokenizer, FIXED_POEMS)))
    return tuple(score.nll / score.tokens for score in scores)
