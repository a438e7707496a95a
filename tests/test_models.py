"""The models' settings: what the YAML may say, what is refused and where, and what is built."""

import subprocess
import sys
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError

from trainkit.errors import ConfigError
from trainkit.networks._layers import ACTIVATIONS
from trainkit.part import field_help
from trainkit.parts.models import Activation, Model, models
from trainkit.spec import Spec

TABLE = Spec("table", (30,), 2, "class", ("a", "b"))
IMAGE = Spec("image", (1, 8, 8), 10, "class")
COLOUR = Spec("image", (3, 32, 32), 10, "class")
SEQUENCE = Spec("sequence", (12, 5), 3, "number")
SERIES = Spec("sequence", (12, 5), 3, "number", varying=True)
TEXT = Spec("tokens", (12,), 2, "class", ("a", "b"), vocabulary=30, varying=True)
CODES = Spec("tokens", (12,), 2, "class", ("a", "b"), vocabulary=30)
STEPWISE = "gru", "lstm", "rnn", "transformer"


def faults(value: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        models.read(value)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def parameters(model: Any, spec: Spec) -> int:
    return sum(p.numel() for p in models.read(model).build(spec).parameters())


def test_the_family() -> None:
    assert {"cnn", "mlp", *STEPWISE} <= set(models.names())
    assert get_args(Activation) == ACTIVATIONS


@pytest.mark.parametrize(("model", "spec"), [
    *[("mlp", spec) for spec in (TABLE, IMAGE, COLOUR, SEQUENCE)],
    *[("cnn", spec) for spec in (IMAGE, COLOUR)],
    *[(name, spec) for name in STEPWISE for spec in (IMAGE, COLOUR, SEQUENCE, SERIES, TEXT, CODES)],
    ({"name": "mlp", "hidden": []}, TABLE),
    ({"name": "mlp", "hidden": [9, 8], "dropout": [0.1, 0], "activation": "tanh", "batch_norm": True}, SEQUENCE),
    ({"name": "cnn", "blocks": [8, {"channels": 9, "kernel": 5, "stride": 2, "padding": 1, "pool": "none"}], "hidden": []}, COLOUR),
    ({"name": "cnn", "blocks": [{"channels": 4, "pool": "avg", "pool_size": 3}], "batch_norm": False, "activation": "silu"}, IMAGE),
    ({"name": "lstm", "layers": 2, "bidirectional": True, "dropout": 0.3, "pooling": "max", "head": {"dropout": 0.3}}, SEQUENCE),
    ({"name": "gru", "embedding": 7, "hidden": 5, "head": {"hidden": []}}, TEXT),
    ({"name": "rnn", "nonlinearity": "relu", "pooling": "mean"}, SERIES),
    ({"name": "transformer", "width": 9, "heads": 3, "norm": "post", "positions": "learned", "pooling": "cls"}, TEXT),
    ({"name": "transformer", "activation": "relu", "feedforward": 5, "positions": "learned", "pooling": "last"}, COLOUR),
])  # fmt: skip
def test_every_model_answers_and_reads_itself_back(model: Any, spec: Spec) -> None:
    settings = models.read(model)
    inputs = torch.randint(30, (2, *spec.shape)) if spec.kind == "tokens" else torch.randn(2, *spec.shape)
    lengths = (torch.tensor([3, 12]),) if spec.varying else ()
    assert settings.build(spec)(inputs, *lengths).shape == (2, spec.outputs)
    assert models.read(settings.model_dump(mode="json")) == settings


def test_defaults() -> None:
    assert parameters("mlp", TABLE) == (30 * 128 + 128) + (128 * 64 + 64) + (64 * 2 + 2)
    assert parameters("cnn", IMAGE) == (9 * 32 + 64) + (32 * 9 * 64 + 128) + (256 * 128 + 128) + (128 * 10 + 10)
    cell, answer = 8 * 64 + 64 * 64 + 2 * 64, 64 * 10 + 10
    assert [parameters(name, IMAGE) for name in ("rnn", "gru", "lstm")] == [gates * cell + answer for gates in (1, 3, 4)]
    layer = 4 * 64 * 64 + (64 * 256 + 256) + (256 * 64 + 64) + 4 * 64
    assert parameters("transformer", IMAGE) == (8 * 64 + 64) + 2 * layer + 2 * 64 + answer


def test_tokens_become_vectors() -> None:
    text, numbers = ({"name": "gru", "embedding": 7}, Spec("sequence", (12, 7), 2, "class"))
    assert parameters(text, TEXT) == 30 * 7 + parameters("gru", numbers)
    assert parameters({**text, "embedding": 9}, numbers) == parameters("gru", numbers)  # which numbers don't need


def test_learned_positions_for_the_longest_row() -> None:
    for spec, steps in ((TEXT, 12), (SERIES, 12), (COLOUR, 32)):
        learned = {"name": "transformer", "positions": "learned"}
        assert parameters(learned, spec) == parameters("transformer", spec) + steps * 64


def test_one_setting_says_the_usual_network_for_colour_pictures() -> None:
    cifar = {"name": "cnn", "blocks": [32, 64, 128], "hidden": [256], "dropout": 0.5}
    assert parameters(cifar, COLOUR) == 620_810 - (32 + 64 + 128)  # without the biases before batch norm


def test_one_setting_says_the_usual_network_for_text() -> None:
    text = {
        "name": "lstm",
        "hidden": 256,
        "layers": 2,
        "bidirectional": True,
        "dropout": 0.3,
        "head": {"hidden": [64], "dropout": 0.3},
    }
    lstm = torch.nn.LSTM(128, 256, 2, batch_first=True, bidirectional=True)
    rest = (512 * 64 + 64) + (64 * 2 + 2)
    assert parameters(text, Spec("sequence", (50, 128), 2, "class")) == sum(p.numel() for p in lstm.parameters()) + rest
    words = Spec("tokens", (50,), 2, "class", vocabulary=1000)
    assert parameters({**text, "embedding": 128}, words) == 1000 * 128 + sum(p.numel() for p in lstm.parameters()) + rest


def test_a_number_is_a_block() -> None:
    assert models.read({"name": "cnn", "blocks": [16]}) == models.read({"name": "cnn", "blocks": [{"channels": 16}]})


@pytest.mark.parametrize(("settings", "key"), [
    ({"name": "mlp", "hiden": [3]}, ("hiden",)),
    ({"name": "mlp", "hidden": [3, 0]}, ("hidden", 1)),
    ({"name": "mlp", "hidden": [100_001]}, ("hidden", 0)),
    ({"name": "mlp", "hidden": 64}, ("hidden",)),
    ({"name": "mlp", "hidden": [True]}, ("hidden", 0)),
    ({"name": "mlp", "activation": "rellu"}, ("activation",)),
    ({"name": "mlp", "batch_norm": 1}, ("batch_norm",)),
    ({"name": "mlp", "dropout": [0.1, 0.2, 0.3]}, ("dropout",)),
    ({"name": "mlp", "hidden": [], "dropout": [0.1]}, ("dropout",)),
    ({"name": "cnn", "blocks": []}, ("blocks",)),
    ({"name": "cnn", "blocks": [32, 0]}, ("blocks", 1, "channels")),
    ({"name": "cnn", "blocks": [True]}, ("blocks", 0, "channels")),
    ({"name": "cnn", "blocks": [8, "a"]}, ("blocks", 1, "channels")),
    ({"name": "cnn", "blocks": [{"kernel": 3}]}, ("blocks", 0, "channels")),
    ({"name": "cnn", "blocks": [{"channels": 3, "pool": "mean"}]}, ("blocks", 0, "pool")),
    ({"name": "cnn", "blocks": [{"channels": 3, "pool_size": 1}]}, ("blocks", 0, "pool_size")),
    ({"name": "cnn", "blocks": [{"channels": 3, "stride": 0}]}, ("blocks", 0, "stride")),
    ({"name": "cnn", "dropout": 1.0}, ("dropout",)),
    ({"name": "lstm", "layers": 0}, ("layers",)),
    ({"name": "lstm", "layers": 101}, ("layers",)),
    ({"name": "lstm", "hidden": [64]}, ("hidden",)),
    ({"name": "lstm", "dropout": -0.1}, ("dropout",)),
    ({"name": "lstm", "pooling": "first"}, ("pooling",)),
    ({"name": "lstm", "head": {"hidden": [0]}}, ("head", "hidden", 0)),
    ({"name": "lstm", "head": {"widths": [3]}}, ("head", "widths")),
    ({"name": "lstm", "embedding": 0}, ("embedding",)),
    ({"name": "lstm", "nonlinearity": "relu"}, ("nonlinearity",)),
    ({"name": "rnn", "nonlinearity": "sigmoid"}, ("nonlinearity",)),
    ({"name": "gru", "layers": 0}, ("layers",)),
    ({"name": "transformer", "heads": 3}, ("heads",)),
    ({"name": "transformer", "width": 8, "heads": 16}, ("heads",)),
    ({"name": "transformer", "heads": 0}, ("heads",)),
    ({"name": "transformer", "norm": "batch"}, ("norm",)),
    ({"name": "transformer", "positions": "rotary"}, ("positions",)),
    ({"name": "transformer", "pooling": "first"}, ("pooling",)),
    ({"name": "transformer", "activation": "tanh"}, ("activation",)),
    ({"name": "transformer", "feedforward": 0}, ("feedforward",)),
])  # fmt: skip
def test_refusals_name_the_key(settings: dict[str, Any], key: tuple[str | int, ...]) -> None:
    locs = [loc for loc, _ in faults(settings)]
    assert locs[0] == key
    assert all(key[: len(loc)] == loc for loc in locs)  # a list whose items fail counts as too short as well


@pytest.mark.parametrize("dropout", [1, 1.5, -0.1, [0.1, 1.0], "0.1", float("nan")])
def test_dropout_of_an_mlp_is_refused(dropout: Any) -> None:
    assert {loc[0] for loc, _ in faults({"name": "mlp", "dropout": dropout})} == {"dropout"}


def test_a_list_of_dropout_says_both_numbers() -> None:
    ((_, message),) = faults({"name": "mlp", "hidden": [8, 8], "dropout": [0.1]})
    assert message == "the list has 1, and the hidden layers are 2: write one chance for each layer, or one number for all"


def test_heads_say_how_they_fail() -> None:
    ((_, message),) = faults({"name": "transformer", "heads": 3})
    assert message == "3 heads cannot share a width of 64 evenly: choose a divisor of it"


@pytest.mark.parametrize(("model", "spec", "message"), [
    ("cnn", TABLE, "model cnn takes images; the data is table rows of 30 numbers."),
    ("cnn", SEQUENCE, "model cnn takes images; the data is sequences of 12 × 5 numbers."),
    ("lstm", TABLE, "model lstm takes images, sequences and token sequences; the data is table rows of 30 numbers."),
    ("mlp", TEXT, "model mlp takes table rows, images and sequences; the data is token sequences, 12 steps at most, of 30 tokens."),
    ("mlp", SERIES, "model mlp takes rows of one length; the data is sequences, 12 steps at most, of 5 numbers."),
])  # fmt: skip
def test_data_that_a_model_cannot_take(model: str, spec: Spec, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        models.read(model).check(spec)
    (problem,) = caught.value.problems
    assert (problem.key, problem.message) == (("model",), message)
    fitting = {TABLE: "table rows: mlp.", SEQUENCE: "sequences: gru, lstm, mlp, rnn, transformer."}
    fitting |= {TEXT: "token sequences of different lengths: gru, lstm, rnn, transformer."}
    fitting |= {SERIES: "sequences of different lengths: gru, lstm, rnn, transformer."}
    assert problem.suggestion == f"Models that take {fitting[spec]}"


def test_a_users_model_takes_what_it_always_took() -> None:
    class Own(Model):
        name: str = "own"

    for spec in (TABLE, IMAGE, SEQUENCE):
        Own().check(spec)
    for spec in (TEXT, CODES, SERIES):
        with pytest.raises(ConfigError):
            Own().check(spec)


def test_a_kernel_that_does_not_fit_the_pictures() -> None:
    with pytest.raises(ConfigError, match="block 1 gets pictures of 8 × 8") as caught:
        models.read({"name": "cnn", "blocks": [{"channels": 4, "kernel": 9, "padding": 0}]}).build(IMAGE)
    assert caught.value.problems[0].key == ("model", "blocks", 0, "kernel")


@pytest.mark.parametrize("name", ["mlp", "cnn", *STEPWISE])
def test_every_setting_has_its_help(name: str) -> None:
    part = models.find(name)
    assert part is not None and issubclass(part, Model) and part.__doc__
    assert set(field_help(part)) >= set(part.model_fields) - {"name"}


def test_settings_need_no_torch() -> None:
    code = """
import sys
from trainkit.parts.models import models
models.read({"name": "mlp", "hidden": [8, 8], "dropout": [0.1, 0.2]})
models.read({"name": "cnn", "blocks": [32, {"channels": 64}]})
models.read({"name": "lstm", "head": {"hidden": [64], "dropout": 0.3}})
[models.read({"name": name, **({"variant": "resnet18"} if name == "timm" else {})}) for name in models.names()]
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
