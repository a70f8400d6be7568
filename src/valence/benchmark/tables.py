"""The report as tables in Markdown, for the terminal and the documents."""

from collections.abc import Iterable, Sequence

from valence.benchmark.contenders import MODES
from valence.benchmark.results import Agreement, ContenderFacts, Report, RowFacts, SingleFacts, StreamReport

__all__ = [
    "accuracy_table",
    "aims_table",
    "cold_table",
    "floor_text",
    "machine_text",
    "single_table",
    "skipped_text",
    "stream_table",
    "summary",
    "throughput_table",
]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _bold(row: RowFacts | SingleFacts | ContenderFacts, text: str) -> str:
    return f"**{text}**" if row["ours"] else text


def _mode(row: RowFacts) -> str:
    batches = f" of {row['budget']:,} tokens" if row["budget"] else ""
    return MODES[row["mode"]].replace("sorted batches", f"sorted batches{batches}")


def machine_text(report: Report) -> str:
    """Say what was measured on, and with what.

    Args:
        report: of `valence bench`.

    Returns:
        A paragraph.
    """
    machine = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    family = "" if "(family" in (machine["processor"] or "") else f"family {machine['family']}; "
    memory = "" if machine["memory_gib"] is None else f", {machine['memory_gib']:g} GiB"
    return (
        f"{machine['cores']} cores of {machine['processor']} ({family}"
        f"{', '.join(machine['features']) or 'instructions not known'}){memory}, {machine['system']}, "
        f"Python {machine['python']}; {packages}. The run took {report['minutes']:.0f} minutes."
    )


def throughput_table(report: Report, workload: str, model: str) -> str:
    """Show every row of a workload, fastest first.

    Args:
        report: of `valence bench`.
        workload: "short" or "long".
        model: its key.

    Returns:
        A table.
    """
    rows = [row for row in report["rows"] if (row["workload"], row["model"]) == (workload, model)]
    random = report["models"][model].get("random", False)
    compared = "p99 logit difference" if random else "labels as fp32 | p99 difference in probability"
    others = [key for key in report["models"] if key != model and any(key in row.get("ratios", {}) for row in rows)]
    head = ["engine", "texts handed over as", "texts/s", "tokens/s", "times the pipeline"]
    head += [f"times that of {report['models'][key]['title']}" for key in others]
    head += [*compared.split(" | "), "passes"]
    first = any(row["first_seconds"] for row in rows)
    head += ["texts/s in the first pass, every shape new"] if first else []
    lines = []
    for row in sorted(rows, key=lambda row: -row["texts_per_second"]):
        ratios = row.get("ratios", {})
        cells = [
            _bold(row, row["title"]),
            _mode(row) + (" (as documented)" if row["documented"] and not row["ours"] else ""),
            f"{row['texts_per_second']:,.0f}",
            f"{row['tokens_per_second']:,.0f}",
            *(f"{ratios[key]:.1f}" if key in ratios else "" for key in (model, *others)),
            *_agreement(row.get("agreement"), random),
            str(row["passes"]),
        ]
        if first:
            n_texts = report["workloads"][workload]["texts"]
            cells.append(f"{n_texts / row['first_seconds']:,.0f}" if row["first_seconds"] else "")
        lines.append(cells)
    return _table(head, lines)


def _agreement(found: Agreement | None, random: bool) -> list[str]:
    if found is None:
        return [""] if random else ["", ""]
    if random:
        return [f"{found['p99_logit_difference']:.4f}"]
    return [f"{found['labels']:.2%}", f"{found['p99_difference']:.4f}"]


def single_table(report: Report, model: str) -> str:
    """Show the milliseconds of a single text, by its length.

    Args:
        report: of `valence bench`.
        model: its key.

    Returns:
        A table.
    """
    singles = [single for single in report["singles"] if single["model"] == model]
    lengths = sorted({single["tokens"] for single in singles})
    by_key: dict[str, dict[int, SingleFacts]] = {}
    for single in singles:
        by_key.setdefault(single["key"], {})[single["tokens"]] = single
    fastest = {n: min(found[n]["p50_ms"] for found in by_key.values() if n in found) for n in lengths}
    lines = []
    for found in sorted(by_key.values(), key=lambda found: found[max(found)]["p50_ms"]):
        any_single = next(iter(found.values()))
        cells = []
        for n in lengths:
            if n in found:
                text = f"{found[n]['p50_ms']:.1f} / {found[n]['p99_ms']:.1f}"
                cells.append(f"**{text}**" if found[n]["p50_ms"] == fastest[n] else text)
            else:
                cells.append("")
        lines.append([_bold(any_single, any_single["title"]), *cells])
    return _table(["engine", *(f"{n} tokens" for n in lengths)], lines)


def cold_table(report: Report) -> str:
    """Show whole processes from their start to the first label, and the peak memory of one with work behind it.

    Args:
        report: of `valence bench`.

    Returns:
        A table.
    """
    lines = []
    for found in sorted(report["contenders"], key=lambda found: found.get("cold", {}).get("seconds", 0)):
        if "cold" in found:
            after = f"{found['peak_mib']:,.0f} MiB" if "peak_mib" in found else ""
            cold = found["cold"]
            lines.append(
                [
                    _bold(found, found["title"]),
                    report["models"][found["model"]]["title"],
                    f"{cold['seconds']:.2f} s",
                    f"{cold['peak_mib']:,.0f} MiB",
                    after,
                ]
            )
    return _table(["engine", "model", "first label", "peak memory then", "after all workloads"], lines)


def accuracy_table(report: Report, model: str) -> str:
    """Show how our engines, called once with all texts, compare with the pipeline in fp32 on both workloads.

    Args:
        report: of `valence bench`.
        model: its key; one whose weights mean something.

    Returns:
        A table.
    """
    lines = [
        [
            _bold(row, row["title"]),
            report["workloads"][row["workload"]]["title"],
            f"{row['accuracy']:.4f}",
            *_agreement(row.get("agreement"), False),
            f"{row['agreement']['largest_difference']:.4f}" if "agreement" in row else "",
        ]
        for row in report["rows"]
        if row["model"] == model and row["mode"] == "list"
    ]
    head = ["engine", "texts", "accuracy", "labels as fp32", "p99 difference in probability", "largest"]
    return _table(head, lines)


def skipped_text(report: Report) -> str:
    """List who was left out.

    Args:
        report: of `valence bench`.

    Returns:
        A list, or a sentence.
    """
    skipped = [found for found in report["contenders"] if "skipped" in found]
    if not skipped:
        return "Nobody was left out."
    return "\n".join(
        f"- left out: {found['title']}, {report['models'][found['model']]['title']}: {found['skipped'].splitlines()[0]}"
        for found in skipped
    )


def _rows(report: Report, model: str, workload: str = "short") -> list[RowFacts]:
    return [row for row in report["rows"] if (row["model"], row["workload"]) == (model, workload)]


def _best(rows: Iterable[RowFacts]) -> RowFacts | None:
    return max(rows, key=lambda row: row["texts_per_second"], default=None)


def aims_table(report: Report, random: str = "random", default: str = "default") -> str:
    """Compare the figures with what was aimed for.

    Args:
        report: of `valence bench`.
        random: the key of the model of the usual shape.
        default: the key of the default model.

    Returns:
        A table: the aim, what was found, whether it is met.
    """
    lines = []
    rows = _rows(report, random)
    ours = _best(row for row in rows if row["ours"] and row["mode"] == "list")
    if ours is not None:
        title = ours["title"]
        if random in ours.get("ratios", {}):
            lines.append(_aim(f"{title}: 20 times the pipeline as documented", ours["ratios"][random], 20))
        peers = [row for row in rows if not row["ours"]]
        documented = _best(row for row in peers if row["documented"])
        if documented is not None:
            ratio = ours["texts_per_second"] / documented["texts_per_second"]
            lines.append(_aim(f"{title}: 2 times the fastest peer as documented ({_who(documented)})", ratio, 2))
        fastest = _best(peers)
        if fastest is not None:
            ratio = ours["texts_per_second"] / fastest["texts_per_second"]
            lines.append(_aim(f"{title}: 1.1 times the fastest peer in any setting ({_who(fastest)})", ratio, 1.1))
    small = _best(row for row in _rows(report, default) if row["ours"] and row["mode"] == "list")
    if small is not None and random in small.get("ratios", {}):
        lines.append(
            _aim(
                f"{small['title']}, the default model: 45 times the pipeline of the usual shape",
                small["ratios"][random],
                45,
            )
        )
    lines += _single_aims(report, random)
    return _table(["aim", "found", "met"], lines)


def _who(row: RowFacts) -> str:
    return f"{row['title']}, {_mode(row)}"


def _aim(text: str, value: float, least: float) -> list[str]:
    return [text, f"{value:.2f}", "yes" if value >= least else "no"]


def _single_aims(report: Report, model: str) -> list[list[str]]:
    """At every length: our quickest engine at most 3 % slower than the quickest peer, and as steady."""
    singles = [single for single in report["singles"] if single["model"] == model]
    lines = []
    for n in sorted({single["tokens"] for single in singles}):
        ours = [single for single in singles if single["tokens"] == n and single["ours"]]
        peers = [single for single in singles if single["tokens"] == n and not single["ours"]]
        if not ours or not peers:
            continue
        best, peer = (min(some, key=lambda single: single["p50_ms"]) for some in (ours, peers))
        slower = best["p50_ms"] / peer["p50_ms"]
        steadiest = min(single["p99_ms"] / single["p50_ms"] for single in peers)
        spread = best["p99_ms"] / best["p50_ms"] / steadiest
        lines.append(
            [
                f"one text of {n} tokens, {best['title']}: at most 1.03 times the time of {peer['title']}; "
                "p99/p50 at most 1.25 times that of the steadiest peer",
                f"{slower:.2f}; {spread:.2f}",
                "yes" if slower <= 1.03 and spread <= 1.25 else "no",
            ]
        )
    return lines


def floor_text(report: Report) -> str:
    """Say how far the fastest of our rows is from the speed of the machine's int8 products alone.

    Args:
        report: of `valence bench`.

    Returns:
        A paragraph.
    """
    floor = report["floor"]
    if "skipped" in floor:
        return f"The int8 product was not measured: {floor['skipped']}"
    rows, inner, outer = floor["shape"]
    text = (
        f"An int8 product alone (oneDNN through PyTorch, {rows} x {inner} x {outer}): {floor['gops']:,.0f} billion "
        "operations per second."
    )
    for key, model in report["models"].items():
        ours = _best(row for row in _rows(report, key) if row["ours"] and row["mode"] == "list")
        if ours is None or "operations_per_token" not in model:
            continue
        operations = model["operations_per_token"] * report["workloads"]["short"]["tokens"][key]
        seconds = operations / floor["gops"] / 1e9
        most = report["workloads"]["short"]["texts"] / seconds
        share = ours["texts_per_second"] / most
        text += (
            f" {model['title'][0].upper()}{model['title'][1:]} needs {model['operations_per_token'] / 1e6:.0f} million "
            f"operations per token: {most:,.0f} texts/s if it did nothing else"
        )
        reached = f"{ours['title']} reaches {ours['texts_per_second']:,.0f}, {share:.0%}"
        if "least_operations_per_token" in model:  # reports of earlier versions lack it
            needed = model["least_operations_per_token"] / model["operations_per_token"]
            text += (
                f", and {most / needed:,.0f} with the first token alone in the last layer ({100 * needed:.0f} % of "
                f"the products). {reached} and {needed * share:.0%} of these."
            )
        else:
            text += f". {reached} of these."
    return text


def stream_table(report: StreamReport) -> str:
    """Show the run with many texts beside that with few.

    Args:
        report: of `valence bench --stream`.

    Returns:
        A table.
    """
    lines = [
        [f"{run['texts']:,}", f"{run['texts_per_second']:,.0f}", f"{run['peak_mib']:.1f} MiB", run["engine"]]
        for run in (report["few"], report["many"])
    ]
    return _table(["distinct texts", "texts/s", "peak memory", "engine"], lines) + (
        f"\n\nThe difference in peak memory is {report['difference_mib']:.1f} MiB."
    )


def summary(report: Report) -> str:
    """Render the whole report.

    Args:
        report: of `valence bench`.

    Returns:
        Markdown.
    """
    parts = [machine_text(report)]
    for key, model in report["models"].items():
        for name, workload in report["workloads"].items():
            if _rows(report, key, name):
                parts.append(f"## {model['title']}, {workload['title']}\n\n{throughput_table(report, name, key)}")
        if any(single["model"] == key for single in report["singles"]):
            parts.append(f"## {model['title']}, single texts, ms (p50 / p99)\n\n{single_table(report, key)}")
    parts += [f"## Cold start and memory\n\n{cold_table(report)}", floor_text(report), skipped_text(report)]
    return "\n\n".join(parts)
