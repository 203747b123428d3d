"""What a chat template puts around a prompt, found once and in a process that can be stopped.

    template ──another process, bounded──> three trial messages rendered ──compare──> ChatFrame(before, after)

In: a tokenizer with a chat template. Out: the text before and behind the one message of a prompt.

A chat template is a program that came with the weights: it can loop for ever, fill the memory, or answer one message and fail
on the next. So it is run on trial messages alone, by transformers in a process of its own with bounds on time and memory, and
never again: what it put around all of them is what stands around every prompt. A template that does anything else with a
message than to put it between two texts, trimmed or not, is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.errors import ModelError
from gemma_poetry.languages import _, reason_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LONGEST_FRAME = 20_000
"""Characters around a prompt at most."""
_PATIENCE = 60
"""Seconds on the clock; the process ends itself after fewer of the processor's."""
_TRIALS = ("体裁：五言绝句\n题目：春夜\n作者：李白\n诗：", "  Title: 秋\n\nPoem: ", "甲")


@dataclass(frozen=True, slots=True)
class ChatFrame:
    """What stands around a prompt.

    Attributes:
        before: The text before it.
        after: The text behind it, up to where the answer begins.
        trimmed: Whether white space at the ends of a prompt is taken away.
    """

    before: str = ""
    after: str = ""
    trimmed: bool = False

    def around(self, prompt: str) -> str:
        """A prompt in its frame."""
        return self.before + (prompt.strip() if self.trimmed else prompt) + self.after


def chat_frame(tokenizer: PreTrainedTokenizerBase) -> ChatFrame:
    """The frame of a tokenizer's chat template; an empty one where it has none.

    Raises:
        ModelError: The template fails, takes too long, or changes what it is given.
    """
    if not tokenizer.chat_template:
        return ChatFrame()
    try:
        template: Any = tokenizer.get_chat_template()
    except ValueError as error:
        raise _refusal(_("there are several templates, none of them the default")) from error
    # Templates of the published checkpoints write BOS themselves; it is added once, by the encoding, for all of them.
    variables = json.dumps(tokenizer.special_tokens_map, default=str, sort_keys=True)
    return _found_frame(str(template), variables, str(tokenizer.bos_token or ""))


@lru_cache(maxsize=16)
def _found_frame(template: str, variables: str, bos: str) -> ChatFrame:
    texts = [text.removeprefix(bos) for text in _render(template, variables)]
    first = _TRIALS[0]
    before, found, after = texts[0].partition(first)
    for trimmed in (False, True):
        frame = ChatFrame(before, after, trimmed)
        if found and [frame.around(trial) for trial in _TRIALS] == texts:
            if len(before) + len(after) > LONGEST_FRAME:
                raise _refusal(_("it puts {count:,} characters around a prompt", count=len(before) + len(after)))
            return frame
    raise _refusal(_("it does not put the message, as it is, between two texts"))


_FAULTS = {"endless": _("it writes without end"), "memory": _("it takes too much memory")}
"""What a trial names by a code: it runs without this package."""


def _render(template: str, variables: str) -> list[str]:
    """The trial messages as the template renders them."""
    task = json.dumps({"template": template, "variables": json.loads(variables), "messages": _TRIALS})
    program = [sys.executable, "-I", str(Path(__file__).with_name("template_trial.py"))]
    try:
        done = subprocess.run(program, input=task.encode(), capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise _refusal(_("it does not come to an end")) from error
    except (OSError, UnicodeEncodeError) as error:
        raise _refusal(reason_of(error)) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() if done.returncode > 0 else []
        raise _refusal(said[-1][:200] if said else _("it takes more than the time and memory that any template needs"))
    answer: dict[str, Any] = json.loads(done.stdout)
    if "fault" in answer:
        raise _refusal(_FAULTS.get(answer["fault"], str(answer["fault"])))
    rendered: list[str] = answer["rendered"]
    return rendered


def _refusal(reason: str) -> ModelError:
    if not reason.isprintable():  # it is the template's own
        reason = "".join(char if char.isprintable() else " " for char in reason)
    return ModelError(
        _("the chat template cannot be used: {reason}", reason=reason),
        expected=_("a template that puts a user's message between two texts, as those of Gemma do"),
        action=_("download the checkpoint's tokenizer files again, or take its chat template away"),
    )
