"""The networks that are measured, with random weights, as PyTorch modules and as ONNX files of the same weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn


class Residual(nn.Module):
    """Two 3x3 convolutions and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Build the block; the way around is a 1x1 convolution where the shape changes."""
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        same = stride == 1 and inputs == outputs
        around = [] if same else [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.around = nn.Sequential(*around)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return torch.relu(self.second(torch.relu(self.first(image))) + self.around(image))


class Inverted(nn.Module):
    """MobileNetV2's block: widen by 1x1, 3x3 per channel, narrow by 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int, widen: int) -> None:
        """Build the block; it is added to its input where the shape stays."""
        super().__init__()
        wide = inputs * widen
        self.same = stride == 1 and inputs == outputs
        self.path = nn.Sequential(
            *(nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return image + self.path(image) if self.same else self.path(image)


def resnet20() -> nn.Sequential:
    """Return CIFAR's ResNet-20: 40.6 million multiply-accumulates at 32x32."""
    widths = [(16, 1)] * 3 + [(32, 2)] + [(32, 1)] * 2 + [(64, 2)] + [(64, 1)] * 2
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return _residual(stem, 16, widths, 10)


def resnet18() -> nn.Sequential:
    """Return ResNet-18: 1.81 billion multiply-accumulates at 224x224."""
    widths = [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return _residual(stem, 64, widths, 1000)


class Bottleneck(nn.Module):
    """ResNet-50's block: narrow by 1x1, 3x3, widen by 1x1, and a way around."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        """Build the block; it gives four times its width."""
        super().__init__()
        outputs = 4 * width
        self.path = nn.Sequential(
            *(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )
        same = stride == 1 and inputs == outputs
        around = [] if same else [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.around = nn.Sequential(*around)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return torch.relu(self.path(image) + self.around(image))


def resnet50() -> nn.Sequential:
    """Return ResNet-50: 4.1 billion multiply-accumulates at 224x224."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(count):
            layers.append(Bottleneck(inputs, width, stride if number == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def mobilenet() -> nn.Sequential:
    """Return a MobileNetV2: 300 million multiply-accumulates at 224x224."""
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()]
    inputs = 32
    for widen, outputs, count, stride in stages:
        for number in range(count):
            layers.append(Inverted(inputs, outputs, stride if number == 0 else 1, widen))
            inputs = outputs
    layers += [nn.Conv2d(inputs, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


def _residual(stem: list[nn.Module], inputs: int, widths: list[tuple[int, int]], classes: int) -> nn.Sequential:
    layers = list(stem)
    for outputs, stride in widths:
        layers.append(Residual(inputs, outputs, stride))
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that is measured, and the layer in its middle."""

    name: str
    module: nn.Sequential
    size: int  # height and width of its images
    middle: int  # number of the child of `module` whose output is read
    file: Path


_MADE = {"resnet20": (resnet20, 32, 8), "resnet18": (resnet18, 224, 7), "mobilenet": (mobilenet, 224, 9)}
NAMES = tuple(_MADE)
_MADE |= {"resnet50": (resnet50, 224, 10)}  # for devices


def make(name: str, folder: Path, *, size: int | None = None) -> Network:
    """Build a network with seeded weights and export it with a free batch size."""
    build, own_size, middle = _MADE[name]
    size = size or own_size
    torch.manual_seed(0)
    module = build().eval()
    file = folder / f"{name}-{size}.onnx"
    if not file.exists():
        torch.onnx.export(
            module,
            (torch.zeros(2, 3, size, size),),
            str(file),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            input_names=["image"],
            output_names=["logits"],
            external_data=False,
            verbose=False,
        )
    return Network(name=name, module=module, size=size, middle=middle, file=file)
