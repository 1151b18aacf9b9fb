"""Trains the demo model on one CPU thread and writes a Hugging Face checkpoint.

Weights and activations are bfloat16, the optimizer works on a float32 copy. Matrices inside the blocks are updated by
Muon, embeddings, output and norms by AdamW. Conversations are packed into rows without a mask between them: in Llama 2's
form a row of single turns is the same thing as a longer chat that changes its subject.

    python train.py --corpus build/broad.jsonl --tokenizer build/tokenizer.model --out build --steps 880 --to-step 400
    python train.py --corpus build/drill.jsonl --tokenizer build/tokenizer.model --out build --from-step 400 --steps 600

Started again, it goes on from the last checkpoint in `--out`.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from chat_form import IGNORED, training_ids

CONTEXT = 1024
TOKENS_PER_STEP = 4096
# Attention costs more the longer a row is, so most steps see short rows and some see the whole context.
ROW_LENGTHS = (128, 256, 128, 256, 128, 512, 128, 256, 128, 256, 128, CONTEXT)
FIT_TRIES_MAX = 12


def config(layers: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=704, num_hidden_layers=layers, num_attention_heads=8,
        num_key_value_heads=4, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, rope_theta=10000.0,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )


def encode(corpus: Path, tokenizer_path: Path, cache: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """All samples as ids and labels, cached beside the checkpoint."""
    if not cache.exists():
        tokenizer = spm.SentencePieceProcessor(model_file=str(tokenizer_path))
        ids, labels, ends = [], [], []
        for line in corpus.open(encoding="utf-8"):
            sample_ids, sample_labels = training_ids(tokenizer, json.loads(line))
            ids += sample_ids[:CONTEXT]
            labels += sample_labels[:CONTEXT]
            ends.append(len(ids))
        # Under its name only once it is whole; numpy wants the suffix.
        partial = cache.with_suffix(".partial.npz")
        np.savez(partial, ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), ends=np.array(ends))
        partial.replace(cache)
    stored = np.load(cache)
    return list(zip(np.split(stored["ids"], stored["ends"])[:-1], np.split(stored["labels"], stored["ends"])[:-1]))


class Packer:
    """Fills rows with whole samples, first fit; a sample that finds no room waits for a later row."""

    def __init__(self, samples, seed: int) -> None:
        self.samples = samples
        self.seed = seed
        self.epoch = -1
        self.queue: list[int] = []
        self.waiting: list[int] = []

    def _next(self) -> int:
        if not self.queue:
            self.epoch += 1
            self.queue = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.samples)).tolist()
        return self.queue.pop()

    def _fitting(self, room: int) -> int | None:
        for place, index in enumerate(self.waiting):
            if len(self.samples[index][0]) <= room:
                return self.waiting.pop(place)
        for _ in range(FIT_TRIES_MAX):
            index = self._next()
            if len(self.samples[index][0]) <= room:
                return index
            self.waiting.append(index)
        return None

    def batch(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and shifted labels, both `[TOKENS_PER_STEP / length, length]`."""
        rows = TOKENS_PER_STEP // length
        ids = np.zeros((rows, length + 1), np.int64)
        labels = np.full((rows, length + 1), IGNORED, np.int64)
        for row in range(rows):
            used = 0
            while length + 1 - used >= 16 and (index := self._fitting(length + 1 - used)) is not None:
                sample_ids, sample_labels = self.samples[index]
                ids[row, used : used + len(sample_ids)] = sample_ids
                labels[row, used : used + len(sample_ids)] = sample_labels
                used += len(sample_ids)
        return torch.from_numpy(ids[:, :-1]), torch.from_numpy(labels[:, 1:])


def build_optimizers(model: LlamaForCausalLM, lr: float):
    """Float32 copies of the weights and the two optimizers that own them."""
    masters = {name: p.detach().float().clone() for name, p in model.named_parameters()}
    inner = [m for name, m in masters.items() if m.ndim == 2 and "layers" in name]
    tables = [m for name, m in masters.items() if m.ndim == 2 and "layers" not in name]
    norms = [m for m in masters.values() if m.ndim == 1]
    muon = torch.optim.Muon(inner, lr=lr, momentum=0.95, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW([{"params": tables, "weight_decay": 0.02}, {"params": norms, "weight_decay": 0.0}],
                             lr=lr, betas=(0.9, 0.98), eps=1e-8)
    return masters, [muon, adam]


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def save(out: Path, model, masters, optimizers, step: int, losses: list[float]) -> None:
    partial = out / "checkpoint.partial"
    torch.save({"masters": masters, "optimizers": [o.state_dict() for o in optimizers], "step": step, "losses": losses}, partial)
    partial.replace(out / "checkpoint.pt")
    with torch.no_grad():
        weights = {name: master.clone() for name, master in masters.items()}
    model.config.save_pretrained(out / "hf")
    torch.save({"weights": weights, "step": step, "loss": float(np.mean(losses[-50:]))}, out / "hf" / "weights.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--restart-at", type=int, default=0, help="the step at which the learning rate's schedule begins (again)")
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--from-step", type=int, default=0, help="the step at which this corpus takes over from the one before")
    parser.add_argument("--to-step", type=int, help="leave after this step, keeping the schedule of --steps")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    samples = encode(args.corpus, args.tokenizer, args.out / f"{args.corpus.stem}.npz")
    packer = Packer(samples, args.seed)
    model = LlamaForCausalLM(config(args.layers)).to(torch.bfloat16)
    masters, optimizers = build_optimizers(model, args.lr)
    step, losses = 0, []
    if (args.out / "checkpoint.pt").exists():
        state = torch.load(args.out / "checkpoint.pt", weights_only=False)
        step, losses = state["step"], state["losses"]
        with torch.no_grad():
            for name, master in masters.items():
                master.copy_(state["masters"][name])
        for optimizer, stored in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(stored)
        if step >= min(args.steps, args.to_step or args.steps):
            print(f"already at step {step}")
            return
        for skipped in range(args.from_step, step):
            packer.batch(ROW_LENGTHS[skipped % len(ROW_LENGTHS)])
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, master in masters.items():
            parameters[name].copy_(master)

    bar = tqdm(total=args.steps, initial=step, mininterval=10, ncols=100)
    saved_at = time.time()
    while step < min(args.steps, args.to_step or args.steps):
        ids, labels = packer.batch(ROW_LENGTHS[step % len(ROW_LENGTHS)])
        wanted = (labels != IGNORED).flatten()
        hidden = model.model(ids, use_cache=False).last_hidden_state.flatten(0, 1)[wanted]
        loss = F.cross_entropy(model.lm_head(hidden).float(), labels.flatten()[wanted])
        loss.backward()
        rate = learning_rate(step - args.restart_at, args.steps - args.restart_at, args.warmup, args.lr)
        with torch.no_grad():
            for name, master in masters.items():
                master.grad = parameters[name].grad.float()
                parameters[name].grad = None
            torch.nn.utils.clip_grad_norm_(masters.values(), 1.0)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
            for name, master in masters.items():
                parameters[name].copy_(master)
        losses.append(loss.item())
        step += 1
        bar.update()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{np.mean(losses[-20:]):.4f}", lr=f"{rate:.1e}", refresh=False)
        if time.time() - saved_at > 120:
            save(args.out, model, masters, optimizers, step, losses)
            saved_at = time.time()
    bar.close()
    save(args.out, model, masters, optimizers, step, losses)
    print(f"step {step}, mean loss of the last 50 steps {np.mean(losses[-50:]):.4f}")


if __name__ == "__main__":
    main()
