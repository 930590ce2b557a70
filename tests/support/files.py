"""Reading the files of a program that still writes and removes some."""

import os
from collections.abc import Iterator
from pathlib import Path


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file under `folder` and what is in it.

    A database gives its parts another name or merges them away at any time: what is gone before it is read is left out.
    """
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            try:
                yield path, path.read_bytes()
            except FileNotFoundError:
                continue
