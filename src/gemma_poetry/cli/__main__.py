"""`python -m gemma_poetry.cli`, as launchers of several processes start it.

In: the command line. Out: as of the console script.
"""

from gemma_poetry.cli import main

if __name__ == "__main__":
    main()
