"""The command line: commands and their options, what they print; the work itself is in `verbs`.

In: the words behind `gemma-poetry`. Out: `main`, the console script.
"""

from __future__ import annotations


def main() -> None:
    """Runs the console script (see `cli.program`)."""
    from gemma_poetry.cli.program import main as run

    run()
