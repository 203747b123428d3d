"""Rows become a data frame of pandas, where pandas is installed.

In: records of one kind. Out: a `pandas.DataFrame` with a row for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _

if TYPE_CHECKING:
    import pandas


def data_frame(rows: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """The rows as a data frame, their keys as columns.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            _("a data frame needs pandas, which is not installed"),
            expected=_("the package pandas"),
            action=_("pip install pandas"),
        ) from error
    return pandas.DataFrame([dict(row) for row in rows])
