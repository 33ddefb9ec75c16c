"""What every report says of itself: preset, data, budget, device, versions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cssr.paper import HEADLINE, LOSSES
from cssr.report.letters import JOINT
from cssr.report.results import Results, SeedResult

NOT_COMPARABLE = "these numbers are NOT comparable with the paper's: not its setting"


@dataclass(frozen=True)
class Setting:
    """What the parameters say of the results.

    Attributes:
        preset: its name.
        seeds: of the trainings.
        edits: how the parameters differ from the preset's, one text per key.
        data: where the images come from.
        sr_iterations: of the SR network alone, from which the others start.
    """

    preset: str
    seeds: tuple[int, ...]
    edits: tuple[str, ...]
    data: str
    sr_iterations: int

    @property
    def title(self) -> str:
        """The preset, with each edit."""
        edited = f", edited: {'; '.join(self.edits)}" if self.edits else ""
        return f"preset: {self.preset}{edited}"

    @property
    def short(self) -> str:
        """The preset, whether it is edited, and the seeds."""
        return f"preset: {self.preset}{', edited' if self.edits else ''} · {self.seeds_named}"

    @property
    def seeds_named(self) -> str:
        """Such as `seed 0`, or `seeds 0, 1, 2`."""
        return f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"

    @property
    def comparable(self) -> bool:
        """Whether the setting is the paper's."""
        return self.preset == "paper" and not self.edits


def find_edits(params: Mapping[str, Any], preset: Mapping[str, Any]) -> tuple[str, ...]:
    """Name each parameter that differs from the preset's.

    Args:
        params: all parameters, sections nested.
        preset: those of the preset of that name.

    Returns:
        Texts such as `beta 0.7 (demo: 0.3)`, in the order of the parameters.
    """
    ours = flatten(params)
    theirs = flatten(preset)
    return tuple(
        f"{key} {_shown(ours.get(key))} ({params['preset']}: {_shown(theirs.get(key))})"
        for key in ours | theirs
        if ours.get(key) != theirs.get(key)
    )


def header_lines(setting: Setting, results: Iterable[SeedResult]) -> list[str]:
    """Say what these results are, as `key: value` lines of plain text.

    Args:
        setting: what the parameters say.
        results: all of the report.
    """
    runs = [result.run for result in results]
    repeated = len(setting.seeds) > 1
    sides = _distinct(
        f"HR {run['size']}×{run['size']} px, LR {run['size'] // run['scale']}"
        f"×{run['size'] // run['scale']} px (×{run['scale']})"
        for run in runs
    )
    images = _distinct(
        ", ".join(f"{count} {part}" for part, count in run["images"].items()) for run in runs
    )
    packages = dict.fromkeys(name for run in runs for name in run["versions"])
    versions = ", ".join(
        f"{name} {_distinct(run['versions'].get(name, 'unknown') for run in runs)}"
        for name in packages
    )
    return [
        setting.title,
        *([] if setting.comparable else [NOT_COMPARABLE]),
        f"data: {setting.data}; {sides}",
        f"images: {images}",
        f"iterations per training: {_distinct(run['iterations'] for run in runs)}; "
        f"of the SR network alone before: {setting.sr_iterations}",
        ": ".join(setting.seeds_named.split(" ", 1)) + "; numbers are means over them" * repeated,
        f"device: {_distinct(run['device'] for run in runs)}",
        f"versions: {versions}",
    ]


def footer_line(setting: Setting, results: Iterable[SeedResult]) -> str:
    """The same in one short line, for the figures."""
    runs = [result.run for result in results]
    test = _distinct(run["images"].get("test") for run in runs)
    iterations = _distinct(run["iterations"] for run in runs)
    return f"{setting.short} · {iterations} iterations · {test} test images"


def preferred_beta_note(results: Results, *, loss: str, beta: float) -> str | None:
    """Say so if validation prefers another β of the sweep to that of (f) and (g).

    Args:
        results: of the models and the sweep.
        loss: that of the seven models.
        beta: that of (f) and (g).

    Returns:
        A sentence, or None if no β of the sweep has a higher AIU on validation.
    """
    sweep = {b: result for (name, b), result in results.sweep.items() if name == loss}
    scores = {b: result.val["aiu"] for b, result in sweep.items()}
    own = scores.setdefault(beta, results.models[HEADLINE].val["aiu"])  # if the sweep lacks that β
    best = max(scores, key=lambda b: (scores[b], b == beta))
    if best == beta:
        return None
    return (
        f"{JOINT} are trained with β = {beta:g}; for {LOSSES[loss].name}, validation prefers "
        f"β = {best:g} of the sweep (AIU {scores[best]:.3f} on the validation images, "
        f"{own:.3f} at β = {beta:g})."
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _distinct(values: Iterable[Any]) -> str:
    """Equal values once; different ones side by side."""
    return " / ".join(dict.fromkeys(map(str, values)))
