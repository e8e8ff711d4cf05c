"""python -m runtime.training --out FOLDER: train nano from nothing and write it as Q8_0 and Q4_0."""

import argparse
import math
import random
import time
from pathlib import Path

import torch
from gguf import GGMLQuantizationType as Kind
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional

from runtime.training import corpus
from runtime.training.export import END, START, UNKNOWN, export
from runtime.training.network import Network, Shape

SEED = 7
LENGTH = 56  # tokens of a prompt and its answer, with room to spare
BATCH = 64
PEAK_RATE = 3e-3
WARM_UP = 50
PROMPT_WEIGHT = 0.05  # the prompt is mostly noise; the answer is what is to be learned


def train_tokenizer(chance: random.Random, size: int) -> Tokenizer:
    """Byte-level BPE in which digits never merge, so that every number is read digit by digit."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["".join(corpus.sample(chance)) + "\n" for _ in range(4000)], trainer)
    return tokenizer


def draw_batch(tokenizer: Tokenizer, chance: random.Random) -> tuple[Tensor, Tensor]:
    """Return tokens and how much each counts, padded to one length."""
    rows, weights = [], []
    for _ in range(BATCH):
        prompt, answer = corpus.sample(chance)
        asked = [START, *tokenizer.encode(prompt).ids]
        told = [*tokenizer.encode(answer).ids, END]
        row = (asked + told)[: LENGTH + 1]
        weight = ([PROMPT_WEIGHT] * len(asked) + [1.0] * len(told))[: LENGTH + 1]
        padding = LENGTH + 1 - len(row)
        rows.append(row + [UNKNOWN] * padding)
        weights.append(weight + [0.0] * padding)
    return torch.tensor(rows), torch.tensor(weights)


def train(*, network: Network, tokenizer: Tokenizer, chance: random.Random, steps: int) -> None:
    """AdamW with a short warm-up and a cosine to a twentieth."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.05)
    began = time.monotonic()
    for step in range(steps):
        cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1, (step + 1) / WARM_UP) * (0.95 * cosine + 0.05)
        tokens, weights = draw_batch(tokenizer, chance)
        logits = network(tokens[:, :-1])
        losses = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        loss = (losses.view_as(weights[:, 1:]) * weights[:, 1:]).sum() / weights[:, 1:].sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.4f}, {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(prog="python -m runtime.training", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder the files go to")
    parser.add_argument("--steps", type=int, default=1500, help="default: %(default)s, about ten minutes on two cores")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    chance = random.Random(SEED)
    tokenizer = train_tokenizer(chance, Shape().vocabulary)
    shape = Shape(vocabulary=tokenizer.get_vocab_size())
    network = Network(shape)
    print(f"{sum(parameter.numel() for parameter in network.parameters())} parameters")
    train(network=network, tokenizer=tokenizer, chance=chance, steps=arguments.steps)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for kind in (Kind.Q8_0, Kind.Q4_0):
        path = arguments.out / f"nano-{kind.name}.gguf"
        export(network=network, shape=shape, tokenizer=tokenizer, kind=kind, path=path)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
