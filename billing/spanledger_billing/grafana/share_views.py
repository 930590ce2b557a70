"""What a client may see of the ledger: views whose client and columns are fixed in their SQL.

Whoever may look at a dashboard can send any SQL to its data source, so neither a dashboard's variable nor its
choice of columns keeps anything from a reader. A column that is not in the view does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class View:
    """One view of the read contract, as one client may see it."""

    name: str
    """Of the contract's view and of the shared one."""
    shows: str
    """Its columns."""
    costs: str = ""
    """What the agency pays and what tells of it: nullable columns, not there where cost is hidden."""
    only: str = ""
    """Which of the client's rows, as a condition."""
    tells_of_cost: str = ""
    """Rows that are not there where cost is hidden, as a condition."""


_KNOWN: Final = "client_state = 'known'"

VIEWS: Final = (
    View("current_clients", "client_id name"),
    View("present_months", "month today"),
    # Neither markup nor allowance: from these and the charge, cost can be reckoned.
    View("current_terms", "valid_from_day valid_to_day timezone currency fee minimum tax_name tax_percent"),
    View(
        "margins",
        "month currency currency_exponent charge fees minimum_adds adjustments calls refused unpriced_calls "
        "incomplete_calls",
        costs="cost margin cost_usd",
        only=_KNOWN,
    ),
    View(
        "billed_lines",
        "month corrects kind first_day last_day provider model currency charge units calls refused "
        "unpriced_calls incomplete_calls",
        costs="cost",
        only=_KNOWN,
    ),
    View("billed_days", "month day currency charge calls refused", costs="cost_usd", only=_KNOWN),
    View(
        "charges",
        "month kind first_day provider model unit quantity currency charge",
        costs="cost",
        only=_KNOWN,
    ),
    View(
        "usage_by_day", "month day project provider model units calls refused", costs="cost_usd", only=_KNOWN
    ),
    View(
        "budget_status",
        "month basis currency amount spent share_percent thresholds_percent reached_percent month_is_over "
        "forecast forecast_percent runs_out_on",
        tells_of_cost="basis != 'charge'",
    ),
    View("month_gaps", "month gap reason calls", only=_KNOWN),
    View("closes", "month closed_at statement_number currency net total"),
)


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def statement(view: View, *, database: str, share: str, client_id: str, with_cost: bool) -> str:
    """The statement that makes a view.

    Args:
        view: which.
        database: the ledger's.
        share: the database of the client's views.
        client_id: whose rows.
        with_cost: whether the client may see cost. Where its terms say otherwise later, a view that was made
            with cost shows NULL in its place from then on.

    """
    who = f"client_id = {text(client_id)}"
    hidden = f"(SELECT count() > 0 FROM {database}.current_terms WHERE {who} AND hide_cost)"  # noqa: S608
    columns = [f"shown.{column} AS {column}" for column in view.shows.split()]
    conditions = [f"shown.{who}"]
    if view.only:
        conditions.append(f"shown.{view.only}")
    if with_cost:
        columns += [f"if({hidden}, NULL, shown.{column}) AS {column}" for column in view.costs.split()]
    if view.tells_of_cost:
        allowed = f"NOT {hidden}" if with_cost else "false"
        conditions.append(f"({allowed} OR NOT (shown.{view.tells_of_cost}))")
    return (
        f"CREATE OR REPLACE VIEW {share}.{view.name} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS "  # noqa: S608
        f"SELECT {', '.join(columns)} FROM {database}.{view.name} AS shown WHERE {' AND '.join(conditions)}"
    )
