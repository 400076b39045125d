"""The stages of a run, each a child process over verl or the evaluator."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ffr.config.schema import RunConfig
from ffr.run.folder import RunFolder
from ffr.run.step_phase import StepPhase
from ffr.train.apart import call_apart
from ffr.train.checkpoints import actor_folder, latest_step, step_folder, step_of
from ffr.train.environment import stage_environment
from ffr.train.loggers import logger_environment
from ffr.train.prepare import Inputs
from ffr.train.progress import StageProgress
from ffr.train.resume import resume_from
from ffr.train.stage_process import StageFailedError, run_stage_process
from ffr.train.stage_state import StageState
from ffr.train.stop import StopFlag
from ffr.train.track_evaluation import track_evaluation
from ffr.train.trees import composed_grpo, composed_sft

__all__ = ["Stages"]

_FULL = 20_000_000  # bytes


class Stages:
    """Runs stages in the order the configuration lists; each returns the model it made."""

    def __init__(
        self, config: RunConfig, folder: RunFolder, inputs: Inputs, state: StageState,
        teacher_base_url: str | None, resume: str,
    ) -> None:
        self._config, self._folder, self._inputs = config, folder, inputs
        self._state, self._base_url, self._resume = state, teacher_base_url, resume
        self._environment = stage_environment(config)
        self._untrained: Path | None = None
        self._before: Path | None = None
        self._after: Path | None = None

    def sft(self, model: Path) -> Path:
        """Teach the answer format; returns the checkpoint folder."""
        self._untrained = model
        if done := self._state.finished("sft"):
            return Path(done["model"])
        assert self._inputs.sft is not None
        checkpoints = self._folder.path / "checkpoints" / "sft"
        tree = composed_sft(
            self._config, model=model, records=self._inputs.sft,
            patch_media=self._inputs.sft_media,
            media_root=self._inputs.media_root, run_dir=self._folder.path, checkpoints=checkpoints,
        )
        steps = self._config.sft.steps
        if latest_step(checkpoints) != steps:
            resumed = self._set_resume("sft", tree, checkpoints, steps)
            self._write_tree("sft", tree)
            arguments = [*_sft_module(self._config), str(self._folder.path)]
            self._process("sft", steps, arguments, checkpoints, resumed)
        made = step_folder(checkpoints, steps) / "huggingface"
        if self._config.sft.lora is not None:  # what comes next loads ordinary checkpoints
            made = call_apart(_merge, made, made.with_name("merged"))
        self._finish("sft", steps, model=str(made))
        return made

    def grpo(self, model: Path) -> Path:
        """Reinforce, with repairs; returns the checkpoint folder."""
        self._before = model
        steps = self._config.grpo.steps  # may be raised later: the run goes on
        done = self._state.finished("grpo")
        if done and done["steps"] == steps:
            self._after = Path(done["model"])
            return self._after
        assert self._inputs.train is not None
        checkpoints = self._folder.path / "checkpoints" / "grpo"
        tree = composed_grpo(
            self._config, run_dir=self._folder.path, model=model, train=self._inputs.train,
            validation=self._inputs.validation or self._inputs.train,
            media_root=self._inputs.media_root, store_dir=self._inputs.store,
            checkpoints=checkpoints, frame_cache=self._folder.path / "cache" / "frames",
            teacher_base_url=self._base_url,
        )
        made = actor_folder(checkpoints, steps)
        # Killed after the last checkpoint but before it was noted: nothing is left to train.
        if latest_step(checkpoints) != steps:
            resumed = self._set_resume("grpo", tree, checkpoints, steps, self._resume)
            self._set_loggers(tree)
            for name in ("after", "patched_after"):  # of a model that is about to change
                (self._folder.path / "eval" / f"{name}.json").unlink(missing_ok=True)
            self._write_tree("grpo", tree)
            self._process(
                "grpo", steps, ["-m", "ffr.train.verl.grpo_main", str(self._folder.path)],
                checkpoints, resumed,
            )
        self._finish("grpo", steps, model=str(made))
        self._after = made
        return made

    def evaluate_all(self, start: Path) -> None:
        """Evaluate the model GRPO started from and the one it made (or just ``start``).

        One process does what is missing; evaluations that were written are kept.
        """
        assert self._inputs.test is not None
        after = self._after or start
        models = {"after": after}
        if self._config.eval.before and self._before is not None and self._before != after:
            models = {"before": self._before, "after": after}
        if self._config.eval.before_sft and self._untrained is not None:
            models = {"before_sft": self._untrained, **models}
        patched = self._config.eval.with_patches and self._config.teacher.kind != "none"
        jobs = [name + "=" + str(model) for name, model in models.items()]
        if patched:
            jobs += [
                f"patched_{name}={model}" for name, model in models.items() if name != "before_sft"
            ]
        with self._inputs.test.open(encoding="utf-8") as lines:
            questions = sum(1 for _ in lines)
        questions = min(questions, self._config.eval.limit or questions)
        folder = self._folder.path / "eval"
        jobs = [job for job in jobs
                if not _evaluated(folder / f"{job.partition('=')[0]}.json", questions)]
        total = questions * len(jobs)
        if jobs:
            self._process("eval", total, ["-m", "ffr.evaluate.main", str(self._folder.path), *jobs])
            track_evaluation(self._config, self._folder)
        self._finish("eval", total)

    def _set_resume(
        self, stage: str, tree: DictConfig, checkpoints: Path, steps: int, resume: str = "auto"
    ) -> int:
        """Tell verl where to go on; returns that step, 0 for the start."""
        ranks = self._config.hardware.nodes * self._config.hardware.devices_per_node
        folder = resume_from(stage, checkpoints, steps=steps, ranks=ranks, resume=resume)
        if folder is None:
            return 0
        tree.trainer.resume_mode = "resume_path"
        tree.trainer.resume_from_path = str(folder)
        return step_of(folder) or 0

    def _set_loggers(self, tree: DictConfig) -> None:
        """Tell Ray's workers, which may run elsewhere, where trackers write."""
        for name, value in self._logger_environment("grpo").items():
            key = f"ray_kwargs.ray_init.runtime_env.env_vars.{name}"
            OmegaConf.update(tree, key, value, force_add=True)

    def _logger_environment(self, stage: str) -> dict[str, str]:
        return logger_environment(self._config.loggers, self._folder, self._config.name, stage)

    def _write_tree(self, name: str, tree: DictConfig) -> None:
        path = self._folder.path / "verl" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        OmegaConf.save(tree, path)

    def _process(
        self, stage: str, total: int, arguments: list[str], checkpoints: Path | None = None,
        resumed: int = 0,
    ) -> None:
        """Run a stage's process; one with ``checkpoints`` saves its work when it is stopped."""
        began = time.monotonic()
        self._folder.append_event(
            {"event": "stage_begin", "stage": stage, "total": total, "resumed": resumed}
        )
        phase = StepPhase(self._folder, self._config.grpo.questions_per_step)
        progress = StageProgress(
            stage, total, self._folder.metrics_path,
            phase.text if stage == "grpo" else lambda _finished: "", resumed,
        )
        flag = StopFlag(self._folder.path)
        flag.clear()
        try:
            run_stage_process(
                arguments,
                log=self._folder.path / "logs" / f"{stage}.log",
                progress=progress,
                stall_timeout_s=self._config.hardware.stall_timeout_s,
                environment=self._environment | self._logger_environment(stage),
                ask_to_stop=flag.ask if checkpoints else None,
                stop_grace_s=self._config.hardware.stop_grace_s,
            )
        except (KeyboardInterrupt, StageFailedError):
            if checkpoints:
                step = latest_step(checkpoints)
                print(f"{stage}: saved up to step {step or 0} of {total}", file=sys.stderr)
            free = shutil.disk_usage(self._folder.path).free
            if free < _FULL:  # then the log may lack the reason
                print(f"the disk of {self._folder.path} is full ({free / 1e6:.1f} MB free); "
                      "free space there first", file=sys.stderr)  # fmt: skip
            raise
        finally:
            self._state.record(
                stage, seconds=time.monotonic() - began, steps=progress.step, done=False
            )

    def _finish(self, stage: str, steps: int, **made: str) -> None:
        self._state.record(stage, seconds=0.0, steps=steps, done=True, **made)


def _merge(folder: Path, target: Path) -> Path:
    from student.lora import write_merged

    return target if write_merged(folder, target) else folder


def _sft_module(config: RunConfig) -> list[str]:
    """torchrun on one node; on several, Ray starts the ranks."""
    if config.hardware.nodes > 1:
        return ["-m", "ffr.train.verl.sft_cluster"]
    devices = config.hardware.devices_per_node
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={devices}",
            "-m", "ffr.train.verl.sft_main"]  # fmt: skip


def _evaluated(path: Path, questions: int) -> bool:
    """Whether an evaluation of this many questions was written; ``eval.limit`` may change."""
    if not path.is_file():
        return False
    table = json.loads(path.read_bytes()).get("all", {})
    return int(table.get("n", 0) + table.get("skipped", 0)) == questions
