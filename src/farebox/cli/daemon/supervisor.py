"""Keep the proxy, the ledger and the dashboard running: the process behind `farebox up`.

It holds the proxy's listening socket, so that a proxy that crashes or is replaced fails no connection:
the next proxy accepts those that wait. It stays small: plain `os` calls, no event loop, no import of the
command line. `farebox.cli.daemon.up` prepares everything and then becomes this.

Signals: TERM and INT stop in order (a second one at once), HUP hands over to a fresh proxy.
Linux ends the children with it (PR_SET_PDEATHSIG); elsewhere a guard does.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

READY_SECONDS = 15
DRAIN_SECONDS = 35
"""Longer than a proxy's own drain, so that only one that hangs is killed."""
HURRY_SECONDS = 31
"""Then what still waits for a budget's room is told to end: nobody comes after."""
HAND_OVER_SECONDS = 15 * 60
"""A proxy that has handed over serves on while calls wait for a budget's room, which may take minutes."""
STEADY_SECONDS = 10
CONFIG = 78
HOPELESS = (65, 73, CONFIG)
"""What ends a start at once: damaged data, a directory that cannot be written, a wrong configuration."""
BACKOFF_MAX = 10.0


class Child:
    """One supervised process."""

    def __init__(self, name: str, arguments: list[str], descriptors: tuple[int, ...] = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.descriptors = descriptors
        self.pid = 0
        self.started = 0.0
        self.failures = 0
        self.restart_at: float | None = None


class Supervisor:
    """Start, watch, replace and stop the children."""

    def __init__(self, run: str, children: list[Child], closed_in_children: tuple[int, ...]) -> None:
        self.run = run
        self.children = children
        self.draining: dict[int, float] = {}
        """Replaced proxies that finish their requests: pid to when they are killed."""
        self.stopping = False
        self.status = 0
        self._ready = False
        self._closed = closed_in_children
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        self._guard_pipe = -1

    def supervise(self, banner: list[str] | None) -> int:
        """Run until stopped and return the exit status."""
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        if sys.platform != "linux":
            self._guard_pipe = guard(self.run)
        for child in self.children:
            self._start(child)
        if self._wait_until_ready() and banner is not None:
            self._spawn(banner, ())
        while not self.stopping:
            self._listen(self._pause())
        self._stop()
        return self.status

    def _pause(self) -> float | None:
        due = [child.restart_at for child in self.children if child.restart_at is not None]
        due += list(self.draining.values())
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _wait(self, seconds: float | None) -> None:
        """Wait for a signal; this process loads nothing of the package, `readable.py` included."""
        signals = select.poll()
        signals.register(self._wake, select.POLLIN)
        signals.poll(None if seconds is None else seconds * 1000)

    def _listen(self, seconds: float | None) -> None:
        """Wait for a signal or for `seconds`, then do what is due."""
        self._wait(seconds)
        try:
            numbers = os.read(self._wake, 512)
        except BlockingIOError:
            numbers = b""
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self.stopping = True
            return
        self._reap()
        if signal.SIGHUP in numbers:
            if terminal_is_gone():
                self.stopping = True
                return
            self._hand_over(self.children[0])
        now = time.monotonic()
        for child in self.children:
            if child.restart_at is not None and child.restart_at <= now:
                self._start(child)
        for pid, deadline in list(self.draining.items()):
            if deadline <= now:
                kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.draining.pop(pid, None)
            for child in self.children:
                if child.pid == pid:
                    self._died(child, os.waitstatus_to_exitcode(status))

    def _died(self, child: Child, status: int) -> None:
        child.pid = 0
        if self.stopping:
            return
        if status in HOPELESS and not self._ready:
            self.stopping, self.status = True, status  # it has printed what is wrong; a retry would not help
            return
        now = time.monotonic()
        child.failures = 0 if now - child.started > STEADY_SECONDS else child.failures + 1
        pause = min(0.1 * 2**child.failures, BACKOFF_MAX)
        child.restart_at = now + pause
        how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
        tell(f"the {child.name} {how}; starting it again in {pause:.1f} s")

    def _start(self, child: Child) -> None:
        child.restart_at = None
        child.started = time.monotonic()
        child.pid = self._spawn(child.arguments, child.descriptors)

    def _spawn(self, arguments: list[str], descriptors: tuple[int, ...]) -> int:
        parent = os.getpid()
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()  # Ctrl-C reaches the supervisor alone, which stops the children in order
            for descriptor in self._closed:
                os.close(descriptor)
            for descriptor in descriptors:
                os.set_inheritable(descriptor, True)
            die_with(parent)
            os.execv(sys.executable, [sys.executable, "-P", "-m", *arguments])
        except OSError as error:
            tell(f"cannot start {arguments[0]}: {error}")
        os._exit(69)

    def _wait_until_ready(self) -> bool:
        """Wait until every child has announced that it listens; False when stopped meanwhile."""
        deadline = time.monotonic() + READY_SECONDS
        waiting: list[str] = []
        while time.monotonic() < deadline and not self.stopping:
            waiting = [c.name for c in self.children if not c.pid or written_pid(self.run, c.name) != c.pid]
            if not waiting:
                self._ready = True
                return True
            self._listen(0.02)
        if not self.stopping:
            tell(f"not ready after {READY_SECONDS} s: {', '.join(waiting)}; still trying")
        return False

    def _hand_over(self, child: Child) -> None:
        """Start a fresh process beside the old one, then let the old one finish."""
        old = child.pid
        if not old:
            return
        tell(f"handing over to a fresh {child.name}")
        self._start(child)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if written_pid(self.run, child.name) == child.pid:
                break
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                tell(f"the fresh {child.name} did not start; the old one keeps running")
                child.pid = old
                return
            time.sleep(0.02)
        self.draining[old] = time.monotonic() + HAND_OVER_SECONDS
        kill(old, signal.SIGTERM)

    def _stop(self) -> None:
        """Stop the proxy first, so that its last records are still applied."""
        for child in self.children:
            child.restart_at = None
        for wave in (self.children[:1], self.children[1:]):
            pids = [child.pid for child in wave if child.pid]
            if wave is not self.children[1:]:
                pids += list(self.draining)
            for pid in pids:
                kill(pid, signal.SIGTERM)
            self._await(set(pids))

    def _await(self, pids: set[int]) -> None:
        began, hurried = time.monotonic(), False
        deadline = began + DRAIN_SECONDS
        while pids:
            if not hurried and time.monotonic() > began + HURRY_SECONDS:
                hurried = True
                for left in pids:
                    kill(left, signal.SIGTERM)
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid:
                pids.discard(pid)
                continue
            self._wait(0.2)
            try:
                numbers = os.read(self._wake, 512)
            except BlockingIOError:
                numbers = b""
            again = signal.SIGTERM in numbers or signal.SIGINT in numbers
            if again or time.monotonic() > deadline:
                for left in pids:
                    kill(left, signal.SIGKILL)


def tell(message: str) -> None:
    """Say something on standard error, at once."""
    try:
        os.write(2, f"farebox: {message}\n".encode())
    except OSError:
        return  # nobody reads standard error any more; supervising goes on


def kill(pid: int, number: int) -> None:
    """Send a signal to a child that may just have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def written_pid(run: str, name: str) -> int:
    """Return the pid in `run/<name>.json`, 0 where there is none yet."""
    try:
        with open(f"{run}/{name}.json", "rb") as file:  # noqa: PTH123  # pathlib costs a megabyte here
            content = file.read(4096)
    except OSError:
        return 0
    digits = content.partition(b'"pid":')[2].lstrip()
    length = 0
    while digits[length : length + 1].isdigit():
        length += 1
    return int(digits[:length] or b"0")


def die_with(parent: int) -> None:
    """Have the kernel end this process (TERM) when its parent ends, where it can."""
    if sys.platform != "linux":
        return
    import ctypes  # in the forked child only: the supervisor itself stays small

    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def terminal_is_gone() -> bool:
    """Return whether a hang-up means that the terminal we were started in was closed."""
    if os.environ.get("FAREBOX_DETACHED"):
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY))
    except OSError:
        return sys.stdin is not None and HAD_TERMINAL
    return False


def guard(run: str) -> int:
    """Fork a process that ends the children when this one ends, for systems without PDEATHSIG."""
    read, write = os.pipe()
    if os.fork():
        os.close(read)
        return write
    os.close(write)
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    os.read(read, 1)  # returns at end of file: the supervisor is gone
    for name in ("proxy", "ledger", "server"):
        pid = written_pid(run, name)
        if pid:
            kill(pid, signal.SIGTERM)
    os._exit(0)


def _has_terminal() -> bool:
    try:
        return os.isatty(0) or os.isatty(2)
    except OSError:
        return False


HAD_TERMINAL = _has_terminal()


def forbid_core_dumps() -> None:
    """Turn core dumps off for this process and its children."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Supervise as the arguments say: `home config listen_fd lock_fd dashboard banner key=value…`, `-` for
    nothing; the last are settings that were given as flags.
    """
    home, config, listen_fd, lock_fd, dashboard, banner, *settings = arguments
    forbid_core_dumps()
    place = ["--home", home, *(["--config", config] if config != "-" else [])]
    common = [*place, *(word for text in settings for word in ("--set", text))]
    proxy_fd, lock = int(listen_fd), int(lock_fd)
    children = [
        Child("proxy", ["farebox.proxy", *common, "--listen-fd", listen_fd], (proxy_fd,)),
        Child("ledger", ["farebox.ledger", *common]),
        Child("server", ["farebox.server", *common, "--listen", dashboard]),
    ]
    os.set_inheritable(proxy_fd, False)
    os.set_inheritable(lock, False)
    run = f"{home}/run"
    own_file = f"{run}/supervisor.json"
    temporary = f"{own_file}.{os.getpid()}"
    content = f'{{"pid":{os.getpid()},"started_at":"{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}"}}'
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, content.encode())
    os.close(descriptor)
    os.replace(temporary, own_file)  # noqa: PTH105
    try:
        show = ["farebox.cli.daemon.banner", *place] if banner == "banner" else None
        return Supervisor(run, children, (lock,)).supervise(show)
    finally:
        if written_pid(run, "supervisor") == os.getpid():
            os.unlink(own_file)  # noqa: PTH108


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
