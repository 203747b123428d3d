"""Poems as token ids, and the text files that hold them.

    Conditions ──encode_prompt──────┐
                                    ├─> TokenizedPoem ──format_line──> DATA/train.txt ──read_tokenized──> TokenizedPoem
    Poem.text ──encode_completion───┘

In: poems and a Hugging Face tokenizer. Out: ids with exactly one BOS and a labelled terminator, and lines of pieces
that give the same ids back by look-up alone, whatever the pieces hold.

A line is `prompt pieces TAB completion pieces`, pieces separated by one space. Prompt and completion are encoded
apart, in training and inference alike, so no piece ever stands across the place where generation begins.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import atomic_writer
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.chat_frame import chat_frame
from gemma_poetry.data.prompts import CHINESE, Conditions, Template, conditions_of, dropped_conditions
from gemma_poetry.errors import DataError, ModelError, TokenizerMismatchError, UsageError
from gemma_poetry.languages import _

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What ends a model's turn in the chat templates of the Gemma families (1-3n, 4); `<eos>` does not end turns there.
TURN_TERMINATORS = ("<end_of_turn>", "<turn|>")
_ENCODE_POEMS = 4096


@dataclass(frozen=True, slots=True)
class TokenizedPoem:
    """One training sample.

    Attributes:
        prompt_ids: Token ids of the prompt, BOS first.
        completion_ids: Token ids of the poem, the terminator last; the loss falls on these alone.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def terminator_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that ends a completion: what ends a turn in the tokenizer's chat template, else `<eos>`.

    Raises:
        ModelError: The tokenizer has neither.
    """
    for piece in TURN_TERMINATORS:
        if piece in str(tokenizer.chat_template or ""):
            index = _piece_id(tokenizer, piece)
            if index is None:
                raise ModelError(
                    _("the chat template ends turns with {piece}, which is no piece of the tokenizer", piece=piece),
                    expected=_("template and tokenizer of one checkpoint"),
                    action=_("download the checkpoint's tokenizer files again"),
                )
            return index
    if tokenizer.eos_token_id is None:
        raise ModelError(_("the tokenizer has no end-of-sequence token"), expected=_("an <eos> token, as every Gemma has"))
    return int(tokenizer.eos_token_id)


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """All ids that stop generation: the terminator first, then the tokenizer's own end, then `<eos>`."""
    stops = [terminator_id(tokenizer), tokenizer.eos_token_id, _piece_id(tokenizer, "<eos>")]
    return list(dict.fromkeys(int(index) for index in stops if index is not None))


def padding_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that fills rows up: the tokenizer's own, else the terminator's; no loss falls on it.

    Raises:
        ModelError: The tokenizer has neither.
    """
    return terminator_id(tokenizer) if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)


def _piece_id(tokenizer: PreTrainedTokenizerBase, piece: str) -> int | None:
    """The id of a piece, without building the whole vocabulary for it."""
    index: Any = tokenizer.convert_tokens_to_ids(piece)
    return None if index is None or tokenizer.convert_ids_to_tokens(index) != piece else int(index)


def prompt_text(tokenizer: PreTrainedTokenizerBase, conditions: Conditions) -> str:
    """The prompt without BOS, inside the chat template where the tokenizer has one."""
    return chat_frame(tokenizer).around(conditions.prompt())


def _encode_texts(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    encoded: Any = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _with_bos(bos: int, prompt: list[int]) -> tuple[int, ...]:
    """A prompt with its one BOS; a title that spells out `<bos>` would make it two."""
    if bos in prompt:
        raise UsageError(
            _("the prompt has a begin-of-sequence token in its middle"),
            expected=_("title, author and form without the model's control tokens"),
            action=_("take <bos> out of the title"),
        )
    return (bos, *prompt)


def _bos(tokenizer: PreTrainedTokenizerBase) -> int:
    if tokenizer.bos_token_id is None:
        raise ModelError(_("the tokenizer has no begin-of-sequence token"), expected=_("a <bos> token, as every Gemma has"))
    return int(tokenizer.bos_token_id)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, conditions: Conditions) -> list[int]:
    """Token ids of a prompt, with exactly one BOS in front.

    Raises:
        ModelError: The tokenizer has no BOS.
        UsageError: The prompt's text spells out a second one.
    """
    return list(_with_bos(_bos(tokenizer), _encode_texts(tokenizer, [prompt_text(tokenizer, conditions)])[0]))


def encode_completion(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a poem's running text, the terminator behind it."""
    return [*_encode_texts(tokenizer, [text])[0], terminator_id(tokenizer)]


def encode_samples(tokenizer: PreTrainedTokenizerBase, samples: Iterable[tuple[Conditions, str]]) -> Iterator[TokenizedPoem]:
    """Encodes (conditions, running text) pairs, some thousands at a time.

    Raises:
        ModelError: The tokenizer lacks BOS or a terminator.
    """
    bos, terminator = _bos(tokenizer), terminator_id(tokenizer)
    batch: list[tuple[Conditions, str]] = []

    def encoded() -> Iterator[TokenizedPoem]:
        prompts = _encode_texts(tokenizer, [prompt_text(tokenizer, conditions) for conditions, _ in batch])
        completions = _encode_texts(tokenizer, [text for _, text in batch])
        for prompt, completion in zip(prompts, completions):
            yield TokenizedPoem(_with_bos(bos, prompt), (*completion, terminator))

    for sample in samples:
        batch.append(sample)
        if len(batch) == _ENCODE_POEMS:
            yield from encoded()
            batch.clear()
    if batch:
        yield from encoded()


def encode_poems(
    tokenizer: PreTrainedTokenizerBase, poems: Iterable[Poem], template: Template = CHINESE
) -> Iterator[TokenizedPoem]:
    """Encodes poems with all their conditions."""
    return encode_samples(tokenizer, ((conditions_of(poem, template), poem.text) for poem in poems))


def tokenize_poems(
    poems: Iterable[Poem],
    tokenizer: PreTrainedTokenizerBase,
    *,
    title_dropout: float = 0.0,
    author_dropout: float = 0.0,
    words_dropout: float = 1.0,
    seed: int = 0,
    template: Template = CHINESE,
) -> Iterator[str]:
    """One line of `train.txt` a poem, without the line break.

    Args:
        poems: The poems.
        tokenizer: The tokenizer of the model to be trained.
        title_dropout: Probability that a prompt leaves the title out (training split only).
        author_dropout: Probability that a prompt leaves the author out (training split only).
        words_dropout: Probability that a prompt names no word of its poem; 1 but for the training split.
        seed: Seed of the dropout.
        template: The labels of the prompts.
    """
    escaped = _escaped_pieces(tokenizer)
    dropout = {"title_dropout": title_dropout, "author_dropout": author_dropout, "words_dropout": words_dropout}
    samples = ((dropped_conditions(poem, **dropout, seed=seed, template=template), poem.text) for poem in poems)
    for sample in encode_samples(tokenizer, samples):
        prompt = " ".join([escaped[index] for index in sample.prompt_ids])
        completion = " ".join([escaped[index] for index in sample.completion_ids])
        yield f"{prompt}\t{completion}"


def write_tokenized(path: Path, lines: Iterable[str]) -> int:
    """Writes lines of `tokenize_poems` atomically; returns how many.

    Raises:
        OutputError: The file cannot be written.
    """
    count = 0
    with atomic_writer(path) as stream:
        for line in lines:
            stream.write(line + "\n")
            count += 1
    return count


def read_tokenized(path: Path, tokenizer: PreTrainedTokenizerBase) -> list[TokenizedPoem]:
    """Reads a tokenized file back by look-up; the tokenizer is not run.

    Raises:
        DataError: The file is missing, or a line has not two parts.
        TokenizerMismatchError: A piece is not in the tokenizer's vocabulary.
    """
    ids = {piece: index for index, piece in _escaped_pieces(tokenizer).items()}
    samples = []
    try:
        with open(path, encoding="utf-8", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                prompt, tab, completion = line.rstrip("\n").partition("\t")
                if not tab or not completion:
                    raise DataError(
                        _("the line has no TAB between prompt and completion"),
                        where=f"{path}:{number}",
                        expected=_("prompt pieces, TAB, completion pieces"),
                        action=_("prepare the data again"),
                    )
                try:
                    samples.append(
                        TokenizedPoem(
                            tuple([ids[piece] for piece in prompt.split(" ")]),
                            tuple([ids[piece] for piece in completion.split(" ")]),
                        )
                    )
                except KeyError as error:
                    raise TokenizerMismatchError(
                        _("the piece {reason!r} is not in the model's vocabulary", reason=error.args[0]),
                        where=f"{path}:{number}",
                        expected=_("data that was prepared with this model's tokenizer"),
                        action=_("run prepare again with --model set to the model that you train"),
                    ) from None
    except FileNotFoundError as error:
        raise DataError(_("no such file"), where=path, action=_("run gemma-poetry prepare first")) from error
    except UnicodeDecodeError as error:
        raise DataError(_("not UTF-8"), where=path, action=_("prepare the data again")) from error
    return samples


_ESCAPES = {"\\": "\\\\", " ": "\\s", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNSAFE = re.compile(r"[\\\s\x00-\x20\x7f-\xa0\u2028\u2029]")


def escape_piece(piece: str) -> str:
    """A piece without white space or control characters, by backslash escapes that no two pieces share."""
    return _UNSAFE.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", piece)


def _escaped_pieces(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Escaped piece of each id, for every id of the vocabulary."""
    return {index: escape_piece(piece) for piece, index in tokenizer.get_vocab().items()}


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A sha256 over all that decides how a poem becomes ids: pieces with their ids, template, BOS, terminator."""
    digest = hashlib.sha256()
    digest.update(json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=False).encode())
    digest.update(str(tokenizer.chat_template or "").encode())
    digest.update(f"{tokenizer.bos_token_id} {terminator_id(tokenizer)}".encode())
    return digest.hexdigest()


def check_tokenizer(manifest: dict[str, Any], tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuses data that another tokenizer made.

    Raises:
        TokenizerMismatchError: The fingerprints differ.
    """
    made_with: dict[str, str] = manifest.get("tokenizer", {})
    fingerprint = tokenizer_fingerprint(tokenizer)
    if made_with.get("fingerprint") != fingerprint:
        raise TokenizerMismatchError(
            _(
                "the data was tokenized for {made_with!r} (tokenizer {made_with_made_with}…)",
                made_with=made_with.get("name", _("another model")),
                made_with_made_with=str(made_with.get("fingerprint"))[:12],
            ),
            where=folder,
            expected=_("the tokenizer of the model given (fingerprint {fingerprint}…)", fingerprint=fingerprint[:12]),
            action=_("run prepare again with --model set to the model that you train"),
        )


def is_instruction_tuned(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether prompts go inside a chat template."""
    return bool(tokenizer.chat_template)


def decode_poem(tokenizer: PreTrainedTokenizerBase, completion_ids: Sequence[int]) -> str:
    """The running text of a completion, terminator and what follows it left out."""
    stops = set(stop_ids(tokenizer))
    kept: list[int] = []
    for index in completion_ids:
        if index in stops:
            break
        kept.append(index)
    return str(tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))
