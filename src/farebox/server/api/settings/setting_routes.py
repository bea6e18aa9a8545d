"""The routes of settings: names of keys, tokens, the configuration in force."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from starlette.requests import Request

from farebox.access.roles import Scope
from farebox.analytics.questions import Selection as Calls
from farebox.clock import iso
from farebox.config import KeyConfig, key_labels
from farebox.config.layers import read_layers
from farebox.config.sections import FINGERPRINT
from farebox.config.settings import duration
from farebox.config.values_in_force import values_in_force
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.queries import Sources
from farebox.server.api.settings.setting_texts import check_text
from farebox.server.api.settings.setting_views import (
    Configuration,
    Keys,
    KeyState,
    SettingInForce,
    TokenCreated,
    Tokens,
    token_state,
)
from farebox.snapshot import read_snapshot

KEYS = "/api/v1/keys"
TOKENS = "/api/v1/tokens"
SEEN_DAYS = 30
TEXT_MAX = 256
LABEL_MAX = 64
EXPIRES_MAX_S = 3650 * 86_400
_LISTED = "GET /api/v1/tokens"


class KeyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /api/v1/keys/{fingerprint}`: what is not named is taken away."""

    label: str
    customer: str | None = None
    user: str | None = None
    project: str | None = None


class TokenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/tokens`."""

    name: str
    scope: str
    expires: str | None = None
    """After how long it ends: `12h`, `90d`."""
    customer: str | None = None
    user: str | None = None
    project: str | None = None


class SettingRoutes(MethodRoutes):
    """What is read by who reads figures; tokens and the configuration by owners alone."""

    @route("GET", KEYS, rows=Rows("keys", ("fingerprint",)))
    async def list_keys(self, request: Request) -> Keys:
        """API keys that were used in the last 30 days or have a name, by fingerprint."""
        return await self._keys()

    @route("PUT", f"{KEYS}/{{fingerprint}}", body=KeyRequest)
    async def label(self, request: Request) -> Keys:
        """Name a key, and say whose calls it makes."""
        from farebox.control.key_changes import label_key

        fingerprint = _fingerprint(request)
        said = await read_struct(request, KeyRequest)
        for name in KeyRequest.__struct_fields__:
            check_text(name, getattr(said, name), LABEL_MAX if name == "label" else TEXT_MAX)
        key = KeyConfig(label=said.label, customer=said.customer, user=said.user, project=said.project)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: label_key(self._home, fingerprint, key, actor, now, self._control()))
        return await self._keys()

    @route("DELETE", f"{KEYS}/{{fingerprint}}", refusals=("key_not_found",))
    async def forget(self, request: Request) -> Keys:
        """Take a key's name away."""
        from farebox.control.key_changes import forget_key

        fingerprint, actor, now = _fingerprint(request), self._actor(request), self._clock()
        gone = await asyncio.to_thread(
            lambda: forget_key(self._home, fingerprint, actor, now, self._control())
        )
        if gone is None:
            raise ApiError(404, "key_not_found", "This key has no name that a command or the API gave it.")
        return await self._keys()

    @route("GET", TOKENS, rows=Rows("tokens", ("id",)))
    async def list_tokens(self, request: Request) -> Tokens:
        """Tokens of Farebox, the newest first. A secret is shown once, when it is made."""
        from farebox.control.token_changes import known_tokens

        now = self._clock()
        found = await asyncio.to_thread(lambda: known_tokens(self._home, self._control()))
        return Tokens(tokens=[token_state(each, now) for each in reversed(found)])

    @route("POST", TOKENS, body=TokenRequest)
    async def create(self, request: Request) -> TokenCreated:
        """Make a token. Its secret is in this response and nowhere else."""
        from farebox.control.token_changes import BOUND, SCOPES, create_token

        said = await read_struct(request, TokenRequest)
        if said.scope not in SCOPES:
            raise invalid_parameter("scope", said.scope, list(SCOPES))
        scope: Scope = said.scope
        binding = {name: value for name in BOUND if (value := getattr(said, name))}
        for name, value in {"name": said.name, **binding}.items():
            check_text(name, value, TEXT_MAX)
        now, actor = self._clock(), self._actor(request)
        expires_at = None if said.expires is None else now + _seconds(said.expires) * 10**9
        made, secret = await asyncio.to_thread(
            lambda: create_token(
                self._home,
                said.name,
                scope,
                actor,
                now,
                expires_at=expires_at,
                binding=binding,
                database=self._control(),
            )
        )
        return TokenCreated(token=token_state(made, now), secret=secret)

    @route("DELETE", f"{TOKENS}/{{id}}", refusals=("token_not_found",))
    async def revoke(self, request: Request) -> Tokens:
        """Revoke a token."""
        from farebox.control.token_changes import known_tokens, revoke_token

        words, actor, now = request.url.path.rpartition("/")[2], self._actor(request), self._clock()
        known = await asyncio.to_thread(lambda: known_tokens(self._home, self._control()))
        if not any(each.id == words for each in known):
            raise ApiError(404, "token_not_found", "There is no token with this id.")
        await asyncio.to_thread(lambda: revoke_token(self._home, words, actor, now, _LISTED, self._control()))
        found = await asyncio.to_thread(lambda: known_tokens(self._home, self._control()))
        return Tokens(tokens=[token_state(each, now) for each in reversed(found)])

    @route("GET", "/api/v1/configuration")
    async def configuration(self, request: Request) -> Configuration:
        """Which settings are in force, and which file says each."""
        config = self._services.config
        named = Path(config.named) if config is not None and config.named else None
        flags = config.flags if config is not None else {}
        layers = await asyncio.to_thread(lambda: read_layers(self._home, named, flags=flags))
        return Configuration(
            files=[str(path) for path in layers.files],
            values=[SettingInForce(**msgspec.structs.asdict(each)) for each in values_in_force(layers)],
            findings=[str(each) for each in layers.findings],
        )

    async def _keys(self) -> Keys:
        since = self._clock() - SEEN_DAYS * 86_400 * 10**9
        config = self._services.config
        snapshot = read_snapshot(self._home)
        named = snapshot.keys(config.keys if config is not None else {})
        fixed = {*snapshot.configured, *(config.keys if config is not None else ())}

        def seen(sources: Sources) -> Keys:
            asked = Calls(since_ns=since, unless=[{"key": [""]}]).question(
                by=["key"], measures=["calls", "cost_pico", "last_end_ns"]
            )
            (found,) = sources.questions.answers(asked)
            used = {row.keys[0] or "": row.values for row in found.rows}
            states: list[KeyState] = []
            for fingerprint in dict.fromkeys([*used, *named]):
                key, (calls, cost, last) = named.get(fingerprint), used.get(fingerprint, [0, 0, None])
                states.append(
                    KeyState(
                        fingerprint=fingerprint,
                        label=key_labels({fingerprint: key}).get(fingerprint) if key else None,
                        customer=key.customer if key else None,
                        user=key.user if key else None,
                        agent=key.agent if key else None,
                        project=key.project if key else None,
                        origin=None if key is None else "file" if fingerprint in fixed else "command",
                        calls=calls or 0,
                        cost_pico=str(cost or 0),
                        last_at=None if last is None else iso(last),
                    )
                )
            return Keys(keys=states)

        return await self._ledger.ask(seen)


def _fingerprint(request: Request) -> str:
    fingerprint = request.url.path.rpartition("/")[2]
    if not FINGERPRINT.fullmatch(fingerprint):  # not repeated: it may be the key itself
        raise invalid_parameter("fingerprint", "", ["16 hex digits, as GET /api/v1/keys lists them"])
    return fingerprint


def _seconds(text: str) -> int:
    try:
        return duration(60, EXPIRES_MAX_S)(text, Path())
    except ValueError as error:
        raise invalid_parameter("expires", text, [str(error)]) from None
