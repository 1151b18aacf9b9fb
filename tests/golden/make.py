"""Writes the fixtures; see README.md."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

import blocks
import vocabulary

HERE = Path(__file__).parent
CONTEXT = 256
GREEDY_TOKENS = 16
PROMPT_LENGTHS = [5, 40, 150]
# How far the best token must lead at each greedy step, in standard deviations of the logits.
# Sharp attention would make a small rounding of the activations a large difference.
GAIN = {"exact": 2.0, "quantised": 0.8}
LEAD = {"exact": 0.02, "quantised": 0.1}

torch.set_num_threads(1)


@dataclass
class Shape:
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    layers: int = 2
    vocabulary: int = vocabulary.SIZE
    rope_theta: float = 10_000.0
    rope_factor: float = 1.0
    eps: float = 1e-5
    tied: bool = False

    def config(self) -> LlamaConfig:
        rope = {"rope_type": "default", "rope_theta": self.rope_theta}
        if self.rope_factor != 1.0:
            rope = {"rope_type": "linear", "factor": self.rope_factor, "rope_theta": self.rope_theta}
        return LlamaConfig(
            vocab_size=self.vocabulary, hidden_size=self.hidden, intermediate_size=self.intermediate, num_hidden_layers=self.layers,
            num_attention_heads=self.heads, num_key_value_heads=self.kv_heads, max_position_embeddings=CONTEXT,
            rms_norm_eps=self.eps, rope_parameters=rope, tie_word_embeddings=self.tied, bos_token_id=1, eos_token_id=2,
        )


@dataclass
class Fixture:
    name: str
    shape: Shape
    # Storage of safetensors, or of a GGUF file's matrices by the end of their names; "" is the rest.
    dtype: torch.dtype | None = None
    kinds: dict[str, Type] = field(default_factory=dict)
    shards: int = 1
    # config.json as it was written before version 5 of transformers.
    old_config: bool = False

    @property
    def quantised(self) -> bool:
        return any(kind not in (Type.F32, Type.F16, Type.BF16) for kind in self.kinds.values())

    @property
    def quality(self) -> str:
        return "quantised" if self.quantised else "exact"


SMALL = Shape(hidden=64, intermediate=96, heads=4, kv_heads=4)
GROUPED = Shape(hidden=64, intermediate=128, heads=8, kv_heads=2, rope_theta=50_000.0, eps=1e-6)
ODD = Shape(hidden=96, intermediate=80, heads=6, kv_heads=3, vocabulary=515, rope_factor=2.0)
TINY = Shape(hidden=32, intermediate=96, heads=4, kv_heads=1, rope_factor=2.0)
WIDE = Shape(hidden=256, intermediate=256, heads=8, kv_heads=4, layers=1)

FIXTURES = [
    Fixture("hf-f32", SMALL, dtype=torch.float32),
    Fixture("hf-bf16-gqa", GROUPED, dtype=torch.bfloat16),
    Fixture("hf-f16-shards", ODD, dtype=torch.float16, shards=2, old_config=True),
    Fixture("hf-f32-tied", Shape(hidden=32, intermediate=64, heads=2, kv_heads=2, layers=1, tied=True), dtype=torch.float32),
    Fixture("gguf-f32", TINY, kinds={"": Type.F32}),
    Fixture("gguf-f16-gqa", GROUPED, kinds={"": Type.F16}),
    Fixture("gguf-bf16", ODD, kinds={"": Type.BF16}),
    Fixture("gguf-q8_0-gqa", GROUPED, kinds={"": Type.Q8_0}),
    Fixture("gguf-q4_0", SMALL, kinds={"": Type.Q4_0, "output.weight": Type.Q8_0}),
    Fixture("gguf-q4_k", WIDE, kinds={"": Type.Q4_K, "attn_v.weight": Type.Q6_K, "output.weight": Type.Q6_K}),
    Fixture("gguf-mixed", WIDE, kinds={
        "": Type.Q4_1, "attn_q.weight": Type.Q2_K, "attn_k.weight": Type.Q3_K, "attn_v.weight": Type.Q5_0,
        "attn_output.weight": Type.Q5_1, "ffn_gate.weight": Type.Q5_K, "ffn_up.weight": Type.Q6_K, "ffn_down.weight": Type.Q8_0,
    }),
]


def random_model(shape: Shape, seed: int, gain: float) -> LlamaForCausalLM:
    """Weights of such a `gain` that heads attend to something and logits differ."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(shape.config()).float().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.uniform_(0.5, 1.5)
            else:
                weight.normal_(0, 1.0 if "embed" in name and not shape.tied else gain / weight.shape[1] ** 0.5)
    return model


def gguf_names(layers: int) -> dict[str, str]:
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    parts = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    for layer in range(layers):
        names |= {f"blk.{layer}.{ours}": f"model.layers.{layer}.{theirs}" for ours, theirs in parts.items()}
    return {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in names.items()}


def heads_of(name: str, shape: Shape) -> int | None:
    return {"attn_q": shape.heads, "attn_k": shape.kv_heads}.get(name.split(".")[-2])


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows from Hugging Face's order (halves of a head) to Meta's and GGUF's (neighbours)."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def separate(weight: np.ndarray, heads: int) -> np.ndarray:
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(fixture: Fixture, model: LlamaForCausalLM, tokenizer, path: Path, seed: int) -> None:
    """Writes the file and sets the model's weights to what the file holds."""
    shape, random = fixture.shape, np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"golden {fixture.name}")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_rope_freq_base(shape.rope_theta)
    if shape.rope_factor != 1.0:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(shape.rope_factor)
    writer.add_vocab_size(shape.vocabulary)
    vocabulary.write_gguf(writer, tokenizer)
    weights = model.state_dict()
    for ours, theirs in gguf_names(shape.layers).items():
        weight = weights[theirs].numpy()
        if weight.ndim == 1:
            writer.add_tensor(ours, weight)
            continue
        heads = heads_of(ours, shape)
        kind = next((kind for end, kind in fixture.kinds.items() if end and ours.endswith(end)), fixture.kinds[""])
        if ours == "token_embd.weight":
            kind = fixture.kinds[""]
        data = blocks.stored(random, kind, interleave(weight, heads) if heads else weight)
        writer.add_tensor(ours, data, raw_dtype=kind)
        stored = blocks.read(kind, data)
        weights[theirs] = torch.from_numpy(np.ascontiguousarray(separate(stored, heads) if heads else stored))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model.load_state_dict(weights)


def write_hugging_face(fixture: Fixture, model: LlamaForCausalLM, tokenizer, folder: Path) -> None:
    folder.mkdir(parents=True)
    # Not `model.to`: it would round the rotary frequencies as well.
    weights = {name: weight.to(fixture.dtype) for name, weight in model.state_dict().items()}
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    config = model.config.to_dict() | {"torch_dtype": str(fixture.dtype).removeprefix("torch.")}
    if fixture.old_config:
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope["rope_theta"]
        config["rope_scaling"] = None if fixture.shape.rope_factor == 1.0 else {"type": "linear", "factor": fixture.shape.rope_factor}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(vocabulary.tokenizer_json(tokenizer), ensure_ascii=False) + "\n")
    if fixture.shape.tied:
        del weights["lm_head.weight"]
    names = sorted(weights)
    if fixture.shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        places = {name: index * fixture.shards // len(names) for index, name in enumerate(names)}
        shard = "model-{:05}-of-{:05}.safetensors"
        for place in range(fixture.shards):
            part = {name: weights[name] for name in names if places[name] == place}
            save_file(part, folder / shard.format(place + 1, fixture.shards), metadata={"format": "pt"})
        index = {"metadata": {}, "weight_map": {name: shard.format(places[name] + 1, fixture.shards) for name in names}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index) + "\n")


@torch.no_grad()
def greedy(model: LlamaForCausalLM, ids: list[int], least: float) -> tuple[list[int], float]:
    """The continuation, and how far the best token led at the closest step; gives up below `least`."""
    ids, start, lead = list(ids), len(ids), float("inf")
    for _ in range(GREEDY_TOKENS):
        row = model(torch.tensor([ids])).logits[0, -1]
        best = row.topk(2).values
        lead = min(lead, float((best[0] - best[1]) / row.std()))
        ids.append(int(row.argmax()))
        if lead <= least:
            break
    return ids[start:], lead


@torch.no_grad()
def expected(fixture: Fixture, model: LlamaForCausalLM, tokenizer, seed: int) -> dict | None:
    random = np.random.default_rng(seed)
    least = LEAD[fixture.quality]
    prompts = []
    for length in PROMPT_LENGTHS:
        for _ in range(4000):
            ids = [1, *map(int, random.integers(3, vocabulary.SIZE, length - 1))]
            answer, lead = greedy(model, ids, least)
            if lead > least and max(answer) < vocabulary.SIZE and min(answer) > 2:
                break
        else:
            return None
        rows = model(torch.tensor([ids])).logits[0]
        logprobs = torch.log_softmax(rows, -1)
        prompts.append({
            "ids": ids,
            "logits": [round(float(value), 5) for value in rows[-1]],
            "best": [int(value) for value in rows.argmax(-1)],
            "logprobs": [round(float(logprobs[at, ids[at + 1]]), 5) for at in range(length - 1)],
            "answer_ids": answer,
            "answer": tokenizer.decode(answer),
            "lead": round(lead, 4),
        })
    return {"model": fixture.name, "quantised": fixture.quantised, "spread": round(float(rows.std()), 4), "prompts": prompts}


def make(fixture: Fixture, tokenizer, folder: Path) -> None:
    for seed in range(100):
        model = random_model(fixture.shape, seed, GAIN[fixture.quality])
        path = folder / (f"{fixture.name}.gguf" if fixture.kinds else fixture.name)
        if fixture.kinds:
            write_gguf(fixture, model, tokenizer, path, seed)
        else:
            shutil.rmtree(path, ignore_errors=True)
            write_hugging_face(fixture, model, tokenizer, path)
        found = expected(fixture, model, tokenizer, seed)
        if found:
            (folder / f"{fixture.name}.expected.json").write_text(json.dumps(found) + "\n")
            print(fixture.name, "seed", seed, "spread", found["spread"], "leads", [prompt["lead"] for prompt in found["prompts"]])
            return
    raise SystemExit(f"no seed gives {fixture.name} a clear greedy text")


def main() -> None:
    folder = HERE / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tokenizer = vocabulary.train()
    vocabulary.write_golden(tokenizer, HERE / "tokenizer")
    for fixture in FIXTURES:
        make(fixture, tokenizer, folder)


if __name__ == "__main__":
    main()
