"""The control database of a home that has none: nothing was set, and to read it creates nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator

from sqlalchemy import Connection

from farebox.control.database import ControlDatabase
from farebox.control.upgrade import upgrade
from farebox.errors import ControlUnwritableError
from farebox.home import Home


class EmptyControl(ControlDatabase):
    """The newest schema without a row, in memory."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._kept = self._connect()  # what is in memory is there as long as somebody is connected to it
        with self._writing() as connection:
            upgrade(connection, self._migrations)

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """Refuse: nobody would ever see what was written.

        Raises:
            ControlUnwritableError: Always.
        """
        raise ControlUnwritableError(f"{self.home.control} is missing, and was opened to be read")
        yield

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:farebox-control-{id(self)}?mode=memory&cache=shared",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
