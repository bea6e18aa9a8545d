"""What browsers read: API v1, live updates, the dashboard's files.

`main` starts it; heavy modules are imported only by the process that serves, so that the
command line can mint a link (`farebox.server.access.links`) without paying for a web server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home

__all__ = ["main"]


def main(home: Home, config: Config) -> int:
    """Serve until SIGTERM or SIGINT and return the exit status."""
    from farebox.server.server_process import serve

    return serve(home, config)
