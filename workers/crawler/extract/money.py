"""Prices and currencies as pages write them."""

import re
from decimal import Decimal, InvalidOperation

from price_parser import Price

_PLAIN = re.compile(r"^\d+(\.\d+)?$")
_THOUSANDS = re.compile(r"^[1-9]\d{0,2}([.,]\d{3})+$")
_CODE = re.compile(r"^[A-Z]{3}$")
_THREE_DECIMALS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
_NO_DECIMALS = {"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"}
_SYMBOLS = {
    "£": "GBP", "€": "EUR", "zł": "PLN", "zl": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON", "лв": "BGN",
    "₽": "RUB", "руб": "RUB", "руб.": "RUB", "₴": "UAH", "грн": "UAH", "₹": "INR", "₩": "KRW", "₺": "TRY",
    "₫": "VND", "₪": "ILS", "฿": "THB", "₱": "PHP", "r$": "BRL", "us$": "USD", "au$": "AUD", "a$": "AUD",
    "ca$": "CAD", "c$": "CAD", "nz$": "NZD", "hk$": "HKD", "nt$": "TWD", "s$": "SGD", "chf": "CHF", "fr.": "CHF",
    "kn": "HRK", "byn": "BYN", "円": "JPY", "元": "CNY", "rmb": "CNY",
}  # fmt: skip
# Several countries write these: the shop's own currency decides, then the most common meaning.
_AMBIGUOUS = {"$": "USD", "¥": "JPY", "￥": "JPY", "kr": "SEK", "kr.": "DKK", "р.": "RUB"}


def currency_code(text: str | None, default: str | None = None) -> str | None:
    """The ISO 4217 code of what a page gives as currency: a code in any case, or a symbol.

    Args:
        text: e.g. `GBP`, `pln`, `£`; None where the page says nothing.
        default: the shop's own currency; wins where a symbol is ambiguous or unknown.
    """
    if not text or not text.strip():
        return default
    text = text.strip()
    known = _SYMBOLS.get(text.lower())
    if known:
        return known
    if text.lower() in _AMBIGUOUS:
        return default or _AMBIGUOUS[text.lower()]
    return text.upper() if _CODE.match(text.upper()) and text.isascii() else default


def _decimal_string(amount: Decimal, currency: str | None) -> str | None:
    if not amount.is_finite() or amount <= 0 or amount >= Decimal(10) ** 12:
        return None  # a price of 0 stands on sold-out pages; it is no offer
    least = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    digits = amount.normalize().as_tuple().exponent
    places = max(least, -digits if isinstance(digits, int) else 0)
    return format(amount.quantize(Decimal(1).scaleb(-places)), "f")


def marked_price(value: object, currency: str | None) -> str | None:
    """The decimal string of a price in markup, where a dot is the decimal point by rule.

    Three digits after a single separator are thousands all the same, save in currencies with three decimals: shops
    write `1.299` for 1299.

    Source: schema.org/price: "use '.' rather than ','".
    """
    if isinstance(value, bool) or value is None:
        return None
    text = str(value).strip()
    if _THOUSANDS.match(text) and currency not in _THREE_DECIMALS:
        text = re.sub(r"[.,]", "", text)
    if _PLAIN.match(text):
        try:
            return _decimal_string(Decimal(text), currency)
        except InvalidOperation:
            return None
    return text_price(text, currency)[0]


def text_price(text: str | None, currency: str | None = None) -> tuple[str | None, str | None]:
    """The decimal string and the currency as written (a symbol or code) of a price shown to people.

    The separators are told apart by the digits around them; only in currencies with three decimals is the dot fixed.
    """
    if not text or not text.strip():
        return None, None
    price = Price.fromstring(text[:200], decimal_separator="." if currency in _THREE_DECIMALS else None)
    if price.amount is None:
        return None, price.currency
    return _decimal_string(price.amount, currency), price.currency
