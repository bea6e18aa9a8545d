"""A flag for every declared setting (`farebox.config.settings`): the last layer of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Annotated

from cyclopts import Parameter

from farebox.config.settings import SETTINGS


def _flags() -> list[tuple[str, object, object]]:
    return [
        (
            key.replace(".", "_"),
            Annotated[str | None, Parameter(name=each.flag, help=f"{each.help} ({each.form})")],
            field(default=None),
        )
        for key, each in SETTINGS.items()
    ]


_Declared = make_dataclass("_Declared", _flags(), frozen=True, kw_only=True)


@Parameter(name="*", group="Settings")
@dataclass(frozen=True, kw_only=True)
class SettingFlags(_Declared):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues] - made of data
    """Settings for this start, instead of what files and environment say."""

    def given(self) -> dict[str, str]:
        """Return the settings that were given, by key."""
        values = vars(self)
        return {key: text for key in SETTINGS if (text := values[key.replace(".", "_")]) is not None}
