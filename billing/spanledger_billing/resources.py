"""Where the files lie that live beside the code: migrations, collector configuration, dashboards.

In a checkout they stand at the top level, where people look for them; in an installed package they
are inside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `schema`, `collector` or `dashboards`, as a path.

    Raises:
        FileNotFoundError: the installation is not whole.

    """
    for candidate in (_PACKAGE / f"_{name}", _PACKAGE.parent.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"spanledger's own folder {name!r} is missing from this installation; install the package again"
    )
