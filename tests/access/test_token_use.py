"""When tokens were last used: a note that is damaged costs nothing but itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.access.token_use import TokenUse, last_uses
from farebox.home import Home


@pytest.mark.parametrize("content", [b'{"\xff\xfe":1}', b'{"a":' + b"[" * 100_000, b"{", b""])
def test_a_damaged_note_is_written_anew(tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    (home.run / "token-use.proxy.json").write_bytes(content)
    assert last_uses(home) == {}
    use = TokenUse(home, "proxy")
    use.note("id-1")
    use.write()
    assert list(last_uses(home)) == ["id-1"]
