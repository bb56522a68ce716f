"""What a GPU does with this project: the same as the CPU, how fast, and a sweep while it lasts.

    python tools/gpu_check.py --minutes 8 --output gpu-report
    python tools/gpu_check.py --device cpu --preset smoke --minutes 2 --output cpu-report

1. The renderer on the device against the CPU: the hit record, grey levels, labels and landmarks,
   and images/s of each corpus.
2. Training on the device against the CPU: loss curves of a short run, a run that is resumed,
   steps/s of the laptop's and the paper's network in float32 and bfloat16, peak memory.
3. As much of a sweep as fits the minutes, several runs side by side on one device.

It prints what it does and writes ``report.json`` and the sweep's records to the output folder. The
corpora are rendered into that folder too. It stops by itself when its minutes are over. Records of
a GPU and of a CPU must not be paired in one comparison.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtl_helpers.faces.corpora.kinds import CORPORA
from mtl_helpers.faces.draw.scenes import Light, Scene, framed_vertices, render_scenes
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.scene.appearance import draw_look, skin_of
from mtl_helpers.faces.scene.cameras import Camera
from mtl_helpers.machine import hardware, pick_device, versions
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    NetworkConfig,
    method_of,
    network_config,
    train_on,
)
from mtl_helpers.presets import PRESETS, Preset, get_preset
from mtl_helpers.training.batches import Batch, to_input
from mtl_helpers.training.loop import move
from mtl_helpers.training.plan import bfloat16_pays

GREY_TOLERANCE = 2
"""Grey levels by which a sample may differ: shading is summed in another order."""
ODD_SAMPLES = 2e-3
"""Share of the samples that may differ by more: edges of triangles and of shadows."""
LOSS_TOLERANCE = 0.05
"""By which the loss curves of a short run may differ, as a share of the first loss."""
CLASSES = {"id": 300, "pos": 13, "illum": 6, "exp": 6}


class NoiseCorpus:
    """Random pictures with random labels, in memory, as large as a preset's."""

    def __init__(self, preset: Preset, count: int = 2048) -> None:
        rng = np.random.default_rng(0)
        shape = (count, preset.side, preset.side) + ((3,) if preset.channels == 3 else ())
        self.images = rng.integers(0, 256, shape, dtype=np.uint8)
        self.class_counts = CLASSES
        self._labels = {task: rng.integers(0, k, count) for task, k in CLASSES.items()}

    def __len__(self) -> int:
        return len(self.images)

    def split(self, name: str) -> np.ndarray:
        return np.arange(len(self.images))

    def labels(self, index: np.ndarray) -> dict[str, np.ndarray]:
        return {task: values[index] for task, values in self._labels.items()}


class Clock:
    """The minutes that are left."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def left(self) -> float:
        return self.end - time.monotonic()


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def repeated(work: Callable[[int], int], device: torch.device, seconds: float) -> float:
    """Return units of work per second, over at least so many seconds and two calls."""
    done, calls, started = 0, 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - started < seconds:
        done += work(calls)
        calls += 1
        synchronise(device)
    return done / (time.perf_counter() - started)


# ---- the renderer


def differences(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return how far two arrays of the same picture are apart."""
    if not np.issubdtype(first.dtype, np.integer) and first.dtype != np.bool_:
        same = (first == second) | (np.isnan(first) & np.isnan(second))  # infinite depths agree
        with np.errstate(invalid="ignore"):
            gap = np.where(same, 0.0, np.abs(first - second))
        return {"largest": float(gap.max()), "different": float((gap > 1e-3).mean())}
    gap = np.abs(first.astype(np.int64) - second.astype(np.int64))
    return {"largest": float(gap.max()), "different": float((gap > 0).mean())}


def compare_hits(device: str) -> dict[str, Any]:
    """Return how the hit records of a few scenes differ between the device and the CPU."""
    records = []
    for place in ("cpu", device):
        head = HeadModel.load(place)
        scenes, faces = [], []
        for number, yaw in enumerate((-60.0, 0.0, 45.0)):
            person = sample_identities(1, seed=0, start=number)[0]
            camera = Camera("check", yaw_deg=yaw, pitch_deg=0.0, label_deg=0, field_width=3.9)
            look = draw_look(0, number, 6, 0, skin_tone=person.skin_tone)
            light = (Light(30.0, 15.0, 0.9),)
            scenes.append(Scene(camera, light, 0.25, look, skin_of(person)))
            neutral = person.coefficients.flatten().to(place)
            faces.append(framed_vertices(head, neutral, torch.zeros_like(neutral[None])))
        drawn = render_scenes(
            head, torch.cat(faces), scenes, side=64, channels=1, device=place, record=True
        )
        records.append(drawn)
    on_cpu, on_device = records
    found = {
        name: differences(getattr(on_cpu.record, name), getattr(on_device.record, name))
        for name in ("triangle", "material", "depth", "normal")
    }
    return found | {"landmarks": differences(on_cpu.landmarks, on_device.landmarks)}


def check_renderer(preset: Preset, device: torch.device, seconds: float) -> dict[str, Any]:
    """Compare one part of each corpus between the device and the CPU, and time the device."""
    name = str(device)
    report: dict[str, Any] = {"hits": compare_hits(name), "corpora": {}}
    sound = all(gap["different"] <= ODD_SAMPLES for gap in report["hits"].values())
    for corpus, kind in CORPORA.items():
        spec = kind.from_preset(preset)
        here, there = spec.make_part(0, "cpu"), spec.make_part(0, name)
        gaps = {field: differences(here[field], there[field]) for field in here}
        grey = np.abs(here["images"].astype(int) - there["images"].astype(int))
        odd = float((grey > GREY_TOLERANCE).mean())
        each = len(spec) // spec.layout().parts
        parts = spec.layout().parts

        def render(call: int, spec: Any = spec, parts: int = parts, each: int = each) -> int:
            spec.make_part(call % parts, name)
            return each

        rate = repeated(render, device, seconds)
        report["corpora"][corpus] = {"images_per_s": rate, "odd_samples": odd, "fields": gaps}
        sound = sound and odd <= ODD_SAMPLES
        print(f"  {corpus:>11}: {rate:8.0f} images/s, {100 * odd:.3f} % of the samples differ")
    return report | {"sound": sound}


# ---- training


def check_training(device: torch.device, folder: Path) -> dict[str, Any]:
    """Train the smallest network on the CPU and on the device, and resume it there."""
    corpus, preset = NoiseCorpus(PRESETS["smoke"], 512), PRESETS["smoke"]
    config = network_config(preset, "check", 0, phi_s=0.3)
    on_cpu = train_on(corpus, config, device="cpu")
    on_device = train_on(corpus, config, device=device)
    gaps = {
        name: float(np.abs(values - on_device.curves[name]).max() / on_cpu.curves[name][0])
        for name, values in on_cpu.curves.items()
        if name.startswith("loss/")
    }

    class Stopped(Exception):
        pass

    def stop(state: Any) -> None:
        if state.step == config.plan.steps // 2 + 1:
            raise Stopped

    path = folder / "check.pt"
    path.unlink(missing_ok=True)
    every = config.plan.steps // 2
    with contextlib.suppress(Stopped):
        train_on(corpus, config, device=device, checkpoint=path, checkpoint_every=every,
                 on_step=stop)  # fmt: skip
    resumed = train_on(corpus, config, device=device, checkpoint=path, checkpoint_every=every)
    path.unlink(missing_ok=True)
    weights = zip(
        on_device.final.state_dict().values(), resumed.final.state_dict().values(), strict=True
    )
    apart = max(float((a.double() - b.double()).abs().max()) for a, b in weights)
    # on a GPU sums come in any order, so that two equal runs differ in the last digits
    sound = max(gaps.values()) <= LOSS_TOLERANCE and apart <= (
        0.0 if device.type == "cpu" else 1e-2
    )
    print(f"  loss curves apart by {100 * max(gaps.values()):.2f} % of the first loss")
    print(f"  resumed and uninterrupted run: weights apart by {apart:.2g}")
    return {"loss_gaps": gaps, "resume_gap": apart, "sound": sound}


def steps_per_second(
    config: NetworkConfig, preset: Preset, device: torch.device, seconds: float
) -> dict[str, float]:
    """Return steps/s and the peak memory of a network on batches that lie on the device."""
    corpus = NoiseCorpus(preset, 4 * config.plan.batch)
    method = method_of(config, CLASSES, preset.channels)
    move(method, device)
    method.train()
    method.use_bfloat16 = bool(config.plan.bfloat16)
    batches = []
    for start in range(0, len(corpus), config.plan.batch):
        rows = np.arange(start, start + config.plan.batch)
        images: Tensor = torch.from_numpy(corpus.images[rows]).to(device)
        targets = {t: torch.from_numpy(v).to(device) for t, v in corpus.labels(rows).items()}
        positions = torch.from_numpy(rows).to(device)
        batches.append(Batch(to_input(images), targets, positions))
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 1e-4
    method.step(batches[0], 0)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    def step(call: int) -> int:
        method.step(batches[call % len(batches)], call)
        return 1

    rate = repeated(step, device, seconds)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return {"steps_per_s": rate, "images_per_s": rate * config.plan.batch, "peak_MiB": peak / 2**20}


def time_networks(device: torch.device, presets: list[str], seconds: float) -> dict[str, Any]:
    """Return the speed of the networks of some presets, with batches of 64 and the preset's."""
    report: dict[str, Any] = {}
    arithmetics = [False, True] if bfloat16_pays(device) else [False]
    for name in presets:
        preset = PRESETS[name]
        for batch in dict.fromkeys((64, preset.batch)):
            for bfloat16 in arithmetics:
                config = network_config(
                    preset, "speed", 0, phi_s=0.3, tasks=ALL_TASKS, batch=batch, bfloat16=bfloat16
                )
                speed = steps_per_second(config, preset, device, seconds)
                words = f"{name}, batch {batch}, {'bfloat16' if bfloat16 else 'float32'}"
                report[words] = speed
                print(
                    f"  {words:32}: {speed['steps_per_s']:7.1f} steps/s, "
                    f"{speed['images_per_s']:8.0f} images/s, {speed['peak_MiB']:.0f} MiB"
                )
    return report


# ---- a sweep while it lasts


def sweep(
    experiment: str, preset: str, device: str, processes: int, folder: Path, seconds: float
) -> dict[str, Any]:
    """Run as much of a sweep as fits, and return which records were written."""
    environment = os.environ | {
        "MTL_DEVICE": device,
        "MTL_CACHE": str((folder / "cache").absolute()),
        "MTL_RESULTS": str((folder / "results").absolute()),
    }
    command = [sys.executable, "-m", "mtl_helpers", "sweep", experiment, "--preset", preset]
    command += ["--processes", str(processes)]
    child = subprocess.Popen(command, env=environment, start_new_session=True)
    ended = "whole"
    try:
        child.wait(timeout=max(1.0, seconds))
    except subprocess.TimeoutExpired:
        ended = "out of time"
        # asked to stop, it keeps what is finished; then the whole session, lest a worker live on
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    records = sorted(str(p.relative_to(folder)) for p in (folder / "results").rglob("*.json"))
    print(f"  {ended}: {len(records)} records (exit code {child.returncode})")
    return {"records": records, "ended": ended, "exit_code": child.returncode}


@contextlib.contextmanager
def stage(name: str, clock: Clock, report: dict[str, Any]) -> Iterator[None]:
    """Print what begins, and note how long it took."""
    print(f"{name} ({clock.left():.0f} s left)", flush=True)
    started = time.perf_counter()
    yield
    report.setdefault("seconds", {})[name] = time.perf_counter() - started


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that fit; return 1 if the device does something else than the CPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--device", help="cuda, cuda:1, cpu (default: the best there is)")
    parser.add_argument("--preset", help="of the corpora and the sweep (default: laptop)")
    parser.add_argument("--sweep", default="weighting_rules", help="experiment, or 'none'")
    parser.add_argument("--processes", type=int, default=4, help="runs side by side")
    parser.add_argument("--output", type=Path, required=True, help="folder of report and records")
    options = parser.parse_args(arguments)
    clock = Clock(options.minutes)
    device = pick_device(options.device)
    preset = get_preset(options.preset)
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ["MTL_CACHE"] = str((options.output / "cache").absolute())
    quick = min(4.0, options.minutes)  # seconds per measurement
    report: dict[str, Any] = {
        "device": str(device),
        "preset": dataclasses.asdict(preset),
        "hardware": hardware(torch.get_num_threads()),
        "versions": versions(),
    }
    print(f"{report['hardware']['gpu'] or report['hardware']['cpu']}, torch {torch.__version__}")
    with stage("The renderer against the CPU", clock, report):
        report["renderer"] = check_renderer(preset, device, quick)
    with stage("Training against the CPU", clock, report):
        report["training"] = check_training(device, options.output)
    sizes = ["smoke"] if preset.name == "smoke" else ["laptop", "gpu"]
    with stage("Speed of training", clock, report):
        report["speed"] = time_networks(device, sizes, quick)
    write(report, options.output)
    if options.sweep != "none" and clock.left() > 0:
        with stage(f"Sweep of {options.sweep}", clock, report):
            left = clock.left()
            report["sweep"] = sweep(
                options.sweep, preset.name, str(device), options.processes, options.output, left
            )
    sound = report["renderer"]["sound"] and report["training"]["sound"]
    write(report | {"sound": sound}, options.output)
    print(f"The {device} does {'what' if sound else 'something else than'} the CPU does.")
    return 0 if sound else 1


def write(report: dict[str, Any], folder: Path) -> None:
    """Write the report so far: whoever stops the check has what it found."""
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
