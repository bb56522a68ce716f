"""Speed of rendering: ours beside pyvista (VTK) and mitsuba, drawing the same head.

Every renderer draws the same identities at the same size, from the same fifteen cameras, in all
six expressions, under the same six lights with cast shadows, to bytes in memory. Each gets the
same number of processes, each on one thread, and renderers take turns in rounds.

What a renderer may reuse is its own affair, for that is the difference: ours bakes shadows once
for all cameras and keeps a buffer per light; pyvista keeps its window and updates points; mitsuba
keeps its scene, updates points and draws all cameras in one launch (its batch sensor).

Peers draw less than ours: one colour a vertex instead of the painted appearance, no neck, no
hair, no ground truth.

    python benchmarks/render_speed.py                     # a table
    python benchmarks/render_speed.py --out some/folder   # also one contact sheet a renderer
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import os
import queue
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAMERAS = ("11_0", "12_0", "09_0", "08_0", "13_0", "14_0", "05_1", "05_0", "04_1", "19_0", "20_0",
           "01_0", "24_0", "19_1", "08_1")  # fmt: skip
SHOTS = (2, 5, 7, 9, 12, 16)
SEED = 0
SAMPLES = 4
"""Samples a pixel: ours takes 2 x 2, mitsuba 4 paths, VTK 4 of multi-sampling."""

Pictures = NDArray[np.uint8]
Step = Callable[[int], Pictures]


@dataclass(frozen=True)
class Geometry:
    """The faces that all renderers draw, in inter-ocular distances."""

    vertices: NDArray[np.float32]  # (identities, expressions, V, 3)
    faces: NDArray[np.int64]  # (F, 3)
    colours: NDArray[np.float32]  # (identities, V, 3), linear

    @classmethod
    def make(cls, identities: int) -> Geometry:
        import torch

        from mtl_helpers.faces.draw.render import identity_faces
        from mtl_helpers.faces.model.expression import EXPRESSIONS
        from mtl_helpers.faces.model.head import HeadModel
        from mtl_helpers.faces.model.identity import sample_identities
        from mtl_helpers.faces.scene.appearance import MATERIAL_NAMES, face_materials, skin_of

        torch.set_num_threads(1)
        head, people = HeadModel.load(), sample_identities(identities, seed=SEED)
        faces = head.faces.numpy()
        vertices, colours = [], []
        materials = face_materials(head)
        for place in range(identities):
            skin = skin_of(people[place])
            vertices.append(identity_faces(head, people[place], EXPRESSIONS, SEED).numpy())
            colour = np.tile(np.array(skin.albedo, dtype=np.float32), (len(head.template), 1))
            lips = head.mask("lips").numpy()[:, None]
            colour = colour + lips * (np.array(skin.lips, dtype=np.float32) - colour)
            for name, value in (("eye", 0.5), ("teeth", 0.6), ("mouth", 0.05)):
                colour[faces[materials == MATERIAL_NAMES.index(name)]] = value
            colours.append(colour.astype(np.float32))
        return cls(np.stack(vertices), faces, np.stack(colours))


def start_ours(side: int, identities: int) -> Step:
    """One step draws one identity: every camera, shot and expression."""
    import torch

    from mtl_helpers.faces.draw.render import render_identity
    from mtl_helpers.faces.model.expression import EXPRESSIONS
    from mtl_helpers.faces.model.head import HeadModel
    from mtl_helpers.faces.model.identity import sample_identities

    torch.set_num_threads(1)
    head, people = HeadModel.load(), sample_identities(identities, seed=SEED)

    def step(number: int) -> Pictures:
        return render_identity(
            head,
            people[number % identities],
            cameras=CAMERAS,
            shots=SHOTS,
            expressions=EXPRESSIONS,
            side=side,
            seed=SEED,
        ).images[:, :, 0]

    return step


def start_pyvista(side: int, identities: int) -> Step:
    """One step draws one expression: every camera and shot."""
    import pyvista
    import vtk

    from mtl_helpers.faces.scene.cameras import FIELD_WIDTH, PIE_CAMERAS, TARGET
    from mtl_helpers.faces.scene.lights import PIE_SHOTS

    vtk.vtkObject.GlobalWarningDisplayOff()
    geometry = Geometry.make(identities)
    plotter = pyvista.Plotter(off_screen=True, window_size=[side, side], lighting="none")
    plotter.set_background([0.5, 0.5, 0.5])
    triangles = np.column_stack([np.full(len(geometry.faces), 3), geometry.faces])
    mesh = pyvista.PolyData(geometry.vertices[0, 0].copy(), triangles)
    mesh["colour"] = geometry.colours[0].copy()
    mesh.compute_normals(inplace=True, split_vertices=False)
    plotter.add_mesh(
        mesh, scalars="colour", rgb=True, smooth_shading=True, ambient=0.2, diffuse=1.0,
        show_scalar_bar=False,
    )  # fmt: skip
    flash = pyvista.Light(light_type="scene light", intensity=1.0)
    flash.positional = False
    plotter.add_light(flash)
    plotter.enable_shadows()
    plotter.enable_anti_aliasing("msaa", multi_samples=SAMPLES)
    plotter.camera.view_angle = math.degrees(2 * math.atan(FIELD_WIDTH / 2 / 20.0))
    plotter.show(auto_close=False)
    places = list(itertools.product(range(identities), range(geometry.vertices.shape[1])))

    def step(number: int) -> Pictures:
        person, expression = places[number % len(places)]
        mesh.points[:] = geometry.vertices[person, expression]
        mesh["colour"][:] = geometry.colours[person]
        mesh.compute_normals(inplace=True, split_vertices=False)
        pictures = np.empty((len(CAMERAS), len(SHOTS), side, side), dtype=np.uint8)
        for row, name in enumerate(CAMERAS):
            plotter.camera.position = PIE_CAMERAS[name].position
            plotter.camera.focal_point = TARGET
            plotter.camera.up = (0.0, 0.0, 1.0)
            plotter.camera.clipping_range = (15.0, 26.0)
            for column, shot in enumerate(SHOTS):
                flash.position = 10 * PIE_SHOTS[shot].direction
                flash.focal_point = TARGET
                plotter.render()
                colour = plotter.screenshot(return_img=True)
                pictures[row, column] = colour.mean(axis=2)
        return pictures

    return step


def start_mitsuba(variant: str, side: int, identities: int) -> Step:
    """One step draws one expression: every camera and shot, cameras in one launch."""
    import drjit
    import mitsuba

    from mtl_helpers.faces.scene.cameras import FIELD_WIDTH, PIE_CAMERAS, TARGET
    from mtl_helpers.faces.scene.lights import PIE_SHOTS

    drjit.set_thread_count(1)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    mitsuba.set_variant(variant)
    geometry = Geometry.make(identities)
    transform = mitsuba.ScalarTransform4f
    mesh = mitsuba.Mesh(
        "head", geometry.vertices.shape[2], len(geometry.faces), props=_vertex_colour(mitsuba)
    )
    mesh.add_attribute("vertex_colour", 3, geometry.colours[0].ravel())
    values = mitsuba.traverse(mesh)
    values["vertex_positions"] = geometry.vertices[0, 0].ravel()
    values["faces"] = geometry.faces.ravel().astype(np.uint32)
    values.update()
    sensors = {
        f"camera{number}": {
            "type": "perspective",
            "fov": math.degrees(2 * math.atan(FIELD_WIDTH / 2 / 20.0)),
            "to_world": transform().look_at(
                origin=PIE_CAMERAS[name].position.tolist(), target=list(TARGET), up=[0, 0, 1]
            ),
        }
        for number, name in enumerate(CAMERAS)
    }
    scene = mitsuba.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "direct"},
            "head": mesh,
            "room": {"type": "constant", "radiance": {"type": "rgb", "value": 0.2}},
            "flash": {
                "type": "directional",
                "to_world": transform(),
                "irradiance": {"type": "rgb", "value": math.pi},
            },
            "sensor": {
                "type": "batch",
                **sensors,
                "film": {
                    "type": "hdrfilm",
                    "width": side * len(CAMERAS),
                    "height": side,
                    "pixel_format": "luminance",
                    "rfilter": {"type": "box"},
                },
                "sampler": {"type": "independent", "sample_count": SAMPLES},
            },
        }
    )
    values = mitsuba.traverse(scene)
    places = list(itertools.product(range(identities), range(geometry.vertices.shape[1])))

    def step(number: int) -> Pictures:
        person, expression = places[number % len(places)]
        values["head.vertex_positions"] = geometry.vertices[person, expression].ravel()
        values["head.vertex_colour"] = geometry.colours[person].ravel()
        pictures = np.empty((len(CAMERAS), len(SHOTS), side, side), dtype=np.uint8)
        for column, shot in enumerate(SHOTS):
            away = (-PIE_SHOTS[shot].direction).tolist()
            values["flash.to_world"] = mitsuba.Transform4f().look_at(
                origin=[0, 0, 0], target=away, up=[0, 0, 1]
            )
            values.update()
            linear = np.array(mitsuba.render(scene, seed=number))[..., 0]  # (side, 15 side)
            levels = 255 * (1 - np.exp(-1.5 * linear)) ** (1 / 2.2)
            strips = levels.reshape(side, len(CAMERAS), side).transpose(1, 0, 2)
            pictures[:, column] = strips.astype(np.uint8)
        return pictures

    return step


def _vertex_colour(mitsuba: Any) -> Any:
    material = mitsuba.load_dict(
        {
            "type": "twosided",
            "bsdf": {
                "type": "diffuse",
                "reflectance": {"type": "mesh_attribute", "name": "vertex_colour"},
            },
        }
    )
    properties = mitsuba.Properties()
    properties["bsdf"] = material
    return properties


STARTS: dict[str, Callable[[int, int], Step]] = {
    "ours": start_ours,
    "pyvista": start_pyvista,
    "mitsuba scalar_rgb": lambda side, n: start_mitsuba("scalar_rgb", side, n),
    "mitsuba llvm_ad_rgb": lambda side, n: start_mitsuba("llvm_ad_rgb", side, n),
}
"""Each makes ready and returns a step that draws some pictures (15, 6, side, side)."""

PICTURES_A_STEP = {"ours": len(CAMERAS) * len(SHOTS) * 6}
READY_SECONDS = 300.0
"""How long a renderer may take to start and to draw its first pictures."""
INSTALL = "pip install -e '.[bench]'"


@contextmanager
def silence() -> Iterator[None]:
    """Send what native libraries write to stderr nowhere: VTK complains when it has no display."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def work(name: str, side: int, seconds: float, place: int, barrier: Any, answers: Any) -> None:
    """One process: make ready, warm up, wait for the others, draw until the time is up."""
    try:
        with silence():
            step = STARTS[name](side, 4)
            sheet = step(0)
            barrier.wait()
            begin, steps = time.perf_counter(), 0
            while time.perf_counter() - begin < seconds:
                step(place + 7 * steps)
                steps += 1
            taken = time.perf_counter() - begin
    except Exception as error:  # the parent reports it and goes on with the other renderers
        barrier.abort()
        answers.put((0.0, f"{type(error).__name__}: {error}", None))
        return
    pictures = steps * PICTURES_A_STEP.get(name, len(CAMERAS) * len(SHOTS))
    answers.put((pictures / taken, "", sheet if place == 0 else None))


def measure(name: str, side: int, seconds: float, processes: int) -> tuple[float, str, Any]:
    """Images a second of all processes together; a message and a sheet of pictures."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=work, args=(name, side, seconds, place, barrier, answers))
        for place in range(processes)
    ]
    for worker in workers:
        worker.start()
    found: list[tuple[float, str, Any]] = []
    deadline = time.perf_counter() + seconds + READY_SECONDS
    while len(found) < processes:
        try:
            found.append(answers.get(timeout=0.5))
        except queue.Empty:
            died = next((w.exitcode for w in workers if w.exitcode), None)
            if died is not None or time.perf_counter() > deadline:
                reason = "was too slow to start" if died is None else f"ended with code {died}"
                found.append((0.0, f"a process {reason}", None))
                break
    for worker in workers:
        worker.join(timeout=5)
        if worker.is_alive():
            worker.kill()
    messages = [m for _, m, _ in found if m]
    message = next((m for m in messages if "BrokenBarrier" not in m), "".join(messages[:1]))
    sheet = next((s for _, _, s in found if s is not None), None)
    return sum(rate for rate, _, _ in found), message, sheet


def write_sheet(path: Path, pictures: Pictures) -> None:
    """Write pictures (rows, columns, side, side) as one picture."""
    from PIL import Image

    rows = [np.concatenate(list(row), axis=1) for row in pictures]
    Image.fromarray(np.concatenate(rows, axis=0)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=48, help="pixels a side (48)")
    parser.add_argument("--seconds", type=float, default=6.0, help="a measurement (6)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (3)")
    parser.add_argument("--processes", type=int, default=2, help="processes of each (2)")
    parser.add_argument("--only", nargs="+", choices=list(STARTS), default=list(STARTS))
    parser.add_argument("--out", type=Path, help="folder for contact sheets and the numbers")
    arguments = parser.parse_args()
    for variable in (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "LP_NUM_THREADS",
    ):
        os.environ[variable] = "1"
    rates: dict[str, list[float]] = {name: [] for name in arguments.only}
    messages: dict[str, str] = {}
    for turn in range(arguments.rounds):
        for name in arguments.only:
            if name in messages:
                continue
            print(f"round {turn + 1} of {arguments.rounds}: {name}", file=sys.stderr)
            rate, message, sheet = measure(
                name, arguments.side, arguments.seconds, arguments.processes
            )
            if message:
                hint = f"; install it with {INSTALL}" if "ModuleNotFound" in message else ""
                if "llvm" in name and not hint:
                    hint = "; DRJIT_LIBLLVM_PATH may name another libLLVM"
                messages[name] = message + hint
                continue
            rates[name].append(rate)
            if arguments.out and turn == 0:
                arguments.out.mkdir(parents=True, exist_ok=True)
                write_sheet(arguments.out / f"{name.replace(' ', '_')}.png", sheet)
    medians = {name: statistics.median(r) for name, r in rates.items() if r}
    print(
        f"{arguments.side} px, {len(CAMERAS)} cameras, 6 expressions, {len(SHOTS)} lights with "
        f"cast shadows, {arguments.processes} processes of one thread, median of {arguments.rounds}"
    )
    print(f"{'renderer':22}{'images/s':>10}{'lowest':>10}{'highest':>10}{'ours is':>10}")
    for name in arguments.only:
        if name in messages:
            print(f"{name:22}not measured: {messages[name]}")
            continue
        ratio = f"{medians['ours'] / medians[name]:.1f} x" if "ours" in medians else ""
        low, high = min(rates[name]), max(rates[name])
        print(f"{name:22}{medians[name]:10.0f}{low:10.0f}{high:10.0f}{ratio:>10}")
    if arguments.out:
        record = {"side": arguments.side, "processes": arguments.processes, "rates": rates}
        (arguments.out / "render_speed.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
