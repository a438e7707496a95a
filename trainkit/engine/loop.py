"""The loop: a generator of events, one an optimizer step."""

from collections.abc import Iterator

from trainkit.data.cutting import pieces
from trainkit.engine.run import Run
from trainkit.spec import Event


def fit(run: Run) -> Iterator[Event]:
    """Train until the steps, the patience or the time run out: one event a step, with nothing of that step left to do."""
    plan, state, network = run.plan, run.state, run.network
    for batch in run.batches(start=state.step):  # step N is always the same rows
        if run.done:  # on top: a run that was done stays done
            return
        run.set_rate()
        whole, losses = run.task.weight(batch), []
        for k, piece in enumerate(pieces(batch, plan.accumulate)):
            run.reseed(state.step, k)
            with run.autocast():
                part = run.task(network, piece)["loss"] * (run.task.weight(piece) / whole)
            run.backward(part)
            losses.append(part.detach())  # stays on the device
        loss = sum(losses[1:], start=losses[0])
        norm = run.update(loss, batch)
        state.advance(loss, whole)
        event = Event(state.step, run.epoch(state.step), loss, run.taken_rate, norm)
        if run.due_evaluation(state.step):
            event.train, event.validation, event.improved = run.judge()
        yield event
