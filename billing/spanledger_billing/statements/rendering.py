"""The forms a statement is written in, under one name each."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from spanledger_billing.statements import csv_file, json_file
from spanledger_billing.statements.model import Statement


class Format(StrEnum):
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True)
class Rendered:
    content: bytes
    missing: str = ""
    """Characters that the document could not show, each once."""


def render(statement: Statement, form: Format, template: Path | None = None) -> Rendered:
    """The statement's bytes, always the same for the same statement and template.

    Args:
        statement: written as it is; hide cost before with `Statement.for_client`.
        form: how.
        template: for a PDF, in place of the one that ships.

    Raises:
        InvalidInputError: the template or the agency's logo is not what is allowed.

    """
    if form is Format.CSV:
        return Rendered(csv_file.render(statement))
    if form is Format.JSON:
        return Rendered(json_file.render(statement))
    # Typst is tens of megabytes, which only a PDF should load.
    from spanledger_billing.statements import pdf

    return pdf.render(statement, template)
