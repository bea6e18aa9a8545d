"""Single values of an alert as people write them, each read from its text, and the same values written again.

What cannot be read raises `ValueError` with what was expected, for a finding to repeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from farebox.alerts.alert import Sensitivity
from farebox.config.settings import duration, duration_text

WHOLE_PPM = 1_000_000
RISE_MAX_PPM = 1_000 * WHOLE_PPM
COUNT_MAX = 10**15
LATENCY_MAX_US = 24 * 3600 * 10**6
FACTOR_MAX_PPM = 1_000 * WHOLE_PPM
DEVIATIONS_MAX = 1_000
CALLS_MIN_MAX = 10**9

SENSITIVITIES = {
    "low": Sensitivity(deviations=10, factor_ppm=3_000_000),
    "normal": Sensitivity(),
    "high": Sensitivity(deviations=4, factor_ppm=1_500_000),
}
"""By the word for it."""

_PERCENT = re.compile(r"(-?)([0-9]{1,9})(?:\.([0-9]{1,4}))?\s*%")
_COUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?\s*([kKmMbB]?)")
_COUNT_UNITS = {"": 0, "k": 3, "m": 6, "b": 9}
_LATENCY = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?\s*(ms|s|m)")
_LATENCY_US = {"ms": 10**3, "s": 10**6, "m": 60 * 10**6}
_FACTOR = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?x?")


def read_percent(low_ppm: int, high_ppm: int) -> Callable[[str], int]:
    """Return a reader of a percentage, in parts per million: `50%`, `2.5%`."""
    form = f'a percentage of {percent_text(low_ppm)} to {percent_text(high_ppm)}, as "50%"'

    def read(text: str) -> int:
        word = text.strip()
        found = _PERCENT.fullmatch(word)
        if found is None:
            is_number = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", word)
            raise ValueError(f'{form}; did you mean "{word}%"?' if is_number else form)
        sign, whole, fraction = found[1], found[2], found[3] or ""
        ppm = int(whole) * 10_000 + int(fraction.ljust(4, "0"))
        ppm = -ppm if sign else ppm
        if not low_ppm <= ppm <= high_ppm:
            raise ValueError(form)
        return ppm

    return read


def read_count(text: str) -> int:
    """Return a number of calls or tokens: `1000000`, `1M`, `2.5k`.

    Raises:
        ValueError: With what was expected.
    """
    form = 'a whole number above 0, as "1000000" or "1M"'
    found = _COUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{form}, without separators" if re.search(r"[0-9][,_][0-9]", text) else form)
    fraction = found[2] or ""
    places = _COUNT_UNITS[found[3].lower()]
    if len(fraction) > places:
        raise ValueError(form)
    count = int(found[1] + fraction.ljust(places, "0"))
    if not 0 < count <= COUNT_MAX:
        raise ValueError(f"{form}, at most {COUNT_MAX}")
    return count


def read_calls_min(text: str) -> int:
    """Return a number of calls that may be zero.

    Raises:
        ValueError: With what was expected.
    """
    word = text.strip()
    if not (word.isascii() and word.isdigit() and int(word[:20]) <= CALLS_MIN_MAX):
        raise ValueError("a whole number of calls, as 20; 0 for any")
    return int(word)


def read_latency(text: str) -> int:
    """Return how long a call takes, in microseconds: `10s`, `800ms`, `2.5s`.

    Raises:
        ValueError: With what was expected.
    """
    form = 'a duration of 1ms to 24h, as "800ms", "10s" or "2m"'
    found = _LATENCY.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(form)
    us = int(found[1] + (found[2] or "").ljust(3, "0")) * _LATENCY_US[found[3]] // 1000
    if not 1000 <= us <= LATENCY_MAX_US:
        raise ValueError(form)
    return us


def read_span(low_s: int, high_s: int) -> Callable[[str], int]:
    """Return a reader of a span of time in seconds: `5m`, `1h`."""
    read = duration(low_s, high_s)
    return lambda text: read(text.strip(), Path())


def read_deviations(text: str) -> int:
    """Return a number of deviations.

    Raises:
        ValueError: With what was expected.
    """
    word = text.strip()
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:10]) <= DEVIATIONS_MAX):
        raise ValueError(f"a whole number of 1 to {DEVIATIONS_MAX}, as 6")
    return int(word)


def read_factor(text: str) -> int:
    """Return a factor above 1 in parts per million: `2`, `1.5`.

    Raises:
        ValueError: With what was expected.
    """
    found = _FACTOR.fullmatch(text.strip().lower())
    ppm = int(found[1]) * WHOLE_PPM + int((found[2] or "").ljust(6, "0")) if found else 0
    if not WHOLE_PPM < ppm <= FACTOR_MAX_PPM:
        raise ValueError(f'a factor above 1, at most {FACTOR_MAX_PPM // WHOLE_PPM}, as "1.5"')
    return ppm


def percent_text(ppm: int) -> str:
    """Return parts per million as they are written: `50%`, `2.5%`."""
    sign, rest = ("-", -ppm) if ppm < 0 else ("", ppm)
    return f"{sign}{_decimal(rest, 4)}%"


def latency_text(us: int) -> str:
    """Return microseconds as they are written: `10s`, `800ms`."""
    if us % 60_000_000 == 0:
        return f"{us // 60_000_000}m"
    return f"{_decimal(us, 6)}s" if us >= 1_000_000 else f"{_decimal(us, 3)}ms"


def factor_text(ppm: int) -> str:
    """Return a factor as it is written: `1.5`."""
    return _decimal(ppm, 6)


def span_text(seconds: int) -> str:
    """Return a span of time as it is written: `5m`."""
    return duration_text(seconds)


def _decimal(number: int, places: int) -> str:
    whole, fraction = divmod(number, 10**places)
    return f"{whole}.{fraction:0{places}d}".rstrip("0").rstrip(".")
