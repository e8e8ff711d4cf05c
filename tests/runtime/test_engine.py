"""The llama.cpp engine: refuses what it does not know, decides by grammar, the same every time."""

import ctypes
import threading
from importlib import metadata

import pytest

from runtime import grammar, inference, model
from runtime.engine.llama import LlamaEngine, abi, library
from runtime.errors import (
    AbiMismatchError,
    DecodeAbortedError,
    DecodeError,
    EngineUnavailableError,
    GrammarRefusedError,
    ModelLoadError,
)
from runtime.grammar import Action
from runtime.situation import Situation
from runtime.stopwatch import Stopwatch

HOT = Situation(role="pump", temperature=91, battery=55, load=20, queue=100, link=True, said="nothing to report")
GRAMMAR = grammar.write(actions=tuple(Action))


def decide(engine, situation=HOT, actions=tuple(Action), tokens=grammar.LONGEST_DECISION):
    return inference.generate(
        engine=engine, prompt=situation.prompt(), grammar=grammar.write(actions=actions), max_tokens=tokens
    )


def test_the_pinned_wheel_is_the_installed_one_and_passes_its_self_test():
    assert metadata.version("xllamacpp") == abi.PINNED_VERSION
    abi.check_defaults(library.load())


@pytest.mark.parametrize(
    ("function", "field", "value"),
    [
        ("llama_context_default_params", "n_batch", 512),
        ("llama_context_default_params", "moe_cache_size", 1),
        ("llama_model_default_params", "n_gpu_layers", 0),
        ("llama_sampler_chain_default_params", "no_perf", False),
    ],
)
def test_a_library_of_another_layout_is_refused_and_the_field_named(function, field, value):
    expected = {name: dict(values) for name, values in abi.DEFAULTS.items()}
    expected[function][field] = value

    with pytest.raises(AbiMismatchError, match=rf"{function}\(\).{field}"):
        abi.check_defaults(library.load(), expected=expected)


def test_a_library_that_lacks_a_function_is_refused():
    with pytest.raises(AbiMismatchError, match="does not export llama_backend_init"):
        abi.bind(ctypes.CDLL(None))


def test_another_version_of_the_wheel_is_refused():
    with pytest.raises(EngineUnavailableError, match=abi.PINNED_VERSION):
        library.find(version="2026.10.11550")


def test_an_x86_processor_without_avx2_is_refused_before_loading():
    library.require_avx2(machine="x86_64", cpuinfo="model name: x\nflags\t\t: sse2 avx avx2 fma\n")
    library.require_avx2(machine="aarch64", cpuinfo="Features: asimd\n")
    with pytest.raises(EngineUnavailableError, match="AVX2"):
        library.require_avx2(machine="x86_64", cpuinfo="flags\t\t: sse2 avx\n")


def test_a_missing_library_says_what_to_install(tmp_path, monkeypatch):
    def refuse(_path):
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(EngineUnavailableError, match="libgomp1"):
        library.open_library(tmp_path / "xllamacpp.abi3.so")


def test_threads_follow_the_model_and_never_exceed_the_cpus(tmp_path):
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n")

    assert library.available_cpus(quota=quota) == 1
    assert library.choose_threads(model_bytes=557_088, cpus=16) == 1
    assert library.choose_threads(model_bytes=100 * 2**20, cpus=16) == 4
    assert library.choose_threads(model_bytes=100 * 2**20, cpus=2) == 2


def test_a_decision_is_valid_by_grammar_and_right(engine):
    made = decide(engine)

    decision = grammar.parse(made.text, actions=tuple(Action))
    assert decision.action is Action.THROTTLE
    assert made.is_whole
    assert made.prompt_tokens == len(engine.tokenize(HOT.prompt()))
    assert 0 < made.completion_tokens <= grammar.LONGEST_DECISION


def test_the_same_prompt_gives_the_same_output_in_the_same_and_another_engine(engine):
    first = [decide(engine).text for _ in range(3)]
    with LlamaEngine(path=model.resolve("nano-Q8_0")) as other:
        assert {decide(other).text, *first} == {first[0]}


def test_only_allowed_actions_come_out_however_wrong_the_model_thinks_they_are(engine):
    made = decide(engine, actions=(Action.SWAP_MODEL,))

    assert grammar.parse(made.text, actions=(Action.SWAP_MODEL,)).action is Action.SWAP_MODEL


@pytest.mark.parametrize("prompt", ["", "x" * 100, "é日本\x00", "</s><s>", '{"action":'])
def test_any_prompt_gives_a_decision_of_the_right_form(engine, prompt):
    made = inference.generate(engine=engine, prompt=prompt, grammar=GRAMMAR, max_tokens=grammar.LONGEST_DECISION)

    assert grammar.parse(made.text, actions=tuple(Action)).action in Action


def test_a_cut_off_decision_says_so(engine):
    made = decide(engine, tokens=3)

    assert not made.is_whole
    assert made.completion_tokens == 3


def test_a_grammar_that_does_not_compile_is_refused_rather_than_ignored(engine):
    with pytest.raises(GrammarRefusedError):
        engine.sampler(grammar="root ::= (")


def test_a_decision_costs_cpu_time(engine):
    watch = Stopwatch()
    watch.start()
    for _ in range(5):
        decide(engine)
    engine.synchronize()

    assert watch.stop().milliseconds > 0


def test_an_aborted_step_raises_once_and_the_engine_works_on(engine):
    before = engine.counters().aborted_steps
    engine.abort()

    with pytest.raises(DecodeAbortedError):
        decide(engine)
    assert decide(engine).is_whole
    assert engine.counters().aborted_steps == before + 1


def test_a_running_step_can_be_aborted_from_another_thread():
    with LlamaEngine(path=model.resolve("nano-Q8_0"), context_tokens=4096) as big:
        big.decode([5])
        big.clear()
        raised = []

        def run():
            try:
                while True:
                    big.clear()
                    big.decode([5] * 4000)
            except DecodeAbortedError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        big.abort()
        thread.join(timeout=20)
        assert raised


def test_tokens_and_samples_are_counted(engine):
    before = engine.counters()
    made = decide(engine)
    after = engine.counters()

    assert after.decoded_tokens - before.decoded_tokens == made.prompt_tokens + made.completion_tokens
    assert after.sampled_tokens - before.sampled_tokens == made.completion_tokens + 1  # the end token


def test_what_would_end_the_process_in_the_library_is_refused_before_it(engine):
    engine.clear()
    with pytest.raises(DecodeError, match="do not fit"):
        engine.decode([5] * (engine.context_tokens + 1))
    with pytest.raises(DecodeError, match="not in the vocabulary"):
        engine.decode([99_999])
    with pytest.raises(DecodeError, match="no tokens"):
        engine.decode([])


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))

    with pytest.raises(ModelLoadError, match=r"noise\.gguf"):
        LlamaEngine(path=path)
