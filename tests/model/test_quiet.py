"""Loading a model shows no bars of other libraries, and leaves their settings as they were."""

from __future__ import annotations

import threading
from pathlib import Path

import huggingface_hub
import pytest
import transformers
from transformers import GPT2Config, GPT2LMHeadModel, modeling_gguf_pytorch_utils

import lens_probes as lp
from lens_probes.model.quiet import quiet_transformers

pytestmark = pytest.mark.model


def settings() -> tuple[bool, bool, object]:
    return (
        transformers.utils.logging.is_progress_bar_enabled(),
        huggingface_hub.utils.are_progress_bars_disabled(),
        modeling_gguf_pytorch_utils.tqdm,
    )


def test_two_threads_leave_the_settings_as_they_were() -> None:
    before, inside, leave = settings(), threading.Event(), threading.Event()

    def first() -> None:
        with quiet_transformers():
            inside.set()
            leave.wait(5)

    def second() -> None:
        with quiet_transformers():
            pass

    threads = [threading.Thread(target=one) for one in (first, second)]
    threads[0].start()
    assert inside.wait(5)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join()
    assert settings() == before


def test_a_folder_loads_without_a_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    transformers.utils.logging.enable_progress_bar()
    config = GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=20, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    capfd.readouterr()
    before = settings()
    lp.load_model(tmp_path)
    assert settings() == before
    assert "%|" not in capfd.readouterr().err
    transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert "%|" in capfd.readouterr().err


@pytest.mark.parametrize("shown", [True, False])
def test_settings_come_back_after_an_error(shown: bool) -> None:
    ours = transformers.utils.logging
    (ours.enable_progress_bar if shown else ours.disable_progress_bar)()
    before = settings()
    try:
        with quiet_transformers():
            assert not ours.is_progress_bar_enabled()
        assert settings() == before
        with pytest.raises(lp.InputError):
            lp.load_model("no/such/folder.gguf")
        assert settings() == before
    finally:
        ours.enable_progress_bar()
