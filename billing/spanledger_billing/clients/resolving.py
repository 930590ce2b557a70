"""From what the file says to terms as they hold.

A stretch of terms says what changes on its first day; all else stays as it was in the stretch before, in the
first one as the client says. Here dates, plans, currencies and rates are checked against each other.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from spanledger.attribution import shown
from spanledger_billing.clients import plans
from spanledger_billing.clients.layout import DATED
from spanledger_billing.clients.model import (
    USD,
    Agency,
    Basis,
    Budget,
    Client,
    Contact,
    ExchangeRate,
    Plan,
    Roster,
    Tax,
    Terms,
)
from spanledger_billing.money import EXPONENTS

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from spanledger_billing.clients.documents import Problems
    from spanledger_billing.clients.shapes import Found

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")


def roster(file: Found, problems: Problems, folder: Path | None = None) -> Roster:
    """The file as a roster; only to be used where no problem was found."""
    rates = _rates(file.get("exchange_rates", ()), problems)
    clients = [
        client
        for found in _unique_ids(file.get("clients", ()), problems)
        if (client := _client(found, rates, problems)) is not None
    ]
    agency = file.get("agency")
    return Roster(
        agency=Agency(name="") if agency is None else _agency(agency, problems, folder),
        clients=tuple(sorted(clients, key=lambda client: client.id)),
        exchange_rates=rates,
    )


def _agency(found: Found, problems: Problems, folder: Path | None) -> Agency:
    values = {"name": "", **found.values}
    if folder is not None and "logo" in values:
        path = folder / values["logo"]
        values["logo"] = str(path)
        if path.suffix.lower() not in _PICTURES or not path.is_file():
            problems.add(
                found.line_of("logo"),
                f"there is no picture {shown(str(path))}",
                f"a file that ends with {', '.join(_PICTURES)}",
                "name it as seen from this file's folder, or remove the line",
            )
    return Agency(**values)


def _rates(given: tuple[Found, ...], problems: Problems) -> tuple[ExchangeRate, ...]:
    rates: dict[tuple[str, date], tuple[ExchangeRate, int]] = {}
    for found in given:
        if found.get("currency") == USD:
            problems.add(
                found.line_of("currency"), "a rate for USD", "currencies other than USD", "remove it: it is 1"
            )
            continue
        if found.broken:
            continue
        rate = ExchangeRate(
            found.get("currency"), found.get("from"), found.get("units_per_usd"), found.get("source")
        )
        _, earlier = rates.setdefault((rate.currency, rate.from_day), (rate, found.line))
        if earlier != found.line:
            problems.add(
                found.line_of("from"),
                f"a second rate of {rate.currency} from {rate.from_day}; the first is on line {earlier}",
                "one rate a currency and day",
                "remove one of them",
            )
    return tuple(rate for _, (rate, _) in sorted(rates.items()))


def _unique_ids(given: tuple[Found, ...], problems: Problems) -> list[Found]:
    seen: dict[str, int] = {}
    for found in given:
        client_id = found.get("id")
        if client_id is not None and seen.setdefault(client_id, found.line) != found.line:
            problems.add(
                found.line_of("id"),
                f"a second client {shown(client_id)}; the first is on line {seen[client_id]}",
                "each id once",
                "put the terms of both under one id, or correct one of the ids",
            )
    return list(given)


def _client(found: Found, rates: tuple[ExchangeRate, ...], problems: Problems) -> Client | None:
    stretches = _Stretches(found, problems).all()
    _check_dates(found, problems)
    _check_rates(found, stretches, rates, problems)
    if found.broken or not stretches:
        return None
    contact = found.get("contact")
    return Client(
        id=found.get("id"),
        name=found.get("name"),
        terms=tuple(stretches),
        contact=Contact() if contact is None else Contact(**contact.values),
        tax_id=found.get("tax_id", ""),
        reference=found.get("reference", ""),
    )


def _check_dates(client: Found, problems: Problems) -> None:
    given: tuple[Found, ...] = client.get("terms", ())
    for found in given:
        first, until = found.get("from"), found.get("until")
        if first and until and until <= first:
            problems.add(
                found.line_of("until"),
                f"terms from {first} until {until} hold on no day",
                "until after from; it is the first day no longer under these terms",
                "correct from or until",
            )
    for before, after in pairwise(given):
        begins, since, until = after.get("from"), before.get("from"), before.get("until")
        if begins is None or since is None:
            continue
        if begins <= since:
            problems.add(
                after.line_of("from"),
                f"terms from {begins} stand after terms from {since} on line {before.line_of('from')}",
                "stretches in the order of their first days, each day once",
                "correct the day, or sort them",
            )
        elif until is not None and begins < until:
            problems.add(
                after.line_of("from"),
                f"terms from {begins} overlap those until {until}, on line {before.line_of('until')}",
                f"from {until} or later",
                "correct one of the two days, or leave until out: terms hold until the next ones",
            )


def _check_rates(
    client: Found, stretches: list[Terms], rates: tuple[ExchangeRate, ...], problems: Problems
) -> None:
    """Every month of a client has a rate on its last day; later months find the latest one."""
    checked: set[str] = set()
    for terms, found in zip(stretches, client.get("terms", ()), strict=False):
        if terms.currency == USD or terms.currency in checked:
            continue
        checked.add(terms.currency)
        month_ends = _month_end(terms.from_day)
        if not any(rate.currency == terms.currency and rate.from_day <= month_ends for rate in rates):
            problems.add(
                found.line_of("from"),
                f"{month_ends:%Y-%m} is charged in {terms.currency}, which has no exchange rate then",
                f"a rate of {terms.currency} from {month_ends} or earlier",
                "add it under exchange_rates",
            )


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


@dataclass
class _Stretches:
    """The stretches of one client, each filled up from the one before."""

    client: Found
    problems: Problems

    def all(self) -> list[Terms]:
        """As many as are whole, from the first on: without one, the next has nothing to be filled up from."""
        given: tuple[Found, ...] = self.client.get("terms", ())
        current: dict[str, Any] = {key: self.client.get(key) for key in DATED if key in self.client}
        made: list[Terms] = []
        for position, found in enumerate(given):
            plan = plans.resolve(found.get("plan"), self.problems) if "plan" in found else None
            if position == 0:
                self._needs_plan(found)
            else:
                self._check_change(found, current)
            current |= {key: found.get(key) for key in DATED if key in found}
            if plan is not None:
                current["plan"] = plan
            self._check_amounts([found] if position else [self.client, found], current)
            following = given[position + 1].get("from") if position + 1 < len(given) else None
            if (
                found.broken
                or not {"plan", "timezone", "currency"} <= current.keys()
                or (following is None and (position + 1 < len(given)))
            ):
                return made
            made.append(self._terms(found, current, following))
        return made

    def _needs_plan(self, found: Found) -> None:
        if "plan" not in found and "plan" not in found.broken:
            self.problems.add(
                found.line,
                "the first terms have no plan",
                "markup_percent, tiers or flat_fee under plan",
                "add plan: how usage is charged",
            )

    def _check_change(self, found: Found, current: dict[str, Any]) -> None:
        first = found.get("from")
        for key in ("timezone", "currency"):
            old, new = current.get(key), found.get(key)
            if old and new and old != new and first and first.day != 1:
                self.problems.add(
                    found.line_of(key),
                    f"{key} changes from {old} to {new} on {first}",
                    "a month's first day: every month has one timezone and one currency",
                    f"give {key} terms of its own, from a month's first day",
                )
        if found.get("currency", current.get("currency")) == current.get("currency"):
            return
        stale = [
            key
            for key, amounts in (("plan", _plan_amounts(current)), ("budget", _budget_amounts(current)))
            if amounts and key not in found and key not in found.broken
        ]
        for key in stale:
            self.problems.add(
                found.line_of("currency"),
                f"currency changes to {found.get('currency')}, and the {key} stays in {current['currency']}",
                f"a {key} in the new currency in the same terms",
                f"add {key}",
            )

    def _check_amounts(self, places: list[Found], current: dict[str, Any]) -> None:
        """No amount has more decimals than its currency has."""
        currency = current.get("currency", "")
        exponent = EXPONENTS.get(currency)
        if exponent is None:
            return
        given: list[tuple[Found, str]] = []
        for place in places:
            plan, (budget,) = place.get("plan"), place.get("budget") or (None,)
            if plan is not None:
                given += [(plan, key) for key in ("flat_fee", "fixed_fee", "minimum")]
            if budget is not None and budget.get("basis") != Basis.COST:
                given.append((budget, "amount"))
        for where, key in given:
            amount = where.get(key)
            if amount is not None and amount != round(amount, exponent):
                allowed = f"at most {exponent} decimals: it is in {currency}"
                self.problems.add(where.line_of(key), f"{key} is {amount}", allowed, f"round {key}")

    def _terms(self, found: Found, current: dict[str, Any], following: date | None) -> Terms:
        tax = (current.get("tax") or (None,))[0]
        budget = (current.get("budget") or (None,))[0]
        terms = Terms(
            from_day=found.get("from"),
            until_day=found.get("until", following),
            timezone=current["timezone"],
            currency=current["currency"],
            plan=current["plan"],
            tax=None if tax is None or tax.broken else Tax(tax.get("name"), tax.get("percent")),
            budget=None if budget is None or budget.broken else _budget(budget),
        )
        rest = {key: current[key] for key in ("hide_cost", "incomplete_tolerance_percent") if key in current}
        return replace(terms, **rest)


def _plan_amounts(current: dict[str, Any]) -> bool:
    plan: Plan | None = current.get("plan")
    return plan is not None and bool(plan.fee or plan.minimum)


def _budget_amounts(current: dict[str, Any]) -> bool:
    budget = (current.get("budget") or (None,))[0]
    return budget is not None and budget.get("basis") != Basis.COST


def _budget(found: Found) -> Budget:
    made = Budget(found.get("amount"), Basis(found.get("basis", Basis.CHARGE)))
    return replace(made, thresholds_percent=found.get("alert_at_percent", made.thresholds_percent))
