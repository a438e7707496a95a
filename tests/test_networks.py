"""The networks: shapes, parameters, initialisation, and that nothing depends on who else is in the batch."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from math import cos, sin
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from trainkit.errors import ConfigError, DataError
from trainkit.networks._layers import ACTIVATIONS, initialise
from trainkit.networks._steps import Pooling, embedding
from trainkit.networks.cnn import Block, CNNNetwork, sizes
from trainkit.networks.mlp import MLPNetwork
from trainkit.networks.recurrent import Cell, RecurrentNetwork
from trainkit.networks.transformer import EncoderLayer, TransformerNetwork, sinusoids

LSTMNetwork = partial(RecurrentNetwork, "lstm")
IMAGES = [(1, 8, 8), (3, 8, 9), (2, 11, 8), (4, 16, 16), (1, 28, 28), (3, 32, 32), (2, 33, 40), (1, 8, 40)]


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def all_learn(network: nn.Module, *inputs: Tensor) -> bool:
    """Every parameter gets a gradient that is finite and not all zero."""
    network(*inputs).square().sum().backward()
    return all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())


def made_twice(cls: Callable[..., nn.Module], *args: Any, **kwargs: Any) -> tuple[nn.Module, nn.Module]:
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
    assert same(*made_twice(TransformerNetwork, 9, 8, 2, 2, 3, feedforward=8, longest=4, vocabulary=5, positions="learned"))


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


@pytest.mark.parametrize(("cell", "gates"), [("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)])
def test_gru_and_rnn_start_orthogonal_without_biases(cell: Cell, gates: int) -> None:
    weights = dict(RecurrentNetwork(cell, 5, 12, 1, 3).layers[0].named_parameters())
    assert weights["weight_hh_l0"].shape == (gates * 12, 12)
    for gate in weights["weight_hh_l0"].detach().chunk(gates):
        torch.testing.assert_close(gate @ gate.T, torch.eye(12), atol=1e-5, rtol=0)
    assert not weights["bias_ih_l0"].any() and not weights["bias_hh_l0"].any()


@pytest.mark.parametrize(("cell", "bend"), [("rnn_tanh", torch.tanh), ("rnn_relu", torch.relu)])
def test_a_simple_unit_by_hand(cell: Cell, bend: Callable[[Tensor], Tensor]) -> None:
    network = RecurrentNetwork(cell, 2, 3, 1, 4).double()
    inner, before, *_ = network.layers[0].parameters()
    inputs, state = torch.randn(5, 6, 2).double(), torch.zeros(5, 3).double()
    for step in inputs.unbind(1):
        state = bend(step @ inner.T + state @ before.T)
    torch.testing.assert_close(network(inputs), network.head(state), rtol=0, atol=1e-12)


def test_a_gru_has_three_quarters_of_an_lstm() -> None:
    assert 4 * count(RecurrentNetwork("gru", 8, 64, 2, 10).layers) == 3 * count(LSTMNetwork(8, 64, 2, 10).layers)


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


# Steps: sequences and tokens, of one length and of many.

CELLS: tuple[Cell, ...] = ("rnn_tanh", "rnn_relu", "gru", "lstm")
POOLINGS: tuple[Pooling, ...] = ("last", "mean", "max")
NORMS: tuple[Literal["pre", "post"], ...] = ("pre", "post")
POSITIONS: tuple[Literal["sinusoidal", "learned"], ...] = ("sinusoidal", "learned")
READERS: dict[str, Callable[..., nn.Module]] = {}
for cell, pooling, both in product(CELLS, POOLINGS, (False, True)):
    READERS[f"{cell}-{pooling}{'-both' if both else ''}"] = partial(
        RecurrentNetwork, cell, hidden=7, layers=2, outputs=3, bidirectional=both, pooling=pooling, dropout=0.2
    )
for norm, positions, kept in product(NORMS, POSITIONS, (*POOLINGS, "cls")):
    settings: dict[str, Any] = {"norm": norm, "positions": positions, "pooling": kept, "dropout": 0.2}
    READERS[f"transformer-{norm}-{positions}-{kept}"] = partial(
        TransformerNetwork, width=8, layers=2, heads=2, outputs=3, feedforward=12, longest=7, **settings
    )
every_reader = pytest.mark.parametrize(("reader", "tokens"), list(product(READERS, (False, True))))
LENGTHS = torch.tensor([7, 1, 4, 7, 2, 6])
BEHIND = torch.arange(9) >= LENGTHS[:, None]  # the inputs are wider than the longest row


def made(reader: str, tokens: bool) -> nn.Module:
    torch.manual_seed(0)
    return READERS[reader](inputs=5, vocabulary=6 if tokens else 0).double().eval()


def rows(tokens: bool) -> Tensor:
    """Six rows of nine steps, as `LENGTHS` has them; each begins with the token 0, and 5 is only ever padding."""
    maker = torch.Generator().manual_seed(1)
    if not tokens:
        return torch.randn(6, 9, 5, generator=maker, dtype=torch.float64)
    ids = torch.randint(5, (6, 9), generator=maker)
    ids[:, 0] = 0
    return ids.masked_fill(BEHIND, 5)


def spoiled(inputs: Tensor, garbage: float) -> Tensor:
    return inputs.masked_fill(BEHIND if inputs.ndim == 2 else BEHIND[..., None], garbage)


@every_reader
def test_a_row_answers_alone_as_in_any_padded_batch(reader: str, tokens: bool) -> None:
    network, inputs = made(reader, tokens), rows(tokens)
    alone = torch.cat([network(row[None, :length]) for row, length in zip(inputs, LENGTHS.tolist(), strict=True)])
    assert (alone[1:] - alone[:1]).abs().amax(dim=1).min() > 1e-3  # the rows do differ
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    for garbage in (3, -1, 10**9) if tokens else (0.0, 1e30, float("nan"), float("inf")):
        bad = spoiled(inputs, garbage)
        torch.testing.assert_close(network(bad, LENGTHS), alone, rtol=0, atol=1e-12)
        torch.testing.assert_close(network(bad[:, :7], LENGTHS), alone, rtol=0, atol=1e-12)
        torch.testing.assert_close(network(bad[order], LENGTHS[order]), alone[order], rtol=0, atol=1e-12)


@every_reader
def test_full_lengths_change_nothing(reader: str, tokens: bool) -> None:
    network, inputs = made(reader, tokens), rows(tokens)[:, :7]
    torch.testing.assert_close(network(inputs, torch.full((6,), 7)), network(inputs), rtol=0, atol=1e-12)


def gradients(network: nn.Module, *batches: tuple[Tensor, ...]) -> list[Tensor]:
    """Of each parameter, summed over the batches."""
    network.zero_grad()
    for batch in batches:
        network(*batch).sin().sum().backward()
    return [p.grad for p in network.parameters() if p.grad is not None]


@every_reader
def test_nothing_is_learned_from_padding(reader: str, tokens: bool) -> None:
    network, inputs = made(reader, tokens), rows(tokens)
    alone = gradients(network, *((row[None, :length],) for row, length in zip(inputs, LENGTHS.tolist(), strict=True)))
    spoiled_inputs = spoiled(inputs, 3 if tokens else float("nan")).requires_grad_(not tokens)
    torch.testing.assert_close(gradients(network, (spoiled_inputs, LENGTHS)), alone, rtol=0, atol=1e-11)
    if spoiled_inputs.grad is not None:
        assert not spoiled_inputs.grad[BEHIND].any() and spoiled_inputs.grad[:, 0].any(dim=1).all()


@every_reader
def test_every_weight_learns_from_padded_rows(reader: str, tokens: bool) -> None:
    assert all_learn(made(reader, tokens).train(), rows(tokens), LENGTHS)


@every_reader
def test_bf16_trains_on_a_cpu(reader: str, tokens: bool) -> None:
    network, inputs = made(reader, tokens).float(), rows(tokens)
    inputs = inputs if tokens else inputs.float()
    full = network(inputs, LENGTHS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        try:
            half = network(inputs, LENGTHS)
        except RuntimeError as error:
            if reader.startswith("lstm") and "could not create a primitive" in str(error):
                pytest.skip("this CPU has no LSTM in bf16")
            raise
        assert all_learn(network, inputs, LENGTHS)
    torch.testing.assert_close(half.float(), full, rtol=0.1, atol=0.1)


@every_reader
def test_weights_are_all_that_is_saved(reader: str, tokens: bool) -> None:
    network = made(reader, tokens)
    assert dict(network.state_dict()).keys() == dict(network.named_parameters()).keys()
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize("cell", ["rnn_tanh", "gru", "lstm"])
def test_both_directions_read_what_a_packed_sequence_gives(cell: Cell) -> None:
    network = RecurrentNetwork(cell, 5, 7, 1, 3, bidirectional=True, pooling="mean").double()
    packed = nn.utils.rnn.pack_padded_sequence(rows(False), LENGTHS, batch_first=True, enforce_sorted=False)
    steps, _ = nn.utils.rnn.pad_packed_sequence(network.layers[0](packed)[0], batch_first=True)
    torch.testing.assert_close(network(rows(False), LENGTHS), network.head(steps.sum(dim=1) / LENGTHS[:, None]))


def test_dropout_stands_on_tokens_too() -> None:
    network = RecurrentNetwork("gru", 16, 4, 1, 2, vocabulary=9, dropout=0.5)
    seen: list[Tensor] = []
    network.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network(torch.randint(9, (8, 20)))
    assert 0.4 < (seen[0] == 0).float().mean() < 0.6


def test_tokens_begin_as_vectors_of_length_one() -> None:
    torch.manual_seed(0)
    assert embedding(2000, 64).weight.square().sum(dim=1).mean().item() == pytest.approx(1, rel=0.02)


# Transformer.


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("padded", [False, True])
def test_a_layer_computes_what_torchs_does(norm: str, activation: str, padded: bool) -> None:
    torch.manual_seed(0)
    ours = EncoderLayer(12, 3, 20, activation=activation, norm=norm, dropout=0.0).double()
    theirs = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre", dtype=torch.float64
    )
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    weights = {  # theirs: ours; the biases of attention, which are theirs alone, begin at zero
        "self_attn.in_proj_": "attention.query_key_value.", "self_attn.out_proj.": "attention.output.",
        "norm1.": "attention_norm.", "norm2.": "feedforward_norm.",
        "linear1.": "feedforward.wide.", "linear2.": "feedforward.narrow.",
    }  # fmt: skip
    mine = ours.state_dict()
    copied = {t + end: mine[o + end] for t, o in weights.items() for end in ("weight", "bias") if o + end in mine}
    missing = theirs.load_state_dict(copied, strict=False).missing_keys
    assert missing == ["self_attn.in_proj_bias", "self_attn.out_proj.bias"]
    real = torch.arange(9) < LENGTHS[:, None] if padded else None
    inputs = torch.randn(6, 9, 12, dtype=torch.float64, requires_grad=True)
    answers = [ours(inputs, real), theirs(inputs, src_key_padding_mask=None if real is None else ~real)]
    slopes = [torch.autograd.grad(answer.sin().sum(), inputs)[0] for answer in answers]
    torch.testing.assert_close(*answers, rtol=0, atol=1e-12)
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [1, 2, 7, 8])
def test_sinusoids_by_hand(width: int) -> None:
    found = sinusoids(300, width, torch.float64, torch.device("cpu"))
    assert found.shape == (300, width)
    for place, n in product((0, 1, 17, 299), range(width)):
        wave = sin if n % 2 == 0 else cos
        assert found[place, n].item() == pytest.approx(wave(place / 10_000 ** ((n - n % 2) / width)), abs=1e-12)


def test_places_stay_apart_in_bf16() -> None:
    """Numbers of bf16 above 256 are two apart: places counted in them would fall together."""
    network, inputs = TransformerNetwork(1, 8, 1, 1, 8, feedforward=8, longest=400), torch.zeros(1, 400, 1)
    seen: list[Tensor] = []
    network.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(inputs)
    assert seen[0][0].diff(dim=0).abs().amax(dim=1).min() > 0.1


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_without_positions_the_order_of_the_steps_is_nothing(pooling: Any) -> None:
    torch.manual_seed(0)
    network = TransformerNetwork(5, 8, 2, 2, 3, feedforward=12, longest=9, positions="learned", pooling=pooling).double()
    inputs = rows(False)
    assert not torch.allclose(network(inputs), network(inputs.flip(1)), atol=1e-4)
    assert network.positions is not None
    nn.init.zeros_(network.positions)
    torch.testing.assert_close(network(inputs), network(inputs.flip(1)), rtol=0, atol=1e-12)


def test_rows_longer_than_learned_positions() -> None:
    build = partial(TransformerNetwork, 5, 8, 1, 2, 3, feedforward=8, longest=7)
    with pytest.raises(DataError, match="a row has 8 steps, and this transformer learned positions for 7"):
        build(positions="learned")(torch.randn(2, 8, 5))
    assert build(positions="learned")(torch.randn(2, 8, 5), torch.tensor([7, 2])).shape == (2, 3)  # padding needs no place
    assert build()(torch.randn(2, 800, 5)).shape == (2, 3)


def test_transformer_parameters() -> None:
    layer = 4 * 16 * 16 + (16 * 40 + 40) + (40 * 16 + 16) + 2 * 2 * 16
    build = partial(TransformerNetwork, 5, 16, 3, 4, 2, feedforward=40, longest=11)
    numbers = (5 * 16 + 16) + 3 * layer + (16 * 2 + 2)
    assert count(build()) == numbers + 2 * 16  # the norm at the end
    assert count(build(norm="post")) == numbers
    assert count(build(norm="post", positions="learned", pooling="cls")) == numbers + 11 * 16 + 16
    assert count(build(norm="post", vocabulary=30)) == numbers - (5 * 16 + 16) + 30 * 16


def test_transformer_reads_an_image_row_by_row() -> None:
    network = TransformerNetwork(3 * 7, 8, 1, 2, 2, feedforward=8, longest=9)
    images = torch.randn(4, 3, 9, 7)
    assert torch.equal(network(images), network(torch.stack([images[:, :, y].reshape(4, 21) for y in range(9)], dim=1)))


@pytest.mark.parametrize("reader", ["gru-max-both", "transformer-pre-learned-cls", "transformer-post-sinusoidal-mean"])
def test_training_is_a_function_of_the_seed(reader: str) -> None:
    """Answers in training, dropout in them, and gradients: bit for bit."""
    network, found = made(reader, tokens=True).float().train(), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        network.zero_grad()
        answers = network(rows(True), LENGTHS)
        answers.square().sum().backward()
        found.append(torch.cat([answers.flatten(), *(p.grad.flatten() for p in network.parameters() if p.grad is not None)]))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_dropout_of_a_transformer_is_where_the_paper_has_it() -> None:
    torch.manual_seed(0)
    build = partial(TransformerNetwork, 5, 64, 1, 2, 3, feedforward=64, longest=9)
    network = build(dropout=0.5)
    assert len(dropouts(network)) == 2 and list(network.state_dict()) == list(build().state_dict())
    seen: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda _module, _args, output: seen.append(output))
    network(torch.randn(20, 9, 5))
    assert [0.45 < (output == 0).float().mean() < 0.55 for output in seen] == [True] * 3  # entering, attention, feed-forward


def test_relu_states_that_grow_without_bound_do_not_meet_the_padding() -> None:
    network = RecurrentNetwork("rnn_relu", 1, 2, 1, 1)
    with torch.no_grad():
        network.get_parameter("layers.0.weight_hh_l0").copy_(3 * torch.eye(2))
        network.get_parameter("layers.0.weight_ih_l0").fill_(1.0)
    network(torch.ones(2, 120, 1), torch.tensor([2, 3])).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
