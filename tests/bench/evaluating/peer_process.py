"""What the evaluation is measured against, in a process that stays: a JSON object a line in, one with figures out.

usage: peer_process.py generate CHECKPOINT DTYPE           {"prompts": [text], "tokens": N}
       peer_process.py harness-hf CHECKPOINT DTYPE TASKS   {"task": name, "questions": [place]}
       peer_process.py harness-gguf URL TASKS              the same

`generate` is the published way: greedy, one prompt at a time. The others are lm-evaluation-harness with a folder of
tasks. Of both only the time in the model is counted, not their own start, reading and summing up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Serve = Callable[[dict[str, Any]], dict[str, Any]]


def generate(checkpoint: str, dtype: str) -> Serve:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).eval()
    # As many tokens as are asked for: random weights would end an answer by chance.
    model.generation_config.eos_token_id = None

    def serve(wanted: dict[str, Any]) -> dict[str, Any]:
        seconds, tokens, answers = [], [], []
        for prompt in wanted["prompts"]:
            start = time.perf_counter()
            encoded = tokenizer(prompt, return_tensors="pt")
            with torch.inference_mode():
                made = model.generate(
                    **encoded, max_new_tokens=wanted["tokens"], do_sample=False, pad_token_id=tokenizer.pad_token_id
                )
            length = encoded["input_ids"].shape[1]
            answers.append(tokenizer.decode(made[0, length:], skip_special_tokens=True))
            seconds.append(time.perf_counter() - start)
            tokens.append(made.shape[1] - length)
        return {"seconds": seconds, "tokens": tokens}

    return serve


def harness_hf(checkpoint: str, dtype: str, tasks: str) -> Serve:
    from lm_eval.models.huggingface import HFLM

    return _harness(HFLM(pretrained=checkpoint, dtype=dtype, device="cpu", batch_size=1), tasks)


def harness_gguf(url: str, tasks: str) -> Serve:
    from lm_eval.models.gguf import GGUFLM

    return _harness(GGUFLM(base_url=url), tasks)


def _harness(model: Any, folder: str) -> Serve:
    import lm_eval
    from lm_eval.tasks import TaskManager

    tasks = TaskManager(include_path=folder, include_defaults=False)
    seconds = [0.0]
    evaluate = model.loglikelihood

    def timed(requests: list[Any], **options: Any) -> Any:
        start = time.perf_counter()
        found = evaluate(requests, **options)
        seconds.append(time.perf_counter() - start)
        return found

    model.loglikelihood = timed

    def serve(wanted: dict[str, Any]) -> dict[str, Any]:
        seconds.clear()
        results = lm_eval.simple_evaluate(
            model, tasks=[wanted["task"]], task_manager=tasks, samples={wanted["task"]: wanted["questions"]},
            num_fewshot=0, bootstrap_iters=0,
        )  # fmt: skip
        samples = sorted(results["samples"][wanted["task"]], key=lambda sample: sample["doc_id"])
        asked = [sample["arguments"] for sample in samples]
        found = [[float(one[0]) for one in sample["filtered_resps"]] for sample in samples]
        return {"seconds": sum(seconds), "asked": asked, "logprobs": found}

    return serve


def main() -> None:
    kinds: dict[str, Callable[..., Serve]] = {
        "generate": generate,
        "harness-hf": harness_hf,
        "harness-gguf": harness_gguf,
    }
    if len(sys.argv) < 3 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve = kinds[sys.argv[1]](*sys.argv[2:])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
