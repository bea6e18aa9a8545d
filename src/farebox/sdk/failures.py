"""What the record says of an exception that a transport raised instead of a response."""

from __future__ import annotations

from farebox.journal.records import Outcome

Failure = tuple[Outcome, str | None, bool]
"""How it ended, its class, and whether the provider may have received anything."""

_NOT_REACHED = (
    (("PoolTimeout", "EmptyPoolError", "FullPoolError"), "connect_timeout"),
    (("ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError"), "connect_timeout"),
    (("NameResolutionError", "gaierror", "ClientConnectorDNSError"), "dns_failed"),
    (("SSLError", "ClientConnectorCertificateError", "ClientConnectorSSLError"), "tls_failed"),
    (
        ("ConnectError", "NewConnectionError", "ClientConnectorError", "ConnectionRefusedError", "ProxyError",
         "ClientProxyConnectionError", "UnsupportedProtocol", "LocalProtocolError", "InvalidURL"),
        "connect_failed",
    ),
)  # fmt: skip
_TIMED_OUT = (
    "ReadTimeout", "WriteTimeout", "ReadTimeoutError", "SocketTimeoutError", "ServerTimeoutError",
    "TimeoutError", "TimeoutException", "timeout",
)  # fmt: skip
_GAVE_UP = ("CancelledError", "GeneratorExit", "KeyboardInterrupt", "SystemExit", "Cancelled")


def failure_of(error: BaseException) -> Failure:
    """Return what a transport's exception says, by the names of its classes: the stacks share no base."""
    names = _names(error)
    if names.intersection(_GAVE_UP):
        return "client_disconnected", "client_disconnected", True
    if any(names.intersection(wanted) for wanted, _ in _NOT_REACHED):
        return "upstream_failed", _class_of(error), False
    if names.intersection(_TIMED_OUT):
        return "timed_out", "first_byte_timeout", True
    return "upstream_failed", "upstream_reset", True


def _class_of(error: BaseException) -> str:
    """Return why a provider was not reached: the innermost cause says it most exactly."""
    found, cause = "connect_failed", error
    for _ in range(6):
        names = _names(cause)
        found = next((name for wanted, name in _NOT_REACHED if names.intersection(wanted)), found)
        if cause.__cause__ is None:
            break
        cause = cause.__cause__
    return found


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
