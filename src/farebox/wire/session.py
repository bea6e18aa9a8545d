"""Meter a session of messages: a WebSocket's, in both directions, whoever carries them.

No socket here: what was sent and received comes in as whole messages. Every message that states
usage is a part (a turn, a transcription); the session's settings name the models. Whoever records
each turn by itself takes its parts out with `take_turn`; `finish` returns what is left. Never raises
into its caller and holds a bounded amount, like `farebox.wire.meter`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farebox.catalog import Endpoint
from farebox.catalog.shape import Turn
from farebox.wire.facts import Completeness, Extraction, Part
from farebox.wire.framing.largejson import prune
from farebox.wire.http.paths import getter
from farebox.wire.request import RequestFacts, facts
from farebox.wire.usage.batch_results import Parts
from farebox.wire.usage.compiled_format import Plan, plan_for
from farebox.wire.usage.error_codes import shown_code
from farebox.wire.usage.extract import Context, Gathering, extraction
from farebox.wire.usage.json_reader import value_pattern

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
_SMALL_BYTES = 64 * 1024
_SETTINGS_MAX = 64
_NOTHING = re.compile(rb"(?!)")

Headers = Sequence[tuple[bytes, bytes]]


class SessionMeter:
    """One session. Call `message` for every message, `finish` once."""

    turn_ended = False
    """The last message ended a turn: `take_turn` returns it."""
    charged = False
    """The last message said what something cost."""

    def __init__(self, endpoint: Endpoint, path: str, query: str, request_headers: Headers) -> None:
        self._endpoint = endpoint
        self._parts = Parts()
        self._settings: dict[str, Any] = {}
        self._items: dict[str, Gathering] = {}
        """What has been shown of a turn that is under way, by the turn's kind."""
        self._id: str | None = None
        self._model: str | None = None
        """The session's model, as the provider states it."""
        self._asked_model: str | None = None
        """The model that a message of the client's asked for last."""
        self._turn_model: str | None = None
        self._error: str | None = None
        self._empty: str | None = None
        self._without_usage = 0
        self._problem: str | None = None
        self._plan: Plan | None = None
        self._quiet: re.Pattern[bytes] | None = None
        self._begins: re.Pattern[bytes] | None = None
        self._turn_id: str | None = None
        self._turns: tuple[_TurnPlan, ...] = ()
        self._path: dict[str, str] = {}
        self._facts = RequestFacts()
        try:
            bare = path.partition("?")[0]
            self._path = endpoint.path_values(bare)
            self._facts = facts({}, request_headers, query, self._path, bare, endpoint.vendors)
            form = endpoint.format
            if form is not None:
                self._plan = plan_for(form)
                self._turns = tuple(_turn_plan(turn) for turn in form.turns)
                self._quiet = value_pattern(form.quiet)
                self._begins = value_pattern(form.begins)
        except Exception as error:
            self._problem = f"meter_failed:{type(error).__name__}"

    def request_facts(self) -> RequestFacts:
        """Return what the opening request said: the model in its query, who is asking."""
        return self._facts

    def message(self, data: bytes, *, sent: bool) -> None:
        """Take in one whole message, text or binary; `sent` by the client or received by it."""
        self.turn_ended = self.charged = False
        if self._plan is None or len(data) > MESSAGE_BYTES_MAX:
            return
        try:
            self._message(self._plan, data, sent)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return  # audio, or a message that is no JSON
        except Exception as error:
            self._problem = f"meter_failed:{type(error).__name__}"

    @property
    def metered(self) -> bool:
        """Whether anything of this session is understood."""
        return self._plan is not None and self._problem is None

    def give_up(self, reason: str) -> None:
        """Say that the rest of the session cannot be read."""
        self._problem = self._problem or reason

    def opens(self, data: bytes) -> bool:
        """Return whether a message of the client's can lead to something that is charged."""
        return self._quiet is None or len(data) > _SMALL_BYTES or self._quiet.search(data) is None

    def begins(self, data: bytes) -> bool:
        """Return whether a message of the provider's says that an answer is being made."""
        return self._begins is None or self._begins.search(data) is not None

    def take_turn(self, unfinished: str | None = None) -> Extraction:
        """Return what has been charged since the turn before; `unfinished` is why it did not end."""
        parts, self._parts = self._parts, Parts()
        without_usage, self._without_usage = self._without_usage, 0
        identity, self._turn_id = self._turn_id, None
        served, self._turn_model = self._turn_model, None
        error, self._error = self._error, None
        prefixes = self._endpoint.model_prefixes
        reason = unfinished or ("turn_without_usage" if without_usage else None)
        turn = parts.result(
            completeness="final" if reason is None else "partial",
            reason=reason,
            streamed=True,
            request_model=_bare(self._request_model, prefixes),
            response_model=_bare(served or self._model, prefixes),
            response_id=identity,
            error_code=error,
        )
        return self._unknown(turn)

    def _unknown(self, result: Extraction) -> Extraction:
        """Return a result that names the model even where nothing else is known."""
        if result.parts or not (result.request_model or result.response_model):
            return result
        part = Part(
            provider=self._provider(),
            request_model=result.request_model,
            response_model=result.response_model,
        )
        return msgspec.structs.replace(result, parts=(part,))

    @property
    def charged_by_time(self) -> bool:
        """Whether the provider states no usage for what it has done, and charges the time."""
        return self._empty is not None

    def finish_session(self, outcome: str, open_seconds: Decimal | None = None) -> Extraction:
        """Return what the session itself costs, once its turns have been taken out."""
        if self._plan is None or self._problem is not None or self.charged_by_time:
            if self.charged_by_time:
                self._without_usage = max(self._without_usage, 1)
            return self._unknown(self.finish(outcome, open_seconds))
        free = self._result("none", "session", None)
        return msgspec.structs.replace(free, billable=False, not_billable_because="session")

    def _message(self, plan: Plan, data: bytes, sent: bool) -> None:
        if not sent:
            for turn in self._turns:
                if turn.pattern.search(data) and self._take_turn(turn, data):
                    break
            else:
                self._take_items(data)
        for pattern in (plan.watch, plan.watch_values):
            if pattern is not None and pattern.search(data):
                self._take_settings(plan, data, sent)
                break

    def _take_turn(self, turn: _TurnPlan, data: bytes) -> bool:
        """Add a message's usage; return whether it is the kind of message it looked like."""
        plan = turn.plan
        text = prune(data, turn.keep) if len(data) > _SMALL_BYTES else data
        document = plan.reader.read(text)
        if not turn.holds(document.fields, document.usage):
            return False
        one = self._items.pop(turn.kind, None) or Gathering(plan)
        one.add(document)
        if one.usage is None:
            if turn.expects_usage:
                self._without_usage += 1
            if plan.format.empty is not None:
                self._empty = plan.format.empty
            else:
                self.turn_ended = turn.ends
                self._turn_id = one.response_id
                self._turn_model = one.response_model
            return True
        self.charged = True
        self.turn_ended = turn.ends
        self._turn_id = one.response_id if turn.ends else self._turn_id or one.response_id
        self._turn_model = one.response_model or self._turn_model
        context = Context(
            provider=self._provider(),
            request_model=_bare(
                self._model_of(turn) or self._facts.request_model, self._endpoint.model_prefixes
            ),
            path=self._path,
            model_prefixes=self._endpoint.model_prefixes,
        )
        measured = extraction(one, context, completeness="final", reason=None, streamed=False)
        self._parts.add(measured, turn.kind, one.response_id)
        return True

    def _take_items(self, data: bytes) -> None:
        """Remember what is charged beside a turn's usage: its last message need not show it again."""
        for turn in self._turns:
            plan = turn.plan
            if plan.gathered and plan.watch_values is not None and plan.watch_values.search(data):
                text = prune(data, turn.keep) if len(data) > _SMALL_BYTES else data
                self._items.setdefault(turn.kind, Gathering(plan)).add(plan.reader.read(text))

    def _take_settings(self, plan: Plan, data: bytes, sent: bool) -> None:
        """Remember what a message says about the session: models, id, an error."""
        text = prune(data, plan.reader.keep) if len(data) > _SMALL_BYTES else data
        fields = plan.reader.read(text).fields
        _settle(self._settings, fields)
        for read in plan.model:
            model = read(fields)
            if isinstance(model, str) and model:
                if sent:
                    self._asked_model = model[:256]
                else:
                    self._model = model[:256]
                break
        for read in plan.id:
            found = read(fields)
            if isinstance(found, str) and found:
                self._id = found[:256]
                break
        if self._error is None and fields.get("error"):
            for read in plan.error_code:
                code = read(fields)
                if isinstance(code, str) and code:
                    self._error = shown_code(code)
                    break

    def _model_of(self, turn: _TurnPlan) -> str | None:
        if not turn.models:
            return self._model or self._asked_model
        for read in turn.models:
            model = read(self._settings)
            if isinstance(model, str) and model:
                return model[:256]
        return None

    @property
    def _request_model(self) -> str | None:
        return self._facts.request_model or self._asked_model or self._model

    def _provider(self) -> str:
        prices = self._endpoint.prices_id
        return prices.format_map(self._path) if "{" in prices else prices

    def snapshot(self) -> Extraction:
        """Return what is known so far, for a PARTIAL record."""
        return self._result("partial", "in_progress", None)

    def finish(self, outcome: str, open_seconds: Decimal | None = None) -> Extraction:
        """Return the session's result. `open_seconds` is how long it was connected, where known."""
        if self._plan is None:
            return self._result("none", self._problem or "endpoint_not_metered", None)
        if self._problem is not None:
            return self._result("partial", self._problem, open_seconds)
        # A session has no end of its own: whoever closes it, what it stated is complete.
        return self._result("final", None, open_seconds)

    def _result(
        self, completeness: Completeness, reason: str | None, open_seconds: Decimal | None
    ) -> Extraction:
        parts = self._parts
        if self._empty is not None and self._without_usage:
            # The provider charges the time and states no usage.
            parts.flag(self._empty)
            if open_seconds is not None:
                self._add_seconds(open_seconds)
                self._empty = None
            elif completeness == "final":
                completeness, reason = "partial", self._empty
        elif self._without_usage and completeness == "final":
            completeness, reason = "partial", "turn_without_usage"
        prefixes = self._endpoint.model_prefixes
        return parts.result(
            completeness=completeness,
            reason=reason,
            streamed=True,
            request_model=_bare(self._request_model, prefixes),
            response_model=_bare(self._turn_model or self._model, prefixes),
            response_id=self._id,
            error_code=self._error,
        )

    def _add_seconds(self, open_seconds: Decimal) -> None:
        part = Part(
            provider=self._provider(),
            request_model=self._request_model,
            response_model=self._model,
            quantities={"session_seconds": open_seconds},
        )
        self._parts.add(Extraction(parts=(part,), completeness="final"), "session", "session")


class _TurnPlan:
    """One kind of charged message, compiled."""

    def __init__(self, turn: Turn) -> None:
        self.pattern = value_pattern((turn.when,)) or _NOTHING
        self.plan = plan_for(turn.format)
        self.keep = self.plan.reader.keep
        self.kind = turn.kind
        self.expects_usage = turn.expects_usage
        self.ends = turn.ends
        self.models = tuple(getter(path) for path in turn.model)
        self._key, _, values = turn.when.partition("=")
        self._values = None if values == "*" else frozenset(values.split("|"))

    def holds(self, fields: dict[str, Any], usage: Any) -> bool:
        """Return whether the condition holds at the top of the message, not somewhere inside."""
        if self._values is None:
            return usage is not None
        return str(fields.get(self._key)) in self._values


_turn_plans: dict[int, tuple[Turn, _TurnPlan]] = {}


def _turn_plan(turn: Turn) -> _TurnPlan:
    known = _turn_plans.get(id(turn))
    if known is None or known[0] is not turn:
        if len(_turn_plans) > 512:
            _turn_plans.clear()
        known = _turn_plans[id(turn)] = (turn, _TurnPlan(turn))
    return known[1]


def _settle(settings: dict[str, Any], fields: dict[str, Any], depth: int = 0) -> None:
    """Merge a message's settings in: what it leaves out stays as it was."""
    for key, value in fields.items():
        if value is None:
            continue
        old = settings.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and depth < 8:
            _settle(old, value, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
        elif key in settings or len(settings) < _SETTINGS_MAX:
            settings[key] = value


def _bare(model: str | None, prefixes: tuple[str, ...]) -> str | None:
    """Return a model id without its prefix; `*/models/` stands for a whole path before it."""
    if model is None:
        return None
    for prefix in prefixes:
        if prefix.startswith("*"):
            model = model.rpartition(prefix[1:])[2] or model
        elif model.startswith(prefix) and len(model) > len(prefix):
            return model[len(prefix) :]
    return model
