"""`lens-probes sweep ... --dry-run`: what the sweep would take, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lens_probes.cli.options import ModelOptions, SweepOptions, load
from lens_probes.errors import InputError
from lens_probes.storage.folders import check_output_folder

if TYPE_CHECKING:
    from lens_probes.probes import Probe


def show_dry_run(
    make_probe: Callable[[], Probe],
    options: SweepOptions,
    model_options: ModelOptions,
    out: Path,
    sites: tuple[str, ...],
    layers: tuple[int, ...] | None,
) -> None:
    """Say the model's size before it is loaded, then all else that the sweep would take."""
    check_output_folder(out)
    from lens_probes.model.size import model_size

    size = model_size(model_options.model)
    need = size.in_memory(model_options.dtype)
    print(
        f"model             {model_options.model}: {size.kind}, {size.n_parameters:,} parameters, "
        f"{need / 2**20:,.0f} MiB in {model_options.dtype}"
        f"{', twice with the untrained one' if _twice(options) else ''}; "
        f"{size.free / 2**20:,.0f} MiB of memory are free",
        flush=True,
    )
    if need > size.free:
        raise InputError(
            f"the weights need {need / 2**30:.1f} GiB in {model_options.dtype} and "
            f"{size.free / 2**30:.1f} GiB are free: give --dtype bfloat16, or spread the model "
            "over devices (load_model(device_map=))."
        )
    probe = make_probe()
    model = load(model_options)
    from lens_probes._dry_run import dry_run
    from lens_probes._request import Request

    request = Request(**options.of_statistics(), seed=0)
    found = dry_run(
        model,
        probe,
        request,
        sites=sites,
        layers=layers,
        untrained=options.untrained,
        batch_size=options.batch_size,
        store=options.store,
        store_dtype=options.store_dtype,
    )
    for line in found.text_lines():
        print(line)
    if options.executor != "here":
        print(f"                  shared by {options.workers} workers, each with its own model")
    print("Nothing was written.")


def _twice(options: SweepOptions) -> bool:
    return options.preset == "rigorous" and options.untrained
