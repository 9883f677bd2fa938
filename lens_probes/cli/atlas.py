"""`lens-probes atlas`: what is each unit tuned to, of many properties, from one reading."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lens_probes.cli.options import ModelOptions, check_at_least, load, log_lines, parse_layers
from lens_probes.cli.running import command_line
from lens_probes.errors import alpha_of

if TYPE_CHECKING:
    from lens_probes.atlases import Atlas


def atlas(
    *,
    text: str = "speeches",
    properties: str = "shipped",
    sites: str = "mlp_pre,q,k,v",
    layers: str = "all",
    max_tokens: int = 60_000,
    permutations: int = 1000,
    alpha: float = 0.05,
    untrained: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
    store: Path | None = None,
    out: Path = Path("runs/atlas"),
    options: ModelOptions = ModelOptions(),  # noqa: B008  (frozen)
) -> None:
    """What is each unit tuned to? Many properties of tokens, from one reading of a text.

    Parameters
    ----------
    text
        `speeches`, a UTF-8 file or folder, gutenberg:NUMBER or hf:DATASET.
    properties
        `shipped`, names of shipped ones, TOML or Python files of your own, separated by commas.
    sites
        Sites, separated by commas.
    layers
        Layers: `all`, or numbers and ranges such as 0,4-8,29.
    max_tokens
        Tokens that are read, evenly over the documents.
    permutations
        Relabellings of each property.
    alpha
        Level, over all units and properties.
    untrained
        The same search in untrained weights, as a null (doubles the forward passes).
    seed
        Of every draw.
    batch_size
        Chunks of text in one forward pass. [default: about 1,500 tokens' worth]
    store
        Folder that keeps all activations. [default: none are kept]
    out
        Folder for the atlas and its page, absent or empty.
    """
    log_lines(options.quiet)
    check_at_least(1, max_tokens=max_tokens, permutations=permutations, batch_size=batch_size)
    check_at_least(0, seed=seed)
    alpha_of(alpha)
    wanted = parse_layers(layers)

    import lens_probes as lp
    from lens_probes.atlases.properties import properties_of
    from lens_probes.storage.folder_sums import write_sums
    from lens_probes.storage.folders import hold_folder

    asked = properties_of([part.strip() for part in properties.split(",")])
    read = lp.load_text(text)
    with hold_folder(out) as new:
        found = lp.atlas(
            load(options), read, list(asked), sites=[s.strip() for s in sites.split(",")],
            layers=wanted, max_tokens=max_tokens, seed=seed, n_permutations=permutations,
            alpha=alpha, untrained=untrained, batch_size=batch_size, store=store,
            progress=not options.quiet,
        )  # fmt: skip
        made = replace(found, provenance={**found.provenance, "command": command_line.get()})

        def fill(work: Path) -> None:
            made.write_files(work)
            made.write_report(work / "report.html")
            write_sums(work)

        new.write(fill)
    _show(made, out)


def _show(made: Atlas, out: Path) -> None:
    for line in made.text_lines():
        print(f"* {line}")
    minutes = sum(made.timings.values()) / 60
    print(f"\nMeasured in {minutes:.1f} minutes; tables: {out}")
    print(f"Report: {out / 'report.html'}")
