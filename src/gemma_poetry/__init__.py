"""Gemma Chinese Poetry writes, checks and evaluates classical Chinese poems with fine-tuned Gemma models.

In: collections of poems, Gemma models, poems to check. Out: data, runs, reports, poems.
"""

__version__ = "0.1.0"
