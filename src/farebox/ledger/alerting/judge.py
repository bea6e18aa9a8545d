"""Judge what has changed, and what time alone decides: findings of each rule, and what is news of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.news import NEW_FOR_NS, find_new
from farebox.alerts.evaluation.rates import (
    find_cache_hits,
    find_cache_lifetime,
    find_latency,
    find_share,
    find_unpriced,
)
from farebox.alerts.evaluation.rise import find_rise
from farebox.alerts.evaluation.silence import find_silence
from farebox.alerts.evaluation.thresholds import (
    find_budget,
    find_margin,
    find_sum,
    lowest_amount,
    reached_at,
)
from farebox.alerts.evaluation.transitions import (
    Standing,
    StateKey,
    Transition,
    ended,
    quietly,
    transitions,
)
from farebox.budgets.periods import HOUR_NS, SECOND_NS, Window
from farebox.ledger.alerting.baselines import BASELINES_AT_ONCE, Baselines, anomaly
from farebox.ledger.alerting.fact_findings import fact_findings
from farebox.ledger.alerting.sums import amount_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from farebox.alerts.alert import Alert
    from farebox.ledger.alerting.counting import Touched, Trail
    from farebox.ledger.alerting.facts import Facts
    from farebox.ledger.alerting.running import Running
    from farebox.ledger.alerting.series import Series, Watched
    from farebox.ledger.alerting.states import States

CHANGES_AT_ONCE = 2_000
"""Of a storm, so much is told in one step: memory stays bounded, and calls are appended between two."""
_DAY_NS = 24 * HOUR_NS
_SILENT_FOR_GOOD_NS = 30 * _DAY_NS
_CROSSINGS_MAX = 10_000


class Judge:
    """For one set of rules."""

    def __init__(
        self,
        watched: Iterable[Watched],
        running: Running,
        states: States,
        baselines_at_once: int = BASELINES_AT_ONCE,
        changes_at_once: int = CHANGES_AT_ONCE,
        awake_ns: int = 0,
    ) -> None:
        """How many baselines are made and changes found in one step, so that it does not take long.

        `awake_ns`: since when the machine has not slept, where that is known.
        """
        self.awake_ns = awake_ns
        self._changes_at_once = changes_at_once
        self.has_more = False
        """Whether the last tick has left something for the next one, which is not to wait."""
        self._running = running
        self._states = states
        self._watched = {each.rule.alert.name: each for each in watched}
        self._lowest = {
            each.rule.alert.name: lowest
            for each in self._watched.values()
            if each.is_fixed and (lowest := lowest_amount(each.rule)) is not None
        }
        self._by_series: dict[int, list[Watched]] = {}
        self._numbers: dict[str, tuple[int, ...]] = {}
        for each in self._watched.values():
            if each.series:
                numbers = tuple(running.number(series) for series in each.series)
                self._numbers[each.rule.alert.name] = numbers
                self._by_series.setdefault(numbers[0], []).append(each)
        self.since: dict[StateKey, int] = {}
        """When what has not been told yet was passed, where that was seen in the record."""
        self._baselines = Baselines(running.sums, baselines_at_once)

    def judge(
        self, touched: Mapping[Touched, int], now_ns: int, seq: int
    ) -> tuple[list[Transition], dict[Touched, int]]:
        """Return what is news of sums that have changed, and those that have to be judged later."""
        changes = _Changes()
        later: dict[Touched, int] = {}
        self._baselines.begin_step()
        for each, last_ns in touched.items():
            if len(changes.found) >= self._changes_at_once:
                later[each] = last_ns
                continue
            for watched in self._by_series.get(each.series, ()):
                if not all(self._running.is_open(series) for series in watched.series):
                    later[each] = last_ns
                    continue
                if self._is_below(watched, each):
                    continue
                finding = self._finding(watched, each.value, each.start_ns, now_ns, last_ns)
                if finding is _LATER:
                    later[each] = last_ns
                elif finding is not None:
                    if last_ns and finding.since_ns is None:
                        finding = finding._replace(since_ns=last_ns)
                    changes.add(self._news(watched, each.value, finding, now_ns, seq))
        return [self._begun(each) for each in changes.found], later

    def tick(self, facts: Facts | None, now_ns: int, seq: int) -> list[Transition]:
        """Return what is news because time has passed, or because of facts that no row says."""
        changes = _Changes()
        self._baselines.begin_step()
        self.has_more = False
        for name, value, window_ns in self._states.firing():
            if len(changes.found) >= self._changes_at_once:
                self.has_more = True
                break
            watched = self._watched.get(name)
            if watched is not None and watched.series:
                changes.add(self._later_on(watched, value, window_ns, now_ns, seq))
        for watched in self._watched.values():
            if watched.rule.alert.kind == "no_data":
                changes.add(self._silent(watched, now_ns, seq))
            elif not watched.series and facts is not None:
                changes.add(fact_findings(watched.rule, facts, self._states, now_ns, seq))
        return changes.found

    def note_crossings(self, trails: Mapping[Touched, Trail], now_ns: int) -> None:
        """Note when thresholds were passed, of sums that are being made from the record."""
        for each, trail in trails.items():
            for watched in self._by_series.get(each.series, ()):
                alert = watched.rule.alert
                if alert.kind not in ("spend", "usage", "budget") or len(self.since) > _CROSSINGS_MAX:
                    continue
                finding = self._finding(watched, each.value, each.start_ns, now_ns, 0)
                for threshold in finding.reached if finding is not None else ():
                    key = StateKey(alert.name, each.value, threshold, finding.window_ns if finding else 0)
                    if key not in self.since:
                        self.since[key] = self._passed_at(watched, each, threshold, trail)

    def _passed_at(self, watched: Watched, touched: Touched, threshold: int, trail: Trail) -> int:
        """Return when a sum passed a threshold that it has reached by now."""
        amount = reached_at(threshold, watched.rule.limit)
        cell = self._running.sums.at(touched.series, touched.value, touched.start_ns)
        so_far = amount_of(cell) if cell else 0
        for at_ns, added in reversed(trail):
            so_far -= amount_of(added)
            if so_far < amount:
                return at_ns
        return trail[0][0]

    def _begun(self, change: Transition) -> Transition:
        since_ns = self.since.pop(change.key, None)
        if since_ns is None or change.event is None or change.standing.state != "firing":
            return change
        return change._replace(
            standing=change.standing._replace(since_ns=since_ns),
            event=msgspec.structs.replace(change.event, since_ns=since_ns),
        )

    # -- one rule --

    def _is_below(self, watched: Watched, touched: Touched) -> bool:
        """Return whether it is clear at a glance that a sum is no news: most are, most of the time."""
        name = watched.rule.alert.name
        lowest = self._lowest.get(name)
        if lowest is None or self._states.of(name, touched.value, touched.start_ns):
            return False
        cell = self._running.sums.at(touched.series, touched.value, touched.start_ns)
        return cell is None or amount_of(cell) < lowest

    def _news(
        self, watched: Watched, value: str, finding: Finding, now_ns: int, seq: int
    ) -> list[Transition]:
        told = self._states.of(watched.rule.alert.name, value, finding.window_ns)
        return transitions(watched.rule, value or None, finding, told, now_ns, seq)

    def _later_on(
        self, watched: Watched, value: str, window_ns: int, now_ns: int, seq: int
    ) -> list[Transition]:
        """Return what has become of something that fires."""
        alert = watched.rule.alert
        told = self._states.of(alert.name, value, window_ns)
        if not self._running.is_open(watched.series[0]):
            return []
        if alert.kind in ("new", "no_data"):
            return self._worn_off(watched, value, told, now_ns, seq)
        finding = self._finding(watched, value, window_ns, now_ns, 0)
        if finding is None or finding is _LATER:
            return []
        if finding.window_end_ns is not None and finding.window_end_ns <= now_ns:
            finding = finding._replace(basis=f"the period has ended, with {finding.basis}")
            return ended(watched.rule, value or None, finding, told, now_ns, seq)
        if watched.period is not None and watched.period.kind in ("ever", "session"):
            return []
        # Time alone makes nothing worse: what fires anew says a row.
        return [
            each
            for each in transitions(watched.rule, value or None, finding, told, now_ns, seq)
            if each.standing.state == "recovered"
        ]

    def _worn_off(
        self, watched: Watched, value: str, told: Mapping[int, Standing], now_ns: int, seq: int
    ) -> list[Transition]:
        alert = watched.rule.alert
        since = max((each.since_ns for each in told.values()), default=now_ns)
        lasts_ns = NEW_FOR_NS if alert.kind == "new" else alert.over_s * SECOND_NS + _SILENT_FOR_GOOD_NS
        if now_ns - since < lasts_ns:
            return []
        words = "it is known now" if alert.kind == "new" else "nobody waits for it any more"
        finding = Finding(None, (), (), since, now_ns, words)
        return quietly(ended(watched.rule, value or None, finding, told, now_ns, seq))

    def _silent(self, watched: Watched, now_ns: int, seq: int) -> list[Transition]:
        """Return values that nothing comes of any more."""
        (series,) = watched.series
        alert = watched.rule.alert
        if not self._running.is_open(series):
            return []
        found: list[Transition] = []
        number, made_ns = self._running.number(series), self._running.made_ns(series)
        seen = self._running.sums.values(number)
        if alert.each is None:
            seen.setdefault("", (0, 0))
        for value, (_, last_ns) in seen.items():
            if now_ns - (last_ns or made_ns) > alert.over_s * SECOND_NS + _SILENT_FOR_GOOD_NS:
                continue
            finding = find_silence(alert, last_ns or None, made_ns, self.awake_ns, now_ns)
            found += self._news(watched, value, finding, now_ns, seq)
        return found

    def _finding(
        self, watched: Watched, value: str, start_ns: int, now_ns: int, last_ns: int
    ) -> Finding | None:
        alert = watched.rule.alert
        series = watched.series[0]
        sums, number = self._running.sums, self._numbers[alert.name][0]
        if watched.period is not None:
            return self._of_period(watched, value, start_ns, now_ns)
        if alert.kind == "new":
            cell = sums.at(number, value, 0)
            return find_new(alert, value, cell[0] if cell else 0, last_ns or now_ns, now_ns)
        if alert.kind == "no_data":
            cell = sums.at(number, value, 0)
            last = cell[1] if cell else None
            return find_silence(alert, last, self._running.made_ns(series), self.awake_ns, now_ns)
        if alert.kind == "anomaly":
            return self._anomaly(watched, value, now_ns)
        span, until_ns = _span(series, alert, now_ns)
        found = sums.of(number, series, value, span.start_ns, until_ns)
        return self._of_span(watched, value, found, span)

    def _of_period(self, watched: Watched, value: str, start_ns: int, now_ns: int) -> Finding | None:
        alert = watched.rule.alert
        series = watched.series[0]
        sums, number = self._running.sums, self._numbers[alert.name][0]
        if series.span.kind == "parts":  # a rolling window, whose oldest part counts whole
            part_ns = series.span.part_ns
            window = Window((now_ns - watched.rolling_ns) // part_ns * part_ns, None)
            # Calls that a clock which was put back will reach before long have been made.
            until_ns = now_ns + max(watched.rolling_ns, HOUR_NS)
            found = sums.of(number, series, value, window.start_ns, until_ns)
        else:
            window = watched.window_at(start_ns)
            found = sums.at(number, value, start_ns) or (0,) * series.width
        calls, unpriced, *amounts = found
        match alert.kind:
            case "budget":
                known, still_open = amounts
                return find_budget(
                    watched.rule, known, still_open, unpriced, window, is_fixed=watched.is_fixed
                )
            case "margin":
                return find_margin(alert, amounts[0], amounts[1], calls, unpriced, window)
            case _:
                amount = amounts[0] if amounts else calls
                told = self._states.of(alert.name, value, window.start_ns if watched.is_fixed else 0)
                firing = [at for at, each in told.items() if each.state == "firing"]
                return find_sum(alert, amount, unpriced, window, firing)

    def _of_span(self, watched: Watched, value: str, found: Sequence[int], span: Window) -> Finding | None:
        alert = watched.rule.alert
        series = watched.series[0]
        sums, number = self._running.sums, self._numbers[alert.name][0]
        match alert.kind:
            case "errors" | "retries":
                return find_share(alert, found[1], found[0], span)
            case "unpriced":
                return find_unpriced(alert, found[1], span)
            case "latency":
                return find_latency(alert, found, span)
            case "rise":
                size = (span.end_ns or 0) - span.start_ns
                earlier = amount_of(sums.of(number, series, value, span.start_ns - size, span.start_ns))
                return find_rise(alert, amount_of(found), earlier, found[0], found[1], span)
            case _:
                before = (0, 0, 0)
                if len(watched.series) > 1:
                    hours = watched.series[1]
                    until = span.start_ns // HOUR_NS * HOUR_NS
                    before = sums.of(self._numbers[alert.name][1], hours, value, until - _DAY_NS, until)
                if alert.kind == "cache_hits":
                    past = (before[1], before[2], before[0])
                    return find_cache_hits(alert, found[1], found[2], found[0], past, span)
                return find_cache_lifetime(alert, found[1], found[2], (before[1], before[2]), found[0], span)

    def _anomaly(self, watched: Watched, value: str, now_ns: int) -> Finding | None:
        alert, recent = watched.rule.alert, watched.series[0]
        number, hours = self._numbers[alert.name]
        baseline = self._baselines.of(alert, hours, value, now_ns)
        if baseline is None:
            return _LATER
        until_ns = (now_ns // recent.span.part_ns + 1) * recent.span.part_ns
        found = self._running.sums.of(number, recent, value, until_ns - HOUR_NS, until_ns)
        return anomaly(alert, baseline, found, self._states.of(alert.name, value, 0).get(0), now_ns)


class _Changes:
    """Changes of one step: the first of each, for sums can be judged twice in it."""

    def __init__(self) -> None:
        self.found: list[Transition] = []
        self._keys: set[StateKey] = set()

    def add(self, changes: Iterable[Transition]) -> None:
        for each in changes:
            if each.key not in self._keys:
                self._keys.add(each.key)
                self.found.append(each)


def _span(series: Series, alert: Alert, now_ns: int) -> tuple[Window, int]:
    """Return the span that ends now, in whole parts, and until when its parts begin."""
    part_ns = series.span.part_ns
    count = max(-(-alert.over_s * SECOND_NS // part_ns), 2)
    until = (now_ns // part_ns + 1) * part_ns
    return Window(until - count * part_ns, until), until


_LATER = Finding(None, (), (), 0, 0)
"""What cannot be said at this moment."""
