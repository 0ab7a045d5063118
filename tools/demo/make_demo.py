"""Make the bundled data of `onnxmint demo`: a small over-fitted classifier of clothes, evidence, questioned images.

Everything is drawn at random, with the seed, from the training split of Fashion-MNIST (Zalando SE, MIT licence), so
members and non-members differ in nothing but having been trained on. The images come as the Debian package
dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or from any copy of its gzipped IDX files (--data).

    python tools/demo/make_demo.py            # writes onnxmint/demo/*.parquet, target.onnx, README.md
"""

import argparse
import gzip
import io
import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

OUT = Path(__file__).parents[2] / "onnxmint" / "demo"
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
TRAINED = 1200  # images the target is trained on: those of the evidence, and the questioned members
EVIDENCE = 1000  # members, and as many non-members
QUESTIONED = 200  # members, and as many non-members
EPOCHS = 60


class Target(nn.Module):
    """The demo's classifier: two convolutions with batch normalisation, two dense layers, no dropout."""

    def __init__(self) -> None:
        """Build the layers with human names, which the exporter keeps."""
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.dense = nn.Linear(32 * 7 * 7, 64)
        self.classes = nn.Linear(64, len(CLASSES))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (N, 10) logits of (N, 1, 28, 28) images in 0 to 1."""
        maps = functional.max_pool2d(functional.relu(self.norm1(self.conv1(image))), 2)
        maps = functional.max_pool2d(functional.relu(self.norm2(self.conv2(maps))), 2)
        return self.classes(functional.relu(self.dense(maps.flatten(1))))


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def train(images: np.ndarray, labels: np.ndarray, seed: int) -> Target:
    """Train the target until it knows its images by heart."""
    torch.manual_seed(seed)
    model = Target()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.from_numpy(images)[:, None].float() / 255, torch.from_numpy(labels).long()
    model.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(32):
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def accuracy(model: Target, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose top class is the label."""
    with torch.inference_mode():
        said = model(torch.from_numpy(images)[:, None].float() / 255).argmax(1).numpy()
    return float((said == labels).mean())


def write_parquet(
    path: Path, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, member: np.ndarray | None
) -> None:
    """Write rows in the Hugging Face form, with the truth as `member` when it is given."""
    encoded = []
    for row in rows:
        buffer = io.BytesIO()
        Image.fromarray(images[row]).save(buffer, "PNG", optimize=True)
        encoded.append({"bytes": buffer.getvalue(), "path": f"{row:05d}.png"})
    columns = {"image": pa.array(encoded), "label": pa.array(labels[rows].astype(np.int64))}
    if member is not None:
        columns["member"] = pa.array(member)
    table = pa.table(columns).replace_schema_metadata({"classes": json.dumps(CLASSES)})
    pq.write_table(table, path, compression="none")  # the images are compressed already


def forget_places(path: Path) -> None:
    """Drop the stack traces that torch leaves in an export: they name folders of the machine that made it."""
    model = onnx.load(path)
    for node in model.graph.node:
        kept = [(entry.key, entry.value) for entry in node.metadata_props if entry.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Train the target and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    images = read_idx(given.data / "train-images-idx3-ubyte.gz")
    labels = read_idx(given.data / "train-labels-idx1-ubyte.gz")
    torch.set_num_threads(1)  # the same sums in the same order on every machine
    rng = np.random.default_rng(given.seed)
    order = rng.permutation(len(images))
    trained, others = order[:TRAINED], order[TRAINED : TRAINED + EVIDENCE + QUESTIONED]
    model = train(images[trained], labels[trained], given.seed)

    asked = np.concatenate([trained[EVIDENCE : EVIDENCE + QUESTIONED], others[EVIDENCE:]])
    truth = np.repeat([True, False], QUESTIONED)
    mixed = rng.permutation(len(asked))
    write_parquet(OUT / "members.parquet", images, labels, trained[:EVIDENCE], None)
    write_parquet(OUT / "nonmembers.parquet", images, labels, others[:EVIDENCE], None)
    write_parquet(OUT / "questioned.parquet", images, labels, asked[mixed], truth[mixed])
    torch.onnx.export(
        model,
        (torch.zeros(2, 1, 28, 28),),
        OUT / "target.onnx",
        dynamo=True,
        opset_version=18,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        external_data=False,
        verbose=False,
    )
    forget_places(OUT / "target.onnx")
    rest = order[TRAINED + EVIDENCE + QUESTIONED :]
    scores = [accuracy(model, images[rows], labels[rows]) for rows in (trained, rest)]
    (OUT / "README.md").write_text(README.format(
        seed=given.seed, trained=TRAINED, epochs=EPOCHS, evidence=EVIDENCE, asked=QUESTIONED, train=scores[0], test=scores[1]
    ))  # fmt: skip
    print(f"accuracy on its {TRAINED} training images {scores[0]:.3f}, on others {scores[1]:.3f}")


README = """\
# Data of `onnxmint demo`

Made by `tools/demo/make_demo.py --seed {seed}` from the training split of Fashion-MNIST.

| file | content |
| --- | --- |
| target.onnx | a CNN (2 convolutions with batch normalisation, 2 dense layers) trained for {epochs} epochs without augmentation on {trained:,} images: accuracy {train:.3f} on them, {test:.3f} on others; input `image` N,1,28,28, x/255; logits |
| members.parquet | {evidence:,} of the images it was trained on |
| nonmembers.parquet | {evidence:,} images it was not trained on |
| questioned.parquet | {asked} further ones it was trained on and {asked} it was not, mixed; column `member` is the truth |

Fashion-MNIST: Han Xiao, Kashif Rasul, Roland Vollgraf, arXiv 1708.07747. The MIT License (MIT), Copyright 2017
Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


if __name__ == "__main__":
    main()
