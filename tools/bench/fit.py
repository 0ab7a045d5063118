"""How long a module takes to fit on 10,000 activations, against nothing but the arithmetic of its training steps.

    pip install ".[bench]" && python tools/bench/fit.py

Half of the activations carry a weak signal (members' mean moved by a tenth of a deviation), so that early stopping has
something to stop at. "Steps alone": forward, backward and optimiser step on one batch in memory, as often as the fit
took them.
"""

from collections.abc import Callable

import numpy as np
import torch
from measuring import in_turn, machine, ratio, rounds_from, save
from torch.nn import functional

from onnxmint.mint.modules import network_of
from onnxmint.mint.trainer import FitSettings, fit_module

COUNT = 10_000
SHAPES = {
    "vanilla": ((512,),),
    "views": ((26,),),
    "cnn": ((64, 8, 8), (128, 8, 8), (256, 8, 8)),
}
BATCH = 128


def known(shape: tuple[int, ...]) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    member = np.arange(COUNT) % 2 == 0
    values = rng.normal(size=(COUNT, *shape)).astype(np.float32)
    values[member] += 0.1 * rng.normal(size=shape).astype(np.float32)
    return torch.from_numpy(values), member, (np.arange(COUNT) // 2 % 5).astype(np.int8)


def measure(name: str, shape: tuple[int, ...], rounds: int) -> dict[str, object]:
    values, member, fold = known(shape)
    settings = FitSettings()
    epochs: list[int] = []

    def fit() -> None:
        epochs.clear()
        fit_module(name, values, member, fold, settings=settings, advance=epochs.append)

    def steps(count: int) -> Callable[[], None]:
        kind = network_of(name)
        width = kind.features(values[:2]).shape[1]
        network = kind(torch.zeros(width), torch.ones(width)).train()
        optimiser = torch.optim.Adam(network.parameters())
        batch, truth = values[:BATCH].clone(), torch.from_numpy(member[:BATCH].astype(np.float32))

        def run() -> None:
            threads = torch.get_num_threads()
            torch.set_num_threads(threads if name == "cnn" else 1)
            for _ in range(count):
                loss = functional.binary_cross_entropy_with_logits(network(batch), truth)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            torch.set_num_threads(threads)

        return run

    fit()
    trained = sum(1 for step in epochs if step == 1)
    taken = in_turn({"fit": fit, "steps": steps(trained * (COUNT * 4 // 5 // BATCH + 1))}, rounds)
    return {
        "module": name,
        "activations": f"{COUNT} x {' x '.join(map(str, shape))}",
        "epochs": trained,
        "seconds": round(float(np.median(taken["fit"])), 1),
        "seconds an epoch": round(float(np.median(taken["fit"])) / trained, 2),
        "of steps alone": round(ratio(taken["fit"], taken["steps"]), 2),
    }


def main() -> None:
    rounds = rounds_from(__doc__, default=3)
    about = machine()
    rows = [measure(name, shape, rounds) for name, shapes in SHAPES.items() for shape in shapes]
    save("fit", rows, about)


if __name__ == "__main__":
    main()
