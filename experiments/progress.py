"""What is measured, how many points are left and how long they will take: a bar on a terminal, lines elsewhere."""

import threading
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Meter:
    """Counts points and work done by several threads. Work is in any unit; the time left assumes constant speed."""

    def __init__(self, points: int, work: float, console: Console, quiet: bool = False):
        self.points, self.work, self.console, self.quiet = points, work, console, quiet
        self.done, self.worked = 0, 0.0
        self.started = self.spoke = time.monotonic()
        self.lock = threading.Lock()
        self.bar = None
        if console.is_terminal and not quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
            self.bar = Progress(
                *columns,
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )

    def __enter__(self):
        if self.bar:
            self.bar.start()
            self.task = self.bar.add_task(f"0 of {self.points} points", total=self.work)
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def tick(self, work: float) -> None:
        """Some work of a point in progress is done."""
        with self.lock:
            self.worked += work
            if self.bar:
                self.bar.update(self.task, completed=self.worked)
            elif time.monotonic() - self.spoke > _SECONDS_BETWEEN_LINES:
                self.say(f"{self.done} of {self.points} points")

    def finished(self, label: str) -> None:
        """One point is on disk."""
        with self.lock:
            self.done += 1
            text = f"{self.done} of {self.points} points, last {label}"
            if self.bar:
                self.bar.update(self.task, description=text)
            elif self.done == self.points or time.monotonic() - self.spoke > _SECONDS_BETWEEN_LINES:
                self.say(text)

    def say(self, text: str) -> None:
        self.spoke = time.monotonic()
        elapsed = self.spoke - self.started
        left = elapsed * (self.work / self.worked - 1) if self.done and self.worked else 0
        if not self.quiet:
            ending = f", about {duration(left)} left" if left >= 0.5 else ""
            self.console.print(f"{text}; {duration(elapsed)}{ending}", highlight=False, soft_wrap=True)
