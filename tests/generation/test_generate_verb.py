"""What `generate` prints and writes."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gemma_poetry.artifacts import write_jsonl
from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import DataError, InputError, OutputError, UnknownFormError, UsageError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.written import WrittenPoem
from gemma_poetry.model import loading, locating
from gemma_poetry.studio.glyphs import face
from gemma_poetry.verbs.generate import GenerateOptions, generate, read_poem_to_answer


@pytest.fixture
def loaded(monkeypatch, tiny, tokenizer):
    monkeypatch.setattr(locating, "locate", lambda spec: "/nowhere")
    monkeypatch.setattr(
        loading, "load_model", lambda spec, **_: SimpleNamespace(adapted=False, model=tiny, tokenizer=tokenizer)
    )


@pytest.mark.parametrize(
    ("title", "author", "expected"),
    [
        ("", "", "空山，\n新雨。"),
        ("秋夜", "", "《秋夜》\n空山，\n新雨。"),
        ("秋夜", "王维", "《秋夜》　拟王维\n空山，\n新雨。"),
    ],
)
def test_plain(title, author, expected):
    poem = Poem(("空山", "新雨"), "，。", title=title, author=author, form="试")
    expected = expected.replace("，\n", "，")
    assert str(WrittenPoem(poem, 1, None, None)) == expected


def test_json_lines_on_standard_output_and_nothing_else(loaded, capsys):
    options = GenerateOptions("tiny", PoemRequest("七绝", title="空山", author="王维"), count=3, seed=5, as_json=True)
    assert generate(options) == 3
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for record in records:
        assert record["title"] == "空山" and record["form"] == "七言绝句" and record["author"] == "王维"
        assert record["script"] == "simplified" and record["seed"] == 5
        assert [len(line) for line in record["lines"]] == [7] * 4


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"beams": 4, "best_of": 8}, "best_of=8 is asked for, and also beams=4"),
        ({"best_of": 8, "settings": GenerateSettings(temperature=0)}, "best_of=8 is asked for, and also temperature=0"),
        ({"settings": GenerateSettings(temperature=0, effort=3)}, "effort=3 is asked for, and also temperature=0"),
        ({"beams": 2, "settings": GenerateSettings(effort=4)}, "effort=4 is asked for, and also beams=2"),
        ({"best_of": 20, "settings": GenerateSettings(effort=4)}, "effort=4 is asked for, and also best_of=20"),
    ],
)
def test_drafts_that_would_all_be_one_are_refused(loaded, options, found):
    with pytest.raises(UsageError, match=found):
        generate(GenerateOptions("tiny", PoemRequest("五绝"), **options))
    with pytest.raises(UsageError, match="best_of=8"):
        generate(GenerateOptions("tiny", PoemRequest("haiku"), domain="english-verse", beams=4, best_of=8))


def test_an_effort_that_nobody_asked_for_is_no_wish(loaded, capsys):
    for settings, beams in ((GenerateSettings(temperature=0), 1), (GenerateSettings(), 2), (GenerateSettings(effort=1), 2)):
        assert generate(GenerateOptions("tiny", PoemRequest("五绝"), settings=settings, beams=beams, seed=1)) == 1


def test_plain_poems_stand_apart(loaded, capsys):
    assert generate(GenerateOptions("tiny", PoemRequest("五绝"), count=2)) == 2
    poems = capsys.readouterr().out.strip().split("\n\n")
    assert [len(poem.replace("\n", "")) for poem in poems] == [24, 24]


def test_a_file_is_written_whole(loaded, tmp_path, capsys):
    out = tmp_path / "new" / "poems.jsonl"
    assert generate(GenerateOptions("tiny", PoemRequest("五绝"), count=5, out=out)) == 5
    assert capsys.readouterr().out == ""
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 5 and all(len(record["lines"]) == 4 for record in records)


@pytest.mark.parametrize(
    ("name", "options", "read"),
    [
        ("poems.jsonl", {}, lambda text: [json.loads(line)["title"] for line in text.splitlines()]),
        ("poems.JSON", {}, lambda text: [record["title"] for record in json.loads(text)]),
        ("poems.txt", {"as_json": True}, lambda text: [json.loads(line)["title"] for line in text.splitlines()]),
        ("poems.txt", {}, lambda text: [poem.splitlines()[0].strip("《》") for poem in text.split("\n\n")]),
        ("poems", {}, lambda text: [poem.splitlines()[0].strip("《》") for poem in text.split("\n\n")]),
        ("poems.md", {"annotated": True}, lambda text: ["空山"] * (text.count("《空山》") if "平" in text else 0)),
    ],
)
def test_the_ending_says_what_a_file_holds(loaded, tmp_path, name, options, read):
    out = tmp_path / name
    assert generate(GenerateOptions("tiny", PoemRequest("五绝", title="空山"), count=2, out=out, **options)) == 2
    assert read(out.read_text(encoding="utf-8")) == ["空山", "空山"]


def test_a_file_that_exists_is_replaced_only_if_that_is_said(loaded, tmp_path):
    out = tmp_path / "poems.txt"
    out.write_text("mine")
    with pytest.raises(OutputError, match="the file exists"):
        generate(GenerateOptions("no such model", PoemRequest("五绝"), out=out))
    assert out.read_text() == "mine"
    generate(GenerateOptions("tiny", PoemRequest("五绝"), out=out, overwrite=True))
    assert out.read_text().count("。") == 2


@pytest.mark.parametrize("record", ['{"title": "无题"}', '{"lines": "春江"}', "7", '{"lines": ["春江"], "marks": "，。"}'])
def test_a_record_that_is_no_poem_is_told_with_its_line(loaded, tmp_path, record):
    good = Poem(("春江", "花月"), "，。").to_record()
    (tmp_path / "train.jsonl").write_text(json.dumps(good) + "\n" + record + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="not the record of a poem") as caught:
        generate(GenerateOptions("tiny", PoemRequest("五绝"), data=tmp_path))
    assert caught.value.where == f"{tmp_path / 'train.jsonl'}:2"


def test_impossible_wishes_are_told_before_a_model_is_loaded():
    with pytest.raises(UnknownFormError):
        generate(GenerateOptions("no such model", PoemRequest("十言绝句")))
    with pytest.raises(UsageError, match="-n 0"):
        generate(GenerateOptions("no such model", PoemRequest("五绝"), count=0))


def test_the_scansion_is_told_and_the_poem_strict(loaded, capsys):
    generate(GenerateOptions("tiny", PoemRequest("五律"), count=3, as_json=True))
    for line in capsys.readouterr().out.splitlines():
        record = json.loads(line)
        assert record["scansion"]["verdict"] == "strict" and record["scansion"]["every_reading"] is True
        assert record["ppl_char"] > 1 and record["nearest_line"] is None


def test_annotated_poems_show_tones_and_rhyme(loaded, capsys):
    generate(GenerateOptions("tiny", PoemRequest("五绝", title="空山"), annotated=True))
    shown = capsys.readouterr().out
    assert "《空山》" in shown and "平" in shown and "仄" in shown and "韵" in shown


def test_training_lines_are_kept_out_and_the_nearest_is_named(loaded, tmp_path, capsys):
    data = tmp_path / "data"
    corpus = Poem(("春风花月夜", "江上有人家"), "，。", title="旧作", author="某人", form="五言绝句")
    write_jsonl(data / "train.jsonl", [corpus.to_record()])
    # Every answer to this template stands in the corpus but for one character: 家 may not follow.
    request = PoemRequest(template="江上有人□。", metre="free")
    generate(GenerateOptions("tiny", request, count=8, as_json=True, data=data))
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(record["lines"] != ["江上有人家"] for record in records)
    assert records[0]["nearest_line"] == {"text": "江上有人家", "author": "某人", "title": "旧作", "shared": 4}


def test_it_is_told_when_no_known_lines_are_at_hand(loaded, capsys):
    generate(GenerateOptions("tiny", PoemRequest("五绝")))
    assert "no list of known lines" in capsys.readouterr().err
    generate(GenerateOptions("tiny", PoemRequest("五绝", novel=False), seed=5))
    assert capsys.readouterr().err == "seed 5\n"


def test_a_seed_is_drawn_and_told_and_gives_the_poem_again(loaded, capsys):
    generate(GenerateOptions("tiny", PoemRequest("五绝", novel=False)))
    told = capsys.readouterr()
    seed = int(told.err.split()[-1])
    generate(GenerateOptions("tiny", PoemRequest("五绝", novel=False), seed=seed))
    assert capsys.readouterr().out == told.out
    generate(GenerateOptions("tiny", PoemRequest("五绝", novel=False)))
    assert capsys.readouterr().err != told.err


def test_the_record_says_which_words_were_named_offered_and_placed(loaded, capsys):
    wish = PoemRequest("五绝", "高铁", must=("明月",), words=("清泉",))
    generate(GenerateOptions("tiny", wish, as_json=True, seed=1))
    words = json.loads(capsys.readouterr().out)["words"]
    assert words["named"] == ["明月", "清泉"] and words["offered"] == []
    assert [one["word"] for one in words["placed"]] == ["明月"]
    generate(GenerateOptions("tiny", PoemRequest("五绝", "高铁"), as_json=True, seed=1))
    words = json.loads(capsys.readouterr().out)["words"]
    assert words["named"] == words["offered"] and 1 <= len(words["offered"]) <= 3 and words["placed"] == []


def test_stanzas_stand_apart():
    lines, marks = ("空" * 7, "山" * 7, *("新" * 5,) * 6), "。" * 8
    shown = WrittenPoem(Poem(lines, marks, form="词", tune="菩萨蛮"), 1, None, None).text()
    assert [len(stanza.splitlines()) for stanza in shown.split("\n\n")] == [4, 4]


def test_a_form_named_in_traditional_characters_is_taken(loaded, capsys):
    assert generate(GenerateOptions("tiny", PoemRequest("五言絕句"), as_json=True)) == 1
    assert json.loads(capsys.readouterr().out)["form"] == "五言绝句"


def test_each_poem_has_its_picture_and_none_is_replaced_unasked(loaded, tmp_path, capsys):
    for library in ("fontTools", "resvg_py", "pypinyin"):
        pytest.importorskip(library, reason=f"{library} is not installed (pip install 'gemma-poetry[studio]')")
    try:
        face("simplified")
    except InputError as error:
        pytest.skip(f"{error.found}: {error.action}")
    options = GenerateOptions("tiny", PoemRequest("五绝", title="空山"), count=2, picture=tmp_path / "card.svg")
    assert generate(options) == 2
    poems = capsys.readouterr().out.strip().split("\n\n")
    for number, poem in enumerate(poems, 1):
        svg = (tmp_path / f"card-{number}.svg").read_text(encoding="utf-8")
        assert poem.splitlines()[1][:6] in svg and svg.startswith("<svg")
    with pytest.raises(OutputError):
        generate(options)
    one = replace(options, count=1, picture=tmp_path / "card.png")
    assert generate(one) == 1 and (tmp_path / "card.png").read_bytes().startswith(b"\x89PNG")


ANSWERED = "登高\n杜甫\n\n山月山山月月回，月山山月月山推。\n月山月月山山月，山月山山月月杯。\n"


def test_a_poem_in_a_file_is_answered(loaded, tmp_path, capsys):
    path = tmp_path / "poem.txt"
    path.write_text(ANSWERED.replace("\n\n", "\n"), encoding="utf-8")
    text = read_poem_to_answer(str(path))
    assert text == "山月山山月月回，月山山月月山推。月山月月山山月，山月山山月月杯。"
    assert generate(GenerateOptions("tiny", PoemRequest(answer_poem=text, distinct=False), seed=5, as_json=True)) == 1
    record = json.loads(capsys.readouterr().out)
    assert [line[-1] for line in record["lines"]][:2] == ["回", "推"] and record["lines"][3][-1] == "杯"
    assert record["form"] == "七言绝句" and record["scansion"]["verdict"] == "strict"


@pytest.mark.parametrize(("text", "found"), [(f"{ANSWERED}\n{ANSWERED}", "holds"), ("", "the file is empty")])
def test_one_poem_is_answered_and_no_more_and_no_less(tmp_path, text, found):
    path = tmp_path / "poem.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=found):
        read_poem_to_answer(str(path))
