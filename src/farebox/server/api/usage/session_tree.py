"""One session as a tree of agents and steps, and as turns: how the context grew, what was repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from farebox.analytics.query import Measures
from farebox.analytics.questions import Selection as Calls
from farebox.clock import iso
from farebox.ledger.call_row import CallRow
from farebox.server.api.calls.call_views import CallBrief, brief
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.errors import ApiError
from farebox.server.api.queries import Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending import spend_views as views
from farebox.server.api.usage.sessions import added, measures_of
from farebox.wire.facts import CACHE_READ_LEAVES, INPUT_LEAVES

TURNS_MAX = 1_000
"""How many calls are shown one by one; the figures of agents and steps cover all of them."""
AGAIN_MIN = 10_000
"""Fewer tokens sent again are not worth a sentence."""
AGAIN_SHOWN = 5
_PAID_AGAIN = frozenset(INPUT_LEAVES) - frozenset(CACHE_READ_LEAVES)


class SessionNode(msgspec.Struct, kw_only=True):
    """An agent, or a step of one. Its sums include everything beneath it."""

    id: int
    parent: int | None
    kind: str
    """`agent` or `step`."""
    name: str | None
    """None: the calls that name no agent."""
    own_calls: int
    """Calls of its own, those beneath it not included."""
    sums: views.Sums


class Turn(msgspec.Struct, kw_only=True):
    """One call of the session."""

    number: int
    """Which call of its agent it is, from 1."""
    node: int
    """The step or agent that made it."""
    agent: str | None
    call: CallBrief
    input_growth: int | None
    """By how many tokens its input is larger than that of the agent's call before; None for its first."""
    cache_read_permille: int | None
    sent_again_tokens: int
    """Input that the agent's call before had sent as well and that no cache had: at most so many tokens."""
    sent_again_pico: views.Text | None
    """What these tokens cost by this call's prices; None where there is no price."""


class SessionDetail(msgspec.Struct, kw_only=True):
    """`GET /api/v1/sessions/of`: one session, all of it, whatever the span."""

    session: str
    sums: views.Sums
    first_at: str
    last_at: str
    duration_us: int
    stopped: bool
    """Its calls are refused."""
    nodes: list[SessionNode]
    """Parents before their children."""
    turns: list[Turn]
    """Oldest first."""
    truncated: bool
    """The session has more calls than `turns`."""
    sent_again: list[int]
    """The turns that sent the most again, by their place in `turns`."""
    coverage: Coverage


def session_detail(sources: Sources, session: str, cover: reports.Cover, *, stopped: bool) -> SessionDetail:
    """Return one session.

    Raises:
        ApiError: No call has it.
    """
    chosen = Calls(where={"session": [session]})
    width = len(Measures.__struct_fields__)
    total, groups = sources.questions.answers(
        chosen.question(measures=[*Measures.__struct_fields__, "first_at_ns", "last_end_ns"], order="calls"),
        chosen.question(by=["agent", "parent_agent", "step"]),
    )
    figures = measures_of(total.rows[0].values[:width])
    if figures.calls == 0:
        raise ApiError(404, "session_not_found", f"No call has the session {session[:200]!r}.")
    seqs = sources.questions.calls(chosen, TURNS_MAX + 1, after_seq=0)
    rows = sorted(sources.reader.by_seq(seqs[:TURNS_MAX]), key=lambda row: (row.occurred_at, row.seq))
    first, last = (value or 0 for value in total.rows[0].values[width:])
    covered = cover(sources.reader, None, None)
    tree = _Tree(rows)
    for row in groups.rows:
        agent, parent, step = row.keys
        tree.add(agent, parent, step, measures_of(row.values))
    nodes = tree.nodes(covered)
    turns = _turns(rows, tree)
    again = sorted(
        (place for place, turn in enumerate(turns) if turn.sent_again_tokens >= AGAIN_MIN),
        key=lambda place: -turns[place].sent_again_tokens,
    )
    return SessionDetail(
        session=session,
        sums=views.sums(figures, covered),
        first_at=iso(first),
        last_at=iso(last),
        duration_us=(last - first) // 1000,
        stopped=stopped,
        nodes=nodes,
        turns=turns,
        truncated=len(seqs) > TURNS_MAX,
        sent_again=again[:AGAIN_SHOWN],
        coverage=covered,
    )


class _Node:
    def __init__(self, kind: str, name: str | None, parent: _Node | None) -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.own = Measures()
        self.children: list[_Node] = []
        self.id = -1

    def sums(self) -> Measures:
        return added([self.own, *(child.sums() for child in self.children)])


class _Tree:
    """Agents beneath the agents that started them, steps beneath their agent and the step around them."""

    def __init__(self, rows: Iterable[CallRow]) -> None:
        self._agents: dict[str | None, _Node] = {}
        self._steps: dict[tuple[str | None, str], _Node] = {}
        self._around: dict[tuple[str | None, str], str] = {}
        for row in rows:
            said = row.attribution
            if "step" in said and "parent_step" in said:
                self._around.setdefault((said.get("agent"), said["step"]), said["parent_step"])

    def add(self, agent: str | None, parent: str | None, step: str | None, figures: Measures) -> None:
        """Add the calls of one agent and step."""
        node = self._agent(agent, parent)
        if step is not None:
            node = self._step(agent, step, node)
        node.own = added([node.own, figures])

    def _agent(self, name: str | None, parent: str | None) -> _Node:
        node = self._agents.get(name)
        if node is None:
            node = self._agents[name] = _Node("agent", name, None)
        if node.parent is None and parent is not None and parent != name:
            above = self._agents.get(parent) or self._agent(parent, None)
            if not _is_beneath(above, node):
                node.parent = above
        return node

    def _step(self, agent: str | None, name: str, of: _Node) -> _Node:
        known = self._steps.get((agent, name))
        if known is None:
            known = self._steps[agent, name] = _Node("step", name, of)
            around = self._around.get((agent, name))
            if around is not None and around != name:
                above = self._step(agent, around, of)
                if not _is_beneath(above, known):
                    known.parent = above
        return known

    def nodes(self, covered: Coverage) -> list[SessionNode]:
        """Return every node, parents first, the most expensive first among those of one parent."""
        everything = [*self._agents.values(), *self._steps.values()]
        for node in everything:
            if node.parent is not None:
                node.parent.children.append(node)
        found: list[SessionNode] = []

        def walk(node: _Node) -> None:
            node.id = len(found)
            sums = node.sums()
            found.append(
                SessionNode(
                    id=node.id,
                    parent=None if node.parent is None else node.parent.id,
                    kind=node.kind,
                    name=node.name,
                    own_calls=node.own.calls,
                    sums=views.sums(sums, covered),
                )
            )
            for child in sorted(node.children, key=_most_expensive):
                walk(child)

        for node in sorted((each for each in everything if each.parent is None), key=_most_expensive):
            walk(node)
        return found

    def id_of(self, row: CallRow) -> int:
        """Return the node that made a call."""
        agent, step = row.attribution.get("agent"), row.attribution.get("step")
        node = self._agents.get(agent) if step is None else self._steps.get((agent, step))
        return -1 if node is None else node.id


def _most_expensive(node: _Node) -> tuple[int, int, str]:
    sums = node.sums()
    return -sums.cost_pico, -sums.calls, node.name or ""


def _is_beneath(node: _Node | None, above: _Node) -> bool:
    while node is not None:
        if node is above:
            return True
        node = node.parent
    return False


def _turns(rows: Sequence[CallRow], tree: _Tree) -> list[Turn]:
    before: dict[str | None, CallRow] = {}
    count: dict[str | None, int] = {}
    turns: list[Turn] = []
    for row in rows:
        agent = row.attribution.get("agent")
        last = before.get(agent)
        count[agent] = count.get(agent, 0) + 1
        again = 0 if last is None else _sent_again(last, row)
        turns.append(
            Turn(
                number=count[agent],
                node=tree.id_of(row),
                agent=agent,
                call=brief(row),
                input_growth=None if last is None else row.input_tokens - last.input_tokens,
                cache_read_permille=(
                    row.cache_read_input_tokens * 1000 // row.input_tokens if row.input_tokens else None
                ),
                sent_again_tokens=again,
                sent_again_pico=_cost_of(row, again),
            )
        )
        if row.input_tokens:  # one that failed says nothing of the context
            before[agent] = row
    return turns


def _sent_again(last: CallRow, row: CallRow) -> int:
    """Return how much of a call's uncached input the one before can have sent: contexts grow at the end."""
    return max(min(last.input_tokens, row.input_tokens) - row.cache_read_input_tokens, 0)


def _cost_of(row: CallRow, tokens: int) -> views.Text | None:
    """Return what so many of a call's uncached input tokens cost, by the average of them."""
    lines = [line for part in row.parts for line in part.lines if line.unit in _PAID_AGAIN]
    paid = sum(int(line.quantity) for line in lines)
    if not tokens or not paid or any(line.amount_pico is None for line in lines):
        return None
    return str(sum(line.amount_pico or 0 for line in lines) * tokens // paid)
