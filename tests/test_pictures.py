"""Pictures: files in every state that people bring them in, sizes and statistics of the training rows alone, three sources."""

import bz2
import gzip
import io
import os
import pickle
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from trainkit.data import pictures
from trainkit.data.pictures import FittedPictures, Form, Pictures, fit
from trainkit.errors import ConfigError, DataError, SetupError
from trainkit.parts.preprocessing import preprocessing
from trainkit.parts.sources import sources
from trainkit.spec import Held, Rows

Array = np.ndarray[Any, Any]
FASHION = "/usr/share/datasets/fashion-mnist"
RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def halves(mode: str = "RGB", left: Any = BLUE, right: Any = RED, size: tuple[int, int] = (40, 20)) -> Image.Image:
    """A picture of two colours, 40 wide and 20 high unless told."""
    picture = Image.new(mode, size, right)
    picture.paste(left, (0, 0, size[0] // 2, size[1]))
    return picture


def noise(seed: int, height: int = 20, width: int = 30, channels: int = 3) -> Image.Image:
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


def turned(way: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = way
    return exif


def of(paths: list[Path], **settings: Any) -> Rows:
    found = Pictures(paths, **settings)
    return Rows(found, np.array(["a", "b"] * len(paths), dtype=object)[: len(found)], "image", "class", places=found.place)


def values(fitted: Any, rows: Rows) -> Array:
    """What is held of all rows, read where it has to be read."""
    held, every = fitted.held(rows, np.arange(len(rows))).values, np.arange(len(rows))
    return held.numpy() if isinstance(held, torch.Tensor) else held.read(every)


def through(fitted: Any, held: Any) -> Any:
    return fitted.finished(fitted.opened(Held(held))).values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of 20 × 30 in two classes."""
    for n in range(6):
        place = tmp_path / "set" / ("cats" if n % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        noise(n).save(place / f"{n}.png")
    return tmp_path / "set"


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def deep() -> Image.Image:
    return Image.fromarray(np.array([[0, 128, 65407, 65535]] * 4, dtype=np.uint16))


def palette() -> Image.Image:
    return halves().quantize(8)


OPENED: dict[str, tuple[Callable[[Path], None], Any, Any]] = {
    "plain.jpg": (lambda path: halves().save(path, quality=95), BLUE, RED),
    "plain.webp": (lambda path: halves().save(path, lossless=True), BLUE, RED),
    "plain.bmp": (lambda path: halves().save(path), BLUE, RED),
    "plain.tiff": (lambda path: halves().save(path), BLUE, RED),
    "CAPITALS.PNG": (lambda path: halves().save(path), BLUE, RED),
    "ink.jpg": (lambda path: halves("CMYK", (255, 255, 0, 0), (0, 255, 255, 0)).save(path, quality=95), BLUE, RED),
    "grey.png": (lambda path: halves("L", 50, 200).save(path), (50,) * 3, (200,) * 3),
    "bits.png": (lambda path: halves("1", 0, 1).save(path), BLACK, WHITE),
    "deep.png": (lambda path: deep().save(path), BLACK, WHITE),
    "deep.tif": (lambda path: deep().save(path), BLACK, WHITE),
    "palette.png": (lambda path: palette().save(path), BLUE, RED),
    "clear.png": (lambda path: halves("RGBA", (0, 0, 255, 255), (255, 0, 0, 0)).save(path), BLUE, WHITE),
    "clear-grey.png": (lambda path: halves("LA", (0, 255), (0, 0)).save(path), BLACK, WHITE),
    "clear-palette.gif": (lambda path: palette().save(path, transparency=palette().getpixel((39, 0))), BLUE, WHITE),
    "moves.gif": (lambda path: halves().save(path, save_all=True, append_images=[halves("RGB", BLACK, BLACK)]), BLUE, RED),
    "moves.webp": (
        lambda path: halves().save(path, save_all=True, append_images=[halves("RGB", BLACK, BLACK)], lossless=True), BLUE, RED
    ),
    "wide.png": (lambda path: halves(size=(40_000, 30)).save(path), BLUE, RED),
    "wrong-name.jpg": (lambda path: halves().save(path, format="PNG"), BLUE, RED),
    **{  # held sideways, the left half comes to lie above or below: the corners that are compared stay apart
        f"turned-{way}.{kind}": (lambda path, way=way: halves().save(path, exif=turned(way)), first, last)  # type: ignore[misc]
        for kind in ("jpg", "png", "tif")
        for way, first, last in ((1, BLUE, RED), (2, RED, BLUE), (3, RED, BLUE), (4, BLUE, RED),
                                 (5, BLUE, RED), (6, BLUE, RED), (7, RED, BLUE), (8, RED, BLUE))
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OPENED)
def test_pictures_of_every_kind_are_opened(tmp_path: Path, name: str) -> None:
    write, first, last = OPENED[name]
    write(tmp_path / name)
    rows = of([tmp_path / name])
    for resize in ("stretch", "crop"):
        pixels = values(fit(rows, np.arange(1), size=(16, 16), channels="rgb", resize=resize, scaling="none"), rows)
        assert pixels.shape == (1, 3, 16, 16) and pixels.dtype == np.uint8
        corners = pixels[0, :, 0, 0].astype(int), pixels[0, :, -1, -1].astype(int)
        assert np.abs(corners[0] - first).max() <= 3 and np.abs(corners[1] - last).max() <= 3
    height, width = rows.inputs.looks[0][:2]
    assert (height > width) == any(f"turned-{way}" in name for way in (5, 6, 7, 8))


def test_16_bits_are_rounded_to_8(tmp_path: Path) -> None:
    deep().save(tmp_path / "deep.png")
    rows = of([tmp_path / "deep.png"])
    fitted = fit(rows, np.arange(1))
    assert fitted.form == Form(1, 4, 4) and values(fitted, rows)[0, 0, 0].tolist() == [0, 0, 255, 255]


def test_orientation_in_all_eight_ways(tmp_path: Path) -> None:
    """Against Pillow's own."""
    from PIL import ImageOps

    corners = Image.fromarray(np.array([[0, 80], [160, 240]], np.uint8)).resize((40, 20), Image.Resampling.NEAREST)
    for way in range(1, 9):
        corners.save(tmp_path / f"{way}.png", exif=turned(way))
        with Image.open(tmp_path / f"{way}.png") as picture:
            upright = ImageOps.exif_transpose(picture)
        rows = of([tmp_path / f"{way}.png"])
        assert np.array_equal(values(fit(rows, np.arange(1)), rows)[0, 0], np.asarray(upright)), way


def cut(path: Path, kind: str = "JPEG") -> None:
    content = io.BytesIO()
    noise(0, 90, 90).save(content, kind)
    path.write_bytes(content.getvalue()[: len(content.getvalue()) // 2])


def broken(path: Path) -> None:
    noise(0, 90, 90).save(path)
    content = bytearray(path.read_bytes())
    content[60:4000] = b"\xff" * 3940
    path.write_bytes(bytes(content))


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut.jpg": (cut, "is cut off: it ends before the picture does."),
    "cut.png": (lambda path: cut(path, "PNG"), "is cut off: it ends before the picture does."),
    "broken.png": (broken, "cannot be decoded ("),
    "text.jpg": (lambda path: path.write_text("I am a text"), "is no picture of a kind known here: it begins with b'I am a text'."),
    "nothing.png": (lambda path: path.touch(), "is empty."),
    "huge.png": (lambda path: Image.new("1", (20_000, 10_000)).save(path), "is too large to be opened safely (Image size (2000000"),
    "drawing.jpg": (lambda path: halves().save(path, "EPS"), "is no picture of a kind known here: it begins with b'%!PS-Adobe"),
    "amounts.tif": (lambda path: halves("F", 0.5, 1.5).save(path), "has more than 16 bits a pixel: save it with 8 or 16."),
    "gone.jpg": (lambda path: None, "cannot be read: No such file or directory."),
    "folder.jpg": (lambda path: path.mkdir(), "cannot be read: Is a directory."),
}


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named(folder: Path, name: str, memory: bool) -> None:
    good = files(folder)
    BAD[name][0](folder / name)
    with pytest.raises(DataError) as caught:
        rows = of([*good, folder / name], memory=memory)  # its header may be in order: then reading it fails
        values(fit(rows, np.arange(6)), rows)
    (problem,) = caught.value.problems
    assert problem.message.startswith(f"{folder / name} {BAD[name][1]}"), problem.message
    assert problem.key == ("data",) and "data.on_error: skip" in (problem.suggestion or "")


def test_bad_files_are_left_out_where_that_is_asked_for(folder: Path) -> None:
    for name, (write, _) in BAD.items():
        if name != "amounts.tif":  # its pixels can be decoded, but mean nothing
            write(folder / name)
    good = files(folder / "cats") + files(folder / "dogs")
    rows = of([*[folder / name for name in BAD if name != "amounts.tif"], *good], on_error="skip", skip_limit=0.6)
    assert rows.inputs.paths == [str(path) for path in good] and rows.inputs.kept.tolist() == list(range(9, 15))
    assert rows.inputs.skipped[0] == (str(folder / "cut.jpg"), "is cut off: it ends before the picture does")
    assert len(rows.inputs.skipped) == 9 and len(values(fit(rows, np.arange(6)), rows)) == 6
    with pytest.raises(DataError, match=r"no more than 59% \(data.skip_limit\), and 9 of 15 are."):
        of([*[folder / name for name in BAD if name != "amounts.tif"], *good], on_error="skip", skip_limit=0.59)


def test_of_many_bad_files_ten_are_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.png" for n in range(15)]
    for path in paths:
        path.touch()
    with pytest.raises(DataError) as caught:
        of(paths)
    assert len(caught.value.problems) == 11 and caught.value.problems[10].message == "5 more pictures cannot be read."


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_in_memory_streamed_and_by_many_threads_the_same_pixels(folder: Path, resize: Any) -> None:
    for n, size in enumerate(((90, 31), (300, 400), (7, 5), (1, 60))):
        noise(n, *size).save(folder / f"{n}.jpg")
    paths, every = sorted(folder.rglob("*.*g")), np.arange(10)
    kept, read = of(paths, memory=True), of(paths, memory=False)
    fitted = fit(kept, every, resize=resize)
    held, reader = fitted.held(kept, every[::-1]).values.numpy(), fitted.held(read, every[::-1]).values
    assert reader.shape == (10, 3, *fitted.form.shape[1:]) and reader.dtype == np.uint8 and held.dtype == np.uint8
    assert np.array_equal(reader.read(every), held) and _same(fit(read, every, resize=resize), fitted)
    assert np.array_equal(held[::-1], np.concatenate([values(fitted, of([path])) for path in paths]))
    for one in (reader, fitted.held(of(paths, memory=False), every[::-1]).values):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda row, one=one: one.read(np.array([row, (row + 3) % 10])), list(range(10)) * 5))
        assert all(np.array_equal(pair, held[[n % 10, (n + 3) % 10]]) for n, pair in enumerate(found))
    fresh = of(paths, memory=True)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: fresh.inputs.read(np.array([9 - row]), fitted.form)[0], every))
    assert np.array_equal(found, held)


def test_large_sets_are_streamed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, index = of(files(folder)), np.arange(6)
    assert isinstance(fit(rows, index).held(rows, index).values, torch.Tensor)
    monkeypatch.setattr(pictures, "MEMORY_BYTES", 6 * 3 * 20 * 30 - 1)
    assert not isinstance(fit(rows, index).held(rows, index).values, torch.Tensor)


def test_the_digest_tells_another_file_or_order(folder: Path) -> None:
    def digest(index: list[int], **settings: Any) -> bytes:
        rows = of(files(folder), memory=False, **settings)
        found: bytes = fit(rows, np.arange(6), scaling="none").held(rows, np.arange(6)).values.digest(np.array(index))
        return found

    before = digest([0, 1, 2])
    assert digest([0, 1, 2]) == before and len({before, digest([0, 2, 1]), digest([0, 1])}) == 3
    os.utime(files(folder)[0], (1, 1))
    assert digest([0, 1, 2]) == before
    noise(9).save(files(folder)[0])
    assert digest([0, 1, 2]) != before and digest([3, 4]) == digest([3, 4])


def test_pixels_in_memory_are_decoded_once_and_held_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = pictures._decode

    def watched(path: str, form: Form) -> Array:
        decoded.append(path)
        return decode(path, form)

    monkeypatch.setattr(pictures, "_decode", watched)
    rows, plain = of(files(folder), memory=True), of(files(folder), memory=False)
    fitted = fit(rows, np.array([4, 0, 5, 1]))
    assert sorted(rows.inputs._kept) == [0, 1, 4, 5]
    for index in (np.array([4, 0, 5, 1]), np.array([2]), np.array([3])):
        held = fitted.held(rows, index).values
        assert not rows.inputs._kept and np.array_equal(held.numpy(), fitted.held(plain, index).values.read(np.arange(len(index))))
    assert sorted(decoded) == sorted(2 * [str(path) for path in files(folder)])
    assert torch.equal(fitted.held(rows, np.array([3])).values, held)


CONTENT = {"form": [3, 5, 4, "crop"], "low": 0.0, "high": 1.0, "mean": torch.zeros(3), "std": torch.ones(3)}


@pytest.mark.parametrize("change", [
    {"mean": torch.zeros(2)}, {"mean": torch.zeros(2), "std": torch.ones(2)}, {"mean": 7}, {"mean": None}, {"std": None},
    {"mean": torch.zeros(1, 3)}, {"mean": torch.tensor([0, 0, torch.nan])}, {"std": torch.tensor([1, 0.0, 1])},
    {"std": torch.tensor([1, -1.0, 1])}, {"std": torch.tensor([1, torch.inf, 1])}, {"std": torch.ones(3, dtype=torch.int64)},
    {"form": [3, 5, 4, "evil"]}, {"form": [3, 5, 4, ["crop"]]}, {"form": [0, 5, 4, "crop"]}, {"form": [3, 5, 8193, "crop"]},
    {"form": [3, 0, 4, "crop"]}, {"form": [3, 5.0, 4, "crop"]}, {"form": [3, True, 4, "crop"]}, {"form": [3, 5, 4]}, {"form": 3},
    {"low": 1.0}, {"low": -torch.inf}, {"high": torch.nan}, {"high": "1"}, {"low": None},
], ids=str)  # fmt: skip
def test_a_checkpoint_that_says_nonsense_is_refused(change: dict[str, Any]) -> None:
    assert FittedPictures.restore(CONTENT).form == Form(3, 5, 4, "crop")
    assert FittedPictures.restore({**CONTENT, "mean": None, "std": None}).mean is None
    with pytest.raises((ValueError, TypeError, KeyError)):
        FittedPictures.restore({**CONTENT, **change})


def test_no_side_is_longer_than_a_checkpoint_may_say() -> None:
    rows = arrays(np.zeros((2, 1, 1, 8193), np.uint8))
    with pytest.raises(DataError, match=r"a.npy: the pictures are 1 × 8,193, and no side may be longer than 8,192."):
        fit(rows, np.arange(2))
    assert FittedPictures.restore(fit(rows, np.arange(2), size=(1, 8192)).content()).form == Form(1, 1, 8192)


@pytest.mark.parametrize(("sizes", "form"), [
    ([(20, 30)] * 4, (20, 30)), ([(20, 30), (20, 30), (22, 50), (60, 50)], (21, 40)), ([(300, 400)] * 4, (300, 400)),
    ([(30, 513)] * 4, (30, 224)),
    ([(300, 400), (500, 100), (400, 300), (300, 200)], (224, 224)), ([(1, 9), (1, 8), (1, 9), (1, 9)], (1, 9)),
])  # fmt: skip
def test_the_size_is_that_of_all_or_the_median(tmp_path: Path, sizes: list[tuple[int, int]], form: tuple[int, int]) -> None:
    for n, size in enumerate(sizes):
        noise(n, *size).save(tmp_path / f"{n}.png")
    assert fit(of(files(tmp_path)), np.arange(4)).form == Form(3, *form)


def test_grey_where_every_training_picture_is(folder: Path) -> None:
    noise(7, channels=1).save(folder / "a.png")
    noise(8, channels=1).convert("P").save(folder / "b.png")
    rows = of([folder / "a.png", folder / "b.png", *files(folder / "cats")])
    assert fit(rows, np.arange(2)).form.channels == 1 and fit(rows, np.arange(3)).form.channels == 3
    assert (
        fit(rows, np.arange(5), channels="grey").form.channels == 1 and fit(rows, np.arange(2), channels="rgb").form.channels == 3
    )


def test_nothing_is_learnt_from_pictures_that_do_not_train(folder: Path) -> None:
    train = np.arange(4)
    before = fit(of(files(folder)), train)
    Image.new("L", (500, 700), 255).save(files(folder)[4])
    Image.new("L", (3, 5), 0).save(files(folder)[5])
    assert _same(fit(of(files(folder)), train), before)
    assert not _same(fit(of(files(folder)), np.arange(6)), before) and fit(of(files(folder)), np.arange(4, 6)).form != before.form


def _same(one: FittedPictures, other: FittedPictures) -> bool:
    return repr(one.content()) == repr(other.content())


def arrays(inputs: Array) -> Rows:
    return Rows(inputs, np.array(["a"] * len(inputs), dtype=object), "image", "class", file="a.npy")


DRAWN = np.random.RandomState(0)
ARRAYS: dict[str, Array] = {
    "bytes": DRAWN.randint(0, 200, (40, 3, 5, 4)).astype(np.uint8),
    "sixteenths": DRAWN.randint(0, 17, (40, 1, 8, 8)).astype(np.float64),
    "below 1": DRAWN.rand(40, 3, 5, 4).astype(np.float32) * 0.9,
    "below 0": DRAWN.randn(40, 2, 5, 4).astype(np.float32),
    "scan": DRAWN.randint(-1000, 3000, (40, 1, 5, 4)).astype(np.int16),
    "other end": DRAWN.rand(40, 3, 5, 4).astype(">f4"),
    "half": DRAWN.rand(40, 3, 5, 4).astype(np.float16),
}
RANGES = {"bytes": (0, 255), "sixteenths": (0, 16), "below 1": (0, 1), "other end": (0, 1), "half": (0, 1)}


@pytest.mark.parametrize("name", ARRAYS)
def test_mean_0_and_deviation_1_of_each_channel_of_the_training_rows(name: str) -> None:
    rows, train = arrays(ARRAYS[name]), np.arange(30)
    fitted, plain = fit(rows, train), ARRAYS[name][:30].astype(np.float64)
    low, high = RANGES.get(name, (plain.min(), plain.max()))
    assert (fitted.low, fitted.high) == pytest.approx((low, high)) and fitted.form == Form(*ARRAYS[name].shape[1:])
    assert fitted.mean is not None and fitted.std is not None
    assert fitted.mean.numpy() == pytest.approx((plain.mean(axis=(0, 2, 3)) - low) / (high - low))
    assert fitted.std.numpy() == pytest.approx(plain.std(axis=(0, 2, 3)) / (high - low))
    inputs = through(fitted, fitted.held(rows, train).values).double()
    assert inputs.mean(dim=(0, 2, 3)).numpy() == pytest.approx(0, abs=1e-5)
    assert inputs.std(dim=(0, 2, 3), correction=0).numpy() == pytest.approx(1, abs=1e-5)
    opened = fitted.opened(fitted.held(rows, train)).values
    assert opened.dtype == (torch.float64 if name == "sixteenths" else torch.float32)
    assert opened.min() >= 0 and opened.max() <= 1


def test_the_sums_of_many_chunks_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for pixels in (ARRAYS["bytes"], ARRAYS["below 0"] + 1e4):
        whole = fit(arrays(pixels), np.arange(40))
        monkeypatch.setattr(pictures, "_CHUNK_BYTES", 8 * 60 * 7)
        parts = fit(arrays(pixels), np.arange(40))
        monkeypatch.undo()
        assert parts.mean is not None and whole.mean is not None and parts.std is not None and whole.std is not None
        assert torch.allclose(parts.mean, whole.mean, rtol=1e-12) and torch.allclose(parts.std, whole.std, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_a_constant_channel_keeps_its_scale(kind: Any) -> None:
    pixels = np.stack([np.full((40, 5, 4), 37), DRAWN.randint(0, 200, (40, 5, 4))], axis=1).astype(kind)
    fitted = fit(arrays(pixels), np.arange(40))
    assert fitted.std is not None and fitted.std[0] == 1 and fitted.std[1] != 1
    assert through(fitted, fitted.held(arrays(pixels), np.arange(40)).values)[:, 0].abs().max() < 1e-6
    assert through(fit(arrays(pixels[:, :1]), np.arange(40)), torch.from_numpy(pixels[:, :1])).isfinite().all()


@pytest.mark.parametrize(("settings", "mean", "std"), [
    ({"scaling": "none"}, 0, 1), ({"mean": (0.5,), "std": (0.25,)}, 0.5, 0.25),
    ({"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 3.0)}, [0.1, 0.2, 0.3], [1, 2, 3]),
    ({"scaling": "imagenet"}, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])  # fmt: skip
def test_the_scaling_that_is_asked_for(settings: Any, mean: Any, std: Any) -> None:
    for name in ("bytes", "below 1"):
        rows = arrays(ARRAYS[name])
        fitted = fit(rows, np.arange(40), **settings)
        wanted = (ARRAYS[name] / (255 if name == "bytes" else 1) - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
        assert through(fitted, fitted.held(rows, np.arange(40)).values).numpy() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"size": (7, 9)}, {"size": (3, 4), "resize": "crop"}, {"size": (9, 3), "resize": "pad"}])
@pytest.mark.parametrize("name", ARRAYS)
def test_a_row_has_the_same_bits_alone_in_a_batch_and_from_a_checkpoint(name: str, settings: Any, tmp_path: Path) -> None:
    rows = arrays(ARRAYS[name])
    fitted = fit(rows, np.arange(30), **settings)
    torch.save(fitted.content(), tmp_path / "fitted.pth")
    again = preprocessing.read("image").restore(torch.load(tmp_path / "fitted.pth", weights_only=True))
    together = through(fitted, fitted.held(rows, np.arange(40)).values)
    assert together.shape[2:] == settings.get("size", ARRAYS[name].shape[2:]) and again.spec()["shape"] == tuple(together.shape[1:])
    for row in range(40):
        assert torch.equal(through(again, again.held(rows, np.array([row])).values)[0], together[row])


class Slow:
    """A Reader of an array."""

    def __init__(self, pixels: Array) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype
        self.asked: list[int] = []

    def read(self, index: Array) -> Array:
        self.asked += index.tolist()
        found: Array = self.pixels[index]
        return found

    def digest(self, index: Array) -> bytes:
        return index.tobytes()


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_read_bit_by_bit_is_prepared_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, whole = Rows(Slow(ARRAYS[name]), np.array(["a"] * 40, dtype=object), "image", "class"), arrays(ARRAYS[name])
    fitted = fit(rows, np.arange(30), size=(6, 6))
    assert _same(fitted, fit(whole, np.arange(30), size=(6, 6))) and set(rows.inputs.asked) == set(range(30))
    reader = fitted.held(rows, np.arange(10, 40)).values
    assert reader.shape == (30, *fitted.form.shape) and reader.dtype == reader.read(np.array([0])).dtype
    assert np.array_equal(reader.read(np.array([3, 1])), values(fitted, whole)[[13, 11]])
    assert reader.digest(np.array([2, 0])) == np.array([12, 10]).tobytes()
    monkeypatch.setattr(pictures, "SAMPLE", 5)
    rows.inputs.asked.clear()
    fit(rows, np.arange(1, 30))
    assert rows.inputs.asked == [1, 8, 15, 22, 29]


def test_cut_and_padded_by_hand(tmp_path: Path) -> None:
    """4 × 8: black, but for the middle 4 × 4 in white."""
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, 2:6] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for rows in (of([tmp_path / "a.png"]), arrays(pixels[None, None])):

        def formed(size: tuple[int, int], resize: Any, rows: Rows = rows) -> Array:
            found: Array = values(fit(rows, np.arange(1), size=size, resize=resize), rows)[0, 0]
            return found

        assert (formed((4, 4), "crop") == 255).all() and (formed((2, 2), "crop") == 255).all()
        padded = formed((8, 8), "pad")
        assert (padded[[0, 1, 6, 7]] == 0).all() and np.array_equal(padded[2:6], pixels)
        assert formed((8, 6), "pad")[2:5].any() and not formed((8, 6), "pad")[:2].any() and not formed((8, 6), "pad")[5:].any()
        assert np.array_equal(formed((4, 8), "stretch"), pixels)


@pytest.mark.parametrize("size", [(12, 7), (40, 61)])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_arrays_and_files_get_the_same_size_the_same_way(folder: Path, size: tuple[int, int], resize: Any) -> None:
    rows = of(files(folder))
    plain = arrays(np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in rows.inputs.paths]))
    fitted = fit(rows, np.arange(6), size=size, resize=resize)
    assert np.abs(values(fitted, rows).astype(int) - values(fitted, plain)).max() <= 1
    grey = fit(rows, np.arange(6), size=size, resize=resize, channels="grey")
    assert np.abs(values(grey, rows).astype(int) - values(grey, plain)).max() <= 1


def test_grey_arrays_for_a_network_of_three_channels() -> None:
    rows = arrays(ARRAYS["sixteenths"])
    found = values(fit(rows, np.arange(40), channels="rgb"), rows)
    assert all(np.array_equal(found[:, n], ARRAYS["sixteenths"][:, 0]) for n in range(3))


@pytest.mark.parametrize(("pixels", "settings", "error", "message"), [
    (ARRAYS["bytes"], {"mean": (0.5, 0.5), "std": (1.0, 1.0)}, ConfigError, "mean has 2 numbers, and the pictures have 3"),
    (ARRAYS["sixteenths"], {"scaling": "imagenet"}, ConfigError, "mean has 3 numbers, and the pictures have 1 channel."),
    (ARRAYS["below 0"], {"channels": "grey"}, DataError, "a.npy: the pictures have 2 channels, and 1 are asked for."),
    (np.where(np.arange(40)[:, None, None, None] == 7, np.nan, ARRAYS["below 1"]), {}, DataError, "a.npy: row 8: an input is nan:"),
    (np.where(np.arange(40)[:, None, None, None] == 7, np.inf, ARRAYS["below 1"]), {}, DataError, "a.npy: row 8: an input is inf:"),
])  # fmt: skip
def test_what_is_said_of_arrays_that_do_not_fit(pixels: Array, settings: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        fit(arrays(pixels), np.arange(40), **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(("settings", "place", "words"), [
    ({"mean": 0.5}, ("mean",), "needs std beside it"), ({"std": [0.5]}, ("std",), "needs mean beside it"),
    ({"mean": 0.5, "std": 0.0}, ("std", "constrained-float"), "greater than 0"),
    ({"mean": [0.5, 0.5], "std": [1.0, 1.0, 1.0]}, ("std",), "has 3 numbers, and mean has 2"),
    ({"mean": [], "std": 1.0}, ("mean",), "is empty"),
    ({"mean": 0.5, "std": 1.0, "scaling": "none"}, ("scaling",), "means nothing where mean and std are given"),
    ({"size": 0}, ("size", "constrained-int"), "greater than 0"),
    ({"size": [3, 4, 5]}, ("size",), "at most 2 items"), ({"resize": "zoom"}, ("resize",), "'stretch', 'crop' or 'pad'"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: Any, place: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        preprocessing.read({"name": "image", **settings})
    assert any(found["loc"][:1] == place[:1] and words in found["msg"] for found in caught.value.errors())


def test_settings_reach_what_is_fitted(folder: Path) -> None:
    rows, index = of(files(folder)), np.arange(6)
    part = preprocessing.read({"name": "image", "size": [8, 9], "resize": "pad", "channels": "grey", "mean": 0.5, "std": [0.25]})
    fitted: Any = part.fit(rows, index)
    assert fitted.form == Form(1, 8, 9, "pad") and fitted.mean.tolist() == [0.5] and fitted.std.tolist() == [0.25]
    assert preprocessing.read(part.model_dump(mode="json")) == part
    square: Any = preprocessing.read({"name": "image", "size": 8, "scaling": "imagenet"}).fit(rows, index)
    assert square.form == Form(3, 8, 8) and square.std.tolist() == [0.229, 0.224, 0.225]


# Sources


def source(name: str, **settings: Any) -> Any:
    """The source, its settings having been through a run's config.yaml."""
    part = sources.read({"name": name, **settings})
    return sources.read(part.model_dump(mode="json"))


def refusal(error: Any, work: Callable[[], Any]) -> str:
    with pytest.raises(error) as caught:
        work()
    assert all(not problem.key or problem.key[0] in ("data", "task", "preprocess") for problem in caught.value.problems)
    return str(caught.value)


def test_a_folder_for_each_class(folder: Path) -> None:
    (folder / "cats" / "more" / "still").mkdir(parents=True)
    noise(9).save(folder / "cats" / "more" / "still" / "0.JPG")
    for name in (".DS_Store", "._1.png", ".hidden.jpg", "Thumbs.db", "desktop.ini", "notes.txt"):
        (folder / "cats" / name).write_text("no picture")
    for name in (".cache", "__MACOSX"):
        (folder / name).mkdir()
        noise(9).save(folder / name / "9.png")
    rows = source("images", path=str(folder)).build(None)
    assert [Path(path).relative_to(folder).as_posix() for path in rows.inputs.paths] == [
        "cats/1.png", "cats/3.png", "cats/5.png", "cats/more/still/0.JPG", "dogs/0.png", "dogs/2.png", "dogs/4.png",
    ]  # fmt: skip
    assert rows.targets.tolist() == ["cats"] * 4 + ["dogs"] * 3 and rows.splits is None and rows.kind == "image"
    assert rows.place(4) == str(folder / "dogs" / "0.png") and len(rows) == len(rows.inputs) == 7


@pytest.mark.parametrize(("names", "given"), [
    (("train", "val", "test"), ("validation", "test")), (("train", "valid"), ("validation",)), (("Train", "Test"), ("test",)),
    (("training", "dev", "testing"), ("validation", "test")), (("car", "tram"), ()),
])  # fmt: skip
def test_folders_of_splits(tmp_path: Path, names: tuple[str, ...], given: tuple[str, ...]) -> None:
    for n, name in enumerate(names):
        for label in ("cats", "dogs"):
            (tmp_path / name / label).mkdir(parents=True)
            for row in range(n + 1):
                noise(n).save(tmp_path / name / label / f"{row}.png")
    part = source("images", path=str(tmp_path))
    rows = part.build(None)
    assert part.given is None
    if given:
        assert set(rows.targets) == {"cats", "dogs"} and {name: len(index) for name, index in rows.splits.items()} == {
            split: 2 * (n + 1) for n, split in enumerate(("train", *given))
        }
        assert all(names[0] in rows.place(row) for row in rows.splits["train"])
    else:
        assert set(rows.targets) == set(names) and rows.splits is None


@pytest.mark.parametrize("name", ["images", "text"])
@pytest.mark.parametrize(("names", "words"), [
    (("car", "train"), "has the folder 'train', which a split is called, beside 'car': is it a split or a class?"),
    (("dev", "extra", "train"), "has the folder 'dev', which a split is called, beside 'extra': is it a split or a class?"),
    (("dev", "testing"), "has folders for splits, dev, testing, and none for train."),
    (("train", "training"), "has two folders for one split: train and training."),
])  # fmt: skip
def test_folders_of_splits_never_become_classes(tmp_path: Path, name: str, names: tuple[str, ...], words: str) -> None:
    for split in names:
        (tmp_path / split / "cats").mkdir(parents=True)
        noise(0).save(tmp_path / split / "cats" / "0.png")
        (tmp_path / split / "cats" / "0.txt").write_text("cats")
    said = refusal(DataError, lambda: source(name, path=str(tmp_path)).build(None))
    assert said.startswith(f"{tmp_path} {words} Call them train, val and test, with the folders of the classes in each")


def test_settings_alone_never_look_at_the_disk(folder: Path, mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint's paths are only words until its data are wanted."""
    (folder / "train").mkdir()
    parts = [source("images", path=str(folder)), source("images", table=str(folder))]
    parts += [source("idx", path=str(mnist)), source("text", path=str(folder))]
    looked: list[Any] = []
    with monkeypatch.context() as patch:
        for look in ("scandir", "listdir"):
            patch.setattr(os, look, looked.append)
        given = [part.given for part in parts]
    assert given == [None, (), ("test",), None] and not looked


def test_what_is_said_of_folders_that_are_laid_out_otherwise(folder: Path, tmp_path: Path) -> None:
    def said(path: Path, error: Any = DataError, **settings: Any) -> str:
        return refusal(error, lambda: source("images", path=str(path), **settings).build(None))

    assert said(tmp_path / "gone", ConfigError) == f"the folder {tmp_path / 'gone'} is not there."
    assert said(files(folder)[0], ConfigError) == f"the folder {files(folder)[0]} is a file."
    flat = said(folder / "cats")
    assert flat.startswith(f"{folder / 'cats'} has 3 pictures, and no folder for each class. Lay it out as cats/1.jpg")
    assert "data.table" in flat
    (tmp_path / "empty").mkdir()
    assert said(tmp_path / "empty").startswith(f"{tmp_path / 'empty'} holds no pictures.")
    (folder / "birds").mkdir()
    (folder / "birds" / "bird.heic").touch()
    assert said(folder).startswith(f"{folder} has folders without pictures: birds. Each folder is a class")
    (folder / "birds" / "bird.heic").unlink()
    (folder / "birds").rmdir()
    noise(0).save(folder / "beside.png")
    assert said(folder).startswith(f"{folder / 'beside.png'} lies beside the folders of the classes: which class is it?")
    (folder / "beside.png").unlink()
    for name in ("train", "val", "valid"):
        (tmp_path / "twice" / name / "cats").mkdir(parents=True)
    assert said(tmp_path / "twice").startswith(f"{tmp_path / 'twice'} has two folders for one split: val and valid.")
    (tmp_path / "twice" / "train").rename(tmp_path / "twice" / "Train-1")
    assert said(tmp_path / "twice").startswith(
        f"{tmp_path / 'twice'} has the folder 'val', which a split is called, beside 'Train-1': is it a split or a class?"
    )
    words = refusal(ConfigError, lambda: source("images", path=str(folder)).build("number"))
    assert words.startswith("folders are classes, and the task wants amounts.")


def test_bad_pictures_leave_their_class(folder: Path) -> None:
    cut(folder / "cats" / "2.jpg")
    rows = source("images", path=str(folder), on_error="skip", skip_limit=0.2).build(None)
    assert rows.targets.tolist() == ["cats"] * 3 + ["dogs"] * 3 and len(rows) == 6
    assert rows.inputs.skipped == [(str(folder / "cats" / "2.jpg"), "is cut off: it ends before the picture does")]
    splits = folder.parent / "splits"
    splits.mkdir()
    folder.rename(splits / "train")
    (splits / "test" / "dogs").mkdir(parents=True)
    noise(1).save(splits / "test" / "dogs" / "1.png")
    rows = source("images", path=str(splits), on_error="skip", skip_limit=0.2).build(None)
    assert rows.splits["train"].tolist() == list(range(6)) and rows.splits["test"].tolist() == [6]
    assert rows.place(6) == str(splits / "test" / "dogs" / "1.png")


def table(folder: Path, text: str) -> str:
    (folder / "table.csv").write_text(text)
    return str(folder / "table.csv")


def test_a_table_of_files(folder: Path) -> None:
    path = table(folder, "who,image,label\nann,dogs/0.png,dog\nbob,cats/1.png,cat\nann,cats/3.png,cat\n")
    rows = source("images", table=path).build(None)
    assert rows.inputs.paths == [str(folder / name) for name in ("dogs/0.png", "cats/1.png", "cats/3.png")]
    assert rows.targets.tolist() == ["dog", "cat", "cat"] and rows.target_kind == "class" and rows.target_names == ("label",)
    assert rows.extra.columns == ["who"] and rows.extra["who"].to_list() == ["ann", "bob", "ann"]
    path = table(folder.parent, "file,age\n1.png,1.5\n3.png,2\n5.png,7\n")
    rows = source("images", table=path, path=str(folder / "cats"), image="file", target="age").build(None)
    assert rows.target_kind == "number" and rows.targets.tolist() == [[1.5], [2], [7]] and rows.extra is None
    assert values(fit(rows, np.arange(3)), rows).shape == (3, 3, 20, 30)


def test_a_bad_picture_of_a_table_leaves_its_row(folder: Path) -> None:
    cut(folder / "bad.jpg")
    path = table(folder, "image,label,who\nbad.jpg,cat,x\ndogs/0.png,dog,y\ncats/1.png,cat,z\n")
    rows = source("images", table=path, on_error="skip", skip_limit=0.5).build(None)
    assert rows.targets.tolist() == ["dog", "cat"] and rows.extra["who"].to_list() == ["y", "z"] and rows.place(0).endswith("0.png")


@pytest.mark.parametrize(("text", "settings", "error", "words"), [
    ("image,label\ncats/1.png,cat\ncats/7.png,cat\n", {}, DataError, "7.png cannot be read: No such file or directory."),
    ("file,label\ncats/1.png,cat\n", {}, DataError, "has no column 'image'"),
    ("image,kind\ncats/1.png,cat\n", {}, DataError, "has no column 'label'"),
    ("image,label\ncats/1.png,cat\n,cat\n", {}, DataError, "row 2: column 'image' names no file."),
    ("image,label\ncats/1.png,1\ncats/3.png,2\n", {}, ConfigError, "the target 'label' holds whole numbers: are they classes"),
    ("image,label\ncats/1.png,1\ncats/3.png,x\n", {"target_kind": "number"}, DataError, "row 2"),
    ("image,label\n" + "cats/1.png,1.5\n" * 39 + "cats/3.png,oops\n", {}, DataError, "table.csv: row 40"),
])  # fmt: skip
def test_what_is_said_of_a_table(folder: Path, text: str, settings: Any, error: Any, words: str) -> None:
    kind = settings.pop("target_kind", None)
    assert words in refusal(error, lambda: source("images", table=table(folder, text), **settings).build(kind))


@pytest.mark.parametrize(("settings", "key", "words"), [
    ({}, "path", "is missing: give a folder of pictures, or a table of them"),
    ({"path": "a", "target": "kind"}, "target", "is a column of the table, and there is no table"),
    ({"path": "a", "skip_limit": 1.0}, "skip_limit", "less than 1"),
])  # fmt: skip
def test_settings_of_images_that_cannot_be(settings: Any, key: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        sources.read({"name": "images", **settings})
    (found,) = caught.value.errors()
    assert found["loc"] == (key,) and words in found["msg"]


def test_new_pictures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit(of(files(folder)), np.arange(6), size=(8, 8))
    one = files(folder)[5]
    found = list(source("images", path="nowhere").fresh([str(one), str(folder)], 4))
    assert [len(rows) for rows in found] == [4, 3] and found[0].targets.shape == (4, 0)
    assert [rows.place(n) for rows in found for n in range(len(rows))] == [str(path) for path in (one, *files(folder))]
    assert np.array_equal(np.concatenate([values(fitted, rows) for rows in found])[1:], values(fitted, of(files(folder))))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{one}\n\n{files(folder)[0]}\n"))
    (rows,) = source("images", path="nowhere").fresh(["-"], 10)
    assert rows.inputs.paths == [str(one), str(files(folder)[0])]
    assert "gone.png is not there." in refusal(ConfigError, lambda: list(source("images", path="x").fresh(["gone.png"], 3)))
    (folder / "none").mkdir()
    assert "holds no pictures." in refusal(DataError, lambda: list(source("images", path="x").fresh([str(folder / "none")], 3)))
    (folder / "bad.jpg").write_text("no")
    words = refusal(DataError, lambda: list(source("images", path="x").fresh([str(folder)], 30)))
    assert "bad.jpg is no picture" in words and "on_error" not in words


def idx(path: Path, numbers: Any, kind: str = "u1", code: int = 0x08) -> None:
    """Write a file of MNIST's format, packed if its name says so."""
    numbers = np.asarray(numbers)
    head = struct.pack(f">HBB{numbers.ndim}I", 0, code, numbers.ndim, *numbers.shape)
    content = head + numbers.astype(f">{kind}").tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


IMAGES, LABELS = DRAWN.randint(0, 128, (6, 5, 4)), np.array([3, 1, 0, 3, 1, 1])
NAMES = [
    ("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"), ("{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"),
    ("{}-images.idx3-ubyte", "{}-labels.idx1-ubyte"), ("emnist-mnist-{}-images-idx3-ubyte.gz", "emnist-mnist-{}-labels-idx1-ubyte"),
]  # fmt: skip


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    for split, rows in (("train", slice(4)), ("t10k", slice(4, 6))):
        idx(tmp_path / f"{split}-images-idx3-ubyte", IMAGES[rows])
        idx(tmp_path / f"{split}-labels-idx1-ubyte", LABELS[rows])
    return tmp_path


@pytest.mark.parametrize("names", NAMES, ids=["plain", "packed", "dots", "emnist"])
def test_files_of_mnists_format(tmp_path: Path, names: tuple[str, str]) -> None:
    last = "test" if "emnist" in names[0] else "t10k"
    for split, rows in (("train", slice(4)), (last, slice(4, 6))):
        idx(tmp_path / names[0].format(split), IMAGES[rows])
        idx(tmp_path / names[1].format(split), LABELS[rows])
    part = source("idx", path=str(tmp_path))
    rows = part.build("class")
    assert part.given == ("test",) and rows.inputs.dtype == np.uint8 and np.array_equal(rows.inputs[:, 0], IMAGES)
    assert rows.targets.tolist() == list("310311") and {name: index.tolist() for name, index in rows.splits.items()} == {
        "train": [0, 1, 2, 3], "test": [4, 5],
    }  # fmt: skip
    assert rows.place(1).endswith(f"{names[0].format('train')}: picture 2")
    assert rows.place(5).endswith(f"{names[0].format(last)}: picture 2")
    named = source("idx", path=str(tmp_path), classes=["zero", "one", "two", "three"]).build(None)
    assert named.targets.tolist() == ["three", "one", "zero", "three", "one", "one"]


@pytest.mark.parametrize(("kind", "code"), [("u1", 8), ("i1", 9), ("i2", 11), ("i4", 12), ("f4", 13), ("f8", 14)])
def test_all_types_of_mnists_format(tmp_path: Path, kind: str, code: int) -> None:
    idx(tmp_path / "train-images-idx3-x.gz", IMAGES, kind, code)
    idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    part = source("idx", path=str(tmp_path))
    rows = part.build(None)
    assert rows.splits is None and rows.inputs.dtype == np.dtype(kind) and rows.inputs.dtype.isnative
    assert np.array_equal(rows.inputs[:, 0], IMAGES)


def bomb(path: Path) -> None:
    """A hundred bytes that promise 64 gigabytes."""
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 4000, 4000, 4000) + bytes(4000), mtime=0))


IMAGE_FILE, LABEL_FILE = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
SPOILT: dict[str, tuple[Callable[[Path], Any], Any, str]] = {
    "no labels": (lambda at: (at / LABEL_FILE).unlink(), ConfigError, f"holds no {LABEL_FILE}, nor {LABEL_FILE}.gz."),
    "no test labels": (lambda at: (at / "t10k-labels-idx1-ubyte").unlink(), ConfigError, "holds no t10k-labels-idx1-ubyte"),
    "no test images": (lambda at: (at / "t10k-images-idx3-ubyte").unlink(), ConfigError, "holds no t10k-images-idx3-ubyte"),
    "two sets": (lambda at: idx(at / f"emnist-{IMAGE_FILE}", IMAGES), DataError, "holds several sets: '', 'emnist'."),
    "counts": (lambda at: idx(at / LABEL_FILE, LABELS), DataError, f"{IMAGE_FILE} holds 4 pictures, and "),
    "dimensions": (lambda at: idx(at / IMAGE_FILE, IMAGES[0]), DataError, f"{IMAGE_FILE} has 2 dimensions: pictures have 3."),
    "swapped": (lambda at: idx(at / LABEL_FILE, IMAGES), DataError, f"{LABEL_FILE} has 3 dimensions: labels have 1."),
    "other": (
        lambda at: (at / IMAGE_FILE).write_bytes(b"\x89PNG...."),
        DataError,
        "is not in the idx format: it begins with b'\\x89PNG'",
    ),
    "type": (lambda at: idx(at / IMAGE_FILE, IMAGES, "u1", 7), DataError, f"{IMAGE_FILE} is not in the idx format"),
    "empty": (lambda at: (at / IMAGE_FILE).write_bytes(b""), DataError, f"{IMAGE_FILE} is empty."),
    "head": (lambda at: (at / IMAGE_FILE).write_bytes(b"\0\0\x08\x03\0\0"), DataError, "is cut off within its first bytes."),
    "cut": (
        lambda at: os.truncate(at / IMAGE_FILE, 50),
        DataError,
        "says that it holds 4 × 5 × 4 numbers, and its 50 bytes cannot",
    ),
    "long": (
        lambda at: (at / IMAGE_FILE).write_bytes((at / IMAGE_FILE).read_bytes() + b"x"),
        DataError,
        "holds more than its dimensions say.",
    ),
    "none": (lambda at: idx(at / IMAGE_FILE, IMAGES[:0]), DataError, "holds nothing: one of its dimensions is 0."),
    "amounts": (lambda at: idx(at / LABEL_FILE, LABELS[:4], "f4", 13), DataError, f"{LABEL_FILE} holds amounts, not classes."),
    "sizes": (lambda at: idx(at / IMAGE_FILE, IMAGES[:4, :3]), DataError, "of train and test differ in size: 3 × 4 and 5 × 4."),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_said_of_files_of_mnists_format(mnist: Path, name: str) -> None:
    spoil, error, words = SPOILT[name]
    spoil(mnist)
    said = refusal(error, lambda: source("idx", path=str(mnist)).build(None))
    assert words in said and str(mnist) in said


def test_what_is_said_of_packed_files(mnist: Path) -> None:
    path = mnist / f"{IMAGE_FILE}.gz"
    (mnist / IMAGE_FILE).unlink()
    idx(path, np.tile(IMAGES[:4], (1, 9, 9)))
    content = path.read_bytes()
    for spoilt, words in ((content[: len(content) // 2], "is cut off: the packed file ends too early."),
                          (content[:-6] + b"XXXXXX", "cannot be unpacked (CRC check failed"),
                          (content[:60] + bytes(40) + content[100:], "cannot be unpacked (")):  # fmt: skip
        path.write_bytes(spoilt)
        assert f"{path} {words}" in refusal(DataError, lambda: source("idx", path=str(mnist)).build(None))
    bomb(path)
    assert "says that it holds 4000 × 4000 × 4000 numbers" in refusal(DataError, lambda: source("idx", path=str(mnist)).build(None))


def test_what_is_said_of_other_paths_classes_and_tasks(mnist: Path) -> None:
    def said(error: Any, target: Any = None, **settings: Any) -> str:
        return refusal(error, lambda: source("idx", **{"path": str(mnist), **settings}).build(target))

    assert said(ConfigError, path="gone") == "the folder gone is not there."
    assert said(ConfigError, path=str(mnist / IMAGE_FILE)) == f"the folder {mnist / IMAGE_FILE} is a file."
    assert "holds the class 3, and 3 classes are named." in said(DataError, classes=["a", "b", "c"])
    assert said(ConfigError, "number").startswith("the files hold classes")


def test_new_pictures_in_mnists_format(mnist: Path, folder: Path) -> None:
    part = source("idx", path=str(mnist))
    fitted: Any = preprocessing.read("image").fit(part.build(None), np.arange(4))
    found = list(part.fresh([str(mnist / IMAGE_FILE), *map(str, files(folder)), str(mnist / "t10k-images-idx3-ubyte")], 3))
    assert [len(rows) for rows in found] == [3, 1, 3, 3, 2] and all(rows.targets.shape == (len(rows), 0) for rows in found)
    assert found[1].place(0).endswith(f"{IMAGE_FILE}: picture 4") and found[2].place(0) == str(files(folder)[0])
    pixels = np.concatenate([values(fitted, rows) for rows in found])
    assert pixels.shape == (12, 1, 5, 4) and np.array_equal(pixels[[0, 1, 2, 3, 10, 11], 0], IMAGES)
    assert "has 1 dimensions: pictures have 3." in refusal(DataError, lambda: list(part.fresh([str(mnist / LABEL_FILE)], 3)))


@pytest.mark.skipif(not os.path.isdir(FASHION), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist() -> None:
    rows = source("idx", path=FASHION).build(None)
    assert rows.inputs.shape == (70_000, 1, 28, 28) and {name: len(index) for name, index in rows.splits.items()} == {
        "train": 60_000, "test": 10_000,
    }  # fmt: skip
    fitted = fit(rows, rows.splits["train"])
    assert fitted.mean is not None and fitted.std is not None
    assert fitted.mean.item() == pytest.approx(0.2860, abs=1e-4) and fitted.std.item() == pytest.approx(0.3530, abs=1e-4)
    assert sorted(set(rows.targets)) == list("0123456789") and (rows.targets[rows.splits["test"]] == "7").sum() == 1000


# torchvision's sets, in their own formats


def pickled(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content))


COLOURS = DRAWN.randint(0, 256, (6, 3, 32, 32)).astype(np.uint8)


def write_set(name: str, root: Path) -> tuple[Array, list[str]]:
    """Six tiny pictures in the files of a set, the last two in the test split; and what should be read."""
    digits = [str(label) for label in LABELS]
    halves = (("train", slice(4)), ("t10k", slice(4, 6)))
    if name in ("MNIST", "FashionMNIST", "KMNIST"):
        (root / name / "raw").mkdir(parents=True)
        for split, rows in halves:
            idx(root / name / "raw" / f"{split}-images-idx3-ubyte", IMAGES[rows])
            idx(root / name / "raw" / f"{split}-labels-idx1-ubyte", LABELS[rows])
        words = {"MNIST": digits, "KMNIST": [("o", "ki", "su", "tsu")[n] for n in LABELS],
                 "FashionMNIST": [("T-shirt/top", "Trouser", "Pullover", "Dress")[n] for n in LABELS]}  # fmt: skip
        return IMAGES[:, None], words[name]
    if name == "USPS":
        grey = DRAWN.randint(0, 256, (6, 1, 16, 16))
        for file, rows in (("usps.bz2", slice(4)), ("usps.t.bz2", slice(4, 6))):
            lines = [
                " ".join(
                    [str(label + 1), *(f"{n}:{2 * (value + 0.01) / 255 - 1:.8f}" for n, value in enumerate(pixels.ravel(), 1))]
                )
                for label, pixels in zip(LABELS[rows], grey[rows], strict=True)
            ]
            (root / file).write_bytes(bz2.compress("\n".join(lines).encode()))
        return grey, digits
    if name == "SVHN":
        from scipy.io import savemat  # type: ignore[import-untyped]

        for file, rows in (("train", slice(4)), ("test", slice(4, 6))):
            ten = np.where(LABELS[rows] == 0, 10, LABELS[rows])[:, None]
            savemat(root / f"{file}_32x32.mat", {"X": COLOURS[rows].transpose(2, 3, 1, 0), "y": ten.astype(np.uint8)})
        return COLOURS, digits
    if name == "STL10":
        large = np.repeat(np.repeat(COLOURS, 3, axis=2), 3, axis=3)
        (root / "stl10_binary").mkdir()
        for file, rows in (("train", slice(4)), ("test", slice(4, 6)), ("unlabeled", slice(1))):
            (root / "stl10_binary" / f"{file}_X.bin").write_bytes(large[rows].transpose(0, 1, 3, 2).tobytes())
            (root / "stl10_binary" / f"{file}_y.bin").write_bytes((LABELS[rows] + 1).astype(np.uint8).tobytes())
        (root / "stl10_binary" / "class_names.txt").write_text("airplane\nbird\ncar\ncat\n")
        return large, [("airplane", "bird", "car", "cat")[n] for n in LABELS]
    names, key = ["apple", "baby", "bear", "bed"], "fine_labels" if name == "CIFAR100" else "labels"
    for n in range(4):
        file = "cifar-100-python/train" if name == "CIFAR100" else f"cifar-10-batches-py/data_batch_{n + 1}"
        rows = slice(4) if name == "CIFAR100" else slice(n, n + 1)
        pickled(root / file, {"data": COLOURS[rows].reshape(-1, 3072), key: LABELS[rows].tolist()})
    if name == "CIFAR10":
        pickled(root / "cifar-10-batches-py" / "data_batch_5", {"data": COLOURS[:0].reshape(-1, 3072), key: []})
        pickled(root / "cifar-10-batches-py" / "batches.meta", {"label_names": names})
    else:
        pickled(root / "cifar-100-python" / "meta", {"fine_label_names": names})
    last = "cifar-100-python/test" if name == "CIFAR100" else "cifar-10-batches-py/test_batch"
    pickled(root / last, {"data": COLOURS[4:].reshape(-1, 3072), key: LABELS[4:].tolist()})
    return COLOURS, [names[n] for n in LABELS]


SETS = ["MNIST", "FashionMNIST", "KMNIST", "USPS", "CIFAR10", "CIFAR100", "SVHN", "STL10"]


@pytest.mark.parametrize("name", SETS)
def test_torchvisions_sets(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cifar", "svhn", "stl10"):  # the checksums are those of the real files
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda path, md5=None: os.path.isfile(path))
    pixels, labels = write_set(name, tmp_path)
    part = source("torchvision", set=name, root=str(tmp_path))
    rows = part.build(None)
    assert part.given == ("test",) and part.data_kind == rows.kind == "image" and rows.inputs.dtype == np.uint8
    assert np.array_equal(rows.inputs, pixels) and rows.targets.tolist() == labels
    assert rows.splits["train"].tolist() == [0, 1, 2, 3] and rows.splits["test"].tolist() == [4, 5]


@pytest.mark.parametrize("name", SETS)
def test_which_files_to_put_where(tmp_path: Path, name: str) -> None:
    said = refusal(ConfigError, lambda: source("torchvision", set=name, root=str(tmp_path)).build(None))
    wanted = {
        "MNIST": "MNIST/raw/t10k-labels-idx1-ubyte",
        "SVHN": "test_32x32.mat",
        "USPS": "usps.t.bz2",
        "STL10": "stl10_binary/test_y.bin",
    }
    assert said.startswith(f"{name} is not in {tmp_path}: ") and f"Into the folder {tmp_path} belong: " in said
    assert wanted.get(name, "") in said and "http" in said and said.endswith("data.download=true.")
    assert not list(tmp_path.iterdir())


def test_a_set_that_is_not_what_it_should_be(tmp_path: Path) -> None:
    write_set("CIFAR10", tmp_path)
    words = refusal(DataError, lambda: source("torchvision", set="CIFAR10", root=str(tmp_path)).build(None))
    assert words.startswith(f"CIFAR10: a file in {tmp_path} is not what it should be: its checksum or content differs. Remove it")
    write_set("MNIST", tmp_path)
    os.truncate(tmp_path / "MNIST" / "raw" / IMAGE_FILE, 60)
    assert "MNIST: a file in" in refusal(DataError, lambda: source("torchvision", set="MNIST", root=str(tmp_path)).build(None))


def test_without_a_network_the_files_are_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from urllib.error import URLError

    def unreachable(*args: Any, **settings: Any) -> None:
        sys.stdout.write("Downloading")
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", unreachable)
    part = source("torchvision", set="CIFAR100", root=str(tmp_path), download=True)
    words = refusal(ConfigError, lambda: part.build(None))
    assert "cifar-100-python/train is missing, and fetching failed (<urlopen error no route to host>)." in words
    assert "belong: cifar-100-python/train, cifar-100-python/test, cifar-100-python/meta (unpacked from https://" in words
    assert capsys.readouterr().out == ""  # results alone go there


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "torchvision":
            raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SetupError, match="torchvision"):
        source("torchvision", set="MNIST", root="x").build(None)


def test_torchvisions_sets_answer_pictures_in_files(folder: Path) -> None:
    (rows,) = source("torchvision", set="CIFAR10", root="x").fresh([str(folder)], 10)
    assert len(rows) == 6 and rows.place(0) == str(files(folder)[0])
