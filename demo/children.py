"""Programs started for the demonstration: each in a process group of its own, all ended together."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GRACE_S = 15.0  # between asking a group to end and ending it


class ChildFailed(Exception):
    """A program that ended with another code than 0: its last line and its log."""

    def __init__(self, name: str, code: int, last_line: str, log: Path) -> None:
        self.name, self.code, self.log = name, code, log
        super().__init__(f"it ended with code {code}: {last_line or 'it said nothing'}")


class Stopping(Exception):
    """A program that was not started, or ended, because everything is being stopped."""


class Children:
    """Runs programs to their end, from any thread; `stop` ends whatever still runs and starts no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._stopping = False

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        say: Callable[[str], None],
    ) -> None:
        """Run one program to its end, every line to `log` and to `say`. Raises ChildFailed, Stopping."""
        log.parent.mkdir(parents=True, exist_ok=True)
        last: deque[str] = deque(maxlen=1)
        with log.open("w") as file:
            process = self._start(command, environment)
            try:
                for line in process.stdout or ():
                    file.write(line)
                    file.flush()
                    if line.strip():
                        last.append(line.strip())
                        say(line.rstrip())
                code = process.wait()
            finally:
                self._forget(process)
        if self._stopping:
            raise Stopping(name)
        if code != 0:
            raise ChildFailed(name, code, last[0] if last else "", log)

    def stop(self, *, grace_s: float = GRACE_S) -> None:
        """End every running program's whole group: asked first, then made to."""
        with self._lock:
            self._stopping = True
            running = list(self._running.values())
        for process in running:
            signal_group(process, signal.SIGTERM)
        for process in running:
            try:
                process.wait(grace_s)
            except subprocess.TimeoutExpired:
                pass  # made to end below, with whatever of its group outlived it
            signal_group(process, signal.SIGKILL)
            process.wait()

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopping:
                raise Stopping(command[0])
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running[process.pid] = process
            return process

    def _forget(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:  # left early, by an error of ours
            signal_group(process, signal.SIGKILL)
            process.wait()
        with self._lock:
            self._running.pop(process.pid, None)


def signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to the group that a process leads; a group that is gone already is as wished."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
