"""The update against stock transformers: whose context, whose gradient, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ffr.config.student import StudentConfig
from student.model import load_model
from student.processor import EncodedPrompt

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(scope="module")
def reference(checkpoint: Any, stock_models: Any, job: Any) -> Any:
    """Log-probabilities of a response under a prompt, by the stock model on this one sequence."""
    model = load_model(checkpoint[1], StudentConfig(dtype="float32"))
    processor = job.agent._renderer.processor

    def log_probs(prompt: Any, response: torch.Tensor) -> torch.Tensor:
        encoded = processor.encode(prompt)
        whole = EncodedPrompt((*encoded.prompt_ids, *response.tolist()), encoded.tensors, "")
        with stock_models():
            logits = model(**processor.batch([whole])).logits[0]
        start = len(encoded.prompt_ids)
        return logits[start - 1 : -1].log_softmax(-1).gather(1, response[:, None])[:, 0]

    return SimpleNamespace(model=model, log_probs=log_probs)


def two_groups(job, kit, questions, *, wrong="It may be a green circle.", teacher=None):
    """A right first answer, two wrong ones that are repaired (one in vain), a malformed one."""
    teacher = teacher or kit.Teacher(kit.patch(job.store.media, 1, 2))
    for i, question in enumerate(questions):
        firsts = [kit.reply("B", "I look."), kit.reply("A", wrong),
                  kit.reply("A", f"{wrong} Or not."), "It may be."]  # fmt: skip
        seconds = [kit.reply("B", "I look again."), kit.reply("A")]
        client = kit.Client(job.agent._renderer.processor, firsts, seconds)
        job.submit(f"s1q{i}", question, client, teacher)
    return teacher


def log_probs(job):
    """The worker's log-probabilities by queue key; padding rows left out."""
    batch = job.trainer._balance_batch(job.sample(2), {})
    job.trainer._compute_old_log_prob(batch, {})
    rows = dict(zip(batch.keys, job.get(batch, "old_log_probs"), strict=True))
    return {key: row for key, row in rows.items() if not key.startswith("pad")}, batch


def contexts(job, questions, patch):
    """Queue key to (record of the row, the prompt it belongs to), rendered anew."""
    found = {}
    render = job.agent._renderer
    for record in job.folder.read_step(1):
        question = next(q for q in questions if q.id == record.question_id)
        prompts = {
            "plain": job.run(render.question(question.asked)),
            "patched": job.run(render.patched(question.asked, patch)),
        }
        for session, row in enumerate([row for row in record.rows if row.live]):
            found[f"{record.group}_{session}_0"] = (row, prompts[row.context])
    return found


def flat(gradient):
    return torch.cat([gradient[name].double().flatten() for name in sorted(gradient)])


def test_rows_have_the_log_probs_of_their_own_prompts(job, kit, questions, reference):
    teacher = two_groups(job, kit, questions)
    found, batch = log_probs(job)
    known = contexts(job, questions, teacher.outcome)
    responses = dict(zip(batch.keys, job.get(batch, "responses"), strict=True))
    assert found.keys() == known.keys()
    assert len(found) == 8
    for key, (_, prompt) in known.items():
        expected = reference.log_probs(prompt, responses[key]).detach()
        torch.testing.assert_close(found[key], expected, atol=1e-4, rtol=0)
    categories = [row.category for row, _ in known.values()]
    assert categories.count("repaired_right") == categories.count("repaired_wrong") == 2


def test_the_reference_model_sees_the_same_context(job, kit, questions):
    two_groups(job, kit, questions)
    found, batch = log_probs(job)
    job.trainer._compute_ref_log_prob(batch, {})
    references = dict(zip(batch.keys, job.get(batch, "ref_log_prob"), strict=True))
    for key, row in found.items():
        torch.testing.assert_close(row, references[key], atol=1e-5, rtol=0)


def test_another_image_in_the_patch_is_another_context(job, kit, questions):
    """Same words, same tokens, same response: only one image of the patch differs."""
    found, prompts = [], []
    for seeds in ((1, 2), (1, 3)):
        two_groups(job, kit, questions, teacher=kit.Teacher(kit.patch(job.store.media, *seeds)))
        rows, batch = log_probs(job)
        found.append(rows)
        prompts.append(dict(zip(batch.keys, job.get(batch, "prompts"), strict=True)))
        job.clear()
    known = contexts(job, questions, kit.patch(job.store.media, 1, 2))
    patched = {key for key, (row, _) in known.items() if row.context == "patched"}
    assert len(patched) == 4
    for key, row in found[0].items():
        assert torch.equal(prompts[0][key], prompts[1][key])
        moved = (row - found[1][key]).abs().max()
        assert moved > 1e-3 if key in patched else moved < 1e-5, key


@pytest.mark.parametrize(
    "arm",
    [
        {"repair": {}},
        {"repair": {"train_context": "auto"}, "advantage": {"groups": "split"}},
        {"repair": {"keep_failed_original": True}},
        {"repair": {"train_context": "plain"}},
    ],
    ids=["joint", "split_auto", "kept_failed", "plain"],
)
def test_the_gradient_is_grpos_over_live_rows_in_their_own_contexts(
    job, kit, questions, reference, arm
):
    job.use(**arm)
    teacher = two_groups(job, kit, questions)
    found, metrics, batch = job.step()
    known = contexts(job, questions, teacher.outcome)
    responses = dict(zip(batch.keys, job.get(batch, "responses"), strict=True))
    assert {key for key in batch.keys if not key.startswith("pad")} == known.keys()
    assert {row.source for row, _ in known.values()} == {"first", "second"}

    tokens = sum(len(responses[key]) for key in known)
    reference.model.zero_grad()
    for key, (row, prompt) in known.items():
        row_log_probs = reference.log_probs(prompt, responses[key])
        ratio = torch.exp(row_log_probs - row_log_probs.detach())
        (-(ratio * row.advantage).sum() / tokens).backward()
    expected = {
        name: p.grad for name, p in reference.model.named_parameters() if p.grad is not None
    }
    assert found.keys() == expected.keys()
    ours, theirs = flat(found), flat(expected)
    assert theirs.norm() > 0.1
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.9999
    assert abs(ours.norm() / theirs.norm() - 1) < 1e-3
    assert metrics["actor/pg_clipfrac"] == 0.0


def test_discarded_originals_leave_no_trace_in_the_gradient(job, kit, questions):
    two_groups(job, kit, questions, wrong="It may be a green circle.")
    one, _, _ = job.step()
    first = {o.first.text for r in job.folder.read_step(1) for o in r.outcomes}
    job.clear()
    for path in job.folder.rollouts.iterdir():
        path.unlink()
    two_groups(job, kit, questions, wrong="I see a blue frame, or I see a red one.")
    other, _, _ = job.step()
    second = {o.first.text for r in job.folder.read_step(1) for o in r.outcomes}
    assert len(first ^ second) == 4
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert torch.equal(gradient, other[name]), name


@pytest.mark.parametrize("aggregation", ["token-mean", "seq-mean-token-mean"])
def test_padding_rows_change_nothing(job, kit, questions, aggregation):
    """Eight rows: one micro-batch of 8, two of 4, or three of 3 with one row of padding."""
    worker, settings = job.actor.actor, job.tree.actor_rollout_ref.actor
    loss = worker.loss_fn.keywords["config"]
    before = (settings.ppo_micro_batch_size_per_gpu, loss.loss_agg_mode)
    object.__setattr__(loss, "loss_agg_mode", aggregation)
    settings.loss_agg_mode = aggregation
    found = {}
    try:
        for size, padding in ((8, 0), (5, 0), (3, 1)):
            settings.ppo_micro_batch_size_per_gpu = size
            worker.engine_config.micro_batch_size_per_gpu = size
            worker.engine_config.infer_micro_batch_size_per_gpu = size
            two_groups(job, kit, questions)
            gradient, metrics, batch = job.step()
            assert metrics["repair/padding_rows"] == padding == len(batch) - 8
            found[size] = (flat(gradient), metrics["actor/entropy"])
            job.clear()
    finally:
        settings.ppo_micro_batch_size_per_gpu, settings.loss_agg_mode = before
        object.__setattr__(loss, "loss_agg_mode", before[1])
        worker.engine_config.micro_batch_size_per_gpu = before[0]
        worker.engine_config.infer_micro_batch_size_per_gpu = before[0]
    plain, entropy = found[8]
    assert plain.norm() > 0.01
    for size in (5, 3):
        padded, padded_entropy = found[size]
        assert (padded - plain).norm() / plain.norm() < 1e-5, size
        assert padded_entropy == pytest.approx(entropy, rel=1e-5)


def test_a_step_without_any_signal_changes_nothing(job, kit, questions):
    """Every original failed alike, every repair too: one masked row per question stays."""
    job.use(advantage={"groups": "split"}, repair={"max_per_question": 4})
    patch = kit.patch(job.store.media, 1, 2)
    for i, question in enumerate(questions):
        client = kit.Client(job.agent._renderer.processor, [kit.reply("A")] * 4,
                            [kit.reply("A", "I look again.")] * 4)  # fmt: skip
        job.submit(f"s1q{i}", question, client, kit.Teacher(patch))
    gradient, metrics, batch = job.step()
    assert [int(mask.sum()) for mask in job.get(batch, "response_mask")] == [0] * len(batch)
    assert gradient == {}
    assert all(torch.isfinite(torch.tensor(float(v))) for v in metrics.values()), metrics
