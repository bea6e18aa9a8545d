"""The outbox's delivery worker as the server runs it: with the home's secrets, and never to our own ports."""

from __future__ import annotations

import contextlib

import msgspec

from farebox.control.outbox.delivery import Complete, DeliveryWorker
from farebox.control.outbox.signing_secrets import secret_text
from farebox.home import Home


class _Announced(msgspec.Struct):
    port: int | None = None


def delivery_worker(home: Home, complete: Complete | None = None) -> DeliveryWorker:
    """Return the worker of one home, to be started and closed."""
    return DeliveryWorker(
        home,
        lambda reference: secret_text(home, reference),
        own_ports=lambda: own_ports(home),
        complete=complete,
    )


def own_ports(home: Home) -> frozenset[int]:
    """Return the ports that this Farebox listens on: a webhook sent to one could only go round in circles."""
    found: set[int] = set()
    for name in ("proxy", "server"):
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            port = msgspec.json.decode((home.run / f"{name}.json").read_bytes(), type=_Announced).port
            if port:
                found.add(port)
    return frozenset(found)
