"""Base networks by name; each class has its options dataclass as `Options`."""

from tfcolor.backbones.alexnet import AlexNet
from tfcolor.backbones.base import Backbone
from tfcolor.backbones.vgg import Vgg16

BACKBONES: dict[str, type[Backbone]] = {
    "alexnet": AlexNet,
    "vgg16": Vgg16,
}
