"""What was measured, for people: lines, the README's tables, the figure."""

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- {}: {} -->", "<!-- /{} -->"
OURS = "lifjax"
COLUMNS = {  # of the table against others: title of the workload, unit
    "1 neuron, V recorded": ("1 neuron, V recorded", 1e-3, "ms"),
    "10,000 neurons, constant current": ("10,000 neurons", 1, "s"),
    "100,000 neurons, constant current": ("100,000 neurons", 1, "s"),
    "100,000 neurons, every spike recorded": ("100,000, every spike recorded", 1, "s"),
    "100,000 neurons, white noise": ("100,000, white noise", 1, "s"),
}


def speed(one: dict[str, Any], name: str) -> float:
    """Neuron-steps a second of a contestant."""
    return one["workload"]["neurons"] * one["workload"]["steps"] / one["contestants"][name]["median"]


def lines(one: dict[str, Any]) -> str:
    """One workload, a line a contestant."""
    found = one["contestants"]
    ours = found.get(OURS, {}).get("median")
    told = []
    for name, x in found.items():
        if "median" not in x or "cannot" in x:
            told.append(f"  {name:28} cannot: {x['cannot']}")
            continue
        ratio = f"{x['median'] / ours:9.3f} times ours" if ours else ""
        size, kind = one["workload"]["neurons"], one["workload"]["record"]
        each = f"{speed(one, name) / 1e9:9.3f} G/s"
        if kind == "gradient":
            each = f"{1e9 / speed(one, name):9.3f} ns a neuron-step"
        if "model" in one["workload"] and one["workload"]["model"] != "LIF":
            each = f"{1e9 / speed(one, name):9.3f} ns a neuron-step"
        if kind == "fit":
            each = f"{1e3 * x['median'] / size:9.3f} ms a neuron"
        told.append(
            f"  {name:28} {x['median']:10.4f} s {each} {ratio}   first {x['first']:.2f} s, "
            f"{x['spikes']} spikes, {x['memory'] / size:.0f} bytes a neuron, {len(x['seconds'])} runs"
        )
    return "\n".join(told)


def tables(results: dict[str, Any], path: str) -> str:
    """The README's tables of the results in a file."""
    groups, here = results["groups"], results["machine"]
    peers, limits = groups["peers"], groups["limits"]
    columns = [(peers[title], *told) for title, told in COLUMNS.items() if title in peers]
    names = list(dict.fromkeys(name for one, *_ in columns for name in one["contestants"]))
    rows = [
        f"| 1 s of model time, dt 0.1 ms | {' | '.join(head for _, head, *_ in columns)} |",
        "|---|" + "---|" * len(columns),
    ]
    for name in names:
        cells = [_cell(one["contestants"], name, unit, symbol) for one, _, unit, symbol in columns]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    share = [
        "| 131,072 neurons | lifjax, neuron-steps a second | the limit | share |",
        "|---|---|---|---|",
    ]
    for title, one in limits.items():
        others = [x for x in one["contestants"] if x != OURS and "median" in one["contestants"][x]]
        if others:
            best = max(others, key=lambda name: speed(one, name))
            ours, limit = speed(one, OURS), speed(one, best)
            share.append(f"| {title} | {ours / 1e9:.2f} billion | {limit / 1e9:.2f} billion | {ours / limit:.2f} |")
    return "\n".join(
        [
            f"Measured on {here['device']}, {here['date']}; medians, all in turn; in brackets how many times as long "
            f"as lifjax ([all figures]({path})).",
            "",
            *rows,
            "",
            "The limit is the same work in C with a thread a core and the widest vectors, for V the mere writing of as",
            "many bytes.",
            "",
            *share,
        ]
    )


def _cell(found: dict[str, Any], name: str, unit: float, symbol: str) -> str:
    one = found.get(name, {"cannot": ""})
    if "cannot" in one or "median" not in one:
        return "cannot"
    cell = f"{_short(one['median'] / unit)} {symbol}"
    return cell if name == OURS else f"{cell} ({_short(one['median'] / found[OURS]['median'])})"


def _short(number: float) -> str:
    """Two digits, or all before the point."""
    return f"{number:.0f}" if number >= 9.95 else f"{number:#.2g}"


def fit_table(results: dict[str, Any], path: str) -> str:
    """The README's table of gradients and fits."""
    groups = results["groups"]["fit"]
    steps = [one for one in groups.values() if one["workload"]["record"] == "gradient"]
    fits = [one for one in groups.values() if one["workload"]["record"] == "fit" and one["workload"]["neurons"] == 1]
    lengths = [f"{one['workload']['steps']:,} steps" for one in steps]
    rows = [
        f"Of 10,000 neurons, the gradient of a loss of all spike counts ([all figures]({path})):",
        "",
        f"| a gradient step | {' | '.join(lengths)} | {' | '.join(f'{x}: memory' for x in lengths)} |",
        "|---|" + "---|" * (2 * len(steps)),
    ]
    for name in steps[0]["contestants"]:
        cells = [_cell(one["contestants"], name, 1e-3, "ms") for one in steps]
        found = [one["contestants"].get(name, {}) for one in steps]
        cells += [f"{x['memory'] / 1e6:,.0f} MB" if "memory" in x else "cannot" for x in found]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows += ["", "Five rates of one neuron, fitted to half a hertz:", "", "| a fit | time |", "|---|---|"]
    rows += [
        f"| {name} | {_cell(one['contestants'], name, 1e-3, 'ms')} |" for one in fits for name in one["contestants"]
    ]
    return "\n".join(rows)


def gpu_table(results: dict[str, Any], path: str) -> str:
    """The README's table of what was found on a GPU."""
    here = results["machine"]
    rows = [
        f"On an {here['device'].removesuffix(' (gpu)')}, {here['date']} ([all figures]({path})), billions of "
        "neuron-steps a second:",
        "",
        "| 1 s of model time, dt 0.1 ms | whole call | kernel alone | XLA loop | at most |",
        "|---|---|---|---|---|",
    ]
    for title, one in results["groups"]["gpu"].items():
        cells = [
            f"{speed(one, name) / 1e9:.0f}" if "median" in one["contestants"].get(name, {}) else ""
            for name in (OURS, "kernel alone", "XLA loop")
        ]
        most = one["roofline"]["neuron-steps a second at most"] / 1e9
        rows.append(f"| {title} | {' | '.join(cells)} | {most:.0f} |")
    return "\n".join(rows)


TABLES = {"speed": tables, "gpu": gpu_table, "fit": fit_table}


def shown(readme: str, kind: str) -> tuple[str, str]:
    """The file that the README's tables of a kind, one of `TABLES`, are of, and the tables."""
    match = re.search(BEGIN.format(kind, r"(\S+)") + r"\n(.*?)\n" + END.format(kind), readme, re.S)
    if match is None:
        raise ValueError(f"the README has no marks for the tables of {kind}")
    return match[1], match[2]


def write_readme(path: Path, kinds: tuple[str, ...]) -> None:
    """Put the tables of some kinds of a file of results into the README."""
    text = README.read_text(encoding="utf-8")
    name = path.resolve().relative_to(README.parent.resolve()).as_posix()
    for kind in kinds:
        before, old = shown(text, kind)
        new = TABLES[kind](json.loads(path.read_text()), name)
        marks = BEGIN.format(kind, before) + "\n" + old
        text = text.replace(marks, BEGIN.format(kind, name) + "\n" + new)
    README.write_text(text, encoding="utf-8")


def figure(results: dict[str, Any], path: Path) -> None:
    """A picture: nanoseconds a neuron-step of everyone, in the workloads that all share."""
    peers = {title: one for title, one in results["groups"].get("peers", {}).items() if one["workload"]["neurons"] > 1}
    if not peers:
        return
    figure, panels = plt.subplots(
        1, len(peers), figsize=(2.6 * len(peers), 3.6), sharey=True, layout="constrained", squeeze=False
    )
    names = list(dict.fromkeys(name for one in peers.values() for name in one["contestants"]))[::-1]
    for panel, (title, one) in zip(panels[0], peers.items(), strict=True):
        for place, name in enumerate(names):
            found = one["contestants"].get(name, {"cannot": ""})
            if "cannot" in found:
                panel.text(0.02, place, "cannot", va="center", color="0.6", transform=panel.get_yaxis_transform())
                continue
            color = {OURS: "C1", "C": "0.75"}.get(name, "C0")
            panel.barh(place, 1e9 / speed(one, name), color=color)
            panel.text(1e9 / speed(one, name), place, f" {1e9 / speed(one, name):.2g}", va="center", fontsize=8)
        panel.set(xscale="log", title=title.replace(", ", "\n", 1), xlabel="ns a neuron-step")
        panel.margins(x=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_yticks(range(len(names)), names)
    figure.savefig(path, dpi=120)
    plt.close(figure)
