"""The doctor looks a training over before an hour is spent on it.

In: a base model, training samples, a recipe. Out: `Finding`s, one for each thing that was looked at.
Each check names the public reports of the fault that it looks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.doctor.diagnosis import diagnose as diagnose
    from gemma_poetry.doctor.findings import Finding as Finding, fault_of as fault_of, has_fault as has_fault, judge as judge
    from gemma_poetry.doctor.sample_checks import check_samples as check_samples
else:
    __getattr__, __dir__ = lazy_exports(__name__)
