"""Who changed what, and when: written in the transaction of the change itself, in a chain.

What changed is not told by whoever changes it: every writer of `control.db` has its changes captured
(`change_capture.py`), and they are written down before it commits. A note only adds who did it, and in
what words.
"""

from __future__ import annotations

from farebox.control.audit.change_capture import attribute, command_line, note

__all__ = ["attribute", "command_line", "note"]
