"""Prices: what a unit of a provider's model costs the agency, dated, in versions that are kept for ever.

A price list is made from the installed genai-prices package and the ledger's own `price_facts`, and takes
force as one version (`sync`). The ledger's view prices each call by the list in force when it arrives; an old
version is never deleted, so an old month can be priced again as it was.

    units.py     our units and what genai-prices calls them
    cards.py     one model's prices, told apart by date, time of day, circumstances and size of the prompt
    naming.py    which model a name means
    published.py the whole list, as the installed package has it
    sync.py      a list put in force, and what was unpriced filled
    lookup.py    what a model costs, for people
"""
