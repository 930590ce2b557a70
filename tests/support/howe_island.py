"""Terms of a client on Lord Howe Island, whose clocks go forward by half an hour: the hardest month to reckon by hand.

Within October the terms change twice, there are tiers, a minimum, an override and an allowance, and the rate of the
euro is another one before and after the month's last day.
"""

from __future__ import annotations

_TERMS = """
agency: {name: Meridian}
exchange_rates:
  - {currency: EUR, from: YEAR-01-01, units_per_usd: 0.5, source: too early}
  - {currency: EUR, from: YEAR-10-31, units_per_usd: 0.9, source: ECB}
  - {currency: EUR, from: YEAR-11-01, units_per_usd: 0.7, source: November's}
clients:
  - id: howe
    name: Howe Island Tours
    timezone: Australia/Lord_Howe
    currency: EUR
    tax: {name: GST, percent: 10}
    terms:
      - from: YEAR-01-01
        plan:
          tiers: [{from_cost_usd: 0, markup_percent: 40}, {from_cost_usd: 310, markup_percent: 20}]
          minimum: 310
      - from: YEAR-10-11
        plan:
          markup_percent: 25
          fixed_fee: 31
          minimum: 620
          overrides: [{model: "cheap-*", markup_percent: 0}]
      - from: YEAR-10-21
        plan: {flat_fee: 310, allowance_cost_usd: 62, overage_markup_percent: 50}
"""


def terms(year: int) -> str:
    """The file of clients, in force since that year's first day."""
    return _TERMS.replace("YEAR", f"{year}")
