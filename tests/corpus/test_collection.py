"""A whole collection: nothing leaks, nothing depends on order, and the settings choose without moving poems."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import Collection, build_collection, iterate
from gemma_poetry.errors import SourceError

# Characters that differ between the scripts, and characters with glyph variants, with what stands for them elsewhere.
TRADITIONAL = dict(
    zip("云风飞鸟万里长门关听读书马东龙阳阴闻问觉愿语谁难声", "雲風飛鳥萬裏長門關聽讀書馬東龍陽陰聞問覺願語誰難聲")
)
VARIANT = dict(zip("窗剑雁鸡泪烟闲岩", "窻劒鴈雞淚煙閒巖"))
PLAIN = "山水花月春秋夜江天人不一日有来上中心归去年白青高空清寒"
CHARACTERS = "".join(TRADITIONAL) + "".join(VARIANT) + PLAIN


def lines_of(rng: random.Random, lines: int = 4, length: int = 7) -> list[str]:
    return ["".join(rng.choices(CHARACTERS, k=length)) for _ in range(lines)]


def text(lines: list[str]) -> str:
    return "".join(line + ("，", "。")[index % 2] for index, line in enumerate(lines))


def record(lines: list[str], **known: str) -> dict[str, object]:
    return {"paragraphs": [text(lines)], **known}


def disguised(lines: list[str], rng: random.Random) -> dict[str, list[dict[str, object]]]:
    """Copies of a poem that differ in script, variants, punctuation, title and author, one or two characters, or length.

    By file: a file is in one script, as in real collections.
    """
    traditional = ["".join(TRADITIONAL.get(character, character) for character in line) for line in lines]
    variant = ["".join(VARIANT.get(character, character) for character in line) for line in traditional]
    misread = list(lines)
    misread[0] = rng.choice([character for character in PLAIN if character != lines[0][0]]) + misread[0][1:]
    return {
        "simplified.json": [
            record(lines, title="甲", author="李白"),
            {"paragraphs": ["\n".join(lines)], "title": "乙", "author": "杜甫"},
            record(misread, author="王维"),
            record([*lines[2:], *lines_of(rng, 2)], title="集句"),
        ],
        "traditional.json": [record(traditional, author="無名氏"), record(variant, title="丙", author="蘇軾")],
    }


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[set[str]]]:
    """A source with 40 planted families among 400 other poems, and the source ids of each family."""
    rng = random.Random(11)
    files: dict[str, list[tuple[int, dict[str, object]]]] = {"simplified.json": [], "traditional.json": []}
    for family in range(40):
        for name, records in disguised(lines_of(rng), rng).items():
            files[name] += [(family, one) for one in records]
    files["simplified.json"] += [(-1, record(lines_of(rng), title="外")) for _ in range(400)]
    folder = tmp_path_factory.mktemp("planted")
    families: list[set[str]] = [set() for _ in range(40)]
    for name, members in files.items():
        rng.shuffle(members)
        for number, (family, _) in enumerate(members, 1):
            if family >= 0:
                families[family].add(f"{name}#{number}")
        (folder / name).write_text(json.dumps([one for _, one in members], ensure_ascii=False), encoding="utf-8")
    return folder, families


@pytest.fixture(scope="module")
def settings() -> PrepareSettings:
    return PrepareSettings(validation_share=0.3, test_share=0.3)


@pytest.fixture(scope="module")
def built(planted: tuple[Path, list[set[str]]], settings: PrepareSettings) -> Collection:
    return build_collection(str(planted[0]), settings)


def placed(collection: Collection) -> dict[str, str]:
    return {poem.source_id: split for split, poem in iterate(collection)}


def test_planted_duplicates_are_found_in_one_split(planted: tuple[Path, list[set[str]]], built: Collection) -> None:
    splits, clusters = placed(built), {poem.source_id: poem.cluster_id for _, poem in iterate(built)}
    for family in planted[1]:
        kept = family & set(splits)
        assert len(kept) == 3, "of six copies four are the same text but for script, variants and marks"
        assert len({splits[one] for one in kept}) == 1
        assert len({clusters[one] for one in kept}) == 1
    assert built.exact_duplicates == 40 * 3
    # Were the families split by chance, this many would never all be whole: the others do spread over the splits.
    assert min(Counter(splits.values()).values()) > 100


def test_every_record_is_counted_once(built: Collection) -> None:
    assert built.read == 40 * 6 + 400
    assert built.read == sum(built.rejected.values()) + sum(map(len, built.splits.values()))


def test_poems_are_in_the_script_asked_for(
    planted: tuple[Path, list[set[str]]], settings: PrepareSettings, built: Collection
) -> None:
    simplified = "".join(poem.text for _, poem in iterate(built))
    assert not set(simplified) & set(TRADITIONAL.values())
    other = build_collection(str(planted[0]), settings.model_copy(update={"script": "traditional"}))
    assert placed(other) == placed(built), "the script moves no poem"
    traditional = "".join(poem.text for _, poem in iterate(other))
    # 云 and 里 are traditional characters too, with other meanings.
    assert not set(traditional) & (set(TRADITIONAL) - set("云里"))
    assert {poem.script for _, poem in iterate(other)} == {"traditional"}


@pytest.mark.parametrize(
    "change",
    [{"max_poems": 100}, {"max_poems": 200, "mean_characters": 28.0}, {"forms": ("七言绝句",)}, {"title_dropout": 0.9}],
)
def test_a_choice_moves_no_poem(
    planted: tuple[Path, list[set[str]]], settings: PrepareSettings, built: Collection, change: dict[str, object]
) -> None:
    chosen = build_collection(str(planted[0]), settings.model_copy(update=change))
    whole = placed(built)
    assert placed(chosen)
    assert all(whole[one] == split for one, split in placed(chosen).items())
    assert chosen.read == sum(chosen.rejected.values()) + sum(map(len, chosen.splits.values()))


def test_length_limits_move_no_poem_and_change_no_cluster(
    planted: tuple[Path, list[set[str]]], settings: PrepareSettings, built: Collection
) -> None:
    limited = build_collection(str(planted[0]), settings.model_copy(update={"max_characters": 28, "min_characters": 28}))
    clusters = {poem.source_id: poem.cluster_id for _, poem in iterate(built)}
    assert {poem.source_id: poem.cluster_id for _, poem in iterate(limited)} == clusters
    nothing = settings.model_copy(update={"min_characters": 29})
    with pytest.raises(SourceError, match="none of its 640 records can be kept") as caught:
        build_collection(str(planted[0]), nothing)
    assert "too short: " in caught.value.found


def test_two_runs_are_equal(planted: tuple[Path, list[set[str]]], settings: PrepareSettings, built: Collection) -> None:
    assert build_collection(str(planted[0]), settings) == built


def test_clusters_depend_on_poems_not_on_their_order(
    planted: tuple[Path, list[set[str]]], settings: PrepareSettings, built: Collection, tmp_path: Path
) -> None:
    for path in planted[0].iterdir():
        records = json.loads(path.read_text(encoding="utf-8"))
        (tmp_path / path.name).write_text(json.dumps(records[::-1], ensure_ascii=False), encoding="utf-8")
    reversed_ = build_collection(str(tmp_path), settings)

    def splits_by_cluster(collection: Collection) -> set[tuple[str, str]]:
        return {(poem.cluster_id, split) for split, poem in iterate(collection)}

    assert splits_by_cluster(reversed_) == splits_by_cluster(built)


def write(path: Path, *records: dict[str, object]) -> str:
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in records), encoding="utf-8")
    return str(path)


def test_everything_known_of_a_poem_is_kept(tmp_path: Path) -> None:
    source = write(
        tmp_path / "p.jsonl",
        {
            "title": "靜夜思二首 一",
            "author": "李白（701）",
            "dynasty": "唐",
            "paragraphs": ["牀前看月光，疑是地上霜。", "舉頭望山月，低頭思故鄉。"],
        },
        {"rhythmic": "长相思", "author": "纳兰性德", "lines": ["山一程", "水一程", "身向榆关那畔行"], "marks": "，，。"},
        {"title": "夢", "text": "花非花，霧非霧。", "form": "词"},
        {"title": "句", "text": "古人重到今人爱，万局都无一局同。"},
        {"title": "残", "text": "花在枝□，春日迟迟去。"},
    )
    built = build_collection(source, PrepareSettings(min_characters=6, validation_share=0, test_share=0))
    first, second, third = built.train
    assert (first.title, first.author, first.era, first.form) == ("静夜思", "李白", "唐", "五言绝句")
    assert first.lines == ("床前看月光", "疑是地上霜", "举头望山月", "低头思故乡")
    assert (first.marks, first.source_id, first.script) == ("，。，。", "p.jsonl#1", "simplified")
    assert (second.form, second.tune, second.kind, second.marks) == ("词", "长相思", "长相思", "，，。")
    assert (third.form, third.tune, third.title) == ("词", "", "梦")
    assert built.rejected == {"fragment (句)": 1, "lost characters (□ ？ …)": 1}


@pytest.mark.parametrize(
    ("script", "tune", "subject"), [("simplified", "浣溪沙", "姜女庙"), ("traditional", "浣溪沙", "姜女廟")]
)
def test_a_ci_of_ones_own_is_known_by_title_and_shape(tmp_path: Path, script: str, tune: str, subject: str) -> None:
    (tmp_path / "ci.txt").write_text(
        "浣溪沙·姜女庙\n海色残阳影断霓，寒涛日夜女郎祠。翠钿尘网上蛛丝。澄海楼高空极目，望夫石在且留题。六王如梦祖龙非。\n\n"
        "浣溪沙·伪\n海色残阳影断霓，寒涛日夜女郎祠。",
        encoding="utf-8",
    )
    settings = PrepareSettings.model_validate({"script": script, "validation_share": 0, "test_share": 0})
    genuine, other = build_collection(str(tmp_path), settings).train
    assert (genuine.form, genuine.tune, genuine.title) == ("词", tune, subject)
    assert (other.form, other.tune) == ("七言古诗", "")


@pytest.mark.parametrize("script", ["simplified", "traditional"])
def test_the_shape_decides_and_not_the_title(tmp_path: Path, script: str) -> None:
    (tmp_path / "own.csv").write_text(
        "title,text\n"
        "浣溪沙,山下兰芽短浸溪，松间沙路净无泥。萧萧暮雨子规啼。谁道人生无再少，门前流水尚能西。休将白发唱黄鸡。\n"
        "出塞,秦时明月汉时关，万里长征人未还。但使龙城飞将在，不教胡马度阴山。\n"
        "浪淘沙,九曲黄河万里沙，浪淘风簸自天涯。如今直上银河去，同到牵牛织女家。\n"
        "江南曲,嫁得瞿塘贾，朝朝误妾期。早知潮有信，嫁与弄潮儿。\n"
        "渔歌子,西塞山前白鹭飞，桃花流水鳜鱼肥。青箬笠，绿蓑衣，斜风细雨不须归。\n",
        encoding="utf-8",
    )
    settings = PrepareSettings.model_validate({"script": script, "validation_share": 0, "test_share": 0})
    found = [poem.kind for poem in build_collection(str(tmp_path), settings).train]
    fisher = {"simplified": "渔歌子", "traditional": "漁歌子"}[script]
    assert found == ["浣溪沙", "七言绝句", "七言绝句", "五言绝句", fisher]


def test_a_prepared_folder_can_be_a_source(tmp_path: Path, built: Collection) -> None:
    for name, poems in built.splits.items():
        write(tmp_path / f"{name}.jsonl", *(poem.to_record() for poem in poems))
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "stats.json").write_text('{"kept": 1}')
    (tmp_path / "train.txt").write_text("体 裁\t春 。")
    again = build_collection(str(tmp_path), PrepareSettings(validation_share=0.3, test_share=0.3))
    assert {(poem.cluster_id, poem.text) for poem in again.test} == {(poem.cluster_id, poem.text) for poem in built.test}


@pytest.mark.collection
@pytest.mark.slow
def test_the_real_collection(collection: Path) -> None:
    built = build_collection(str(collection), PrepareSettings())
    kept = [poem for _, poem in iterate(built)]
    assert len(kept) > 290_000
    assert built.read == len(kept) + sum(built.rejected.values())
    split_of: dict[str, str] = {}
    for split, poem in iterate(built):
        assert split_of.setdefault(poem.cluster_id, split) == split
    assert max(Counter(poem.cluster_id for poem in kept).values()) < 100, "no chain of common lines joins half the collection"
    assert {"七言绝句", "五言律诗", "七言律诗", "五言绝句", "词"} <= {poem.form for poem in kept}
