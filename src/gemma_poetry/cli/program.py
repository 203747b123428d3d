"""The console script `gemma-poetry`: one verb from its words to its exit status.

In: the command line, and signals. Out: the verb's result on standard output, progress and messages on standard error, and
the exit status: 0 done, 1 a verdict is negative, 2 usage or input error, 130 and 143 interrupted (Ctrl-C, SIGTERM), 141 the
reader of the output left.

Until the verb has its words, nothing is written that could be left half-done: a signal ends the program on the spot. From
then on it is an exception, which cleans up on its way, and tells what was kept and how to go on. That is why nothing, not
even the list of the verbs, is imported at the top.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from gemma_poetry.errors import GemmaPoetryError, ran_out_of_memory
from gemma_poetry.languages import _, localized

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """The program was told to end (SIGTERM): it cleans up as after Ctrl-C."""


def main() -> None:
    """Runs the console script; our own errors and signals end it with their text and exit status, never a stack trace."""
    for each in _SIGNALS:
        signal.signal(each, _end_at_once)
    try:
        _run()
    except GemmaPoetryError as error:
        _end(str(error), error.exit_status)
    except KeyboardInterrupt as interrupt:
        _end_interrupted(interrupt)
    except SystemExit as end:
        # The library of the command line turns an interrupt into an exit.
        behind = _interrupt_behind(end)
        if behind is None:
            raise
        _end_interrupted(behind)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        lines = str(error).strip().splitlines()
        explained = GemmaPoetryError(
            _("memory ran out ({reason})", reason=lines[0] if lines else type(error).__name__),
            expected=_("room for the model and for a batch"),
            action=_(
                "lower the batch (--set evaluate.batch_size=8, generate.batch_size=8, train.batch_size=4), choose a smaller "
                "model (gemma-poetry models lists what fits), or end what else takes memory"
            ),
        )
        _end(str(explained), explained.exit_status)
    finally:
        sys.stdout.flush()


def _run() -> None:
    import gc
    import warnings

    # Notices between libraries (a renamed argument, a bar for reading weights) say nothing to the person at the terminal.
    warnings.simplefilter("ignore", FutureWarning)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # Importing torch makes millions of objects that live on; looking through them again and again for cycles takes a
    # sixth of the time to the first poem.
    gc.set_threshold(100_000, 50, 100)

    from gemma_poetry.cli.language import choose_language, with_language

    choose_language(sys.argv[1:])

    from typer.main import get_command

    from gemma_poetry.cli.application import app
    from gemma_poetry.cli.printing import end_with_reader
    from gemma_poetry.extras import naming_extras

    end_with_reader()
    for each in _SIGNALS:
        signal.signal(each, _interrupt)
    with naming_extras():
        with_language(get_command(app))()


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    os.write(2, f"\n{localized(_INTERRUPTED[number])}\n".encode())
    os._exit(128 + number)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


_INTERRUPTED: dict[int, str] = {
    signal.SIGINT: _("gemma-poetry: interrupted"),
    signal.SIGTERM: _("gemma-poetry: ended by a signal (SIGTERM)"),
}


def _interrupt_behind(end: BaseException) -> KeyboardInterrupt | None:
    seen: BaseException | None = end
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen


def _end_interrupted(interrupt: KeyboardInterrupt) -> None:
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    # A second signal while libraries end their threads has nothing more to save.
    for each in _SIGNALS:
        signal.signal(each, _end_at_once)
    notes = getattr(interrupt, "__notes__", [])
    advice = [localized(_("What to do: {action}", action=note)) for note in notes]
    _end("\n".join([f"\n{localized(_INTERRUPTED[number])}", *advice]), 128 + number)


def _end(message: str, status: int) -> None:
    lead = "" if message.startswith("\n") else "gemma-poetry: "
    print(f"{lead}{message}", file=sys.stderr)
    sys.exit(status)


def __getattr__(name: str) -> Any:
    if name == "app":
        from gemma_poetry.cli.application import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
