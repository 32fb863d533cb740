"""The table of image sources by the scheme that `--images` names them with."""

from collections.abc import Callable, Mapping

from tfcolor.data.sources.base import Source
from tfcolor.data.sources.builtin import open_builtin
from tfcolor.data.sources.camvid import open_camvid
from tfcolor.data.sources.cifar import open_cifar100, open_cifar100_coarse
from tfcolor.data.sources.depth_maps import open_depth_folder
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.mnist import VARIATION_SOURCES, open_mnist
from tfcolor.data.sources.nyu_depth import open_nyu_depth
from tfcolor.data.sources.tfds_builder import open_tfds
from tfcolor.data.sources.tfrecord import open_shards
from tfcolor.data.sources.video import open_video
from tfcolor.data.sources.voc import open_voc, open_voc_boxes, open_voc_label_maps

SOURCES: Mapping[str, Callable[[str], Source]] = {
    "builtin": open_builtin,
    "camvid": open_camvid,
    "cifar100": open_cifar100,
    "cifar100_coarse": open_cifar100_coarse,
    "depth": open_depth_folder,
    "files": open_images,
    "mnist": open_mnist,
    **VARIATION_SOURCES,
    "nyu": open_nyu_depth,
    "tfds": open_tfds,
    "tfrecord": open_shards,
    "video": open_video,
    "voc": open_voc,
    "voc_detection": open_voc_boxes,
    "voc_segmentation": open_voc_label_maps,
}
