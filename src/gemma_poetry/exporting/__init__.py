"""Exporting writes a run for other programs, and believes only what it has read back.

In: a RUN. Out: a PEFT folder, merged weights, a GGUF file with its Modelfile for Ollama, or a repository on the Hub.
Each is compared with the run on fixed poems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.exporting.export import (
        ExportCheck as ExportCheck,
        ExportSource as ExportSource,
        compare as compare,
        merge as merge,
        open_run as open_run,
        write_adapter as write_adapter,
        write_merged as write_merged,
    )
    from gemma_poetry.exporting.gguf_file import read_gguf as read_gguf, require_gguf as require_gguf, write_gguf as write_gguf
    from gemma_poetry.exporting.hub_upload import model_card as model_card, upload as upload
    from gemma_poetry.exporting.ollama import modelfile as modelfile
else:
    __getattr__, __dir__ = lazy_exports(__name__)
