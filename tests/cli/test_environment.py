"""What `farebox run` sets for its child, and that a user's own values are never ignored."""

from __future__ import annotations

import pytest

from farebox.catalog import Catalog, load
from farebox.cli.run.environment import custom_headers, direct, labels_of, plan, proxied_by, redirections
from farebox.config import Config, ProviderConfig


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load({})


def test_every_client_gets_its_variable(catalog: Catalog) -> None:
    variables = plan(catalog, {}).variables
    assert variables["OPENAI_BASE_URL"] == "/openai/v1"
    assert variables["ANTHROPIC_BASE_URL"] == "/anthropic"
    assert variables["GOOGLE_GEMINI_BASE_URL"] == "/google"
    assert "OPENAI_API_BASE" in variables


def test_the_default_upstream_written_out_is_the_default(catalog: Catalog) -> None:
    made = plan(catalog, {"OPENAI_BASE_URL": "https://api.openai.com/v1/"})
    assert made.variables["OPENAI_BASE_URL"] == "/openai/v1"
    assert (made.upstreams, made.notes) == ({}, [])


def test_a_value_that_names_another_known_provider_is_metered_as_that_provider(catalog: Catalog) -> None:
    compatible = "https://generativelanguage.googleapis.com/v1beta/openai/"
    made = plan(catalog, {"OPENAI_BASE_URL": compatible})
    assert made.variables["OPENAI_BASE_URL"] == "/google/v1beta/openai"
    assert made.upstreams == {}
    assert "metered as google" in made.notes[0]


def test_a_value_that_names_a_host_of_the_users_becomes_an_upstream_of_the_run(catalog: Catalog) -> None:
    made = plan(catalog, {"OPENAI_BASE_URL": "http://gpu-box:8000/v1"})
    assert made.upstreams == {"gpu-box-8000": ProviderConfig(upstream="http://gpu-box:8000", speaks="openai")}
    assert made.variables["OPENAI_BASE_URL"] == "/gpu-box-8000/v1"
    assert "gpu-box:8000" in made.notes[0]


def test_a_base_path_of_the_users_is_kept(catalog: Catalog) -> None:
    made = plan(catalog, {"OPENAI_BASE_URL": "http://gpu-box:8000/serving"})
    assert made.upstreams["gpu-box-8000"].upstream == "http://gpu-box:8000/serving"
    assert made.variables["OPENAI_BASE_URL"] == "/gpu-box-8000"


def test_the_running_proxy_keeps_its_path(catalog: Catalog) -> None:
    value = "http://127.0.0.1:3273/my-llm/v1"
    made = plan(catalog, {"OPENAI_BASE_URL": value}, own_address="127.0.0.1:3273")
    assert made.variables["OPENAI_BASE_URL"] == "/my-llm/v1"


def test_a_value_that_is_no_url_is_left_alone_and_told(catalog: Catalog) -> None:
    made = plan(catalog, {"OPENAI_BASE_URL": "gpu-box"})
    assert "OPENAI_BASE_URL" not in made.variables
    assert "not metered" in made.notes[0]


def test_custom_headers_come_after_the_users_own_which_win(catalog: Catalog) -> None:
    labels = labels_of({"FAREBOX_CUSTOMER": "acme\n", "HOME": "/"}, session="s1", app="app")
    theirs = {"OPENAI_CUSTOM_HEADERS": "X-Mine: 1\nX-Farebox-App: chosen"}
    headers = custom_headers(catalog, theirs, labels)["OPENAI_CUSTOM_HEADERS"].split("\n")
    assert headers == [
        "X-Mine: 1",
        "X-Farebox-App: chosen",
        "x-farebox-session: s1",
        "x-farebox-customer: acme?",
    ]
    assert "x-farebox-app: app" in custom_headers(catalog, {}, labels)["ANTHROPIC_CUSTOM_HEADERS"]


def test_a_file_that_sends_a_known_providers_keys_elsewhere_is_told() -> None:
    def told(upstream: str, name: str = "openai") -> list[str]:
        return redirections(Config(file="farebox.yaml", providers={name: ProviderConfig(upstream=upstream)}))

    assert "keys included, to https://llm.example.com" in told("https://llm.example.com")[0]
    assert told("http://127.0.0.1:9001") == []
    assert told("https://llm.example.com", name="my-llm") == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, ["127.0.0.1,localhost", "127.0.0.1,localhost"]),
        ({"NO_PROXY": "corp.example, 10.0.0.0/8"}, ["corp.example,10.0.0.0/8,127.0.0.1,localhost"] * 2),
        (
            {"NO_PROXY": "a", "no_proxy": "localhost,b"},
            ["a,127.0.0.1,localhost", "localhost,b,127.0.0.1"],
        ),
        ({"no_proxy": "*"}, ["*", "*"]),
    ],
)
def test_calls_to_this_machine_pass_no_http_proxy(theirs: dict[str, str], ours: list[str]) -> None:
    assert direct(theirs) == {"NO_PROXY": ours[0], "no_proxy": ours[1]}


def test_an_http_proxy_that_would_see_keys_is_named() -> None:
    assert proxied_by({}) is None
    assert proxied_by({"HTTPS_PROXY": "http://corp:3128"}) is None  # not for the plain HTTP of loopback
    assert proxied_by({"http_proxy": "http://corp:3128"}) == "http_proxy"
    assert proxied_by({"ALL_PROXY": "http://corp:3128", "NO_PROXY": "corp"}) == "ALL_PROXY"
    assert proxied_by({"HTTP_PROXY": "http://corp:3128", **direct({})}) is None
