"""An open month as a document, of what the views say of it.

Every figure is one that a view states. Taxes are the one thing that is reckoned: a percentage of what stands
above it, by the terms of the month's last day under terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from spanledger_billing.close import adjustments
from spanledger_billing.errors import RefusedError
from spanledger_billing.money import Money, percentage_of
from spanledger_billing.statements.lines import FeeLine, Gap, GapKind, ModelLine, Tax
from spanledger_billing.statements.model import Agency, Client, Copy, Day, Period, Rate, Statement, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

Row = dict[str, Any]

_GAPS: Final = {
    "unpriced": GapKind.UNPRICED,
    "incomplete": GapKind.INCOMPLETE,
    "refused": GapKind.REFUSED,
    "unattributed": GapKind.UNATTRIBUTED,
    "unknown": GapKind.UNKNOWN_CLIENT,
}
_FEES: Final = {"flat_fee": "Flat fee", "allowance": "Flat fee with usage included"}


@dataclass(frozen=True)
class ClientMonth:
    """What the views say of one client's month."""

    client_id: str
    month: str
    stretches: Sequence[Row]
    """By day; at least one."""
    lines: Sequence[Row] = ()
    days: Sequence[Row] = ()
    gaps: Sequence[tuple[str, str, int]] = ()
    """(gap or state of nobody's calls, reason, calls)"""
    due: Sequence[Row] = ()
    """What it corrects of closed months."""

    @property
    def last(self) -> Row:
        """The terms on the month's last day under terms."""
        return self.stretches[-1]

    @property
    def currency(self) -> str:
        return str(self.last["currency"])

    @property
    def at_one_moment(self) -> bool:
        """Whether its lines and its days, which are two queries, tell of the same calls."""
        return all(
            sum(row[counted] for row in self.lines) == sum(row[counted] for row in self.days)
            for counted in ("calls", "refused", "unpriced_calls", "incomplete_calls")
        )


def draft(found: ClientMonth, agency: Agency, client: Row) -> Statement:
    """The month as a document, without the month before.

    Raises:
        RefusedError: no exchange rate is known for it.

    """
    if found.last["rate"] is None:
        raise RefusedError(
            f"no exchange rate of {found.currency} is known for {found.month}",
            next_step="add one to exchange_rates in clients.yaml and run spanledger clients apply",
        )
    models = tuple(_model_lines(found))
    fees = tuple(_fee_lines(found))
    minimum = _minimum(found)
    corrected = adjustments.shown(found.due)
    net = Money.total(
        (
            *(line.charge for line in models if line.charge is not None),
            *(line.amount for line in fees),
            *([minimum.amount] if minimum else []),
            *(adjustment.amount for adjustment in corrected),
        ),
        found.currency,
    )
    taxes = tuple(_taxes(found, net))
    last = found.last
    return Statement(
        agency=agency,
        client=Client(
            id=found.client_id,
            name=client["name"],
            contact=client["contact_name"],
            email=client["contact_email"],
            address=tuple(client["address"]),
            tax_id=client["tax_id"],
            reference=client["reference"],
            copy=Copy.CHARGES if last["hide_cost"] else Copy.FULL,
        ),
        number=f"{found.client_id} {found.month}",
        period=_period(found),
        status=Status.DRAFT,
        currency=found.currency,
        total=Money.total((net, *(tax.amount for tax in taxes)), found.currency),
        models=models,
        fees=fees,
        minimum=minimum,
        adjustments=corrected,
        taxes=taxes,
        rate=None
        if found.currency == "USD"
        else Rate(last["rate"], last["rate_valid_from_day"], last["rate_source"]),
        gaps=tuple(_gaps(found.gaps)),
        days=tuple(Day(row["day"], _money(row["charge"], found.currency)) for row in found.days),
    )


def _model_lines(found: ClientMonth) -> Iterator[ModelLine]:
    for row in found.lines:
        # Of a model that only refused there is nothing to bill; the refusals stand among the gaps.
        if row["kind"] != "usage" or not (row["calls"] or row["units"] or row["cost_usd_exact"]):
            continue
        known = row["charge"] is not None
        yield ModelLine(
            provider=row["provider"],
            model=row["model"],
            calls=row["calls"],
            units={unit: row["units"][unit] for unit in sorted(row["units"])},
            charge=_money(row["charge"], found.currency) if known else None,
            cost=_money(row["cost"], found.currency) if known else None,
            cost_usd=row["cost_usd_exact"],
            markup_percent=_one_markup(found.stretches),
            unpriced_calls=row["unpriced_calls"],
            incomplete_calls=row["incomplete_calls"],
        )


def _one_markup(stretches: Sequence[Row]) -> Decimal | None:
    """The percentage, where the month has one for all usage."""
    if any(row["overrides"] or row["allowance_cost_usd"] or len(row["tiers"]) != 1 for row in stretches):
        return None
    percents = {row["tiers"][0]["markup_percent"] for row in stretches}
    return percents.pop() if len(percents) == 1 else None


def _fee_lines(found: ClientMonth) -> Iterator[FeeLine]:
    stretches = {row["first_day"]: row for row in found.stretches}
    for row in found.lines:
        if row["kind"] != "fee":
            continue
        terms = stretches[row["first_day"]]
        label = _FEES.get(terms["plan"], "Fixed fee")
        whole = terms["stretch_days"] == terms["month_days"]
        yield FeeLine(
            label=label if whole else f"{label}, {row['first_day']} to {row['last_day']}",
            amount=_money(row["charge"], found.currency),
            detail="" if whole else _share(terms, "fee"),
        )


def _minimum(found: ClientMonth) -> FeeLine | None:
    rows = [row for row in found.lines if row["kind"] == "minimum"]
    if not rows:
        return None
    stretches = {row["first_day"]: row for row in found.stretches}
    return FeeLine(
        label="Monthly minimum",
        amount=Money.total((_money(row["charge"], found.currency) for row in rows), found.currency),
        detail="; ".join(f"up to {_share(stretches[row['first_day']], 'minimum')}" for row in rows),
    )


def _share(terms: Row, what: str) -> str:
    amount = f"{terms[what].normalize():f} {terms['currency']}"
    if terms["stretch_days"] == terms["month_days"]:
        return amount
    return f"{amount}, {terms['stretch_days']} of {terms['month_days']} days"


def _taxes(found: ClientMonth, net: Money) -> Iterator[Tax]:
    name, percent = found.last["tax_name"], found.last["tax_percent"]
    if name:
        amount = Money.rounded(percentage_of(percent, net.amount), net.currency)
        yield Tax(label=name, percent=percent.normalize() + 0, base=net, amount=amount)


def _gaps(gaps: Iterable[tuple[str, str, int]]) -> Iterator[Gap]:
    calls: dict[GapKind, dict[str, int]] = {}
    for gap, reason, count in gaps:
        calls.setdefault(_GAPS[gap], {})[reason] = count
    for kind in GapKind:
        if kind in calls:
            reasons = {reason: count for reason, count in sorted(calls[kind].items()) if reason}
            yield Gap(kind=kind, calls=sum(calls[kind].values()), reasons=reasons)


def _period(found: ClientMonth) -> Period:
    clock = ZoneInfo(found.last["timezone"])
    return Period(
        month=found.month,
        start=_instant(found.last["month_starts_at"]).astimezone(clock),
        end=_instant(found.last["month_ends_at"]).astimezone(clock),
        timezone=found.last["timezone"],
    )


def _instant(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _money(amount: Decimal, currency: str) -> Money:
    return Money(amount, currency)
