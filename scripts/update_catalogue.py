"""The Chinese catalogue is brought up to the messages of the package, and compiled.

    python scripts/update_catalogue.py            messages.po gains what is new and loses what is gone; messages.mo is written
    python scripts/update_catalogue.py --check    nothing is written; exit status 1 where one of the two would change

In: every `_("...")` of the package and of its templates, the help of the command line, what the fields of recipes mean, and
the messages of the libraries of the command line. Out: `assets/locale/zh/LC_MESSAGES/messages.po` and `.mo`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gemma_poetry"
PO = PACKAGE / "assets" / "locale" / "zh" / "LC_MESSAGES" / "messages.po"
MO = PO.with_suffix(".mo")

# What typer looks up through gettext.
OF_LIBRARIES = (
    "Options",
    "Arguments",
    "Commands",
    "Error",
    "Aborted!",
    "Aborted.",
    "(deprecated) ",
    "(dynamic)",
    "[default: {}]",
    "[env var: {}]",
    "[required]",
    "Missing command.",
    "No such command {name!r}.",
    "Try [blue]'{command_path} {help_option}'[/] for help.",
    "default: {default}",
    "env var: {var}",
    "required",
)
_NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # a date that moves would change the file whenever it is written


def messages() -> Iterator[tuple[str, str]]:
    """Every text that a person may be shown, with the file or command that it stands in."""
    from typer.main import get_command

    from gemma_poetry.cli.application import app
    from gemma_poetry.cli.language import HELP_OF_HELP, help_texts
    from gemma_poetry.config import Recipe

    methods = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
    for name, _line, found, _comments, _context in extract_from_dir(PACKAGE, methods, keywords={"_": None}):
        if isinstance(found, str) and found:
            yield found, f"src/gemma_poetry/{name}"
    yield from help_texts(get_command(app))
    for section in dict(Recipe()).values():
        said = [section.__doc__, *(field.description for field in type(section).model_fields.values())]
        yield from ((text, "src/gemma_poetry/config.py") for text in said if text)
    yield from ((text, "typer") for text in (*OF_LIBRARIES, HELP_OF_HELP))


def catalogue() -> Catalog:
    """The catalogue as it should be: every message, with the twin that it has so far."""
    known = Catalog()
    if PO.exists():
        with PO.open("rb") as stream:
            known = read_po(stream, locale="zh")
    fresh = Catalog(
        locale="zh",
        project="gemma-poetry",
        creation_date=_NO_DATE,
        revision_date=_NO_DATE,
        last_translator="",
        language_team="zh",
        msgid_bugs_address="",
        version="",
        copyright_holder="The Gemma Chinese Poetry authors",
        fuzzy=False,
    )
    fresh.header_comment = "# The messages of gemma-poetry in Chinese; see scripts/update_catalogue.py."
    for text, place in messages():
        message = fresh.add(text, locations=[(place, 0)])
        if text in known:
            message.string = known[text].string
    for message in fresh:
        message.flags.clear()
        message.locations = list(dict.fromkeys(message.locations))
    return fresh


def as_bytes(fresh: Catalog) -> tuple[bytes, bytes]:
    """The catalogue as a .po and as a .mo file."""
    po, mo = io.BytesIO(), io.BytesIO()
    write_po(po, fresh, width=128, include_lineno=False)
    write_mo(mo, fresh)
    return po.getvalue(), mo.getvalue()


def main() -> int:
    fresh = catalogue()
    wanting = sum(not message.string for message in fresh if message.id)
    print(f"{len(fresh)} messages, {wanting} of them without a twin")
    changed = False
    for path, content in zip((PO, MO), as_bytes(fresh)):
        if not path.exists() or path.read_bytes() != content:
            changed = True
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return int(changed and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
