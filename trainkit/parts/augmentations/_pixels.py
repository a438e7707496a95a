"""What can be done to pictures from 0 to 1, (rows, channels, height, width), to each row by a number of its own, (rows,).

Nothing changes its input, and no row's result depends on the rows beside it, to the last bit. This imports torch: the
parts' `build` imports this. Where torchvision.transforms.v2.functional has the same, so are the results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import radians

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad


def per_row(amounts: Tensor, values: Tensor) -> Tensor:
    """(rows, 1, 1, …): one for each row, in the type of the values."""
    return amounts.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))


# Where pixels lie


def windows(values: Tensor, down: Tensor, right: Tensor, border: tuple[int, int], fill: float) -> Tensor:
    """Cut pictures of the same size out of pictures with a ``border`` of so many rows and columns around them.

    ``down`` and ``right``, int64 from 0 to twice the border: where they are cut out; the border itself changes nothing.
    """
    (high, wide), (height, width) = border, values.shape[2:]
    around = pad(values, (wide, wide, high, high), value=fill)
    rows = torch.arange(len(values), device=values.device)
    return around.unfold(2, height, 1).unfold(3, width, 1)[rows, :, down, right]  # a fifth of the time of indexing by pixel


def turned(degrees: Tensor) -> Tensor:
    """The matrix of `warped` that turns each picture about its middle, anticlockwise."""
    angle = torch.deg2rad(degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero], dim=1)


def warped(values: Tensor, matrix: Tensor, fill: float = 0.0) -> Tensor:
    """Each pixel from another place, between pixels by bilinear interpolation; what comes from outside is ``fill``.

    ``matrix`` (rows, 6) is (a, b, c, d, e, f): the pixel at (x, y) comes from (ax + by + c, dx + ey + f), in pixels from the
    middle, right and down.
    """
    height, width = values.shape[2:]
    y, x = (torch.arange(n, device=values.device, dtype=values.dtype) - (n - 1) / 2 for n in (height, width))
    a, b, c, d, e, f = (per_row(column, values[:, 0]) for column in matrix.unbind(1))
    # Not affine_grid: its matrix product may round a row otherwise in another batch.
    places = torch.stack([(a * x + b * y[:, None] + c) * (2 / width), (d * x + e * y[:, None] + f) * (2 / height)], dim=3)
    if fill:
        return (grid_sample(values - fill, places, align_corners=False) + fill).clamp(0, 1)
    return grid_sample(values, places, align_corners=False).clamp(0, 1)


def enlarged(values: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Part of each picture drawn at the size of the whole, bilinearly. Pixels, whole or not; nothing beyond the part is used."""

    def places(size: int, start: Tensor, length: Tensor) -> Tensor:
        start, length = start.to(values.dtype)[:, None], length.to(values.dtype)[:, None]
        step = (torch.arange(size, device=values.device, dtype=values.dtype) + 0.5) * (length / size) - 0.5
        return (2 * (step.clamp(min=0).minimum(length - 1) + start) + 1) / size - 1  # from -1 to 1 over the whole picture

    down, right = places(values.shape[2], top, height), places(values.shape[3], left, width)
    shape = (len(values), *values.shape[2:])
    grid = torch.stack([right[:, None, :].expand(shape), down[:, :, None].expand(shape)], dim=3)
    return grid_sample(values, grid, padding_mode="border", align_corners=False).clamp(0, 1)


# What they hold


def grey(values: Tensor) -> Tensor:
    """(rows, 1, height, width): how bright each pixel is (ITU-R BT.601); the mean of the channels, if these are not three."""
    if values.shape[1] != 3:
        return values.mean(dim=1, keepdim=True)
    red, green, blue = values.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue)[:, None]


def blended(values: Tensor, base: Tensor | float, factor: Tensor) -> Tensor:
    """From the base (0) to the values (1) and beyond."""
    share = per_row(factor, values)
    return (values * share + base * (1 - share)).clamp(0, 1)


def brightened(values: Tensor, factor: Tensor) -> Tensor:
    """0 is black, 1 as it was."""
    return blended(values, 0.0, factor)


def contrasted(values: Tensor, factor: Tensor) -> Tensor:
    """0 is all of the mean brightness, 1 as it was."""
    exact = torch.float32 if values.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    mean = grey(values).flatten(1).mean(dim=1, dtype=exact)  # float64 is so exact that the order of adding does not show
    return blended(values, per_row(mean, values), factor)


def saturated(values: Tensor, factor: Tensor) -> Tensor:
    """0 is grey, 1 as it was; without three channels nothing changes."""
    return blended(values, grey(values), factor) if values.shape[1] == 3 else values


def shifted_hue(values: Tensor, turns: Tensor) -> Tensor:
    """Colours moved along their circle, of which 1 is a whole turn; without three channels nothing changes."""
    if values.shape[1] != 3:
        return values
    red, green, blue = values.unbind(1)
    top = values.amax(dim=1)
    chroma = top - values.amin(dim=1)
    whole = torch.where(chroma > 0, chroma, 1.0)
    sixths = torch.where(top == green, 2 + (blue - red) / whole, 4 + (red - green) / whole)
    sixths = torch.where(top == red, (green - blue) / whole, sixths) + 6 * per_row(turns, top)

    def channel(start: int) -> Tensor:
        place = sixths + start
        place = place - 6 * (place / 6).floor()
        return top - chroma * place.minimum(4 - place).clamp(0, 1)

    return torch.stack([channel(5), channel(3), channel(1)], dim=1).clamp(0, 1)


def sharpened(values: Tensor, factor: Tensor) -> Tensor:
    """0 is a little blurred, 1 as it was, 2 sharp. The outermost pixels stay."""
    height, width = values.shape[2:]
    if min(height, width) < 3:
        return values
    blurred, middle = values.clone(), values[:, :, 1:-1, 1:-1]
    squares = (values[:, :, y : height - 2 + y, x : width - 2 + x] for y in range(3) for x in range(3))
    blurred[:, :, 1:-1, 1:-1] = (sum(squares) + 4 * middle) / 13
    return blended(values, blurred, factor)


def posterized(values: Tensor, bits: Tensor) -> Tensor:
    """With so many bits a channel."""
    levels = per_row(2**bits, values)
    return (values * levels).floor().minimum(levels - 1) / levels


def solarized(values: Tensor, threshold: Tensor) -> Tensor:
    """What is as bright as the threshold is turned into its negative."""
    return torch.where(values >= per_row(threshold, values), 1 - values, values)


def stretched(values: Tensor) -> Tensor:
    """Each channel stretched from 0 to 1 (autocontrast); one that is the same everywhere stays."""
    low, high = values.amin(dim=(2, 3), keepdim=True), values.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (values - low) / torch.where(high > low, high - low, 1.0), values)


def equalized(values: Tensor) -> Tensor:
    """Each channel's 256 levels spread so that all are about as frequent; one with few levels may stay as it is."""
    levels = (values * 255.999).long().flatten(2).flatten(0, 1)  # (rows × channels, pixels)
    places = levels + 256 * torch.arange(len(levels), device=levels.device)[:, None]
    counts = places.flatten().bincount(minlength=256 * len(levels)).reshape(-1, 256)
    step = (levels.shape[1] - counts.gather(1, levels.amax(dim=1, keepdim=True))) // 255
    table = ((counts.cumsum(dim=1) - counts + step // 2) // step.clamp(min=1)).clamp(max=255)
    spread = table.gather(1, levels).to(values.dtype) / 255
    return torch.where(step > 0, spread, values.flatten(2).flatten(0, 1)).reshape(values.shape)


# One of many


@dataclass(frozen=True)
class Reach:
    """How far the strongest operations of a policy go."""

    shear: float
    down: float
    """Pixels, as `right`."""
    right: float
    degrees: float
    factor: float
    """Brightness, colour, contrast and sharpness go from 1 - factor to 1 + factor."""
    bits: int
    """The fewest of posterize."""


OPERATIONS = (
    "identity", "shear_x", "shear_y", "shift_x", "shift_y", "rotate",
    "brightness", "colour", "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip


def operated(values: Tensor, operation: Tensor, strength: Tensor, upwards: Tensor, reach: Reach) -> Tensor:
    """One of the `OPERATIONS` on each row: its number, its strength from 0 to 1, and whether upwards if it has a direction."""
    signed = torch.where(upwards, strength, -strength)
    factor = 1 + signed * reach.factor
    bits = 8 - (strength * (8 - reach.bits)).round()
    changes: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "brightness": lambda some, rows: brightened(some, factor[rows]),
        "colour": lambda some, rows: saturated(some, factor[rows]),
        "contrast": lambda some, rows: contrasted(some, factor[rows]),
        "sharpness": lambda some, rows: sharpened(some, factor[rows]),
        "posterize": lambda some, rows: posterized(some, bits[rows]),
        "solarize": lambda some, rows: solarized(some, 1 - strength[rows]),
        "autocontrast": lambda some, rows: stretched(some),
        "equalize": lambda some, rows: equalized(some),
    }
    groups = [((operation == OPERATIONS.index(name)).nonzero()[:, 0], change) for name, change in changes.items()]
    moved = _moves(values, operation, signed, reach)
    first, last = OPERATIONS.index("shear_x"), OPERATIONS.index("rotate")
    groups.append((((first <= operation) & (operation <= last)).nonzero()[:, 0], lambda some, rows: warped(some, moved[rows])))
    changed = values.clone()
    for rows, change in groups:
        if len(rows):
            changed[rows] = change(values[rows], rows)
    return changed


def _moves(values: Tensor, operation: Tensor, signed: Tensor, reach: Reach) -> Tensor:
    """The matrices of `warped`, each of one operation. A shear keeps the upper left corner in its place."""

    def only(name: str, most: float) -> Tensor:
        return torch.where(operation == OPERATIONS.index(name), signed * most, 0.0)

    height, width = values.shape[2:]
    shear_x, shear_y = only("shear_x", reach.shear), only("shear_y", reach.shear)
    angle = only("rotate", radians(reach.degrees))
    cos, sin = angle.cos(), angle.sin()
    right, down = only("shift_x", reach.right) + shear_x * (height / 2), only("shift_y", reach.down) + shear_y * (width / 2)
    return torch.stack([cos, shear_x - sin, right, shear_y + sin, cos, down], dim=1)
