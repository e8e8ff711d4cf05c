"""The engine over llama.cpp, bound by ctypes to the shared object of a pinned wheel."""

from runtime.engine.llama.model import LlamaEngine

__all__ = ["LlamaEngine"]
