"""A GGUF model loaded by llama.cpp, behind the Engine protocol."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.engine import Counters
from runtime.engine.llama import abi, library
from runtime.errors import DecodeAbortedError, DecodeError, GrammarRefusedError, ModelLoadError

_NO_CALLBACK = abi.AbortCallback()
_ABORTED = 2  # what llama_decode returns when its abort callback said so
_PIECE_BYTES = 256
_ADD_START = True  # the model's own start token, where it has one
_READ_CONTROL = False  # text that looks like a control token stays text
_SHOW_CONTROL = False
_CLEAR_DATA = True


class LlamaSampler:
    """A grammar and a greedy choice, in one chain; see Sampler."""

    def __init__(self, *, engine: "LlamaEngine", grammar: str) -> None:
        self._engine = engine
        self._library = engine.library
        compiled = self._library.llama_sampler_init_grammar(engine.vocabulary, grammar.encode(), b"root")
        if not compiled:
            raise GrammarRefusedError(f"the grammar does not compile: {library.complaints()}")
        self._chain = self._library.llama_sampler_chain_init(self._library.llama_sampler_chain_default_params())
        self._library.llama_sampler_chain_add(self._chain, compiled)
        self._library.llama_sampler_chain_add(self._chain, self._library.llama_sampler_init_greedy())

    def sample(self) -> int:
        """Return the next token, and take it into the grammar's state."""
        self._engine.sampled_tokens += 1
        return int(self._library.llama_sampler_sample(self._chain, self._engine.context, -1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.llama_sampler_free(self._chain)
        self._chain = None


class LlamaEngine:
    """One model, one context, one sequence, on the CPU; see Engine."""

    def __init__(self, *, path: Path, context_tokens: int = 256, threads: int | None = None) -> None:
        """Load a model; raises EngineUnavailableError or ModelLoadError."""
        self.library = library.load()
        self.sampled_tokens = 0
        self._context_tokens = context_tokens
        self._held = 0
        self._decoded_tokens = 0
        self._aborted_steps = 0
        self._abort = False
        self._poll = abi.AbortCallback(lambda _user_data: self._abort)  # kept here: the library holds a bare pointer
        self._model = self._load(path)
        self.context = self._open_context(path, threads)
        self.vocabulary = self.library.llama_model_get_vocab(self._model)
        self._vocabulary_size = int(self.library.llama_vocab_n_tokens(self.vocabulary))

    def _load(self, path: Path) -> int:
        params = self.library.llama_model_default_params()
        params.n_gpu_layers = 0  # what is metered as CPU must run there
        model = self.library.llama_model_load_from_file(str(path).encode(), params)
        if not model:
            raise ModelLoadError(f"{path}: {library.complaints()}")
        return int(model)

    def _open_context(self, path: Path, threads: int | None) -> int:
        if threads is None:
            threads = library.choose_threads(model_bytes=path.stat().st_size, cpus=library.available_cpus())
        params = self.library.llama_context_default_params()
        # A prompt beyond n_batch would end the process, so a batch may be as long as the context.
        params.n_ctx = params.n_batch = params.n_ubatch = self._context_tokens
        params.n_threads = params.n_threads_batch = threads
        context = self.library.llama_init_from_model(self._model, params)
        if not context:
            self.library.llama_model_free(self._model)
            raise ModelLoadError(f"{path}: no context of {self._context_tokens} tokens: {library.complaints()}")
        return int(context)

    @property
    def context_tokens(self) -> int:
        """How many tokens the context holds."""
        return self._context_tokens

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a prompt; text that looks like a control token stays text."""
        raw = text.encode()
        room = (ctypes.c_int32 * (len(raw) + 8))()
        count = self.library.llama_tokenize(self.vocabulary, raw, len(raw), room, len(room), _ADD_START, _READ_CONTROL)
        if count < 0:
            raise DecodeError(f"the prompt needs {-count} tokens, more than one a byte")
        return list(room[:count])

    def piece(self, token: int) -> bytes:
        """Return the bytes a token stands for; a control token stands for none."""
        room = ctypes.create_string_buffer(_PIECE_BYTES)
        size = self.library.llama_token_to_piece(self.vocabulary, token, room, len(room), 0, _SHOW_CONTROL)
        if size < 0:
            raise DecodeError(f"token {token} is {-size} bytes long")
        return room.raw[:size]

    def is_end(self, token: int) -> bool:
        """Whether the token ends a generation."""
        return bool(self.library.llama_vocab_is_eog(self.vocabulary, token))

    def clear(self) -> None:
        """Forget everything decoded so far."""
        self.library.llama_memory_clear(self.library.llama_get_memory(self.context), _CLEAR_DATA)
        self._held = 0

    def decode(self, tokens: Sequence[int]) -> None:
        """Take tokens into the context; raises DecodeError, or DecodeAbortedError after `abort`."""
        self._check(tokens)
        if self._abort:
            self._raise_aborted()
        # The library asks the callback once per operation; for single tokens asking once per step is enough.
        self.library.llama_set_abort_callback(self.context, self._poll if len(tokens) > 1 else _NO_CALLBACK, None)
        room = (ctypes.c_int32 * len(tokens))(*tokens)
        code = self.library.llama_decode(self.context, self.library.llama_batch_get_one(room, len(tokens)))
        if code == _ABORTED:
            self._raise_aborted()
        if code != 0:
            raise DecodeError(f"llama_decode answered {code}: {library.complaints()}")
        self._held += len(tokens)
        self._decoded_tokens += len(tokens)

    def _check(self, tokens: Sequence[int]) -> None:
        if not tokens:
            raise DecodeError("there are no tokens to decode")
        if self._held + len(tokens) > self._context_tokens:
            raise DecodeError(
                f"{self._held} tokens and {len(tokens)} more do not fit into the context of {self._context_tokens}"
            )
        for token in tokens:
            if not 0 <= token < self._vocabulary_size:
                raise DecodeError(f"token {token} is not in the vocabulary of {self._vocabulary_size}")

    def _raise_aborted(self) -> None:
        self._abort = False
        self._aborted_steps += 1
        raise DecodeAbortedError("the step was aborted on request")

    def sampler(self, *, grammar: str) -> LlamaSampler:
        """Return a fresh sampler; raises GrammarRefusedError rather than run unconstrained."""
        return LlamaSampler(engine=self, grammar=grammar)

    def synchronize(self) -> None:
        """Return when no work is pending."""
        self.library.llama_synchronize(self.context)

    def abort(self) -> None:
        """Make the running or else the next `decode` raise DecodeAbortedError, once."""
        self._abort = True

    def counters(self) -> Counters:
        """Return what was done since the model was loaded."""
        return Counters(
            decoded_tokens=self._decoded_tokens,
            sampled_tokens=self.sampled_tokens,
            aborted_steps=self._aborted_steps,
        )

    def close(self) -> None:
        """Give back the memory; closing twice is harmless."""
        if self.context:
            self.library.llama_free(self.context)
            self.library.llama_model_free(self._model)
            self.context = self._model = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
