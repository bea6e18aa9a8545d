"""`/api/v1/exports`: set, paused, tried and sent again as by command."""

from __future__ import annotations

from typing import Any

import msgspec
from served import Answer, Site


def sent(site: Site, method: str, path: str, body: Any = None) -> Answer:
    content = b"" if body is None else msgspec.json.encode(body)
    return site.ask(path, {"authorization": f"Bearer {site.token}"}, method, content)


def test_the_api_does_the_same(site: Site) -> None:
    path = "/api/v1/exports"
    assert site.get(path).json()["exports"] == []
    wrong = sent(site, "PUT", f"{path}/orb", {"orb": {"env": "K"}, "granularity": "week"})
    assert wrong.status == 422 and "granularity" in wrong.body.decode()
    said = {"orb": {"env": "K"}, "customers": {"acme": "a-1"}, "meters": {"cost_usd": "usd"}}
    assert sent(site, "PUT", f"{path}/orb", said).json()["export"]["meters"] == {"cost_usd": "usd"}
    assert sent(site, "POST", f"{path}/orb/pause").json()["export"]["reason"] == "paused"
    assert sent(site, "POST", f"{path}/orb/resume").json()["export"]["state"] == "active"
    assert sent(site, "POST", f"{path}/orb/replay").json()["events"] == 0
    assert sent(site, "POST", f"{path}/orb/settle", {"received": True}).json()["events"] == 0
    assert sent(site, "POST", f"{path}/orb/test").json()["accepted"] is False
    (shown,) = site.get(path).json()["exports"]
    assert (shown["name"], shown["to"], shown["origin"]) == ("orb", "orb", "https://api.withorb.com")
    assert site.get(f"{path}/none").status == sent(site, "POST", f"{path}/none/pause").status == 404
    assert sent(site, "DELETE", f"{path}/orb").json()["exports"] == []
