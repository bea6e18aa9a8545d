"""A client in another network: with TLS and a client token it is metered, everybody else gets nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WORLD = Path(__file__).with_name("other_network.py")
REFUSED = ("no token", "revoked", "other scope", "made up")


def why_not() -> str | None:
    """Return why no other network can be made here, None where one can."""
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    words = "ip link add here type veth peer name there && unshare -n true"
    tried = subprocess.run(["unshare", "-rn", "sh", "-c", words], capture_output=True, text=True, check=False)
    return f"network namespaces are not permitted: {tried.stderr.strip()}" if tried.returncode else None


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("networks")
    words = ["unshare", "-rn", "--kill-child", sys.executable, str(WORLD), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_the_proxy_does_not_start_where_nobody_could_use_it(told: dict[str, Any]) -> None:
    assert told["without any token"]["status"] == 78
    assert "tokens create" in told["without any token"]["error"]


def test_a_client_with_a_token_is_metered_and_what_it_states_does_not_override_its_customer(
    told: dict[str, Any],
) -> None:
    assert told["good"]["status"] == 200
    assert told["calls"], "nothing was recorded"
    for call in told["calls"]:
        assert call["attribution"]["customer"] == "acme"
        assert call["attribution_from"]["customer"].startswith("token:")
        assert call["cost_pico"] == 3_597_500_000
    assert told["verified"] and all(told["verified"])
    assert told["calls"][0]["attribution"]["user"] == "anna"
    assert told["calls"][0]["attribution_from"]["user"] == "header:x-farebox-user"


def test_who_has_no_good_token_is_refused_and_told_nothing(told: dict[str, Any]) -> None:
    for name in REFUSED:
        assert told[name]["status"] == 401, name
    assert len({told[name]["body"] for name in REFUSED[1:]}) == 1
    assert "error" in told["plain HTTP"] and "status" not in told["plain HTTP"]
    assert told["health"]["body"] == '{"ready":true,"reasons":[]}\n'
    said = json.dumps({name: told[name] for name in (*REFUSED, "health", "dashboard: nobody")})
    for word in ("/tmp", "home", "anthropic", "pid", "expired", "fbx_", "python"):
        assert word not in said, word


def test_a_client_checks_our_certificate_and_its_name(told: dict[str, Any]) -> None:
    assert told["wrong certificate"] == told["wrong name"] == {"error": "SSLCertVerificationError"}


def test_nothing_of_a_refused_request_is_forwarded_or_recorded(told: dict[str, Any]) -> None:
    assert (told["forwarded before"], told["recorded before"]) == (0, 0)
    assert told["token went upstream"] is False
    assert told["files with a secret"] == []


def test_a_revoked_token_ends_on_a_connection_that_is_kept_within_seconds(told: dict[str, Any]) -> None:
    assert told["kept connection"]["status"] == 200
    assert told["kept connection, revoked"]["status"] == 401
    assert told["kept connection, revoked"]["after_s"] < 10


def test_the_dashboards_session_works_over_tls(told: dict[str, Any]) -> None:
    assert told["link"] == "https://farebox.example.com:3274/"
    assert told["dashboard: link"]["status"] == 303
    cookie = told["dashboard: link"]["headers"]["set-cookie"]
    assert "; Secure" in cookie and "; HttpOnly" in cookie and "SameSite=strict" in cookie
    assert told["dashboard: session"]["status"] == 200
    assert told["dashboard: other origin"]["status"] == 403
    assert told["dashboard: other host"]["status"] == 421
    assert told["dashboard: nobody"]["status"] == 401
    assert told["dashboard: read"]["status"] == 200
    assert told["dashboard: client"]["status"] == 403


def test_the_owner_still_sees_everything_from_this_machine(told: dict[str, Any]) -> None:
    assert told["status as the owner sees it"] == "ok"
    assert told["errors"] == ["", ""]
    used = {token["name"]: token["last_used_at"] for token in told["last used"]}
    assert used["backend"] and used["reader"] and not used["gone"]
