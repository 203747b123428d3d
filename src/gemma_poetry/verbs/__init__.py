"""The verbs do the work of `gemma-poetry VERB`: they put the rooms together.

In: what a verb is asked for, as checked values. Out: files, or what `cli` prints.
A verb imports what is heavy when it is called.
"""
