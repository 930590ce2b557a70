"""A statement as PDF, set by Typst from a template that the agency can change.

The template gets the document as the file `statement.json` (what `json_file.render` gives, with the text
made printable) and the agency's logo under the name in `logo` there. All of it is data: a name is never
Typst source. The clock is the month's end, fonts are Typst's own and those in the folder `fonts` beside a
template of the agency's, and a template reads no file outside its folder: same document, same bytes.
"""

import functools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import typst

from spanledger_billing.errors import InvalidInputError
from spanledger_billing.statements import json_file
from spanledger_billing.statements.model import Statement
from spanledger_billing.statements.rendering import Rendered

TEMPLATE: Final = Path(__file__).with_name("templates") / "statement.typ"
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands for letters that no font has."""

_LOGOS: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"})
_REORDERING: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that could turn figures around which stand beside a name."""
_SHAPING: Final = "\u200b\u200c\u200d\u2060\ufe0e\ufe0f"
"""They have no glyph of their own, so none is missing."""
_DOWNLOADS: Final = re.compile(r'"@preview/')


_compile: Any = typst.compile
"""Its stubs know of no input of several files, which it takes: name -> content, the first is set."""


def render(statement: Statement, template: Path | None = None) -> Rendered:
    """The document as PDF. Symbols that no font has are left out, a run of such letters is one U+FFFD.

    Args:
        statement: written as it is; hide cost before with `Statement.for_client`.
        template: another than the one that ships.

    Raises:
        InvalidInputError: the template or the logo cannot be read, or the template has a fault.

    """
    path = template or TEMPLATE
    source = _read(path, "the template", f"a Typst file, such as a copy of {TEMPLATE}")
    if _DOWNLOADS.search(source.decode(errors="replace")):
        raise InvalidInputError(
            f"the template {path} imports a package from the network",
            allowed="files in the template's own folder; the same statement must give the same bytes",
            next_step="copy the package into that folder and import it from there",
        )
    fonts = path.parent / "fonts" if template else None
    data, missing = printable(json.loads(json_file.render(statement)), fonts)
    files = {"main.typ": source}
    if statement.agency.logo:
        logo = Path(statement.agency.logo)
        data["logo"] = f"logo{_logo_type(logo)}"
        files[data["logo"]] = _read(logo, "the agency's logo", "a path that can be read from here")
    files["statement.json"] = json.dumps(data, sort_keys=True).encode()
    try:
        content = _compile(
            files,
            root=path.parent,
            font_paths=_fonts(fonts),
            ignore_system_fonts=True,
            format="pdf",
            timestamp=int(statement.period.end.timestamp()),
        )
    except typst.TypstError as error:
        raise InvalidInputError(
            f"the template {path} cannot be set: {error.diagnostic or error.message}",
            allowed="a Typst document over the file statement.json",
            next_step=f"compare it with the one that ships, {TEMPLATE}",
        ) from error
    return Rendered(content, missing)


def _read(path: Path, what: str, allowed: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{what} {path} cannot be read: {error.strerror}", allowed=allowed, next_step="correct the path"
        ) from error


def _logo_type(logo: Path) -> str:
    if logo.suffix.lower() not in _LOGOS:
        raise InvalidInputError(
            f"the agency's logo is {logo}",
            allowed=f"a file that ends in {', '.join(sorted(_LOGOS))}",
            next_step="convert it, and correct the path in clients.yaml",
        )
    return logo.suffix.lower()


@functools.cache
def _fonts(folder: Path | None) -> typst.Fonts:
    """Looking through fonts takes longer than a page."""
    paths = [str(folder)] if folder and folder.is_dir() else []
    return typst.Fonts(include_system_fonts=False, font_paths=paths)


# Text that can be printed ---------------------------------------------------------------------------


def printable(data: Any, fonts: Path | None) -> tuple[Any, str]:
    """The data with every text such as the fonts can print it, and the characters that none of them has."""
    used = frozenset("".join(_texts(data)))
    missing = _missing(frozenset(c for c in used if not c.isascii() and c not in _SHAPING), fonts)
    return _mapped(data, lambda text: _printable(text, missing)), "".join(sorted(missing))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield _harmless(data)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield _harmless(key)
            yield from _texts(value)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)


def _mapped(data: Any, change: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return change(data)
    if isinstance(data, dict):
        return {change(key): _mapped(value, change) for key, value in data.items()}
    if isinstance(data, list):
        return [_mapped(item, change) for item in data]
    return data


def _harmless(text: str) -> str:
    """Without controls; a line break, which only texts of the agency's have, stays."""
    kept = (c for c in text if c not in _REORDERING)
    return "".join(REPLACEMENT if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in kept)


def _printable(text: str, missing: frozenset[str]) -> str:
    text = _harmless(text)
    if missing.isdisjoint(text):
        return text
    out: list[str] = []
    for character in text:
        if character not in missing:
            out.append(character)
        elif unicodedata.category(character)[0] in "LMNP" and out[-1:] != [REPLACEMENT]:
            out.append(REPLACEMENT)
    # What joined or coloured a symbol that is gone has nothing left to do.
    return re.sub(r"  +", " ", "".join(out).strip(_SHAPING + " "))


_PROBE: Final = b"""
#set page(width: 1cm, height: auto, margin: 0pt)
#for character in json("characters.json") { box[x]; box(text(character)) }
"""
_GLYPH: Final = re.compile(rb'<use xlink:href="#(\w+)"')
_UNASSIGNED: Final = "\U0010ffff"


@functools.lru_cache(maxsize=256)
def _missing(characters: frozenset[str], fonts: Path | None) -> frozenset[str]:
    """Those that no font has.

    Typst draws the same box for each of them and reports nothing. So all are drawn, an `x` before each,
    after a character that no font can have: whoever looks like that one is missing.
    """
    if not characters:
        return frozenset()
    asked = sorted(characters)
    drawn = _compile(
        {"main.typ": _PROBE, "characters.json": json.dumps(["x", _UNASSIGNED, *asked]).encode()},
        font_paths=_fonts(fonts),
        ignore_system_fonts=True,
        format="svg",
    )
    glyphs = _GLYPH.findall(drawn if isinstance(drawn, bytes) else b"".join(drawn))
    mark, box = glyphs[0], glyphs[3]
    looks: list[list[bytes]] = []
    for glyph in glyphs[3:]:
        if glyph == mark:
            looks.append([])
        elif looks:
            looks[-1].append(glyph)
    return frozenset(c for c, look in zip(asked, looks, strict=True) if box in look)
