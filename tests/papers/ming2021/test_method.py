"""Training by the total loss and by L4: one step, gaps in the batch, leaks, a resumption."""

from __future__ import annotations

import pytest
import torch
from tiny_caricatures import SIDE, make_batches, make_plan, network, pictures
from training_assertions import assert_resumes

from mtl_helpers.corpus import CARICATURE, PHOTO
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.papers.ming2021.method import BranchedTraining
from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.papers.ming2021.weights import (
    PRINTED,
    RELEASED,
    RULES,
    WeightRule,
    weights_loss,
)
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import AdamWConfig, MuonConfig, SGDConfig

TOY = ("caricature", "photo")
PLAIN = SGDConfig(momentum=0.0, weight_decay=0.0)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(rule=PRINTED, tasks=TASKS, **settings):
    return BranchedTraining(network(tasks), rule, SIDE, **settings)


def first_batch(keep=None):
    (batch,) = make_batches(make_plan(), keep).between(0, 1, torch.device("cpu"))
    return batch


def with_rates(method, rate):
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
    return method


def unequal(method):
    """Draw psi, so that weights differ between tasks and pictures."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in method.weights_module.parameters():
            parameter.normal_(0, 0.1, generator=generator)
    return method


def run(method, plan=None, keep=None, **settings):
    plan = plan or make_plan()
    return train(method, make_batches(plan, keep), plan, progress=False, **settings)


def losses_by_hand(method, batch):
    """L1, L2 and L3 without a centre (none was seen yet), and the shared maps."""
    maps = method.model.shared(batch.images)
    logits = method.model.answers(maps).logits
    identity, modality = batch.targets["id"], batch.targets["modality"]
    losses = []
    for task, scores in logits.items():
        rows = torch.ones_like(identity, dtype=torch.bool)
        if task != "verification":
            rows = modality == (CARICATURE if task == "caricature" else PHOTO)
        log_p = scores.log_softmax(1)[torch.arange(len(identity)), identity]
        losses.append(-log_p[rows].mean())
    return torch.stack(losses), maps


def gradients(total, parameters):
    found = torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]


# ---- one step


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_step_is_gradient_descent_on_the_paper_s_objectives(rule):
    method = make(rule, optimizer=PLAIN)
    if method.weights_module is not None:
        unequal(method)
    with_rates(method, 0.05)
    batch = first_batch()
    losses, maps = losses_by_hand(method, batch)
    theta = list(method.model.parameters())
    if rule.kind == "fixed":
        w = torch.full((3,), 1 / 3)
        psi, own = [], None
    else:
        present = torch.ones(3, dtype=torch.bool)
        psi = list(method.weights_module.parameters())
        w = method.weights_module(maps, present)
        own = (w * losses).sum()
        if rule.kind == "dynamic":
            own = (w / (losses.detach() + rule.offset)).sum()
    flows = rule.kind == "naive" or rule.leak
    along = gradients(((w if flows else w.detach()) * losses).sum(), theta)
    along_psi = gradients(own, psi) if psi else []
    expected = [p.detach() - 0.05 * g for p, g in zip(theta, along, strict=True)]
    expected += [p.detach() - 0.05 * rule.rate * g for p, g in zip(psi, along_psi, strict=True)]
    # the forward passes above moved the running statistics, which training does not use
    terms = method.step(batch, 0)
    for parameter, value in zip([*theta, *psi], expected, strict=True):
        assert torch.allclose(parameter.detach(), value, atol=2e-6)
    for place, task in enumerate(TASKS):
        assert terms[f"loss/{task}"].item() == pytest.approx(losses[place].item(), rel=1e-4)
        assert terms[f"weight/{task}"].item() == pytest.approx(w[place].item(), rel=1e-4)


def moved_by_the_weights(rule):
    """How the trunk's update changes when psi differs in what w is a function of, not in w."""
    method = unequal(make(rule, optimizer=PLAIN))
    batch = first_batch()
    losses, maps = losses_by_hand(method, batch)
    w = method.weights_module(maps, torch.ones(3, dtype=torch.bool)).detach()
    kernel = method.model.trunk.blocks[0].conv1.weight
    (constant,) = gradients((w * losses).sum(), [kernel])
    before = kernel.detach().clone()
    with_rates(method, 1.0).step(batch, 0)
    return (before - kernel.detach() - constant).abs().max() / constant.abs().max()


def test_the_stop_gradient_is_real_and_the_leak_is_a_leak():
    assert moved_by_the_weights(PRINTED) < 1e-3
    assert moved_by_the_weights(RULES["only leak"]) > 1e-2
    assert moved_by_the_weights(RELEASED) > 1e-2
    assert moved_by_the_weights(RULES["naive"]) > 1e-2


def test_l4_moves_no_parameter_of_the_network():
    method = unequal(make())
    batch = first_batch()
    losses, maps = losses_by_hand(method, batch)
    present = torch.ones(3, dtype=torch.bool)
    with_rates(method, 0.1)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    method.descend(weights_loss(method.weights_module(maps, present), losses, present), "psi")
    moved = {
        name.split(".")[0] for name, p in method.named_parameters() if (p != before[name]).any()
    }
    assert moved == {"weights_module"}


def test_the_released_rate_is_ten_times_the_network_s():
    plan = make_plan(steps=1, learning_rate=0.02)
    rates = {}
    run(
        make(RELEASED),
        plan,
        on_step=lambda s: rates.update(
            {n: o.param_groups[0]["lr"] for n, o in s.method.optimizers.items()}
        ),
    )
    assert rates["psi"] == pytest.approx(0.2) and rates["all"] == pytest.approx(0.02)


@pytest.mark.parametrize("config", [SGDConfig(), MuonConfig(), AdamWConfig()])
@pytest.mark.parametrize("rule", [RULES["fixed"], RULES["naive"], PRINTED])
def test_every_parameter_has_one_optimiser(rule, config):
    method = make(rule, optimizer=config)
    held = [id(p) for o in method.optimizers.values() for g in o.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in method.parameters())


# ---- centres


def test_the_centre_loss_pulls_embeddings_of_the_first_branch():
    method, plain = make(beta=0.5), make(beta=0.0)
    batch = first_batch()
    for each in (method, plain):
        each.step(batch, 0)  # now centres are seen
    assert method.centers.visited.any()
    out = method.model(batch.images)
    labels = dict.fromkeys(TASKS, batch.targets["id"])
    with_centres, centering = method.losses(out.logits, out.embeddings, labels)
    without, _ = plain.losses(out.logits, out.embeddings, labels)
    assert centering > 0
    gap = with_centres - without
    assert torch.allclose(gap, torch.tensor([0.5 * centering, 0.0, 0.0]), atol=1e-6)


def test_centres_follow_the_embeddings_of_verification_only():
    method, batch = make(), first_batch()
    z = method.model(batch.images).features.detach()
    method.step(batch, 0)
    identity = batch.targets["id"]
    for k in identity.unique():
        assert torch.allclose(method.centers.centers[k], z[identity == k].mean(0), atol=1e-4)


def test_as_released_all_branches_share_one_table_of_centres():
    method, batch = make(centers_everywhere=True), first_batch()
    for _ in range(2):
        terms = method.step(batch, 0)
    out = method.model(batch.images)
    labels = dict.fromkeys(TASKS, batch.targets["id"])
    pulled, _ = method.losses(out.logits, out.embeddings, labels)
    alone, _ = make().losses(out.logits, out.embeddings, labels)  # has no centre yet
    assert (pulled > alone).all() and all(value.isfinite() for value in terms.values())


# ---- gaps


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(("kind", "absent"), [(PHOTO, "caricature"), (CARICATURE, "photo")])
def test_batches_of_one_modality_train_without_the_other(rule, kind, absent):
    method = make(rule, optimizer=SGDConfig())
    branch = [p.detach().clone() for p in method.model.branches[absent].parameters()]
    trained = run(method, make_plan(steps=4), lambda _, modality: modality == kind)
    assert not trained.curves[f"loss/{absent}"].any()
    assert not trained.curves[f"weight/{absent}"].any()
    others = [task for task in TASKS if task != absent]
    total = sum(trained.curves[f"weight/{task}"] for task in others)
    assert total == pytest.approx([2 / 3 if rule.kind == "fixed" else 1] * 4, abs=1e-5)
    assert all(p.isfinite().all() for p in method.parameters())
    # no gradient; only weight decay makes kernels smaller
    for before, after in zip(branch, method.model.branches[absent].parameters(), strict=True):
        assert torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_batch_without_labels_moves_nothing(rule):
    method, batch = with_rates(make(rule, optimizer=PLAIN), 0.1), first_batch()
    batch.targets["id"].fill_(-1)
    batch.targets["modality"].fill_(-1)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    terms = method.step(batch, 0)
    assert all(torch.equal(p, before[name]) for name, p in method.named_parameters())
    assert not any(value.any() for value in terms.values())
    assert not method.centers.visited.any()


def test_a_person_seen_in_one_modality_only_is_trained_on():
    def keep(identity, modality):
        return (identity != 0) | (modality == PHOTO)

    trained = run(
        make(RELEASED, optimizer=MuonConfig()), make_plan(steps=60, learning_rate=0.05), keep
    )
    assert all(values.all() for name, values in trained.curves.items() if name.startswith("loss/"))
    images, identity, modality = pictures()
    shown = (identity == 0) & (modality == PHOTO)
    scores = extract(trained.final, images[shown], range(int(shown.sum())))["photo"]
    assert (scores.argmax(1) == 0).float().mean() > 0.5


def test_a_centre_never_visited_stays_out():
    trained = run(make(), make_plan(steps=5), lambda identity, _: identity != 2)
    assert trained.method.centers.visited.tolist() == [True, True, False, True, True]
    assert not trained.method.centers.centers[2].any()


# ---- whole trainings


@pytest.mark.parametrize("rule", ["fixed", "printed", "released"])
def test_it_learns_who_is_who_in_both_modalities(rule):
    trained = run(
        make(RULES[rule], optimizer=MuonConfig()), make_plan(steps=60, learning_rate=0.05)
    )
    images, identity, modality = pictures()
    found = extract(trained.final, images, range(len(images)))
    for task, kind in (("photo", PHOTO), ("caricature", CARICATURE)):
        right = (found[task].argmax(1).numpy() == identity)[modality == kind]
        assert right.mean() > (0.3 if rule == "printed" else 0.8), task


@pytest.mark.parametrize("task", TASKS)
def test_one_task_alone_weighs_1_and_needs_no_module(task):
    method = make(WeightRule("naive"), (task,))
    assert method.weights_module is None and list(method.model.tasks) == [task]
    trained = run(method, make_plan(steps=3))
    assert (trained.curves[f"weight/{task}"] == 1).all()


@pytest.mark.parametrize("rule", ["naive", "printed", "released"])
def test_in_the_toy_two_weights_add_up_to_one(rule):
    trained = run(make(RULES[rule], TOY), make_plan(steps=8))
    total = trained.curves["weight/caricature"] + trained.curves["weight/photo"]
    assert total == pytest.approx([1] * 8, abs=1e-5)
    assert "weight/verification" not in trained.curves
    assert not trained.method.centers.visited.any()


@pytest.mark.parametrize("rule", ["fixed", "naive", "released"])
def test_it_resumes_bit_for_bit(rule, tmp_path):
    plan = make_plan(steps=6, average_decay=0.9)
    assert_resumes(lambda: make(RULES[rule]), make_batches(plan), plan, tmp_path / "s.pt", 4, 2)


def test_other_rules_are_other_trainings():
    assert len({repr(make(rule)) for rule in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("beta", [-0.1, float("nan")])
def test_betas_that_make_no_sense_are_refused(beta):
    with pytest.raises(ValueError, match="beta must be finite and not negative"):
        make(beta=beta)
