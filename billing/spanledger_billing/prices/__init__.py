"""Prices: what a unit of a provider's model costs the agency, dated, in versions that are kept for ever.

A price list is made from the installed genai-prices package and the ledger's own `price_facts`, and takes
force as one version (`sync`). The ledger's view prices each call by the list in force when it arrives; an old
version is never deleted, so an old month can be priced again as it was.

    units.py             our units and what genai-prices calls them
    cards.py             one model's prices, by date, time of day, circumstances and size of the prompt
    naming.py            which model a name means
    overrides.py         what the operator states on top, with overrides_layout.py and overrides_reading.py
    selling.py           what a provider or host sells, overrides included
    published.py         the whole list: the installed package's, the ledger's facts, the overrides
    sync.py              a list put in force, and what was unpriced filled
    applying.py          a file of overrides put in force
    lookup.py            what a model costs, for people
    again.py             the ledger's pricing, run over stored calls
    unchanged.py, trial.py
                         which calls would cost otherwise by the list in force
    check.py, reprice.py what is wrong with prices, and pricing again on order
"""
