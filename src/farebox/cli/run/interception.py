"""What `farebox run` adds to meter clients without a base URL: proxy variables, roots, two preloads.

All of it is in the child's environment and in a folder that is removed with the run. Base URLs come
first and this catches the rest: for hosts of the catalog the proxy terminates TLS, others are tunnelled.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from farebox.certificates import authority, bundle
from farebox.certificates.names import constraints
from farebox.home import replace_private

if TYPE_CHECKING:
    from farebox.catalog import Catalog
    from farebox.certificates.authority import Authority
    from farebox.home import Home

PRELOAD = Path(__file__).resolve().parent / "preload"
LOOPBACK = "127.0.0.1"
OURS = "FAREBOX_PROXY"
"""The proxy of a run, where its preloads and a run inside it find it."""
PASSWORD_VARIABLE = "FAREBOX_PROXY_PASSWORD"  # noqa: S105  # its name; `farebox.proxy.process` reads it
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION")
_CHOSEN = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_PROXIES = (*_CHOSEN, "HTTP_PROXY", "http_proxy")
_JAVA_DIRECT = "localhost|127.*|[::1]|10.*|192.168.*|169.254.*|*.local"


def permitted_names(catalog: Catalog, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that certificates are made for: the catalog's hosts and the user's upstreams."""
    own_regions = [
        environment[name].strip().lower() for name in _REGIONS if environment.get(name, "").strip()
    ]
    patterns: dict[str, tuple[str, ...]] = {}
    for provider in catalog.providers.values():
        for host in provider.hosts:
            patterns[host] = (*provider.data.regions, *own_regions)
        parts = urlsplit(provider.upstream)
        if parts.scheme == "https" and parts.hostname:
            patterns.setdefault(parts.hostname, ())
    return constraints(patterns)


def proxy_of_the_users(environment: Mapping[str, str]) -> str | None:
    """Return the variable that names a proxy of the user's own, None where the user has none."""
    ours = environment.get(OURS)
    return next((name for name in _CHOSEN if environment.get(name, "").strip() not in ("", ours)), None)


class Interception:
    """An authority, a password and files: one run's, or those of a long-lived proxy."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        environment: Mapping[str, str],
        installed: Authority | None = None,
    ) -> None:
        """Make what is needed; with an `installed` authority nothing is, and there is no password.

        Raises:
            CertificateError: There is no authority and none can be made.
        """
        self._catalog = catalog
        self._environment = environment
        if installed is not None:
            self.authority, self.password = installed, ""
            return
        names = permitted_names(catalog, environment)
        # Ours, too: realtime clients make `wss://` of a base URL, whatever it says.
        self.authority = authority.for_runs(home, tuple(sorted({*names, LOOPBACK})))
        self.password = secrets.token_urlsafe(18)

    def variables(self, address: str, folder: Path) -> dict[str, str]:
        """Return what the child's environment gets; files it needs are written into `folder`."""
        user = f"farebox:{self.password}@" if self.password else ""
        url = f"http://{user}{address}"
        found: dict[str, str] = dict.fromkeys((*_PROXIES, OURS), url)
        found["FAREBOX_HOSTS"] = ",".join(sorted(self._hosts()))
        found |= bundle.write_bundles(folder, self.authority, self._environment)
        found["AIOHTTP_TRUST_ENV"] = "True"  # litellm's
        found["NODE_USE_ENV_PROXY"] = "1"
        found["NODE_OPTIONS"] = self._joined("NODE_OPTIONS", f'--require "{PRELOAD / "node.cjs"}"')
        found["BUN_OPTIONS"] = self._joined("BUN_OPTIONS", f"--preload={PRELOAD / 'bun.cjs'}")
        found["PYTHONPATH"] = self._first("PYTHONPATH", str(PRELOAD / "python"))
        found["PHP_INI_SCAN_DIR"] = self._php(folder, Path(found["SSL_CERT_FILE"]))
        java = self._java(address, Path(found["SSL_CERT_FILE"]))
        if java:
            found["JAVA_TOOL_OPTIONS"] = self._joined("JAVA_TOOL_OPTIONS", java)
        return found

    def _hosts(self) -> set[str]:
        hosts = {host for provider in self._catalog.providers.values() for host in provider.hosts}
        return (hosts | set(self.authority.facts.permitted)) - {LOOPBACK}

    def _joined(self, name: str, ours: str) -> str:
        theirs = self._environment.get(name, "").strip()
        if ours in theirs:
            return theirs  # an outer shell or run has set it already
        return f"{theirs} {ours}" if theirs else ours

    def _first(self, name: str, ours: str) -> str:
        """Return a search path with `ours` before the user's own entries."""
        theirs = [entry for entry in self._environment.get(name, "").split(os.pathsep) if entry != ours]
        return os.pathsep.join([ours, *theirs]) if any(theirs) else ours

    def _php(self, folder: Path, roots: Path) -> str:
        """Return PHP's settings path: its built-in one, then our folder.

        It reads neither bundle variable. https://www.php.net/manual/en/configuration.file.php: an empty
        entry is the place it was built with, the last setting counts.
        """
        place = folder / "php"
        place.mkdir(mode=0o700, exist_ok=True)
        lines: list[str] = []
        theirs = bundle.roots_of_php(self._environment)
        for setting, file in theirs.items():
            chosen = roots
            if file:
                chosen = folder / f"roots-{setting}.pem"
                replace_private(
                    chosen, bundle.joined(bundle.read_roots(file), self.authority.root.read_bytes())
                )
            lines.append(f'{setting}="{chosen}"\n')
        replace_private(place / "farebox.ini", "".join(lines).encode())
        before = self._environment.get("PHP_INI_SCAN_DIR")
        if before is not None and str(place) in before.split(os.pathsep):
            return before
        return str(place) if before == "" else f"{before or ''}{os.pathsep}{place}"

    def _java(self, address: str, roots: Path) -> str:
        """Return Java's options, nothing where there is no Java."""
        if shutil.which("java", path=self._environment.get("PATH")) is None and not self._environment.get(
            "JAVA_HOME"
        ):
            return ""
        host, _, port = address.rpartition(":")
        options = [
            f"-Dhttps.proxyHost={host}",
            f"-Dhttps.proxyPort={port}",
            f"-Dhttp.proxyHost={host}",
            f"-Dhttp.proxyPort={port}",
            f"-Dhttp.nonProxyHosts={_JAVA_DIRECT}",
        ]
        if "javax.net.ssl.trustStore" not in self._environment.get("JAVA_TOOL_OPTIONS", ""):
            store = bundle.java_trust_store(self.authority, roots.read_bytes())
            options += [
                f"-Djavax.net.ssl.trustStore={store}",
                "-Djavax.net.ssl.trustStoreType=PKCS12",
                "-Djavax.net.ssl.trustStorePassword=changeit",
            ]
        return " ".join(options)
