"""From a config and the data's shapes to a network, its task and its optimizer, and what must fit together for them to train."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainkit.config.tree import Config
from trainkit.data.randomness import key
from trainkit.engine.evaluation import evaluating
from trainkit.engine.hardware import Hardware
from trainkit.errors import CheckpointError, ConfigError, SetupError
from trainkit.networks.embedded import Embedded
from trainkit.networks.transfer import TransferNetwork
from trainkit.parts.tasks import BuiltTask
from trainkit.spec import Batch, Spec


def assemble(config: Config, spec: Spec, hardware: Hardware) -> tuple[nn.Module, BuiltTask]:
    """The network, its weights a function of the seed, and the task, both on the device.

    Raises ConfigError when the model cannot take the data, or answers with another shape than the task needs.
    """
    assert config.task is not None, "inferred before"
    torch.manual_seed(key(config.seed, "init"))
    config.model.check(spec)
    spec = replace(spec, outputs=config.task.outputs(spec))
    network = _built(config, spec)
    outline, example = outlined(config, spec, network, spec.example())
    with evaluating(outline):
        shape = tuple(example.through(outline).shape)
    if shape != (2, spec.outputs):
        raise ConfigError(
            f"the model answers two rows with shape {shape}; the data needs {(2, spec.outputs)}.",
            key=("model",),
            suggestion="End it with spec.outputs numbers a row.",
        )
    task = config.task.build(spec)
    task.to(hardware.device, hardware.dtype)
    return network.to(hardware.device, hardware.dtype), task


def _built(config: Config, spec: Spec) -> nn.Module:
    network = config.model.build(spec.widened if spec.embedded else spec)
    if not isinstance(network, nn.Module):
        what = f"the model's build gives {type(network).__name__}, not a torch.nn.Module."
        raise ConfigError(what, key=("model",), suggestion="Let it return the network.")
    return Embedded(network, spec.embedded, spec.input_size) if spec.embedded else network


def outlined(config: Config, spec: Spec, network: nn.Module, example: Batch) -> tuple[nn.Module, Batch]:
    """The network and rows to ask it about shapes: without numbers where a body would compute 32 pictures for the two."""
    if not isinstance(network, TransferNetwork):
        return network, example
    assert config.task is not None
    with torch.device("meta"):
        network = _built(config, replace(spec, outputs=config.task.outputs(spec)))
    return network, example.to(torch.device("meta"))


def check_sizes(config: Config, spec: Spec, weights: Mapping[str, Any]) -> None:
    """Raises CheckpointError when a checkpoint's weights are not those of its config and spec: asked before any memory is taken,
    since a file of a few bytes may describe a network of many gigabytes."""
    assert config.task is not None
    try:
        with torch.device("meta"):
            network = _built(config, replace(spec, outputs=config.task.outputs(spec)))
        wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    except (NotImplementedError, RuntimeError):  # a model of the user's that does not build without memory
        return
    found = {name: tuple(getattr(value, "shape", ())) for name, value in weights.items()}
    if strange := next((name for name in {**wanted, **found} if wanted.get(name) != found.get(name)), None):
        words = f"{strange} is {found.get(strange, 'not there')}, and should be {wanted.get(strange, 'absent')}"
        raise CheckpointError(f"the checkpoint's weights do not fit the model of its config: {words}.")


def build_optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    """Over the network's trainable weights. Raises ConfigError when the part gives something else."""
    made = config.optimizer.build(network)
    if not isinstance(made, torch.optim.Optimizer):
        what = f"the optimizer's build gives {type(made).__name__}, not a torch.optim.Optimizer."
        raise ConfigError(what, key=("optimizer",), suggestion="Let it return the optimizer.")
    return made


def trained_weights(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The weights of a checkpoint that are measured and used: their running mean where there is one."""
    weights: Mapping[str, Any] = content["network"] if content["ema"] is None else content["ema"]
    return weights


def load_weights(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Raises CheckpointError when names or shapes differ."""
    try:
        network.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        what = "; ".join(line.strip() for line in str(error).splitlines()[1:4]) or str(error)
        raise CheckpointError(f"the checkpoint's weights do not fit the model of its config: {what}") from error


def copied(network: nn.Module, hardware: Hardware) -> nn.Module:
    """The same network with weights of its own."""
    return copy.deepcopy(network).to(hardware.device)  # .to() lays an RNN's weights into one buffer again, for cuDNN


def check_norms(network: nn.Module, smallest: int) -> None:
    """Raises ConfigError when batch norm would see one row alone; ``smallest``: rows of the smallest piece."""
    norms = nn.modules.batchnorm._BatchNorm
    if smallest == 1 and any(isinstance(module, norms) and module.training for module in network.modules()):
        raise ConfigError(
            "batch norm needs more than one row at a time, and some piece would have just one.",
            key=("training",),
            suggestion="Change training.batch_size or training.accumulate.",
        )


def check_kernels(network: nn.Module, task: BuiltTask, hardware: Hardware, batch: Batch) -> None:
    """Two rows forth and back through a copy, where a kernel may be missing. Raises SetupError before anything is written."""
    if hardware.device.type == "cpu" and hardware.precision != "bf16":
        return
    few = batch.part(0, 2)
    try:
        with hardware.autocast():
            loss = task(copied(network, hardware), few)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        words = str(error).splitlines()[0]
        if "deterministic" in words:
            fix = "Set `deterministic: false`; runs may then differ in last digits."
            raise SetupError(f"{words}.", key=("deterministic",), suggestion=fix) from error
        if hardware.precision in ("bf16", "fp16"):
            said = f"this model does not train in {hardware.precision} on this {hardware.device.type}: {words}."
            raise SetupError(said, key=("precision",), suggestion="Use `precision: fp32`.") from error
        raise
