"""Find, build and open the compiled price book.

The only part of pricing that opens the catalog's files. The YAML of the catalog takes seconds to parse, so it
is compiled once: into the wheel when that is built, beside the bytecode in a source checkout,
else into the state directory. The digest of the sources says which compiled file fits.

    python -m farebox.pricing.compiled_book OUT     write the compiled book to OUT
"""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec

from farebox.errors import Finding, PriceFileError
from farebox.pricing.model_names import normal, spelled_out
from farebox.pricing.price_rows import CompiledPrices, ProviderOverlay, ProviderPrices, Units

CATALOG = Path(__file__).resolve().parents[1] / "catalog"
LITELLM = "litellm.yaml"
"""Name of a provider's file of the second list."""

PACKAGED = Path(__file__).resolve().parent / "prices.msgpack.gz"
"""Where the wheel carries the compiled book."""

FORMAT = "farebox-prices/3"
"""Raised with every change of `price_rows`, so that an older compiled file is refused."""
_decode = msgspec.msgpack.Decoder(CompiledPrices).decode


def open_prices(cache_dir: Path | None = None, catalog: Path = CATALOG) -> CompiledPrices:
    """Return the compiled book: the wheel's, else that of `catalog`, built where no fitting one exists."""
    if catalog == CATALOG:
        packaged = _read(PACKAGED)
        if packaged is not None:
            return packaged
    digest = source_digest(catalog)
    name = f"prices-{digest[:16]}.msgpack"
    places = [PACKAGED.parent.joinpath("__pycache__", name)]
    if cache_dir is not None:
        places.append(cache_dir.joinpath(name))
    for place in places:
        found = _read(place)
        if found is not None and found.digest == digest:
            return found
    content = compile_prices(catalog)
    for place in places:
        if _write(place, content):
            break
    return _decode(content)


def source_digest(catalog: Path = CATALOG) -> str:
    """Return the SHA-256 of the price files, their names and the compiled format."""
    digest = hashlib.sha256(FORMAT.encode())
    for path in price_files(catalog):
        digest.update(f"\0{path.relative_to(catalog).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def price_files(catalog: Path = CATALOG) -> list[Path]:
    """Return every file the book is compiled from, sorted."""
    shared = [catalog / "units.yaml", catalog / "overlay.yaml"]
    listed = sorted([*catalog.glob("*/prices.yaml"), *catalog.glob(f"*/{LITELLM}")])
    return [path for path in shared if path.is_file()] + listed


def compile_prices(catalog: Path = CATALOG) -> bytes:
    """Return the compiled book as msgpack.

    Raises:
        PriceFileError: With everything that is wrong in any of the files.
    """
    # YAML is needed only here: opening a compiled book never imports it.
    from farebox import yamltext
    from farebox.pricing.sources.price_files import read_litellm, read_overlay, read_prices, read_units

    findings: list[Finding] = []

    def root(path: Path) -> yamltext.Node:
        node, problems = yamltext.read(path)
        findings.extend(problems)
        return node if node is not None else yamltext.Node({}, str(path), 1, "")

    units, problems = read_units(root(catalog / "units.yaml"))
    findings.extend(problems)
    overlays: dict[str, ProviderOverlay] = {}
    if (catalog / "overlay.yaml").is_file():
        overlays, problems = read_overlay(root(catalog / "overlay.yaml"), units.prices)
        findings.extend(problems)
    providers: dict[str, ProviderPrices] = {}
    for path in sorted(catalog.glob("*/prices.yaml")):
        prices, problems = read_prices(root(path), units.prices)
        findings.extend(problems)
        if prices.id != path.parent.name:
            findings.append(Finding(str(path), 1, "provider", repr(prices.id), repr(path.parent.name)))
        providers[prices.id] = prices
    for path in sorted(catalog.glob(f"*/{LITELLM}")):
        others, problems = read_litellm(root(path), units.prices)
        findings.extend(problems)
        name = path.parent.name
        listed = providers.get(name, ProviderPrices(name))
        providers[name] = msgspec.structs.replace(listed, others=others)
    if findings:
        raise PriceFileError(findings)
    for provider, overlay in overlays.items():
        listed = providers.get(provider, ProviderPrices(provider))
        providers[provider] = msgspec.structs.replace(listed, overlay=overlay)
    return _encoded(source_digest(catalog), units, providers)


def _encoded(digest: str, units: Units, providers: dict[str, ProviderPrices]) -> bytes:
    encode = msgspec.msgpack.Encoder().encode
    raw = {name: msgspec.Raw(encode(prices)) for name, prices in sorted(providers.items())}
    known = {
        name
        for prices in providers.values()
        for model in (*prices.models, *prices.overlay.models, *prices.others)
        for name in (normal(model.id), *spelled_out(model.match))
    }
    return encode(CompiledPrices(digest, units, tuple(sorted(known)), raw))


def _read(path: Path) -> CompiledPrices | None:
    try:
        content = path.read_bytes()
        if path == PACKAGED:
            content = zlib.decompress(content, 31)  # as gzip writes it
        return _decode(content)
    except (OSError, zlib.error, msgspec.MsgspecError, ValueError, RecursionError):
        return None  # absent, unreadable, or of another version: the next place, or a fresh build


def _write(path: Path, content: bytes) -> bool:
    """Put the file in place in one step; False where this place cannot be written."""
    import secrets

    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    for older in path.parent.glob("prices-*.msgpack"):
        if older != path:
            with suppress(OSError):  # another process was quicker
                older.unlink()
    return True


def main(arguments: list[str]) -> int:
    """Write the compiled book to the named file."""
    if len(arguments) != 1:
        print("usage: python -m farebox.pricing.compiled_book OUT", file=sys.stderr)
        return 2
    try:
        content = compile_prices()
    except PriceFileError as error:
        print(error, file=sys.stderr)
        return 1
    Path(arguments[0]).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
