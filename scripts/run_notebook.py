"""Runs a notebook from start to end, its outputs saved in place: what `make notebook` calls.

In: the notebook, and settings to use in place of its own (the test suite takes small ones). Out: the notebook with its
outputs, each cell's time on standard error; a cell that fails ends it with that cell's error.

    python scripts/run_notebook.py notebooks/gemma-google-chinese.ipynb [--out FILE] [--set 'NAME=VALUE' ...]

The kernel runs in the notebook's own folder. Times and paths of this machine are not saved, so that running it again changes
no more than figures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

CELL_SECONDS = 1800


def run_notebook(path: Path, out: Path, settings: list[str]) -> float:
    """Runs every cell; returns the seconds that it took.

    Args:
        path: The notebook.
        out: Where it is saved with its outputs.
        settings: Lines of Python that follow the cell tagged `settings`.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "settings" in cell.metadata.get("tags", []):
            own, cell.source = cell.source, "\n".join([cell.source, *settings])
            changed = cell
    # Warnings of libraries to their developers name the folders of this machine.
    os.environ["PYTHONWARNINGS"] = "ignore"
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            # Sockets of this machine: nobody else can reach the kernel. The path is absolute, since the kernel runs elsewhere.
            km=AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(Path(folder) / "kernel")),
            timeout=CELL_SECONDS,
            startup_timeout=CELL_SECONDS,
            record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=_report_cell,
        )
        began = time.monotonic()
        client.execute()
        seconds = time.monotonic() - began
    changed.source = own
    # What each kernel says of itself differs between machines.
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, out)
    return seconds


def _report_cell(cell: nbformat.NotebookNode, cell_index: int, execute_reply: object) -> None:
    first = next(iter(cell.source.splitlines()), "")
    print(f"{time.strftime('%H:%M:%S')} cell {cell_index}: {first[:90]}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a notebook and save its outputs in place.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, help="another file in place of the notebook itself")
    parser.add_argument("--set", action="append", default=[], metavar="LINE", help="a line of Python behind the settings")
    options = parser.parse_args()
    seconds = run_notebook(options.notebook, options.out or options.notebook, options.set)
    print(f"{options.notebook}: {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
