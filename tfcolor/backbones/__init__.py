"""Base networks by name; each class has its options dataclass as `Options`."""

from tfcolor.backbones.alexnet import AlexNet
from tfcolor.backbones.base import Backbone
from tfcolor.backbones.cifar import CifarDeep, CifarShallow
from tfcolor.backbones.digits import DigitsCnn
from tfcolor.backbones.resnet import ResNet50, ResNet101, ResNet152
from tfcolor.backbones.resnet_v2 import ResNet50V2, ResNet101V2
from tfcolor.backbones.vgg import Vgg16

BACKBONES: dict[str, type[Backbone]] = {
    "alexnet": AlexNet,
    "cifar_deep": CifarDeep,
    "cifar_shallow": CifarShallow,
    "digits_cnn": DigitsCnn,
    "resnet50": ResNet50,
    "resnet101": ResNet101,
    "resnet152": ResNet152,
    "resnet50_v2": ResNet50V2,
    "resnet101_v2": ResNet101V2,
    "vgg16": Vgg16,
}
