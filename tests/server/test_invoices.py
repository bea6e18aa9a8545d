"""`/api/v1/invoices`: what a run says in its response."""

from __future__ import annotations

from served import Site


def test_a_run_says_what_it_made_and_what_nothing_charges(site: Site) -> None:
    headers = {"authorization": f"Bearer {site.token}"}
    found = site.ask("/api/v1/invoices/run", headers, "POST", b"{}")
    assert found.status == 200
    assert found.json() == {"final": [], "drafts": [], "refused": [], "unconsumed": []}
