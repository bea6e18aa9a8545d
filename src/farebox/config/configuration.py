"""What a checked configuration holds. How it is read is in `layers`, `settings` and `sections`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from farebox.channels.settings import Form, MailSettings
from farebox.channels.usage.usage_settings import UsageSettings
from farebox.config.addresses import Address

if TYPE_CHECKING:
    from farebox.alerts.alert import Alert
    from farebox.alerts.references import Reference
    from farebox.budgets.budget import Budget
    from farebox.charges.plan_reader import BillingTerms
    from farebox.config.secret_reference import SecretReference
    from farebox.yamltext import Node
else:
    Node = SecretReference = Budget = BillingTerms = Alert = Reference = (
        Any  # a `Config` is decoded where none is loaded: in the proxy
    )

Durability = Literal["process", "power"]
Update = Literal["off", "review", "auto"]

DEFAULT_PRICES = (
    "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
)
"""Where genai-prices publishes its data: https://github.com/pydantic/genai-prices."""


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A user's change to a provider of the catalog, or a provider of their own."""

    upstream: str | None = None
    """Base URL, `http://` or `https://`, without a query."""
    speaks: str | None = None
    """The catalog provider whose formats this one speaks (`openai`)."""
    hosts: tuple[str, ...] = ()
    """More hosts that are this provider's, for interception; `*` stands for any part."""


class InterceptionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the forward proxy does beyond the catalog's hosts on port 443."""

    addresses: dict[str, str] = {}
    """Host to `host:port` where it really is: private endpoints, tests. Its certificate is checked
    against the host all the same."""
    ca_file: str | None = None
    """Roots (PEM) that upstreams may be signed by, besides the system's."""
    never: tuple[str, ...] = ()
    """Hosts that are tunnelled although the catalog knows them."""
    ports: tuple[int, ...] = ()
    """Ports besides 443 that a tunnel may go to."""


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the user says of one API key, known by its fingerprint."""

    label: str | None = None
    customer: str | None = None
    user: str | None = None
    agent: str | None = None
    project: str | None = None

    def attribution(self) -> dict[str, str]:
        """Return what calls with this key are attributed to."""
        said = {"key_label": self.label, "customer": self.customer, "user": self.user}
        said |= {"agent": self.agent, "project": self.project}
        return {name: value for name, value in said.items() if value}


class PricesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the server keeps the price lists up to date."""

    update: Update = "off"
    every_s: int = 24 * 3600
    source: str = DEFAULT_PRICES
    """A URL, or the absolute path of a file."""
    sha256: str | None = None
    """The list's digest in hex, or the URL or file of one."""


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is told what happens, by a signed POST."""

    name: str
    url: str
    address: str | None = None
    """Where the URL's host really is, for one with a private address."""
    kinds: tuple[str, ...] = ("*",)
    """Kinds of messages, `prices.updated`, and groups of them, `prices.*`."""
    secret: SecretReference


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where alerts are told, in the form that the place wants."""

    name: str
    form: Form
    url: str = ""
    """Where it is no secret: of a webhook, and of PagerDuty."""
    address: str | None = None
    """Where the URL's or the mail server's host really is, for one with a private address."""
    kinds: tuple[str, ...] = ()
    """What it is told besides alerts that name it."""
    secret: SecretReference | None = None
    """The signing secret, the secret URL, the routing key or the password."""
    token: SecretReference | None = None
    """Of ntfy."""
    mail: MailSettings | None = None


class ExportConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A system that usage is handed over to."""

    name: str
    url: str = ""
    """Empty: the vendor's own."""
    address: str | None = None
    """Where the URL's host really is, for one with a private address."""
    secret: SecretReference
    """The API key."""
    usage: UsageSettings


class OtlpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where spans and metrics of calls are sent, by OTLP over HTTP."""

    endpoint: str
    """Without the path `/v1/traces` or `/v1/metrics`."""
    address: str | None = None
    """Where its host really is, for one with a private address."""
    headers: tuple[tuple[str, SecretReference], ...] = ()
    signals: tuple[str, ...] = ("traces", "metrics")


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What listeners beyond loopback speak TLS with."""

    certificate: str | None = None
    """A PEM file: the certificate, and what leads from it to a root."""
    key: str | None = None
    """A PEM file: its private key, without a password."""


class SellerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends the invoices, as they print it."""

    name: str = ""
    address: str = ""
    """May have several lines."""
    tax_id: str = ""
    email: str = ""
    """What invoices are sent from, and where questions go."""
    logo: str | None = None
    """The absolute path of a PNG or JPEG file."""


class BillingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What invoices say besides what is charged."""

    seller: SellerConfig = SellerConfig()
    payment_terms: str = ""
    footer: str = ""
    paper: Literal["a4", "letter"] = "a4"
    fonts: str | None = None
    """The absolute path of a folder of fonts, for scripts that the bundled ones lack."""


class PortalConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The customers' own pages: where they are served, and how they look."""

    listen: Address = Address("127.0.0.1", 3276)
    public_url: str | None = None
    """Where customers find it: `https://usage.example.com`."""
    name: str = ""
    """Who says so at the top of each page; the seller of invoices where nothing is said."""
    logo: str | None = None
    """The absolute path of a PNG or JPEG file."""
    colour: str | None = None
    """`#0a7558`."""
    frame_ancestors: tuple[str, ...] = ()
    """Origins whose pages may show it in a frame."""


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much clients may ask for. None: no limit on loopback, a generous one beyond it."""

    token_requests_per_minute: int | None = None
    address_requests_per_minute: int | None = None
    body_bytes_max: int | None = None


MARKUP_KEYS = ("markup", "markup_percent", "margin_percent")
"""How `pricing:` may say what customers pay for a dollar of cost."""


class Config(msgspec.Struct, kw_only=True):
    """A checked configuration. The defaults suit a laptop."""

    file: str | None = None
    """The most specific file that was read."""
    named: str | None = None
    """The file that was named (`--config`, `FAREBOX_CONFIG`), to be handed to other processes."""
    flags: dict[str, str] = {}
    """Settings that were given as flags, by key, likewise."""
    listen: Address = Address("127.0.0.1", 3273)
    dashboard: Address = Address("127.0.0.1", 3274)
    tls: TlsConfig = TlsConfig()
    public_url: str | None = None
    """Where others find this Farebox: `https://farebox.example.com`, with a port where that is not 443."""
    trusted_proxies: str | None = None
    """Addresses and networks of reverse proxies in front, separated by commas."""
    limits: LimitsConfig = LimitsConfig()
    durability: Durability = "process"
    prices: PricesConfig = PricesConfig()
    providers: dict[str, ProviderConfig] = {}
    interception: InterceptionConfig = InterceptionConfig()
    keys: dict[str, KeyConfig] = {}
    """By fingerprint: a key's name and owner, as files say. What commands said: `farebox.snapshot`."""
    webhooks: tuple[WebhookConfig, ...] = ()
    """Of the home's file, for whoever delivers messages; other processes are not handed it."""
    channels: tuple[ChannelConfig, ...] = ()
    """Of the home's file, for whoever delivers messages; other processes are not handed it."""
    exports: tuple[ExportConfig, ...] = ()
    """Of the home's file, for the server, which hands usage over."""
    otlp: OtlpConfig | None = None
    """Of the home's file, for the server, which sends it."""
    budgets: tuple[Budget, ...] = ()
    """Of the home's file, for whoever publishes them; other processes read the snapshot."""
    alerts: tuple[Alert, ...] = ()
    """Of the home's file, likewise."""
    alert_references: tuple[Reference, ...] = ()
    """What they name that is said elsewhere, for whoever knows what commands have set, too."""
    billing: BillingConfig = BillingConfig()
    """Of the home's file, for whoever renders invoices."""
    portal: PortalConfig | None = None
    """None: customers have no pages of their own."""
    billing_terms: BillingTerms | None = None
    """`customers:`, `plans:` and `subscriptions:` of the home's file, for whoever publishes them."""
    pricing: Node | None = None
    """The `pricing:` section as written; `farebox.pricing` reads and checks it."""
    contracts: Node | None = None
    """The `contracts:` section as written, likewise."""
    directory_pricing: Node | None = None
    """The working directory's `pricing:`, which prices only what has no price otherwise."""

    @property
    def has_markup(self) -> bool:
        """Whether `pricing:` says anywhere what customers pay for a dollar of cost."""
        models = () if self.pricing is None else (node for _, node in self.pricing.items())
        entries = (each for node in models for each in (node.value if node.kind == "list" else [node]))
        return any(entry.get(key) is not None for entry in entries for key in MARKUP_KEYS)
