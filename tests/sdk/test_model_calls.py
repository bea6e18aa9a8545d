"""Announced model calls: which of them a transport has seen, and how long requests are theirs."""

from __future__ import annotations

import contextvars
import threading

from farebox.sdk import model_calls
from farebox.sdk.steps import Step

NOBODY = Step(({}, {}))


def test_a_request_marks_the_call_that_was_announced_here() -> None:
    def run() -> None:
        call = model_calls.announce(NOBODY)
        assert not call.is_seen
        assert model_calls.sent() is call and call.is_seen

    contextvars.copy_context().run(run)
    assert model_calls.sent() is None


def test_a_thread_with_a_copied_context_sends_requests_of_the_call() -> None:
    def run() -> None:
        call = model_calls.announce(NOBODY)
        thread = threading.Thread(target=contextvars.copy_context().run, args=(model_calls.sent,))
        thread.start()
        thread.join()
        assert call.is_seen

    contextvars.copy_context().run(run)


def test_after_a_response_requests_are_not_the_calls_any_more() -> None:
    def run() -> None:
        call = model_calls.announce(NOBODY)
        assert model_calls.sent() is call  # the first attempt failed
        assert model_calls.sent() is call
        model_calls.responded(call)
        assert model_calls.sent() is None

    contextvars.copy_context().run(run)


def test_of_announcements_inside_each_other_only_the_inner_one_is_to_be_recorded() -> None:
    def run() -> None:
        outer = model_calls.announce(NOBODY)
        inner = model_calls.announce(NOBODY)
        assert (outer.is_seen, inner.is_seen) == (True, False)
        inner.end()
        assert model_calls.sent() is outer

    contextvars.copy_context().run(run)


def test_calls_of_a_batch_are_beside_each_other_and_not_inside() -> None:
    def run() -> None:
        batch = object()
        first = model_calls.announce(NOBODY, batch)
        assert model_calls.announce(NOBODY, batch) is first and not first.is_seen
        assert model_calls.announce(NOBODY, object()).outer is first

    contextvars.copy_context().run(run)


def test_a_call_that_ended_is_not_around_the_next_one() -> None:
    def run() -> None:
        first = model_calls.announce(NOBODY)
        first.end()
        second = model_calls.announce(NOBODY)
        assert second.outer is None and not first.is_seen

    contextvars.copy_context().run(run)
