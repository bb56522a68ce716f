"""Gallery/probe identification and the accuracy of side tasks (Yin & Liu 2018, Sec. IV-A)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mtl_helpers.corpus import GalleryCorpus
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.training.batches import to_input

# Degrees of yaw of the paper's three pose groups, p-CNN's branches (Sec. IV-A).
POSE_GROUPS: dict[str, tuple[int, ...]] = {
    "right": (-90, -75, -60, -45),
    "frontal": (-30, -15, 0, 15, 30),
    "left": (45, 60, 75, 90),
}


@torch.inference_mode()
def extract(
    model: MultiTaskNetwork,
    images: NDArray[np.uint8],
    index: ArrayLike,
    *,
    batch: int = 128,
    device: torch.device | str = "cpu",
    amp: bool = False,
) -> dict[str, Tensor]:
    """Return what the network says about images, without dropout.

    Parameters
    ----------
    model
        Is moved to the device; comes back in the mode it was in.
    images
        (N, H, W) or (N, H, W, 3), uint8; a memory map will do.
    index
        (n,) images to look at.
    batch
        Images at a time.
    device
        Where to compute.
    amp
        Compute in bfloat16.

    Returns
    -------
    dict of str to Tensor
        On the CPU, float32: ``"x"`` (n, D), the shared feature, and each task's logits (n, K_t)
        under its name; those of ``"id"`` are the paper's y_d. Of p-CNN also ``"branches"``
        (n, G, K_id).
    """
    device = torch.device(device)
    index = np.asarray(index, dtype=np.int64)
    was_training = model.training
    model.to(device).eval()
    parts: dict[str, list[Tensor]] = {}
    try:
        for start in range(0, len(index), batch):
            pixels = torch.from_numpy(np.ascontiguousarray(images[index[start : start + batch]]))
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                out = model(to_input(pixels.to(device)))
            said = {"x": out.features, **out.logits}
            if out.branches is not None:
                said["branches"] = out.branches
            for name, values in said.items():
                parts.setdefault(name, []).append(values.float().cpu())
    finally:
        model.train(was_training)
    if not len(index):
        raise ValueError("There is no image to look at: the index is empty.")
    return {name: torch.cat(values) for name, values in parts.items()}


def nearest_gallery(gallery: Tensor, probes: Tensor, batch: int = 8192) -> Tensor:
    """Return for each probe the position of the gallery feature with the largest cosine.

    Parameters
    ----------
    gallery
        (G, D).
    probes
        (P, D).
    batch
        Probes at a time.

    Returns
    -------
    Tensor
        (P,) int64; the first of several equally near ones.
    """
    units = F.normalize(gallery.float(), dim=1)  # (G, D)
    # The probe's own length changes no order, so probes need not be normalised.
    return torch.cat([(part.float() @ units.T).argmax(dim=1) for part in probes.split(batch)])


def rank1(
    gallery_features: ArrayLike | Tensor,
    gallery_ids: ArrayLike,
    probe_features: ArrayLike | Tensor,
    probe_ids: ArrayLike,
) -> NDArray[np.bool_]:
    """Return which probes are identified: the most similar gallery image is of the same identity.

    Similarity is the cosine, as in Yin & Liu (2018), Sec. III-A.

    Parameters
    ----------
    gallery_features, gallery_ids
        (G, D) and (G,), one image an identity.
    probe_features, probe_ids
        (P, D) and (P,).

    Returns
    -------
    ndarray of bool
        (P,); its mean is the rank-1 identification rate.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or a probe's identity is not in the gallery.
    """
    gallery = torch.as_tensor(gallery_features)
    probes = torch.as_tensor(probe_features)
    known, asked = np.asarray(gallery_ids), np.asarray(probe_ids)
    if gallery.ndim != 2 or probes.ndim != 2 or gallery.shape[1] != probes.shape[1]:
        raise ValueError(
            f"Expected features (G, D) and (P, D), found {tuple(gallery.shape)} and "
            f"{tuple(probes.shape)}."
        )
    if known.shape != (len(gallery),) or asked.shape != (len(probes),):
        raise ValueError(
            f"Expected one identity a feature, found {known.shape} for {len(gallery)} gallery and "
            f"{asked.shape} for {len(probes)} probe features."
        )
    strangers = np.setdiff1d(asked, known)
    if strangers.size:
        raise ValueError(
            f"Every probe's identity must be in the gallery, found none for {strangers[:5]}: "
            f"take gallery and probes from the same split."
        )
    hits: NDArray[np.bool_] = known[nearest_gallery(gallery, probes).numpy()] == asked
    return hits


def mean_class_accuracy(logits: ArrayLike | Tensor, labels: ArrayLike) -> float:
    """Return the mean over classes of the share of each class's images that is recognised.

    Every class counts the same, however many images it has. Classes without images are left out.

    Parameters
    ----------
    logits
        (n, K).
    labels
        (n,) in 0 .. K - 1.

    Returns
    -------
    float
        In 0 .. 1; a guess gives 1 / K.

    Raises
    ------
    ValueError
        If there are no images.

    Note
    ----
    The paper says "the mean accuracy over all classes"; we read it as the mean of the recalls.
    """
    truth = np.asarray(labels)
    if not truth.size:
        raise ValueError("There are no images to take an accuracy of.")
    right = torch.as_tensor(logits).argmax(dim=1).numpy() == truth  # (n,)
    images = np.bincount(truth)  # (K,) or fewer
    hits = np.bincount(truth, weights=right)
    present = images > 0
    return float((hits[present] / images[present]).mean())


def identification_report(
    corpus: GalleryCorpus,
    split: str,
    model: MultiTaskNetwork,
    *,
    probes: ArrayLike | None = None,
    batch: int = 128,
    device: torch.device | str = "cpu",
    amp: bool = False,
) -> dict[str, Any]:
    """Identify the probes of a split and count how often it is right, and where.

    Parameters
    ----------
    corpus
        Gives images, labels, gallery, probes and the yaw of each pose class.
    split
        ``"validation"`` or ``"test"``: identities that were not trained on.
    model
        A trained network.
    probes
        (P,) some of the split's probes; all when None.
    batch, device, amp
        As for :func:`extract`.

    Returns
    -------
    dict
        Ready for JSON, rates in 0 .. 1:

        - ``"split"``, ``"gallery"`` and ``"probes"``: the split, and numbers of images;
        - ``"rank1"``: under ``"y_d"`` (identity logits, if there is an identity task) and ``"x"``
          (shared feature) each ``"overall"``, ``"by_yaw"`` (keys are degrees, ``"-90"`` to
          ``"90"``), ``"by_group"`` (``"right"``, ``"frontal"``, ``"left"``: :data:`POSE_GROUPS`),
          ``"by_illumination"`` and ``"by_expression"`` (keys are class numbers);
        - ``"side"``: mean class accuracy of every task but identity, on the probes.

    Note
    ----
    Rates are over probes, so the two overhead cameras count towards -45 and 45 degrees, as in the
    paper.
    """
    gallery = np.asarray(corpus.gallery(split))
    chosen = np.asarray(corpus.probes(split) if probes is None else probes, dtype=np.int64)
    everything = extract(
        model,
        corpus.images,
        np.concatenate([gallery, chosen]),
        batch=batch,
        device=device,
        amp=amp,
    )
    known = corpus.labels(gallery)["id"]
    labels = corpus.labels(chosen)
    yaw = np.asarray(corpus.yaw_degrees)[labels["pos"]]  # (P,) degrees

    features = {"x": everything["x"]}
    if "id" in everything:
        features = {"y_d": everything["id"], **features}
    rates: dict[str, Any] = {}
    for name, values in features.items():
        hits = rank1(values[: len(gallery)], known, values[len(gallery) :], labels["id"])
        rates[name] = {
            "overall": float(hits.mean()),
            "by_yaw": _rates_by(hits, yaw),
            "by_group": {
                group: float(hits[inside].mean())
                for group, degrees in POSE_GROUPS.items()
                if (inside := np.isin(yaw, degrees)).any()
            },
            "by_illumination": _rates_by(hits, labels["illum"]),
            "by_expression": _rates_by(hits, labels["exp"]),
        }
    side = {
        task: mean_class_accuracy(everything[task][len(gallery) :], labels[task])
        for task in model.tasks
        if task != "id"
    }
    return {
        "split": split,
        "gallery": len(gallery),
        "probes": len(chosen),
        "rank1": rates,
        "side": side,
    }


def _rates_by(hits: NDArray[np.bool_], values: NDArray[np.integer]) -> dict[str, float]:
    return {str(value): float(hits[values == value].mean()) for value in np.unique(values)}


def flatten_report(report: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return a report's numbers under one name each, e.g. ``"rank1/y_d/by_yaw/-90"``.

    Parameters
    ----------
    report
        From :func:`identification_report`, or a part of one.
    prefix
        Put before every name.
    """
    flat: dict[str, float] = {}
    for key, value in report.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten_report(value, f"{name}/"))
        elif isinstance(value, (int, float)):
            flat[name] = value
    return flat
