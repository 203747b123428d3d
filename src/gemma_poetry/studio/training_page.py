"""A training as the page shows it: how far it is, what the doctor found, what the model writes meanwhile.

In: a `JobState`. Out: HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.training_job import SAMPLE, JobState
from gemma_poetry.studio.verse import escape

_POEMS_SHOWN = 4


def state_html(state: JobState, run: Path, language: Language) -> str:
    """Where the training stands: a sentence, a bar, what came of it."""
    request = state.request
    reads = say(
        "train_reads",
        language,
        model=request.get("model", ""),
        data=data_label(str(request.get("data", "")), language),
        recipe=request.get("recipe", ""),
    )
    settings = " ".join(map(str, request.get("settings", ())))
    parts = [
        f'<section class="job" data-status="{state.status}" data-stage="{escape(state.stage)}">',
        f'<p class="caption">{escape(reads)} <small>{escape(settings)}</small></p>',
        f'<p class="{"notice working" if state.status == "running" else "notice"}" role="status">'
        f"{escape(_sentence(state, language))}</p>",
        _bar(state, language),
    ]
    if state.manifest:
        kept = state.manifest.get("kept_step")
        facts = [say("train_kept_step", language, step=kept)] if kept is not None else []
        validation = state.manifest.get("validation") or {}
        if isinstance(validation.get("ppl_char"), int | float):
            facts.append(f"{say('fact_ppl_char', language)} {validation['ppl_char']:.2f}")
        facts.append(say("train_run_at", language, folder=run))
        facts += [say("train_exported", language, folder=folder) for folder in state.exports]
        parts += [f'<p class="figure">{escape(fact)}</p>' for fact in facts]
    return "".join([*parts, "</section>"])


def findings_html(state: JobState, language: Language) -> str:
    """What the doctor found, a row a finding; empty before he looked."""
    if not state.findings:
        return ""
    rows = []
    for finding in (one[language] for one in state.findings):
        verdict, advice = finding["verdict"], finding.get("action", "")
        action = f'<span class="mend">{escape(advice)}</span>' if advice else ""
        rows.append(
            f'<tr data-verdict="{escape(verdict)}"><th>{escape(finding["check"])}</th>'
            f"<td><strong>{escape(say(f'verdict_{verdict}', language))}</strong></td>"
            f"<td>{escape(finding['found'])}{action}</td></tr>"
        )
    title = escape(say("doctor_findings", language))
    # Once it trains they are history: folded away.
    unfolded = " open" if state.stage in ("prepare", "doctor") else ""
    table = f'<div class="scroll" tabindex="0"><table class="facts found">{"".join(rows)}</table></div>'
    return f'<details class="fold"{unfolded}><summary>{title}</summary>{table}</details>'


def poems_html(state: JobState, language: Language) -> str:
    """Poems of the last evaluation beside those of the first, to the same titles; empty before there are any."""
    if not state.readings:
        return ""
    steps = list(dict.fromkeys(int(one["step"]) for one in state.readings))
    shown = [steps[0], steps[-1]] if len(steps) > 1 else steps
    by_step = {step: [one for one in state.readings if int(one["step"]) == step][:_POEMS_SHOWN] for step in shown}
    columns = [_poems(by_step[step], step, language) for step in reversed(shown)]
    return f'<div class="pair samples">{"".join(columns)}</div>'


def log_html(state: JobState, language: Language) -> str:
    """The end of the log, unfolded where it has the reason of a failure."""
    if not state.log.strip():
        return ""
    unfolded = " open" if state.status in ("failed", "lost") else ""
    title, text = escape(say("train_log", language)), escape(state.log.strip())
    return f'<details class="fold"{unfolded}><summary>{title}</summary><pre class="log" tabindex="0">{text}</pre></details>'


def data_label(name: str, language: Language) -> str:
    """What the page calls a text, or a DATA folder."""
    if name == SAMPLE:
        return say("train_sample", language)
    folder, slash, file = name.partition("/")
    return say("train_sent", language, name=file) if slash and folder == "uploads" else name


def _sentence(state: JobState, language: Language) -> str:
    stage = say(f"stage_{state.stage.partition('-')[0]}", language)
    return say(f"train_{state.status}", language, stage=stage, status=state.exit_status, pid=state.pid or "…")


def _bar(state: JobState, language: Language) -> str:
    if state.stage in ("prepare", "doctor") or not (state.step or state.stage == "train"):
        return ""
    share = min(1.0, state.step / state.steps) if state.steps else 0.0
    key = "train_step" if state.steps else "train_step_open"
    label = escape(say(key, language, step=f"{state.step:,}", steps=f"{state.steps:,}"))
    return (
        f'<div class="progress" role="progressbar" aria-label="{label}" aria-valuemin="0" aria-valuemax="{state.steps}" '
        f'aria-valuenow="{state.step}"><i style="width:{100 * share:.1f}%"></i></div><p class="figure">{label}</p>'
    )


def _poems(readings: Sequence[Mapping[str, Any]], step: int, language: Language) -> str:
    title = say("train_poems", language, step=f"{step:,}") if step else say("train_poems_first", language)
    poems = []
    for one in readings:
        lines = "".join(f"<span>{escape(str(line))}</span>" for line in one["lines"])
        rank = escape(say("train_rank_of", language, rank=one["rank"]))
        poems.append(f'<figure class="sample"><h5>{escape(str(one["title"]))}</h5><p>{lines}</p><small>{rank}</small></figure>')
    return f'<section class="side"><h4 class="model">{escape(title)}</h4>{"".join(poems)}</section>'
