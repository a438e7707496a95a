"""The networks: shapes, parameters, initialisation, and that nothing depends on who else is in the batch."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainkit.errors import ConfigError
from trainkit.networks._layers import ACTIVATIONS, initialise
from trainkit.networks.cnn import Block, CNNNetwork, sizes
from trainkit.networks.lstm import LSTMNetwork, Pooling
from trainkit.networks.mlp import MLPNetwork

IMAGES = [(1, 8, 8), (3, 8, 9), (2, 11, 8), (4, 16, 16), (1, 28, 28), (3, 32, 32), (2, 33, 40), (1, 8, 40)]


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def all_learn(network: nn.Module, inputs: Tensor) -> bool:
    """Every parameter gets a gradient that is finite and not all zero."""
    network(inputs).square().sum().backward()
    return all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())


def made_twice(cls: type[nn.Module], *args: Any, **kwargs: Any) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(7)
    first = cls(*args, **kwargs)
    torch.manual_seed(7)
    return first, cls(*args, **kwargs)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# Dense layers.


@pytest.mark.parametrize("shape", [(5,), (1, 8, 8), (3, 9, 7), (20, 6)])
def test_mlp_flattens_whatever_comes(shape: tuple[int, ...]) -> None:
    inputs = torch.randn(4, *shape)
    assert MLPNetwork(inputs[0].numel(), [6, 5], 3)(inputs).shape == (4, 3)


def test_mlp_parameters() -> None:
    assert count(MLPNetwork(10, [100], 1)) == (10 * 100 + 100) + (100 + 1)
    assert count(MLPNetwork(30, [16, 8], 2, batch_norm=True)) == (30 * 16 + 2 * 16) + (16 * 8 + 2 * 8) + (8 * 2 + 2)


def test_without_hidden_layers_a_perceptron() -> None:
    network = MLPNetwork(64, [], 10, batch_norm=True, dropout=0.5)
    inputs = torch.randn(3, 1, 8, 8)
    (linear,) = [m for m in network.modules() if isinstance(m, nn.Linear)]
    assert count(network) == 64 * 10 + 10
    assert torch.equal(network(inputs), linear(inputs.flatten(1)))


@pytest.mark.parametrize("network", [MLPNetwork(9, [5, 4], 3, batch_norm=True), CNNNetwork((1, 8, 8), [Block(3)] * 2, [5], 2)])
def test_no_bias_before_a_norm(network: nn.Module) -> None:
    norms = nn.BatchNorm1d, nn.BatchNorm2d
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | norms[0] | norms[1])]
    followed = [a for a, b in pairwise(layers) if isinstance(b, norms)]
    free = [m for m in layers if isinstance(m, nn.Linear | nn.Conv2d) and m not in followed]
    assert len(followed) == 2 and all(layer.bias is None for layer in followed)
    assert free and all(layer.bias is not None for layer in free)


def test_without_a_norm_every_layer_has_a_bias() -> None:
    network = CNNNetwork((1, 8, 8), [Block(3)], [5], 2, batch_norm=False)
    assert all(m.bias is not None for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d))


def dropouts(network: nn.Module) -> list[float]:
    return [m.p for m in network.modules() if isinstance(m, nn.Dropout)]


def test_dropout_for_all_layers_or_for_each() -> None:
    assert dropouts(MLPNetwork(4, [3, 3], 2, dropout=0.2)) == [0.2, 0.2]
    assert dropouts(MLPNetwork(4, [3, 3, 3], 2, dropout=[0.1, 0.0, 0.3])) == [0.1, 0.3]
    with pytest.raises(ValueError, match="1 dropout chances for 2"):
        MLPNetwork(4, [3, 3], 2, dropout=[0.1])


def test_dropout_changes_no_name_of_a_weight() -> None:
    with_it, without = MLPNetwork(4, [3, 3], 2, dropout=0.5), MLPNetwork(4, [3, 3], 2)
    assert list(with_it.state_dict()) == list(without.state_dict())
    assert list(LSTMNetwork(4, 3, 2, 2, dropout=0.5).state_dict()) == list(LSTMNetwork(4, 3, 2, 2).state_dict())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation: str) -> None:
    for batch_norm in (False, True):
        torch.manual_seed(0)
        assert all_learn(MLPNetwork(6, [8, 8], 3, activation=activation, batch_norm=batch_norm), torch.randn(16, 6))
        torch.manual_seed(0)
        assert all_learn(
            CNNNetwork((2, 8, 8), [Block(8)], [8], 3, activation=activation, batch_norm=batch_norm), torch.randn(16, 2, 8, 8)
        )


def test_initialisation_follows_the_papers() -> None:
    torch.manual_seed(0)

    def deviation(then: str | None) -> float:
        return initialise(nn.Linear(400, 600), then).weight.std().item()

    assert deviation("relu") == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert deviation("gelu") == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert deviation("leaky_relu") == pytest.approx((2 / (1 + 0.01**2) / 400) ** 0.5, rel=0.02)
    assert deviation("tanh") == pytest.approx((2 / (400 + 600)) ** 0.5, rel=0.02)
    assert deviation(None) == pytest.approx((1 / 400) ** 0.5, rel=0.02)
    conv = initialise(nn.Conv2d(16, 256, 5), "relu")
    assert conv.weight.std().item() == pytest.approx((2 / (16 * 25)) ** 0.5, rel=0.02)
    assert conv.bias is not None and not conv.bias.any()


def test_the_signal_keeps_its_size_through_many_layers() -> None:
    torch.manual_seed(0)
    assert 0.3 < MLPNetwork(100, [256] * 20, 50)(torch.randn(200, 100)).std().item() < 3


def test_weights_are_a_function_of_the_seed() -> None:
    assert same(*made_twice(MLPNetwork, 9, [8, 7], 3, batch_norm=True))
    assert same(*made_twice(CNNNetwork, (1, 9, 9), [Block(4)], [8], 3))
    assert same(*made_twice(LSTMNetwork, 9, 8, 2, 3, bidirectional=True, head=[4]))


# Convolutions.


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("blocks", [
    [Block(4)], [Block(4), Block(6), *[Block(8)] * 3], [Block(4, 5, 2, "same", "avg", 3)], [Block(3, 2), Block(4, 4, 1)],
    [Block(4, 3, 1, 0, "none"), Block(5, 1, 2, 3, "max", 3)],
])  # fmt: skip
def test_cnn_takes_every_size(shape: tuple[int, int, int], blocks: list[Block]) -> None:
    network = CNNNetwork(shape, blocks, [7], 5)
    inputs = torch.randn(2, *shape)
    expected = sizes(shape, blocks)
    for block, size in zip(network.blocks, expected, strict=True):
        inputs = block(inputs)
        assert inputs.shape == (2, *size)
    assert network(torch.randn(2, *shape)).shape == (2, 5)


def test_sizes_by_hand() -> None:
    assert sizes((3, 32, 32), [Block(32), Block(64), Block(128)]) == [(32, 16, 16), (64, 8, 8), (128, 4, 4)]
    assert sizes((1, 33, 40), [Block(4, 5, 2, 0, "avg", 3)]) == [(4, 5, 6)]  # (33-5)//2+1 = 15, 15//3 = 5; 18//3 = 6
    assert sizes((1, 8, 8), []) == []


def test_a_picture_smaller_than_the_pool_is_not_pooled() -> None:
    assert sizes((1, 8, 8), [Block(2)] * 5) == [(2, 4, 4), (2, 2, 2), (2, 1, 1), (2, 1, 1), (2, 1, 1)]
    assert sizes((1, 2, 9), [Block(2, pool_size=3)]) == [(2, 2, 9)]
    assert CNNNetwork((1, 8, 8), [Block(2)] * 5, [], 3)(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_a_kernel_that_does_not_fit_is_refused() -> None:
    blocks = [Block(4), Block(4, kernel=7, padding=1)]
    with pytest.raises(ConfigError) as caught:
        CNNNetwork((1, 8, 8), blocks, [], 3)
    (problem,) = caught.value.problems
    assert problem.key == ("model", "blocks", 1, "kernel")
    assert problem.message == "block 2 gets pictures of 4 × 4, too small for its kernel of 7 × 7 with padding 1."
    assert problem.suggestion == "Use a kernel of 6 at most, `padding: same`, or fewer pools and strides before it."
    assert sizes((1, 8, 8), [Block(4), Block(4, kernel=6, padding=1)])[-1] == (4, 1, 1)
    assert sizes((1, 8, 8), [Block(4), Block(4, kernel=7)])[-1] == (4, 2, 2)


def test_cnn_parameters() -> None:
    network = CNNNetwork((1, 8, 8), [Block(32), Block(64)], [128], 10)
    assert count(network) == (9 * 32 + 2 * 32) + (32 * 9 * 64 + 2 * 64) + (64 * 2 * 2 * 128 + 128) + (128 * 10 + 10)


class Cifar(nn.Module):
    """The usual small network for 32 × 32 colour pictures, in plain PyTorch."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.conv_layers = nn.Sequential(
            *[nn.Conv2d(3, 32, kernel_size=3, padding=1, bias=bias), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2, 2)],
            *[nn.Conv2d(32, 64, kernel_size=3, padding=1, bias=bias), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2, 2)],
            *[nn.Conv2d(64, 128, kernel_size=3, padding=1, bias=bias), nn.BatchNorm2d(128), nn.ReLU(), nn.MaxPool2d(2, 2)],
        )
        self.fc_layers = nn.Sequential(nn.Flatten(), nn.Linear(128 * 4 * 4, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.fc_layers(self.conv_layers(inputs))
        return outputs


def test_the_same_as_the_plain_network() -> None:
    """Weight for weight and, in training too, number for number; biases before batch norm, which do nothing, are left out."""
    plain, ours = Cifar(bias=False), CNNNetwork((3, 32, 32), [Block(32), Block(64), Block(128)], [256], 10, dropout=0.5)
    assert count(ours) == count(plain) == count(Cifar(bias=True)) - (32 + 64 + 128) == 620_810 - 224
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    inputs = torch.randn(4, 3, 32, 32)
    for training in (True, False):
        answers = []
        for network in (plain.train(training), ours.train(training)):
            torch.manual_seed(1)
            answers.append(network(inputs))
        assert torch.equal(*answers)


# LSTM.

LSTMS = [(pooling, both, layers) for pooling in ("last", "mean", "max") for both in (False, True) for layers in (1, 2, 3)]


@pytest.mark.parametrize(("pooling", "both", "layers"), LSTMS)
def test_alone_equals_batched(pooling: Pooling, both: bool, layers: int) -> None:
    torch.manual_seed(0)
    network = LSTMNetwork(6, 16, layers, 4, bidirectional=both, dropout=0.3, pooling=pooling, head=[8], head_dropout=0.2).eval()
    inputs = torch.randn(9, 13, 6)
    batched = network(inputs)
    assert batched.shape == (9, 4)
    torch.testing.assert_close(torch.cat([network(row[None]) for row in inputs]), batched, rtol=0, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(torch.cat([network(row[None]) for row in inputs]), batched, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("pooling", "both", "layers"), LSTMS)
def test_lstm_learns_everywhere(pooling: Pooling, both: bool, layers: int) -> None:
    torch.manual_seed(0)
    network = LSTMNetwork(6, 8, layers, 3, bidirectional=both, dropout=0.1, pooling=pooling, head=[32], head_dropout=0.1)
    assert all_learn(network, torch.randn(16, 5, 6))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_last_is_each_directions_own_last_step(both: bool, layers: int) -> None:
    """Against nn.LSTM with the same weights, whose final states are what each direction ends with."""
    torch.manual_seed(0)
    network = LSTMNetwork(5, 7, layers, 3, bidirectional=both).eval()
    whole = nn.LSTM(5, 7, layers, batch_first=True, bidirectional=both)
    with torch.no_grad():
        mine = [p for layer in network.layers for p in layer.parameters()]
        for theirs, value in zip(whole.parameters(), mine, strict=True):
            theirs.copy_(value)
    inputs = torch.randn(4, 6, 5)
    steps, (final, _) = whole(inputs)
    ends = torch.cat([final[-2], final[-1]], dim=1) if both else final[-1]
    by_hand = torch.cat([steps[:, -1, :7], steps[:, 0, 7:]], dim=1)
    torch.testing.assert_close(by_hand, ends)
    torch.testing.assert_close(network(inputs), network.head(ends))
    pooled_by: dict[Pooling, Tensor] = {"mean": steps.mean(dim=1), "max": steps.max(dim=1).values}
    for pooling, pooled in pooled_by.items():
        network.pooling = pooling
        torch.testing.assert_close(network(inputs), network.head(pooled))


def test_lstm_reads_an_image_row_by_row() -> None:
    torch.manual_seed(0)
    network = LSTMNetwork(3 * 7, 8, 1, 2).eval()
    images = torch.randn(4, 3, 9, 7)
    rows = torch.stack([images[:, :, y].reshape(4, 21) for y in range(9)], dim=1)
    assert torch.equal(network(images), network(rows))


def test_lstm_depends_on_the_order_of_the_steps() -> None:
    torch.manual_seed(0)
    network = LSTMNetwork(3, 8, 1, 2, pooling="mean").eval()
    inputs = torch.randn(1, 6, 3)
    assert not torch.allclose(network(inputs), network(inputs.flip(1)))


def test_lstm_parameters() -> None:
    def layer(inputs: int, hidden: int) -> int:
        return 4 * (inputs * hidden + hidden * hidden + 2 * hidden)

    assert count(LSTMNetwork(8, 64, 1, 10)) == layer(8, 64) + 64 * 10 + 10
    text = LSTMNetwork(128, 256, 2, 2, bidirectional=True, dropout=0.3, head=[64], head_dropout=0.3)
    assert count(text) == 2 * layer(128, 256) + 2 * layer(512, 256) + (512 * 64 + 64) + (64 * 2 + 2)


def test_lstm_starts_orthogonal_and_remembering() -> None:
    network = LSTMNetwork(5, 12, 2, 3, bidirectional=True)
    named = [(name, p) for layer in network.layers for name, p in layer.named_parameters()]
    assert len(named) == 16
    for name, weight in named:
        gates = weight.detach().chunk(4)
        if name.startswith("weight_hh"):
            assert all(torch.allclose(gate @ gate.T, torch.eye(12), atol=1e-5) for gate in gates)
        elif name.startswith("weight_ih"):
            limit = (6 / (12 + weight.shape[1])) ** 0.5
            assert all(0.5 * limit < gate.abs().max() <= limit for gate in gates)
        else:
            assert [set(gate.tolist()) for gate in gates] == [{0}, {1 if "_ih_" in name else 0}, {0}, {0}]


def test_lstm_dropout_stands_between_the_layers_and_on_what_is_pooled() -> None:
    inputs = torch.randn(8, 5, 4)

    def differs(network: nn.Module) -> bool:
        return not torch.equal(network(inputs), network(inputs))

    assert not differs(LSTMNetwork(4, 8, 2, 2))
    assert differs(LSTMNetwork(4, 8, 1, 2, dropout=0.5))
    assert differs(LSTMNetwork(4, 8, 1, 2, head=[8], head_dropout=0.5))
    between = LSTMNetwork(4, 8, 2, 2, dropout=0.5)
    seen: list[Tensor] = []
    between.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    between.layers[1].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    between(inputs)
    assert torch.equal(seen[0], inputs) and 0.3 < (seen[1] == 0).float().mean() < 0.7


def test_dropout_is_a_function_of_the_seed() -> None:
    network, inputs = LSTMNetwork(4, 8, 3, 2, dropout=0.5, head=[8], head_dropout=0.5), torch.randn(8, 5, 4)

    def run() -> Tensor:
        torch.manual_seed(3)
        outputs: Tensor = network(inputs)
        return outputs

    assert torch.equal(run(), run())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_dropout_is_a_function_of_the_seed_on_a_gpu_too() -> None:
    network, inputs = LSTMNetwork(4, 32, 3, 2, dropout=0.5).cuda(), torch.randn(8, 5, 4, device="cuda")
    answers = []
    for _ in range(3):
        torch.manual_seed(3)
        answers.append(network(inputs))
    assert all(torch.equal(answer, answers[0]) for answer in answers)
