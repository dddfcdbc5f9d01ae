# SPDX-License-Identifier: GPL-2.0-only
"""A client for QEMU's monitor protocol over a unix socket."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .wait import PATIENCE, Failure, until


@dataclass(frozen=True)
class Event:
    name: str
    ms: float  # when QEMU says it happened, on our clock
    data: dict[str, Any] = field(default_factory=dict)


class Qmp:
    """A connection that runs commands one by one and keeps events."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.events: list[Event] = []
        self._replies: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._closed = False
        # QEMU stamps events with the time of day; L1 and QEMU share that clock.
        self._epoch = time.time() - time.monotonic()

        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout * PATIENCE)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        if "QMP" not in json.loads(self._lines.readline()):
            raise Failure("QEMU's monitor did not greet")
        self._socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()
        self.command("qmp_capabilities", timeout=timeout)

    def _read(self) -> None:
        try:
            for line in self._lines:
                self._take(json.loads(line))
        except (OSError, ValueError):
            pass
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "event" in message:
                stamp = message["timestamp"]
                seconds = stamp["seconds"] + stamp["microseconds"] / 1e6 - self._epoch
                self.events.append(Event(message["event"], seconds * 1e3, message.get("data", {})))
            else:
                self._replies.append(message)
            self._changed.notify_all()

    def command(self, name: str, timeout: float = 60, **arguments: Any) -> Any:
        request: dict[str, Any] = {"execute": name}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        try:
            self._socket.sendall(json.dumps(request).encode())
        except OSError as error:
            raise Failure(f"{name}: QEMU's monitor is gone ({error})") from error
        with self._changed:
            if not self._changed.wait_for(lambda: self._replies or self._closed, timeout * PATIENCE):
                raise Failure(f"{name}: no answer from QEMU within {timeout:g} s")
            if not self._replies:
                raise Failure(f"{name}: QEMU closed its monitor")
            reply = self._replies.pop(0)
        if "error" in reply:
            raise Failure(f"{name}: {reply['error']['desc']}")
        return reply["return"]

    def since(self, ms: float, name: str) -> list[Event]:
        with self._changed:
            return [e for e in self.events if e.name == name and e.ms >= ms]

    def wait_event(self, name: str, since: float, timeout: float, **data: Any) -> Event:
        """Wait for the first event of this name and data after a point in time."""

        def found() -> Event | None:
            for event in self.since(since, name):
                if all(event.data.get(k.replace("_", "-")) == v for k, v in data.items()):
                    return event
            if self._closed:
                raise Failure(f"QEMU ended while its event {name} {data or ''} was awaited")
            return None

        return until(f"event {name} {data or ''}", timeout, found, step=0.005)

    def close(self) -> None:
        self._socket.close()
