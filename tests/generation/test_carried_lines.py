"""The lists of known lines go from DATA to runs, to exports and to whatever writes; without one nothing new is promised."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gemma_poetry.artifacts import write_json
from gemma_poetry.corpus.known_lines import KNOWN_LINES, KnownLines, build_list, carried_lists, hand_on_lists
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import ConstraintError, DataError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.planning import Planner
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.serving import PoemServer, validate
from gemma_poetry.manifests import write_manifest

OURS, BASES, OLDEST = "床前明月光", "白日依山尽", "空山不见人"


def save_list(folder: Path, *lines: str, name: str = KNOWN_LINES) -> Path:
    KnownLines.build(lines).save(folder / name)
    return folder


def save_records(folder: Path, *lines: str, listed: bool) -> Path:
    """A DATA folder, with the list that prepare writes or from before it wrote one."""
    folder.mkdir(parents=True)
    poem = Poem(lines, "。" * len(lines))
    for split, poems in (("train", [poem]), ("val", []), ("test", [])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(one.to_record()) + "\n" for one in poems))
    if listed:
        save_list(folder, *lines)
    write_manifest(folder, {"kind": "data"}, ["train.jsonl", *([KNOWN_LINES] if listed else [])])
    return folder


def known(guards: list[KnownLines], *lines: str) -> list[bool]:
    return [any(line in guard for guard in guards) for line in lines]


@pytest.mark.parametrize("listed", [True, False])
def test_a_training_gets_the_list_of_its_data_and_those_of_its_base(listed: bool, tmp_path: Path):
    data = save_records(tmp_path / "DATA", OURS, listed=listed)
    base, out = tmp_path / "base", tmp_path / "RUN"
    save_list(save_list(base, BASES), OLDEST, name="known_lines.base.npz")
    names = hand_on_lists(out, build_list(data), base)
    assert names == [KNOWN_LINES, "known_lines.base.npz", "known_lines.base.base.npz"]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    guards = [KnownLines.load(path) for path in carried_lists(out)]
    assert [OURS in guard for guard in guards] == [True, False, False], "the own list comes first"
    assert known(guards, OURS, BASES, OLDEST, "月落乌啼霜") == [True, True, True, False]
    assert hand_on_lists(out, build_list(data), base) == names, "a resumed run does it again"


def test_the_same_list_is_not_carried_twice(tmp_path: Path):
    data = save_records(tmp_path / "DATA", OURS, listed=True)
    base = tmp_path / "base"
    base.mkdir()
    shutil.copyfile(data / KNOWN_LINES, base / KNOWN_LINES)
    assert hand_on_lists(tmp_path / "RUN", build_list(data), base) == [KNOWN_LINES]
    assert hand_on_lists(tmp_path / "other", build_list(data), None) == [KNOWN_LINES]


def test_an_altered_list_is_refused(tmp_path: Path):
    data = save_records(tmp_path / "DATA", OURS, listed=True)
    save_list(data, BASES)
    with pytest.raises(DataError, match="not the one that its manifest describes"):
        build_list(data)


def save_run(folder: Path, base: Path) -> Path:
    write_json(folder / "adapter" / "adapter_config.json", {"base_model_name_or_path": str(base)})
    write_json(folder / "manifest.json", {"kind": "run", "base": {"spec": str(base)}})
    return folder


def test_guards_are_those_that_a_model_carries(tmp_path: Path):
    base = save_list(tmp_path / "base", BASES)
    run = save_run(tmp_path / "RUN", base)
    data = save_records(tmp_path / "DATA", OLDEST, listed=False)
    lines = (OURS, BASES, OLDEST)
    assert known(find_guards(str(base)), *lines) == [False, True, False]
    assert find_guards(str(run)) == [], "a run without the list of its training promises nothing, whatever its base has"
    assert known(find_guards(str(run), data), *lines) == [False, True, True]
    save_list(run, OURS)
    for spec in (run, run / "adapter"):
        assert known(find_guards(str(spec)), *lines) == [True, False, False]
    assert known(find_guards(str(run), data), *lines) == [True, False, True]
    write_json(tmp_path / "whole" / "merged" / "config.json", {})
    write_json(tmp_path / "whole" / "manifest.json", {"kind": "keras-run"})
    save_list(tmp_path / "whole", OURS)
    for spec in (tmp_path / "whole", tmp_path / "whole" / "merged"):
        assert known(find_guards(str(spec)), *lines) == [True, False, False]


def test_the_embedded_model_carries_a_list():
    (guard, *_) = find_guards("mini")
    assert guard.lines > 100_000 and "白日依山尽" in guard


def test_new_lines_cannot_be_asked_for_where_nobody_knows_the_old_ones(tiny, tokenizer):
    wish = PoemRequest("五绝")
    for ask in (
        lambda: PoemGenerator(tiny, tokenizer).write([wish]),
        lambda: PoemGenerator(tiny, tokenizer, guards=()).write([PoemRequest("五绝", novel=False), wish]),
        lambda: Planner(tokenizer).plan(wish),
        lambda: PoemServer(tokenizer).prompt_ids('{"form": "五绝"}'),
    ):
        with pytest.raises(ConstraintError, match="no list of known lines is at hand"):
            ask()
    (poem,) = PoemGenerator(tiny, tokenizer).write([PoemRequest("五绝", novel=False)])
    assert len(poem.poem.lines) == 4
    assert PoemServer(tokenizer).prompt_ids('{"form": "五绝", "novel": false}')


def test_a_server_refuses_what_cannot_be_met_before_it_is_queued():
    with pytest.raises(ValueError, match="十言绝句"):
        validate('{"form": "十言绝句"}')
    validate('{"form": "五绝"}')


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bits": "text"}, "no bytes"),
        ({"probes": 10**9}, "more probes than a filter has"),
        ({"version": 7}, "of a later version"),
    ],
)
def test_a_damaged_list_is_told(changes, why, tmp_path: Path):
    import numpy as np

    save_list(tmp_path, OURS)
    with np.load(tmp_path / KNOWN_LINES) as stored:
        fields = {**stored, **{name: np.array(value) for name, value in changes.items()}}
    np.savez(tmp_path / KNOWN_LINES, **fields)
    with pytest.raises(DataError, match="not a file of known lines"):
        KnownLines.load(tmp_path / KNOWN_LINES)
