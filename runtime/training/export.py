"""Writes a trained network as GGUF, quantized without a compiler by gguf's own numpy code."""

import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import LlamaFileType, TokenType
from tokenizers import Tokenizer

from runtime.training.network import NORM_EPSILON, ROPE_BASE, Network, Shape

CONTEXT = 256
UNKNOWN, START, END = 0, 1, 2
FILE_TYPES = {
    Kind.F32: LlamaFileType.ALL_F32,
    Kind.F16: LlamaFileType.MOSTLY_F16,
    Kind.Q8_0: LlamaFileType.MOSTLY_Q8_0,
    Kind.Q4_0: LlamaFileType.MOSTLY_Q4_0,
}


def export(*, network: Network, shape: Shape, tokenizer: Tokenizer, kind: Kind, path: Path) -> None:
    """Write one file; norms stay in F32, matrices become `kind`."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, shape, kind)
    _add_vocabulary(writer, tokenizer)
    for name, tensor in network.state_dict().items():
        values = np.ascontiguousarray(tensor.float().numpy())
        # Linear and Embedding parameters end in .weight already; the bare norm vectors do not.
        label = name if name.endswith(".weight") else f"{name}.weight"
        if values.ndim == 1:
            writer.add_tensor(label, values)
        else:
            writer.add_tensor(label, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape, kind: Kind) -> None:
    writer.add_name("edge-agent-nano")
    writer.add_license("CC0-1.0")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_value_heads)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    special = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types(special + [TokenType.NORMAL] * (len(tokens) - len(special)))
    writer.add_bos_token_id(START)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_add_bos_token(value=True)
    writer.add_add_eos_token(value=False)
    writer.add_add_space_prefix(value=False)
