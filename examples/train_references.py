"""Train reference models for onnxmint evaluate --reference: K of them, each on a random half of the known images.

python examples/train_references.py train/ heldout/ references/ --count 8 --epochs 20
onnxmint evaluate model.onnx --members train/ --nonmembers heldout/ --preprocess 0-1 --reference references/

MEMBERS and NONMEMBERS are the folders that evaluate is given, with one sub-folder a class. Every image is in the half
of K/2 references, as LiRA and RMIA want it (4 or more; 16 are much better than 4). Written are NAME.onnx,
NAME.members.txt, which names the images as evaluate does (class/file, so no name may be in both folders), and
NAME.toml, the preprocessing. Put your target's architecture and training in place of `network` and `fit`: the closer,
the stronger.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def network(classes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, filters in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, classes))


def fit(net: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, epochs: int) -> nn.Module:
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(pixels)).split(64):
            loss = nn.functional.cross_entropy(net(pixels[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net.eval()


def known(folders: list[Path], size: int) -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Return names, (n, 3, size, size) pixels from 0 to 1 and (n,) classes of all images."""
    classes = sorted({place.name for folder in folders for place in folder.iterdir() if place.is_dir()})
    files = [
        (f"{name}/{file.name}", file, number)
        for folder in folders
        for number, name in enumerate(classes)
        for file in sorted((folder / name).glob("*"))
        if file.suffix.lower() in ENDINGS
    ]
    names = [name for name, _, _ in files]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise SystemExit(f"{min(twice)} is in both folders: a list of members could not tell which is meant; rename it")
    images = [
        np.asarray(Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BILINEAR), np.float32) / 255
        for _, file, _ in files
    ]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return names, pixels, torch.tensor([number for _, _, number in files])


def write(net: nn.Module, folder: Path, name: str, members: list[str], size: int) -> None:
    """Write the three files of a reference."""
    torch.onnx.export(
        net, (torch.zeros(2, 3, size, size),), folder / f"{name}.onnx", input_names=["image"], output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    (folder / f"{name}.members.txt").write_text("\n".join(members) + "\n", "utf-8")
    (folder / f"{name}.toml").write_text(f'size = [{size}, {size}]\nfilter = "bilinear"\nscale = {1 / 255}\n', "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("members", type=Path)
    parser.add_argument("nonmembers", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=8, help="references, an even number")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.count < 4 or given.count % 2:  # noqa: PLR2004 - two that saw an image, and two that did not
        parser.error("--count must be an even number, at least 4")
    names, pixels, labels = known([given.members, given.nonmembers], given.size)
    torch.manual_seed(given.seed)
    order = np.argsort(np.random.default_rng(given.seed).random((given.count, len(names))), axis=0)
    given.output.mkdir(parents=True, exist_ok=True)
    for number in range(given.count):
        rows = np.flatnonzero(order[number] < given.count // 2)
        net = fit(network(int(labels.max()) + 1), pixels[rows], labels[rows], given.epochs)
        write(net, given.output, f"reference{number:02}", [names[row] for row in rows], given.size)
        with torch.inference_mode():
            right = (net(pixels[rows]).argmax(1) == labels[rows]).float().mean().item()
        print(f"reference{number:02}: {len(rows)} of {len(names)} images, right on {right:.1%} of them", flush=True)


if __name__ == "__main__":
    main()
