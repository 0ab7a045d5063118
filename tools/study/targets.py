"""Train the study's own targets: the paper's audited CNN, on half of a training set, kept as small ONNX files.

The network is the one of arXiv 2601.12929 (three blocks of two 3x3 convolutions with 32, 64 and 128 filters, each with
batch normalisation and ReLU; max-pooling and dropout after each block; dense 128; softmax). The paper states neither
optimiser nor dropout rates: Adam with a cosine schedule, and .2 / .3 / .4, are ours. Weights are rounded to float16
before anything is measured and stored as such, so that the file is half as large and says exactly what was measured.

    python tools/study/targets.py --shared ../shared [--only cifar10-paper]     # skips what is there already
"""

import argparse
import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import data
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

HERE = Path(__file__).parent
FOLDER = HERE / "targets"
BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one target is trained."""

    data: str
    epochs: int
    members: int | None = None  # training images; None: the whole half
    dropout: float = 1.0  # times (.2, .3, .4)
    augment: bool = False  # random crop with 4 pixels of padding, and mirror
    snapshots: tuple[int, ...] = ()  # epochs after which the target is kept too


RECIPES = {
    "cifar10-paper": Recipe(data="cifar10", epochs=30, snapshots=(5, 10, 20)),
    "cifar100-paper": Recipe(data="cifar100", epochs=30),
    "gtsrb-paper": Recipe(data="gtsrb", epochs=20),
    "cifar10-few-nodropout": Recipe(data="cifar10", members=2_000, epochs=60, dropout=0),
    "cifar10-small": Recipe(data="cifar10", members=10_000, epochs=30),
    "cifar10-small-nodropout": Recipe(data="cifar10", members=10_000, epochs=30, dropout=0),
    "cifar10-small-augment": Recipe(data="cifar10", members=10_000, epochs=30, augment=True),
}


def block(inputs: int, filters: int, dropout: float) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, filters, 3, padding=1),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
        nn.Conv2d(filters, filters, 3, padding=1),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(dropout),
    ]


def network(classes: int, dropout: float) -> nn.Sequential:
    """Return the paper's CNN up to the logits."""
    return nn.Sequential(
        *block(3, 32, 0.2 * dropout),
        *block(32, 64, 0.3 * dropout),
        *block(64, 128, 0.4 * dropout),
        nn.Flatten(),
        nn.Linear(2048, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def augmented(images: torch.Tensor) -> torch.Tensor:
    padded = functional.pad(images, (4, 4, 4, 4), mode="reflect")
    count, size = len(images), images.shape[2]
    top, left = torch.randint(0, 9, (2, count))
    rows = (top[:, None] + torch.arange(size))[:, None, :, None]
    columns = (left[:, None] + torch.arange(size))[:, None, None, :]
    planes = torch.arange(images.shape[1])[None, :, None, None]
    cropped = padded[torch.arange(count)[:, None, None, None], planes, rows, columns]
    mirror = torch.randint(0, 2, (count,)).bool()
    cropped[mirror] = cropped[mirror].flip(3)
    return cropped


def export(whole: nn.Module, path: Path) -> None:
    """Write a folded target, its weights stored as float16."""
    torch.onnx.export(
        whole, (torch.zeros(1, 3, 32, 32),), path, input_names=["image"], output_names=["probabilities"],
        dynamic_axes={"image": {0: "N"}, "probabilities": {0: "N"}}, opset_version=17, dynamo=False,
    )  # fmt: skip
    halve(path)


def fold(net: nn.Sequential) -> nn.Sequential:
    """Return a copy that ends in a softmax, batch normalisation folded in, weights rounded to float16."""
    layers: list[nn.Module] = []
    for layer in copy.deepcopy(net).cpu().eval():
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = torch.nn.utils.fusion.fuse_conv_bn_eval(layers[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    for layer in layers:
        for name, weight in layer.named_parameters():
            rounded = nn.Parameter(weight.detach().half().float())
            layer.register_parameter(name, rounded)
    return nn.Sequential(*layers, nn.Softmax(dim=1)).eval()


def halve(path: Path) -> None:
    """Store float32 initializers as float16, each behind a Cast."""
    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type == TensorProto.FLOAT:
            small = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}.half")
            graph.initializer.remove(tensor)
            graph.initializer.append(small)
            casts.append(helper.make_node("Cast", [small.name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def accuracy(net: nn.Module, images: torch.Tensor, truth: torch.Tensor) -> float:
    net.eval()
    with torch.inference_mode():
        right = sum(
            (net(a).argmax(1) == b).sum().item() for a, b in zip(images.split(512), truth.split(512), strict=True)
        )
    return right / len(truth)


def fit(name: str, recipe: Recipe, shared: Path) -> None:
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    table = data.read(shared, recipe.data)
    rows = data.halves(table, recipe.data, recipe.members)
    rows["nonmembers"] = rows["nonmembers"][:10_000]
    images, truth = {}, {}
    for side, wanted in rows.items():
        scaled = torch.from_numpy(data.pixels(table, wanted)).permute(0, 3, 1, 2).float() / 255
        images[side] = scaled.contiguous(memory_format=torch.channels_last).to(device)
        truth[side] = torch.from_numpy(data.labels(table, wanted)).to(device)
    net = network(data.CLASSES[recipe.data], recipe.dropout).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    steps = recipe.epochs * -(-len(rows["members"]) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    started = time.monotonic()
    for epoch in range(1, recipe.epochs + 1):
        net.train()
        for picked in torch.randperm(len(rows["members"])).split(BATCH):
            batch = images["members"][picked]
            batch = augmented(batch) if recipe.augment else batch
            with torch.autocast(device, torch.bfloat16):
                loss = functional.cross_entropy(net(batch), truth["members"][picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(
            f"{name} epoch {epoch}/{recipe.epochs} loss {loss.item():.3f} {time.monotonic() - started:.0f} s",
            flush=True,
        )
        if epoch in recipe.snapshots or epoch == recipe.epochs:
            label = name if epoch == recipe.epochs else f"{name}-epoch{epoch}"
            whole = fold(net)
            reached = {side: accuracy(whole, images[side].cpu(), truth[side].cpu()) for side in images}
            keep(label, whole, reached, recipe, epoch)


def keep(label: str, whole: nn.Module, reached: dict[str, float], recipe: Recipe, epoch: int) -> None:
    """Write the ONNX file and its line in targets.json."""
    export(whole, FOLDER / f"{label}.onnx")
    listing = FOLDER / "targets.json"
    facts = json.loads(listing.read_text()) if listing.exists() else {}
    rounded = {side: round(value, 4) for side, value in reached.items()}
    facts[label] = asdict(recipe) | {"epochs": epoch, "accuracy": rounded}
    del facts[label]["snapshots"]
    listing.write_text(json.dumps(facts, indent=1) + "\n")
    print(label, reached, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name, recipe in RECIPES.items():
        if (options.only is None or name in options.only) and not (FOLDER / f"{name}.onnx").exists():
            fit(name, recipe, options.shared)


if __name__ == "__main__":
    main()
