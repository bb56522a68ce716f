"""CMU Multi-PIE (Gross et al., 2010) in the settings of Yin & Liu (2018).

The labels mean what those of the rendered corpus mean
(:class:`mtl_helpers.faces.corpora.pie.PieSpec`): ``pos`` is a place among the yaw classes,
ascending, overhead cameras as +-45 degrees; ``illum`` is the number of the flash, 0 without;
``exp`` is a place in :data:`mtl_helpers.faces.model.expression.EXPRESSIONS`. So an experiment
written for one runs on the other. Not every subject came to every session, so many combinations do
not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.scene.cameras import PIE_CAMERAS
from mtl_helpers.faces.scene.lights import (
    GALLERY_CAMERA,
    GALLERY_EXPRESSION,
    GALLERY_SHOT,
    PIE_SHOTS,
    SHOT_CONDITION,
)

__all__ = ["ADAPTER", "SESSION_EXPRESSIONS", "SETTINGS", "Setting"]

SOURCE = Source(
    name="multipie",
    title="Multi-PIE",
    url="https://www.cs.cmu.edu/afs/cs/project/PIE/MultiPie/Multi-Pie/Home.html",
    licence="Sold by Carnegie Mellon University for research; pictures may not be passed on.",
    layout="session01/multiview/001/01/05_1/001_01_01_051_07.png (subject, recording, camera, "
    "then subject_session_recording_camera_shot)",
    marks=("session01", "session02", "session03", "session04"),
)

SESSION_EXPRESSIONS: Mapping[int, tuple[str, ...]] = {
    1: ("neutral", "smile"),
    2: ("neutral", "surprise", "squint"),
    3: ("neutral", "smile", "disgust"),
    4: ("neutral", "neutral", "scream"),
}
"""What the recordings 01, 02, ... of each session show."""

# Subjects are numbered up to here, with gaps: there are 337.
LAST_SUBJECT = 346

# Share of the training subjects that a "-tune" setting holds out: 20 of 200, as in the paper.
_HELD_OUT = 0.1


@dataclass(frozen=True)
class Setting:
    """Which sessions, cameras, shots and expressions (in the order of the classes) are used.

    Subjects up to the number ``last_train`` are trained on, the others are tested.
    """

    sessions: tuple[int, ...]
    cameras: tuple[str, ...]
    shots: tuple[int, ...]
    expressions: tuple[str, ...]
    last_train: int

    @property
    def yaws(self) -> tuple[int, ...]:
        """The yaw classes, ascending."""
        return tuple(sorted({PIE_CAMERAS[name].label_deg for name in self.cameras}))

    @property
    def conditions(self) -> tuple[int, ...]:
        """The illumination classes, ascending."""
        return tuple(sorted({int(SHOT_CONDITION[shot]) for shot in self.shots}))


def _up_to(yaw: int) -> tuple[str, ...]:
    """Return the cameras at head height up to a yaw."""
    return tuple(
        name for name, c in PIE_CAMERAS.items() if c.pitch_deg == 0 and abs(c.label_deg) <= yaw
    )


_ALL_SHOTS = tuple(shot.number for shot in PIE_SHOTS)
_NEUTRAL = (GALLERY_EXPRESSION,)

SETTINGS: Mapping[str, Setting] = {
    "V": Setting((1, 2, 3, 4), tuple(PIE_CAMERAS), _ALL_SHOTS, EXPRESSIONS, 200),
    "I": Setting((1, 2, 3, 4), _up_to(45), (GALLERY_SHOT,), _NEUTRAL, 200),
    "II": Setting((1,), _up_to(45), _ALL_SHOTS, _NEUTRAL, 100),
    "III": Setting((1,), tuple(PIE_CAMERAS), _ALL_SHOTS, _NEUTRAL, 150),
    "IV": Setting((1, 2, 3, 4), _up_to(60), _ALL_SHOTS, _NEUTRAL, 200),
}
"""The settings of Yin & Liu (2018, Table III and Sec. IV-A); "V" is our name for their full set.

Note
----
The paper gives counts of subjects (200/137, 100/149, 150/99); that training subjects are those
with the lowest numbers is the custom of the papers that it compares with, and that the one light of
setting I is the frontal flash is our reading."""

_NAME = re.compile(r"(\d{3})_(\d{2})_(\d{2})_(\d{3})_(\d{2})\.\w+")


@dataclass(frozen=True)
class _Picture:
    name: str
    subject: str
    session: int
    recording: int
    camera: str
    shot: int

    @property
    def expression(self) -> str:
        return SESSION_EXPRESSIONS[self.session][self.recording - 1]


def _read(tree: Tree, name: str) -> SampleTable:
    key, _, tune = name.partition("-")
    setting = SETTINGS[key]
    pictures = [
        picture
        for session in setting.sessions
        for picture in _session(tree, session, setting)
        if picture.shot in setting.shots and picture.expression in setting.expressions
    ]
    subjects = sorted({picture.subject for picture in pictures})
    train = [subject for subject in subjects if int(subject) <= setting.last_train]
    test = [subject for subject in subjects if int(subject) > setting.last_train]
    if not train or not test:
        raise tree.error(
            f"Expected subjects up to {setting.last_train:03d} to train on and later ones to test "
            f"on in setting {key}, found {len(train)} and {len(test)}."
        )
    validation: list[str] = []
    if tune:
        count = max(1, round(_HELD_OUT * len(train)))
        train, validation = train[:-count], train[-count:]
        if not train:
            raise tree.error(
                "Expected at least two training subjects, one of them to hold out, found one."
            )
    identity, identities = number_identities(
        [picture.subject for picture in pictures], train, validation, test
    )
    splits, galleries, probes = {}, {}, {}
    ends = np.cumsum([0, len(train), len(validation), len(test)])
    for split, start, stop in zip(("train", "validation", "test"), ends, ends[1:], strict=False):
        if start == stop:
            continue
        splits[split] = np.flatnonzero((identity >= start) & (identity < stop))
        if split == "train":
            continue
        galleries[split] = _gallery(pictures, splits[split])
        if not len(galleries[split]):
            raise tree.error(
                f"Expected a neutral picture by camera {GALLERY_CAMERA} with shot "
                f"{GALLERY_SHOT:02d} of the {split} subjects, found none."
            )
        # Whoever has no gallery picture cannot be found in it.
        enrolled = np.isin(identity, identity[galleries[split]])
        rest = np.setdiff1d(splits[split], galleries[split])
        probes[split] = rest[enrolled[rest]]
    yaw_of = {name: PIE_CAMERAS[name].label_deg for name in setting.cameras}
    return SampleTable(
        source=tree.source,
        files=tuple(picture.name for picture in pictures),
        identity=identity,
        identities=identities,
        labels={
            "pos": _places([setting.yaws.index(yaw_of[p.camera]) for p in pictures]),
            "illum": _places(
                [setting.conditions.index(int(SHOT_CONDITION[p.shot])) for p in pictures]
            ),
            "exp": _places([setting.expressions.index(p.expression) for p in pictures]),
        },
        class_names={
            "pos": tuple(str(yaw) for yaw in setting.yaws),
            "illum": tuple(str(condition) for condition in setting.conditions),
            "exp": setting.expressions,
        },
        splits=splits,
        galleries=galleries,
        probes=probes,
    )


def _places(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _gallery(pictures: list[_Picture], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one frontal, frontally lit, neutral picture per subject, from the earliest session."""
    first: dict[str, tuple[int, int, int]] = {}
    for number in index.tolist():
        picture = pictures[number]
        if (picture.camera, picture.shot, picture.expression) == (
            GALLERY_CAMERA,
            GALLERY_SHOT,
            GALLERY_EXPRESSION,
        ):
            place = (picture.session, picture.recording, number)
            first[picture.subject] = min(place, first.get(picture.subject, place))
    return np.array(sorted(number for _, _, number in first.values()), dtype=np.int64)


def _session(tree: Tree, session: int, setting: Setting) -> list[_Picture]:
    """Return the pictures of a session by the setting's cameras, whatever their shot."""
    pictures: list[_Picture] = []
    top = f"session{session:02d}/multiview"
    tree.folder(top, "folder of a session that the setting asks for,")
    for subject in tree.subfolders(top):
        if not re.fullmatch(r"\d{3}", subject) or not 1 <= int(subject) <= LAST_SUBJECT:
            raise tree.error(
                f"Expected subjects 001 to {LAST_SUBJECT} in {top}, found {subject!r}."
            )
        for recording in tree.subfolders(f"{top}/{subject}"):
            numbers = range(1, len(SESSION_EXPRESSIONS[session]) + 1)
            if not re.fullmatch(r"\d{2}", recording) or int(recording) not in numbers:
                raise tree.error(
                    f"Expected recordings 01 to {numbers[-1]:02d} in {top}/{subject}, found "
                    f"{recording!r}."
                )
            for camera in tree.subfolders(f"{top}/{subject}/{recording}"):
                folder = f"{top}/{subject}/{recording}/{camera}"
                if camera not in PIE_CAMERAS:
                    raise tree.error(f"Expected cameras {', '.join(PIE_CAMERAS)}, found {folder}.")
                if camera not in setting.cameras:
                    continue
                expected = f"{subject}_{session:02d}_{recording}_{camera.replace('_', '')}"
                for name in tree.scan(folder, deep=False):
                    shot = _shot(tree, name, expected)
                    pictures.append(_Picture(name, subject, session, int(recording), camera, shot))
    if not pictures:
        raise tree.error(f"Expected pictures below {top}, found none.")
    return pictures


def _shot(tree: Tree, name: str, expected: str) -> int:
    match = _NAME.fullmatch(name.rpartition("/")[2])
    shot = int(match[5]) if match else -1
    if not match or match[0][:13] != expected or shot not in _ALL_SHOTS:
        raise tree.error(f"Expected the name {expected}_00.png to _19.png, found {name}.")
    return shot


ADAPTER = Adapter(
    source=SOURCE,
    read=_read,
    settings=(*SETTINGS, *(f"{name}-tune" for name in SETTINGS)),
)
"""The settings are those of the paper, which has no validation subjects; ``"V-tune"`` and the like
hold the last tenth of the training subjects out for validation, as the paper does to choose phi_s
(20 of 200)."""
