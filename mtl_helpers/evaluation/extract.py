"""What a trained network says of pictures, in batches and without dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mtl_helpers.store import release_pages
from mtl_helpers.training.batches import to_input


class NamedOutput(Protocol):
    """A named tuple of a shared feature x and each task's scores; further tensors may follow."""

    @property
    def features(self) -> Tensor:
        """x, (B, D)."""
        ...

    @property
    def logits(self) -> Mapping[str, Tensor]:
        """(B, K_t) per task t."""
        ...

    def _asdict(self) -> dict[str, Any]: ...


def output_tensors(output: Tensor | Mapping[str, Tensor] | NamedOutput) -> dict[str, Tensor]:
    """Return the tensors of a network's output by name.

    One tensor, such as a trunk gives, is ``"x"``, and so are the ``features`` of a named tuple;
    logits are named by their task, whatever else is there by its field. A mapping stays as it is.
    """
    if isinstance(output, Tensor):
        return {"x": output}
    if isinstance(output, Mapping):
        return dict(output)
    others = {
        name: value
        for name, value in output._asdict().items()
        if name != "features" and isinstance(value, Tensor)
    }
    return {"x": output.features, **output.logits, **others}


@torch.inference_mode()
def extract(
    network: nn.Module,
    images: NDArray[np.uint8],
    index: ArrayLike,
    *,
    batch: int = 128,
    device: torch.device | str = "cpu",
    amp: bool = False,
) -> dict[str, Tensor]:
    """Return what a network says of the images at ``index`` (n,), by the names of output_tensors.

    Tensors (n, ...) on the CPU in float32: of a network with task heads ``"x"`` (n, D) and logits
    (n, K_t) per task. The network is moved to the device, and keeps its mode. Images (N, H, W) or
    (N, H, W, 3) may be a memory map; ``amp`` computes in bfloat16.
    """
    index, device = np.asarray(index, dtype=np.int64), torch.device(device)
    if not len(index):
        raise ValueError("There is no image to look at: the index is empty.")
    training = network.training
    network.to(device).eval()
    parts: dict[str, list[Tensor]] = {}
    try:
        for start in range(0, len(index), batch):
            pixels = torch.from_numpy(np.ascontiguousarray(images[index[start : start + batch]]))
            if start % (20 * batch) == 0:
                release_pages(images)
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                output = network(to_input(pixels.to(device)))
            for name, values in output_tensors(output).items():
                parts.setdefault(name, []).append(values.float().cpu())
    finally:
        network.train(training)
    return {name: torch.cat(values) for name, values in parts.items()}
