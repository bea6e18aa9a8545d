"""Whose call it is, from everything that can say so, and which source won."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.proxy.client import ClientConnection
    from farebox.proxy.prepared import Prepared
    from farebox.proxy.service import Proxy
    from farebox.wire.request import RequestFacts

Attribution = tuple[dict[str, str], dict[str, str]]
"""Whose call it is, and for each key which source said so."""


def whose_call(proxy: Proxy, client: ClientConnection, prepared: Prepared, said: RequestFacts) -> Attribution:
    """Return the attribution of a call whose request said `said`."""
    attribution, sources = said.attribution, said.attribution_from
    labels = proxy.labels
    if labels:
        missing = {name: value for name, value in labels.items() if name not in attribution}
        attribution = {**attribution, **missing}
        sources = {**sources, **{name: f"env:FAREBOX_{name.upper()}" for name in missing}}
    return attribution, sources
