"""Augmentations: what they keep and change, that a row is the same in any batch, and torchvision's results for the same numbers."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from math import atan, degrees, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torchvision.transforms import InterpolationMode  # type: ignore[import-untyped]
from torchvision.transforms.v2 import functional as theirs  # type: ignore[import-untyped]

from trainkit.data.randomness import Draws
from trainkit.errors import ConfigError
from trainkit.parts.augmentations import _pixels as pixels
from trainkit.parts.augmentations import augmentations
from trainkit.spec import Batch, Spec

SHAPES: dict[str, tuple[int, ...]] = {"image": (3, 9, 14), "table": (6,), "sequence": (5, 4)}
SETTINGS: list[dict[str, Any]] = [
    {"name": "flip", "vertical": 0.3},
    {"name": "rotation"},
    {"name": "rotation", "degrees": 180, "fill": 0.7},
    {"name": "crop", "padding": 2},
    {"name": "crop", "fill": 1.0},
    {"name": "translation", "share": 0.3},
    {"name": "zoom"},
    {"name": "zoom", "min_area": 0.05, "max_area": 0.3, "ratio": 0.4},
    {"name": "colour", "hue": 0.5},
    {"name": "colour", "brightness": 3.0, "contrast": 3.0, "saturation": 3.0},
    {"name": "erasing"},
    {"name": "erasing", "fill": "noise", "chance": 1.0},
    {"name": "trivial_augment"},
    {"name": "rand_augment"},
    {"name": "rand_augment", "count": 4, "magnitude": 30},
    {"name": "noise", "deviation": 0.5},
    {"name": "feature_dropout", "share": 0.4},
    {"name": "mixup"},
    {"name": "cutmix"},
]
CASES = [(one, kind) for one in SETTINGS for kind in SHAPES if kind in type(augmentations.read(one)).kinds]
BY_ROW = [(one, kind) for one, kind in CASES if one["name"] not in ("mixup", "cutmix")]


def spec_of(kind: Any, shape: tuple[int, ...] | None = None, **more: Any) -> Spec:
    return Spec(kind, shape or SHAPES[kind], 3, "class", classes=("a", "b", "c"), **more)


def some(shape: tuple[int, ...], rows: int = 64, dtype: torch.dtype = torch.float32) -> Tensor:
    """Values as pictures from files have them: 256 levels from 0 to 1, the ends too."""
    return (torch.randint(0, 256, (rows, *shape), generator=torch.Generator().manual_seed(1)) / 255).to(dtype)


def draws(rows: Tensor, epoch: int = 3, step: int = 5) -> Draws:
    return Draws(7, epoch, step, rows)


def built(settings: Any, spec: Spec) -> Callable[[Any, Draws], Any]:
    """Takes tensors, those that mix too."""
    part = augmentations.read(settings)
    function = part.build(spec)

    def whole(values: Tensor, numbers: Draws) -> Tensor:
        mixed: Tensor = function(Batch(values, torch.zeros(len(values)), torch.arange(len(values))), numbers).inputs
        return mixed

    return whole if part.mixes else function


def global_states() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()


def test_every_augmentation_is_tried() -> None:
    others = [
        name for name in augmentations.names() if "tokens" in augmentations.read({"name": name, **NEEDED.get(name, {})}).kinds
    ]
    assert {one["name"] for one in SETTINGS} == set(augmentations.names()) - set(others)


NEEDED: dict[str, dict[str, Any]] = {"synonyms": {"file": "words.txt"}, "paraphrases": {"file": "texts.csv"}}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("settings", "kind"), CASES, ids=str)
def test_what_it_keeps_and_changes(settings: dict[str, Any], kind: str, dtype: torch.dtype) -> None:
    values, rows = some(SHAPES[kind], dtype=dtype), torch.arange(64) * 3
    before, change = values.clone(), built(settings, spec_of(kind))
    torch.use_deterministic_algorithms(True)
    try:
        states = global_states()
        once, again = change(values, draws(rows)), change(values, draws(rows))
        another = change(values, draws(rows, epoch=4))
    finally:
        torch.use_deterministic_algorithms(False)
    assert global_states() == states
    assert (once.shape, once.dtype) == (values.shape, dtype)
    assert torch.equal(values, before)
    assert torch.equal(once, again)
    assert not torch.equal(once, values) and not torch.equal(once, another)
    assert once.isfinite().all()
    if kind == "image":
        assert once.min() >= 0 and once.max() <= 1


@pytest.mark.parametrize(("settings", "kind"), BY_ROW, ids=str)
def test_a_row_is_the_same_in_any_batch(settings: dict[str, Any], kind: str) -> None:
    values, rows = some(SHAPES[kind]), torch.arange(64) * 3
    change = built(settings, spec_of(kind))
    whole = change(values, draws(rows))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
    assert torch.equal(change(values[order], draws(rows[order])), whole[order])
    for size in (1, 7):
        pieces = [slice(first, first + size) for first in range(0, 64, size)]
        assert torch.equal(torch.cat([change(values[piece], draws(rows[piece], step=9)) for piece in pieces]), whole)


def test_large_pictures_and_threads_change_no_bit() -> None:
    """A mean over many pixels is divided among threads when a picture is alone."""
    values, rows, threads = some((3, 200, 190), 6), torch.arange(6), torch.get_num_threads()
    try:
        for settings in ({"name": "colour", "hue": 0.1}, {"name": "rand_augment", "count": 6}):
            torch.set_num_threads(1)
            change = built(settings, spec_of("image", (3, 200, 190)))
            whole = change(values, draws(rows))
            torch.set_num_threads(2)
            assert torch.equal(change(values, draws(rows)), whole)
            assert torch.equal(torch.cat([change(values[n : n + 1], draws(rows[n : n + 1])) for n in range(6)]), whole)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("count", [1, 127, 40_001])
def test_draws_are_normal_and_the_same_in_any_batch(count: int) -> None:
    """The largest are made in blocks of a few rows, and by several threads."""
    rows, threads = torch.arange(20) ** 9, torch.get_num_threads()
    whole = draws(rows).normal(count)
    assert torch.equal(draws(rows).uniform(count)[:, :9], draws(rows).uniform(min(count, 9)))
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            for size in (1, 7, 20):
                assert torch.equal(torch.cat([draws(some).normal(count) for some in torch.split(rows, size)]), whole)
    finally:
        torch.set_num_threads(threads)
    many = whole if count > 1000 else draws(torch.arange(200_000 // count)).normal(count)
    assert [float((many**power).mean()) for power in (1, 2, 3, 4)] == pytest.approx([0, 1, 0, 3], abs=0.05)
    halves = torch.stack([part.flatten() for part in (many[:, : count // 2], many[:, -(count // 2) :])]) if count > 1 else many[:2]
    assert count == 1 or abs(float(torch.corrcoef(halves)[0, 1])) < 0.01
    twice = draws(rows)
    assert not (twice.normal(count) == twice.normal(count)).all(dim=1).any()


@pytest.mark.parametrize("settings", [
    {"name": "flip", "horizontal": 0.0},
    {"name": "crop", "padding": 0},
    {"name": "translation", "share": 0.0},
    {"name": "zoom", "min_area": 1.0},
    {"name": "colour", "brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
    {"name": "erasing", "chance": 0.0},
    {"name": "erasing", "chance": 0.0, "fill": "noise"},
    {"name": "rand_augment", "count": 0},
    {"name": "noise", "deviation": 0.0},
    {"name": "mixup", "chance": 0.0},
    {"name": "cutmix", "chance": 0.0},
], ids=str)  # fmt: skip
def test_nothing_asked_nothing_changed(settings: dict[str, Any]) -> None:
    values = some(SHAPES["image"])
    changed = built(settings, spec_of("image"))(values, draws(torch.arange(64)))
    assert torch.allclose(changed, values, rtol=0, atol=1e-6)
    assert settings["name"] == "zoom" or torch.equal(changed, values)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("settings", [one for one, kind in CASES if kind == "image"], ids=str)
def test_any_number_of_channels_and_small_pictures(settings: dict[str, Any], channels: int) -> None:
    settings = {**settings, "padding": 1} if settings["name"] == "crop" else settings
    for size in ((2, 3), (8, 8)):
        if settings["name"] == "cutmix" and size == (2, 3):  # its rectangle is less than a pixel here
            continue
        values = some((channels, *size))
        changed = built(settings, spec_of("image", (channels, *size)))(values, draws(torch.arange(64)))
        assert changed.shape == values.shape and not torch.equal(changed, values)
        assert changed.min() >= 0 and changed.max() <= 1


def test_saturation_and_hue_leave_what_has_no_colour() -> None:
    only = {"name": "colour", "brightness": 0.0, "contrast": 0.0, "saturation": 0.5, "hue": 0.5}
    for channels in (1, 4):
        values = some((channels, 5, 5))
        assert torch.equal(built(only, spec_of("image", (channels, 5, 5)))(values, draws(torch.arange(64))), values)
    grey = some((1, 5, 5)).expand(-1, 3, -1, -1)
    assert torch.allclose(built(only, spec_of("image", (3, 5, 5)))(grey, draws(torch.arange(64))), grey, atol=1e-4)


def test_the_guide_lists_all_with_their_defaults() -> None:
    guide = (Path(__file__).parents[1] / "docs/guide/augment.md").read_text(encoding="utf-8")
    for name in augmentations.names():
        lines = re.findall(rf"^\| `{name}` \|.*$", guide, re.MULTILINE)
        assert lines, f"{name} is not in the guide"
        fields = type(augmentations.read({"name": name, **NEEDED.get(name, {})})).model_fields
        numbers = {field: float(info.default) for field, info in fields.items() if isinstance(info.default, int | float)}
        for line in lines:
            assert {field: float(number) for field, number in re.findall(r"(\w+): (\d[\d.]*)", line)} == numbers
            assert set(fields) <= {"name", *re.findall(r"\w+", line)}


# As torchvision: the same picture, the same numbers

SMOOTH = InterpolationMode.BILINEAR
EACH: list[tuple[str, Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, float], Tensor], list[float]]] = [
    ("rotate", lambda x, n: pixels.warped(x, pixels.turned(n)),
     lambda x, n: theirs.rotate(x, n, interpolation=SMOOTH), [-180, -33, -10, 0, 7.5, 90]),
    ("brightness", pixels.brightened, theirs.adjust_brightness, [0, 0.4, 1, 1.7, 5]),
    ("contrast", pixels.contrasted, theirs.adjust_contrast, [0, 0.4, 1, 1.7, 5]),
    ("saturation", pixels.saturated, theirs.adjust_saturation, [0, 0.4, 1, 1.7, 5]),
    ("hue", pixels.shifted_hue, theirs.adjust_hue, [-0.5, -0.21, 0, 0.1, 0.4]),
    ("sharpness", pixels.sharpened, theirs.adjust_sharpness, [0, 0.4, 1, 1.7, 5]),
    ("posterize", pixels.posterized, lambda x, n: theirs.posterize(x, int(n)), [1, 2, 5, 8]),
    ("solarize", pixels.solarized, theirs.solarize, [0, 0.3, 1]),
    ("autocontrast", lambda x, n: pixels.stretched(x * n[:, None, None, None]),
     lambda x, n: theirs.autocontrast(x * n), [0, 0.5, 1]),
    ("equalize", lambda x, n: pixels.equalized(x ** n[:, None, None, None]), lambda x, n: theirs.equalize(x**n), [0, 0.3, 1, 4]),
]  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "mine", "other", "numbers"), EACH, ids=lambda x: x if isinstance(x, str) else "")
def test_pictures_as_torchvision_s(name: str, mine: Any, other: Any, numbers: list[float], channels: int) -> None:
    values = some((channels, 31, 40), len(numbers))
    found = mine(values, torch.tensor(numbers))
    wanted = torch.stack([other(picture, number) for picture, number in zip(values, numbers, strict=True)])
    assert torch.allclose(found, wanted, rtol=0, atol=2e-5), (found - wanted).abs().amax(dim=(1, 2, 3))


def sheared(x: Tensor, across: float, down: float) -> Tensor:
    angles = [degrees(atan(across)), degrees(atan(down))]
    moved: Tensor = theirs.affine(x, 0.0, [0, 0], 1.0, angles, interpolation=SMOOTH, center=[0.0, 0.0])
    return moved


def shifted(x: Tensor, right: float, down: float) -> Tensor:
    moved: Tensor = theirs.affine(x, 0.0, [round(right), round(down)], 1.0, [0.0, 0.0])
    return moved


POLICY: dict[str, Callable[[Tensor, float], Tensor]] = {
    "identity": lambda x, n: x,
    "shear_x": lambda x, n: sheared(x, 0.99 * n, 0),
    "shear_y": lambda x, n: sheared(x, 0, 0.99 * n),
    "shift_x": lambda x, n: shifted(x, -10 * n, 0),
    "shift_y": lambda x, n: shifted(x, 0, -20 * n),
    "rotate": lambda x, n: theirs.rotate(x, 135 * n, interpolation=SMOOTH),
    "brightness": lambda x, n: theirs.adjust_brightness(x, 1 + 0.99 * n),
    "colour": lambda x, n: theirs.adjust_saturation(x, 1 + 0.99 * n),
    "contrast": lambda x, n: theirs.adjust_contrast(x, 1 + 0.99 * n),
    "sharpness": lambda x, n: theirs.adjust_sharpness(x, 1 + 0.99 * n),
    "posterize": lambda x, n: theirs.posterize(x, 8 - round(6 * abs(n))),
    "solarize": lambda x, n: theirs.solarize(x, 1 - abs(n)),
    "autocontrast": lambda x, n: theirs.autocontrast(x),
    "equalize": lambda x, n: theirs.equalize(x),
}


def test_each_operation_of_a_policy_as_torchvision_s() -> None:
    assert tuple(POLICY) == pixels.OPERATIONS
    strengths = (0.0, 0.4, 1.0, -0.4, -1.0)
    values = some((3, 40, 31), 14 * 5)
    operation = torch.arange(14).repeat_interleave(5)
    signed = torch.tensor(strengths * 14)
    reach = pixels.Reach(shear=0.99, down=20, right=10, degrees=135, factor=0.99, bits=2)
    found = pixels.operated(values, operation, signed.abs(), signed > 0, reach)
    for n, picture in enumerate(values):
        name, strength = pixels.OPERATIONS[n // 5], strengths[n % 5]
        wanted = POLICY[name](picture, strength)
        assert torch.allclose(found[n], wanted, rtol=0, atol=2e-5), f"{name} at {strength}"


def test_a_fill_is_seen_through_no_edge() -> None:
    white = torch.ones(3, 1, 9, 9)
    found = pixels.warped(white, pixels.turned(torch.tensor([10.0, 45.0, 90.0])), fill=1.0)
    assert torch.allclose(found, white, atol=1e-6)


def test_windows_as_padding_and_cropping() -> None:
    values, down, right = some((2, 6, 9), 3), torch.tensor([0, 3, 6]), torch.tensor([2, 0, 1])
    found = pixels.windows(values, down, right, (3, 1), 0.25)
    for n in range(3):
        around = theirs.pad(values[n], [1, 3], fill=0.25)
        assert torch.equal(found[n], theirs.crop(around, int(down[n]), int(right[n]), 6, 9))


def test_enlarged_as_resized_crop() -> None:
    values = some((3, 20, 30), 4)
    boxes = [(0, 0, 20, 30), (3, 5, 10, 12), (19, 29, 1, 1), (0, 4, 7, 26)]
    found = pixels.enlarged(values, *torch.tensor(boxes, dtype=torch.float32).unbind(1))
    for picture, box, other in zip(values, boxes, found, strict=True):
        wanted = theirs.resized_crop(picture, *box, size=[20, 30], antialias=False)
        assert torch.allclose(other, wanted, rtol=0, atol=2e-5), box


# How far and how often

ROWS = torch.arange(4000)


def many(settings: dict[str, Any], picture: Tensor) -> Tensor:
    change = built(settings, spec_of("image", tuple(picture.shape)))
    found: Tensor = change(picture.expand(len(ROWS), -1, -1, -1), draws(ROWS))
    return found


def evenly(values: Tensor, low: float, high: float) -> bool:
    """Are they spread evenly between the two, and nowhere else?"""
    close = abs(float(values.mean()) - (low + high) / 2) < 0.03 * (high - low)
    spread = abs(float(values.std()) * sqrt(12) - (high - low)) < 0.03 * (high - low)
    return close and spread and float(values.min()) >= low - 1e-4 and float(values.max()) <= high + 1e-4


@pytest.mark.parametrize(("horizontal", "vertical"), [(0.5, 0.0), (1.0, 0.2)])
def test_how_often_it_flips(horizontal: float, vertical: float) -> None:
    found = many({"name": "flip", "horizontal": horizontal, "vertical": vertical}, torch.tensor([[[0.0, 0.25], [0.5, 0.75]]]))
    corner = found[:, 0, 0, 0]
    across, down = corner.remainder(0.5) == 0.25, corner >= 0.5
    assert float(across.float().mean()) == pytest.approx(horizontal, abs=0.03)
    assert float(down.float().mean()) == pytest.approx(vertical, abs=0.03)


@pytest.mark.parametrize(("settings", "high", "wide"), [
    ({"name": "crop", "padding": 2}, 2, 2),
    ({"name": "translation", "share": 0.3}, 3, 6),
])  # fmt: skip
def test_how_far_it_shifts(settings: dict[str, Any], high: int, wide: int) -> None:
    spot = torch.zeros(1, 10, 20)
    spot[0, 5, 10] = 1
    _, _, y, x = many(settings, spot).nonzero(as_tuple=True)
    assert set((y - 5).tolist()) == set(range(-high, high + 1)) and set((x - 10).tolist()) == set(range(-wide, wide + 1))
    assert evenly((y + torch.rand(len(y), generator=torch.Generator().manual_seed(0))).float(), 5 - high, 6 + high)
    assert abs(float(torch.corrcoef(torch.stack([x, y]).float())[0, 1])) < 0.05


def test_how_far_it_turns() -> None:
    ramp = torch.linspace(0.2, 0.8, 21).expand(1, 21, 21)
    found = many({"name": "rotation", "degrees": 30}, ramp)[:, 0]
    turns = torch.asin((found[:, 9, 10] - found[:, 11, 10]) / 2 / 0.03) * 180 / pi
    assert evenly(turns, -30, 30)


def test_how_much_it_zooms() -> None:
    ramps = torch.stack(torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 40), indexing="ij"))
    found = many({"name": "zoom", "min_area": 0.3, "max_area": 0.6, "ratio": 0.8}, ramps)
    high, wide = (found[:, 0, 30, 5] - found[:, 0, 10, 5]) * 39 / 20, (found[:, 1, 5, 30] - found[:, 1, 5, 10]) * 39 / 20
    assert evenly(high * wide, 0.3, 0.6)
    assert evenly((wide / high).log(), float(np.log(0.8)), -float(np.log(0.8)))
    assert found[:, 0, 0].min() < 0.02 and found[:, 0, -1].max() > 0.98  # every place, up to the edges


def test_how_much_the_colours_change() -> None:
    plain = torch.full((3, 4, 4), 0.3)
    only = {"name": "colour", "brightness": 0.5, "contrast": 0.0, "saturation": 0.0}
    assert evenly(many(only, plain)[:, 0, 0, 0] / 0.3, 0.5, 1.5)
    assert torch.allclose(many({**only, "brightness": 0.0, "contrast": 0.9}, plain), plain, atol=1e-4)  # the mean stays
    red = torch.tensor([0.8, 0.2, 0.2]).reshape(3, 1, 1).expand(3, 4, 4)
    found = many({**only, "brightness": 0.0, "hue": 0.5}, red)[:, :, 0, 0]
    assert torch.allclose(found.amax(1), torch.tensor(0.8)) and torch.allclose(found.amin(1), torch.tensor(0.2))
    assert [float((found.argmax(1) == n).float().mean()) for n in range(3)] == pytest.approx([1 / 3] * 3, abs=0.03)


def test_what_is_erased() -> None:
    settings = {"name": "erasing", "chance": 0.25, "min_area": 0.1, "max_area": 0.2, "fill": 1.0}
    found = many(settings, torch.zeros(1, 40, 60))[:, 0]
    hit = found.any(dim=2).any(dim=1)
    assert float(hit.float().mean()) == pytest.approx(0.25, abs=0.03)
    high, wide = found[hit].any(dim=2).sum(dim=1) / 40, found[hit].any(dim=1).sum(dim=1) / 60
    assert torch.equal((high * wide * 2400).round(), found[hit].sum(dim=(1, 2)))  # rectangles
    assert (high * wide).min() > 0.09 and (high * wide).max() < 0.22
    assert 0.25 < (wide / high).min() < 0.5 and 2 < (wide / high).max() < 3.9
    noise = many({**settings, "fill": "noise", "chance": 1.0}, torch.zeros(2, 10, 12))
    assert evenly(noise[noise > 0], 0, 1)
    assert not torch.equal(noise[0, 0], noise[0, 1])


def test_how_often_a_policy_leaves_a_picture() -> None:
    """Identity, and operations of strength 0: of these, colour and the like do nothing."""
    picture = some((3, 20, 20), 1)[0] * 0.8 + 0.1
    alike = (many({"name": "trivial_augment"}, picture) == picture).flatten(1).all(dim=1).float().mean()
    assert 1 / 14 < float(alike) < 1 / 14 + 0.06
    several = (many({"name": "rand_augment", "count": 2}, picture) == picture).flatten(1).all(dim=1).float().mean()
    assert float(several) == pytest.approx(1 / 196, abs=0.005)


def test_noise_is_for_amounts() -> None:
    values = torch.zeros(4000, 4)
    for spec, amounts in (
        (spec_of("table", (4,)), (0, 1, 2, 3)),
        (spec_of("table", (4,), features=tuple("abcd"), amounts=(1, 3)), (1, 3)),
    ):
        found = built({"name": "noise", "deviation": 0.3}, spec)(values, draws(ROWS))
        assert [float(column.std()) for column in found.T] == pytest.approx([0.3 * (n in amounts) for n in range(4)], abs=0.015)
        assert float(found.mean()) == pytest.approx(0, abs=0.01)


def test_features_are_dropped() -> None:
    found = built({"name": "feature_dropout", "share": 0.2}, spec_of("table", (5,)))(torch.ones(4000, 5), draws(ROWS))
    assert [1 - float(column.mean()) for column in found.T] == pytest.approx([0.2] * 5, abs=0.03)
    found = built({"name": "feature_dropout", "share": 0.5}, spec_of("sequence", (6, 3)))(torch.ones(4000, 6, 3), draws(ROWS))
    assert torch.equal(found.amin(1), found.amax(1)) and float(found.mean()) == pytest.approx(0.5, abs=0.03)


# Mixing


def batch(targets: Tensor, shape: tuple[int, ...] = (3, 8, 10)) -> Batch:
    return Batch(some(shape, len(targets)), targets, torch.arange(len(targets)) + 100)


def mixed(settings: Any, given: Batch, step: int = 5, kind: str = "image") -> Batch:
    found: Batch = augmentations.read(settings).build(spec_of(kind, tuple(given.inputs.shape[1:])))(
        given, draws(given.rows, step=step)
    )
    return found


def partners(given: Batch, found: Batch) -> Tensor:
    assert found.others is not None
    return found.others  # where each row has a class of its own


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_classes(name: str) -> None:
    given = batch(torch.arange(32))
    found = mixed({"name": name, "alpha": 1.0}, given)
    other = partners(given, found)
    assert sorted(other.tolist()) == list(range(32)) and torch.equal(found.targets, given.targets) and 0 < found.share < 1
    assert torch.equal(found.rows, given.rows)
    own, theirs_ = given.inputs, given.inputs[other]
    if name == "mixup":
        assert torch.allclose(found.inputs, own * found.share + theirs_ * (1 - found.share), atol=1e-6)
    else:
        assert ((found.inputs == own) | (found.inputs == theirs_)).all()
        taken = ((found.inputs != own).any(dim=0)).any(dim=0)  # one rectangle for all rows
        assert int(taken.sum()) == int(taken.any(dim=1).sum() * taken.any(dim=0).sum()) == round((1 - found.share) * 80)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("columns", [1, 3])
def test_mixed_numbers_and_labels(name: str, columns: int) -> None:
    marks = torch.arange(8.0)[:, None].expand(8, columns)
    found = mixed({"name": name, "alpha": 1.0}, batch(marks))
    other = partners(batch(torch.arange(8)), mixed({"name": name, "alpha": 1.0}, batch(torch.arange(8))))
    assert found.others is None and found.share < 1
    assert torch.allclose(found.targets, marks * found.share + marks[other] * (1 - found.share))


@pytest.mark.parametrize(("kind", "shape"), [("table", (6,)), ("sequence", (5, 4))])
def test_mixup_of_rows_that_are_no_pictures(kind: str, shape: tuple[int, ...]) -> None:
    given = batch(torch.arange(16), shape)
    found = mixed("mixup", given, kind=kind)
    assert torch.allclose(
        found.inputs, given.inputs * found.share + given.inputs[partners(given, found)] * (1 - found.share), atol=1e-6
    )


def test_a_batch_is_mixed_once_and_by_the_seed_and_step() -> None:
    for given in (batch(torch.arange(16)), batch(torch.arange(16.0)[:, None])):
        first = mixed("mixup", given)
        assert mixed("cutmix", first) is first and mixed("mixup", first) is first
        again, later = mixed("mixup", given), mixed("mixup", given, step=6)
        assert torch.equal(first.inputs, again.inputs) and first.share == again.share != later.share
    shares = [mixed({"name": "mixup", "alpha": 0.4, "chance": 0.6}, batch(torch.arange(4)), step=step).share for step in range(600)]
    own = [share for share in shares if share < 1]
    assert len(own) / 600 == pytest.approx(0.6, abs=0.06)
    assert np.mean(own) == pytest.approx(0.5, abs=0.06) and np.var(own) == pytest.approx(0.25 / 1.8, abs=0.02)  # Beta(0.4, 0.4)


def test_a_single_row_is_mixed_with_itself() -> None:
    for name in ("mixup", "cutmix"):
        given = batch(torch.tensor([2]))
        assert torch.allclose(mixed(name, given).inputs, given.inputs, atol=1e-6)


# Mistakes


@pytest.mark.parametrize(("settings", "place"), [
    ({"name": "flip", "horizontal": 1.5}, "horizontal"),
    ({"name": "rotation", "degrees": 0}, "degrees"),
    ({"name": "rotation", "degrees": 200}, "degrees"),
    ({"name": "crop", "padding": -1}, "padding"),
    ({"name": "translation", "share": 1.0}, "share"),
    ({"name": "zoom", "min_area": 0.9, "max_area": 0.5}, "min_area"),
    ({"name": "zoom", "ratio": 1.5}, "ratio"),
    ({"name": "erasing", "min_area": 0.5}, "min_area"),
    ({"name": "erasing", "fill": "black"}, "fill"),
    ({"name": "colour", "hue": 0.6}, "hue"),
    ({"name": "rand_augment", "magnitude": 31}, "magnitude"),
    ({"name": "noise", "deviation": -0.1}, "deviation"),
    ({"name": "feature_dropout", "share": 1.1}, "share"),
    ({"name": "mixup", "alpha": 0}, "alpha"),
    ({"name": "cutmix", "chance": 2}, "chance"),
], ids=str)  # fmt: skip
def test_a_wrong_setting_is_named(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        augmentations.read(settings)
    assert {error["loc"][0] for error in raised.value.errors()} == {place}


TABLE = spec_of("table", (2,), features=("a", "b"))


@pytest.mark.parametrize(("settings", "spec", "words", "key"), [
    ({"name": "crop", "padding": 8}, spec_of("image", (1, 8, 30)), "a padding of 8 can push a picture of 8 × 30 pixels", "padding"),
    ("noise", TABLE, "this table has none", "name"),
    ("mixup", replace(TABLE, embedded=((1, 30, 8),)), "mixup cannot mix codes of categories", "name"),
    ("mixup", spec_of("sequence", varying=True), "mixup cannot mix sequences of different lengths", "name"),
])  # fmt: skip
def test_what_does_not_fit_the_data_is_said(settings: Any, spec: Spec, words: str, key: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        augmentations.read(settings).build(spec)
    (problem,) = raised.value.problems
    assert problem.key == (key,) and problem.suggestion
