"""Hand on the names that modules of this package had before they moved into folders.

Notebooks in students' hands still import them. The table goes away with the release after the
one that brought the folders; until then nothing in this repository uses it but a test, which
imports all that the lessons and assignments imported before the move.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from operator import attrgetter
from types import CodeType, ModuleType
from typing import Any, ParamSpec, TypeVar

Class = TypeVar("Class")
P = ParamSpec("P")
Returned = TypeVar("Returned")

MODULES = {
    "beyond.bigger": "beyond.lm.larger",
    "beyond.byte_lm": "beyond.moe.byte_lm",
    "beyond.curves": "beyond.ui.curves",
    "beyond.edge.measure": "beyond.lm.benchmark",
    "beyond.edge.ollama": "beyond.lm.ollama",
    "beyond.editor": "beyond.cost.editor",
    "beyond.families": "beyond.lm.families",
    "beyond.figures": "beyond.ui.figures",
    "beyond.gguf_header": "beyond.lm.gguf",
    "beyond.ladder": "beyond.ui.ladder",
    "beyond.laptop": "beyond.small_models.laptop",
    "beyond.machine": "beyond.lm.hardware",
    "beyond.model_selection": "beyond.cost.model_selection",
    "beyond.models": "beyond.lm.models",
    "beyond.predictions": "beyond.ui.predictions",
    "beyond.quality": "beyond.lm.perplexity",
    "beyond.questions": "beyond.ui.self_check",
    "beyond.questions.cost_formula": "beyond.cost.self_check",
    "beyond.questions.edge_deployment": "beyond.edge.self_check",
    "beyond.questions.mixture_of_experts": "beyond.moe.self_check",
    "beyond.questions.prompting": "beyond.prompting.self_check",
    "beyond.questions.seeing": "beyond.vision.self_check",
    "beyond.questions.small_models": "beyond.small_models.self_check",
    "beyond.quiet": "beyond.lm.quiet",
    "beyond.rounding": "beyond.small_models.quantization",
    "beyond.routing": "beyond.moe.routing",
    "beyond.same_meaning": "beyond.small_models.same_meaning",
    "beyond.scoring": "beyond.lm.classification",
    "beyond.sentences": "beyond.edge.sentences",
    "beyond.shapes": "beyond.lm.model_size",
    "beyond.prompting.shop": "beyond.shop",
    "beyond.speed": "beyond.lm.benchmark",
    "beyond.tables": "beyond.ui.tables",
    "beyond.token_viewer": "beyond.small_models.token_viewer",
    "beyond.tokens": "beyond.lm.tokens",
    "beyond.widgets": "beyond.ui.widgets",
}
"""Modules that are gone, and the ones that hold their names now."""

NAMES = {
    "beyond.bigger.look": "beyond.lm.larger.find_larger_models",
    "beyond.byte_lm.Shape": "beyond.moe.byte_lm.ByteLMShape",
    "beyond.cost.catalogue": "beyond.cost.formula.catalog",
    "beyond.curves.quality_and_cost": "beyond.cost.charts.quality_and_cost",
    "beyond.edge.agreement.right_teams": "beyond.edge.agreement.count_right_teams",
    "beyond.edge.export.FORMS": "beyond.edge.export.VARIANTS",
    "beyond.edge.export.form": "beyond.edge.export.variant_folder",
    "beyond.edge.measure.measure": "beyond.old_measure.measure_engine",
    "beyond.edge.session.Writer": "beyond.edge.session.CachedModel",
    "beyond.edge.translate.translate": "beyond.edge.translation.translate",
    "beyond.edge.weights.Shape": "beyond.edge.weights.DecoderShape",
    "beyond.figures.GREY": "beyond.ui.figures.GRAY",
    "beyond.figures.break_even_chart": "beyond.cost.charts.break_even_chart",
    "beyond.figures.tornado": "beyond.cost.charts.tornado",
    "beyond.rounding.rounded": "beyond.small_models.quantization.quantized",
    "beyond.routing.coloured": "beyond.moe.routing.colored",
    "beyond.shapes.Shape": "beyond.lm.model_size.TransformerShape",
    "beyond.speed.measure": "beyond.old_measure.measure_torch",
    "beyond.token_viewer.Coloured": "beyond.small_models.token_viewer.ColoredTokens",
    "beyond.vision.model.Shape": "beyond.vision.model.MllamaShape",
    "beyond.vision.viewer.Looking": "beyond.vision.viewer.VisionExplorer",
    "beyond.vision.viewer.look": "beyond.vision.viewer.explain",
    "beyond.widgets.Clock": "beyond.ui.clock.Clock",
    "beyond.widgets.Explorer": "beyond.cost.explorer.Explorer",
    "beyond.widgets.SelfCheck": "beyond.ui.self_check.SelfCheck",
    "beyond.widgets.compare": "beyond.cost.explorer.compare",
}
"""Names that were changed, or went to another module than the rest of theirs."""

PACKAGES = {
    "beyond.cost": "beyond.cost.formula",
    "beyond.moe": "beyond.moe.layer",
}
"""Packages that were modules: a name that the package lacks is one of that module."""

ATTRIBUTES = {
    "beyond.edge.agreement.Agreement": {"same_choice": "top1_agreement"},
    "beyond.edge.session.CachedModel": {
        "forget": "reset_cache",
        "read": "forward",
        "room": "capacity",
        "write": "generate",
    },
    "beyond.edge.session.OnnxModel": {"empty": "empty_cache"},
    "beyond.lm.benchmark.BenchmarkResult": {
        "first_token": "first_token_seconds",
        "p50": "p50_seconds",
        "p95": "p95_seconds",
        "reading": "prefill_tokens_per_second",
        "steps": "step_seconds",
        "tokens_per_second": "decode_tokens_per_second",
        "writing": "decode_tokens_per_second",
    },
    "beyond.lm.families.Family": {"licence": "license"},
    "beyond.lm.ollama.GenerationStats": {
        "first_token": "first_token_seconds",
        "writing": "decode_tokens_per_second",
    },
}
"""Attributes and methods of a class, and what they are called now."""

ARGUMENTS = {
    "beyond.edge.session.CachedModel": {"room": "capacity"},
    "beyond.edge.session.open_session": {"optimise": "optimize"},
    "beyond.lm.ollama.stream": {"ended": "on_end"},
    "beyond.moe.layer.MoELayer": {"renormalise": "renormalize"},
    "beyond.moe.layer.top_k": {"renormalise": "renormalize"},
}
"""Keyword arguments of a function or class, and what they are called now."""


def handed_on(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module or package whose names live elsewhere now.

    Args:
        module: the module's name, which is in one of the tables.
    """
    home = MODULES.get(module) or PACKAGES.get(module) or module

    def find(name: str) -> Any:
        # Python asks a package for these when it imports one of its modules: no reason to load it.
        if name.startswith("__") or f"{module}.{name}" in MODULES:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, new = NAMES.get(f"{module}.{name}", f"{home}.{name}").rsplit(".", 1)
        if (place, new) != (module, name):
            with suppress(AttributeError):
                return getattr(importlib.import_module(place), new)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


def keep_old_attributes(dotted: str) -> Callable[[type[Class]], type[Class]]:
    """Let a class answer to the old names of its attributes and methods, too.

    Args:
        dotted: the class's name, a key of `ATTRIBUTES`.
    """

    def decorate(cls: type[Class]) -> type[Class]:
        for old, new in ATTRIBUTES[dotted].items():
            setattr(cls, old, property(attrgetter(new)))
        return cls

    return decorate


def keep_old_arguments(dotted: str) -> Callable[[Callable[P, Returned]], Callable[P, Returned]]:
    """Let a function take the old names of its keyword arguments, too.

    Args:
        dotted: the function's name, a key of `ARGUMENTS`.
    """

    def decorate(function: Callable[P, Returned]) -> Callable[P, Returned]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Returned:
            for old, new in ARGUMENTS[dotted].items():
                if old in kwargs:
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


class OldNames(MetaPathFinder, Loader):
    """Find a module under its old name: an empty one, which asks the new one for each name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for a name in the table, and None for every other."""
        if fullname not in MODULES:
            return None
        below = any(name.startswith(f"{fullname}.") for name in MODULES)
        return ModuleSpec(fullname, self, origin=MODULES[fullname], is_package=below)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the new module's code, which `python -m` runs."""
        spec = importlib.util.find_spec(MODULES[fullname])
        assert spec is not None
        assert isinstance(spec.loader, InspectLoader)
        return spec.loader.get_code(MODULES[fullname])

    def exec_module(self, module: ModuleType) -> None:
        """Let the module look every name up in the new one, when it is asked for."""
        module.__dict__["__getattr__"] = handed_on(module.__name__)


def install() -> None:
    """Let Python find the old names from now on."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        # first: a file that an earlier release left behind must not hide the new one
        sys.meta_path.insert(0, OldNames())
