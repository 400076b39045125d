"""`ffr export`: a run folder with tiny real checkpoints, laid out as verl leaves them."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from ffr.cli.main import main
from ffr.config.load import dump_config, load_config
from ffr.config.student import StudentConfig, TinyModelConfig
from ffr.errors import UserError
from ffr.export.export import export_run
from ffr.run.folder import RunFolder
from student.lora import merge_lora
from student.model import load_model
from student.tiny.model import build_tiny_student

CORPUS = ["What appears at 5.0 seconds?", "<think>x</think><answer>red cross</answer>"]
PROMPT = torch.tensor([[3, 5, 7, 11, 13]])


def config_of(tmp_path: Path, *overrides: str):
    path = tmp_path / "base.yaml"
    path.write_text("name: exported\nstudent: {tiny: {}, dtype: float32}\nteacher: {kind: demo}\n")
    return load_config([path], overrides)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[int, Path]:
    torch.set_num_threads(1)
    made = {}
    for seed in (1, 2):
        made[seed] = tmp_path_factory.mktemp(f"tiny{seed}")
        build_tiny_student(TinyModelConfig(seed=seed), made[seed], CORPUS)
    return made


@pytest.fixture
def run(tmp_path, tiny) -> Path:
    """An SFT checkpoint and two of GRPO, the last of which was evaluated."""
    folder = RunFolder.create(tmp_path / "run", dump_config(config_of(tmp_path)))
    folder.write_json("manifest.json", {"schema_version": 1, "versions": {"verl": "0.9.1"}})
    checkpoints = folder.path / "checkpoints"
    shutil.copytree(tiny[2], checkpoints / "sft" / "global_step_5" / "huggingface")
    for step, seed in ((10, 2), (20, 1)):
        actor = checkpoints / "grpo" / f"global_step_{step}" / "actor"
        shutil.copytree(tiny[seed], actor / "huggingface")
    (checkpoints / "sft" / "latest_checkpointed_iteration.txt").write_text("5")
    (checkpoints / "grpo" / "latest_checkpointed_iteration.txt").write_text("20")
    repair = {"rollouts": 1, "failed": 0, "teacher_calls": 0, "patches": 0, "succeeded": 0,
              "leak_rejected": 0, "no_patch": {}}  # fmt: skip
    folder.write_json(
        "summary.json",
        {"status": "ok", "stages": {"grpo": {"seconds": 1, "steps": 20}},
         "accuracy": {"before": 0.25, "after": 0.5, "n": 40}, "repair": repair,
         "trained": {"original_tokens": 1, "repaired_tokens": 0}, "tools": {},
         "store": {"hits": 0, "misses": 0}, "generated_sequences": 1, "seconds": 1},
    )  # fmt: skip
    return folder.path


def logits(folder: Path) -> torch.Tensor:
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(input_ids=PROMPT).logits


def test_the_last_checkpoint_becomes_a_folder_that_answers_alike(run, tiny, tmp_path):
    made = export_run(run, tmp_path / "out")
    assert (made.stage, made.step, made.dtype) == ("grpo", 20, "float32")
    assert torch.equal(logits(tmp_path / "out"), logits(tiny[1]))
    assert not torch.equal(logits(tmp_path / "out"), logits(tiny[2]))
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    assert processor.tokenizer.get_vocab() == AutoProcessor.from_pretrained(
        tiny[1]
    ).tokenizer.get_vocab()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["versions"] == {"verl": "0.9.1"}
    assert manifest["export"]["weights_sha256"] == made.digest
    assert made.parameters == sum(
        p.numel() for p in AutoModelForImageTextToText.from_pretrained(tiny[1]).parameters()
    )


def test_the_card_quotes_accuracy_for_the_evaluated_checkpoint_only(run, tmp_path):
    export_run(run, tmp_path / "last")
    card = (tmp_path / "last" / "README.md").read_text()
    assert "| this model | 0.500 |" in card
    assert "on the 40 questions" in card
    assert "scripted observer (demo)" in card
    assert str(tmp_path) not in card
    modes = {path.stat().st_mode for path in (tmp_path / "last").iterdir()}
    assert len(modes) == 1  # whoever may read the card may read the weights
    export_run(run, tmp_path / "earlier", step=10)
    assert "was not evaluated" in (tmp_path / "earlier" / "README.md").read_text()


def test_stage_and_type_can_be_chosen(run, tiny, tmp_path):
    made = export_run(run, tmp_path / "out", stage="sft", dtype="bfloat16")
    assert (made.stage, made.step) == ("sft", 5)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.fixture
def lora_run(run, tiny):
    """The last checkpoint as verl writes that of a LoRA run; also the merged model's logits."""
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_pretrained(tiny[1], dtype=torch.float32)
    wrapped = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear")
    )
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if ".lora_B." in name:  # zeros before the first step
                parameter.normal_(std=0.1)
    actor = run / "checkpoints" / "grpo" / "global_step_20" / "actor"
    shell = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(tiny[1]))
    shell.save_pretrained(actor / "huggingface", state_dict=wrapped.state_dict())
    (actor / "lora_train_meta.json").write_text('{"r": 4, "lora_alpha": 8}')
    merged = wrapped.merge_and_unload().eval()
    with torch.inference_mode():
        return actor, merged(input_ids=PROMPT).logits


def test_lora_is_merged_as_peft_does(run, lora_run, tmp_path):
    _, wanted = lora_run
    made = export_run(run, tmp_path / "out")
    assert made.merged_lora
    torch.testing.assert_close(logits(tmp_path / "out"), wanted, rtol=1e-4, atol=1e-5)
    assert "LoRA is merged" in (tmp_path / "out" / "README.md").read_text()


def test_evaluation_and_rollouts_load_a_lora_checkpoint_merged(lora_run):
    """transformers would only warn, and fill every weight with a random value."""
    actor, wanted = lora_run
    model = load_model(actor / "huggingface", StudentConfig(dtype="float32"))
    with torch.inference_mode():
        found = model(input_ids=PROMPT).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_that_lacks_weights_is_refused(tiny, tmp_path):
    shutil.copytree(tiny[1], tmp_path / "copy")
    weights = load_file(tmp_path / "copy" / "model.safetensors")
    lost = next(name for name in sorted(weights) if "layers.0.mlp" in name)
    del weights[lost]
    save_file(weights, tmp_path / "copy" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 weights of its model, such as .*layers\.0\.mlp"):
        load_model(tmp_path / "copy", StudentConfig(dtype="float32"))


def test_lora_without_its_scale_is_refused(run, lora_run, tmp_path):
    actor, _ = lora_run
    (actor / "lora_train_meta.json").unlink()
    with pytest.raises(UserError, match=r"lora_train_meta\.json"):
        export_run(run, tmp_path / "out")


def test_a_low_rank_part_without_its_weight_is_refused():
    name = "base_model.model.x.lora_A.default.weight"
    with pytest.raises(UserError, match="1 of 1 LoRA tensors"):
        merge_lora({name: torch.zeros(2, 2)}, 1.0)


def test_missing_weights_are_noticed_and_nothing_is_left(run, tmp_path):
    file = run / "checkpoints/grpo/global_step_20/actor/huggingface/model.safetensors"
    tensors = load_file(file)
    tensors.pop(next(name for name in tensors if "mlp" in name))
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match="missing_keys 1"):
        export_run(run, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.yaml", "run"]


def test_what_is_there_is_never_overwritten(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        export_run(run, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("choice", "said"),
    [({"step": 7}, "there are 10, 20"), ({"stage": "sft", "step": 9}, "there are 5")],
)
def test_a_step_there_is_not(run, tmp_path, choice, said):
    with pytest.raises(UserError, match=said):
        export_run(run, tmp_path / "out", **choice)


def test_a_checkpoint_without_weights_says_how_to_make_them(run, tmp_path):
    (run / "checkpoints/grpo/global_step_20/actor/huggingface/model.safetensors").unlink()
    with pytest.raises(UserError, match=r"verl\.model_merger"):
        export_run(run, tmp_path / "out")


def test_the_command(run, tmp_path, monkeypatch, capsys):
    words = ["ffr", "export", str(run), "--output", str(tmp_path / "out"), "--json"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)["step"] == 20
    monkeypatch.setattr(sys, "argv", ["ffr", "export", str(tmp_path), "--output", "x"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "not a run folder" in capsys.readouterr().err
