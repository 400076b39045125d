"""Whether a run folder may be continued with a configuration: what may differ, what may not."""

from __future__ import annotations

from typing import Any

from ffr.config.yaml_io import parse_yaml

__all__ = ["changed_keys", "may_change"]

_MAY_CHANGE = (
    "name", "output", "stages", "loggers", "eval", "hardware", "launch", "preflight",
    "store.on_miss",
    "grpo.steps", "grpo.save_every", "grpo.keep_checkpoints", "grpo.validate_every",
    "grpo.micro_batch_size", "sft.micro_batch_size",
    "teacher.base_url", "teacher.api_key_env", "teacher.call_timeout_s", "teacher.deadline_s",
    "teacher.retries", "teacher.concurrency", "teacher.breaker_failures",
    "teacher.breaker_reset_s", "teacher.max_calls", "teacher.abort_failure_rate",
    "teacher.step_deadline_s", "teacher.requests_per_minute", "teacher.tokens_per_minute",
    "teacher.max_requests", "teacher.max_total_tokens", "teacher.max_cost", "teacher.price_input",
    "teacher.price_output", "teacher.on_budget_spent", "teacher.token_limit_field",
)
"""Keys that change how or how long a run works, not what it learns from."""

_ABSENT = "nothing"


def changed_keys(before: str, after: str) -> dict[str, tuple[object, object]]:
    """Dotted keys whose values differ between two resolved configurations, as YAML texts.

    Raises:
        UserError: one of the texts is not YAML as this project writes it.
    """
    old, new = _flat(parse_yaml(before)), _flat(parse_yaml(after))
    return {
        key: (old.get(key, _ABSENT), new.get(key, _ABSENT))
        for key in sorted(old.keys() | new.keys())
        if old.get(key, _ABSENT) != new.get(key, _ABSENT)
    }


def may_change(key: str) -> bool:
    """Whether a run may be continued although this key differs."""
    return any(key == allowed or key.startswith(f"{allowed}.") for allowed in _MAY_CHANGE)


def _flat(tree: Any, prefix: str = "") -> dict[str, object]:
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree} if prefix else {}
    found: dict[str, object] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found
