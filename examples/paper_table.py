"""From a data set to the table of the MINT paper (arXiv 2601.12929): how much does which layer give away?

python examples/paper_table.py cifar10.parquet table/

Trains the paper's CNN (three blocks of two 3x3 convolutions with 32, 64 and 128 filters, a dense layer of 128) on half
of the images, and prints the AUC of its modules on each of the seven layers, with what onnxmint has besides: the best
simple signal and `views`. The paper states neither optimiser nor dropout rates; those here are ours.

The data is a Parquet file with `image` (struct with `bytes`) and `label`, and `split` where it has test images too, as
Hugging Face's CIFAR-10, CIFAR-100 and GTSRB can be written. For any other, put your own loader in place of `load`.

Expected of CIFAR-10 with all defaults (25,000 members, 30 epochs, 2,000 + 2,000 known images; training takes half an
hour of one core): the CNN is right on 98 % of its members and 83 % of others; AUC of `vanilla` and `cnn` .46 to .55 on
every layer, of the best signal .58 to .65, of `views` on 2 views .65 to .69 (tools/study/README.md, three divisions
each). The paper reports .72 for its best layer, the last one before the classes.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

from onnxmint import EvaluateSettings, evaluate, layers

REPORTED = {7: "0.72"}  # of the paper: its best layer; the others are not stated where we could read


def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, height, width, 3) uint8 pixels of one size and (n,) classes: put your own loader here."""
    table = pq.read_table(path)
    if "split" in table.column_names:
        table = table.filter(pc.equal(table["split"], "train"))
    images = [Image.open(io.BytesIO(row["bytes"])).convert("RGB") for row in table["image"].to_pylist()]
    return np.stack([np.asarray(image) for image in images]), table["label"].to_numpy().astype(np.int64)


def network(classes: int) -> nn.Sequential:
    """Return the paper's CNN up to the logits."""
    parts: list[nn.Module] = []
    for filters, dropout in ((32, 0.2), (64, 0.3), (128, 0.4)):
        for _ in range(2):
            parts += [nn.LazyConv2d(filters, 3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU()]
        parts += [nn.MaxPool2d(2), nn.Dropout(dropout)]
    return nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, classes))


def scaled(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def fit(net: nn.Module, pixels: np.ndarray, labels: np.ndarray, epochs: int) -> nn.Module:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, truth = scaled(pixels).to(device), torch.from_numpy(labels).to(device)
    net = net.to(device)
    net(images[:2])
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * -(-len(images) // 128))
    for epoch in range(epochs):
        for rows in torch.randperm(len(images)).split(128):
            loss = nn.functional.cross_entropy(net(images[rows]), truth[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {epochs}, loss {loss.item():.3f}", flush=True)
    return net.cpu().eval()


def export(net: nn.Module, path: Path, shape: tuple[int, ...]) -> None:
    height, width, _ = shape
    torch.onnx.export(
        net, (torch.zeros(2, 3, height, width),), path, input_names=["image"], output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


def keep(pixels: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Write images as a source of evidence, losslessly."""
    rows = []
    for number, image in enumerate(pixels):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": f"{path.stem}/{number}.png"})
    pq.write_table(pa.table({"image": rows, "label": labels}), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--known", type=int, default=2000, help="known members, and as many known non-members")
    parser.add_argument("--views", type=int, default=2, choices=(2, 14, 26))
    parser.add_argument("--repeats", type=int, default=3, help="divisions of the known images, a seed each")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    pixels, labels = load(given.data)
    order = np.random.default_rng(0).permutation(len(pixels))
    inside, outside = order[: len(order) // 2], order[len(order) // 2 :]
    net = fit(network(int(labels.max()) + 1), pixels[inside], labels[inside], given.epochs)
    model = given.output / "target.onnx"
    export(net, model, pixels.shape[1:])
    sides = {"members": inside[: given.known], "nonmembers": outside[: given.known]}
    for side, rows in sides.items():
        keep(pixels[rows], labels[rows], given.output / f"{side}.parquet")

    read = tuple(layer.name for layer in layers(model).layers if layer.op == "Relu")
    found = evaluate(
        model, *(given.output / f"{side}.parquet" for side in sides),
        settings=EvaluateSettings(preprocess="0-1", layers=read, views=given.views, repeats=given.repeats),
    )  # fmt: skip
    of = {one.name: one.spread(one.auc) for one in found.repeated}
    of |= {
        one.name: (one.performance.auc.value,) * 3 for one in found.methods if one.performance and not of.get(one.name)
    }

    def cell(name: str) -> str:
        mean, low, high = of.get(name) or (np.nan,) * 3
        return f"{mean:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(mean) else "needs a map"

    print(f"\nThe model is right on {found.evidence.accuracy_members:.1%} of the known members and on "
          f"{found.evidence.accuracy_nonmembers:.1%} of the non-members.\n")  # fmt: skip
    print("| layer | paper | vanilla: mean AUC (range) | cnn: mean AUC (range) |\n| --- | --- | --- | --- |")
    for number, name in enumerate(read, start=1):
        print(f"| {number} | {REPORTED.get(number, '')} | {cell(f'vanilla:{name}')} | {cell(f'cnn:{name}')} |")
    signal = found.best_signal()
    print(
        f"\nBeside them, on the same images: {signal.title} {cell(signal.name)}; {given.views} views {cell('views')}."
    )
    print(found.verdict.headline)


if __name__ == "__main__":
    main()
