"""Any convolutional network of timm as a trunk: ResNets, VGG, Inception-ResNet and others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from mtl_helpers.trunks.protocol import MapTrunk


class TimmTrunk(MapTrunk):
    """A network of timm up to its last maps, whose mean is x.

    Weights are drawn anew; ``pretrained`` downloads timm's. Further options go to
    ``timm.create_model``.

    Note
    ----
    What timm's network has behind its last maps is left out, so that x is a mean of maps in every
    trunk: VGG loses its fully connected layers (as in Taherkhani et al. 2021), MobileNetV3 the
    convolution after pooling. Networks whose features are tokens or have their channels last
    (vision and Swin transformers) are refused.

    Examples
    --------
    >>> trunk = TimmTrunk("resnet10t", in_channels=1)
    >>> trunk(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 512])
    """

    def __init__(
        self,
        name: str,
        in_channels: int = 3,
        dropout: float = 0.0,
        *,
        pretrained: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, dropout)
        if not timm.is_model(name):
            raise ValueError(
                f"timm {timm.__version__} has no network {name!r}: choose one of "
                "timm.list_models()."
            )
        self.name = name
        options |= {"pretrained": pretrained, "in_chans": in_channels, "num_classes": 0}
        try:
            self.model = cast(Any, timm.create_model(name, **options))
        except RuntimeError as error:
            raise ValueError(f"timm cannot build {name!r}: {error}") from error
        if not hasattr(self.model, "forward_intermediates"):
            raise ValueError(f"timm's {name} gives no features by stage: choose another network.")
        self.feature_dim = _without_head(self.model, name, in_channels)
        for stage in self.model.feature_info:
            module, channels = f"model.{stage['module']}", stage["num_chs"]
            self.feature_info.append(
                {"module": module, "num_chs": channels, "reduction": stage["reduction"]}
            )
        self.to(memory_format=torch.channels_last)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last maps: (B, C, H, W), normalised -> (B, D, h, w)."""
        maps: Tensor = self._run(self.model.forward_features, images)
        return maps

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps, and those of the stages ``indices`` (see MapTrunk)."""
        numbers = self.stage_numbers(indices)
        ordered = sorted(set(numbers))  # timm gives each stage once, in the order of the network
        if not ordered:
            return self.forward_features(images), []
        final, maps = self._run(self.model.forward_intermediates, images, indices=ordered)
        stages: dict[int, Tensor] = dict(zip(ordered, maps, strict=True))
        return final, [stages[number] for number in numbers]

    def _run(self, forward: Callable[..., Any], images: Tensor, **options: Any) -> Any:
        images = self.checked_images(images)
        try:
            return forward(images, **options)
        except RuntimeError as error:
            if not re.search(r"too small|[Kk]ernel size", str(error)):
                raise
            raise ValueError(
                f"Images of {tuple(images.shape[2:])} pixels are too small for {self.name}, whose "
                "maps shrink to nothing: render the corpus larger."
            ) from error


@torch.no_grad()
def _without_head(model: Any, name: str, in_channels: int) -> int:
    """Take away what the features do not pass through, and return their channels D."""
    parts: set[str] = set()
    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, _output, path=path: parts.add(path.split(".")[0])
        )
        for path, module in model.named_modules()
        if path
    ]
    training = model.training
    model.eval()  # the statistics of batch normalisation stay as they are
    maps = model.forward_features(torch.zeros(1, in_channels, *model.default_cfg["input_size"][1:]))
    model.train(training)
    for hook in hooks:
        hook.remove()
    channels = model.feature_info[-1]["num_chs"]
    shape = tuple(maps.shape) if isinstance(maps, Tensor) else f"a {type(maps).__name__}"
    if len(shape) != 4 or maps.shape[1] not in (channels, model.num_features):
        raise ValueError(
            f"Expected last maps (B, D, h, w), but timm's {name} gives {shape}: choose "
            "a convolutional network."
        )
    for part, module in model.named_children():
        if part not in parts and next(module.parameters(), None) is not None:
            setattr(model, part, nn.Identity())
    return int(maps.shape[1])
