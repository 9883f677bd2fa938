"""Figures, text heat maps and the HTML report of a result."""

from lens_probes.drawing.page import Finding
from lens_probes.drawing.save_figure import save_figure
from lens_probes.drawing.text_heatmap import TextHeatmap, heatmap_html, heatmap_text
from lens_probes.report.checks import unit_or_layer
from lens_probes.report.correlation_figures import (
    best_correlation_map,
    correlation_by_layer,
    correlation_map,
)
from lens_probes.report.example_figures import class_distributions, word_distributions
from lens_probes.report.figures import accuracy_by_layer, best_auc_map, share_by_layer
from lens_probes.report.fit_figures import effect_and_precision, logistic_fit
from lens_probes.report.html import write_report
from lens_probes.report.map_figures import layer_unit_map
from lens_probes.report.maximize_figures import (
    activation_path,
    decode_cosines,
    optima_compared,
    restarts_against_chance,
)
from lens_probes.report.notebook import summary_html
from lens_probes.report.replication_figures import replication_scatter, replication_table
from lens_probes.report.residual_figures import (
    sight_map,
    state_correlation,
    steps_by_layer,
    sum_errors,
    token_correlation_map,
)
from lens_probes.report.sampling_figures import context_strip, winner_tokens
from lens_probes.report.unit_figures import effect_and_significance
from lens_probes.report.value_figures import (
    value_distributions,
    value_histogram,
    value_scatter,
    word_values,
)
from lens_probes.units.details import UnitDetails

__all__ = [
    "Finding",
    "TextHeatmap",
    "UnitDetails",
    "accuracy_by_layer",
    "activation_path",
    "best_auc_map",
    "best_correlation_map",
    "class_distributions",
    "context_strip",
    "correlation_by_layer",
    "correlation_map",
    "decode_cosines",
    "effect_and_precision",
    "effect_and_significance",
    "heatmap_html",
    "heatmap_text",
    "layer_unit_map",
    "logistic_fit",
    "optima_compared",
    "replication_scatter",
    "replication_table",
    "restarts_against_chance",
    "save_figure",
    "share_by_layer",
    "sight_map",
    "state_correlation",
    "steps_by_layer",
    "sum_errors",
    "summary_html",
    "token_correlation_map",
    "unit_or_layer",
    "value_distributions",
    "value_histogram",
    "value_scatter",
    "winner_tokens",
    "word_distributions",
    "word_values",
    "write_report",
]
