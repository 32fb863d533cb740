"""What the classes of a mixture look like: means of images in canonical pose."""

import numpy as np

from tfcolor.data.rotation import rotate_images
from tfcolor.parts.class_mixtures import ClassMixtures


def mean_class_pictures(
    images: np.ndarray, labels: np.ndarray, classes: ClassMixtures, num_rotations: int
) -> np.ndarray:
    """Averages the images of every component, each turned to its class's zero.

    Args:
      images: uint8 [N, H, W, C].
      labels: int [N] in [0, Y).
      classes: component and rotation of each image.
      num_rotations: R.

    Returns:
      float32 [Y, M, H, W, C] in [0, 1]; zeros for a component without images.

    References:
      Larsson. Dissertation, figure 1.4.
    """
    num_classes = int(labels.max()) + 1
    num_components = int(classes.components.max()) + 1
    sums = np.zeros((num_classes, num_components, *images.shape[1:]), np.float64)
    counts = np.zeros((num_classes, num_components), np.int64)
    np.add.at(counts, (labels, classes.components), 1)
    for steps in range(num_rotations):
        chosen = classes.rotations == steps
        turned = np.asarray(rotate_images(images[chosen] / 255, 360 * steps / num_rotations))
        np.add.at(sums, (labels[chosen], classes.components[chosen]), turned)
    return (sums / np.maximum(counts, 1)[..., None, None, None]).astype(np.float32)
