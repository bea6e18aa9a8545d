"""What the programs do: conversations, reports, coding sessions, nightly work; each a list of calls."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from farebox.demo import company
from farebox.demo.company import CLIENTS, Client, Model, Program
from farebox.demo.exchanges import MS, Call, Said, Tokens, Work, event_id

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
_RETRIES_MAX = 2
_TRIED_AGAIN = frozenset((429, 500, 529))
_FAILED_SHARE, _CUT_SHARE = 0.012, 0.006
_OUTAGE_SHARE = 0.7
_CONTEXT_MAX = 160_000


class _Kind(NamedTuple):
    share: int
    """Of the conversations that begin in an hour of the day."""
    night_share: int
    name: str


_KINDS = (
    _Kind(30, 20, "chat"),
    _Kind(5, 1, "report"),
    _Kind(40, 30, "mail"),
    _Kind(1, 12, "indexing"),
    _Kind(6, 2, "review"),
    _Kind(2, 0, "coding"),
    _Kind(4, 1, "trial"),
)


class Whose(NamedTuple):
    """Whose calls these are, and who says so."""

    values: dict[str, str]
    sources: dict[str, str]

    def and_(self, **more: str) -> Whose:
        """Return it with more said of it by headers."""
        values = {name.replace("__", "."): value for name, value in more.items()}
        said = {name: f"header:x-farebox-{name.replace('.', '-')}" for name in values}
        return Whose(self.values | values, self.sources | said)


class Conversations:
    """Makes them, one after the other, of one source of chance."""

    def __init__(self, rng: random.Random, until_ns: int) -> None:
        self._rng = rng
        self._until_ns = until_ns
        self._number = 0
        self._by_day = list(itertools.accumulate(each.share for each in _KINDS))
        self._by_night = list(itertools.accumulate(each.night_share for each in _KINDS))
        self._clients = list(itertools.accumulate(each.share for each in CLIENTS))
        self._errors = list(itertools.accumulate(share for _, share, _ in company.ERRORS))

    def begun_at(self, at: int) -> list[Work]:
        """Return a conversation that begins at a moment: its calls, and what came of them."""
        self._number += 1
        if self._is_runaway(at) and self._rng.random() < 0.5:
            return self._indexing(at)
        hour = datetime.fromtimestamp(at // SECOND_NS, UTC).hour
        kind = _KINDS[self._drawn(self._by_night if hour < 6 else self._by_day)]
        match kind.name:
            case "chat":
                return self._chat(at)
            case "report":
                return self._report(at)
            case "mail":
                return self._mail(at)
            case "indexing":
                return self._indexing(at)
            case "review":
                return self._review(at)
            case "coding":
                return self._coding(at)
            case _:
                return self._trial(at)

    # -- what programs do --

    def _chat(self, at: int) -> list[Work]:
        """A customer's user asks for help: the context grows, and its beginning is read from the cache."""
        rng, client = self._rng, self._client()
        whose = self._of_client(company.CHAT, client).and_(
            agent="support", session=f"chat-{self._number:06d}", task=f"ticket-{10_000 + self._number}"
        )
        work: list[Work] = []
        context, cached, last = 3_200, 0, 0
        for _ in range(rng.choice((2, 3, 3, 4, 5, 6, 8, 12))):
            if at - last > 300 * SECOND_NS or self._has_no_cache(at):
                cached = 0
            question, answer = self._about(90), self._about(260)
            written = 0 if self._has_no_cache(at) else context + question - cached
            tokens = Tokens(
                uncached=context + question - cached - written + 8,
                cached=cached,
                written_5m=written,
                output=answer,
            )
            model = company.SONNET if rng.random() < 0.8 else company.HAIKU
            at = last = self._ask(work, at, company.CHAT, model, tokens, whose, max_tokens=2_048)
            cached = 0 if self._has_no_cache(at) else context + question
            context += question + answer
            at += self._about(45) * SECOND_NS
        if rng.random() < 0.62:
            self._say(work, last + SECOND_NS, "ticket.resolved", None, whose)
            rating = min(max(rng.gauss(0.82, 0.12), 0.0), 1.0)
            self._say(work, last + 2 * SECOND_NS, "helpfulness", f"{rating:.2f}", whose, is_score=True)
        return work

    def _report(self, at: int) -> list[Work]:
        """An agent plans, has others search, and one write: a tree of steps."""
        rng, client = self._rng, self._client()
        whose = self._of_client(company.RESEARCH, client).and_(
            session=f"report-{self._number:06d}", task=f"report-{self._number}"
        )
        work: list[Work] = []
        plan = whose.and_(agent="planner", step="plan")
        tokens = Tokens(uncached=self._about(5_200), output=self._about(1_400))
        at = self._ask(work, at, company.RESEARCH, company.OPUS, tokens, plan, max_tokens=8_192)
        ends: list[int] = []
        found = 0
        for number in range(1, rng.randrange(3, 6)):
            search = whose.and_(
                agent="searcher", parent_agent="planner", step=f"search-{number}", parent_step="plan"
            )
            began, context = at + number * 40 * MS, 1_800
            for _ in range(rng.randrange(2, 5)):
                result = self._about(3_400)
                tokens = Tokens(uncached=context, output=self._about(220), searches=1)
                began = self._ask(work, began, company.RESEARCH, company.HAIKU, tokens, search)
                context += result
            found += context
            ends.append(began)
        write = whose.and_(agent="writer", parent_agent="planner", step="write", parent_step="plan")
        tokens = Tokens(uncached=found // 2, written_5m=found // 4, output=self._about(3_200))
        at = self._ask(work, max(ends), company.RESEARCH, company.SONNET, tokens, write, max_tokens=16_384)
        self._say(work, at + SECOND_NS, "report.delivered", "12.00", whose)
        if rng.random() < 0.3:
            rating = min(max(rng.gauss(0.9, 0.06), 0.0), 1.0)
            self._say(work, at + 2 * SECOND_NS, "faithfulness", f"{rating:.2f}", whose, is_score=True)
        return work

    def _mail(self, at: int) -> list[Work]:
        """One mail is sorted: one short call."""
        whose = self._of_client(company.TRIAGE, self._client()).and_(agent="triage")
        work: list[Work] = []
        tokens = Tokens(uncached=self._about(900), output=self._about(24), reasoning=self._about(60))
        self._ask(work, at, company.TRIAGE, company.FLASH, tokens, whose, streamed=False, max_tokens=256)
        return work

    def _indexing(self, at: int) -> list[Work]:
        """Documents are summarised and embedded; a faulty version does not stop."""
        rng, client = self._rng, self._client()
        runaway = self._is_runaway(at)
        task = company.RUNAWAY_TASK if runaway else "nightly-index"
        commit = "b7d91c4e" if runaway else "4c02f8aa"
        whose = self._of_client(company.INGEST, client).and_(
            agent="indexer", session=f"index-{at // DAY_NS}-{client.name}", task=task, tag__version=commit
        )
        work: list[Work] = []
        for _ in range(rng.randrange(60, 120) if runaway else rng.randrange(6, 20)):
            document = self._about(19_000 if runaway else 4_200)
            tokens = Tokens(uncached=document, output=self._about(240), reasoning=self._about(120))
            model = company.GPT if runaway else company.GPT_MINI
            at = self._ask(work, at, company.INGEST, model, tokens, whose, streamed=False)
            tokens = Tokens(uncached=document)
            at = self._ask(work, at, company.INGEST, company.EMBEDDING, tokens, whose, streamed=False)
        return work

    def _review(self, at: int) -> list[Work]:
        """A change is reviewed in CI: a few long prompts, much reasoning."""
        rng = self._rng
        user, branch = rng.choice(company.DEVELOPERS), rng.choice(company.BRANCHES[1:])
        whose = self._of_program(company.REVIEW).and_(
            user=user,
            agent="reviewer",
            session=f"review-{self._number:06d}",
            tag__branch=branch,
            tag__team=company.TEAMS[user],
        )
        new = at >= self._until_ns - company.NEW_MODEL_DAY * DAY_NS
        model = company.GPT_NEXT if new else company.GPT
        work: list[Work] = []
        cached = 0
        change = self._about(14_000)
        for _ in range(rng.randrange(1, 4)):
            tokens = Tokens(
                uncached=change + 1_100 - cached,
                cached=cached,
                output=self._about(700),
                reasoning=self._about(2_600),
            )
            at = self._ask(work, at, company.REVIEW, model, tokens, whose) + 20 * SECOND_NS
            cached = change // 128 * 128
        return work

    def _coding(self, at: int) -> list[Work]:
        """A developer's coding agent: a long session with a large context, and agents of its own."""
        rng = self._rng
        user, branch = rng.choice(company.DEVELOPERS), rng.choice(company.BRANCHES)
        base = self._of_program(company.CODING, git__branch=branch).and_(
            user=user, session=f"{user}-{self._number:06d}", tag__team=company.TEAMS[user]
        )
        main = base.and_(agent="main")
        work: list[Work] = []
        context, cached = 17_500 + self._about(2_000), 0
        for turn in range(rng.randrange(8, 46)):
            grown = self._about(1_900)
            tokens = Tokens(
                uncached=6, cached=cached, written_1h=context + grown - cached, output=self._about(420)
            )
            model = company.OPUS if turn % 5 == 0 else company.SONNET
            at = self._ask(work, at, company.CODING, model, tokens, main, max_tokens=32_000)
            context += grown
            cached = context
            if context > _CONTEXT_MAX:  # it is summarised, and begins anew
                context, cached = 24_000, 0
            if rng.random() < 0.08:
                at = self._explore(work, at, base.and_(agent="explore", parent_agent="main"))
            at += self._about(9) * SECOND_NS
        return work

    def _explore(self, work: list[Work], at: int, whose: Whose) -> int:
        context, cached = 6_800, 0
        for _ in range(self._rng.randrange(3, 9)):
            grown = self._about(2_400)
            tokens = Tokens(
                uncached=4, cached=cached, written_5m=context + grown - cached, output=self._about(160)
            )
            at = self._ask(work, at, company.CODING, company.HAIKU, tokens, whose)
            context += grown
            cached = context
        return at

    def _trial(self, at: int) -> list[Work]:
        """Somebody tries models out, one of the company's own among them."""
        rng = self._rng
        user = rng.choice(company.DEVELOPERS)
        whose = self._of_program(company.PLAYGROUND).and_(
            user=user, session=f"trial-{self._number:06d}", tag__team=company.TEAMS[user], tag__env="dev"
        )
        work: list[Work] = []
        for _ in range(rng.randrange(1, 7)):
            model = rng.choice((company.OWN, company.OWN, company.DEEPSEEK, company.FLASH, company.GPT_NEXT))
            tokens = Tokens(uncached=self._about(700), output=self._about(350))
            at = self._ask(work, at, company.PLAYGROUND, model, tokens, whose) + 15 * SECOND_NS
        return work

    # -- one call --

    def _ask(
        self,
        work: list[Work],
        at: int,
        program: Program,
        model: Model,
        tokens: Tokens,
        whose: Whose,
        *,
        streamed: bool = True,
        max_tokens: int | None = None,
    ) -> int:
        """Add a call, with the attempts that fail before it; return when it is over."""
        rng, first = self._rng, b""
        bound = whose.sources.get("customer", "")
        key = bound.removeprefix("key:") if bound.startswith("key:") else program.key
        for attempt in range(_RETRIES_MAX + 1):
            call = Call(
                event_id(at, rng), at, 0, program, model, tokens, whose.values, whose.sources, key,
                streamed=streamed, max_tokens=max_tokens, attempt=attempt, first_id=first,
            )  # fmt: skip
            work.append(call)
            if rng.random() >= self._failing(at, model):
                self._succeed(call)
                return call.ended_ns
            self._fail(call)
            if call.status not in _TRIED_AGAIN:
                return call.ended_ns
            first = first or call.id
            at = call.ended_ns + (600 << attempt) * MS
        return at

    def _succeed(self, call: Call) -> None:
        rng, model, tokens = self._rng, call.model, call.tokens
        first_byte = int(model.first_byte_ms * rng.lognormvariate(0, 0.35)) + tokens.input // 400
        written = tokens.output + tokens.reasoning
        rest = int(written * 1000 / model.tokens_per_s * rng.lognormvariate(0, 0.2)) if written else 2
        if not call.streamed:
            first_byte, rest = first_byte + rest, 1
        elif rng.random() < _CUT_SHARE and tokens.output > 40:
            call.is_cut = True
            call.tokens = Tokens(
                tokens.uncached, tokens.cached, tokens.written_5m, tokens.written_1h, tokens.output // 3
            )
            rest //= 3
        call.first_byte_ns = first_byte * MS
        call.took_ns = (first_byte + rest) * MS

    def _fail(self, call: Call) -> None:
        rng = self._rng
        if self._is_outage(call.began_ns) and call.model.usage == "anthropic":
            call.status, call.error_code = 529, "overloaded_error"
        else:
            call.status, _, call.error_code = company.ERRORS[self._drawn(self._errors)]
        call.streamed = False
        call.first_byte_ns = call.took_ns = rng.randrange(80, 900) * MS

    # -- whose it is, and when --

    def _of_program(self, program: Program, **git: str) -> Whose:
        values = {
            "app": program.app,
            "project": program.repository,
            "process.pid": str(2_000 + self._number % 60_000),
            "process.command": program.command,
            "git.repository": program.repository,
            "key_label": program.key_label,
        } | {name.replace("__", "."): value for name, value in git.items()}
        sources = dict.fromkeys(values, "process") | {
            "app": "process:command",
            "project": "git:repository",
            "key_label": f"key:{program.key}",
        }
        return Whose(values, sources).and_(tag__feature=program.feature, tag__env="prod")

    def _of_client(self, program: Program, client: Client) -> Whose:
        number = min(int(self._rng.paretovariate(1.1)) - 1, client.users - 1)
        first = company.FIRST_NAMES[number % len(company.FIRST_NAMES)]
        user = f"{first}{number // len(company.FIRST_NAMES) or ''}@{client.name}.example"
        whose = self._of_program(program).and_(customer=client.name, user=user)
        if client.name == company.BOUND_CLIENT:  # it has a key of its own, which proves whose calls they are
            whose.values["key_label"] = client.name
            whose.sources.update(dict.fromkeys(("customer", "key_label"), f"key:{company.BOUND_KEY}"))
        return whose

    def _client(self) -> Client:
        return CLIENTS[self._drawn(self._clients)]

    def _failing(self, at: int, model: Model) -> float:
        is_out = model.usage == "anthropic" and self._is_outage(at)
        return _OUTAGE_SHARE if is_out else _FAILED_SHARE

    def _is_outage(self, at: int) -> bool:
        day = (self._until_ns - company.OUTAGE_DAY * DAY_NS) // DAY_NS * DAY_NS
        return day + company.OUTAGE_HOUR * HOUR_NS <= at < day + (company.OUTAGE_HOUR + 1) * HOUR_NS

    def _is_runaway(self, at: int) -> bool:
        begin = self._until_ns - company.RUNAWAY_DAY * DAY_NS
        return begin <= at < begin + company.RUNAWAY_HOURS * HOUR_NS

    def _has_no_cache(self, at: int) -> bool:
        begin = self._until_ns - company.CACHE_DAY * DAY_NS
        return begin <= at < begin + company.CACHE_HOURS * HOUR_NS

    # -- chance --

    def _about(self, number: int) -> int:
        """Return a number that is mostly near this one, at times far above it."""
        return max(int(number * self._rng.lognormvariate(-0.1, 0.45)), 1)

    def _drawn(self, sums: Sequence[int]) -> int:
        return bisect.bisect_right(sums, self._rng.random() * sums[-1])

    def _say(
        self,
        work: list[Work],
        at: int,
        name: str,
        value: str | None,
        whose: Whose,
        *,
        is_score: bool = False,
    ) -> None:
        of: Mapping[str, str] = {
            key: whose.values[key] for key in ("customer", "user", "session", "task") if key in whose.values
        }
        work.append(Said(event_id(at, self._rng), at, name, value, of, is_score))
