"""Single values as people write them, each read from its text: amounts, percentages, dates, zones.

What cannot be read raises `ValueError` with what was expected, for a finding to repeat. An amount is what is
written and nothing else: what YAML would have made another number of (`5e-6`, `1_000`, `1:30`) is refused.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from farebox.charges.currencies import EXPONENTS
from farebox.nearest import did_you_mean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}")
TEXT_MAX = 500
DIGITS_MAX, DECIMALS_MAX = 15, 24
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_EXPONENT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][+-]?[0-9]{1,2}")
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_UNBOUNDED = ("", "inf", ".inf", "infinity", "∞", "unlimited", "null", "~", "none")
_PER = {"k": 1000, "thousand": 1000, "1k": 1000, "m": 10**6, "million": 10**6, "1m": 10**6, "one": 1}
_ROUNDINGS = {"up": "ceiling", "ceil": "ceiling", "ceiling": "ceiling", "down": "floor", "floor": "floor",
              "half_up": "half_up", "nearest": "half_up", "none": "none"}  # fmt: skip


def read_decimal(text: str) -> Decimal:
    """Return a decimal as it is written: `0.000005`, `20`, `-1.5`."""
    word = text.strip()
    if _DECIMAL.fullmatch(word):
        found = Decimal(word)
        if found and found.adjusted() >= DIGITS_MAX:
            raise ValueError(f"at most {DIGITS_MAX} digits before the point")
        if len(word.partition(".")[2]) > DECIMALS_MAX:
            raise ValueError(f"at most {DECIMALS_MAX} decimals")
        return found
    form = 'a decimal number as "0.000005"'
    if _EXPONENT.fullmatch(word):
        raise ValueError(f'{form}, written out: "{format(Decimal(word), "f")}"')
    if "_" in word or re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", word):
        raise ValueError(f"{form}, without separators of thousands")
    if re.fullmatch(r"[0-9]+,[0-9]+", word):
        raise ValueError(f'{form}, with a decimal point: "{word.replace(",", ".")}"')
    if ":" in word:
        raise ValueError(f"{form}: YAML reads `1:30` as ninety")
    if re.search(r"[$€£¥]|[A-Z]{3}$|^[A-Z]{3}", word):
        raise ValueError(f"{form}, without a currency: that is the customer's")
    raise ValueError(form)


def read_amount(text: str) -> Decimal:
    """Return an amount of money of zero or more."""
    found = read_decimal(text)
    if found < 0:
        raise ValueError("an amount of zero or more (what is taken off is a `discount`)")
    return found


def read_more_than_zero(text: str) -> Decimal:
    found = read_decimal(text)
    if found <= 0:
        raise ValueError("more than zero")
    return found


def read_quantity(text: str) -> Decimal:
    found = read_decimal(text)
    if found < 0:
        raise ValueError("zero or more")
    return found


def read_bound(text: str) -> Decimal | None:
    """Return where a tier ends; None for one without an end."""
    if text.strip().lower() in _UNBOUNDED:
        return None
    return read_more_than_zero(text)


def read_per(text: str) -> Decimal:
    """Return how many units a price is for: `1000`, `1k`, `million`."""
    word = text.strip().lower()
    return Decimal(_PER[word]) if word in _PER else read_more_than_zero(text)


def per_of(word: str) -> int | None:
    """Return the units of `per_million`, `per_1k`, `per_token`; None for another word."""
    if not word.startswith("per_"):
        return None
    unit = word.removeprefix("per_")
    if unit in ("token", "call", "request", "second", "unit", "outcome", "task", "conversation", "user"):
        return 1
    return _PER.get(unit)


def percent(low: int = 0, high: int | None = 100, *, below: bool = False) -> Callable[[str], Decimal]:
    """Return a reader of percentages from `low` to `high`; `below`: less than `high`."""

    def read(text: str) -> Decimal:
        found = read_decimal(text.strip().removesuffix("%"))
        if found < low or (high is not None and (found > high or (below and found == high))):
            most = "" if high is None else f" up to {'but not including ' if below else ''}{high}"
            raise ValueError(f'a percentage from {low}{most}, as "20" for 20 %')
        return found

    return read


def read_multiplier(text: str) -> Decimal:
    found = read_decimal(text.strip().removesuffix("x"))
    if not 0 <= found <= 100:
        raise ValueError("a factor from 0 to 100, as 1.2; for 20 % write `markup_percent: 20`")
    return found


def read_markup(text: str) -> Decimal:
    """Return `markup: 1.2`, a factor as in `pricing:`; what looks like a percentage is refused."""
    if text.strip().endswith("%"):
        raise ValueError(
            f'`markup_percent: "{text.strip().removesuffix("%").strip()}"`: `markup` is a factor'
        )
    found = read_multiplier(text)
    if found >= 5:
        raise ValueError(f"a factor, as 1.2; did you mean `markup_percent: {text.strip()}`?")
    return found


def count(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        word = text.strip()
        if not re.fullmatch(r"[0-9]{1,9}", word) or not low <= int(word) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(word)

    return read


def duration_in(unit: str, high: int) -> Callable[[str], int]:
    """Return a reader of whole days (`14`, `14d`) or hours (`48`, `48h`, `2d`)."""

    def read(text: str) -> int:
        word = text.strip().lower()
        found = re.fullmatch(r"([0-9]{1,6})\s*(d|days?|h|hours?)?", word)
        if found is None:
            raise ValueError(f"a number of {unit}, as {'14d' if unit == 'days' else '48h'}")
        number, said = int(found[1]), (found[2] or unit)[0]
        if unit == "hours" and said == "d":
            number *= 24
        elif unit == "days" and said == "h":
            raise ValueError("whole days, as 14d")
        if number > high:
            raise ValueError(f"at most {high} {unit}")
        return number

    return read


def read_date(text: str) -> date:
    """Return a date as `2026-11-01`, a day of the customer's time zone."""
    word = text.strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
        try:
            found = date.fromisoformat(word)
        except ValueError as error:
            raise ValueError(f"a day that there is: {error}") from None
        if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
            raise ValueError(f"a year from {_FIRST_YEAR} to {_LAST_YEAR}")
        return found
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]", word):
        raise ValueError(f"a date without a time, as {word[:10]}: days are the customer's own")
    raise ValueError("a date as 2026-11-01")


def read_moment_ns(text: str, zone: str) -> int:
    """Return the nanoseconds since 1970 at which a date begins in a zone, or of an instant."""
    word = text.strip()
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", word):
        try:
            stamp = datetime.fromisoformat(word.replace("Z", "+00:00"))
        except ValueError as error:
            raise ValueError(f"an instant as 2026-11-01T09:30:00Z: {error}") from None
        return _ns_of(stamp if stamp.tzinfo else stamp.replace(tzinfo=zoneinfo.ZoneInfo(zone)))
    return day_start_ns(read_date(word), zone)


def day_start_ns(day: date, zone: str) -> int:
    """Return the nanoseconds since 1970 at which a day begins in a zone, midnight or not."""
    return _ns_of(datetime(day.year, day.month, day.day, tzinfo=zoneinfo.ZoneInfo(zone)))


def read_zone(text: str) -> str:
    """Return the name of a time zone."""
    try:
        zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"a time zone, as Europe/Berlin{_nearest_zone(text)}") from None
    return text


def read_currency(text: str) -> str:
    """Return a currency of ISO 4217, as `USD`."""
    code = text.strip().upper()
    if code not in EXPONENTS:
        raise ValueError(f"a currency of ISO 4217, as USD{did_you_mean(code, [*EXPONENTS]) if code else ''}")
    return code


def read_flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("true", "false", "yes", "no"):
        raise ValueError("true or false")
    return word in ("true", "yes")


def read_rounding(text: str) -> str:
    word = text.strip().lower()
    if word not in _ROUNDINGS:
        raise ValueError(f"one of up, down, half_up, none{did_you_mean(word, _ROUNDINGS)}")
    return _ROUNDINGS[word]


def word_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(f"{' or '.join(words)}{did_you_mean(word, words)}")
        return word

    return read


def read_text(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise ValueError(f"at most {TEXT_MAX} characters")
    return text


def read_name(text: str) -> str:
    """Return a text that names something and is not empty."""
    if not text.strip() or len(text) > TEXT_MAX or any(ord(letter) < 32 for letter in text):
        raise ValueError(f"a name of 1 to {TEXT_MAX} characters")
    return text.strip()


def read_id(text: str) -> str:
    """Return what a customer or a plan is called in YAML, in paths and on the command line."""
    if not NAME.fullmatch(text):
        proposed = re.sub(r"[^A-Za-z0-9._@:+-]+", "-", text).strip("-._@:+")[:128]
        hint = f'; did you mean "{proposed}"?' if NAME.fullmatch(proposed) else ""
        raise ValueError(f"a name of 1 to 128 letters, digits and `. _ @ : + -`{hint}")
    return text


def _ns_of(stamp: datetime) -> int:
    span = stamp.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((span.days * 86_400 + span.seconds) * 10**6 + span.microseconds) * 1000


def _nearest_zone(text: str) -> str:
    known = sorted(zoneinfo.available_timezones())
    word = text.strip().lower().replace(" ", "_")
    for zone in known:
        if word and word in (zone.lower(), zone.lower().rpartition("/")[2]):
            return f'; did you mean "{zone}"?'
    return did_you_mean(word, known)
