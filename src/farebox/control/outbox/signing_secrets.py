"""Where the secrets of a receiver are: an environment variable, a file, or the home's `farebox.yaml`.

A secret that a command made is a 0600 file in the home's `webhooks/`. While it is changed the file holds the
new one and the old one, and both sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.channels.webhook import new_secret
from farebox.config import load_config
from farebox.config.configuration import ChannelConfig, ExportConfig, WebhookConfig
from farebox.config.secret_reference import SecretReference
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.errors import ControlError
from farebox.home import check_private, replace_private

if TYPE_CHECKING:
    from farebox.home import Home

IN_CONFIGURATION, MADE = "config", "made"
_TOKEN = "/token"  # noqa: S105 - how the second secret of a channel is referred to


def configured_settings(said: WebhookConfig | ChannelConfig | ExportConfig) -> ReceiverSettings:
    """Return a receiver of the home's file as it is stored: where its secrets are, and never the secrets."""
    secret = _reference(said.secret, said.name)
    if isinstance(said, ExportConfig):
        return ReceiverSettings(url=said.url, address=said.address, kinds=(), secret=secret, usage=said.usage)
    if isinstance(said, WebhookConfig):
        return ReceiverSettings(url=said.url, address=said.address, kinds=said.kinds, secret=secret)
    return ReceiverSettings(
        url=said.url,
        address=said.address,
        kinds=said.kinds,
        secret=secret,
        form=said.form,
        token=_reference(said.token, said.name + _TOKEN),
        mail=said.mail,
    )


def _reference(said: SecretReference | None, name: str) -> dict[str, str]:
    if said is None:
        return {}
    return {IN_CONFIGURATION: name} if said.kind == "text" else {said.kind: said.place}


def secret_text(home: Home, reference: Mapping[str, str]) -> str:
    """Return the secret as it is now, to be used at once and kept nowhere.

    Raises:
        FareboxError: There is none; the text names the place.
    """
    for kind, place in reference.items():
        if kind == IN_CONFIGURATION:
            if (text := _configured_text(home, place)) is not None:
                return text
        elif kind == "env":
            return SecretReference("env", place, (str(home.control), 0, "secret")).secret().reveal()
        elif kind == "file" or kind == MADE:
            file = str(_made_file(home, place)) if kind == MADE else place
            return SecretReference("file", file, (str(home.control), 0, "secret")).secret().reveal()
    raise ControlError("no signing secret is known for it")


def _configured_text(home: Home, place: str) -> str | None:
    config = load_config(home, home.config, prices=False)
    for each in (*config.webhooks, *config.channels, *config.exports):
        if each.name == place and each.secret is not None:
            return each.secret.secret().reveal()
    for each in config.channels:
        if each.name + _TOKEN == place and each.token is not None:
            return each.token.secret().reveal()
    return None


def words(reference: Mapping[str, str]) -> str:
    """Return where a secret is, for people."""
    for kind, place in reference.items():
        if kind == MADE:
            return f"in webhooks/{place}.secret"
        return "in farebox.yaml" if kind == IN_CONFIGURATION else f"from {kind} {place}"
    return "none"


def _made_file(home: Home, name: str) -> Path:
    """Return the file of a secret that was made here: a restored home has it in another place."""
    return home.path / "webhooks" / f"{name}.secret"


def is_made(home: Home, name: str) -> bool:
    """Return whether a secret was made for a receiver."""
    return _made_file(home, name).is_file()


def make_secret(home: Home, name: str, *, keeping: bool = False) -> tuple[Path, str]:
    """Make a receiver's secret and return its file and what to show once; `keeping` the one before it."""
    path = _made_file(home, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    check_private(path.parent)
    made = new_secret()
    before = path.read_text().split()[:1] if keeping and path.exists() else []
    replace_private(path, " ".join([made, *before]).encode() + b"\n", durable=True)
    return path, made


def forget_old_secret(home: Home, name: str) -> bool:
    """Sign with the newest secret only; False where there is no other."""
    path = _made_file(home, name)
    known = path.read_text().split() if path.exists() else []
    if len(known) > 1:
        replace_private(path, known[0].encode() + b"\n", durable=True)
    return len(known) > 1


def remove_secret(home: Home, name: str) -> None:
    """Remove what `make_secret` made."""
    _made_file(home, name).unlink(missing_ok=True)
