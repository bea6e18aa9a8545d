"""The catalog's reader: routes, hosts, providers of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox import catalog
from farebox.catalog import loading
from farebox.catalog.loading import read_catalog
from farebox.catalog.routes import compile_path, path_values
from farebox.config import ProviderConfig
from farebox.errors import CatalogError


def test_a_path_names_its_endpoint() -> None:
    provider = catalog.load().provider("openai")
    assert provider is not None
    assert provider.endpoint("POST", "/v1/chat/completions").surface == "openai.chat"
    assert provider.endpoint("POST", "/v1/chat/completions?x=1").surface == "openai.chat"
    assert provider.endpoint("POST", "/v1/responses").surface == "openai.responses"
    assert provider.endpoint("GET", "/v1/responses/resp_1").free == "poll"


def test_an_unknown_path_is_other_and_not_metered() -> None:
    provider = catalog.load().provider("openai")
    assert provider is not None
    endpoint = provider.endpoint("POST", "/v1/tea")
    assert (endpoint.surface, endpoint.metered, endpoint.free) == ("openai.other", False, None)
    assert provider.endpoint("GET", "/v1/tea").reads


def test_a_host_finds_its_provider_with_port_case_and_wildcard() -> None:
    loaded = catalog.load()
    for host, name in (
        ("api.openai.com", "openai"),
        ("API.Anthropic.com:443", "anthropic"),
        ("my-resource.openai.azure.com", "azure"),
        ("europe-west4-aiplatform.googleapis.com", "vertex"),
    ):
        provider = loaded.by_host(host)
        assert provider is not None
        assert provider.id == name
    assert loaded.by_host("example.org") is None


def test_a_users_provider_speaks_openai_under_its_own_name() -> None:
    loaded = catalog.load({"my-llm": ProviderConfig(upstream="http://gpu-box:8000", speaks="openai")})
    provider = loaded.provider("my-llm")
    assert provider is not None
    assert provider.upstream == "http://gpu-box:8000"
    endpoint = provider.endpoint("POST", "/any/prefix/chat/completions")
    assert (endpoint.surface, endpoint.provider_id, endpoint.prices_id) == ("my-llm.chat", "my-llm", "my-llm")
    assert endpoint.inject_include_usage


def test_a_configured_upstream_replaces_the_catalogs() -> None:
    loaded = catalog.load({"openai": ProviderConfig(upstream="http://127.0.0.1:9001")})
    provider = loaded.provider("openai")
    assert provider is not None
    assert provider.upstream == "http://127.0.0.1:9001"
    assert provider.endpoint("POST", "/v1/chat/completions").surface == "openai.chat"


def test_usage_is_asked_for_only_where_the_host_takes_it() -> None:
    loaded = catalog.load()
    wants = {
        name: loaded.providers[name].endpoint("POST", "/v1/chat/completions").inject_include_usage
        for name in ("openai", "groq", "mistral", "azure", "perplexity")
    }
    assert wants == {"openai": True, "groq": True, "mistral": False, "azure": False, "perplexity": False}


def test_a_path_carries_model_and_region() -> None:
    pattern = compile_path("/**/locations/{region}/publishers/google/models/{model}:generateContent")
    path = "/v1/projects/p/locations/europe-west4/publishers/google/models/gemini%2D2:generateContent"
    assert path_values(pattern, path) == {"region": "europe-west4", "model": "gemini-2"}
    assert path_values(pattern, "/v1/other") == {}


@pytest.fixture(params=["beside the bytecode", "in the state directory"])
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, away_from_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Where a clone keeps the compiled catalog."""
    folder = tmp_path / "bytecode"
    monkeypatch.setattr(loading, "BYTECODE", folder)
    if request.param == "in the state directory":
        return away_from_home / "cache"
    folder.mkdir()
    return folder


def test_the_second_load_reads_what_the_first_has_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.load()
    assert len(list(kept.glob("catalog-*.msgpack"))) == 1
    monkeypatch.setattr(loading, "read_catalog", None)
    assert catalog.load().provider("openai") is not None


def test_a_broken_compiled_catalog_is_read_anew(kept: Path) -> None:
    catalog.load()
    (cached,) = kept.glob("catalog-*.msgpack")
    cached.write_bytes(b"nonsense")
    cached.rename(older := kept / "catalog-older.msgpack")
    cached.write_bytes(b"nonsense")
    assert catalog.load().provider("openai") is not None
    assert cached.read_bytes() != b"nonsense" and not older.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: x\nname: X\nendpoints:\n  - {path: /a, surface: b, format: c}\n", "no such format"),
        ("id: x\nname: X\nendpoints:\n  - {surface: b}\n", "path"),
        ("id: x\nname: X\nendpoints: [{path: /a, surface: b, format: c}]\nformats: {c: {usge: u}}\n", "usge"),
        ("- 1\n", "a provider"),
    ],
)
def test_a_wrong_provider_file_is_reported(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x" / "provider.yaml"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(CatalogError) as caught:
        read_catalog([file])
    assert said in str(caught.value)


def test_every_format_of_every_provider_compiles() -> None:
    from farebox.wire.usage.compiled_format import plan_for

    provider = catalog.load().provider("openai")
    assert provider is not None
    assert len(provider.formats) > 30
    for form in provider.formats.values():
        assert plan_for(form).format is form
