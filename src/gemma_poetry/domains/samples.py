"""This module knows where the embedded samples of the domains are.

In: the name of a domain of this project. Out: the folder of its sample.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def sample_folder(name: str) -> Path:
    """The folder of a domain's sample; `prepare` says so where it is missing."""
    return Path(str(resources.files("gemma_poetry") / "assets" / "domains" / name))
