"""Contact sheets: photographs before and after, side by side."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfcolor.data.raster import narrow, shrink
from tfcolor.inference.photographs import ColoredPhotograph

CELL = 256
HEADER = 24
GAP = 4
BACKGROUND = (24, 24, 24)


def colored_row(colored: ColoredPhotograph) -> dict[str, np.ndarray]:
    """Returns the pictures of one photograph for a sheet.

    Args:
      colored: a photograph before and after.

    Returns:
      uint8 [H, W, 3] pictures by column title: input, output, uncertainty, not
      larger than a cell.
    """
    before = narrow(shrink(colored.photograph.pixels, CELL)).mean(axis=-1, keepdims=True)
    uncertainty = shrink(colored.uncertainty, CELL)
    return {
        "input": np.repeat(np.rint(before).astype(np.uint8), 3, axis=-1),
        "output": narrow(shrink(colored.rgb, CELL)),
        "uncertainty": uncertainty_picture(uncertainty / np.float32(255)),
    }


def uncertainty_picture(uncertainty: np.ndarray) -> np.ndarray:
    """Returns an uncertainty map as a picture, dark where the color is certain.

    Args:
      uncertainty: float32 [H, W] in [0, 1].

    Returns:
      uint8 [H, W, 3]; the scale is fixed, so pictures can be compared. Values
      rarely exceed 0.5, which is where the scale ends.
    """
    colors = matplotlib.colormaps["magma"](np.clip(2 * uncertainty, 0, 1))
    return np.round(255 * colors[..., :3]).astype(np.uint8)


def build_sheet(rows: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """Lays pictures out in rows under column titles.

    Args:
      rows: uint8 [H, W, 3] pictures by column title, the same titles in each.

    Returns:
      uint8 [H', W', 3]; every picture is shrunk to fit a cell.

    Raises:
      ValueError: if there are no rows.
    """
    if not rows:
        raise ValueError("got no rows; a sheet needs at least one")
    titles = list(rows[0])
    height = HEADER + len(rows) * (CELL + GAP)
    sheet = Image.new("RGB", (len(titles) * (CELL + GAP) + GAP, height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for column, title in enumerate(titles):
        left = GAP + column * (CELL + GAP)
        draw.text((left, 4), title, fill=(230, 230, 230), font=font)
        for index, row in enumerate(rows):
            picture = Image.fromarray(row[title])
            picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
            top = HEADER + index * (CELL + GAP)
            corner = (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2)
            sheet.paste(picture, corner)
    return np.asarray(sheet)
