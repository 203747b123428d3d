"""A chat template, run where it can do no harm: a program of its own, called by `data.chat_frame`.

In: on standard input the template, its variables and trial messages, as JSON. Out: on standard output the texts that they
become, or the fault, as JSON; the system ends the process beyond its bounds of time and memory.

It imports nothing of this package: it is run by its path.
"""

import json
import sys

SECONDS = 5
"""Of the processor, when all is imported."""
MEMORY = 512 * 2**20
"""Bytes beyond what the process has by then."""
LONGEST = 200_000
"""Characters of a text."""


def main() -> None:
    """Renders each message as a user's first, up to where the answer begins."""
    task = json.loads(sys.stdin.buffer.read())
    from transformers.utils.chat_template_utils import render_jinja_template

    _bound()
    try:
        texts = [
            render_jinja_template(
                conversations=[[{"role": "user", "content": message}]],
                chat_template=task["template"],
                add_generation_prompt=True,
                **task["variables"],
            )[0][0]
            for message in task["messages"]
        ]
        answer = {"rendered": texts} if max(map(len, texts)) <= LONGEST else {"fault": "endless"}
    except MemoryError:
        answer = {"fault": "memory"}
    except Exception as error:  # a template can raise anything
        lines = str(error).strip().splitlines()
        answer = {"fault": f"{type(error).__name__}: {lines[0][:200] if lines else ''}"}
    sys.stdout.buffer.write(json.dumps(answer).encode())


def _bound() -> None:
    try:
        import resource
    except ImportError:  # Windows: the caller's clock alone
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:
            taken = int(pages.read().split()[0]) * resource.getpagesize()
    except OSError:  # no Linux
        return
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


if __name__ == "__main__":
    main()
