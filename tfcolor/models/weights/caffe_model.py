"""Reads Caffe's weights in protocol buffers (`.caffemodel`) through OpenCV."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tfcolor.core.errors import UserError

# OpenCV gives weights only for layers that a network description declares. As a
# convolution any layer does: OpenCV checks its tensors when it is run, not before.
_HEAD = 'input: "data"\ninput_shape { dim: 1 dim: 1 dim: 1 dim: 1 }\n'
_LAYER = (
    'layer {{ name: "{name}" type: "Convolution" bottom: "data" top: "{name}"'
    " convolution_param {{ num_output: 1 kernel_size: 1 }} }}\n"
)


def read_caffemodel(path: str | os.PathLike[str], layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads the tensors of some layers of a `.caffemodel` file.

    Both generations of the format are read. Layers of the file that are not
    asked for stay unseen: OpenCV has no way to list them.

    Args:
      path: the file.
      layers: names of layers; those that the file does not have are left out.

    Returns:
      float32 [...] arrays by "LAYER/INDEX": "conv1_1/0" is a kernel
      [out, in, kh, kw], "conv1_1/1" its bias as [out, 1].

    Raises:
      UserError: if the file cannot be read.
    """
    if not Path(path).is_file():
        raise UserError(f"cannot read {path}: there is no such file")
    with tempfile.TemporaryDirectory() as folder:
        description = Path(folder) / "layers.prototxt"
        description.write_text(_HEAD + "".join(_LAYER.format(name=name) for name in layers))
        try:
            network = cv2.dnn.readNetFromCaffe(str(description), os.fspath(path))
        except cv2.error as error:
            reason = "it is damaged, cut off, or no Caffe weight file"
            raise UserError(f"cannot read {path}: {reason}") from error
    return {
        f"{layer}/{index}": np.asarray(blob, np.float32)
        for layer in layers
        for index, blob in enumerate(network.getLayer(network.getLayerId(layer)).blobs)
    }
