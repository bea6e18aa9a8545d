"""What `farebox up` prints once everything listens."""

from __future__ import annotations

import os

import msgspec
import pytest

from farebox.cli.daemon.banner import text
from farebox.home import locate


def test_an_http_proxy_is_mentioned_only_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    home = locate()
    home.prepare()
    announced = {"pid": os.getpid(), "host": "127.0.0.1", "port": 3273}
    (home.run / "proxy.json").write_bytes(msgspec.json.encode(announced))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert "NO_PROXY" not in text(home)
    monkeypatch.setenv("http_proxy", "http://corp.example:3128")
    shown = text(home)
    assert "export NO_PROXY=" in shown
    assert "http_proxy is set" in shown


@pytest.mark.parametrize("needed", [False, True])
def test_where_a_token_is_needed_what_is_pasted_names_it(needed: bool) -> None:
    home = locate()
    home.prepare()
    announced = {"pid": os.getpid(), "host": "127.0.0.1", "port": 3273, "tokens": needed}
    (home.run / "proxy.json").write_bytes(msgspec.json.encode(announced))
    assert ("x-farebox-token" in text(home)) is needed


@pytest.mark.parametrize("detached", [True, False])
def test_ctrl_c_is_spoken_of_only_where_it_reaches_farebox(detached: bool) -> None:
    home = locate()
    home.prepare()
    shown = text(home, detached=detached)
    assert ("Ctrl-C" in shown) is not detached
    assert " stop --home " in shown and " status --home " in shown
