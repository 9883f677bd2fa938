"""Pages of the site that are made by running: lessons and gallery. python docs/make_pages.py

The lessons are the scripts of experiments/, run on the bundled model at quick size by `lens-probes
reproduce`; the gallery is one small sweep. Both are kept in build/docs and made again only when the
package, the script or the settings change.
"""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lens_probes import SweepResult, report  # noqa: E402
from lens_probes.cli import main as lens_probes  # noqa: E402
from lens_probes.course import CLAIMS, LESSONS  # noqa: E402
from lens_probes.course.reproduce import load_script  # noqa: E402
from lens_probes.drawing.numbers import general  # noqa: E402

DOCS, BUILD = ROOT / "docs", ROOT / "build" / "docs"
SWEEP = (
    "sweep negation --layers 0,8,15 --sites mlp_pre,q --max-per-class 60 --permutations 500 "
    "--quiet --out"
)
FIGURES = {
    "share_by_layer": "How common significant units are, layer by layer, beside untrained weights.",
    "accuracy_by_layer": "How well they do on words that had no part in finding them.",
    "unit_or_layer": "One chosen unit, the mean difference, or a probe on the whole layer.",
    "best_auc_map": "The best unit of every layer and site.",
    "effect_and_significance": "Every unit: its effect, and how surely it is known.",
    "layer_unit_map": "Where in the width of a layer the strongest units sit.",
    "class_distributions": "Every example under the strongest units.",
    "word_distributions": "The same, word by word: does the class hold, or one word of it?",
}
HEIGHT = re.compile(r"height:(\d+)px")


def lessons(course):
    """A page for each lesson that has a record below `course`, and their list."""
    exercises = tomllib.loads((DOCS / "lessons" / "exercises.toml").read_text("utf-8"))
    figures = DOCS / "_extra" / "lessons" / "figures"
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(parents=True)
    records = {}
    for file in sorted(course.rglob("L[0-9][0-9].json")):
        records[file.stem] = json.loads(file.read_text("utf-8"))
        for figure in records[file.stem]["figures"].values():
            shutil.copy(file.parent / figure, figures / figure)
        if (file.parent / "plotly.min.js").exists():
            shutil.copy(file.parent / "plotly.min.js", figures)
    rows, pages = [], []
    for lesson in LESSONS:
        if lesson not in records:
            sys.exit(f"{lesson} has no record in {course}: lens-probes reproduce --quick failed.")
        page = DOCS / "lessons" / f"{lesson.lower()}.md"
        page.write_text(_lesson(lesson, records[lesson], exercises[lesson]), "utf-8")
        said = "; ".join(f"{row['claim']}: {row['said']}" for row in records[lesson]["rows"])
        title = records[lesson]["title"]
        rows.append(f"| [{lesson}]({lesson.lower()}.md) | {title} | {said or 'a demonstration'} |")
        pages.append(lesson.lower())
    (DOCS / "lessons" / "index.md").write_text(_list(rows, pages), "utf-8")


def _list(rows, pages):
    head = (DOCS / "lessons" / "head.txt").read_text("utf-8")
    table = "\n".join(["| lesson | | what came out at quick size |", "|---|---|---|", *rows])
    tree = "\n".join(["```{toctree}", ":hidden:", "", *pages, "```"])
    return f"{head}\n{table}\n\n{tree}\n"


def _lesson(lesson, record, exercise):
    script = load_script(ROOT / "experiments", lesson)
    path = Path(sys.modules[script.run.__module__].__file__)
    command = f"python experiments/{path.name} --model bundled --quick --out runs/{lesson.lower()}"
    parts = [
        f"# {lesson}: {record['title']}",
        f"Run on the model `{record['model']}` at quick size: a look, no evidence. Sizes: "
        f"{'; '.join(record['sizes']) or 'those of the course'}.",
        "## What the course says, and what came out",
        *(_claim(row) for row in record["rows"]),
        *(["This lesson makes no claim: it shows how something is done."] * (not record["rows"])),
        *(f"*{line}*" for line in record["lines"]),
    ]
    if record["figures"]:
        parts.append("## Pictures")
        parts += [_picture(name, file) for name, file in record["figures"].items()]
    if record["doubts"]:
        parts.append("## Where the course is doubtful")
        parts.append("\n".join(f"- {one['about']}: {one['evidence']}" for one in record["doubts"]))
    parts += [
        "## Run it yourself",
        "With another model, seed or size: change this line.",
        f"```\n{command}\n```",
        "## Exercise",
        exercise,
        "Write down what you expect before you run it. A word list is a TOML file "
        "([own words](../write-a-probe.md#a-contrast-in-toml)).",
        "## The script",
        f"```{{literalinclude}} ../../experiments/{path.name}\n:language: python\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _claim(row):
    """Statement, verdict, numbers with their intervals, conditions."""
    claim = CLAIMS[row["claim"]]
    numbers = [
        _number(name, part) for name, part in row["parts"].items() if part["value"] is not None
    ]
    held = [f"- {said}: {how}" for said, how in row["conditions"]]
    side = "" if row["side"] == "both" else f" ({row['side']} preset)"
    lines = [
        f"**{row['claim']}**{side}. {claim.statement} The course: *{claim.number}*.",
        f"Came out: **{row['said']}**. {'; '.join(numbers)}",
        "\n".join(held),
    ]
    return "\n\n".join(filter(None, lines))


def _number(name, part):
    said = f"{name.replace('_', ' ')} {_plain(part['value'])}"
    if part["low"] is not None:
        said += f" ({_plain(part['low'])} to {_plain(part['high'])})"
    if part["untrained"] is not None:
        said += f", untrained {_plain(part['untrained'])}"
    return said


def _plain(value):
    """Three digits as Markdown takes them."""
    return re.sub(r"<sup>(.*?)</sup>", r"^\1", str(general(value)))


def _picture(name, file):
    height = HEIGHT.search((DOCS / "_extra" / "lessons" / "figures" / file).read_text("utf-8"))
    title = name.replace("_", " ")
    return (
        f'<iframe src="figures/{file}" title="{title}" loading="lazy" class="lesson-figure" '
        f'style="height: {int(height[1]) + 20 if height else 560}px"></iframe>'
    )


def gallery(run):
    """Every figure of one result, drawn as SVG, with its finding and how to read it."""
    folder = DOCS / "gallery"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    result = SweepResult.load(run)
    parts = []
    for name, what in FIGURES.items():
        figure = getattr(report, name)(result)
        report.save_figure(figure, folder / f"{name}.svg", paper="text")
        meta = figure.layout.meta
        parts.append(
            f"## {name}\n\n{what}\n\n```{{figure}} gallery/{name}.svg\n:alt: {meta['title']}\n\n"
            f"{meta['title']}.\n```\n\n{meta['caption']}\n"
        )
    (folder / "figures.md").write_text("\n".join(parts), "utf-8")


def main():
    """Run what has to be run, then write the pages."""
    run, course = BUILD / "run", BUILD / "course"
    if not (run / "result.json").exists() and lens_probes([*SWEEP.split(), str(run)]):
        sys.exit("the sweep of the gallery failed")
    if lens_probes(["reproduce", "--quick", "--model", "bundled", "--out", str(course)]):
        sys.exit("the lessons failed")
    gallery(run)
    lessons(course)


if __name__ == "__main__":
    main()
