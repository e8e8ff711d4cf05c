"""One constrained generation: prompt in, text out, tokens counted."""

from dataclasses import dataclass

from runtime.engine import Engine, Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What one inference read and wrote; `is_whole` is false when the token limit cut it off."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    is_whole: bool


def generate(*, engine: Engine, prompt: str, grammar: str, max_tokens: int) -> Generation:
    """Run one inference in an empty context with a fresh sampler.

    Never writes more than `max_tokens`, nor more than the context holds. Raises GrammarRefusedError, DecodeError or
    DecodeAbortedError.
    """
    engine.clear()
    tokens = engine.tokenize(prompt)
    with engine.sampler(grammar=grammar) as sampler:
        engine.decode(tokens)
        written, is_whole = _write(engine, sampler, limit=min(max_tokens, engine.context_tokens - len(tokens)))
    text = b"".join(engine.piece(token) for token in written).decode(errors="replace")
    return Generation(text=text, prompt_tokens=len(tokens), completion_tokens=len(written), is_whole=is_whole)


def _write(engine: Engine, sampler: Sampler, *, limit: int) -> tuple[list[int], bool]:
    written: list[int] = []
    while len(written) < limit:
        token = sampler.sample()
        if engine.is_end(token):
            return written, True
        written.append(token)
        engine.decode([token])
    return written, False
