"""A pruned model trains on the rows of its vocabulary that the data can need.

    DATA ──needed_ids──> kept ids ──prune_vocabulary──> the same model with shorter tables, ids remapped inside it

In: a loaded causal language model of any Gemma family, its tokenizer, and the samples and characters of a collection.
Out: the model with only the kept rows in its token embedding, its head (tied or not) and its per-layer embeddings
(Gemma 3n and 4), and a `KeptVocabulary` that says which row each id has.

A small Gemma is mostly vocabulary: of the 268 million parameters of Gemma 3 270M, 168 million are its 262,144 rows, and
the head multiplies with all of them at every token, while all of classical poetry uses some 14,000 pieces. The
tokenizer stays as it is: without its rarer pieces it would lose the merges that lead to others. Ids keep their
meaning outside the model too; each table looks its row up when it is called, and an id whose row was dropped is an error,
never another row.

Hidden states are those of the whole model, bit for bit, on any text that the kept pieces cover. What changes is the
normaliser of the loss: the softmax runs over the kept rows. Alone it would leave out the probability of pieces that no poem
has, and a training would let that grow. So the head has a sample of the D dropped rows behind the kept ones, S of them drawn
uniformly, which stand for all: with log(D / S) added to their logits the sum of exponentials is an unbiased estimate of that
over the whole vocabulary. An estimate all the same: perplexities are reported over the full vocabulary. An adapter sits on
the layers alone and fits the stock model unchanged.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gemma_poetry.config import TrainSettings
from gemma_poetry.data.tokenization import TokenizedPoem, read_tokenized, stop_ids
from gemma_poetry.errors import ModelError, UsageError
from gemma_poetry.languages import _
from gemma_poetry.prosody.characters import is_han

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DROPPED = -1
"""The row of an id that was not kept."""
WORTHWHILE_SHARE = 0.25
"""Share of a model's parameters that pruning must drop to be done unasked."""
WORTHWHILE_ROWS = 32_768
"""Rows of a vocabulary up to which its head costs little, so that the exact loss is the better bargain."""
_SAMPLE_SEED = 0
"""The sample is the same in every process and after a resumption."""
_PER_LAYER = "embed_tokens_per_layer"
_TABLE = "row_of_id"
_READ_CHARACTERS = 2**20


@dataclass(frozen=True, slots=True)
class KeptVocabulary:
    """Which rows a pruned model has.

    Attributes:
        row_of_id: The row of each id, `DROPPED` where there is none, (rows before,), on the device of the embedding.
        kept: Rows that were kept.
        rows: Rows of the whole vocabulary.
        parameters: Parameters that were dropped, in all tables.
        sampled: Rows behind the kept ones that stand for all dropped ones, in the head alone.
    """

    row_of_id: torch.Tensor
    kept: int
    rows: int
    parameters: int
    sampled: int = 0

    @property
    def ids(self) -> torch.Tensor:
        """The ids that were kept, ascending, (kept,), on the device of the embedding."""
        return (self.row_of_id != DROPPED).nonzero().flatten()

    def log_weights(self, device: torch.device) -> torch.Tensor | None:
        """What is added to the logits, (kept + sampled,) float32, so that sampled rows stand for all; `None`: nothing is."""
        if not self.sampled:
            return None
        weights = torch.zeros(self.kept + self.sampled, device=device)
        weights[self.kept :] = math.log((self.rows - self.kept) / self.sampled)
        return weights

    def targets(self, ids: torch.Tensor) -> torch.Tensor:
        """The rows of ids, as targets for the pruned head.

        Raises:
            UsageError: An id was not kept.
        """
        rows = self.row_of_id.to(ids.device)[ids]
        if bool((rows == DROPPED).any()):
            raise UsageError(
                _("the id {ids} has no row in the pruned model", ids=int(ids[rows == DROPPED][0])),
                expected=_("text that its {kept:,} kept pieces cover", kept=self.kept),
                action=_("train with --keep-vocabulary"),
            )
        return rows


def needed_ids(tokenizer: PreTrainedTokenizerBase, samples: Iterable[TokenizedPoem], characters: Iterable[str]) -> torch.Tensor:
    """The ids that training on a collection can need: its own, all its characters', the specials and the byte pieces.

    Args:
        tokenizer: The model's tokenizer.
        samples: Tokenized poems of every split that is read.
        characters: The Han characters of the collection.

    Returns:
        The ids in ascending order, (K,).
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    needed: set[int] = {int(index) for index in tokenizer.all_special_ids}
    needed.update(stop_ids(tokenizer))
    needed.update(vocabulary[piece] for byte in range(256) if (piece := f"<0x{byte:02X}>") in vocabulary)
    for sample in samples:
        needed.update(sample.prompt_ids)
        needed.update(sample.completion_ids)
    alone = sorted(set(characters))
    if alone:
        encoded: Any = tokenizer(alone, add_special_tokens=False, return_attention_mask=False)
        for ids in encoded["input_ids"]:
            needed.update(ids)
    return torch.tensor(sorted(needed))


def han_characters(files: Iterable[Path]) -> set[str]:
    """All Han characters in UTF-8 files, compatibility forms too: of lines, titles and authors alike."""
    found: set[str] = set()
    for path in files:
        with open(path, encoding="utf-8") as stream:
            while chunk := stream.read(_READ_CHARACTERS):
                found.update(chunk)
    return {character for character in found if is_han(unicodedata.normalize("NFC", character))}


def pruned_parameters(model: Any, kept: torch.Tensor) -> int:
    """How many parameters `prune_vocabulary` would drop."""
    tables = {id(weight): weight for weight in (module.weight for module in _tables(model))}
    return sum((len(weight) - int((kept < len(weight)).sum())) * weight.shape[1] for weight in tables.values())


def is_worthwhile(model: Any, kept: torch.Tensor) -> bool:
    """Whether pruning drops enough of the model to be done unasked."""
    if int(model.get_input_embeddings().weight.shape[0]) <= WORTHWHILE_ROWS:
        return False
    return pruned_parameters(model, kept) >= WORTHWHILE_SHARE * sum(weight.numel() for weight in model.parameters())


def kept_ids(
    model: Any, tokenizer: PreTrainedTokenizerBase, samples: Iterable[TokenizedPoem], data: Path, settings: TrainSettings
) -> torch.Tensor | None:
    """The ids whose rows a training on DATA keeps, ascending, (K,); `None` where it keeps all.

    Args:
        model: A causal language model of transformers, whole.
        tokenizer: Its tokenizer.
        samples: The tokenized poems of train.txt.
        data: The DATA folder; val.txt and the characters of its records are read.
        settings: `vocabulary` is read.
    """
    if settings.vocabulary == "whole":
        return None
    validation = read_tokenized(data / "val.txt", tokenizer)
    kept = needed_ids(tokenizer, chain(samples, validation), han_characters(data.glob("*.jsonl")))
    return kept if settings.vocabulary == "pruned" or is_worthwhile(model, kept) else None


def head_rows(kept: torch.Tensor, rows: int, settings: TrainSettings) -> int:
    """Rows of the head of a pruned training: the kept ones and those that are sampled from the others."""
    return len(kept) + min(settings.sampled_rows, rows - len(kept))


def prune_vocabulary(model: Any, kept: torch.Tensor, sampled_rows: int = 0) -> KeptVocabulary:
    """Drops all rows but the kept ones from every table of a model, in place.

    The configuration stays as it is: its numbers describe ids, which keep their meaning, and PEFT takes another
    `vocab_size` for a sign that embeddings were trained.

    Args:
        model: A causal language model of transformers, not yet wrapped by PEFT.
        kept: The ids to keep, ascending, (K,).
        sampled_rows: Further rows, drawn from the dropped ones, that the head has behind the kept ones. No text can name them.

    Raises:
        ModelError: A table is no plain matrix, or the model has no such ids.
    """
    rows = int(model.get_input_embeddings().weight.shape[0])
    if not len(kept) or int(kept[-1]) >= rows:
        raise ModelError(
            _("the data has the id {kept}, the model {rows} rows", kept=int(kept[-1]) if len(kept) else None, rows=rows),
            expected=_("data that was prepared with this model's tokenizer"),
            action=_("run prepare again with --model set to the model that you train"),
        )
    dropped = pruned_parameters(model, kept)
    head = model.get_output_embeddings().weight
    sample = _sample(kept, rows, sampled_rows)
    shared: dict[int, torch.nn.Parameter] = {}
    for module in list(_tables(model)):
        weight = module.weight
        ids = torch.cat([kept, sample]) if weight is head else kept[kept < len(weight)]
        if id(weight) not in shared:
            shared[id(weight)] = torch.nn.Parameter(weight.data[ids.to(weight.device)], requires_grad=weight.requires_grad)
        module.weight = shared[id(weight)]
        if isinstance(module, torch.nn.Embedding):
            _remap(module, kept, len(weight))
        else:
            module.out_features = len(module.weight)
            if module.bias is not None:
                module.bias = torch.nn.Parameter(module.bias.data[ids.to(weight.device)], requires_grad=False)
    _let_files_go(model)
    table = model.get_input_embeddings().get_buffer(_TABLE)
    return KeptVocabulary(table, len(kept), rows, dropped - len(sample) * head.shape[1], len(sample))


@contextmanager
def whole_ids(model: Any, vocabulary: KeptVocabulary | None) -> Iterator[None]:
    """While the block runs, the head of a pruned model gives a logit for every id, minus infinity for those without a row.

    Args:
        model: The pruned model, wrapped by PEFT or not; any model where `vocabulary` is `None`.
        vocabulary: The rows that it has.
    """
    if vocabulary is None:
        yield
        return
    head = model.get_output_embeddings()
    ids = vocabulary.ids.to(head.weight.device)

    def spread(hidden: torch.Tensor) -> torch.Tensor:
        bias = None if head.bias is None else head.bias[: len(ids)]
        logits = torch.nn.functional.linear(hidden, head.weight[: len(ids)], bias)
        whole = logits.new_full((*logits.shape[:-1], vocabulary.rows), -torch.inf)
        return whole.index_copy_(-1, ids, logits)

    vars(head)["forward"] = spread
    try:
        yield
    finally:
        del vars(head)["forward"]


def in_kept_pieces(model: Any, tokenizer: PreTrainedTokenizerBase, sample: TokenizedPoem) -> TokenizedPoem:
    """A sample in pieces that a pruned model has rows for: one that it lacks is cut into its characters.

    What such a model writes, character by character, the tokenizer may join into pieces that no poem of the data has.

    Args:
        model: The model, wrapped by PEFT or not; one that is not pruned gets the sample as it is.
        tokenizer: Its tokenizer.
        sample: A text that was not part of the data.
    """
    table = dict(model.get_input_embeddings().named_buffers()).get(_TABLE)
    if table is None:
        return sample

    def cut(ids: Iterable[int]) -> Iterator[int]:
        for index in ids:
            if table[index] == DROPPED:
                yield from tokenizer.convert_tokens_to_ids(list(str(tokenizer.convert_ids_to_tokens(index))))
            else:
                yield index

    return TokenizedPoem(tuple(cut(sample.prompt_ids)), tuple(cut(sample.completion_ids)))


def hold_sampled_rows(model: Any, vocabulary: KeptVocabulary | None) -> None:
    """Gives the sampled rows of a head that is trained no gradient: but for weight decay they stay as they are.

    They stand for all dropped rows, which no training moves: pushed away themselves, they would no longer say what others do.

    Args:
        model: The pruned model, of which every weight is trained.
        vocabulary: The rows that it has; `None`: it is whole.
    """
    if vocabulary is None or not vocabulary.sampled:
        return
    kept = vocabulary.kept

    def hold(gradient: torch.Tensor) -> torch.Tensor:
        held = gradient.clone()
        held[kept:] = 0
        return held

    model.get_output_embeddings().weight.register_hook(hold)


def put_back(pruned: Any, vocabulary: KeptVocabulary, model: Any) -> None:
    """Puts the weights of a pruned model that was trained whole into the unpruned one; rows that it lacks stay as they are.

    Args:
        pruned: The pruned model.
        vocabulary: The rows that it has.
        model: The same model, unpruned.
    """
    ids = vocabulary.ids.cpu()
    with torch.no_grad():
        for name, weight in pruned.named_parameters():
            place = model.get_parameter(name)
            if place.shape == weight.shape:
                place.copy_(weight)
            else:
                own = ids[ids < len(place)]
                place[own] = weight[: len(own)].to(place)


def _let_files_go(model: Any) -> None:
    """Copies weights that lie in a file, of which the dropped rows would stay in memory with them."""
    for weight in model.parameters():
        if weight.device.type == "cpu":
            weight.data = weight.data.clone()


def _sample(kept: torch.Tensor, rows: int, count: int) -> torch.Tensor:
    """Ids that were not kept, drawn uniformly without repetition, at most `count`."""
    left = torch.ones(rows, dtype=torch.bool)
    left[kept] = False
    others = left.nonzero().flatten()
    generator = torch.Generator().manual_seed(_SAMPLE_SEED)
    return others[torch.randperm(len(others), generator=generator)[:count]]


def _tables(model: Any) -> Iterator[Any]:
    """Every module that has a row for each id: token embedding, head, per-layer embeddings."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    per_layer = [module for name, module in model.named_modules() if name.rpartition(".")[2] == _PER_LAYER]
    for module in (embedding, head, *per_layer):
        if not isinstance(module, torch.nn.Embedding) and type(module) is not torch.nn.Linear:
            raise ModelError(
                _("the vocabulary lies in a {name}, which cannot be pruned", name=type(module).__name__),
                expected=_("plain matrices"),
                action=_("train with --keep-vocabulary"),
            )
        yield module


def _remap(module: torch.nn.Embedding, kept: torch.Tensor, rows: int) -> None:
    mine = kept[kept < rows]
    table = torch.full((rows,), DROPPED, dtype=torch.long)
    table[mine] = torch.arange(len(mine))
    # Processes that wait for sharded weights have none yet, but they have their data.
    device = "cpu" if module.weight.is_meta else module.weight.device
    module.register_buffer(_TABLE, table.to(device), persistent=False)
    module.register_forward_pre_hook(_look_up)
    module.num_embeddings = len(module.weight)
    if module.padding_idx is not None:
        padding = int(table[module.padding_idx])
        module.padding_idx = None if padding == DROPPED else padding


def _look_up(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    # A dropped id has the row -1, which an embedding refuses: no text is ever read as another.
    return (module.get_buffer(_TABLE).to(inputs[0].device)[inputs[0]], *inputs[1:])
