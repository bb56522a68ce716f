"""Task graphs: binary attributes whose correlations and exclusions are known exactly.

Learning the structure of tasks (Taherkhani et al., 2021) can only be judged where the structure is
known. Here attributes come from a Gaussian vector with a sparse precision matrix: every *block* is
one latent number, cut into intervals, and in each interval certain attributes hold. A block of one
attribute has two intervals (a probit). A block of several attributes makes them exclude one
another: hair is black or blond, never both. A *link* is a partial correlation between two blocks;
the strength multiplies all links, so that at strength 0 the blocks are independent.

No number is estimated by simulation. The joint probability of two attributes is an integral over at
most three latent numbers: over two of them in the closed form of Drezner and Wesolowsky (1990),
which needs one short Gauss-Legendre rule, and over the third by another.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["FACE_GROUPS", "Block", "Link", "TaskGraph", "face_graph"]

Level = Literal["identity", "picture"]

_STREAM: Final = 0x67726166
_FAR: Final = 9.0  # P(|z| > 9) is 2e-19
_NODES: Final = 24


@dataclass(frozen=True)
class Block:
    """One latent number, cut into intervals, each of which makes some attributes hold.

    A block of level ``"identity"`` is drawn once per person; one of ``"picture"`` anew for every
    picture, given the person. ``states`` are, from the lowest latent numbers to the highest, the
    attributes that hold in each interval, possibly none or in several intervals; ``shares`` the
    intervals' probabilities, which sum to 1.
    """

    name: str
    level: Level
    states: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the intervals."""
        if len(self.states) < 2 or len(self.states) != len(self.shares):
            raise ValueError(
                f"block {self.name!r} needs two or more intervals and a share for each, found "
                f"{len(self.states)} intervals and {len(self.shares)} shares"
            )
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError(
                f"the shares of block {self.name!r} must be positive with sum 1, found "
                f"{self.shares}"
            )

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes of the block, in the order of their first interval."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self.states)))

    @property
    def edges(self) -> NDArray[np.float64]:
        """Limits of the intervals on the latent scale, (intervals + 1,), the ends far out."""
        inner = ndtri(np.cumsum(self.shares)[:-1])
        return np.concatenate([[-_FAR], inner, [_FAR]])


@dataclass(frozen=True)
class Link:
    """A partial correlation between the latent numbers of two blocks, at strength 1."""

    first: str
    second: str
    weight: float


def yes_or_no(attribute: str, level: Level, share: float) -> Block:
    """Return the block of a single attribute that holds with probability ``share``."""
    return Block(attribute, level, ((), (attribute,)), (1 - share, share))


class TaskGraph:
    """Binary attributes with exactly known correlations.

    With links :math:`P` (symmetric, zero diagonal) and strength :math:`s`, the latent vector is
    Gaussian with precision proportional to :math:`I - sP` and unit variances; its correlation
    matrix is :math:`R`. An attribute holds where the latent number of its block lies in one of the
    attribute's intervals and nothing hides it.

    Parameters
    ----------
    blocks, links
        An attribute belongs to one block. Links are partial correlations between two blocks.
    strength
        Factor on all links, at least 0; at 0 all blocks are independent.
    hidden
        For at most one attribute, the blocks that it hides: while it holds, no attribute of those
        blocks does (a bald head has no hair colour).
    groups
        Named sets of attributes that together hold every attribute once; one group for each block
        if absent. Attribute ``names`` follow their order.

    Note
    ----
    The graph that a method should find is that of :meth:`adjacency`: pairs that exclude each other
    or whose blocks are linked. Two pairs further apart still correlate a little, through what lies
    between them; :meth:`correlations` has all of it, ``latent_correlations`` has :math:`R`.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        links: Sequence[Link],
        *,
        strength: float = 1.0,
        hidden: Mapping[str, Sequence[str]] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if not strength >= 0:
            raise ValueError(f"strength must be at least 0, found {strength}")
        # people before pictures, so that a picture is drawn given the person
        self.blocks = tuple(sorted(blocks, key=lambda block: block.level != "identity"))
        self.links = tuple(links)
        self.strength = float(strength)
        self.hidden = {name: tuple(whose) for name, whose in (hidden or {}).items()}
        self._place = {block.name: place for place, block in enumerate(self.blocks)}
        attributes = [name for block in self.blocks for name in block.attributes]
        if len(self._place) < len(self.blocks) or len(set(attributes)) < len(attributes):
            raise ValueError("every block needs a name of its own, and so does every attribute")
        named = groups or {block.name: block.attributes for block in self.blocks}
        self._groups = {name: tuple(members) for name, members in named.items()}
        self.names = tuple(itertools.chain.from_iterable(self._groups.values()))
        if sorted(self.names) != sorted(attributes):
            wrong = sorted(set(self.names) ^ set(attributes)) or "a name that occurs twice"
            raise ValueError(f"groups must hold every attribute once; look at {wrong}")
        self._block_of = {
            name: place for place, block in enumerate(self.blocks) for name in block.attributes
        }
        if len(self.hidden) > 1 or any(
            hider not in self._block_of or not set(whose) <= set(self._place)
            for hider, whose in self.hidden.items()
        ):
            raise ValueError(
                f"hidden must map at most one attribute to names of blocks, found {self.hidden}"
            )
        self.latent_correlations = self._correlate()
        self._factor = np.linalg.cholesky(self.latent_correlations)

    def __len__(self) -> int:
        """Return the number of attributes."""
        return len(self.names)

    def level(self, name: str) -> Level:
        """Return whether an attribute belongs to a person or to a picture."""
        return self.blocks[self._block_of[name]].level

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return the named groups, every attribute in one of them."""
        return dict(self._groups)

    def exclusions(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of attributes that never hold together."""
        never = []
        for first, second in itertools.combinations(self.names, 2):
            same_block = self._block_of[first] == self._block_of[second]
            states = self.blocks[self._block_of[first]].states
            meet = any(first in state and second in state for state in states)
            hides = self._hides(first, second) or self._hides(second, first)
            if hides or (same_block and not meet):
                never.append((first, second))
        return tuple(never)

    # -- exact numbers ------------------------------------------------------------------------

    def prevalences(self) -> NDArray[np.float64]:
        """Return the probability of each attribute, (T,)."""
        return np.diag(self.joint_probabilities()).copy()

    def joint_probabilities(self) -> NDArray[np.float64]:
        """Return the probability that two attributes hold together, (T, T), exact to about 1e-9.

        The diagonal holds the attributes' own probabilities.
        """
        return self._joint.copy()

    def correlations(self) -> NDArray[np.float64]:
        """Return Pearson's correlations of the binary attributes (phi), (T, T), exact."""
        joint = self._joint
        share = np.diag(joint)
        spread = np.sqrt(share * (1 - share))
        correlations = (joint - np.outer(share, share)) / np.outer(spread, spread)
        np.fill_diagonal(correlations, 1.0)
        return correlations

    def read_correlations(self, rates: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the correlations (T, T) of labels that are read off with errors and gaps.

        A label that is sometimes wrong or missing is correlated less than the attribute itself. If
        what happens to one attribute's label depends on that attribute alone, by how much follows
        from its ``rates`` (T, 2, 2): for attribute t, drawn value w and label l the probability of
        l given w; what is missing to 1 is unlabelled. Correlations are over the pictures in which
        both attributes are labelled, NaN where a label does not vary.
        """
        share = self.prevalences()
        joint = self.joint_probabilities()
        # cells[i, j, v, w]: probability that i is v and j is w
        both = np.empty((len(self), len(self), 2, 2))
        both[..., 1, 1] = joint
        both[..., 1, 0] = share[:, None] - joint
        both[..., 0, 1] = share[None, :] - joint
        both[..., 0, 0] = 1 - share[:, None] - share[None, :] + joint
        read = np.einsum("ijvw,ivl,jwm->ijlm", both, rates, rates)
        read = read / read.sum((2, 3), keepdims=True)
        first, second = read[:, :, 1, :].sum(2), read[:, :, :, 1].sum(2)
        spread = np.sqrt(first * (1 - first) * second * (1 - second))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlations = np.asarray((read[:, :, 1, 1] - first * second) / spread)
        np.fill_diagonal(correlations, 1.0)
        return correlations

    def adjacency(self) -> NDArray[np.float64]:
        """Return the graph to be found: (T, T), symmetric, signed, zero on the diagonal.

        Two attributes are joined if they share a block, if one hides the other, or if their blocks
        are linked and the strength is above 0. The weight is their exact correlation; everywhere
        else it is 0.
        """
        linked = {frozenset((link.first, link.second)) for link in self.links if self.strength}
        weights = np.zeros((len(self), len(self)))
        correlations = self.correlations()
        for i, j in itertools.combinations(range(len(self)), 2):
            first, second = self.names[i], self.names[j]
            own = [self.blocks[self._block_of[name]].name for name in (first, second)]
            hides = self._hides(first, second) or self._hides(second, first)
            if hides or own[0] == own[1] or frozenset(own) in linked:
                weights[i, j] = weights[j, i] = correlations[i, j]
        return weights

    # -- drawing ------------------------------------------------------------------------------

    def sample(self, seed: int, identity: int, pictures: int) -> NDArray[np.int8]:
        """Draw the attributes of one person's pictures: (pictures, T), 0 or 1, as in ``names``.

        Seed and identity key all that is drawn, so the first pictures are the same however many are
        asked for. Identity-level attributes are the same in all rows.
        """
        people = sum(block.level == "identity" for block in self.blocks)
        rng = np.random.default_rng([_STREAM, seed, identity])
        noise = np.empty((pictures, len(self.blocks)))
        noise[:, :people] = rng.standard_normal(people)
        for picture in range(pictures):
            own = np.random.default_rng([_STREAM, seed, identity, 1, picture])
            noise[picture, people:] = own.standard_normal(len(self.blocks) - people)
        return self._attributes_of(noise @ self._factor.T)  # (pictures, B) x (B, B)

    def _attributes_of(self, latent: NDArray[np.float64]) -> NDArray[np.int8]:
        """Cut latent numbers (N, B) into attributes (N, T)."""
        values = {}
        for place, block in enumerate(self.blocks):
            state = np.searchsorted(block.edges[1:-1], latent[:, place])
            for name in block.attributes:
                holds = np.array([name in state for state in block.states])
                values[name] = holds[state]
        for hider, whose in self.hidden.items():
            for name, place in self._block_of.items():
                if self.blocks[place].name in whose:
                    values[name] = values[name] & ~values[hider]
        return np.stack([values[name] for name in self.names], axis=1).astype(np.int8)

    # -- inside -------------------------------------------------------------------------------

    def _hides(self, hider: str, other: str) -> bool:
        return self.blocks[self._block_of[other]].name in self.hidden.get(hider, ())

    def _correlate(self) -> NDArray[np.float64]:
        """Correlation matrix of the latent vector, from the links."""
        precision = np.eye(len(self.blocks))
        for link in self.links:
            ends = (link.first, link.second)
            if not set(ends) <= set(self._place) or link.first == link.second:
                raise ValueError(f"a link must join two blocks of the graph, found {ends}")
            i, j = (self._place[name] for name in ends)
            if precision[i, j]:
                raise ValueError(f"two links join {link.first!r} and {link.second!r}")
            precision[i, j] = precision[j, i] = -self.strength * link.weight
        if np.linalg.eigvalsh(precision)[0] < 1e-3:
            raise ValueError(
                f"at strength {self.strength} the links are too strong for any Gaussian; "
                "choose a smaller strength or smaller weights"
            )
        covariance = np.linalg.inv(precision)
        spread = np.sqrt(np.diag(covariance))
        return covariance / np.outer(spread, spread)

    @functools.cached_property
    def _joint(self) -> NDArray[np.float64]:
        """Joint probabilities: condition on the latent number that hides, then go pair by pair."""
        hider = next(iter(self.hidden), None)
        centre = 0 if hider is None else self._block_of[hider]
        edges = self.blocks[centre].edges
        x, weight, state = _panels(edges)  # (N,) each: nodes of the outer integral
        mass = weight * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)  # (N,)
        shown = np.ones_like(x)
        if hider is not None:
            holds = [hider in names for names in self.blocks[centre].states]
            shown = 1.0 - np.array(holds, dtype=float)[state]
        tables = [self._holding(block) for block in self.blocks]  # each (attributes, intervals)
        factors = [
            np.where(self._masked(block, hider), shown, 1.0) for block in self.blocks
        ]  # each (N,)

        place = {name: index for index, name in enumerate(self.names)}
        joint = np.empty((len(self), len(self)))
        for first, second in itertools.combinations_with_replacement(range(len(self.blocks)), 2):
            cells = self._cells(first, second, centre, x, state)  # (N, S, S')
            cells = cells * (mass * factors[first] * factors[second])[:, None, None]
            probability = tables[first] @ cells.sum(0) @ tables[second].T  # (a, a')
            rows = [place[name] for name in self.blocks[first].attributes]
            columns = [place[name] for name in self.blocks[second].attributes]
            joint[np.ix_(rows, columns)] = probability
            joint[np.ix_(columns, rows)] = probability.T
        return joint

    def _masked(self, block: Block, hider: str | None) -> bool:
        return hider is not None and block.name in self.hidden[hider]

    @staticmethod
    def _holding(block: Block) -> NDArray[np.float64]:
        return np.array(
            [[name in state for state in block.states] for name in block.attributes], dtype=float
        )

    def _cells(
        self, first: int, second: int, centre: int, x: NDArray[np.float64], state: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Probability of each pair of intervals of two blocks, given the centre: (N, S, S')."""
        if first == second:
            single = self._intervals(first, centre, x, state)  # (N, S)
            return single[:, :, None] * np.eye(single.shape[1])
        if centre in (first, second):
            a = self._intervals(first, centre, x, state)
            b = self._intervals(second, centre, x, state)
            return a[:, :, None] * b[:, None, :]
        r = self.latent_correlations
        spread = [np.sqrt(1 - r[place, centre] ** 2) for place in (first, second)]
        rho = (r[first, second] - r[first, centre] * r[second, centre]) / (spread[0] * spread[1])
        limits = [
            (self.blocks[place].edges - r[place, centre] * x[:, None]) / spread[side]
            for side, place in enumerate((first, second))
        ]  # (N, S + 1), (N, S' + 1)
        corners = _both_below(limits[0][:, :, None], limits[1][:, None, :], rho)
        return np.diff(np.diff(corners, axis=1), axis=2)

    def _intervals(
        self, place: int, centre: int, x: NDArray[np.float64], state: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Probability of each interval of one block, given the centre: (N, S)."""
        if place == centre:
            return np.eye(len(self.blocks[place].states))[state]
        r = self.latent_correlations[place, centre]
        limits = (self.blocks[place].edges - r * x[:, None]) / np.sqrt(1 - r**2)
        return np.diff(ndtr(limits), axis=1)


def _panels(
    edges: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Gauss-Legendre nodes and weights on intervals, and the interval of each node."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges) / 2  # (S,)
    middle = edges[:-1] + half
    x = middle[:, None] + half[:, None] * nodes  # (S, n)
    weight = half[:, None] * weights
    state = np.repeat(np.arange(len(half)), len(nodes))
    return x.ravel(), weight.ravel(), state


def _both_below(h: NDArray[np.float64], k: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """P(X < h, Y < k) of two standard normal numbers with correlation rho, broadcast over h, k.

    Drezner and Wesolowsky, "On the computation of the bivariate normal integral" (Journal of
    Statistical Computation and Simulation, 1990): the derivative with respect to rho is the
    density, so integrate it from 0, by the angle whose sine is rho.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    turn = np.arcsin(rho) / 2
    density = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        angle = turn * (node + 1)
        across = h**2 + k**2 - 2 * h * k * np.sin(angle)
        density = density + weight * np.exp(-across / (2 * np.cos(angle) ** 2))
    return ndtr(h) * ndtr(k) + turn * density / (2 * np.pi)


FACE_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "gender": ("Male",),
    "nose": ("Big_Nose", "Pointy_Nose"),
    "mouth": ("Big_Lips", "Smiling", "Wearing_Lipstick", "Mouth_Slightly_Open"),
    "eyes": (
        "Arched_Eyebrows",
        "Bags_Under_Eyes",
        "Bushy_Eyebrows",
        "Narrow_Eyes",
        "Eyeglasses",
    ),
    "face": ("Blurry", "Oval_Face", "Pale_Skin", "Young", "Heavy_Makeup"),
    "around head": (
        *("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Bald", "Receding_Hairline"),
        *("Bangs", "Wearing_Earrings", "Wearing_Hat", "Wearing_Necklace", "Wearing_Necktie"),
    ),
    "facial hair": ("5_o_Clock_Shadow", "Mustache", "No_Beard", "Sideburns", "Goatee"),
    "cheeks": ("High_Cheekbones", "Rosy_Cheeks"),
    "fat": ("Chubby",),
}
"""The nine groups of Hand and Chellappa (2017), with CelebA's names, less four
attributes: see :mod:`mtl_helpers.faces.corpora.attributes`."""

_FACE_BLOCKS: Final = (
    yes_or_no("Male", "identity", 0.5),
    yes_or_no("Big_Nose", "identity", 0.35),
    yes_or_no("Pointy_Nose", "identity", 0.35),
    yes_or_no("Big_Lips", "identity", 0.35),
    yes_or_no("Arched_Eyebrows", "identity", 0.35),
    yes_or_no("Bags_Under_Eyes", "identity", 0.3),
    yes_or_no("Bushy_Eyebrows", "identity", 0.3),
    yes_or_no("Narrow_Eyes", "identity", 0.3),
    yes_or_no("Oval_Face", "identity", 0.35),
    yes_or_no("Pale_Skin", "identity", 0.3),
    yes_or_no("Young", "identity", 0.6),
    yes_or_no("High_Cheekbones", "identity", 0.4),
    yes_or_no("Chubby", "identity", 0.3),
    yes_or_no("Smiling", "picture", 0.45),
    yes_or_no("Mouth_Slightly_Open", "picture", 0.4),
    yes_or_no("Wearing_Lipstick", "picture", 0.4),
    yes_or_no("Heavy_Makeup", "picture", 0.35),
    yes_or_no("Rosy_Cheeks", "picture", 0.25),
    yes_or_no("Eyeglasses", "picture", 0.2),
    yes_or_no("Blurry", "picture", 0.15),
    yes_or_no("Wearing_Earrings", "picture", 0.25),
    yes_or_no("Wearing_Necklace", "picture", 0.2),
    yes_or_no("Wearing_Necktie", "picture", 0.15),
    # from dark to light; the third interval is red hair, which has no name among CelebA's
    Block(
        "hair colour",
        "picture",
        (("Black_Hair",), ("Brown_Hair",), (), ("Blond_Hair",), ("Gray_Hair",)),
        (0.30, 0.25, 0.07, 0.20, 0.18),
    ),
    # what stands above the forehead
    Block(
        "crown",
        "picture",
        (("Bangs",), (), ("Receding_Hairline",), ("Bald",), ("Wearing_Hat",)),
        (0.22, 0.42, 0.14, 0.09, 0.13),
    ),
    Block(
        "beard",
        "picture",
        (
            ("No_Beard",),
            ("5_o_Clock_Shadow",),
            ("5_o_Clock_Shadow", "Sideburns"),
            ("Mustache",),
            ("Goatee",),
            ("Mustache", "Goatee"),
            ("Mustache", "Sideburns"),
            ("Mustache", "Goatee", "Sideburns"),
        ),
        (0.58, 0.10, 0.05, 0.07, 0.05, 0.05, 0.03, 0.07),
    ),
)

_FACE_LINKS: Final = (
    Link("Male", "beard", 0.50),
    Link("Male", "Wearing_Necktie", 0.28),
    Link("Male", "Wearing_Lipstick", -0.28),
    Link("Male", "Heavy_Makeup", -0.18),
    Link("Male", "Wearing_Earrings", -0.22),
    Link("Male", "crown", 0.22),
    Link("Male", "Big_Nose", 0.20),
    Link("Male", "Bushy_Eyebrows", 0.22),
    Link("Wearing_Lipstick", "Heavy_Makeup", 0.35),
    Link("Heavy_Makeup", "Rosy_Cheeks", 0.35),
    Link("Heavy_Makeup", "Arched_Eyebrows", 0.20),
    Link("Arched_Eyebrows", "Bushy_Eyebrows", -0.22),
    Link("Wearing_Earrings", "Wearing_Necklace", 0.40),
    Link("Wearing_Necklace", "Wearing_Necktie", -0.25),
    Link("Smiling", "Mouth_Slightly_Open", 0.40),
    Link("Smiling", "High_Cheekbones", 0.30),
    Link("High_Cheekbones", "Chubby", -0.22),
    Link("Chubby", "Oval_Face", -0.25),
    Link("Big_Nose", "Pointy_Nose", -0.35),
    Link("Big_Nose", "Big_Lips", 0.22),
    Link("Young", "hair colour", -0.35),
    Link("Young", "Bags_Under_Eyes", -0.28),
    Link("Young", "Eyeglasses", -0.20),
    Link("Pale_Skin", "hair colour", 0.28),
    Link("Narrow_Eyes", "Bags_Under_Eyes", 0.25),
)


@functools.cache
def face_graph(strength: float = 1.0) -> TaskGraph:
    """Return the task graph of the ``attributes`` corpus, over the attributes of `FACE_GROUPS`.

    ``strength`` is a factor on all links: 0 for attributes that are independent but for the
    exclusions, 1 for the corpus's own graph. Blurry is joined to nothing: a method that finds an
    edge there finds too much.

    Note
    ----
    The signs follow what CelebA's labels show, the sizes are ours, and nothing in it is a statement
    about people.
    """
    return TaskGraph(
        _FACE_BLOCKS,
        _FACE_LINKS,
        strength=strength,
        hidden={"Bald": ("hair colour",)},
        groups=FACE_GROUPS,
    )
