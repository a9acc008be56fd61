"""Amounts as shops print them: separators by the habit of the country, not by what a parser would like."""

from decimal import Decimal
from typing import Final

NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"


def plain(amount: Decimal) -> str:
    """`1234.50`: as machines write it."""
    return f"{amount:.2f}"


def english(amount: Decimal) -> str:
    """`1,234.50`."""
    return f"{amount:,.2f}"


def pounds(amount: Decimal) -> str:
    """`£1,234.50`."""
    return f"£{english(amount)}"


def polish(amount: Decimal) -> str:
    """`1 234,50 zł`, with no-break spaces."""
    digits = f"{amount:,.2f}".replace(",", NO_BREAK_SPACE).replace(".", ",")
    return f"{digits}{NO_BREAK_SPACE}zł"


def german(amount: Decimal) -> str:
    """`1.234,50 €`; a round amount stands without decimals: `1.200 €`."""
    if amount == amount.to_integral_value():
        digits = f"{amount:,.0f}".replace(",", ".")
    else:
        digits = f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    return f"{digits}{NO_BREAK_SPACE}€"
