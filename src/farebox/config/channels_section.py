"""The section `channels:` of the home's `farebox.yaml`: where alerts are told, each by a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from farebox.channels.settings import (
    PAGERDUTY_URL,
    RECIPIENTS_MAX,
    SECRET_URL,
    Form,
    MailSettings,
    server_address,
)
from farebox.config.billing_section import is_mailbox
from farebox.config.configuration import ChannelConfig, Config
from farebox.config.receiver_entries import form_of, read_entries, secret_of
from farebox.config.webhooks_section import RECEIVERS_MAX, read_kinds
from farebox.errors import Finding

if TYPE_CHECKING:
    from farebox.config.secret_reference import SecretReference
    from farebox.yamltext import Node

CHANNELS_EXAMPLE = (
    "channels:\n  ops: {slack: {env: SLACK_WEBHOOK_URL}}\n  oncall: {pagerduty: {env: PAGERDUTY_KEY}}\n"
)
KEYS: dict[Form, list[str]] = {
    "webhook": ["secret", "address", "kinds"],
    "slack": ["kinds"],
    "discord": ["kinds"],
    "teams": ["kinds"],
    "email": ["server", "from", "user", "password", "tls", "address", "kinds"],
    "pagerduty": ["url", "address", "kinds"],
    "ntfy": ["token", "address", "kinds"],
    "desktop": ["kinds"],
}
"""What may stand beside the form's own key."""

_TLS = ["starttls", "tls", "none"]


def read_channels(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section; it stands in the home's file only, see `Section.home_only`."""
    found = read_entries(
        node,
        read_channel,
        findings,
        example="{ops: {slack: {env: SLACK_WEBHOOK_URL}}}",
        taken={each.name for each in (*config.webhooks, *config.exports)},
        elsewhere="`webhooks:` or `exports:`",
    )
    if found is None:
        return
    if len(found) > RECEIVERS_MAX:
        findings.append(node.finding(f"at most {RECEIVERS_MAX} channels", f"{len(found)}"))
    config.channels = tuple(found)


def read_channel(name: str, entry: Node, findings: list[Finding]) -> ChannelConfig | None:
    """Read one channel, of the file or of a command; None, with findings, for what is none."""
    before = len(findings)
    form = form_of(entry, KEYS, findings)
    if form is None:
        return None
    said: dict[str, Any] = {}
    if (kinds := entry.get("kinds")) is not None:
        said["kinds"] = tuple(read_kinds(kinds, findings))
    if (address := entry.get("address")) is not None:
        said["address"] = _text(address, findings)
    said |= _read_form(form, entry, findings)
    return ChannelConfig(name=name, form=form, **said) if len(findings) == before else None


def _read_form(form: Form, entry: Node, findings: list[Finding]) -> dict[str, Any]:
    main = cast("Node", entry.get(form))
    if form == "webhook":
        secret = entry.get("secret")
        if secret is None:
            findings.append(entry.finding("a secret to sign with, beside the URL", "none"))
        return {
            "url": _url(main, entry.get("address"), findings),
            "secret": None if secret is None else _signing_secret(secret, findings),
        }
    if form in SECRET_URL:
        token = entry.get("token")
        return {
            "secret": _secret_url(form, main, entry.get("address"), findings),
            "token": None if token is None else secret_of(token, findings),
        }
    if form == "pagerduty":
        url = entry.get("url")
        return {
            "secret": secret_of(main, findings),
            "url": PAGERDUTY_URL if url is None else _url(url, entry.get("address"), findings),
        }
    if form == "email":
        return _read_mail(main, entry, findings)
    if main.kind != "text" or main.value != "true":
        findings.append(main.finding("true"))
    return {}


def _read_mail(main: Node, entry: Node, findings: list[Finding]) -> dict[str, Any]:
    to = _mailboxes(main, findings)
    texts = {
        key: _text(node, findings) for key in ("server", "from", "user", "tls") if (node := entry.get(key))
    }
    for key, example in (("server", "smtp.example.com:587"), ("from", "farebox@example.com")):
        if entry.get(key) is None:
            findings.append(entry.finding(f"`{key}: {example}` beside the recipients", "none"))
    tls = texts.get("tls", "starttls")
    sender = texts.get("from", "")
    if sender and not is_mailbox(sender):
        findings.append(cast("Node", entry.get("from")).finding("an e-mail address"))
    if tls not in _TLS:
        findings.append(cast("Node", entry.get("tls")).finding(", ".join(_TLS)))
    if texts.get("server"):
        _check_server(cast("Node", entry.get("server")), tls, entry.get("address"), findings)
    password, user = entry.get("password"), entry.get("user")
    if (password is None) != (user is None):
        findings.append(entry.finding("`user` and `password`, or neither", "one of them"))
    if password is not None and tls == "none":
        findings.append(
            password.finding("`tls: starttls` or `tls: tls`", "a password that would be sent in clear")
        )
    return {
        "secret": None if password is None else secret_of(password, findings),
        "mail": MailSettings(
            server=texts.get("server", ""),
            tls=cast("Any", tls),
            sender=sender,
            to=to,
            user=texts.get("user", ""),
        ),
    }


def _check_server(node: Node, tls: str, address: Node | None, findings: list[Finding]) -> None:
    from farebox.outbound.destination import mail_destination

    found = server_address(str(node.value))
    if found is None:
        findings.append(node.finding("a host and a port, as in `smtp.example.com:587`"))
        return
    try:
        mail_destination(*found, _address_text(address), clear=tls == "none")
    except ValueError as error:
        findings.append(node.finding(str(error), "a server that nothing is sent to"))


def _mailboxes(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    items = node.value if node.kind == "list" else [node]
    found: list[str] = []
    for item in items:
        if item.kind == "text" and is_mailbox(str(item.value)):
            found.append(str(item.value))
        else:
            findings.append(item.finding("an e-mail address, or a list of them"))
    if node.kind == "list" and not 1 <= len(items) <= RECIPIENTS_MAX:
        findings.append(node.finding(f"1 to {RECIPIENTS_MAX} e-mail addresses", f"{len(items)}"))
    return tuple(dict.fromkeys(found))


def _url(node: Node, address: Node | None, findings: list[Finding]) -> str:
    from farebox.outbound.destination import destination

    url = _text(node, findings)
    try:
        if url:
            destination(url, _address_text(address))
    except ValueError as error:
        findings.append(node.finding(str(error), "a URL that nothing is sent to"))
    return url


def _secret_url(
    form: Form, node: Node, address: Node | None, findings: list[Finding]
) -> SecretReference | None:
    """Read a URL that is a secret: nothing that is said of it repeats it."""
    from farebox.channels.secret_url import problem

    reference = secret_of(node, findings)
    if reference is not None and node.kind == "text":
        wrong = problem(form, str(node.value), _address_text(address))
        if wrong is not None:
            findings.append(node.finding(wrong, "a URL that nothing is sent to"))
    return reference


def _signing_secret(node: Node, findings: list[Finding]) -> SecretReference | None:
    from farebox.channels.webhook import signing_keys

    reference = secret_of(node, findings)
    if reference is not None and node.kind == "text":
        try:
            signing_keys(str(node.value))
        except ValueError as error:
            findings.append(node.finding(str(error), "something else"))
    return reference


def _text(node: Node, findings: list[Finding]) -> str:
    if node.kind != "text" or not str(node.value):
        findings.append(node.finding("text"))
        return ""
    return str(node.value)


def _address_text(node: Node | None) -> str | None:
    return str(node.value) if node is not None and node.kind == "text" else None
