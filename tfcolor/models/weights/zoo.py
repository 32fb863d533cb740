"""The published files: where they are, how large, under which licence, what they become.

Nothing here is fetched unless asked for, and nothing could be fetched where this
table was written: addresses, sizes and digests are those that the authors' or
Keras' code and the model cards state; `note` says what is not stated anywhere.
The licence of the VGG files and the size of `vgg16_keras_notop` are from memory.
"""

import dataclasses

NOT_STATED = "not stated"


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """One file of weights.

    Args:
      address: its URL.
      size: bytes, None where it is not stated.
      digest: "ALGORITHM:HEXADECIMAL" by `hashlib` name, empty where not stated.
      license_name: of the weights.
      network: the `convert --network` for it.
      note: what a user should know.
    """

    address: str
    size: int | None
    digest: str
    license_name: str
    network: str
    note: str = ""

    @property
    def file_name(self) -> str:
        """Returns the last part of the address."""
        return self.address.rsplit("/", 1)[1]


_CHICAGO = "http://people.cs.uchicago.edu/~larsson"
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/vgg16"
_PROXY_NOTE = "size and digest not stated; base network of Larsson et al., CVPR 2017"

ZOO: dict[str, PublishedFile] = {
    "autocolorize": PublishedFile(
        f"{_CHICAGO}/colorization/res/autocolorize.caffemodel.h5",
        588_203_256,
        "",
        f"{NOT_STATED} (the authors' code: BSD 3-clause)",
        "autocolorize_vgg16",
        "digest not stated; the colorizer of Larsson et al., ECCV 2016",
    ),
    "proxy_alexnet": PublishedFile(
        f"{_CHICAGO}/color-proxy/models/alexnet.caffemodel.h5",
        None,
        "",
        NOT_STATED,
        "proxy_alexnet",
        _PROXY_NOTE,
    ),
    "proxy_vgg16": PublishedFile(
        f"{_CHICAGO}/color-proxy/models/vgg16.caffemodel.h5",
        None,
        "",
        NOT_STATED,
        "proxy_vgg16",
        _PROXY_NOTE,
    ),
    "proxy_resnet152": PublishedFile(
        f"{_CHICAGO}/color-proxy/models/resnet152.caffemodel.h5",
        None,
        "",
        NOT_STATED,
        "proxy_resnet152",
        f"{_PROXY_NOTE}; batch norms are kept",
    ),
    "vgg16_keras": PublishedFile(
        f"{_KERAS}/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        553_467_096,
        "md5:64373286793e3c8b2b4e3219cbf3544b",
        "CC BY 4.0",
        "vgg16_gray",
        "ImageNet classification",
    ),
    "vgg16_keras_notop": PublishedFile(
        f"{_KERAS}/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        58_889_256,
        "md5:6d6bbae143d832006294945121d1f1fc",
        "CC BY 4.0",
        "vgg16_gray",
        "convolutions only: fc6 and fc7 start from random weights",
    ),
    "vgg16_caffe": PublishedFile(
        "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_16_layers.caffemodel",
        553_432_081,
        "sha1:9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24",
        "CC BY 4.0",
        "vgg16_gray",
        "ImageNet classification",
    ),
    "alexnet_caffe": PublishedFile(
        "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
        None,
        "sha1:9116a64c0fbe4459d18f4bb6b56d647b63920377",
        "non-commercial or unrestricted: the copies of its card disagree",
        "alexnet_gray",
        "ImageNet classification; size not stated",
    ),
}
"""Names of `convert --zoo_download`."""


def format_zoo() -> str:
    """Returns the table that `convert --zoo` shows, a few lines per file."""
    lines = []
    for name, file in ZOO.items():
        size = NOT_STATED if file.size is None else f"{file.size:,} bytes"
        lines += [
            name,
            f"  address   {file.address}",
            f"  size      {size}",
            f"  digest    {file.digest or NOT_STATED}",
            f"  licence   {file.license_name}",
            f"  becomes   --network={file.network}",
            f"  note      {file.note}",
        ]
    return "\n".join(lines) + "\n"
