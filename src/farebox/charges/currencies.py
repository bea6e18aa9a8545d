"""Currencies of ISO 4217, with the decimal places of their smallest unit.

Source: ISO 4217, list one (currencies and funds). A code that was withdrawn may still be here, so that an
old invoice can be read; codes without a minor unit (metals, drawing rights, testing) are not:
nobody is billed in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from farebox.charges.plan import DollarRate

_OTHER_THAN_TWO = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

_TWO = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD
    MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON
    RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS
    UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""

EXPONENTS: dict[str, int] = dict.fromkeys(_TWO.split(), 2) | {
    code: exponent for exponent, codes in _OTHER_THAN_TWO.items() for code in codes.split()
}
"""Currency code to decimal places: JPY 0, USD 2, KWD 3."""


def exponent_of(currency: str) -> int:
    """Return the decimal places of a currency's smallest unit.

    Raises KeyError for what is no currency.
    """
    return EXPONENTS[currency]


def dollar_rate(rates: Sequence[DollarRate], day: date) -> Fraction | None:
    """Return what one US dollar is on a local date by dated rates, None where none is in force yet."""
    in_force = [each for each in rates if each.start <= day]
    return Fraction(max(in_force, key=lambda each: each.start).rate) if in_force else None
