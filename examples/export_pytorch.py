"""Export a PyTorch classifier to ONNX, with its preprocessing beside it in onnxmint's words.

python examples/export_pytorch.py OUT     # OUT/model.onnx, OUT/preprocess.toml

Put your own network in place of NETWORK, and the steps of your own *validation* transform in place of `prepared`, line
by line beside the TOML that says the same. Then look whether the two agree: onnxmint check OUT/model.onnx IMAGES.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

SIZE, MEAN, STD = 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

NETWORK = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(16 * 8 * 8, 10)
)


def prepared(image: Image.Image) -> torch.Tensor:
    """Return (3, 32, 32): what torchvision's Resize(40), CenterCrop(32), ToTensor(), Normalize(MEAN, STD) make."""
    width, height = image.size
    short = 40 / min(width, height)
    image = image.resize((int(width * short), int(height * short)), Image.Resampling.BILINEAR)
    left, top = round((image.width - SIZE) / 2), round((image.height - SIZE) / 2)
    image = image.crop((left, top, left + SIZE, top + SIZE))
    pixels = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1) / 255
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


PREPROCESS = f"""size = [40, 40]           # Resize(40)
resize = "shortest"
filter = "bilinear"
crop = [{SIZE}, {SIZE}]           # CenterCrop({SIZE})
crop_rule = "torchvision"
scale = {1 / 255}  # ToTensor()
mean = {list(MEAN)}  # Normalize(MEAN, STD)
std = {list(STD)}
"""


def export(network: nn.Module, folder: Path) -> None:
    """Write the network, for any number of images at once, and its preprocessing."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network.eval(),  # not as it trains: dropout off, batch normalisation as it was learned
        (torch.zeros(2, 3, SIZE, SIZE),),
        folder / "model.onnx",
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    (folder / "preprocess.toml").write_text(PREPROCESS, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the script, a folder
        sys.exit("usage: python export_pytorch.py OUT")
    export(NETWORK, Path(sys.argv[1]))
    print(f"onnxmint layers {sys.argv[1]}/model.onnx")
