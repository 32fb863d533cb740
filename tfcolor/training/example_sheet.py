"""Sheets of what networks see, must answer and answer."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from tfcolor.tasks.base import DepictedTask, Panel, Tensors

NUM_EXAMPLES = 6
CELL, CAPTION, GAP = 128, 18, 6
BACKGROUND, INK = (24, 24, 24), (230, 230, 230)


def depict_examples(
    task: DepictedTask, inputs: Tensors, targets: Tensors, outputs: Tensors
) -> np.ndarray:
    """Draws the first examples of a batch.

    Args:
      task: draws the panels.
      inputs: of one batch, by name, with a leading axis B.
      targets: likewise.
      outputs: likewise.

    Returns:
      uint8 [H, W, 3].
    """
    first = tf.nest.map_structure(lambda one: one[:NUM_EXAMPLES], (inputs, targets, outputs))
    return draw_panels(task.depict(*first))


def draw_panels(rows: Sequence[Sequence[Panel]]) -> np.ndarray:
    """Draws panels in rows, each under its caption.

    Args:
      rows: one or more, each with the same number of panels.

    Returns:
      uint8 [H, W, 3]; small pictures are enlarged to fill a cell, without
      smoothing.
    """
    width = GAP + len(rows[0]) * (CELL + GAP)
    height = GAP + len(rows) * (CELL + CAPTION + GAP)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, panels in enumerate(rows):
        for column, panel in enumerate(panels):
            left, top = GAP + column * (CELL + GAP), GAP + row * (CELL + CAPTION + GAP)
            draw.text((left, top), _shortened(panel.caption, font), fill=INK, font=font)
            sheet.paste(_fitted(panel.pixels), (left, top + CAPTION))
    return np.asarray(sheet)


def _shortened(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Returns the longest beginning of a caption that a cell is wide enough for."""
    while font.getlength(caption) > CELL:
        caption = caption[:-1]
    return caption


def _fitted(pixels: np.ndarray) -> Image.Image:
    """Returns a picture whose longer side is that of a cell."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = CELL / max(picture.size)
    size = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
    is_larger = scale < 1
    return picture.resize(size, Image.Resampling.BOX if is_larger else Image.Resampling.NEAREST)
