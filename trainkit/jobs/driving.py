"""The consumer of the loop's events: logs each, saves, stops when asked, and ends the run properly."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Protocol

from trainkit.engine.evaluation import evaluating
from trainkit.engine.features import FOLDER
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.engine.signals import Interruption
from trainkit.errors import NumericError, printable
from trainkit.jobs.measuring import measure
from trainkit.jobs.result import Result, clean
from trainkit.parts.loggers import BuiltLogger
from trainkit.parts.loggers.jsonl import JSONL
from trainkit.report import story
from trainkit.spec import Event
from trainkit.store import checkpoint
from trainkit.store.runs import RunFolder


class _Stopped(Exception):
    """Ctrl-C, while features are computed."""


class Screen(Protocol):
    """Where a job says what happens. The command line draws it; from Python nothing is said by default."""

    def say(self, line: str) -> None:
        """A line that stays."""

    def bar(self, steps: int, done: int, word: str = "step") -> AbstractContextManager[object]:
        """While training: a live bar, where there is a terminal."""

    def step(self, step: int, loss: float | None, rows_per_second: float | None) -> None:
        """A step is done; the numbers are those of the last log point."""


class Silent:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def bar(self, steps: int, done: int, word: str = "step") -> AbstractContextManager[object]:
        """No bar."""
        return nullcontext()

    def step(self, step: int, loss: float | None, rows_per_second: float | None) -> None:
        """Nothing."""


@dataclass
class Drive:
    """One training from where its run stands to its end."""

    run: Run
    folder: RunFolder
    screen: Screen
    setup_seconds: float
    started: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        chosen = {logger.name: logger for logger in (JSONL(), *self.run.config.loggers)}
        self.loggers: dict[str, BuiltLogger] = {name: logger.build(self.folder.path) for name, logger in chosen.items()}

    def __call__(self, positions: Mapping[str, Any] | None = None) -> Result:
        """Train. ``positions`` of the loggers, from the checkpoint, continue a run in its folder; None begins one."""
        run = self.run
        self.positions = dict(positions or {})
        checkpoint.sweep(self.folder.checkpoints)
        for name, logger in self.loggers.items():
            logger.rewind(self.positions.get(name))
        with ExitStack() as stack:
            for logger in self.loggers.values():
                stack.callback(logger.close)  # also when it fails: the curve into a NaN is worth seeing
            interruption = stack.enter_context(Interruption(self.say))
            if positions is None:
                self._begin()
            first, began = run.state.step, perf_counter()
            if not run.done:
                try:
                    if self._keep_features(interruption):
                        self._train(interruption)
                except NumericError as error:
                    again = f"Then go on: trainkit resume {self.folder.shown} optimizer.lr={run.config.optimizer.lr / 10:g}"
                    said = [p if p.key else replace(p, suggestion=f"{p.suggestion} {again}") for p in error.problems]
                    raise NumericError(said) from error
            seconds = perf_counter() - began
            rows = (run.state.step - first) * run.plan.batch_size  # good to a part of one batch
            result = Result.of(run, self.folder)
            self.say(story.ending(run, result.status))
            if result.status != "interrupted":
                interruption.words = "The training is done, and is being measured. Ctrl-C again stops now; resume measures it anew."
                result.validation, result.test, result.baseline, result.details = measure(run, self.folder, self.loggers, self.say)
                self._positions()  # all on the disk before the record that says it is finished
                for logger in self.loggers.values():
                    logger.log(result.record())
        result.signal = interruption.signal
        result.samples_per_second = round(rows / seconds, 1) if rows else None
        total = self.setup_seconds + perf_counter() - self.started
        result.seconds = {"setup": round(self.setup_seconds, 3), "train": round(seconds, 3), "total": round(total, 3)}
        return result

    def say(self, line: str) -> None:
        """To the screen and to log.txt."""
        line = printable(line)
        self.screen.say(line)
        self.folder.say(line)

    def _begin(self) -> None:
        run = self.run
        with evaluating(run.network):
            for logger in self.loggers.values():
                logger.begin(run.config.text(), run.network, run.data["train"].part(0, 2))

    def _keep_features(self, interruption: Interruption) -> bool:
        """Where a frozen body's features are computed once: now. False where Ctrl-C ended it."""
        run, began, done = self.run, perf_counter(), 0
        total = run.features_ahead

        def heard(rows: int) -> None:
            nonlocal done
            done += rows
            self.screen.step(done, None, None)
            if interruption.signal is not None:
                raise _Stopped

        if not total:
            return True
        try:
            with self.screen.bar(total, 0, "picture"):
                found = run.keep_features(self.folder.path.parent / FOLDER, heard)
        except _Stopped:
            return False
        self.say(f"features  {found} in {perf_counter() - began:.1f} s; from here on the head trains on them")
        return True

    def _train(self, interruption: Interruption) -> None:
        run, rows = self.run, story.Rows(self.run)
        since, steps = perf_counter(), 0
        speed = None
        with self.screen.bar(run.plan.steps, run.state.step):
            for event in fit(run):
                steps += 1
                loss = None
                if run.due_log(event.step):  # reading a number waits for a GPU: only here
                    loss, now = event.loss.item(), perf_counter()
                    speed = steps * run.plan.batch_size / (now - since)
                    since, steps = now, 0
                    self._log(self._step_record(event, loss, speed))
                self.screen.step(event.step, loss, speed)
                if event.train is not None:
                    self._log(self._evaluation_record(event))
                    self.say(rows.line(event))
                stop = interruption.signal is not None
                if stop or event.improved or self._due_save(event.step):
                    self._save(event.improved)
                if stop:
                    return

    def _due_save(self, step: int) -> bool:
        every = self.run.config.checkpoint.every
        return step % (self.run.plan.per_epoch if every == "epoch" else every) == 0 or self.run.done

    def _save(self, improved: bool) -> None:
        """Best before last: a crash between the two leaves a best that is whole, and a last to go on from."""
        content = self.run.content() | {"loggers": self._positions()}
        folder = self.folder
        if folder.last.exists():
            checkpoint.duplicate(folder.last, folder.previous)
        best = [folder.best] if improved or self.run.plan.monitor is None else []
        checkpoint.save(content, *best, folder.last)

    def _positions(self) -> dict[str, Any]:
        """How far each logger's files reach; those that a resume has switched off keep theirs."""
        self.positions |= {name: logger.position() for name, logger in self.loggers.items()}
        return self.positions

    def _log(self, record: dict[str, Any]) -> None:
        for logger in self.loggers.values():
            logger.log(record)

    def _step_record(self, event: Event, loss: float, speed: float) -> dict[str, Any]:
        record = {"kind": "step", "step": event.step, "epoch": event.epoch, "train_loss": loss, "lr": event.rate}
        norm = {} if event.norm is None else {"grad_norm": event.norm.item()}
        return {**record, **norm, "rows_per_second": speed}

    def _evaluation_record(self, event: Event) -> dict[str, Any]:
        record = {"kind": "evaluation", "step": event.step, "epoch": event.epoch}
        return {**record, **clean(story.values(event)), "best": event.improved}
