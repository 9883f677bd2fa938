"""The report: one HTML file that needs no network and is the same for the same result."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lens_probes.drawing import tables
from lens_probes.drawing.chart import Chart, embedded, theme
from lens_probes.drawing.numbers import seconds
from lens_probes.drawing.page import flat, page_environment, page_file
from lens_probes.drawing.text_heatmap import best_scale, heatmap_html
from lens_probes.report import (
    checks,
    class_figures,
    correlation_figures,
    example_figures,
    figures,
    fit_figures,
    map_figures,
    methods,
    repeat,
    unit_figures,
    value_figures,
)
from lens_probes.report.cautions import cautions
from lens_probes.report.layer_table import layer_table
from lens_probes.report.ranking import several_classes, value_name
from lens_probes.report.replication_figures import (
    Replicated,
    replication_scatter,
    replication_table,
)
from lens_probes.report.screen_map import (
    corner_table,
    saved_screen,
    use_by_layer,
    use_lines,
    with_use,
)
from lens_probes.report.set_figures import set_figure, set_table
from lens_probes.report.since import saved_card, saved_replication, verdict_line, with_findings
from lens_probes.report.telling import telling_windows
from lens_probes.report.unit_browser import unit_browser
from lens_probes.report.unit_card import UnitCard, marked, unit_card
from lens_probes.report.words.headline import Headline
from lens_probes.report.words.summary import summary
from lens_probes.result.result import SweepData
from lens_probes.storage.integrity import write_page
from lens_probes.storage.paths import check_report_path
from lens_probes.units.details import CARDS, UnitDetails


def write_report(
    result: SweepData,
    path: str | Path,
    *,
    details: Mapping[str, UnitDetails] | None = None,
    replication: Replicated | None = None,
) -> Path:
    """Write one self-contained HTML file: all at once, or not at all.

    The same result gives the same bytes. Nothing in it asks a network for anything.
    `details` are shown in place of the result's own for the units it names, which have a card then
    in any case. A replication, a causal card and a screen beside a loaded result are read and
    shown.

    Raises
    ------
    InputError
        The file cannot be written there.
    """
    page = report_html(result, details=details, replication=replication)
    return write_page(check_report_path(path), page)


def report_html(
    result: SweepData,
    *,
    details: Mapping[str, UnitDetails] | None = None,
    replication: Replicated | None = None,
) -> str:
    """The whole page as text."""
    environment = page_environment("lens_probes.report")
    environment.filters["marked"] = marked
    examples = result.provenance["examples"]
    replication = saved_replication(result) if replication is None else replication
    causal, screen = saved_card(result), saved_screen(result)
    result = with_use(result, screen)
    best = example_figures.best_evidence(result, CARDS)["name"]
    known = with_findings(
        {**result.details, **(details or {})}, best, replication=replication, causal=causal,
        screened=partial(use_lines, screen, result.units),
    )  # fmt: skip
    cards = unit_cards(result, known)
    intervened = (
        screen is not None or causal is not None or any(card.details.causal for card, _ in cards)
    )
    browser = unit_browser(result, cards=frozenset(card.name for card, _ in cards))
    telling = telling_windows(result)
    counts = examples.get("counts") or {"examples given": sum(examples["n_per_class"])}
    return environment.get_template("report.html.j2").render(
        headline=Headline.of(result),
        profile=Chart.of("share", figures.share_by_layer(result, sites=_main_sites(result))),
        telling=Markup(heatmap_html(telling, best_scale(telling), brief=True)) if telling else None,
        answer=(
            *summary(result),
            *(() if causal is None else (verdict_line(causal),)),
            *(() if screen is None else screen.text_lines()),
        ),
        measured=tables.fact_table(
            "Examples and what was read", methods.measured(result), ("what", "value")
        ),
        counts=tables.fact_table(
            "Targets found, dropped and drawn", counts, ("what happened", "number")
        ),
        decision=tables.fact_table(
            "How significance was decided", methods.decided(result), ("what", "value")
        ),
        cautions=cautions(result, intervened=intervened),
        layer_charts=_layer_charts(result),
        held_out=_held_out(result),
        layers=layer_table(result),
        sets=None
        if result.sets is None
        else (Chart.of("set-sizes", set_figure(result)), set_table(result)),
        notes=checks.notes(result),
        not_done=checks.left_out(
            result,
            replicated=replication is not None,
            intervened=intervened,
        ),
        nulls=checks.null_table(result),
        splits=checks.split_table(result),
        confounds=checks.confound_table(result),
        unit_charts=[
            Chart.of("effects", unit_figures.effect_and_significance(result)),
            *(
                []
                if several_classes(result)
                else [Chart.of("funnel", fit_figures.effect_and_precision(result))]
            ),
            Chart.of("unit-map", map_figures.layer_unit_map(result)),
        ],
        browser=browser,
        unit_data=embedded(browser.data),
        unit_script=page_file(environment, "units.js"),
        example_charts=_example_charts(result),
        cards=cards,
        replication=None
        if replication is None
        else (
            Chart.of("replication", replication_scatter(replication)),
            replication_table(replication),
        ),
        use=None
        if screen is None
        else (Chart.of("use", use_by_layer(screen)), corner_table(screen)),
        heatmap=Markup(heatmap_html(result.paintings, best_scale(result.paintings)))
        if result.paintings
        else None,
        provenance=tables.fact_table(
            "Everything recorded with this result", _recorded(result), ("name", "value")
        ),
        command=result.provenance.get("command"),
        python=repeat.python_lines(result),
        timings=tables.fact_table(
            "Seconds spent", {k: seconds(v) for k, v in result.timings.items()}, ("stage", "time")
        ),
        templates=embedded({"light": theme("plotly_white"), "dark": theme("plotly_dark")}),
        style=page_file(environment, "style.css"),
        script=page_file(environment, "charts.js"),
        plotly_js=Markup(get_plotlyjs()),
    )


def _main_sites(result: SweepData) -> list[str]:
    """The sites with most significant units, as many as one panel holds, in their order."""
    counts = result.layers.groupby("site", sort=False)["n_significant"].sum()
    most = counts.sort_values(ascending=False, kind="stable").index[: figures.MOST_LINES]
    return [site for site in counts.index if site in most]


def _layer_charts(result: SweepData) -> list[Chart]:
    """The profile of all sites where the first screen has not all, and what else goes by layer."""
    share = []
    if result.layers["site"].nunique() > figures.MOST_LINES:
        share = [Chart.of("share-all", figures.share_by_layer(result))]
    if several_classes(result):
        charts = [*share, Chart.of("best-eta", class_figures.best_eta_map(result))]
        if result.validation.get("nested_classes"):
            charts.append(Chart.of("confusion", class_figures.confusion(result)))
        return charts
    if value_name(result) is None:
        return [
            *share,
            Chart.of("accuracy", figures.accuracy_by_layer(result)),
            Chart.of("best-auc", figures.best_auc_map(result)),
        ]
    return [
        *share,
        Chart.of("values", value_figures.value_histogram(result)),
        Chart.of("correlation", correlation_figures.correlation_by_layer(result)),
        Chart.of("correlation-map", correlation_figures.correlation_map(result)),
        Chart.of("best-r", correlation_figures.best_correlation_map(result)),
    ]


def _held_out(result: SweepData) -> Chart | None:
    if class_figures.has_held_out(result):
        return Chart.of("held-out", class_figures.class_accuracy_by_layer(result))
    if checks.has_held_out(result):
        return Chart.of("held-out", checks.unit_or_layer(result))
    return None


def _example_charts(result: SweepData) -> list[Chart]:
    words = example_figures.has_words(result)
    if value_name(result) is None:
        charts = [Chart.of("distributions", example_figures.class_distributions(result))]
        if not several_classes(result):
            charts.append(Chart.of("fit", fit_figures.logistic_fit(result)))
        if words:
            charts.append(Chart.of("words", example_figures.word_distributions(result)))
        return charts
    charts = [
        Chart.of("scatter", value_figures.value_scatter(result)),
        Chart.of("distributions", value_figures.value_distributions(result)),
    ]
    if words:
        charts.append(Chart.of("words", value_figures.word_values(result)))
    return charts


def unit_cards(
    result: SweepData, details: Mapping[str, UnitDetails]
) -> list[tuple[UnitCard, list[Chart]]]:
    """Cards of the strongest units whose activations were kept, and of those with details."""
    best = list(example_figures.best_evidence(result, CARDS)["name"])
    return [
        (unit_card(result, name, details.get(name)), _card_charts(result, place, name))
        for place, name in enumerate(dict.fromkeys([*best, *details]))
    ]


def _card_charts(result: SweepData, place: int, name: str) -> list[Chart]:
    if name not in result.evidence:
        return []
    words = example_figures.has_words(result)
    if value_name(result) is not None:
        drawn = [value_figures.value_scatter(result, unit=name)]
        drawn += [value_figures.word_values(result, unit=name)] if words else []
    else:
        drawn = [example_figures.class_distributions(result, unit=name)]
        drawn += [example_figures.word_distributions(result, unit=name)] if words else []
    return [Chart.of(f"card-{place}-{part}", figure) for part, figure in enumerate(drawn)]


def _recorded(result: SweepData) -> dict[str, object]:
    return flat({k: v for k, v in result.provenance.items() if k != "command"})
