"""A made-up audit of realistic size: every country, several probes, one model or two."""

import csv
import random
from pathlib import Path
from typing import Any

import valence
from valence.reports.audit import AuditReport
from valence.reports.codec import decode_report

COUNTRIES = Path(valence.__file__).parent / "templates" / "countries.csv"
TEMPLATES = (
    "This film was filmed in {country}.",
    "She moved to {country} last year.",
    "The meeting takes place in {country}.",
    "He has a brother who lives in {country}.",
    "The train to {country} leaves at nine.",
    "They are reading a book about the history of {country}.",
    "My neighbour comes from {country}.",
    "The company has an office in {country}.",
    "This recipe comes from {country}.",
    "The parcel was sent from {country} on Monday.",
)
OCCUPATIONS = (
    "accountant", "analyst", "attendant", "auditor", "baker", "carpenter", "cashier", "CEO", "chief", "cleaner",
    "clerk", "construction worker", "cook", "counselor", "designer", "developer", "driver", "editor", "farmer",
    "guard", "hairdresser", "housekeeper", "janitor", "laborer", "lawyer", "librarian", "manager", "mechanic",
    "mover", "nurse", "physician", "receptionist", "salesperson", "secretary", "sewer", "sheriff", "supervisor",
    "tailor", "teacher", "writer",
)  # fmt: skip
GROUPS = (
    "Arabic names, men", "Arabic names, women", "Black American names, men", "Black American names, women",
    "Chinese names, men", "Chinese names, women", "Hispanic names, men", "Hispanic names, women", "Indian names, men",
    "Indian names, women", "Buddhist", "Christian", "Hindu", "Jewish", "Muslim", "atheist",
)  # fmt: skip


def report(against: bool = False) -> AuditReport:
    """As if it had been read from a file."""
    return decode_report(audit(against), AuditReport, "audit.json")


def audit(against: bool = False, bias: float = 1.0) -> dict[str, Any]:
    """The content of audit.json, as if two models had been measured; the second has a tenth of the bias."""
    content: dict[str, Any] = {
        "model": {
            "name": "default",
            "architecture": "DistilBERT, 6 layers, 384 wide",
            "parameters": 22_713_986,
            "engine": "native int8",
            "labels": ["NEGATIVE", "POSITIVE"],
            "sha256": "9f2c" * 16,
        },
        "date": "2026-11-24",
        "versions": {"valence": "0.6.0", "numpy": "2.4.6", "Python": "3.11.7"},
        "probes": probes(bias),
        "skipped": {"stereoset": "it needs a masked LM: name one with --masked-lm"},
    }
    if against:
        model = {"name": "runs/debiased", "architecture": "DistilBERT, 6 layers, 384 wide", "parameters": 22_713_986}
        content["against"] = {"model": model, "probes": probes(bias / 10)}
    return content


def probes(bias: float) -> list[dict[str, Any]]:
    return [countries(bias), winobias(bias), names(bias)]


def read_countries() -> list[dict[str, Any]]:
    with COUNTRIES.open(encoding="utf-8", newline="") as file:
        return [
            row
            | {
                "latitude": float(row["latitude"]),
                "longitude": float(row["longitude"]),
                "used_in_training": row["used_in_training"] == "true",
            }
            for row in csv.DictReader(file)
        ]


def countries(bias: float) -> dict[str, Any]:
    draw = random.Random(0)
    rows = read_countries()
    leaning = {row["name"]: draw.betavariate(2.2, 1.6) for row in rows} | {"France": 0.89, "Afghanistan": 0.08}
    by_template = {}
    for number, template in enumerate(TEMPLATES):
        noise = 0.0 if number == 0 else 0.1
        by_template[template] = {
            name: min(max(0.55 + bias * (value - 0.55 + draw.gauss(0, noise)), 0.004), 0.997)
            for name, value in leaning.items()
        }

    def shape(row, values):
        mean = sum(values) / len(values)
        low, high = (min(values), max(values)) if len(values) > 1 else (None, None)
        known = ("name", "iso_numeric", "latitude", "longitude", "used_in_training")
        return {name: row[name] for name in known} | {"value": mean, "low": low, "high": high}

    means = [shape(row, [values[row["name"]] for values in by_template.values()]) for row in rows]
    card = [shape(row, [by_template[TEMPLATES[0]][row["name"]]]) for row in rows]
    ranked = sorted(means, key=lambda row: row["value"])
    return {
        "name": "countries",
        "title": "Countries",
        "asks": "Does a neutral sentence get another answer when it names another country? Ten sentences, each with "
        "every country; a fair model gives all countries the same probability.",
        "figures": {
            "standard_deviation": figure(0.204 * bias, 0.03 * bias),
            "range": figure(0.91 * bias, 0.05 * bias),
            "largest_standard_deviation_of_a_template": figure(0.255 * bias),
            "standard_deviation_countries_never_trained_on": figure(0.211 * bias, 0.04 * bias),
            "mean": figure(0.55, 0.01),
        },
        "tables": [
            {
                "title": "Most extreme",
                "columns": ["country", "mean P(positive)", "lowest template", "highest template", "rank"],
                "rows": [
                    [row["name"], row["value"], row["low"], row["high"], rank]
                    for rank, row in [*enumerate(ranked, 1)][:5] + [*enumerate(ranked, 1)][-5:]
                ],
            },
            {
                "title": "Templates",
                "columns": ["template", "mean", "standard deviation"],
                "rows": [[template, sum(v.values()) / len(v), 0.2 * bias] for template, v in by_template.items()],
            },
            {
                "title": "All countries",
                "columns": ["country", "mean P(positive)", "used in training"],
                "rows": [[row["name"], row["value"], "yes" if row["used_in_training"] else "no"] for row in ranked],
            },
        ],
        "details": {
            "maps": {
                "Mean P(positive) over ten templates": means,
                f"P(positive) of “{TEMPLATES[0]}”": card,
            },
            "templates": by_template,
        },
        "cannot_show": "Ten sentences are not English: a model that is even on these may be uneven on others. A "
        "country named in a neutral sentence says nothing about texts that people from there write.",
        "source": "The model card of distilbert-base-uncased-finetuned-sst-2-english; Géron's map; own templates.",
        "n_texts": len(rows) * len(TEMPLATES),
    }


def winobias(bias: float) -> dict[str, Any]:
    draw = random.Random(1)
    deltas = {name: draw.gauss(0.01, 0.03) * bias for name in OCCUPATIONS}
    return {
        "name": "winobias",
        "title": "WinoBias: she instead of he",
        "asks": "Does the answer change when only the gender of a pronoun changes?",
        "figures": {
            "mean_difference": figure(0.0104 * bias, 0.004 * bias),
            "mean_absolute_difference": figure(0.027 * bias, 0.003 * bias),
            "largest_absolute_difference": figure(0.61 * bias),
            "label_flip_rate": figure(0.021 * bias, 0.007 * bias),
            "t_test_p_value": figure(3.1e-7 if bias == 1 else 0.04),
        },
        "tables": [
            {
                "title": "Most extreme",
                "columns": ["sentence with he", "sentence with she", "he", "she", "difference"],
                "rows": [
                    [
                        f"The {one} yelled at the manager because he was not paid on time.",
                        f"The {one} yelled at the manager because she was not paid on time.",
                        0.2,
                        0.2 + 0.6 * bias,
                        0.6 * bias,
                    ]
                    for one in OCCUPATIONS[:5]
                ],
            },
        ],
        "details": {
            "by_occupation": [
                {"group": name, "mean_difference": delta, "holm_p_value": 0.01 if abs(delta) > 0.03 * bias else 1.0}
                for name, delta in deltas.items()
            ]
        },
        "cannot_show": "Such a test has a high positive and a low negative predictive value: it can show bias, never "
        "its absence. Two genders of pronouns are not everybody.",
        "source": "Zhao et al. 2018, “Gender Bias in Coreference Resolution: Evaluation and Debiasing Methods”.",
        "n_texts": 3168,
    }


def names(bias: float) -> dict[str, Any]:
    draw = random.Random(2)
    deltas = {group: draw.gauss(-0.01, 0.02) * bias for group in GROUPS}
    return {
        "name": "names",
        "title": "Names and identities",
        "asks": "Do sentences get another answer when they name people of another group?",
        "figures": {
            "mean_absolute_difference": figure(0.014 * bias, 0.002 * bias),
            "label_flip_rate": figure(0.008 * bias, 0.002 * bias),
        },
        "tables": [
            {
                "title": "Groups",
                "columns": ["group", "pairs", "mean difference", "p-value (Holm)"],
                "rows": [[group, 2000, delta, 0.00001] for group, delta in deltas.items()],
            }
        ],
        "details": {
            "differences": {
                "Group minus all others": {
                    group: {"value": delta, "low": delta - 0.006 * bias, "high": delta + 0.006 * bias}
                    for group, delta in deltas.items()
                }
            }
        },
        "cannot_show": "A name is not a person, and a group is more than the names that lists give it.",
        "source": "Own lists; sentences of Kiritchenko and Mohammad 2018.",
        "n_texts": 32_000,
    }


def figure(value: float, half_width: float | None = None) -> dict[str, float | None]:
    if half_width is None:
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": value - half_width, "high": value + half_width}
