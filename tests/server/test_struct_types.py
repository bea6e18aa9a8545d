"""Threads of the server may decode the same struct for the first time at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MODULE = '''
from __future__ import annotations
import msgspec

class C0(msgspec.Struct):
    number: int
''' + "".join(
    f'''
class C{depth}(msgspec.Struct):
    number: int
    words: dict[str, tuple[int, ...]]
    inner: C{depth - 1}
    others: tuple[C{depth - 1}, ...] = ()
'''
    for depth in range(1, 30)
)  # fmt: skip

PROGRAM = """
import sys, threading
import msgspec
from farebox.server.struct_types import know_types

sys.setswitchinterval(1e-6)
know_types("many")
body = b'{"number": 1}'
for _ in range(29):
    body = b'{"number": 1, "words": {"a": [1]}, "inner": ' + body + b"}"
for number in range(20):
    module = __import__(f"many.module_{number}", fromlist=["C29"])
    start = threading.Barrier(4)

    def decode():
        start.wait()
        assert msgspec.json.decode(body, type=module.C29).inner.number == 1

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("decoded")
"""


def test_threads_that_decode_a_struct_for_the_first_time_do_not_end_the_process(tmp_path: Path) -> None:
    package = tmp_path / "many"
    package.mkdir()
    (package / "__init__.py").touch()
    for number in range(20):
        (package / f"module_{number}.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "decoded\n"), done.stderr
