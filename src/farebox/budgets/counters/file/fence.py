"""Order between the stores and loads of one thread, as other processors see them.

Two processes that each store a word and then look at the other's need it: without a fence both may look
before either store is to be seen. Python has none, but operations on a lock are: on x86-64 each of them, on
ARM64 an acquisition that follows a release.
"""

from __future__ import annotations

import threading

_lock = threading.RLock()  # a signal's handler may come in the middle
_acquire, _release = _lock.acquire, _lock.release


def fence() -> None:
    """Let everybody see what was stored before they see what is loaded or stored after."""
    _acquire()
    _release()
    _acquire()
    _release()
