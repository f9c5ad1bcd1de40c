"""Collections of images with one folder per class.

`find_images` reads MTARSI (``TOP/CLASS/FILE``) and SAR-ACD (``images/CLASS/NNN.jpg``) as they are
distributed.
"""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from learners.images.aircraft import Pixels
from opt_istn.files import InputError, placing, read_bytes
from opt_istn.push.instance import IntArray

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
_ALIASES = {"C-135": "KC-135", "A320321": "A320/321"}  # spelling of folder -> name of class
_GREY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"P", "RGB", "RGBA", "CMYK", "YCbCr"})


@dataclass(frozen=True)
class ImageFolder:
    """Images of a collection, in the order of their classes' names and their own.

    Parameters
    ----------
    classes
        Names, ascending.
    paths
        Files, shape (n,).
    labels
        Index of each file's class, shape (n,).
    duplicates
        Groups of files of equal content.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: IntArray
    duplicates: tuple[tuple[Path, ...], ...]


def find_images(root: str | Path) -> ImageFolder:
    """List the images of a collection whose folders of classes lie in `root` or one level below.

    Files count as images by their suffix (jpg, png, tif); hidden files do not count, and one
    warning names what else is skipped.

    Raises
    ------
    InputError
        If there is no such folder, no image, a class without one, or more than one place to look
        for classes.
    """
    top = Path(root)
    if not placing.is_folder(top):
        raise InputError("", "expected a folder", str(top))
    places = [place for place in (top, *_folders(top)) if any(map(_images, _folders(place)))]
    if len(places) != 1:
        found = ", ".join(place.name for place in places) or "none"
        rule = "expected folders of images, one per class, in the folder itself or in one below it"
        raise InputError("", f"{rule}, found {found}", str(top))
    _report_skipped(places[0])
    files = sorted(
        (_ALIASES.get(folder.name, folder.name), path.as_posix(), path)
        for folder in _folders(places[0])
        for path in _images(folder)
    )
    classes = tuple(sorted({name for name, _, _ in files}))
    labels = np.array([classes.index(name) for name, _, _ in files], dtype=np.int64)
    paths = tuple(path for _, _, path in files)
    return ImageFolder(classes, paths, labels, _duplicates(paths))


def read_chips(paths: Sequence[str | Path], pixels: int = 64) -> Pixels:
    """Read images, shape (n, channels, `pixels`, `pixels`); grey ones have 1 channel, others 3.

    Images are resized as a whole, whatever their shape.

    Raises
    ------
    InputError
        If an image cannot be read or has other channels than the first; names it.
    """
    chips = [_read(Path(path), pixels) for path in paths]
    for path, chip in zip(paths, chips, strict=True):
        if len(chip) != len(chips[0]):
            rule = f"expected {len(chips[0])} channels as in {paths[0]}, found {len(chip)}"
            raise InputError("", rule, str(path))
    return np.stack(chips) if chips else np.empty((0, 1, pixels, pixels), dtype=np.float32)


def _folders(place: Path) -> list[Path]:
    """Return the folders in `place`; archives made on a Mac carry one of no interest."""
    hidden = (".", "__MACOSX")
    return sorted(x for x in place.iterdir() if x.is_dir() and not x.name.startswith(hidden))


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _report_skipped(place: Path) -> None:
    """Refuse a class that would be empty; warn of files that are no images by their suffix."""
    skipped = list[Path]()
    for folder in _folders(place):
        images = set(_images(folder))
        others = [x for x in folder.iterdir() if x not in images and not x.name.startswith(".")]
        if not images:
            kinds = ", ".join(sorted({x.suffix or x.name for x in others})) or "nothing"
            rule = f"expected images of the class ({', '.join(sorted(_SUFFIXES))}), found {kinds}"
            raise InputError("", rule, str(folder))
        skipped += others
    if skipped:
        text = f"{place}: skipped {len(skipped)} files that are no images, such as {min(skipped)}"
        warnings.warn(text, stacklevel=3)


def _duplicates(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(hashlib.sha256(read_bytes(path)).hexdigest(), []).append(path)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _read(path: Path, pixels: int) -> Pixels:
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in _GREY_MODES or mode in _COLOUR_MODES:
                picture = image.convert("L" if mode in _GREY_MODES else "RGB")
                small = picture.resize((pixels, pixels), Image.Resampling.BILINEAR)
                values: Pixels = np.asarray(small, dtype=np.float32) / np.float32(255)
                return values[None] if values.ndim == 2 else np.moveaxis(values, 2, 0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("", f"expected a readable image ({error})", str(path)) from None
    raise InputError(
        "", f"expected 8 bits per channel, grey or colour, found mode {mode}", str(path)
    )
