"""The command line of `gemma-poetry doctor`: its options, and the call of `verbs.doctor`.

In: the words behind the verb. Out: findings, and exit status 1 where one is a fault.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, ModelOption, RecipeOption, SetOption, chosen_recipe
from gemma_poetry.cli.printing import print_json, print_tables


def doctor(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    model: ModelOption = "mini",
    out: Annotated[Path | None, typer.Option("--out", help="Where the RUN would be written: its disk is looked at.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look a training over before an hour is spent on it; exit status 1 when it would be in vain."""
    from gemma_poetry.doctor.findings import has_fault
    from gemma_poetry.verbs.doctor import doctor as examine, findings_table

    findings = []
    for finding in examine(model, data, chosen_recipe(recipe, overrides), out=out):
        findings.append(finding)
        if as_json:
            print_json(finding.to_record())
    if not as_json:
        print_tables([findings_table(findings)])
    sys.exit(1 if has_fault(findings) else 0)
