"""Bring a refusal to the program as what it is, through clients that take any error for a failed connection.

Clients made by one common generator (`openai`, `anthropic` and many others: packages with a module
`_base_client`) catch every `Exception` of their transport, wait, and try again. A refusal passes them as
something they do not catch, and becomes a `BudgetExceededError` where their own method returns.
"""

from __future__ import annotations

from contextvars import ContextVar

from farebox.errors import BudgetExceededError

is_expected: ContextVar[bool] = ContextVar("farebox_refusal_expected", default=False)
"""Whether a method of such a client is at work, which unpacks what passes."""


class PassingRefusal(BaseException):
    """A refusal on its way through a client."""

    def __init__(self, error: BudgetExceededError) -> None:
        super().__init__(str(error))
        self.error = error


def raised(error: BudgetExceededError) -> BaseException:
    """Return what to raise in a transport, so that the program gets `error`."""
    return PassingRefusal(error) if is_expected.get() else error
