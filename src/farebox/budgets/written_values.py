"""Single values of a budget as people write them, each read from its text: amounts, periods, zones.

What cannot be read raises `ValueError` with what was expected, for a finding to repeat.
"""

from __future__ import annotations

import re
import zoneinfo
from pathlib import Path
from typing import cast, get_args

from farebox.budgets.budget import LIMIT_MAX, Period, PeriodKind
from farebox.budgets.matching import DIMENSIONS, is_dimension
from farebox.config.settings import duration, duration_text
from farebox.money import PicoUsd, pico_from_usd, usd_text
from farebox.nearest import did_you_mean

ROLLING_MIN_S, ROLLING_MAX_S = 60, 366 * 86_400
WAIT_MAX_S = 3600

PERIOD_FORMS = 'hour, day, week, month, "rolling 24h", session or ever'
_AMOUNT = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,12}))?|\.([0-9]{1,12})")
_PERIODS: tuple[PeriodKind, ...] = get_args(PeriodKind)
_ROLLING = re.compile(r"rolling\s*:?\s*(\S+)")
_AMOUNT_FORM = 'dollars as "25.00", with at most 12 decimals'


def read_amount(text: str) -> PicoUsd:
    """Return an amount in dollars as pico-dollars: `25.00`, `$25`, `25 USD`.

    Raises:
        ValueError: With what was expected.
    """
    word = text.strip()
    negative = word.startswith("-") or word.startswith("$-")
    bare = re.sub(r"^(?:US)?\$\s*|^USD\s+|\s*USD$|\s*\$$", "", word.lstrip("-"), count=1, flags=re.IGNORECASE)
    bare = bare.lstrip("-")
    found = _AMOUNT.fullmatch(bare)
    if found is None:
        if "," in bare or "_" in bare:
            raise ValueError(f"{_AMOUNT_FORM}, without separators of thousands and with a decimal point")
        if re.search(r"[€£¥]|\b(?:EUR|GBP|CHF|JPY|CNY)\b", bare, re.IGNORECASE):
            raise ValueError(f"{_AMOUNT_FORM}: limits are in US dollars")
        raise ValueError(_AMOUNT_FORM)
    amount = pico_from_usd(bare)
    if negative or amount <= 0:
        raise ValueError(
            f"more than 0: {_AMOUNT_FORM} (`farebox stop-session` refuses the calls of a session)"
        )
    if amount > LIMIT_MAX:
        raise ValueError(f"at most {usd_text(LIMIT_MAX)}: {_AMOUNT_FORM}")
    return amount


def read_period(text: str) -> Period:
    """Return a period: `day`, `rolling 24h`.

    Raises:
        ValueError: With what was expected.
    """
    word = " ".join(text.lower().split())
    rolling = _ROLLING.fullmatch(word)
    if rolling is not None:
        try:
            return Period(
                kind="rolling", rolling_s=duration(ROLLING_MIN_S, ROLLING_MAX_S)(rolling[1], Path())
            )
        except ValueError as error:
            raise ValueError(f"`rolling` and {error}") from None
    if word in _PERIODS and word != "rolling":
        return Period(kind=cast("PeriodKind", word))
    if re.fullmatch(r"\d+[smhd]", word):
        raise ValueError(f'{PERIOD_FORMS}; did you mean "rolling {word}"?')
    raise ValueError(f"{PERIOD_FORMS}{did_you_mean(word, [each for each in _PERIODS if each != 'rolling'])}")


def read_zone(text: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: With what was expected.
    """
    try:
        zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"a time zone, as Europe/Berlin{_nearest_zone(text)}") from None
    return text


def read_dimension(text: str) -> str:
    """Return the name of a dimension or of a tag, in lower case.

    Raises:
        ValueError: With what was expected.
    """
    name = text.strip().lower()
    if is_dimension(name):
        return name
    is_tag = name.startswith(("tag.", "tags.")) or name in ("tag", "tags")
    hint = "; tags are written `tag.feature`" if is_tag else did_you_mean(name, list(DIMENSIONS))
    raise ValueError(f"one of {', '.join(DIMENSIONS)} and tag.NAME{hint}")


def read_wait(text: str) -> int:
    """Return how long a call may wait, in seconds: `20s`, `2m`, `0`.

    Raises:
        ValueError: With what was expected.
    """
    if text.strip() in ("0", "0s"):
        return 0
    try:
        return duration(1, WAIT_MAX_S)(text.strip(), Path())
    except ValueError:
        raise ValueError(f"a duration of 0s to {duration_text(WAIT_MAX_S)}, as 20s or 2m") from None


def period_text(period: Period) -> str:
    """Return a period as it is written: `rolling 24h`."""
    return f"rolling {duration_text(period.rolling_s)}" if period.kind == "rolling" else period.kind


def wait_text(wait_s: int) -> str:
    """Return how long a call may wait as it is written: `20s`."""
    return duration_text(wait_s) if wait_s else "0s"


def _nearest_zone(text: str) -> str:
    """Return `; did you mean "Europe/Berlin"?` for `berlin`, nothing where none is near."""
    known = sorted(zoneinfo.available_timezones())
    word = text.strip().lower().replace(" ", "_")
    for zone in known:
        if word and word in (zone.lower(), zone.lower().rpartition("/")[2]):
            return f'; did you mean "{zone}"?'
    return did_you_mean(word, known)
