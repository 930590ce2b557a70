"""What can go wrong with a price list."""

from spanledger_billing.errors import OperatorError


class PriceListError(OperatorError):
    """The published list is missing, or holds something that cannot be taken over as it stands."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the price list was not imported: {found}",
            next_step="install the genai-prices that this release names: pip install 'spanledger[billing]'. "
            "The list in force is unchanged",
        )
