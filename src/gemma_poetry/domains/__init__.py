"""Domains are languages and styles, as plug-ins of one interface.

In: one class for each, of this project or of another package. Out: what the verbs ask a `Domain`: how its texts are divided,
cleaned, prompted, counted and checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.domains.domain import Domain as Domain
    from gemma_poetry.domains.registry import (
        DEFAULT as DEFAULT,
        Listing as Listing,
        list_domains as list_domains,
        load_domain as load_domain,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
