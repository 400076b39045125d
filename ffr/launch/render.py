"""Fill in the templates of job scripts; a user's own template of the same name wins."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
)

from ffr.errors import UserError

__all__ = ["render"]


def render(template: str, values: Mapping[str, object], own: Path | None = None) -> str:
    """One script as text.

    Filters for templates: ``sh`` quotes a value for the shell, ``yaml`` for YAML.

    Args:
        template: file name, such as ``slurm.sbatch.j2``.
        values: what the template may name; an unknown name is an error.
        own: the user's folder of templates.

    Raises:
        UserError: ``own`` is no folder, or a template is faulty.
    """
    if own is not None and not own.is_dir():
        raise UserError(
            f"launch.templates={str(own)!r} is not a folder; give the one your templates are in"
        )
    loaders = [PackageLoader("ffr.launch")]
    environment = Environment(  # noqa: S701 - shell scripts, quoted by the filters below
        loader=ChoiceLoader([FileSystemLoader(own), *loaders] if own else loaders),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sh"] = lambda value: shlex.quote(str(value))
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    try:
        return environment.get_template(template).render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"{getattr(error, 'name', None) or template}{f', line {line}' if line else ''}"
        raise UserError(
            f"template {where}: {error.message}; mend it, or remove it from launch.templates"
        ) from error
