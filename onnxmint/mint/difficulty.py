"""How hard is an image to classify? Small classifiers learn from known images and judge those that they have not seen.

What they find easier about the members is a difference in difficulty, not membership: a reference for those who have no
other model. They learn from members as well as from non-members: of either alone they would find the other side odd.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

SIDE = 32  # pixels; larger images are averaged to this
FOLDS = 2
EPOCHS = 16
_BATCH = 64
_SHIFT = 2  # pixels that an image is moved by at most while learning


def small_images(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (b, C, h, w) uint8 of (b, H, W, C), averaged so that no side is longer than SIDE."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    size = (min(SIDE, images.shape[2]), min(SIDE, images.shape[3]))
    found: NDArray[np.uint8] = functional.adaptive_avg_pool2d(images, size).round().byte().numpy()
    return found


def cross_fitted_log_odds(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    fold: NDArray[np.integer],
    *,
    seed: int,
    advance: Callable[[int], None],
) -> NDArray[np.float64]:
    """Return (n,) log-odds of each image's label by a classifier that learned from the other folds.

    Args:
        images: (n, C, h, w), from `small_images`.
        labels: (n,) classes.
        fold: (n,) 0 to FOLDS - 1; an image is scored by the classifier of its fold, which learned from the others.
        seed: of weights and order.
        advance: called with 1 after each epoch.
    """
    names, target = np.unique(labels, return_inverse=True)
    values = torch.from_numpy(images).float()
    mean, deviation = values.mean(dim=(0, 2, 3)), values.std(dim=(0, 2, 3)).clamp(min=1)
    values = (values - mean[None, :, None, None]) / deviation[None, :, None, None]
    truth = torch.from_numpy(target)
    found = np.empty(len(images))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for number in range(FOLDS):
            learn = torch.from_numpy(np.flatnonzero(fold != number))
            network = _fit(values, truth, learn, len(names), advance)
            rows = torch.from_numpy(np.flatnonzero(fold == number))
            found[rows.numpy()] = _log_odds(network, values, truth, rows)
    return found


def _network(channels: int, classes: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for width, size in ((channels, 24), (24, 48), (48, 64)):
        parts += [nn.Conv2d(width, size, 3, padding=1, bias=False), nn.BatchNorm2d(size), nn.ReLU()]
        parts += [nn.MaxPool2d(2, ceil_mode=True)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, classes))


def _fit(values: Tensor, truth: Tensor, learn: Tensor, classes: int, advance: Callable[[int], None]) -> nn.Sequential:
    network = _network(values.shape[1], classes)
    steps = EPOCHS * -(-len(learn) // _BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-3, total_steps=steps)
    for _ in range(EPOCHS):
        network.train()
        for rows in learn[torch.randperm(len(learn))].split(_BATCH):
            if len(rows) > 1:  # batch normalisation needs two
                loss = functional.cross_entropy(network(_moved(values[rows])), truth[rows], label_smoothing=0.1)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            schedule.step()
        advance(1)
    return network.eval()


def _moved(values: Tensor) -> Tensor:
    """Return the images moved by a few pixels, all of a batch alike: little evidence is else learned by heart."""
    padded = functional.pad(values, [_SHIFT] * 4, mode="replicate")
    down, right = torch.randint(0, 2 * _SHIFT + 1, (2,)).tolist()
    return padded[:, :, down : down + values.shape[2], right : right + values.shape[3]]


def _log_odds(network: nn.Sequential, values: Tensor, truth: Tensor, rows: Tensor) -> NDArray[np.float64]:
    with torch.inference_mode():
        logits = torch.cat([network(values[part]) for part in rows.split(512)]).double()
    mine = logits.gather(1, truth[rows][:, None])
    others = logits.scatter(1, truth[rows][:, None], float("-inf")).logsumexp(dim=1)
    found: NDArray[np.float64] = (mine[:, 0] - others).numpy()
    return found
