"""The command line of `gemma-poetry domains`: its options, and the call of `verbs.domains`.

In: the words behind the verb. Out: the table of domains.
"""

from __future__ import annotations

from gemma_poetry.cli.options import JsonOption
from gemma_poetry.cli.printing import print_all


def domains(as_json: JsonOption = False) -> None:
    """The languages and styles that are known, those of other packages included."""
    from gemma_poetry.verbs.domains import domain_lines, domain_records

    print_all(domain_records() if as_json else domain_lines())
