"""Money: an amount and its currency, immutable, exact.

An amount has as many decimals as its currency has (ISO 4217: two for most, none for JPY, three for KWD).
Nothing here rounds by itself: an amount with more digits than its currency is refused, and `Money.rounded`
is the one way to make one of it, half-up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Final

from spanledger_billing.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_TWO: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
    "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG "
    "YER ZAR ZMW ZWG"
)
_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMN TND"

EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}
"""Currency -> decimals, of every currency in circulation that ISO 4217 lists."""

EXACT: Final = Context(prec=100)
"""Enough digits that no sum or product of the ledger's decimals is ever rounded by Python."""


def currency_exponent(currency: str) -> int:
    """How many decimals a currency has.

    Raises:
        InvalidInputError: ISO 4217 has no such currency.

    """
    try:
        return EXPONENTS[currency]
    except (KeyError, TypeError):
        raise InvalidInputError(
            f"the currency is {currency!r}",
            allowed="a currency of ISO 4217 in capitals, such as USD, EUR or JPY",
            next_step="correct the currency in clients.yaml and apply it",
        ) from None


def decimal(text: str) -> Decimal:
    """The decimal that a text of digits writes; no float, exponent, infinity or blank is let through.

    Raises:
        ValueError: the text is anything else.

    """
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise ValueError(f"found {text!r}; allowed: a decimal as text, such as '12.50'")
    return Decimal(text)


def checked(amount: Decimal) -> Decimal:
    """The amount itself.

    Raises:
        TypeError: it is no Decimal; a float has already lost digits.
        ValueError: it is not finite.

    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"found the {type(amount).__name__} {amount!r}; allowed: a Decimal made from text")
    if not amount.is_finite():
        raise ValueError(f"found {amount}; allowed: a finite Decimal")
    return amount


def plain(number: Decimal) -> str:
    """All digits and no more: no exponent, no trailing zero, no sign of a zero."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum with all its digits, which `sum` would round to 28."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def percentage_of(percent: Decimal, amount: Decimal) -> Decimal:
    """So many percent of the amount, unrounded."""
    return EXACT.multiply(checked(amount), checked(percent)).scaleb(-2, context=EXACT)


def percent_change(before: Decimal, after: Decimal) -> Decimal:
    """By how many percent `after` is more than `before`, half-up to a tenth."""
    share = EXACT.divide(EXACT.subtract(after, before), before).scaleb(2, context=EXACT)
    return share.quantize(Decimal("0.1"), ROUND_HALF_UP, context=EXACT)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency, written with all of the currency's decimals.

    Raises:
        TypeError: the amount is no Decimal.
        ValueError: the amount is not finite or has more decimals than its currency.
        InvalidInputError: there is no such currency.

    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        amount = checked(self.amount)
        written = amount.quantize(_quantum(self.currency), context=EXACT)
        if written != amount:
            raise ValueError(
                f"found {amount} {self.currency}; allowed: {currency_exponent(self.currency)} decimals. "
                "Round it once, with Money.rounded"
            )
        # A zero has no sign: the same money is the same bytes.
        object.__setattr__(self, "amount", written or abs(written))

    @classmethod
    def rounded(cls, amount: Decimal, currency: str) -> Money:
        """The amount rounded half-up, away from zero at the half, to the currency's decimals."""
        return cls(checked(amount).quantize(_quantum(currency), ROUND_HALF_UP, context=EXACT), currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(Decimal(0), currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum; zero where there is nothing to add."""
        total = cls.zero(currency)
        for amount in amounts:
            total += amount
        return total

    def __add__(self, other: Money) -> Money:
        return Money(EXACT.add(self.amount, self._same(other)), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(EXACT.subtract(self.amount, self._same(other)), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same(self, other: Money) -> Decimal:
        if not isinstance(other, Money):
            raise TypeError(f"found the {type(other).__name__} {other!r}; allowed: Money")
        if other.currency != self.currency:
            raise ValueError(f"found {self} and {other}; allowed: amounts of one currency")
        return other.amount


def _quantum(currency: str) -> Decimal:
    return Decimal(1).scaleb(-currency_exponent(currency))
