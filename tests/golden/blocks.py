"""Weights in ggml's storage types.

The gguf library quantises the simple types. It reads the k-quants but does not write them, so those blocks are drawn at
random: any bits are a valid block, only the scales must be of a sensible size.
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type


def halves(random: np.random.Generator, rows: int, value: float) -> np.ndarray:
    return (random.uniform(0.8, 1.2, (rows, 1)) * value).astype(np.float16).view(np.uint8)


def bits(random: np.random.Generator, rows: int, count: int, top: int = 256) -> np.ndarray:
    return random.integers(0, top, (rows, count), dtype=np.uint8)


def random_blocks(random: np.random.Generator, kind: Type, shape: tuple[int, int], spread: float) -> np.ndarray:
    """Bytes of a (rows, columns) matrix whose elements have about this standard deviation."""
    def scale(value: float) -> np.ndarray:
        return halves(random, count, value * spread * 10)

    rows, columns = shape
    count = rows * columns // 256
    match kind:
        case Type.Q2_K:  # scales, quants, d, dmin
            parts = [bits(random, count, 16), bits(random, count, 64), scale(0.007), scale(0.0105)]
        case Type.Q3_K:  # high bits, low bits, scales, d
            parts = [bits(random, count, 32), bits(random, count, 64), bits(random, count, 12), scale(0.0025)]
        case Type.Q4_K:  # d, dmin, scales, quants
            parts = [scale(3.8e-4), scale(2.9e-3), bits(random, count, 12), bits(random, count, 128)]
        case Type.Q5_K:  # d, dmin, scales, high bits, quants
            parts = [scale(1.9e-4), scale(2.9e-3), bits(random, count, 12), bits(random, count, 32),
                     bits(random, count, 128)]
        case Type.Q6_K:  # low bits, high bits, scales, d
            parts = [bits(random, count, 128), bits(random, count, 64), bits(random, count, 16, 33), scale(3e-4)]
        case _:
            raise ValueError(kind)
    return np.concatenate(parts, axis=1).reshape(rows, -1)


def stored(random: np.random.Generator, kind: Type, weight: np.ndarray) -> np.ndarray:
    """`weight` as it is stored in `kind`; for k-quants other weights of the same shape."""
    if kind.name.endswith("_K"):
        return random_blocks(random, kind, weight.shape, float(weight.std()))
    return gguf.quants.quantize(weight.astype(np.float32), kind)


def read(kind: Type, data: np.ndarray) -> np.ndarray:
    return gguf.quants.dequantize(data, kind).astype(np.float32)
