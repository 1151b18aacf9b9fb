"""Reads the exported GGUF back: as a plain numpy model, as a plain tokenizer, and as a Hugging Face model.

The numpy model and the tokenizer are written from the file format alone, so that `verify.py` compares two independent
readings of the same file.
"""

from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from export import heads_of, names


class GgufFile:
    """Metadata and dequantised float32 tensors."""

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self.meta = {key: reader_field.contents() for key, reader_field in reader.fields.items()}
        self.tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}

    def number(self, key: str):
        return self.meta[f"llama.{key}"]


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def rotate(x: np.ndarray, base: float) -> np.ndarray:
    """Rotary embedding on neighbouring pairs; `x` is [positions, heads, head_dim]."""
    positions, _, width = x.shape
    angles = np.arange(positions)[:, None] * base ** (-np.arange(0, width, 2) / width)
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = np.empty_like(x)
    turned[..., 0::2] = even * cos - odd * sin
    turned[..., 1::2] = even * sin + odd * cos
    return turned


def logits(file: GgufFile, ids: list[int]) -> np.ndarray:
    """Forward pass over a whole sequence, [positions, vocab]."""
    heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
    width = file.number("rope.dimension_count")
    eps, base = file.number("attention.layer_norm_rms_epsilon"), file.number("rope.freq_base")
    x = file.tensors["token_embd.weight"][ids]
    length = len(ids)
    hidden = np.triu(np.full((length, length), -np.inf), 1)
    for layer in range(file.number("block_count")):
        w = {name.split(".", 2)[2]: t for name, t in file.tensors.items() if name.startswith(f"blk.{layer}.")}
        h = rms_norm(x, w["attn_norm.weight"], eps)
        q = rotate((h @ w["attn_q.weight"].T).reshape(length, heads, width), base)
        k = rotate((h @ w["attn_k.weight"].T).reshape(length, kv_heads, width), base).repeat(heads // kv_heads, 1)
        v = (h @ w["attn_v.weight"].T).reshape(length, kv_heads, width).repeat(heads // kv_heads, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(width) + hidden
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", scores, v).reshape(length, -1) @ w["attn_output.weight"].T
        h = rms_norm(x, w["ffn_norm.weight"], eps)
        gate = h @ w["ffn_gate.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w["ffn_up.weight"].T)) @ w["ffn_down.weight"].T
    return rms_norm(x, file.tensors["output_norm.weight"], eps) @ file.tensors["output.weight"].T


def tokenize(file: GgufFile, text: str) -> list[int]:
    """SentencePiece BPE from the vocabulary in the file: merge the best-scored neighbours, then fall back to bytes."""
    vocabulary = {token: index for index, token in enumerate(file.meta["tokenizer.ggml.tokens"])}
    scores = file.meta["tokenizer.ggml.scores"]
    symbols = list("▁" + text.replace(" ", "▁"))
    while True:
        pairs = [(scores[vocabulary[a + b]], -i) for i, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in vocabulary]
        if not pairs:
            break
        place = -max(pairs)[1]
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
    ids = []
    for symbol in symbols:
        ids += [vocabulary[symbol]] if symbol in vocabulary else [vocabulary[f"<0x{byte:02X}>"] for byte in symbol.encode()]
    return ids


def hugging_face(file: GgufFile) -> LlamaForCausalLM:
    """The same weights in Hugging Face's row order, float32."""
    config = LlamaConfig(
        vocab_size=len(file.meta["tokenizer.ggml.tokens"]), hidden_size=file.number("embedding_length"),
        intermediate_size=file.number("feed_forward_length"), num_hidden_layers=file.number("block_count"),
        num_attention_heads=file.number("attention.head_count"), num_key_value_heads=file.number("attention.head_count_kv"),
        max_position_embeddings=file.number("context_length"), rms_norm_eps=file.number("attention.layer_norm_rms_epsilon"),
        rope_theta=file.number("rope.freq_base"), tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )
    weights = {}
    for ours, theirs in names(config.num_hidden_layers).items():
        weight = file.tensors[ours]
        heads = heads_of(ours, config)
        if heads is not None:
            rows, columns = weight.shape
            weight = weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
        weights[theirs] = torch.from_numpy(np.array(weight))
    model = LlamaForCausalLM(config).float().eval()
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def generate(model: LlamaForCausalLM, ids: list[int], new_tokens_max: int, temperature: float = 0.0,
             generator: torch.Generator | None = None) -> tuple[list[int], str, list[float]]:
    """Ids of the answer (without EOS), `stop` or `length`, and how far the best token led the second at each step."""
    answer: list[int] = []
    leads: list[float] = []
    cache, fresh = None, torch.tensor([ids])
    for _ in range(new_tokens_max):
        step = model(fresh, past_key_values=cache, use_cache=True)
        cache, row = step.past_key_values, step.logits[0, -1]
        best = row.topk(2).values
        leads.append((best[0] - best[1]).item())
        if temperature > 0:
            token = int(torch.multinomial(torch.softmax(row / temperature, -1), 1, generator=generator))
        else:
            token = int(row.argmax())
        if token == model.config.eos_token_id:
            return answer, "stop", leads
        answer.append(token)
        fresh = torch.tensor([[token]])
    return answer, "length", leads
