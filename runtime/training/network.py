"""The network: a llama-shaped decoder with tied embeddings, small enough to train on a laptop."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPSILON = 1e-5
ROPE_BASE = 10_000.0


@dataclass(frozen=True)
class Shape:
    """The sizes of a network; the defaults are those of nano."""

    width: int = 128
    layers: int = 3
    heads: int = 4
    key_value_heads: int = 2
    hidden: int = 256
    vocabulary: int = 512

    @property
    def head_width(self) -> int:
        """How wide one attention head is."""
        return self.width // self.heads


def normalize(x: Tensor, weight: Tensor) -> Tensor:
    """RMS norm."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + NORM_EPSILON) * weight


def rotate(x: Tensor) -> Tensor:
    """Rotary positions over interleaved pairs, as ggml's NORM rope has them, so that no weight needs permuting."""
    length, width = x.shape[2], x.shape[3]
    frequency = ROPE_BASE ** (-torch.arange(0, width, 2).float() / width)
    angle = torch.arange(length).float()[:, None] * frequency[None]
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = (even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos())
    return torch.stack(pairs, -1).flatten(-2)


class Block(nn.Module):
    """Grouped-query attention and a gated feed-forward; parameters are named as GGUF names them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        inner = shape.key_value_heads * shape.head_width
        self.attn_norm = nn.Parameter(torch.ones(shape.width))
        self.ffn_norm = nn.Parameter(torch.ones(shape.width))
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, inner, bias=False)
        self.attn_v = nn.Linear(shape.width, inner, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, shape.width, bias=False)

    def attend(self, x: Tensor) -> Tensor:
        """Causal self-attention."""
        batch, length, _ = x.shape
        split = (batch, length, -1, self.shape.head_width)
        query = rotate(self.attn_q(x).view(split).transpose(1, 2))
        key = rotate(self.attn_k(x).view(split).transpose(1, 2))
        value = self.attn_v(x).view(split).transpose(1, 2)
        group = self.shape.heads // self.shape.key_value_heads
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Attention, then feed-forward, each on the normalized input and added to it."""
        x = x + self.attend(normalize(x, self.attn_norm))
        y = normalize(x, self.ffn_norm)
        return x + self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Network(nn.Module):
    """Embedding, blocks, norm; the output layer is the embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.Parameter(torch.ones(shape.width))
        self.initialize(shape.layers)

    def initialize(self, layers: int) -> None:
        """Draw weights; what is added to the residual stream starts smaller the deeper the network."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                is_embedding = name.startswith("token_embd")
                nn.init.normal_(parameter, std=0.06 if is_embedding else 1 / math.sqrt(parameter.shape[1]))
                if name.endswith(("attn_output.weight", "ffn_down.weight")):
                    parameter.data.mul_(1 / math.sqrt(2 * layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits after each token."""
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x)
        return functional.linear(normalize(x, self.output_norm), self.token_embd.weight)
