"""`gemma-poetry check --domain NAME`: texts of any domain against their forms.

In: a file, and the form that its texts must keep, if one is named. Out: verdict, faults and unknown words of each text, as rows
or JSON lines.

Exit status: 0 if no text fails, 1 if one does, 2 if one could not be read.
"""

from __future__ import annotations

import json
import sys

from gemma_poetry.cli.printing import print_all
from gemma_poetry.corpus.containers import SourceFile
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import RefusedError
from gemma_poetry.domains.domain import Domain
from gemma_poetry.verbs.check_layout import check_rows


def check_texts(file: SourceFile, form: str, domain: Domain, *, as_json: bool = False, feature: str = "") -> int:
    """Checks the texts of a file, prints what it finds, and returns the exit status.

    Args:
        file: The file.
        form: The form that every text must keep, by its full name; empty: the one that each has.
        domain: The language or style.
        as_json: JSON lines in place of text.
        feature: What every text must have besides.

    Raises:
        UsageError: The domain knows no such feature.
        SourceError: The file is of no format that is known.
    """
    named = domain.feature_name(feature) if feature else ""
    status = 0
    for record in read_poems(file, domain.divide):
        try:
            poem = domain.clean(record)
        except RefusedError as refusal:
            print(f"{record.source_id}: left out: {refusal.reason}", file=sys.stderr)
            status = 2
            continue
        found = domain.check_with(poem.lines, form or poem.form, named)
        if found["verdict"] == "fail":
            status = max(status, 1)
        if as_json:
            print(json.dumps({"title": poem.title, "author": poem.author, **found}, ensure_ascii=False))
        else:
            print_all([poem.title or poem.source_id, *(f"  {row}" for row in check_rows(found))])
    return status
