"""What others may say is text on every screen, whatever markup it is: see `browser/hostile/markup.mjs`.

A few texts in each run of the tests; with FAREBOX_LONG two hundred, fifty in a home.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from browser.chromium import NEEDED, browsing
from browser.markup import ALL, FEW, configured, respond, spread
from tools.upstream import MockUpstream

IS_LONG = bool(os.environ.get("FAREBOX_LONG"))
BATCHES = [ALL[at : at + 50] for at in range(0, len(ALL), 50)] if IS_LONG else [FEW]

pytestmark = [pytest.mark.timeout(1200), *NEEDED]


@pytest.mark.parametrize("texts", BATCHES, ids=len)
def test_texts_that_are_markup_are_inert_on_every_screen(tmp_path: Path, texts: tuple[str, ...]) -> None:
    with MockUpstream(respond) as upstream:
        configuration = configured(texts, upstream.url)
        setting: dict[str, Any] = {"where": "hostile", "walks": [], "texts": texts, "thorough": IS_LONG}
        with browsing(tmp_path, configuration, lambda _: None, **setting) as (walks, home):
            spread(home, texts)
            walks.check("markup")


def test_there_are_two_hundred_different_ones_that_can_be_the_name_of_a_tag() -> None:
    assert len(set(ALL)) == 200 and set(FEW) < set(ALL)
    assert all(text == text.lower().strip() and "," not in text and "xss" in text for text in ALL)
