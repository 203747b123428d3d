"""How haiku that everybody knows fare under the check of morae, and the same words with their lines cut elsewhere.

In: nothing; the extra `japanese`. Out: a Markdown table on standard output. Run from the repository's root:

    python -m benchmarks.haiku

Haiku by Bashō, Chiyo-ni, Sodō, Ransetsu, Buson, Issa, Shiki and Kyoshi, in the spelling of modern editions. Those that are
known to have a line of other length (字余り) stand apart: there `fail` is right.
"""

from __future__ import annotations

import random
from collections import Counter

from gemma_poetry.domains.registry import load_domain

REGULAR = """古池や 蛙飛びこむ 水の音
閑さや 岩にしみ入る 蝉の声
夏草や 兵どもが 夢の跡
荒海や 佐渡に横たふ 天の川
五月雨を 集めて早し 最上川
この道や 行く人なしに 秋の暮
秋深き 隣は何を する人ぞ
名月や 池をめぐりて 夜もすがら
山路来て 何やらゆかし すみれ草
さまざまの 事思ひ出す 桜かな
朝顔に 釣瓶とられて もらひ水
菜の花や 月は東に 日は西に
春の海 終日のたり のたりかな
夏河を 越すうれしさよ 手に草履
痩蛙 負けるな一茶 これにあり
我と来て 遊べや親の ない雀
雪とけて 村いっぱいの 子どもかな
柿食へば 鐘が鳴るなり 法隆寺
いくたびも 雪の深さを 尋ねけり
赤とんぼ 筑波に雲も なかりけり
鶏頭の 十四五本も ありぬべし
遠山に 日の当りたる 枯野かな
桐一葉 日当りながら 落ちにけり
去年今年 貫く棒の 如きもの""".splitlines()
LONGER = """目には青葉 山時鳥 初鰹
旅に病んで 夢は枯野を かけ廻る
梅一輪 一輪ほどの 暖かさ
雀の子 そこのけそこのけ お馬が通る
月天心 貧しき町を 通りけり
牡丹散りて 打ち重なりぬ 二三片""".splitlines()
CUTS = 3
VERDICTS = ("strict", "minor", "rescued", "not-judged", "fail")


def main() -> None:
    """Prints one row a kind."""
    domain, draw = load_domain("japanese-haiku"), random.Random(1)
    kinds = {
        "5-7-5": [haiku.split() for haiku in REGULAR],
        "a line of other length": [haiku.split() for haiku in LONGER],
        "regular ones cut elsewhere": [cut for haiku in REGULAR for cut in _cut(haiku.replace(" ", ""), haiku.split(), draw)],
    }
    print(f"| haiku | n | {' | '.join(VERDICTS)} |\n|---|--:|{'--:|' * len(VERDICTS)}")
    for kind, poems in kinds.items():
        found = [domain.check(poem, domain.forms[0]).to_record() for poem in poems]
        counts = Counter(one["verdict"] for one in found)
        print(f"| {kind} | {len(poems)} | {' | '.join(str(counts[verdict]) for verdict in VERDICTS)} |")
        for poem, one in zip(poems, found):
            if one["verdict"] in ("rescued", "not-judged", "fail") and len(poems) <= len(REGULAR):
                told = [f"{own['expected']} → {own['actual']}" for own in (*one["licences"], *one["faults"])]
                print(f"<!-- {' '.join(poem)}: {one['verdict']} {'; '.join(told)} -->")


def _cut(text: str, kept: list[str], draw: random.Random) -> list[list[str]]:
    """The same text in three lines, cut at other places."""
    places = [sorted(draw.sample(range(1, len(text)), 2)) for _ in range(CUTS)]
    cut = [[text[:first], text[first:second], text[second:]] for first, second in places]
    return [lines for lines in cut if lines != kept]


if __name__ == "__main__":
    main()
