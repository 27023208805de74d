"""The first model: a tiny Qwen3 taught the world's language from nothing in about a minute.

It copies from a context well, but half of what it says is made up, as its lessons
were. Training and sampling on one thread are deterministic: the same seed gives the
same weights, also when the process was killed and resumed.
"""

from __future__ import annotations

import io
import random
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.files import canonical_json, full_disk_errors, sha256_file, sha256_text, whole_folder, write_atomic
from steps.contract.spec import Progress
from steps.laptop.world.domain import World
from steps.laptop.world.lessons import Lesson, Teacher
from steps.laptop.world.tokenizer import MAX_LENGTH, build_tokenizer, turn_parts
from steps.train.threads import one_thread

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

CHECKPOINT_EVERY_S = 8.0
# Tokens: most single questions with their answer are shorter.
LONG = 88


@dataclass(frozen=True)
class Recipe:
    """Sizes and schedule of the warm-up.

    Attributes:
        steps: optimizer steps in all; the first `recap_steps` restate whole contexts.
        learning_rate: peak of AdamW; constant after `warmup_steps`, linear to 2 % over the last `decay_ratio`.
    """

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    intermediate: int = 256
    steps: int = 700
    recap_steps: int = 80
    batch: int = 16
    learning_rate: float = 3e-3
    warmup_steps: int = 20
    decay_ratio: float = 0.4


RECIPE = Recipe()


def base_key(seed: int, recipe: Recipe = RECIPE) -> str:
    """12 hex digits that name the base model of a seed: they change with the sources or the recipe."""
    here = Path(__file__).parent
    sources = [sha256_file(here / f"{name}.py") for name in ("domain", "oracle", "lessons", "tokenizer", "warmup")]
    return sha256_text(canonical_json([seed, sources, asdict(recipe)]))[:12]


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int, recipe: Recipe) -> Qwen3ForCausalLM:
    """A fresh Qwen3 in float32 whose attention copies from the start.

    Every head's output projection is set to the transpose of its value projection, so
    that an attended token raises its own (tied) logit before any training. Without it
    copying takes several times as many steps to appear.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=(len(tokenizer) + 63) // 64 * 64,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        head_dim=recipe.head_dim,
        intermediate_size=recipe.intermediate,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        use_cache=True,
    )
    model = Qwen3ForCausalLM(config)
    size = recipe.head_dim
    with torch.no_grad():
        for layer in model.model.layers:
            for head in range(recipe.heads):
                group = head * recipe.kv_heads // recipe.heads
                values = layer.self_attn.v_proj.weight[group * size : (group + 1) * size]
                layer.self_attn.o_proj.weight[:, head * size : (head + 1) * size] = values.T
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def encode(tokenizer: PreTrainedTokenizerFast, lesson: Lesson) -> tuple[list[int], list[int]]:
    """Token ids and labels of one lesson; labels are -100 outside the assistant's turns."""
    ids: list[int] = []
    labels: list[int] = []
    for message in lesson.messages:
        learnt = message["role"] == "assistant"
        for text, wanted in zip(turn_parts(message), (False, learnt, False), strict=True):
            tokens = tokenizer.encode(text)
            ids += tokens
            labels += tokens if wanted else [-100] * len(tokens)
    return ids, labels


def _summed_loss(model: Qwen3ForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy over answer tokens; only their positions are projected to the vocabulary."""
    from torch.nn.functional import cross_entropy

    wanted = labels[:, 1:] != -100
    hidden = model.model(ids).last_hidden_state[:, :-1][wanted]
    return cross_entropy(model.lm_head(hidden), labels[:, 1:][wanted], reduction="sum")


def backward(model: Qwen3ForCausalLM, rows: list[tuple[list[int], list[int]]]) -> float:
    """Gradients of the mean loss over all answer tokens of a batch; returns that loss.

    The few long rows (sessions, remarks) are computed apart from the others instead of
    padding all rows to their length.
    """
    import torch

    tokens = sum(label != -100 for _, labels in rows for label in labels)
    total = 0.0
    for group in ([row for row in rows if len(row[0]) <= LONG], [row for row in rows if len(row[0]) > LONG]):
        length = max((len(ids) for ids, _ in group), default=0)
        if not length:
            continue
        # What fills up a row stands after its end, where no answer token sees it.
        ids = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in group])
        labels = torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in group])
        loss = _summed_loss(model, ids, labels) / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total


def _rate(step: int, recipe: Recipe) -> float:
    """Learning rate of a step, counted from 1."""
    tail = (recipe.steps - step) / (recipe.decay_ratio * recipe.steps)
    return recipe.learning_rate * min(1.0, step / recipe.warmup_steps, max(0.02, tail))


def _save(path: Path, state: dict[str, Any]) -> None:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def _train(tokenizer: PreTrainedTokenizerFast, checkpoint: Path, seed: int, progress: Progress, recipe: Recipe) -> Qwen3ForCausalLM:
    """The training loop; resumes from `checkpoint` and writes it every few seconds."""
    import torch

    teacher = Teacher(World.create(seed))
    model = build_model(tokenizer, seed, recipe)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["step"]
    saved_at = time.monotonic()
    with progress.task("warming up the first model", total=recipe.steps, unit="steps") as task:
        task.advance(done)
        for step in range(done + 1, recipe.steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = _rate(step, recipe)
            # A batch depends on seed and step only, so a resumed run sees the same.
            lessons = teacher.batch(random.Random(f"warmup:{seed}:{step}"), recipe.batch, recap=step <= recipe.recap_steps)
            optimizer.zero_grad()
            loss = backward(model, [encode(tokenizer, lesson) for lesson in lessons])
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            task.advance(1)
            if step % 10 == 0:
                task.note(f"loss {loss:.3f}")
            if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                _save(checkpoint, {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()})
                saved_at = time.monotonic()
    model.train(False)
    return model


def build_base(folder: Path, seed: int, progress: Progress, recipe: Recipe = RECIPE) -> Path:
    """Make the base model of `seed` in `folder`, unless it is there; returns `folder`.

    The folder is a Hugging Face model with its tokenizer and appears whole or not at
    all. Name it after `base_key(seed)`. A killed call resumes from the checkpoint that
    lies beside it, and the weights come out the same bit by bit.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    if folder.exists():
        return folder

    checkpoint = folder.parent / f".{folder.name}.warmup" / f"{base_key(seed, recipe)}.pt"
    tokenizer = build_tokenizer()
    with one_thread():
        model = _train(tokenizer, checkpoint, seed, progress, recipe)
    size_bytes = int(model.get_memory_footprint())  # type: ignore[no-untyped-call]
    with whole_folder(folder) as scratch, full_disk_errors(scratch, size_bytes):
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    return folder
