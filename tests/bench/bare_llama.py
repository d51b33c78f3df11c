"""The bare loop that the engine is measured against: llama-cpp-python's low-level functions and nothing else.

One process that loads the file as the engine does (threads, batch, repacking) and answers each line on stdin, a JSON
object {"prompt": tokens, "decode": tokens}, with the figures of one run.
"""

from __future__ import annotations

import json
import sys
import time

from llama_cpp import llama_cpp as api


def main() -> None:
    path, context_length, batch_size, threads = sys.argv[1], *map(int, sys.argv[2:5])
    quiet = api.llama_log_callback(lambda level, text, data: None)
    api.llama_log_set(quiet, None)
    api.llama_backend_init()
    model_parameters = api.llama_model_default_params()
    model_parameters.load_mode = api.LLAMA_LOAD_MODE_NONE
    model = api.llama_model_load_from_file(path.encode(), model_parameters)
    parameters = api.llama_context_default_params()
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = context_length, batch_size, batch_size
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.n_outputs_max = 1
    parameters.no_perf = True
    context = api.llama_init_from_model(model, parameters)
    vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps(run(context, vocabulary, batch_size, **wanted)), flush=True)


def run(context: object, vocabulary: int, batch_size: int, prompt: list[int], decode: int) -> dict[str, float]:
    api.llama_memory_clear(api.llama_get_memory(context), True)
    chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
    api.llama_sampler_chain_add(chain, api.llama_sampler_init_greedy())
    start = time.perf_counter()
    for at in range(0, len(prompt), batch_size):
        part = prompt[at : at + batch_size]
        array = (api.llama_token * len(part))(*part)
        assert api.llama_decode(context, api.llama_batch_get_one(array, len(part))) == 0
    token = api.llama_sampler_sample(chain, context, -1)
    first = time.perf_counter()
    single = (api.llama_token * 1)()
    for _ in range(decode - 1):
        single[0] = token
        assert api.llama_decode(context, api.llama_batch_get_one(single, 1)) == 0
        token = api.llama_sampler_sample(chain, context, -1)
    last = time.perf_counter()
    api.llama_sampler_free(chain)
    return {
        "prompt_tokens_per_second": len(prompt) / (first - start),
        "tokens_per_second": (decode - 1) / (last - first),
    }


if __name__ == "__main__":
    main()
