"""`gemma-poetry check --domain NAME`: texts of any domain against their forms.

In: a file, or `-` for standard input; a form, or `auto` for the one that each text has. Out: verdict, faults and unknown words
of each text, as rows or JSON lines.

Exit status: 0 if no text fails, 1 if one does, 2 if one could not be read.
"""

from __future__ import annotations

import json
import sys

from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import RefusedError
from gemma_poetry.domains.domain import Domain
from gemma_poetry.verbs.check import AUTO, read_file
from gemma_poetry.verbs.check_layout import check_rows


def check_texts(path: str, form: str, domain: Domain, *, as_json: bool = False, feature: str = "") -> int:
    """Checks the texts of a file, prints what it finds, and returns the exit status.

    Raises:
        UnknownFormError: The domain knows no such form.
        UsageError: The domain knows no such feature.
        InputError: The file cannot be read.
    """
    wanted = "" if form == AUTO else domain.form_name(form)
    named = domain.feature_name(feature) if feature else ""
    status = 0
    for record in read_poems(read_file(path), domain.divide):
        try:
            poem = domain.clean(record)
        except RefusedError as refusal:
            print(f"{record.source_id}: left out: {refusal.reason}", file=sys.stderr)
            status = 2
            continue
        found = domain.check_with(poem.lines, wanted or poem.form, named)
        if found["verdict"] == "fail":
            status = max(status, 1)
        if as_json:
            print(json.dumps({"title": poem.title, "author": poem.author, **found}, ensure_ascii=False))
        else:
            print(f"{poem.title or poem.source_id}")
            print("\n".join(f"  {row}" for row in check_rows(found)))
    return status
