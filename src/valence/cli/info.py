"""valence info."""

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from valence.cli.output import echo_json, one_line
from valence.errors import ValenceError
from valence.families import config_key, family_of
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.processors import available_cpus, cgroup_cpus, processor_features, processor_name
from valence.runtime.choice import choose_engine
from valence.runtime.manifest import read_manifest
from valence.text.tokenizer import Tokenizer

__all__ = ["command"]

# What is shown of config.json.
_SHAPE = {
    "layers": "n_layers",
    "width": "hidden_size",
    "heads": "n_heads",
    "feed_forward_width": "intermediate_size",
}


@click.command(
    "info",
    epilog="""\b
Examples:
  valence info
  valence info ./my-model
  valence info ./my-model --json
""",
)
@click.argument("model", default=DEFAULT)
@click.option("--revision", help="Branch, tag or commit, for a hub id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(model: str, revision: str | None, as_json: bool) -> None:
    """Say what MODEL is, which engines it has, and which one runs here and why.

    MODEL is 'default', a folder or a hub id.
    """
    facts = _describe(find_model(model, revision))
    if as_json:
        echo_json(facts)
    else:
        click.echo("\n".join(map(one_line, _lines(facts))))


def _describe(folder: ModelFolder) -> dict[str, Any]:
    config = folder.config
    manifest = read_manifest(folder)
    sizes = {name: config_key(config.get("model_type"), ours) for name, ours in _SHAPE.items()}
    return {
        "name": folder.name,
        "path": str(folder.path),
        "architecture": config.get("model_type"),
        "shape": {name: config[key] for name, key in sizes.items() if key in config},
        "parameters": folder.n_parameters,
        "weights": [file.name for file in folder.weight_files],
        "classes": None if folder.labels is None else list(folder.labels),
        "problem_type": folder.problem_type,
        "max_tokens": Tokenizer.from_folder(folder).max_length,
        "onnx": [str(file.relative_to(folder.path)) for file in _plain_files(folder)],
        "exports": [] if manifest is None else [asdict(export) for export in manifest.exports.values()],
        "engine": _engine(folder),
        "machine": {
            "architecture": platform.machine(),
            "processor": processor_name(),
            "processors": os.cpu_count(),
            "usable": available_cpus(),
            "container_limit": cgroup_cpus(),
            "features": list(processor_features()),
        },
    }


def _plain_files(folder: ModelFolder) -> list[Path]:
    """List what another program exported."""
    return [*folder.plain_onnx()[:1], *folder.plain_onnx("int8")[:1]]


def _engine(folder: ModelFolder) -> dict[str, Any]:
    try:
        choice = choose_engine(folder, "auto")
    except ValenceError as problem:  # the rest is worth knowing all the same
        return {"name": None, "reason": str(problem), "others": {}}
    return {"name": choice.name, "reason": choice.reason, "others": dict(choice.others)}


def _lines(facts: dict[str, Any]) -> list[str]:
    shape, engine, machine = facts["shape"], facts["engine"], facts["machine"]
    record = family_of(facts["architecture"])
    family = record.title if record is not None else facts["architecture"] or "unknown"
    parameters = facts["parameters"]
    rows = [
        ("model", facts["name"] if facts["name"] == facts["path"] else f"{facts['name']} ({facts['path']})"),
        ("architecture", ", ".join([family, *(f"{name.replace('_', ' ')} {value}" for name, value in shape.items())])),
        ("parameters", "not known" if parameters is None else f"{parameters:,}"),
        ("weights", ", ".join(facts["weights"]) or "none"),
        ("classes", ", ".join(facts["classes"] or ["not named"])),
        ("problem type", facts["problem_type"] or "not stated"),
        ("token limit", str(facts["max_tokens"])),
        ("exports", "" if facts["exports"] else _of_others(facts["onnx"])),
        *(("", _export_line(export)) for export in facts["exports"]),
        ("runs here", f"{engine['name'] or 'nothing'}: {engine['reason']}"),
        *(("", f"not {name}: {reason}") for name, reason in engine["others"].items()),
        ("processor", machine["processor"]),
        ("processors", _processors(machine)),
        ("instructions", ", ".join(machine["features"]) or "not known"),
    ]
    return [f"{name:<14}{value}".rstrip() for name, value in rows]


def _of_others(files: list[str]) -> str:
    return f"{', '.join(files)}, by another program" if files else "none"


def _export_line(export: dict[str, Any]) -> str:
    agreements = "; ".join(
        f"{engine} agrees on {figures['labels']:.2%} of labels, 99th percentile of the difference in score "
        f"{figures['p99_difference']:.4f}"
        for engine, figures in export["agreement"].items()
    )
    return (
        f"{export['file']}: {export['precision']}, {export['bytes'] / 1e6:.1f} MB, compared on {export['sample']}: "
        f"{agreements}"
    )


def _processors(machine: dict[str, Any]) -> str:
    limit = machine["container_limit"]
    allowed = "no container limit" if limit is None else f"the container allows {limit:g}"
    return f"{machine['usable']} usable of {machine['processors']}, {machine['architecture']}, {allowed}"
