"""Reading a model that was learned before."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linkcore.errors import ProgrammeError

__all__ = ["read_model", "read_models"]


def read_models(model: Path | str | Mapping[str, Any]) -> dict[str | None, dict[str, Any]]:
    """Read a model that was learned before, and those of single sources with it.

    ``model``: as Splink saves it. Beside the file ``model.json`` those of sources are ``model.SOURCE.json``; in a
    mapping of mappings they are under their names, and that of all is under None.
    """
    if isinstance(model, Mapping):
        given: Mapping[Any, Any] = model if None in model else {None: model}
        return {name: read_model(each) for name, each in given.items()}
    beside = {file: file.name for file in sorted(Path(model).parent.glob(f"{Path(model).stem}.*.json"))}
    prefix = f"{Path(model).stem}."
    models: dict[str | None, dict[str, Any]] = {None: read_model(model)}
    return models | {name.removeprefix(prefix).removesuffix(".json"): read_model(file) for file, name in beside.items()}


def read_model(model: Path | str | Mapping[str, Any]) -> dict[str, Any]:
    """Read a model that was learned before.

    Examples
    --------
    >>> read_model({"comparisons": []})
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: model: the mapping given is no trained model; give one as Splink saves it, with ...
    """
    what = "the mapping given" if isinstance(model, Mapping) else str(model)
    try:
        text = json.dumps(dict(model)) if isinstance(model, Mapping) else Path(model).read_text("utf-8")
        read = json.loads(text)
        levels = [level for comparison in read["comparisons"] for level in comparison["comparison_levels"]]
        judging = [level for level in levels if not level.get("is_null_level", False)]
        learned = [level[f"{of}_probability"] for level in judging for of in ("m", "u")]
        prior = read["probability_two_random_records_match"]
        usable = bool(learned) and all(0 < probability <= 1 for probability in learned) and 0 < prior < 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise ProgrammeError(f"model: {what} is no trained model; give one as Splink saves it, with all its m and u")
    return dict(read)
