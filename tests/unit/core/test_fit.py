"""What is expected of a model, from figures: bytes a token, tokens a second, layers on a GPU."""

from __future__ import annotations

import pytest

from app.core.engine.offload import SPARE_BYTES, gpu_layers, layer_count, usable_bytes
from app.core.engine.protocol import Gpu, Measured
from app.core.models.fit import bytes_per_token, gpu_fit, speed, types_to_measure
from app.core.models.gguf_header import GgufHeader, TensorInfo, Value

MB = 1_000_000
CONTEXT = 1024
# 4 blocks, 8 heads of 64 for queries and 2 for keys and values: 1,024 bytes of cache a token and block.
KEYS: dict[str, Value] = {
    "general.architecture": "llama",
    "llama.block_count": 4,
    "llama.context_length": 8192,
    "llama.embedding_length": 512,
    "llama.feed_forward_length": 1024,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
}
CACHE = 4 * CONTEXT * 2 * (64 + 64) * 2


def header(sizes: dict[str, tuple[str, int]], **more: int) -> GgufHeader:
    tensors = tuple(TensorInfo(name, (1,), kind, 0, size) for name, (kind, size) in sizes.items())
    metadata = KEYS | {f"llama.{key}": value for key, value in more.items()}
    return GgufHeader(metadata, tensors, 0, sum(size for _, size in sizes.values()))


DENSE = {
    "token_embd.weight": ("Q4_K", 900 * MB),
    **{f"blk.{block}.ffn_up.weight": ("Q4_K", 100 * MB) for block in range(4)},
    "output_norm.weight": ("F32", 1000),
    "output.weight": ("Q6_K", 200 * MB),
}


def measured(read: float, **products: float) -> Measured:
    return Measured(
        id=1, threads=2, read_bytes_per_second=read, product_bytes_per_second={"F16": 1e12} | products, gpus=()
    )


def test_of_the_embedding_one_row_is_read_for_a_token() -> None:
    assert bytes_per_token(header(DENSE)) == {"Q4_K": 400 * MB, "F32": 1000, "Q6_K": 200 * MB}


def test_an_embedding_that_gives_the_logits_is_read_whole() -> None:
    tied = {name: size for name, size in DENSE.items() if name != "output.weight"}
    assert bytes_per_token(header(tied))["Q4_K"] == 1300 * MB


@pytest.mark.parametrize(("used", "count", "read"), [(2, 8, 100), (8, 8, 400), (0, 0, 400), (9, 8, 400), (-1, 8, 400)])
def test_of_experts_those_that_a_token_is_sent_to_are_read(used: int, count: int, read: int) -> None:
    experts = {f"blk.{block}.ffn_up_exps.weight": ("Q4_K", 100 * MB) for block in range(4)}
    assert bytes_per_token(header(experts, expert_used_count=used, expert_count=count)) == {"Q4_K": read * MB}


def test_types_with_hardly_any_weights_are_not_measured_and_the_caches_is() -> None:
    assert types_to_measure(header(DENSE)) == {"Q4_K", "Q6_K", "F16"}


def test_with_many_cores_memory_decides() -> None:
    # 600 MB at 6 GB a second: 10 tokens a second if nothing else took time.
    found = speed(header(DENSE), measured(6e9, Q4_K=1e12, Q6_K=1e12), CONTEXT)
    assert found.high == pytest.approx(10, rel=0.01)
    assert found.low == pytest.approx(6, rel=0.02)
    assert (found.context_length, found.read_bytes_per_second) == (CONTEXT, 6e9)


def test_with_few_cores_each_type_takes_its_time() -> None:
    # 400 MB at 4 and 200 MB at 2 GB a second: 0.2 seconds a token.
    found = speed(header(DENSE), measured(1e12, Q4_K=4e9, Q6_K=2e9), CONTEXT)
    assert found.high == pytest.approx(5, rel=0.01)
    assert found.low == pytest.approx(3, rel=0.01)


def test_at_worst_reading_and_multiplying_follow_each_other() -> None:
    # 0.1 seconds each.
    found = speed(header(DENSE), measured(6e9, Q4_K=6e9, Q6_K=6e9), 1)
    assert found.high == pytest.approx(10, rel=0.01)
    assert found.low == pytest.approx(3, rel=0.01)


def test_a_long_conversation_lowers_the_low_end_alone() -> None:
    rates = measured(6e9, Q4_K=1e12, Q6_K=1e12)
    short, long = (speed(header(DENSE), rates, tokens) for tokens in (1, 8192))
    assert long.high == short.high
    assert short.low == pytest.approx(6, rel=0.01)
    # The cache of 8,192 tokens is read, which takes 11 ms.
    assert long.low == pytest.approx(0.6 / (0.1 + 8 * CACHE / 6e9), rel=0.02)
    # 8 heads in 4 blocks go over it at 3,500 bytes a token: 92 ms on a machine that multiplies with 10 GB a second.
    slower = speed(header(DENSE), measured(6e9, Q4_K=1e12, Q6_K=1e12, F16=1e10), 8192)
    assert slower.low == pytest.approx(0.6 / (0.1 + 8 * CACHE / 6e9 + 0.092), rel=0.02)


def test_a_whole_model_fits_onto_a_large_gpu() -> None:
    assert gpu_layers(header(DENSE), 10**12, CONTEXT) == layer_count(header(DENSE)) == 5


def test_the_output_goes_first_and_then_the_blocks_from_the_last() -> None:
    model = header(DENSE | {"blk.3.ffn_down.weight": ("Q4_K", 50 * MB)})
    everything = next(n for n in range(0, 1000 * MB, MB) if gpu_layers(model, n, CONTEXT) == 5)
    buffers = everything - (200 + 50 + 4 * 100) * MB - CACHE
    assert 0 < buffers < 30 * MB
    needs = [200 * MB, 150 * MB + CACHE // 4, *[100 * MB + CACHE // 4] * 3]
    for layers in range(6):
        enough = buffers + sum(needs[:layers])
        assert gpu_layers(model, enough, CONTEXT) == layers
        if layers:
            assert gpu_layers(model, enough - 2 * MB, CONTEXT) == layers - 1


def test_an_embedding_that_gives_the_logits_lies_on_the_gpu_too() -> None:
    tied = header({name: size for name, size in DENSE.items() if name != "output.weight"})
    assert gpu_layers(tied, 800 * MB, CONTEXT) == 0
    assert gpu_layers(tied, 950 * MB, CONTEXT) == 1


def test_a_longer_context_leaves_room_for_fewer_layers() -> None:
    room = 500 * MB
    assert gpu_layers(header(DENSE), room, 1024) > gpu_layers(header(DENSE), room, 100_000)


def test_tensors_of_no_block_are_no_layers() -> None:
    strange = header(DENSE | {"blk.x.weight": ("F32", MB), "blk.99999999.weight": ("F32", MB)})
    assert gpu_layers(strange, 10**12, CONTEXT) == 5


def test_each_gpu_keeps_something_free() -> None:
    gpus = (Gpu("A", SPARE_BYTES + 5, 0), Gpu("B", SPARE_BYTES + 7, 0), Gpu("C", 3, 0))
    assert usable_bytes(gpus) == 12


def test_without_a_gpu_no_layer_fits() -> None:
    found = gpu_fit(header(DENSE), (), CONTEXT)
    assert (found.gpus, found.layers, found.of_layers, found.context_length) == ((), 0, 5, CONTEXT)
