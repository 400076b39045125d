"""SFT rows: the same prompt as everywhere else, a loss on the response and its end alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from ffr.data.sft_record import SftRecord
from ffr.patches.media import MediaStore

pytestmark = pytest.mark.usefixtures("clean")
ANSWER = "<think>I look.</think><answer>B</answer>"


@pytest.fixture(scope="module")
def records(questions: Any, kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain and a patched record of each question, with the patch's images beside the file."""
    folder = tmp_path_factory.mktemp("sft")
    patch = kit.patch(MediaStore(folder / "media"), 1, 2)
    rows = [SftRecord(question=q, response=ANSWER, patch=p) for q in questions
            for p in (None, patch)]  # fmt: skip
    path = folder / "sft.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return path


def dataset(job: Any, records: Path, media_root: Path, max_length: int = 240) -> Any:
    from ffr.train.verl.sft_dataset import SftDataset

    model = job.tree.actor_rollout_ref.model.path
    ffr = {"run_dir": str(job.folder.path), "media_root": str(media_root), "model": model}
    config = OmegaConf.create({"max_length": max_length, "ffr": ffr})
    return SftDataset(str(records), None, config, processor=job.agent.processor)


def test_the_loss_covers_response_and_end_token_and_nothing_else(job, records, media_root):
    rows = dataset(job, records, media_root)
    processor = job.agent._renderer.processor
    assert len(rows) == 4
    for index in range(4):
        row = rows[index]
        ids, mask = row["input_ids"], row["loss_mask"]
        assert set(mask.tolist()) == {0, 1}
        start = int(mask.argmax())
        assert mask.tolist() == [0] * start + [1] * (len(ids) - start)
        trained = ids[start:].tolist()
        assert trained[-1] in processor.stop_token_ids
        assert processor.tokenizer.decode(trained[:-1]) == ANSWER


def test_verls_sft_loss_reads_the_mask_as_we_mean_it(job, records, media_root):
    """Only logits that predict a response or end token move the loss."""
    from verl.utils.tensordict_utils import get_tensordict
    from verl.workers.utils.losses import sft_loss

    row = dataset(job, records, media_root)[0]
    length = len(row["input_ids"])
    log_probs = torch.full((length,), -2.0, requires_grad=True)
    nested = torch.nested.nested_tensor_from_jagged(log_probs, torch.tensor([0, length]))
    data = get_tensordict(
        {"loss_mask": torch.nested.as_nested_tensor([row["loss_mask"]], layout=torch.jagged)},
        {"dp_size": 1, "batch_num_tokens": int(row["loss_mask"].sum())},
    )
    loss, _ = sft_loss(None, {"log_probs": nested}, data)
    loss.backward()
    assert loss.item() == pytest.approx(2.0)
    # The log-probability at position t is that of token t + 1.
    moved = (log_probs.grad != 0).nonzero()[:, 0] + 1
    assert moved.tolist() == row["loss_mask"].nonzero()[:, 0].tolist()


def test_sft_and_rl_show_the_same_prompt_and_positions(
    job, kit, questions, records, media_root
):
    """For the same question, plain and patched, against the rows of the agent worker."""
    patch = kit.patch(job.store.media, 1, 2)
    client = kit.Client(job.agent._renderer.processor, [ANSWER, "no", "no", "no"], [ANSWER] * 2)
    job.submit("s1q0", questions[0], client, kit.Teacher(patch))
    batch = job.sample(1)
    rl = [dict(zip(("ids", "positions", "prompt"), fields, strict=True)) for fields in zip(
        job.get(batch, "input_ids"), positions_of(job, batch), job.get(batch, "prompts"),
        strict=True)]  # fmt: skip
    rows = dataset(job, records, media_root)
    for sft, ours in ((rows[0], rl[0]), (rows[1], rl[1])):
        assert torch.equal(sft["input_ids"], ours["ids"])
        assert torch.equal(sft["position_ids"], ours["positions"])
        assert int(sft["loss_mask"].argmax()) == len(ours["prompt"])
    assert len(rl[1]["prompt"]) > len(rl[0]["prompt"])


def positions_of(job: Any, batch: Any) -> list[torch.Tensor]:
    import transfer_queue as tq

    found = []
    for key in batch.keys:
        data = tq.kv_batch_get(
            keys=[key], partition_id="train", select_fields=["position_ids"]
        )["position_ids"]
        found.append(data.values().reshape(4, -1) if data.is_nested else data[0])
    return found


def test_a_record_over_the_limit_is_named(job, records, media_root):
    with pytest.raises(ValueError, match=r"record 'q0' has \d+ tokens, the limit is 40; raise"):
        dataset(job, records, media_root, max_length=40)[0]


def test_rows_are_kept_up_to_a_bound(job, records, media_root, monkeypatch):
    from ffr.train.verl import sft_dataset

    rows = dataset(job, records, media_root)
    size = sum(t.nbytes for t in rows[0]["multi_modal_inputs"].values())
    monkeypatch.setattr(sft_dataset, "_KEEP_BYTES", int(1.5 * size))
    rows = dataset(job, records, media_root)
    first = [rows[i]["input_ids"] for i in range(4)]
    again = [rows[i]["input_ids"] for i in range(4)]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, False, False, False]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_every_get_has_its_own_dictionary_of_pixels(job, records, media_root):
    """verl pops keys from it."""
    rows = dataset(job, records, media_root)
    rows[0]["multi_modal_inputs"].clear()
    assert rows[0]["multi_modal_inputs"]
