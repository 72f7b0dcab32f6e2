"""What `digits.py` has to show at its end: graphs as text and pictures, curves, a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import thrace
import thrace.nn.functional as F


class History:
    """What a training run measured.

    The first step, which traces and compiles, is timed apart from the rest.
    """

    def __init__(self, name: str):
        self.name = name
        self.losses: list[float] = []
        self.accuracies: list[float] = []  # one an epoch
        self.first_step_s: float | None = None
        self.seconds = 0.0  # of all steps but the first

    def add(self, losses: list[float], seconds: float, accuracy: float) -> None:
        self.losses += losses
        self.seconds += seconds
        self.accuracies.append(accuracy)

    @property
    def steps_per_second(self) -> float:
        return (len(self.losses) - 1) / self.seconds


def epoch_line(history: History, epochs: int) -> str:
    done = len(history.accuracies)
    last = history.losses[-(len(history.losses) // done) :]
    return (
        f"epoch {done:2}/{epochs}  loss {sum(last) / len(last):.4f}  "
        f"test accuracy {history.accuracies[-1]:.2%}"
    )


def write_graphs(folder: Path, model: Any, train_step: Any, batch: int) -> None:
    """The whole step's graph as it ran; forward and backward by themselves, also drawn.

    Pictures fold what lies deeper than the modules and the functions called in them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.train()

    def loss(images, labels):
        return F.cross_entropy(model(images), labels)

    images, labels = thrace.spec(f"f32[{batch},1,8,8]"), thrace.spec(f"i64[{batch}]")
    forward = thrace.trace(loss, images, labels)
    (folder / "forward.txt").write_text(f"{forward}\n")
    (folder / "train_step.txt").write_text(f"{thrace.explain(train_step).traces[0].graph}\n")
    forward.render(folder / "forward.svg", depth=2)
    forward.backward().render(folder / "backward.svg", depth=1)


def write_curves(path: Path, histories: list[History]) -> None:
    """Loss by step and test accuracy by epoch, of every run, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for history in histories:
        loss.plot(history.losses, label=history.name, linewidth=1, alpha=0.8)
        epochs = range(1, len(history.accuracies) + 1)
        accuracy.plot(epochs, [100 * a for a in history.accuracies], "o-", label=history.name)
    loss.set(title="Training loss", xlabel="step", ylabel="cross entropy", yscale="log")
    accuracy.set(title="Test accuracy", xlabel="epoch", ylabel="%")
    accuracy.axhline(97, color="gray", linewidth=0.8, linestyle=":")
    for axes in (loss, accuracy):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def print_summary(
    console: Console, histories: list[History], train_step: Any, folder: Path
) -> None:
    """What the step compiled to, both runs side by side, and the files written."""
    found = thrace.explain(train_step)
    calls = sum(trace.calls for trace in found.traces)
    nodes = sum(len(trace.graph.nodes) for trace in found.traces)
    console.print(
        f"\n{_count(len(found.traces), 'trace')}, {_count(len(found.executables), 'executable')}, "
        f"{_count(len(found.fallbacks), 'fallback')}, {_count(len(found.recompiles), 'recompile')} "
        f"for {calls} training steps ({nodes} nodes in the graph)",
        highlight=False,
        soft_wrap=True,
    )
    for reason in (*found.fallbacks, *found.recompiles):
        console.print(f"  {reason}", highlight=False, soft_wrap=True)
    for e in found.executables:
        console.print(
            f"compile seconds: {e.trace_s + e.lower_s + e.compile_s:.2f} "
            f"(lowering {e.trace_s + e.lower_s:.2f}, XLA {e.compile_s:.2f})",
            highlight=False,
            soft_wrap=True,
        )
    table = Table("", "first step s", "steps / s", "test accuracy")
    for h in histories:
        table.add_row(
            h.name,
            f"{h.first_step_s:.2f}",
            f"{h.steps_per_second:.0f}",
            f"{h.accuracies[-1]:.2%}",
        )
    console.print(table)
    written = sorted(path.name for path in folder.iterdir())
    console.print(f"written to {folder}: {', '.join(written)}", highlight=False, soft_wrap=True)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
