"""The commands of `gemma-poetry`: the options of each verb and the call of its work, a module a verb.

In: the words behind the verb. Out: a call of `verbs`, and what it found on standard output.
"""
