"""Words of a process that is killed at its n-th store: as after `kill -9`, nothing is stored afterwards."""

from __future__ import annotations

from farebox.budgets.counters.file.mapped_file import Words


class Killed(BaseException):
    """The process is dead from here on."""


class Life:
    """How long a process lives, in stores."""

    def __init__(self) -> None:
        self.stores_left: int | None = None
        self.stores = 0
        self.is_over = False

    def wrap(self, words: Words) -> Words:
        return _MortalWords(words, self)


class _MortalWords:
    def __init__(self, words: Words, life: Life) -> None:
        self._words = words
        self._life = life

    def __getitem__(self, at: int, /) -> int:
        return self._words[at]

    def __setitem__(self, at: int, value: int, /) -> None:
        life = self._life
        if life.is_over:
            return  # what runs in `finally` on the way out, a dead process does not do
        if life.stores_left == 0:
            life.is_over = True
            raise Killed
        if life.stores_left is not None:
            life.stores_left -= 1
        life.stores += 1
        self._words[at] = value
