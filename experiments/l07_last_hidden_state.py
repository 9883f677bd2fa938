"""L07: Hugging Face's last hidden state has been through the final norm; a hook's has not."""

import numpy as np
import torch
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.course import Numbers, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.errors import InputError, one_line
from lens_probes.model.gguf import bundled_gguf, converted_gguf


def reference(source: str, tokens: list[int]) -> np.ndarray:
    """`hidden_states` of the Hugging Face model [state, sequence, position, d_model]."""
    place = converted_gguf(bundled_gguf()) if source == "bundled" else source
    try:
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"no Hugging Face model of {source}: {one_line(error)}.") from error
    with torch.inference_mode():
        states = model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
    return np.stack([state.float().numpy() for state in states])


def run(setting: Setting) -> Outcome:
    """One passage through both implementations."""
    model = setting.model
    tokens = model.tokenizer(setting.passage, add_special_tokens=False)["input_ids"]
    tokens = list(tokens[: min(100, int(model.cfg.n_ctx))])
    how = "relative to the state's norm, the largest over tokens; hook: this toolkit's cache"
    try:
        states = reference(model.source, tokens)
    except InputError as error:
        none = Numbers({}, f"{len(tokens)} tokens", missing=str(error))
        return Outcome((none.claim("L07.a", "both", how=how),))
    found = lp.residual.hidden_states(model, tokens).difference(states)
    parts = {
        "penultimate": float(found.hook_relative[-2]),
        "last": float(found.hook_relative[-1]),
        "normed": found.normed_relative,
    }
    numbers = setting.measure_items(lambda _: parts, len(tokens), "tokens", draws=0)
    return Outcome(
        (numbers.claim("L07.a", "both", how=how),),
        {
            "difference": lines(
                {"hook v hidden state": (list(range(len(states))), found.hook_relative)},
                title="Only the last hidden state differs from what a hook sees", x="state",
                y="relative difference", caption="0 again once the final norm is applied: "
                f"{found.normed_relative:.1e}.",
            )
        },
        lines=(
            f"largest absolute differences: penultimate {found.hook[-2]:.1e}, last "
            f"{found.hook[-1]:.1e}, after the norm {found.normed:.1e}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
