"""What was told, by alert, value and period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farebox.alerts.evaluation.transitions import Standing, StateKey, Transition

_NOTHING: Mapping[int, Standing] = {}


class States:
    """The same as in `control.db`, in memory."""

    def __init__(self, stored: Iterable[tuple[StateKey, Standing]] = ()) -> None:
        self._told: dict[tuple[str, str, int], dict[int, Standing]] = {}
        self._firing: dict[tuple[str, str, int], None] = {}
        for key, standing in stored:
            self._put(key, standing)

    def of(self, alert: str, value: str, window_ns: int) -> Mapping[int, Standing]:
        """Return what was told, by threshold."""
        return self._told.get((alert, value, window_ns), _NOTHING)

    def firing(self) -> list[tuple[str, str, int]]:
        """Return alert, value and period of everything that fires."""
        return list(self._firing)

    def values(self, alert: str) -> list[str]:
        """Return the values of which something was told."""
        return [key[1] for key in self._told if key[0] == alert]

    def apply(self, changed: Iterable[Transition]) -> None:
        for each in changed:
            self._put(each.key, each.standing)

    def prune(self, before_ns: int) -> None:
        """Forget periods in which nothing fires any more since a moment."""
        for key in [
            key
            for key, told in self._told.items()
            if key[2]
            and all(each.state == "recovered" and each.since_ns < before_ns for each in told.values())
        ]:
            del self._told[key]

    def _put(self, key: StateKey, standing: Standing) -> None:
        place = key.alert, key.value, key.window_ns
        told = self._told.setdefault(place, {})
        told[key.threshold] = standing
        if any(each.state == "firing" for each in told.values()):
            self._firing[place] = None
        else:
            self._firing.pop(place, None)
