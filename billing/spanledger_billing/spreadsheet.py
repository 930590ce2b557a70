"""Text in a file that a spreadsheet opens: it stays the text that it is.

A spreadsheet runs what looks like a formula and rewrites what looks like a number or a date (a client id
007, a model 4-5). An apostrophe in front stops both; every spreadsheet knows it as the sign for text.

Figures are not passed through here: they are written as digits, a point and at most a leading minus.
"""

import re
from typing import Final

_STARTS_FORMULA: Final = (
    "=+-@"
    "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
_MONTH: Final = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_REWRITTEN: Final = re.compile(
    r"[\s(]*[0-9.,][0-9.,:/\s%()eE+-]*|"
    rf"[0-9]+[-/ .]?{_MONTH}([-/ .]?[0-9]+)?|{_MONTH}[-/ .]?[0-9]+|true|false",
    re.IGNORECASE,
)
_AFTER_SEPARATOR: Final = re.compile(rf"([;|,])(?=\s*[{re.escape(_STARTS_FORMULA)}])")
"""Where a spreadsheet's separator is not the comma, it cuts the text there, and the rest begins a cell."""
_BREAKS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Tabs, line breaks and other controls: one program or another ends a cell at them."""


def text_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula, a number or a date."""
    safe = _AFTER_SEPARATOR.sub(r"\1'", _BREAKS.sub("\N{REPLACEMENT CHARACTER}", text))
    begins = safe.lstrip()[:1]
    if text[:1] in ("\t", "\r", "\n") or (begins and begins in _STARTS_FORMULA) or _REWRITTEN.fullmatch(safe):
        return f"'{safe}" if text else ""
    return safe
