import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from mtl_helpers.faces.corpora.task_graphs import (
    FACE_GROUPS,
    Block,
    Link,
    TaskGraph,
    _both_below,
    face_graph,
    yes_or_no,
)

EXCLUDING = [
    ("Black_Hair", "Blond_Hair"),
    ("Black_Hair", "Brown_Hair"),
    ("Black_Hair", "Gray_Hair"),
    ("Blond_Hair", "Brown_Hair"),
    ("Blond_Hair", "Gray_Hair"),
    ("Brown_Hair", "Gray_Hair"),
    *((colour, "Bald") for colour in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")),
    *itertools.combinations(("Bald", "Receding_Hairline", "Bangs", "Wearing_Hat"), 2),
    ("5_o_Clock_Shadow", "Mustache"),
    ("5_o_Clock_Shadow", "Goatee"),
    *(("No_Beard", hair) for hair in ("5_o_Clock_Shadow", "Mustache", "Goatee", "Sideburns")),
]


@pytest.fixture(scope="module")
def graph():
    return face_graph(1.0)


def simulate(graph, count, seed):
    """Naive sampler: the precision written out, numpy's own Gaussian, intervals one by one."""
    names = [block.name for block in graph.blocks]
    precision = np.eye(len(names))
    for link in graph.links:
        i, j = names.index(link.first), names.index(link.second)
        precision[i, j] = precision[j, i] = -graph.strength * link.weight
    covariance = np.linalg.inv(precision)
    latent = np.random.default_rng(seed).multivariate_normal(
        np.zeros(len(names)), covariance, size=count
    )
    latent = latent / np.sqrt(np.diag(covariance))
    columns = {}
    for place, block in enumerate(graph.blocks):
        edges = np.concatenate([[-np.inf], norm.ppf(np.cumsum(block.shares)[:-1]), [np.inf]])
        for attribute in block.attributes:
            columns[attribute] = np.zeros(count, dtype=bool)
            for state, low, high in zip(block.states, edges[:-1], edges[1:], strict=True):
                if attribute in state:
                    inside = (latent[:, place] >= low) & (latent[:, place] < high)
                    columns[attribute] |= inside
    for hider, blocks in graph.hidden.items():
        for block in graph.blocks:
            if block.name in blocks:
                for attribute in block.attributes:
                    columns[attribute] &= ~columns[hider]
    return np.stack([columns[name] for name in graph.names], axis=1)


def upper(matrix):
    return matrix[np.triu_indices(len(matrix), 1)]


# -- exact numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [-0.85, -0.3, 0.0, 0.5, 0.9])
def test_bivariate_probabilities_agree_with_scipy(rho):
    h, k = np.meshgrid([-2.5, -0.3, 0.0, 1.1], [-1.7, 0.0, 0.4, 3.0])
    joint = multivariate_normal(cov=[[1, rho], [rho, 1]])
    expected = joint.cdf(np.stack([h, k], axis=-1))
    np.testing.assert_allclose(_both_below(h, k, rho), expected, atol=1e-9)


def test_two_medians_have_the_correlation_of_sheppard():
    # P(X > 0, Y > 0) = 1/4 + asin(rho) / (2 pi), so phi = 2 asin(rho) / pi
    blocks = [yes_or_no("a", "identity", 0.5), yes_or_no("b", "picture", 0.5)]
    graph = TaskGraph(blocks, [Link("a", "b", 0.6)])
    assert graph.correlations()[0, 1] == pytest.approx(2 * np.arcsin(0.6) / np.pi, abs=1e-12)


def test_a_hidden_attribute_loses_its_share():
    blocks = [yes_or_no("bald", "picture", 0.2), yes_or_no("dark", "picture", 0.5)]
    graph = TaskGraph(blocks, [], hidden={"bald": ["dark"]})
    np.testing.assert_allclose(graph.joint_probabilities(), [[0.2, 0.0], [0.0, 0.4]], atol=1e-12)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_joint_probabilities_are_those_of_a_naive_simulation(strength):
    graph, count = face_graph(strength), 200_000
    drawn = simulate(graph, count, seed=1).astype(float)
    joint = graph.joint_probabilities()
    pairs = np.triu_indices(len(graph))
    p = joint[pairs]
    error = (drawn.T @ drawn / count)[pairs] - p
    possible = p > 1e-12
    assert np.all(error[~possible] == 0)
    z = error[possible] / np.sqrt(p[possible] * (1 - p[possible]) / count)
    # Bonferroni at 0.1 % over all pairs; and no systematic error hides below it
    assert np.abs(z).max() < norm.ppf(1 - 0.0005 / len(z))
    assert 0.8 < np.mean(z**2) < 1.25


def test_marginals_do_not_depend_on_the_strength(graph):
    visible = [name not in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
               for name in graph.names]  # fmt: skip
    for strength in (0.0, 0.5, 1.1):
        np.testing.assert_allclose(
            face_graph(strength).prevalences()[visible], graph.prevalences()[visible], atol=1e-9
        )


def test_without_strength_only_exclusions_correlate():
    graph = face_graph(0.0)
    block = {name: b.name for b in graph.blocks for name in b.attributes}
    hair = {"hair colour", "crown"}
    for i, j in itertools.combinations(range(len(graph)), 2):
        a, b = block[graph.names[i]], block[graph.names[j]]
        if a != b and {a, b} != hair:
            assert abs(graph.correlations()[i, j]) < 1e-9, (graph.names[i], graph.names[j])


def test_links_have_the_sign_that_they_state(graph):
    correlations = graph.correlations()
    single = {block.name for block in graph.blocks if block.attributes == (block.name,)}
    checked = 0
    for link in graph.links:
        if {link.first, link.second} <= single:
            i, j = graph.names.index(link.first), graph.names.index(link.second)
            assert np.sign(correlations[i, j]) == np.sign(link.weight)
            checked += 1
    assert checked > 15


# -- the graph ----------------------------------------------------------------------------------


def test_exclusions_are_the_pairs_that_never_occur_together(graph):
    listed = {frozenset(pair) for pair in graph.exclusions()}
    assert listed == {frozenset(pair) for pair in EXCLUDING}
    joint = graph.joint_probabilities()
    empty = {
        frozenset((graph.names[i], graph.names[j]))
        for i, j in itertools.combinations(range(len(graph)), 2)
        if joint[i, j] < 1e-12
    }
    assert empty == listed


def test_adjacency_holds_links_and_blocks_and_nothing_else(graph):
    weights = graph.adjacency()
    np.testing.assert_array_equal(weights, weights.T)
    np.testing.assert_array_equal(np.diag(weights), 0)
    block = {name: b.name for b in graph.blocks for name in b.attributes}
    linked = {frozenset((link.first, link.second)) for link in graph.links}
    hidden = frozenset(("crown", "hair colour"))
    for i, j in itertools.combinations(range(len(graph)), 2):
        a, b = graph.names[i], graph.names[j]
        ends = frozenset((block[a], block[b]))
        hides = ends == hidden and "Bald" in (a, b)
        joined = len(ends) == 1 or ends in linked or hides
        assert (weights[i, j] != 0) == joined, (a, b)
        if joined:
            assert weights[i, j] == pytest.approx(graph.correlations()[i, j])
    assert not weights[graph.names.index("Blurry")].any()


def test_groups_hold_every_attribute_once(graph):
    assert graph.groups() == FACE_GROUPS
    assert sorted(itertools.chain(*graph.groups().values())) == sorted(graph.names)
    assert len(graph) == len(set(graph.names)) == 36


# -- drawing ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(graph):
    people = [graph.sample(seed=5, identity=i, pictures=3) for i in range(2500)]
    return np.stack(people).astype(float)  # (people, pictures, T)


def test_empirical_correlations_lie_within_sampling_error(graph, drawn):
    people = len(drawn)
    share = graph.prevalences()
    spread = np.sqrt(share * (1 - share))
    # each person's mean product of standardised attributes; people are independent, pictures not
    units = (drawn - share) / spread
    products = np.einsum("ipt,ipu->itu", units, units) / drawn.shape[1]
    error = products.mean(0) - graph.correlations()
    z = upper(error / (products.std(0, ddof=1) / np.sqrt(people)))
    assert np.abs(z).max() < norm.ppf(1 - 0.0005 / len(z))
    assert 0.8 < np.mean(z**2) < 1.25


def test_exclusions_are_never_violated(graph, drawn):
    together = np.einsum("ipt,ipu->tu", drawn, drawn)
    for a, b in graph.exclusions():
        assert together[graph.names.index(a), graph.names.index(b)] == 0


def test_attributes_of_a_person_are_the_same_in_all_pictures(graph, drawn):
    for place, name in enumerate(graph.names):
        same = (drawn[:, :, place] == drawn[:, :1, place]).all()
        assert same == (graph.level(name) == "identity"), name


def test_a_draw_depends_on_its_keys_alone(graph):
    first = graph.sample(seed=5, identity=7, pictures=6)
    np.testing.assert_array_equal(first[:2], face_graph(1.0).sample(5, 7, 2))
    assert first.dtype == np.int8
    assert set(np.unique(first)) == {0, 1}
    others = [graph.sample(6, 7, 6), graph.sample(5, 8, 6)]
    assert all((other != first).any() for other in others)


# -- labels that are read off ---------------------------------------------------------------------


def test_perfect_labels_have_the_correlations_of_the_graph(graph):
    rates = np.tile(np.eye(2), (len(graph), 1, 1))
    np.testing.assert_allclose(graph.read_correlations(rates), graph.correlations(), atol=1e-12)


def test_symmetric_errors_shrink_a_correlation_by_their_square():
    blocks = [yes_or_no("a", "identity", 0.5), yes_or_no("b", "picture", 0.5)]
    graph = TaskGraph(blocks, [Link("a", "b", 0.6)])
    # wrong in one case of ten: each label keeps 1 - 2/10 of its correlation; gaps take nothing
    rates = np.tile(0.7 * np.array([[0.9, 0.1], [0.1, 0.9]]), (2, 1, 1))
    expected = 0.8**2 * graph.correlations()[0, 1]
    assert graph.read_correlations(rates)[0, 1] == pytest.approx(expected)


def test_read_correlations_are_those_of_a_simulation(graph):
    rng = np.random.default_rng(3)
    values = simulate(graph, 100_000, seed=2)
    rates = np.empty((len(graph), 2, 2))
    labels = np.empty(values.shape, dtype=int)
    for t in range(len(graph)):
        for w in (0, 1):
            right, wrong = 0.8 + 0.1 * rng.random(), 0.05 * rng.random()
            rates[t, w] = (right, wrong) if w == 0 else (wrong, right)
            chance = [*rates[t, w], 1 - right - wrong]
            mine = values[:, t] == w
            labels[mine, t] = rng.choice([0, 1, -1], size=mine.sum(), p=chance)
    expected = graph.read_correlations(rates)
    for i, j in itertools.islice(itertools.combinations(range(len(graph)), 2), 0, None, 7):
        known = (labels[:, i] >= 0) & (labels[:, j] >= 0)
        found = np.corrcoef(labels[known, i], labels[known, j])[0, 1]
        assert abs(found - expected[i, j]) < 5 / np.sqrt(known.sum())


# -- mistakes -----------------------------------------------------------------------------------


def test_impossible_graphs_are_refused():
    a, b = yes_or_no("a", "identity", 0.5), yes_or_no("b", "identity", 0.5)
    with pytest.raises(ValueError, match="too strong"):
        TaskGraph([a, b], [Link("a", "b", 0.7)], strength=1.5)
    with pytest.raises(ValueError, match="at least 0"):
        TaskGraph([a, b], [], strength=-0.1)
    with pytest.raises(ValueError, match="must join two blocks"):
        TaskGraph([a, b], [Link("a", "c", 0.1)])
    with pytest.raises(ValueError, match="two links"):
        TaskGraph([a, b], [Link("a", "b", 0.1), Link("b", "a", 0.1)])
    with pytest.raises(ValueError, match="name of its own"):
        TaskGraph([a, a], [])
    with pytest.raises(ValueError, match="every attribute once"):
        TaskGraph([a, b], [], groups={"all": ["a"]})
    with pytest.raises(ValueError, match="at most one attribute"):
        TaskGraph([a, b], [], hidden={"a": ["nothing"]})
    with pytest.raises(ValueError, match="sum 1"):
        Block("c", "picture", ((), ("c",)), (0.5, 0.6))
    with pytest.raises(ValueError, match="two or more intervals"):
        Block("c", "picture", (("c",),), (1.0,))
