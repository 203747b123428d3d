"""What a training over the pruned vocabulary loses against one over the whole, where the vocabulary is large.

    python benchmarks/pruning.py model --tokenizer google/gemma-2b --poems full --text FOLDER --out BASE
    gemma-poetry prepare --source chinese-poetry --model BASE --max-poems 20000 --out DATA --set prepare.test_share=0.01
    python benchmarks/pruning.py compare --model BASE --data DATA --out RUNS --set train.max_steps=25

`model` In: a tokenizer of the Gemma family, a DATA folder whose poems are read, a folder of other texts. Out: a small Gemma
that is no longer random: the layers of `mini`, an embedding whose rows begin as the mean of the characters of a piece, and
some hundred steps over all rows on poems and other texts in equal parts (the other texts are what FOLDER holds, and the
English language reference that comes with Python), so that it has a habit of pieces that no poem has.

`compare` In: a base model and a DATA folder. Out: a table, a training a line, from the same start on the same batches, all
scored on the test split over the full vocabulary: perplexities, the paired difference from the training over all rows
(bootstrap over poems), how much probability the kept rows have, and the time.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import load_recipe
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.evaluation.statistics import Bootstrap, mean

if TYPE_CHECKING:
    from gemma_poetry.model.scoring import CompletionScore

ROW_TOKENS, LOSS_TOKENS = 256, 64
"""Tokens of a row, and how many of them, drawn at random, the loss falls on: a head of 256,000 rows is dear."""
HELD_OUT = 2  # rows of each kind of text that the base is judged by
TRAININGS = {
    "whole": ["train.vocabulary=whole"],
    "kept rows alone": ["train.vocabulary=pruned", "train.sampled_rows=0"],
    "kept rows and a sample": ["train.vocabulary=pruned"],
}
SETTINGS = ["train.learning_rate=0.002", "train.warmup_steps=3", "train.evaluation_poems=1"]


def make_model(arguments: argparse.Namespace) -> None:
    """Writes the base model."""
    import torch
    from torch.nn import functional
    from transformers import AutoTokenizer

    from gemma_poetry.manifests import atomic_folder

    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    model = grown_mini(tokenizer)
    kinds = [rows_of(tokenizer, poem_texts(arguments.poems)), rows_of(tokenizer, other_texts(arguments.text))]
    held_out = [torch.tensor([next(rows) for _ in range(HELD_OUT)]) for rows in kinds]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, betas=(0.9, 0.95))

    def loss(ids: torch.Tensor) -> torch.Tensor:
        places = torch.randperm(ROW_TOKENS - 1, generator=drawn)[:LOSS_TOKENS]
        states = model.model(input_ids=ids[None], use_cache=False).last_hidden_state[0, places]  # (places, hidden)
        return functional.cross_entropy(model.lm_head(states), ids[places + 1])

    def tell(step: int) -> None:
        with torch.no_grad():
            poems, others = (sum(float(loss(row)) for row in rows) / HELD_OUT for rows in held_out)
        print(f"step {step}: {poems:.2f} nats a token on poems, {others:.2f} on others", flush=True)

    drawn = torch.Generator().manual_seed(0)
    tell(0)
    for step in range(1, arguments.steps + 1):
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, step / 10, (arguments.steps + 1 - step) / (0.5 * arguments.steps))
        for rows in kinds:
            (loss(torch.tensor(next(rows))) / len(kinds)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 20 == 0:
            tell(step)
    with atomic_folder(arguments.out) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def grown_mini(tokenizer: Any) -> Any:
    """`mini` with rows for another tokenizer's pieces: each begins as the mean of the piece's characters, where it has some."""
    import torch
    from transformers import Gemma3ForCausalLM

    from gemma_poetry.model.loading import load_model

    small = load_model("mini", device="cpu", dtype="float32")
    table, vocabulary = small.model.get_input_embeddings().weight.detach(), small.tokenizer.get_vocab()
    config = small.model.config
    config.vocab_size = len(tokenizer)
    torch.manual_seed(0)
    model = Gemma3ForCausalLM(config)
    missing, unexpected = model.load_state_dict(
        {
            name: value
            for name, value in small.model.state_dict().items()
            if "embed_tokens" not in name and "lm_head" not in name
        },
        strict=False,
    )
    assert set(missing) == {"model.embed_tokens.weight", "lm_head.weight"} and not unexpected
    with torch.no_grad():
        rows = model.get_input_embeddings().weight
        rows.normal_(0.0, float(table.std()) / 4)
        for piece, index in tokenizer.get_vocab().items():
            known = [vocabulary[piece]] if piece in vocabulary else [vocabulary[one] for one in piece if one in vocabulary]
            if known:
                rows[index] += table[known].mean(0)
    model.tie_weights()
    return model.train()


def poem_texts(data: Path) -> Iterator[str]:
    """Poems of a DATA folder as running text, in an order of their own, over and over."""
    poems = load_poems(data, "train")
    order = random.Random(0)
    while True:
        for poem in order.sample(poems, len(poems)):
            yield f"{poem.title}\n{poem.author}\n{poem.text}"


def other_texts(folder: Path) -> Iterator[str]:
    """Passages of all files below a folder and of Python's language reference, shuffled, over and over."""
    from pydoc_data import topics

    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()] + list(
        topics.topics.values()
    )
    passages = [text[start : start + 1000] for text in texts for start in range(0, len(text), 1000)]
    order = random.Random(0)
    while True:
        yield from order.sample(passages, len(passages))


def rows_of(tokenizer: Any, texts: Iterator[str]) -> Iterator[list[int]]:
    """Rows of `ROW_TOKENS` ids; each text begins with BOS and ends with the end of text."""
    ids: list[int] = []
    for text in texts:
        ids += [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        while len(ids) >= ROW_TOKENS:
            yield ids[:ROW_TOKENS]
            ids = ids[ROW_TOKENS:]


def compare(arguments: argparse.Namespace) -> None:
    """Trains from the same start over all rows, the kept ones, and these with a sample; scores all over the full vocabulary.

    A run that is there already is not trained again.
    """
    from gemma_poetry.artifacts import MANIFEST, read_json
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions
    from gemma_poetry.training.finetuning import finetune

    specs, seconds = {"base": str(arguments.model)}, {"base": 0.0}
    for name, settings in TRAININGS.items():
        run = arguments.out / name.replace(" ", "-")
        if not (run / MANIFEST).is_file():
            recipe = load_recipe(None, [*SETTINGS, *arguments.set, *settings])
            finetune(arguments.data, specs["base"], run, recipe)
        specs[name], seconds[name] = str(run), read_json(run / MANIFEST)["wall_seconds"]
    print("| training | `ppl_token` | less that over all rows, nats a token | probability of the kept rows | seconds |")
    print("|---|---|---|---|---|")
    scores: dict[str, list[CompletionScore]] = {}
    for name in ("base", *TRAININGS):
        loaded = load_model(specs[name], device="cpu", dtype="float32")
        samples = read_tokenized(arguments.data / "test.txt", loaded.tokenizer)
        scores[name] = score_completions(loaded.model, samples)
        share = kept_probability(loaded, samples, scores[name], arguments.data)
        perplexity = math.exp(sum(score.nll for score in scores[name]) / sum(score.tokens for score in scores[name]))
        paired = difference(scores[name], scores["whole"]) if name not in ("base", "whole") else ""
        print(f"| {name} | {perplexity:.1f} | {paired} | {share:.4f} | {seconds[name]:.0f} |", flush=True)


def kept_probability(loaded: Any, samples: list[Any], scores: list[CompletionScore], data: Path) -> float:
    """How much probability the rows that a training keeps have at a labelled token (geometric mean); prunes the model."""
    import torch

    from gemma_poetry.data.dataset import PaddedCollator, PoemDataset
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
    from gemma_poetry.model.vocabulary import kept_ids, prune_vocabulary

    settings = load_recipe(None, ["train.vocabulary=pruned"]).train
    kept = kept_ids(loaded.model, loaded.tokenizer, read_tokenized(data / "train.txt", loaded.tokenizer), data, settings)
    assert kept is not None
    known = set(kept.tolist())
    model = loaded.model.get_base_model() if loaded.adapted else loaded.model
    head = CompletionHead(model, prune_vocabulary(model, kept))
    poems, collate = PoemDataset(samples), PaddedCollator(0)
    gap, tokens = 0.0, 0
    for index, sample in enumerate(samples):
        if known.issuperset(sample.prompt_ids + sample.completion_ids):
            with torch.no_grad():
                over_kept = float(completion_losses(model, head, collate([poems[index]])).sum())
            gap, tokens = gap + over_kept - scores[index].nll, tokens + scores[index].tokens
    return math.exp(gap / tokens)


def difference(ours: list[CompletionScore], theirs: list[CompletionScore]) -> str:
    """Mean difference in nats a token with its 95% interval, poems resampled."""
    rows = ([(score.nll, score.tokens) for score in scores] for scores in (ours, theirs))
    found = Bootstrap([str(number) for number in range(len(ours))], samples=2000, seed=1).difference(*rows, mean)
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("model")
    verb.add_argument("--tokenizer", required=True)
    verb.add_argument("--poems", type=Path, required=True)
    verb.add_argument("--text", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--steps", type=int, default=120)
    verb.set_defaults(run=make_model)
    verb = verbs.add_parser("compare")
    verb.add_argument("--model", type=Path, required=True)
    verb.add_argument("--data", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--set", action="append", default=[])
    verb.set_defaults(run=compare)
    chosen = parser.parse_args()
    chosen.run(chosen)
