"""The training loop: an objective in, weights out; a step depends on the seed, the data and the step before alone.

A step's random numbers come from (seed, step, process). So a run that was killed at any step goes on, from the
last state saved, to weights that are bit for bit those of a run that was not killed (same machine, same
packages, as many processes and threads).
"""

import math
import re
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from valence.errors import TrainingError
from valence.training.devices import trains_in_bf16
from valence.training.interrupt import Interrupt
from valence.training.objective import Objective
from valence.training.recipe import Recipe
from valence.training.sampling import epoch_batches, share_of
from valence.training.state import Progress, RunState

__all__ = ["Evaluate", "Monitor", "chosen_by", "train"]

Evaluate = Callable[[], dict[str, float]]
"""Measures the model being trained; gives at least "loss"."""

_CURVE_POINTS = 100
_CHECK_EVERY = 20  # steps between looks at the loss where looking stalls the device
# What PyTorch and oneDNN say when a processor's memory is used up: no class of its own.
_NO_MEMORY = re.compile("allocate|bad_alloc|could not create a (primitive|memory)|out of memory")


class Monitor(Protocol):
    """Is told how a run goes."""

    def on_start(self, step: int, total_steps: int) -> None:
        """Learn where the run begins.

        Args:
            step: steps done already, by a run that is resumed.
            total_steps: of the run.
        """

    def on_step(self, step: int, loss: float, learning_rate: float, examples_per_second: float) -> None:
        """Learn of a step.

        Args:
            step: steps done.
            loss: of its batch.
            learning_rate: of the step.
            examples_per_second: in this sitting so far.
        """

    def on_evaluation(self, step: int, figures: dict[str, float]) -> None:
        """Learn what came out on the evaluation data, other than at the end of an epoch.

        Args:
            step: steps done.
            figures: by name.
        """

    def on_epoch(self, figures: dict[str, float]) -> None:
        """Learn of an epoch.

        Args:
            figures: its number, its mean loss (of several processes: the main one's share), and the figures
                on the evaluation data.
        """


def train(
    model: nn.Module,
    objective: Objective,
    recipe: Recipe,
    seed: int,
    state: RunState,
    accelerator: Accelerator,
    evaluate: Evaluate | None = None,
    monitor: Monitor | None = None,
    save_every: int = 500,
    evaluate_every: int | None = None,
    choose_by: str = "accuracy",
) -> Progress:
    """Train a model until the recipe's last step; it ends with the weights the recipe keeps.

    Args:
        model: what is trained, changed in place; lies on the CPU.
        objective: what is minimised, and on which examples.
        recipe: the hyper-parameters.
        seed: for everything random.
        state: where the run's state is kept; if it holds one, the run goes on from there.
        accelerator: from `make_accelerator`.
        evaluate: measures the model after each epoch (of raised ones after some, see `Recipe.measured_epochs`); to
            keep the best epoch it must give "accuracy", too, and what it is chosen by.
        monitor: is told how it goes.
        save_every: steps between two states on disk.
        evaluate_every: steps between evaluations; before the first step, too. None: after each epoch alone.
        choose_by: the figure that is highest in the best epoch; the loss decides between equals.

    Returns:
        What happened.

    Raises:
        TrainingError: if the loss is no number any more, memory or disk is full; the last state is kept.
        KeyboardInterrupt: after an interrupt or a termination signal, with the state saved; says so.
    """
    run = _Run(model, objective, recipe, seed, state, accelerator, evaluate, monitor, choose_by)
    try:
        with Interrupt() as interrupt:
            run.train(interrupt, save_every, evaluate_every)
    except (MemoryError, RuntimeError) as problem:
        if isinstance(problem, MemoryError | torch.OutOfMemoryError) or _NO_MEMORY.search(str(problem)):
            raise TrainingError(
                f"out of memory at step {run.progress.step + 1}; {run.kept()}. Free some memory and go on "
                "with --resume, or start again with a smaller --batch-size or --max-length"
            ) from None
        raise
    except OSError as problem:
        raise TrainingError(
            f"cannot write the state at step {run.progress.step}: {problem.strerror or problem}; {run.kept()}"
            ". Make room and go on with --resume"
        ) from None
    return run.progress


class _Run:
    """One sitting of a run."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        recipe: Recipe,
        seed: int,
        state: RunState,
        accelerator: Accelerator,
        evaluate: Evaluate | None,
        monitor: Monitor | None,
        choose_by: str,
    ) -> None:
        self.choose_by = choose_by
        self.model = model.to(accelerator.device)
        self.objective = objective
        self.recipe = recipe
        self.seed = seed
        self.state = state
        self.accelerator = accelerator
        self.evaluate = evaluate if accelerator.is_main_process else None
        self.monitor = monitor
        self.total_steps = recipe.total_steps(len(objective.lengths))
        self.steps_per_epoch = self.total_steps // recipe.epochs
        self.measured_steps = frozenset(epoch * self.steps_per_epoch for epoch in recipe.measured_epochs)
        self.curve_every = max(1, self.total_steps // _CURVE_POINTS)
        if recipe.freeze == "embeddings":
            _freeze(model, "embeddings.words.weight")
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(model, recipe.weight_decay),
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            eps=recipe.epsilon,
            fused=True,
        )
        self.progress = state.restore(model, self.optimizer)
        self.saved_step = self.progress.step
        self.network: nn.Module = accelerator.prepare(model)
        self.autocast = torch.autocast(
            accelerator.device.type, torch.bfloat16, enabled=trains_in_bf16(recipe, accelerator.device)
        )
        # Losses not looked at yet: looking makes a GPU wait, so there it happens once in a while.
        self._check_every = 1 if accelerator.device.type == "cpu" else _CHECK_EVERY
        self._unseen = torch.zeros((), device=accelerator.device)
        self._n_unseen = 0
        self._last_loss = 0.0

    def kept(self) -> str:
        """Say what an interrupted run leaves behind."""
        return f"the state at step {self.saved_step} is kept" if self.saved_step else "nothing was saved yet"

    def train(self, interrupt: Interrupt, save_every: int, evaluate_every: int | None) -> None:
        """Run from the step reached to the last one."""
        progress, monitor = self.progress, self.monitor
        self._begin(interrupt, evaluate_every)
        earlier_seconds, examples, start = progress.seconds, 0, time.perf_counter()
        while progress.step < self.total_steps:
            epoch, first = divmod(progress.step, self.steps_per_epoch)
            batches = epoch_batches(self.objective.lengths, self.recipe.batch_size, self.seed, epoch)
            for batch in batches[first:]:
                learning_rate = self.recipe.learning_rate_at(progress.step, self.total_steps)
                self._step(batch, learning_rate)
                progress.step += 1
                examples += len(batch)
                progress.seconds = earlier_seconds + time.perf_counter() - start
                if progress.step % self.curve_every == 0:
                    self._draw()
                if monitor is not None:
                    rate = examples / (progress.seconds - earlier_seconds)
                    monitor.on_step(progress.step, self._last_loss, learning_rate, rate)
                if progress.step in self.measured_steps:
                    break
                if evaluate_every and progress.step % evaluate_every == 0:
                    self._evaluate_within(interrupt)
                stop = self._must_stop(interrupt)
                if stop or progress.step % save_every == 0:
                    self._save()
                if stop:
                    raise KeyboardInterrupt(self.kept())
            if progress.step not in self.measured_steps:
                continue
            self._end_epoch(interrupt)
            progress.seconds = earlier_seconds + time.perf_counter() - start
            self._save()
            if self._must_stop(interrupt):
                raise KeyboardInterrupt(self.kept())
        if progress.best_epoch is not None and self.accelerator.is_main_process:
            self.state.restore_best(self.model)

    def _begin(self, interrupt: Interrupt, evaluate_every: int | None) -> None:
        """Make up for an evaluation that the sitting before did not finish, or measure before the first step."""
        step = self.progress.step
        if self.monitor is not None:
            self.monitor.on_start(step, self.total_steps)
        if step in self.measured_steps:
            if self._epochs_ended() < step // self.steps_per_epoch:
                self._end_epoch(interrupt)
        elif evaluate_every and step % evaluate_every == 0 and step not in self._evaluated_steps():
            self._evaluate_within(interrupt)

    def _epochs_ended(self) -> int:
        """The last epoch whose end was dealt with; 0 before the first."""
        return int(self.progress.history[-1]["epoch"]) if self.progress.history else 0

    def _evaluated_steps(self) -> set[float]:
        return {figures["step"] for figures in self.progress.evaluations}

    def _must_stop(self, interrupt: Interrupt) -> bool:
        """Decide whether to stop here: several processes must stop at the same step, or one waits for ever."""
        if self.accelerator.num_processes == 1:
            return interrupt.requested
        if self.progress.step % self._check_every:
            return False
        requested = torch.tensor(float(interrupt.requested), device=self.accelerator.device)
        return bool(self.accelerator.reduce(requested, "sum") > 0)

    def _step(self, batch: NDArray[np.intp], learning_rate: float) -> None:
        """Do one step of the optimiser."""
        self.network.train()
        process, device = self.accelerator.process_index, self.accelerator.device
        seed = _mix(self.seed, self.progress.step, process)
        torch.manual_seed(seed)
        examples, weight = share_of(batch, process, self.accelerator.num_processes)
        with self.autocast:
            loss = self.objective.loss(self.network, examples, np.random.default_rng(seed), device)
        self.accelerator.backward(loss * weight)
        norm = self._clip()
        self._unseen += loss.detach() + 0.0 * norm  # the norm adds nothing, unless it is no number
        self._n_unseen += 1
        if self._n_unseen == self._check_every:
            self._look()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _clip(self) -> torch.Tensor:
        """Bring the gradient to its largest norm, if it is above; return the norm that it had."""
        most, parameters = self.recipe.gradient_clip, list(self.model.parameters())
        norm = nn.utils.get_total_norm([gradient for one in parameters if (gradient := one.grad) is not None])
        # On a GPU to look would be to wait; on a CPU it saves a pass over all gradients, which multiplies them by 1.
        if norm.device.type != "cpu" or not most / (norm + 1e-6) >= 1.0:  # as PyTorch computes the factor
            nn.utils.clip_grads_with_norm_(parameters, most, norm)
        return norm

    def _look(self) -> None:
        """Take the losses not looked at yet into account, and refuse anything that is no number."""
        if self._n_unseen == 0:
            return
        total = float(self._unseen)
        if not math.isfinite(total):
            raise TrainingError(self._no_number("the loss or its gradient"))
        self.progress.epoch_loss += total
        self.progress.curve_loss += total
        self._last_loss = total / self._n_unseen
        self._unseen.zero_()
        self._n_unseen = 0

    def _no_number(self, what: str) -> str:
        return (
            f"{what} is no number any more, near step {self.progress.step + 1}; {self.kept()}. "
            "Start again with a lower --learning-rate"
        )

    def _save(self) -> None:
        self._look()
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise TrainingError(self._no_number("a weight"))
        if self.accelerator.is_main_process:
            self.state.save(self.model, self.optimizer, self.progress)
        self.saved_step = self.progress.step
        self.accelerator.wait_for_everyone()

    def _draw(self) -> None:
        """Add a point to the learning curve."""
        self._look()
        progress = self.progress
        done = progress.step - (progress.curve[-1]["step"] if progress.curve else 0)
        progress.curve.append({"step": progress.step, "train_loss": progress.curve_loss / done})
        progress.curve_loss = 0.0

    def _evaluate(self, interrupt: Interrupt) -> dict[str, float]:
        """Measure the model, if there is something to measure it with; an interrupted run begins with it again."""
        if self.evaluate is None:
            return {}
        try:
            # One of several processes must not stop alone.
            with interrupt.at_once() if self.accelerator.num_processes == 1 else nullcontext():
                figures = self.evaluate()
        except KeyboardInterrupt:
            if self.progress.step:
                self._save()
            raise KeyboardInterrupt(self.kept()) from None
        if not math.isfinite(figures["loss"]):
            raise TrainingError(self._no_number("the evaluation loss"))
        self.progress.evaluations.append({"step": self.progress.step, **figures})
        return figures

    def _evaluate_within(self, interrupt: Interrupt) -> None:
        figures = self._evaluate(interrupt)
        if self.monitor is not None and figures:
            self.monitor.on_evaluation(self.progress.step, figures)
        self.accelerator.wait_for_everyone()

    def _end_epoch(self, interrupt: Interrupt) -> None:
        progress = self.progress
        self._look()
        epoch = progress.step // self.steps_per_epoch
        n_steps = progress.step - self._epochs_ended() * self.steps_per_epoch
        figures = {"epoch": float(epoch), "train_loss": progress.epoch_loss / n_steps}
        figures |= self._evaluate(interrupt)
        progress.epoch_loss = 0.0
        if self.recipe.keep == "best" and "accuracy" in figures:
            best = next((f for f in progress.history if f["epoch"] == progress.best_epoch), None)
            by = chosen_by([*progress.history, figures], self.choose_by)
            if best is None or (figures[by], -figures["loss"]) > (best[by], -best["loss"]):
                progress.best_epoch = epoch
                self.state.save_best(self.model)
        progress.history.append(figures)
        if self.monitor is not None:
            self.monitor.on_epoch(figures)
        self.accelerator.wait_for_everyone()


def chosen_by(history: Sequence[dict[str, float]], choose_by: str) -> str:
    """Say which figure decides on the best epoch: a run that an earlier version began has accuracy alone.

    Args:
        history: the epochs done.
        choose_by: the figure that is wanted.

    Returns:
        Its name, or "accuracy" where an epoch lacks it.
    """
    return choose_by if all(choose_by in figures for figures in history) else "accuracy"


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Spare vectors (biases and layer norms) from weight decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _freeze(model: nn.Module, name: str) -> None:
    """Leave tensors of this name, wherever they stand in the network, as they are."""
    for found, parameter in model.named_parameters():
        if found.endswith(name):
            parameter.requires_grad_(False)


def _mix(seed: int, step: int, process: int) -> int:
    """Make one seed of three numbers, far apart for neighbouring steps."""
    return (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + process * 0x94D049BB133111EB) % 2**63
