"""Reading a file of overrides: what it says, or every problem in it at once."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from spanledger_billing.clients.documents import Problems, parse
from spanledger_billing.prices.overrides import END, HOST, OWN, Override, Overrides, Seller, Stated
from spanledger_billing.prices.overrides_layout import BLOCKS, FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from spanledger_billing.clients.shapes import Found

EXAMPLE: Final = "schema/overrides.example.yaml"
COMMAND: Final = "spanledger prices apply"
MOST_LISTS: Final = 2
"""By which a seller can be priced on different days: what names mean by each list is multiplied."""


def read(content: bytes, known: Mapping[str, str], file: str = "overrides.yaml") -> Overrides:
    """What the content of a file says.

    Args:
        content: the file's bytes.
        known: names of providers, as the price list has them and as spans do -> as the price list has them.
        file: what errors call it.

    Raises:
        InvalidInputError: it is not what is allowed; the error names every place, by line.

    """
    problems = Problems()
    node = parse(content, problems, holds="priced_as or prices", example=EXAMPLE)
    found = FILE.read("the file", node, problems) if node is not None else None
    if found is not None:
        mappings = tuple(
            one for each in found.get("priced_as", ()) for one in _mapping(each, known, problems)
        )
        own = {one.seller for one in mappings}
        prices = [one for each in found.get("prices", ()) for one in _override(each, known, own, problems)]
        _check_mappings(mappings, problems)
        _check_prices(prices, mappings, problems)
        if not problems.found:
            return Overrides(mappings, tuple(prices), content)
    raise problems.error(file, COMMAND)


def _mapping(found: Found, known: Mapping[str, str], problems: Problems) -> Iterator[Seller]:
    seller = _seller(found, known, (), problems, new=True)
    target = found.get("as", "")
    if target and target != OWN and target not in known:
        problems.add(found.line_of("as"), *_unknown_provider("as", target, known))
    days = _stretch(found, problems)
    if seller and target and days and "source" in found:
        yield Seller(seller, known.get(target, ""), *days, found.get("source"), found.line)


def _override(
    found: Found, known: Mapping[str, str], own: set[str], problems: Problems
) -> Iterator[Override]:
    seller = _seller(found, known, own, problems)
    days = _stretch(found, problems)
    prices = dict(_stated(found, problems))
    discount = found.get("discount_percent")
    blocks = [block for block in BLOCKS if block in found or block in found.broken]
    if "discount_percent" in found and (blocks or "above_input_tokens" in found):
        problems.add(
            found.line_of("discount_percent"),
            "prices and a discount in one entry",
            "either prices or discount_percent",
            "make two entries of it",
        )
    elif not blocks and not {"discount_percent"} & {*found.values, *found.broken}:
        problems.add(
            found.line,
            "this entry states no price",
            f"{', '.join(BLOCKS)} or discount_percent",
            "state what it costs, such as usd_per_million: {input: 2, output: 8}",
        )
    if seller and days and {"model", "source"} <= found.values.keys() and (prices or discount is not None):
        circumstances = tuple(
            sorted((key, found.get(key)) for key in ("processing", "service_tier", "speed") if key in found)
        )
        yield Override(
            seller,
            found.get("model").lower(),
            *days,
            circumstances,
            {} if discount is not None else prices,
            discount,
            found.get("source"),
            found.line,
        )


def _seller(
    found: Found,
    known: Mapping[str, str],
    own: set[str] | tuple[()],
    problems: Problems,
    *,
    new: bool = False,
) -> str:
    """Whose calls an entry is about; `new` where no list may know it yet."""
    if ("host" in found) == ("provider" in found):
        if not {"host", "provider"} & found.broken:
            both = "both a host and a provider" if "host" in found else "neither a host nor a provider"
            problems.add(
                found.line, f"this entry names {both}", "one of host and provider", "name one of them"
            )
        return ""
    if "host" in found:
        return f"{HOST}{found.get('host').lower()}"
    name: str = found.get("provider")
    if new:
        if name in known:
            problems.add(
                found.line_of("provider"),
                f"the price list has the provider {name}",
                "a provider that no list knows, or a host",
                "state its prices under prices, without priced_as",
            )
            return ""
        return name
    if name in known or name in own:
        return known.get(name, name)
    problems.add(found.line_of("provider"), *_unknown_provider("provider", name, known))
    return ""


def _unknown_provider(key: str, name: str, known: Mapping[str, str]) -> tuple[str, str, str]:
    near = difflib.get_close_matches(name[:60], [*known, OWN], n=1)
    own = f"add - {{provider: {name}, as: {OWN}, …}} under priced_as, if it is one that no list knows"
    return (
        f"{key} is {name}, which the price list does not have",
        ", ".join(sorted(set(known.values()))) + (f", {OWN}" if key == "as" else ""),
        f"write {near[0]}, if that is meant" if near else "write one of these" if key == "as" else own,
    )


def _stretch(found: Found, problems: Problems) -> tuple[date, date] | None:
    first, until = found.get("from"), found.get("until", END)
    if first is None or "until" in found.broken:
        return None
    if until <= first:
        problems.add(
            found.line_of("until"),
            f"until is {until}, and from is {first}",
            "the first day on which it no longer holds, after from",
            "correct one of them",
        )
        return None
    return first, until


def _stated(found: Found, problems: Problems) -> Iterator[tuple[str, Stated]]:
    below = _units(found, problems)
    above: dict[str, list[tuple[int, Decimal, int]]] = {}
    sizes: set[int] = set()
    for tier in found.get("above_input_tokens", ()):
        tokens = int(tier.get("tokens", 0))
        if tokens in sizes:
            problems.add(
                tier.line, f"{tokens} tokens stand here twice", "each size once", "remove one of them"
            )
        sizes.add(tokens)
        units = _units(tier, problems)
        if not units and not tier.broken:
            problems.add(tier.line, "this size states no price", ", ".join(BLOCKS), "state it, or remove it")
        for unit, (price, per, line) in units.items():
            if unit not in below and not found.broken:
                problems.add(
                    line,
                    f"{unit} has a price above {tokens} tokens and none below",
                    "both in one entry",
                    f"state the price of {unit} for smaller prompts beside from",
                )
            above.setdefault(unit, []).append((tokens, price, per))
    for unit, (price, per, _) in below.items():
        yield unit, Stated(price, per, tuple(sorted(above.get(unit, ()))))


def _units(found: Found, problems: Problems) -> dict[str, tuple[Decimal, int, int]]:
    """Unit -> (price, for how many, line)."""
    units: dict[str, tuple[Decimal, int, int]] = {}
    for block, per in BLOCKS.items():
        line = found.line_of(block)
        for unit, price in found.get(block, {}).items():
            if unit in units:
                problems.add(line, f"{unit} has two prices", "each unit once", "remove one of them")
            units[unit] = (price, per, line)
    return units


def _check_mappings(mappings: Sequence[Seller], problems: Problems) -> None:
    for number, one in enumerate(mappings):
        for other in mappings[:number]:
            if (
                one.seller == other.seller
                and one.from_day < other.until_day
                and other.from_day < one.until_day
            ):
                problems.add(
                    one.line,
                    f"{one.seller} stands here and on line {other.line}, and some days are in both",
                    "each host and provider once at a time",
                    "let one end (until) on the day on which the other begins, or remove one of them",
                )
        lists = dict.fromkeys(each.provider for each in mappings[: number + 1] if each.seller == one.seller)
        if one.provider and len(set(lists) - {""}) > MOST_LISTS:
            problems.add(
                one.line,
                f"{one.seller} is priced by the lists of {', '.join(each for each in lists if each)}",
                f"{MOST_LISTS} lists one after the other, and {OWN}",
                f"map it to {OWN} for these days, and state its prices under prices",
            )


def _check_prices(prices: Sequence[Override], mappings: Sequence[Seller], problems: Problems) -> None:
    seen: dict[tuple[object, ...], int] = {}
    unlisted = {one.seller for one in mappings if not one.provider}
    listed = {one.seller for one in mappings if one.provider}
    for one in prices:
        for unit in one.prices or ("discount_percent",):
            key = (one.seller, one.model, one.circumstances, one.from_day, unit)
            if key in seen:
                problems.add(
                    one.line,
                    f"{unit} of {one.seller} {one.model} from {one.from_day} "
                    f"stands here and on line {seen[key]}",
                    "each once; a later entry takes over from its day on",
                    "remove one of them, or let one begin later",
                )
            seen.setdefault(key, one.line)
        own = one.seller not in listed and (one.seller in unlisted or one.seller.startswith(HOST))
        if one.discount_percent is not None and own:
            problems.add(
                one.line,
                f"a discount on {one.seller}, for which no list has prices",
                "a provider of the price list, or a host that is priced as one",
                "state its prices",
            )
