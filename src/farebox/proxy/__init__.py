"""The data plane: route → admit → intent → forward → extract → record, one process, one loop.

Owns traffic between clients and providers. Owns no database, no template, no rule about money:
what it learns goes into the journal, and a crash of anything else never touches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from farebox.config import Config
    from farebox.home import Home

__all__ = ["main"]


def main(
    home: Home,
    config: Config,
    *,
    listen_fd: int | None = None,
    reuse_port: bool = False,
    private: bool = False,
    authority: Path | None = None,
) -> int:
    """Run the proxy until it is told to stop; return the exit status."""
    from farebox.proxy.process import run

    return run(home, config, listen_fd=listen_fd, reuse_port=reuse_port, private=private, authority=authority)
