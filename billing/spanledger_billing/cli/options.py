"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The ledger in this folder of spanledger up; if not given, the environment says where it is.",
    ),
]
